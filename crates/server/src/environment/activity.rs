//! Describes in words what happens in an environment, for the admin page: the last entries, and new ones as they come.
//!
//! Clients get changes as events, which say less.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use flagwire_core::protocol::{Change, Domain};
use flagwire_evaluation::Snapshot;
use flagwire_evaluation::model::{FeatureConfig, Segment, Serve, State, VariationMap};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast;

use super::changes::Difference;
use super::edit::{Author, Edit, Entry, FlagsChange};
use super::status::{SourceState, SourceStatus};
use crate::time::unix_seconds;

/// How many entries are remembered.
const MAX_ENTRIES: usize = 200;

/// How many entries a reader may lag behind.
const MAX_LAG: usize = 512;

/// How many changes of one configuration get an entry each. One more entry counts the others.
const MAX_CHANGES: usize = 100;

/// How many details of a change, and how many names of a list, are shown at most.
const MAX_DETAILS: usize = 12;
const MAX_NAMES: usize = 20;

/// The longest text of a file or an upstream in an entry, in characters.
const MAX_CHARS: usize = 80;

/// One thing that happened.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActivityEntry {
    /// Counts the entries, from 1.
    number: u64,
    /// Milliseconds since the Unix epoch.
    at: u64,
    #[serde(flatten)]
    what: What,
    /// Sentences that say what changed.
    details: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum What {
    /// A flag or a group changed, by whatever means.
    Change {
        domain: Domain,
        change: Change,
        identifier: String,
        version: i64,
        /// Other flags whose evaluation may differ, and how many there are.
        affected: Vec<String>,
        affected_total: usize,
    },
    /// A configuration has `more` changes than get entries of their own.
    Changes { more: usize },
    /// The status of the source changed.
    Source { state: SourceState, healthy: bool },
    /// Somebody changed a flag or a group, by the name in `flag`, through the admin page or its endpoint.
    Edit {
        domain: Domain,
        flag: String,
        by: String,
    },
}

/// The last entries of an environment.
#[derive(Debug)]
pub(crate) struct Activity {
    recent: Mutex<Recent>,
    /// When each flag changed last, in seconds since the Unix epoch. Deleted flags are left out.
    changed: Mutex<BTreeMap<String, i64>>,
    sender: broadcast::Sender<Arc<ActivityEntry>>,
}

#[derive(Debug, Default)]
struct Recent {
    entries: VecDeque<Arc<ActivityEntry>>,
    last: u64,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            recent: Mutex::default(),
            changed: Mutex::default(),
            sender: broadcast::Sender::new(MAX_LAG),
        }
    }
}

impl Activity {
    /// Returns the remembered entries, oldest first, and a receiver of all that follow them.
    pub(crate) fn follow(
        &self,
    ) -> (
        Vec<Arc<ActivityEntry>>,
        broadcast::Receiver<Arc<ActivityEntry>>,
    ) {
        let recent = self.recent.lock();
        (
            recent.entries.iter().cloned().collect(),
            self.sender.subscribe(),
        )
    }

    fn push(&self, what: What, details: Vec<String>) {
        let mut recent = self.recent.lock();
        recent.last += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let entry = Arc::new(ActivityEntry {
            number: recent.last,
            at: now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
            what,
            details,
        });
        if recent.entries.len() == MAX_ENTRIES {
            recent.entries.pop_front();
        }
        recent.entries.push_back(Arc::clone(&entry));
        // An error means that there is no receiver. Sent while locked, so that a receiver misses nothing and gets nothing twice.
        drop(self.sender.send(entry));
    }

