//! Counts how often each variation was served, as clients report it, and collects the targets, as back ends report
//! them.
//!
//! Anybody who has a client key can report anything. So flags and variations of the configuration are counted whatever else is
//! reported: unknown names have a limit of their own, and so have the targets that clients report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use flagwire_core::protocol::{KeyValue, Metrics, MetricsData, TargetData};
use flagwire_evaluation::Snapshot;
use parking_lot::{Mutex, RwLock};

use crate::auth::KeyKind;
use crate::time::unix_seconds;

/// The highest count that one entry of a report may have: more than a back end serves of one variation in a day.
const MAX_COUNT: u64 = 1_000_000_000;

/// How many variations are counted that the configuration has, or has had since the start. There may be more while it
/// has more.
const MAX_COUNTERS: usize = 10_000;

/// The most counters that wait to be passed on. Past the first limit those of known variations are no longer separate for each SDK.
/// The second limit is for names that the configuration does not know, as when it is older than the clients' one.
const MAX_WAITING: usize = 10_000;
const MAX_WAITING_UNKNOWN: usize = 1_000;

/// Texts of clients are cut to this length in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// The limits for targets that wait to be passed on: their number, their bytes, how many of them clients may have
/// reported, which published clients do not do, and the attributes of each.
const MAX_TARGETS: usize = 10_000;
const MAX_TARGETS_BYTES: usize = 8 * 1024 * 1024;
const MAX_TARGETS_OF_CLIENTS: usize = 1_000;
const MAX_ATTRIBUTES: usize = 64;

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct Usage {
    totals: Mutex<Totals>,
    outbox: RwLock<Option<Arc<Outbox>>>,
}

#[derive(Debug, Default)]
struct Totals {
    known: BTreeMap<(String, String), u64>,
    /// When each of these flags was last reported, in seconds since the Unix epoch.
    reads: BTreeMap<String, i64>,
    /// How often other names were reported.
    unknown: u64,
}

impl Usage {
    /// Adds a report that was sent with a key of this kind. `current` says which flags and variations there are.
    pub fn add(&self, metrics: &Metrics, current: Option<&Snapshot>, from: KeyKind) {
        // Held until the report is in it, so that none is lost when forwarding ends.
        let outbox = self.outbox.read();
        let mut totals = self.totals.lock();
        for data in metrics.metrics_data.iter().flatten() {
            let Some(mut counted) = UsageCount::of(data) else {
                continue;
            };
            counted.known = totals.add(&counted, data.count, current);
            if counted.known {
                let now = unix_seconds(SystemTime::now());
                totals.reads.insert(counted.flag.clone(), now);
            }
            if let Some(outbox) = &*outbox {
                outbox.add(counted, data.count);
            }
        }
        // Targets are of use only to a relay, which passes them on.
        if let Some(outbox) = &*outbox {
            let targets = metrics.target_data.iter().flatten();
            outbox.add_targets(targets.filter_map(clipped), from);
        }
    }

    /// Returns flag, variation and count, sorted, for the variations that the configuration has, or has had.
    #[must_use]
    pub fn totals(&self) -> Vec<(String, String, u64)> {
        let totals = self.totals.lock();
        totals
            .known
            .iter()
            .map(|((flag, variation), count)| (flag.clone(), variation.clone(), *count))
            .collect()
    }

    /// Returns when flags were last reported as served, in seconds since the Unix epoch. Clients report about once a
    /// minute.
    #[must_use]
    pub fn last_reads(&self) -> BTreeMap<String, i64> {
        let totals = self.totals.lock();
        totals.reads.clone()
    }

    /// Returns how often flags and variations were reported that the configuration did not have.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        let totals = self.totals.lock();
        totals.unknown
    }

    /// Collects all reports from now on, so that they can be passed on to an upstream.
    pub(crate) fn forward(&self) -> Arc<Outbox> {
        let mut outbox = self.outbox.write();
        Arc::clone(outbox.get_or_insert_default())
    }

    /// Collects no reports for an upstream any more. What was collected stays in the outbox.
    pub(crate) fn stop_forwarding(&self) {
        *self.outbox.write() = None;
    }
}

