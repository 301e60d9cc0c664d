//! How often each variation was served, as clients report it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use flagwire_core::protocol::{Metrics, MetricsData};

/// Clients may name any flag and variation, so what is counted has a bound.
const MAX_COUNTERS: usize = 10_000;

/// Texts of clients are kept up to here, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct Usage {
    counters: Mutex<BTreeMap<(String, String), u64>>,
    outbox: OnceLock<Arc<Outbox>>,
}

impl Usage {
    /// Adds a report.
    pub fn add(&self, metrics: &Metrics) {
        let outbox = self.outbox.get();
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for data in metrics.metrics_data.iter().flatten() {
            let Some(counted) = Counted::of(data) else {
                continue;
            };
            let key = (counted.flag.clone(), counted.variation.clone());
            if let Some(outbox) = outbox {
                outbox.add(counted, data.count);
            }
            add(&mut counters, key, data.count);
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

    /// From now on, what is reported is also collected to be passed on.
    pub(crate) fn forward(&self) -> Arc<Outbox> {
        Arc::clone(self.outbox.get_or_init(Arc::default))
    }
}

/// What is counted apart when it is passed on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counted {
    pub(crate) flag: String,
    pub(crate) variation: String,
    pub(crate) sdk_language: String,
    pub(crate) sdk_type: String,
    pub(crate) sdk_version: String,
}

impl Counted {
    fn of(data: &MetricsData) -> Option<Self> {
        let find = |name: &str| {
            let pair = data.attributes.iter().find(|pair| pair.key == name)?;
            let end = pair.value.floor_char_boundary(MAX_TEXT_BYTES);
            pair.value.get(..end).map(str::to_owned)
        };
        Some(Self {
            flag: find("featureIdentifier")?,
            variation: find("variationIdentifier")?,
            sdk_language: find("SDK_LANGUAGE").unwrap_or_default(),
            sdk_type: find("SDK_TYPE").unwrap_or_default(),
            sdk_version: find("SDK_VERSION").unwrap_or_default(),
        })
    }

    /// Of all texts, in bytes.
    pub(crate) const fn len(&self) -> usize {
        self.flag.len()
            + self.variation.len()
            + self.sdk_language.len()
            + self.sdk_type.len()
            + self.sdk_version.len()
    }
}

/// What is still to be passed on.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    counters: BTreeMap<Counted, u64>,
    dropped: u64,
}

impl Outbox {
    fn add(&self, key: Counted, count: u64) {
        let mut waiting = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !add(&mut waiting.counters, key, count) {
            waiting.dropped = waiting.dropped.saturating_add(count);
        }
    }

    /// All that waits, and how many evaluations found no room since the last time.
    pub(crate) fn take(&self) -> (Vec<(Counted, u64)>, u64) {
        let mut waiting = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { counters, dropped } = std::mem::take(&mut *waiting);
        (counters.into_iter().collect(), dropped)
    }

    /// What could not be passed on joins what was counted since.
    pub(crate) fn put_back(&self, counted: Vec<(Counted, u64)>) {
        for (key, count) in counted {
            self.add(key, count);
        }
    }
}

/// Whether there was room.
fn add<K: Ord>(counters: &mut BTreeMap<K, u64>, key: K, count: u64) -> bool {
    if counters.len() >= MAX_COUNTERS && !counters.contains_key(&key) {
        return false;
    }
    let counter = counters.entry(key).or_default();
    *counter = counter.saturating_add(count);
    true
}