    /// Adds entries for the changes of a configuration.
    pub(crate) fn changed(&self, differences: &[Difference], old: &Snapshot, new: &Snapshot) {
        // What serves everybody the same is no change for the people who read this.
        let differences: Vec<&Difference> = differences
            .iter()
            .filter(|difference| !difference.serves_the_same)
            .collect();
        self.note_changes(&differences);
        for difference in differences.iter().take(MAX_CHANGES) {
            let identifier = &difference.identifier;
            let details = details(difference, old, new);
            let others = difference
                .affected
                .iter()
                .filter(|flag| difference.domain != Domain::Flag || *flag != identifier);
            let affected: Vec<String> = others.cloned().collect();
            self.push(
                What::Change {
                    domain: difference.domain,
                    change: difference.change,
                    identifier: identifier.clone(),
                    version: difference.version,
                    affected_total: affected.len(),
                    affected: affected.into_iter().take(MAX_NAMES).collect(),
                },
                details,
            );
        }
        if let Some(more) = differences.len().checked_sub(MAX_CHANGES)
            && more > 0
        {
            self.push(What::Changes { more }, Vec::new());
        }
    }

    fn note_changes(&self, differences: &[&Difference]) {
        let now = unix_seconds(SystemTime::now());
        let mut changed = self.changed.lock();
        for difference in differences {
            match (difference.domain, difference.change) {
                (Domain::TargetSegment, _) => {}
                (Domain::Flag, Change::Delete) => {
                    changed.remove(&difference.identifier);
                }
                (Domain::Flag, _) => {
                    changed.insert(difference.identifier.clone(), now);
                }
            }
        }
    }

    /// Returns when flags changed last, in seconds since the Unix epoch, of those that have changed since the start.
    pub(crate) fn last_changes(&self) -> BTreeMap<String, i64> {
        let changed = self.changed.lock();
        changed.clone()
    }

    /// Adds an entry for a change of the source's status.
    pub(crate) fn source(&self, before: &SourceStatus, now: &SourceStatus) {
        let details = [&now.error, &now.warning];
        // That a source has started is not an entry.
        if before.state == SourceState::Starting && now.healthy {
            return;
        }
        self.push(
            What::Source {
                state: now.state,
                healthy: now.healthy,
            },
            details
                .into_iter()
                .flatten()
                .flat_map(|text| text.lines())
                .map(|line| line.chars().take(400).collect())
                .take(MAX_DETAILS)
                .collect(),
        );
    }

    /// Adds an entry for a change that a person has made here, with what it changes in words.
    pub(crate) fn edited(&self, entry: &Entry, words: Vec<String>, by: &Author) {
        let domain = match entry {
            Entry::Flag(_) => Domain::Flag,
            Entry::Group(_) => Domain::TargetSegment,
        };
        let (flag, by) = (entry.name().to_owned(), by.to_string());
        self.push(What::Edit { domain, flag, by }, words);
    }
}

/// Describes in words what has changed about a flag or group.
pub(crate) fn details(difference: &Difference, old: &Snapshot, new: &Snapshot) -> Vec<String> {
    let identifier = &difference.identifier;
    let mut details = match difference.domain {
        Domain::Flag => match (old.flag(identifier), new.flag(identifier)) {
            (Some(old), Some(new)) => flag_differs(old, new),
            (None, Some(new)) => vec![format!(
                "{}, serves {}",
                if new.state == State::On { "on" } else { "off" },
                if new.state == State::On {
                    serve(&new.default_serve)
                } else {
                    short(&new.off_variation)
                }
            )],
            _ => Vec::new(),
        },
        Domain::TargetSegment => match (old.segment(identifier), new.segment(identifier)) {
            (Some(old), Some(new)) => group_differs(old, new),
            _ => Vec::new(),
        },
    };
    details.truncate(MAX_DETAILS);
    details
}

/// Describes in words what a change does, with one text for each part of it.
pub(crate) fn change_in_words(change: &FlagsChange) -> Vec<String> {
    match change {
        FlagsChange::Settings { edit, .. } => in_words(edit),
        FlagsChange::Define { revision: None, .. } => vec!["added".to_owned()],
        FlagsChange::Define { .. } => vec!["definition changed".to_owned()],
        FlagsChange::Delete { .. } => vec!["deleted".to_owned()],
    }
}