impl Totals {
    /// Adds to a count. Returns whether the configuration has, or has had, the variation that was counted.
    fn add(&mut self, counted: &UsageCount, count: u64, current: Option<&Snapshot>) -> bool {
        let key = (counted.flag.clone(), counted.variation.clone());
        if let Some(total) = self.known.get_mut(&key) {
            *total = total.saturating_add(count);
            return true;
        }
        let is_known = |flag: &str, variation: &str| {
            current
                .and_then(|snapshot| snapshot.flag(flag))
                .is_some_and(|flag| {
                    flag.variations
                        .iter()
                        .any(|one| one.identifier == variation)
                })
        };
        if !is_known(&counted.flag, &counted.variation) {
            self.unknown = self.unknown.saturating_add(count);
            return false;
        }
        if self.known.len() >= MAX_COUNTERS {
            // The counts of flags that are gone are removed to make room.
            self.known
                .retain(|(flag, variation), _| is_known(flag, variation));
            self.reads
                .retain(|flag, _| current.is_some_and(|snapshot| snapshot.flag(flag).is_some()));
        }
        self.known.insert(key, count);
        true
    }
}

/// What is counted separately when it is passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UsageCount {
    /// Whether the configuration knows flag and variation, or has known them.
    pub(crate) known: bool,
    pub(crate) flag: String,
    pub(crate) variation: String,
    pub(crate) sdk_language: String,
    pub(crate) sdk_type: String,
    pub(crate) sdk_version: String,
}

impl UsageCount {
    /// Reads an entry of a report. Returns `None` if it has no flag or no variation, or if its count is 0 or too high.
    fn of(data: &MetricsData) -> Option<Self> {
        if data.count == 0 || data.count > MAX_COUNT {
            return None;
        }
        let find = |name: &str| {
            let pair = data.attributes.iter().find(|pair| pair.key == name)?;
            (!pair.value.is_empty()).then(|| clip(&pair.value))
        };
        Some(Self {
            known: false,
            // The SDKs for Java, Ruby, .NET and iOS send the second alone.
            flag: find("featureIdentifier").or_else(|| find("featureName"))?,
            variation: find("variationIdentifier")?,
            sdk_language: find("SDK_LANGUAGE").unwrap_or_default(),
            sdk_type: find("SDK_TYPE").unwrap_or_default(),
            sdk_version: find("SDK_VERSION").unwrap_or_default(),
        })
    }

    /// Returns the length of all texts, in bytes.
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

/// Returns the part of a target that is passed on; `None` for one without an identifier.
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

/// Returns the length of all texts of a target, in bytes.
pub(crate) fn target_len(target: &TargetData) -> usize {
    let attributes: usize = target
        .attributes
        .iter()
        .map(|pair| pair.key.len() + pair.value.len())
        .sum();
    target.identifier.len() + target.name.len() + attributes
}

/// Collects what is still to be passed on to the upstream.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Unsent>,
}

/// The contents of an [`Outbox`].
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    pub(crate) counters: BTreeMap<UsageCount, u64>,
    /// The targets, by identifier.
    pub(crate) targets: BTreeMap<String, TargetData>,
    target_bytes: usize,
    targets_of_clients: usize,
    unknown: usize,
    /// How many evaluations and targets found no room since the contents were last taken.
    pub(crate) dropped: u64,
}

impl Unsent {
    /// Returns how many evaluations there are.
    pub(crate) fn evaluations(&self) -> u64 {
        let counts = self.counters.values();
        counts.fold(0, |sum, count| sum.saturating_add(*count))
    }

    #[cfg(test)]
    pub(crate) fn of(
        counters: BTreeMap<UsageCount, u64>,
        targets: BTreeMap<String, TargetData>,
    ) -> Self {
        Self {
            counters,
            targets,
            ..Self::default()
        }
    }

    fn add(&mut self, mut key: UsageCount, count: u64) {
        if !self.counters.contains_key(&key) {
            if key.known && self.counters.len() - self.unknown >= MAX_WAITING {
                // There are no more of these than the configuration has variations.
                key = UsageCount {
                    known: true,
                    flag: key.flag,
                    variation: key.variation,
                    ..UsageCount::default()
                };
            } else if !key.known && self.unknown >= MAX_WAITING_UNKNOWN {
                self.dropped = self.dropped.saturating_add(count);
                return;
            } else if !key.known {
                self.unknown += 1;
            }
        }
        let counter = self.counters.entry(key).or_default();
        *counter = counter.saturating_add(count);
    }

