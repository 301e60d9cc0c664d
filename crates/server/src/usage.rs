//! How often each variation was served, as clients report it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use flagwire_core::protocol::Metrics;

/// Clients may name any flag and variation, so what is counted has a bound.
const MAX_COUNTERS: usize = 10_000;

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct Usage {
    counters: Mutex<BTreeMap<(String, String), u64>>,
}

impl Usage {
    /// Adds a report.
    pub fn add(&self, metrics: &Metrics) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for data in metrics.metrics_data.iter().flatten() {
            let find = |name: &str| {
                data.attributes
                    .iter()
                    .find(|pair| pair.key == name)
                    .map(|pair| pair.value.clone())
            };
            let (Some(flag), Some(variation)) =
                (find("featureIdentifier"), find("variationIdentifier"))
            else {
                continue;
            };
            let key = (flag, variation);
            if counters.len() >= MAX_COUNTERS && !counters.contains_key(&key) {
                continue;
            }
            let counter = counters.entry(key).or_default();
            *counter = counter.saturating_add(data.count);
        }
    }

    /// Flag, variation and how often, sorted.
    #[must_use]
    pub fn totals(&self) -> Vec<(String, String, u64)> {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters
            .iter()
            .map(|((flag, variation), count)| (flag.clone(), variation.clone(), *count))
            .collect()
    }
}