/// Describes in words what an edit changes, with one text for each change.
fn in_words(edit: &Edit) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(on) = edit.state {
        words.push(if on { "on" } else { "off" }.to_owned());
    }
    if let Some(variation) = &edit.default {
        words.push(format!("serves {} by default", short(variation)));
    }
    if let Some(variation) = &edit.off {
        words.push(format!("serves {} while off", short(variation)));
    }
    if let Some(change) = &edit.target {
        let target = short(&change.identifier);
        words.push(match &change.variation {
            Some(variation) => format!("{target} gets {}", short(variation)),
            None => format!("{target} gets what the rules say"),
        });
    }
    words
}

fn flag_differs(old: &FeatureConfig, new: &FeatureConfig) -> Vec<String> {
    let mut words = Vec::new();
    if old.state != new.state {
        words.push(
            if new.state == State::On {
                "turned on"
            } else {
                "turned off"
            }
            .to_owned(),
        );
    }
    if old.default_serve != new.default_serve {
        let (old, new) = (serve(&old.default_serve), serve(&new.default_serve));
        words.push(format!("default: {old} → {new}"));
    }
    if old.off_variation != new.off_variation {
        let (old, new) = (short(&old.off_variation), short(&new.off_variation));
        words.push(format!("while off: {old} → {new}"));
    }
    if old.prerequisites != new.prerequisites {
        words.push("requirements changed".to_owned());
    }
    words.extend(targets_differ(
        &old.variation_to_target_map,
        &new.variation_to_target_map,
    ));
    if old.rules != new.rules {
        words.push(counted("rules", old.rules.len(), new.rules.len()));
    }
    if old.description != new.description {
        words.push("described otherwise".to_owned());
    }
    if (&old.tags, &old.owner, &old.metadata) != (&new.tags, &new.owner, &new.metadata) {
        words.push("tags, owner or metadata changed".to_owned());
    }
    if old.kind != new.kind {
        words.push(format!("kind: {} → {}", short(&old.kind), short(&new.kind)));
    }
    if old.variations != new.variations {
        let same_names = old.variations.len() == new.variations.len()
            && old
                .variations
                .iter()
                .zip(&new.variations)
                .all(|(old, new)| old.identifier == new.identifier);
        if same_names {
            for (old, new) in old.variations.iter().zip(&new.variations) {
                if old.value != new.value {
                    let (name, old, new) =
                        (short(&new.identifier), short(&old.value), short(&new.value));
                    words.push(format!("value of {name}: {old} → {new}"));
                }
            }
        } else {
            let (old, new) = (old.variations.len(), new.variations.len());
            words.push(counted("variations", old, new));
        }
    }
    words
}

fn group_differs(old: &Segment, new: &Segment) -> Vec<String> {
    let mut words = Vec::new();
    if old.included != new.included {
        let (old, new) = (old.included.len(), new.included.len());
        words.push(counted("included", old, new));
    }
    if old.excluded != new.excluded {
        let (old, new) = (old.excluded.len(), new.excluded.len());
        words.push(counted("excluded", old, new));
    }
    if (&old.rules, &old.serving_rules) != (&new.rules, &new.serving_rules) {
        let count = |group: &Segment| group.rules.len() + group.serving_rules.len();
        words.push(counted("rules", count(old), count(new)));
    }
    words
}

fn counted(what: &str, old: usize, new: usize) -> String {
    if old == new {
        format!("{what} changed")
    } else {
        format!("{what} changed: {old} → {new}")
    }
}