    fn add_target(&mut self, target: TargetData, from: KeyKind) {
        let before = self.targets.get(&target.identifier).map(target_len);
        let bytes = self.target_bytes - before.unwrap_or_default() + target_len(&target);
        let of_client = from == KeyKind::Client;
        let full = bytes > MAX_TARGETS_BYTES
            || (before.is_none() && self.targets.len() >= MAX_TARGETS)
            || (of_client && self.targets_of_clients >= MAX_TARGETS_OF_CLIENTS)
            || (of_client && bytes > MAX_TARGETS_BYTES / 8);
        // What a back end reports of a target takes precedence.
        if full || (of_client && before.is_some()) {
            self.dropped = self.dropped.saturating_add(full.into());
            return;
        }
        self.targets_of_clients += usize::from(of_client);
        self.target_bytes = bytes;
        self.targets.insert(target.identifier.clone(), target);
    }
}

impl Outbox {
    fn add(&self, key: UsageCount, count: u64) {
        self.inner.lock().add(key, count);
    }

    fn add_targets(&self, targets: impl Iterator<Item = TargetData>, from: KeyKind) {
        let mut waiting = self.inner.lock();
        for target in targets {
            waiting.add_target(target, from);
        }
    }

    /// Takes all that waits to be passed on.
    pub(crate) fn take(&self) -> Unsent {
        std::mem::take(&mut *self.inner.lock())
    }

