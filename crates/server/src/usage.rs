//! How often each variation was served, as clients report it, and for whom, as back ends report it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use flagwire_core::protocol::{KeyValue, Metrics, MetricsData, TargetData};

use crate::environment::unix_seconds;

/// Clients may name any flag and variation, so what is counted has a bound.
const MAX_COUNTERS: usize = 10_000;

/// Texts of clients are kept up to here, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// Targets that wait to be passed on, and how much of them.
const MAX_TARGETS: usize = 10_000;
const MAX_TARGETS_BYTES: usize = 8 * 1024 * 1024;
const MAX_ATTRIBUTES: usize = 64;

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct Usage {
    counters: Mutex<BTreeMap<(String, String), u64>>,
    /// When a flag of the counters was last reported, in seconds since the Unix epoch.
    reads: Mutex<BTreeMap<String, i64>>,
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
            let flag = key.0.clone();
            if add(&mut counters, key, data.count) && data.count > 0 {
                let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
                reads.insert(flag, unix_seconds(SystemTime::now()));
            }
        }
        // For those who pass them on; here they are of no use.
        if let Some(outbox) = outbox {
            let targets = metrics.target_data.iter().flatten();
            outbox.add_targets(targets.filter_map(clipped));
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

    /// When flags were last reported as served, in seconds since the Unix epoch. Reports come about once a minute.
    #[must_use]
    pub fn last_reads(&self) -> BTreeMap<String, i64> {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.clone()
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
            Some(clip(&pair.value))
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

fn clip(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    text.get(..end).unwrap_or_default().to_owned()
}

/// What of a target is passed on; `None` for one that is nobody.
fn clipped(target: &TargetData) -> Option<TargetData> {
    (!target.identifier.is_empty()).then(|| TargetData {
        identifier: clip(&target.identifier),
        name: clip(&target.name),
        attributes: target
            .attributes
            .iter()
            .take(MAX_ATTRIBUTES)
            .map(|pair| KeyValue {
                key: clip(&pair.key),
                value: clip(&pair.value),
            })
            .collect(),
    })
}

/// Of all texts of a target, in bytes.
pub(crate) fn target_len(target: &TargetData) -> usize {
    let attributes: usize = target
        .attributes
        .iter()
        .map(|pair| pair.key.len() + pair.value.len())
        .sum();
    target.identifier.len() + target.name.len() + attributes
}

/// What is still to be passed on.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Waiting>,
}

/// See [`Outbox`].
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) counters: BTreeMap<Counted, u64>,
    /// By identifier.
    pub(crate) targets: BTreeMap<String, TargetData>,
    target_bytes: usize,
    /// Evaluations and targets that found no room since the last time.
    pub(crate) dropped: u64,
}

impl Waiting {
    #[cfg(test)]
    pub(crate) fn of(
        counters: BTreeMap<Counted, u64>,
        targets: BTreeMap<String, TargetData>,
    ) -> Self {
        Self {
            counters,
            targets,
            ..Self::default()
        }
    }

    fn add(&mut self, key: Counted, count: u64) {
        if !add(&mut self.counters, key, count) {
            self.dropped = self.dropped.saturating_add(count);
        }
    }

    fn add_target(&mut self, target: TargetData) {
        let before = self.targets.get(&target.identifier).map_or(0, target_len);
        let bytes = self.target_bytes - before + target_len(&target);
        if bytes > MAX_TARGETS_BYTES || (before == 0 && self.targets.len() >= MAX_TARGETS) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.target_bytes = bytes;
        self.targets.insert(target.identifier.clone(), target);
    }
}

impl Outbox {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, key: Counted, count: u64) {
        self.waiting().add(key, count);
    }

    fn add_targets(&self, targets: impl Iterator<Item = TargetData>) {
        let mut waiting = self.waiting();
        for target in targets {
            waiting.add_target(target);
        }
    }

    /// All that waits.
    pub(crate) fn take(&self) -> Waiting {
        std::mem::take(&mut *self.waiting())
    }

    /// What could not be passed on joins what was counted since.
    pub(crate) fn put_back(&self, counted: Vec<(Counted, u64)>, targets: Vec<TargetData>) {
        let mut waiting = self.waiting();
        for (key, count) in counted {
            waiting.add(key, count);
        }
        for target in targets {
            // What has come since is newer.
            if !waiting.targets.contains_key(&target.identifier) {
                waiting.add_target(target);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn target(identifier: &str, name: &str, attributes: usize) -> TargetData {
        TargetData {
            identifier: identifier.to_owned(),
            name: name.to_owned(),
            attributes: (0..attributes)
                .map(|n| KeyValue {
                    key: format!("attribute-{n}"),
                    value: "x".repeat(1_000),
                })
                .collect(),
        }
    }

    fn report(targets: Vec<TargetData>) -> Metrics {
        Metrics {
            metrics_data: None,
            target_data: Some(targets),
        }
    }

    #[test]
    fn targets_are_kept_once_the_newest_and_only_where_they_are_passed_on() {
        let usage = Usage::default();
        usage.add(&report(vec![target("before", "", 0)]));
        let outbox = usage.forward();
        let named = |name| report(vec![target("user-42", name, 0), target("", "nobody", 0)]);
        usage.add(&named("Ada"));
        usage.add(&named("Ada L."));
        let waiting = outbox.take();
        let names: Vec<&str> = waiting
            .targets
            .values()
            .map(|target| target.name.as_str())
            .collect();
        assert_eq!((names, waiting.dropped), (vec!["Ada L."], 0));
        usage.add(&named("Ada K."));
        outbox.put_back(Vec::new(), waiting.targets.into_values().collect());
        assert_eq!(outbox.take().targets["user-42"].name, "Ada K.");
    }

    #[test]
    fn neither_many_targets_nor_large_ones_fill_the_memory() {
        let usage = Usage::default();
        let outbox = usage.forward();
        for n in 0..MAX_TARGETS + 5 {
            usage.add(&report(vec![target(&n.to_string(), "", 0)]));
        }
        let waiting = outbox.take();
        assert_eq!((waiting.targets.len(), waiting.dropped), (MAX_TARGETS, 5));
        for n in 0..2_000 {
            usage.add(&report(vec![target(&n.to_string(), "", 1_000)]));
        }
        let waiting = outbox.take();
        let bytes: usize = waiting.targets.values().map(target_len).sum();
        assert!(bytes <= MAX_TARGETS_BYTES && waiting.dropped > 0, "{bytes}");
        assert!(
            waiting
                .targets
                .values()
                .all(|target| target.attributes.len() == MAX_ATTRIBUTES)
        );
    }
}