/// Describes which targets and groups a flag names now and did not name before, and which it no longer names.
fn targets_differ(old: &[VariationMap], new: &[VariationMap]) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let named = |map: &[VariationMap]| -> BTreeSet<(String, String)> {
        let entries = map.iter().flat_map(|entry| {
            let targets = entry.targets.iter().map(|one| one.identifier.clone());
            let groups = entry
                .target_segments
                .iter()
                .map(|group| format!("group {group}"));
            targets
                .chain(groups)
                .map(|name| (name, entry.variation.clone()))
        });
        entries.collect()
    };
    let (old, new) = (named(old), named(new));
    let come: Vec<_> = new.difference(&old).collect();
    let gone: Vec<_> = old
        .difference(&new)
        .filter(|(name, _)| !come.iter().any(|(other, _)| other == name))
        .collect();
    if come.len() + gone.len() > MAX_NAMES {
        return vec![counted("named targets", old.len(), new.len())];
    }
    let come = come
        .iter()
        .map(|(name, variation)| format!("{} gets {}", short(name), short(variation)));
    let gone = gone
        .iter()
        .map(|(name, _)| format!("{} is named no more", short(name)));
    come.chain(gone).collect()
}

fn serve(serve: &Serve) -> String {
    match (&serve.distribution, &serve.variation) {
        (Some(distribution), _) => {
            let shares: Vec<String> = distribution
                .variations
                .iter()
                .take(MAX_DETAILS)
                .map(|share| format!("{} % {}", share.weight, short(&share.variation)))
                .collect();
            shares.join(", ")
        }
        (None, Some(variation)) => short(variation),
        (None, None) => "nothing".to_owned(),
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= MAX_CHARS {
        return text.to_owned();
    }
    text.chars().take(MAX_CHARS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use flagwire_flags_file::parse;

    fn told(environment: &Environment) -> Vec<serde_json::Value> {
        let (entries, _) = environment.activity.follow();
        entries
            .iter()
            .map(|entry| serde_json::to_value(entry).unwrap())
            .collect()
    }

    #[test]
    fn a_change_is_told_in_words() {
        let environment = Environment::new("e");
        let put = |text: &str| drop(environment.apply(parse(text).unwrap()));
        put(
            "flags: { a: { default: { true: 30, false: 70 }, off: false }, b: 1, c: { default: true, requires: { a: true } } }",
        );
        assert_eq!(
            told(&environment).len(),
            0,
            "the first configuration is no change"
        );
        put(
            "flags: { a: { default: true, state: off, off: true, targets: { true: [bob] }, rules: [{ when: { plan: gold }, serve: true }] }, b: 2, c: { default: true, requires: { a: true } }, d: { value: 5, state: off } }",
        );
        let all = told(&environment);
        let of = |name: &str| all.iter().find(|one| one["identifier"] == name).unwrap();
        assert_eq!(
            of("a")["details"],
            serde_json::json!([
                "turned off",
                "default: 30 % true, 70 % false → true",
                "while off: false → true",
                "bob gets true",
                "rules changed: 0 → 1"
            ])
        );
        assert_eq!(of("a")["affected"], serde_json::json!(["c"]));
        assert_eq!(
            of("b")["details"],
            serde_json::json!(["value of default: 1 → 2"])
        );
        assert_eq!(of("d")["change"], "create");
        put("flags: { b: 2 }");
        assert_eq!(told(&environment).last().unwrap()["change"], "delete");
    }

    #[test]
    fn what_is_kept_is_bounded_and_who_follows_misses_nothing() {
        let environment = Environment::new("e");
        let flags = |value: usize| {
            let flags: Vec<String> = (0..150).map(|n| format!("f{n}: {value}")).collect();
            parse(&format!("flags: {{ {} }}", flags.join(", "))).unwrap()
        };
        drop(environment.apply(flags(0)));
        let (kept, mut follow) = environment.activity.follow();
        assert_eq!(kept.len(), 0);
        for value in 1..4 {
            drop(environment.apply(flags(value)));
        }
        let mut last = 0;
        while let Ok(entry) = follow.try_recv() {
            assert_eq!(entry.number, last + 1);
            last = entry.number;
        }
        let kept = told(&environment);
        assert_eq!(last, 303, "100 a time, and one for the rest");
        assert_eq!(kept.len(), MAX_ENTRIES);
        assert_eq!(kept.last().unwrap()["more"], 50);
    }
}