    /// Puts back what could not be passed on, together with what was counted since.
    pub(crate) fn put_back(&self, counted: Vec<(UsageCount, u64)>, targets: Vec<TargetData>) {
        let mut waiting = self.inner.lock();
        for (key, count) in counted {
            waiting.add(key, count);
        }
        for target in targets {
            // A target that was reported since is newer.
            if !waiting.targets.contains_key(&target.identifier) {
                waiting.add_target(target, KeyKind::Server);
            }
        }
    }
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
        let add = |report: &Metrics| usage.add(report, None, KeyKind::Server);
        add(&report(vec![target("before", "", 0)]));
        let outbox = usage.forward();
        let named = |name| report(vec![target("user-42", name, 0), target("", "nobody", 0)]);
        add(&named("Ada"));
        add(&named("Ada L."));
        let waiting = outbox.take();
        let names: Vec<&str> = waiting
            .targets
            .values()
            .map(|target| target.name.as_str())
            .collect();
        assert_eq!((names, waiting.dropped), (vec!["Ada L."], 0));
        add(&named("Ada K."));
        outbox.put_back(Vec::new(), waiting.targets.into_values().collect());
        assert_eq!(outbox.take().targets["user-42"].name, "Ada K.");
    }

    #[test]
    fn neither_many_targets_nor_large_ones_fill_the_memory() {
        let usage = Usage::default();
        let outbox = usage.forward();
        for n in 0..MAX_TARGETS + 5 {
            usage.add(
                &report(vec![target(&n.to_string(), "", 0)]),
                None,
                KeyKind::Server,
            );
        }
        let waiting = outbox.take();
        assert_eq!((waiting.targets.len(), waiting.dropped), (MAX_TARGETS, 5));
        for n in 0..2_000 {
            usage.add(
                &report(vec![target(&n.to_string(), "", 1_000)]),
                None,
                KeyKind::Server,
            );
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

    fn counts(flag: &str, variation: &str, version: &str, count: u64) -> Metrics {
        let attributes = [
            ("featureIdentifier", flag),
            ("variationIdentifier", variation),
            ("SDK_VERSION", version),
        ];
        let pair = |(key, value): (&str, &str)| KeyValue {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let data = MetricsData {
            timestamp: 1,
            count,
            metrics_type: "FFMETRICS".to_owned(),
            attributes: attributes.into_iter().map(pair).collect(),
        };
        Metrics {
            metrics_data: Some(vec![data]),
            target_data: None,
        }
    }

    fn snapshot(text: &str) -> Snapshot {
        let environment = crate::environment::Environment::new("e");
        drop(environment.apply(flagwire_flags_file::parse(text).unwrap()));
        environment.current().unwrap().snapshot.clone()
    }

    /// Names that nobody knows and versions of SDKs that do not exist, before what is real is counted for the first time.
    #[test]
    fn invented_names_take_nothing_from_what_the_configuration_knows() {
        let usage = Usage::default();
        let outbox = usage.forward();
        let current = snapshot("flags: { dark-mode: true, limits: 5 }");
        let add = |flag: &str, variation: &str, version: &str, count: u64| {
            let report = counts(flag, variation, version, count);
            usage.add(&report, Some(&current), KeyKind::Client);
        };
        for n in 0..12_000 {
            add(&format!("invented-{n}"), "true", "", 1);
            add("dark-mode", &format!("invented-{n}"), "", 1);
            add("dark-mode", "true", &n.to_string(), 1);
        }
        add("limits", "default", "1.0", 7);
        let expected = [("dark-mode", "true", 12_000), ("limits", "default", 7)];
        let expected =
            expected.map(|(flag, variation, count)| (flag.to_owned(), variation.to_owned(), count));
        assert_eq!(usage.totals(), expected);
        assert_eq!(usage.unknown(), 24_000);
        let waiting = outbox.take();
        assert!(waiting.counters.len() <= MAX_WAITING + MAX_WAITING_UNKNOWN + 2);
        let passed_on = |flag: &str| -> u64 {
            let counters = waiting.counters.iter();
            let known = counters.filter(|(counted, _)| counted.known && counted.flag == flag);
            known.map(|(_, count)| count).sum()
        };
        assert_eq!((passed_on("dark-mode"), passed_on("limits")), (12_000, 7));
        assert_eq!(waiting.dropped, 24_000 - 1_000);
        outbox.put_back(waiting.counters.into_iter().collect(), Vec::new());
        let again = outbox.take().counters;
        let sum: u64 = again
            .iter()
            .filter(|(one, _)| one.known)
            .map(|(_, count)| count)
            .sum();
        assert_eq!(
            sum, 12_007,
            "what could not be posted is posted the next time"
        );
    }

    #[test]
    fn a_count_that_is_none_is_left_out_and_none_pins_a_counter() {
        let usage = Usage::default();
        let current = snapshot("flags: { dark-mode: true }");
        for count in [0, 5, MAX_COUNT, MAX_COUNT + 1, 1 << 63, u64::MAX] {
            let report = counts("dark-mode", "true", "", count);
            usage.add(&report, Some(&current), KeyKind::Client);
        }
        assert_eq!(usage.totals()[0].2, MAX_COUNT + 5);
    }

    #[test]
    fn counters_of_flags_that_are_gone_go_on_until_the_room_is_needed() {
        let usage = Usage::default();
        let old = snapshot("flags: { dark-mode: true }");
        let new = snapshot("flags: { other: true }");
        let add = |current: &Snapshot, flag: &str| {
            usage.add(&counts(flag, "true", "", 1), Some(current), KeyKind::Client);
        };
        add(&old, "dark-mode");
        add(&new, "dark-mode");
        assert_eq!((usage.totals()[0].2, usage.unknown()), (2, 0));
        let mut totals = usage.totals.lock();
        for n in 0..MAX_COUNTERS {
            totals.known.insert((format!("gone-{n}"), String::new()), 1);
        }
        drop(totals);
        add(&new, "other");
        assert_eq!(usage.totals().len(), 1);
    }

    #[test]
    fn targets_of_clients_take_no_room_from_those_of_back_ends() {
        let usage = Usage::default();
        let outbox = usage.forward();
        for n in 0..MAX_TARGETS {
            let report = report(vec![target(&format!("invented-{n}"), "", 40)]);
            usage.add(&report, None, KeyKind::Client);
        }
        let of_back_end = report(vec![target("user-42", "Ada", 40)]);
        usage.add(&of_back_end, None, KeyKind::Server);
        let forged = report(vec![target("user-42", "Eve", 0)]);
        usage.add(&forged, None, KeyKind::Client);
        let waiting = outbox.take();
        assert!(waiting.targets.len() <= MAX_TARGETS_OF_CLIENTS + 1);
        assert_eq!(waiting.targets["user-42"].name, "Ada");
    }
}
