//! Keeps account of what is to be fetched, and of the changes that a fetch must return as events have announced them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flagwire_evaluation::model::{FeatureConfig, Segment};
use serde::Deserialize;

/// How many fetches may lack a change that an event has announced, before the event is taken for a mistake of the
/// upstream.
const MAX_TRIES: u8 = 6;

/// How many announced changes are remembered one by one between two fetches. Changes past that are fetched, but whether
/// the fetch returned them is not checked.
const MAX_NAMED: usize = 10_000;

/// Collects the changes that events announce until they are fetched.
#[derive(Debug, Default)]
pub(super) struct Expected {
    wanted: Wanted,
    /// What events have named as deleted since the last fetch that returned everything they had named.
    deleted: BTreeSet<(Kind, String)>,
}

/// The result of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// The fetch returned every change that events had announced.
    Everything,
    /// The fetch lacked some of these changes; another fetch may return them.
    Less,
    /// Several fetches have lacked the same change, which is no longer expected. The source goes on polling, as the
    /// upstream may still serve it later.
    LessForGood,
    /// The answer lacked much of what is in force. It is to be fetched again after this time.
    Doubted(Duration),
}

/// What a fetch has to return.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) flags: bool,
    pub(super) segments: bool,
    named: BTreeMap<(Kind, String), Announced>,
    given_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Flag,
    TargetSegment,
}

#[derive(Clone, Copy, Debug)]
struct Announced {
    /// The lowest version that a fetch must return, or `None` for something that must be gone.
    version: Option<i64>,
    tries: u8,
}

/// The fields of an upstream's event that are read here.
#[derive(Deserialize)]
struct UpstreamEvent {
    event: String,
    domain: Kind,
    identifier: String,
    #[serde(default)]
    version: Option<i64>,
}

impl Expected {
    /// Notes that all flags and all groups are to be fetched.
    pub(super) const fn everything(&mut self) {
        self.wanted.flags = true;
        self.wanted.segments = true;
    }

    /// Handles an event's data. Returns whether there is something to fetch because of it.
    pub(super) fn event(&mut self, data: &str) -> bool {
        let Ok(event) = serde_json::from_str::<UpstreamEvent>(data) else {
            // The data is that of a heartbeat, of an event for Harness's relay (`proxy`), or of a form that is not
            // known. The last must not be missed.
            let known = data.trim().is_empty() || data.contains("\"proxy\"") || data.trim() == "{}";
            if !known {
                self.everything();
            }
            return !known;
        };
        match event.domain {
            Kind::Flag => self.wanted.flags = true,
            Kind::TargetSegment => self.wanted.segments = true,
        }
        let version = match event.event.as_str() {
            "delete" => None,
            _ => Some(event.version.unwrap_or(i64::MIN)),
        };
        let entry = (event.domain, event.identifier.clone());
        if version.is_some() {
            self.deleted.remove(&entry);
        } else if self.deleted.len() < MAX_NAMED {
            self.deleted.insert(entry);
        }
        let named = &mut self.wanted.named;
        if named.len() < MAX_NAMED {
            named.insert(
                (event.domain, event.identifier),
                Announced { version, tries: 0 },
            );
        }
        true
    }

    /// Whether an event has named this flag as deleted, and none as changed since.
    pub(super) fn tells_deleted_flag(&self, identifier: &str) -> bool {
        self.deleted.contains(&(Kind::Flag, identifier.to_owned()))
    }

    /// Whether an event has named this group as deleted, and none as changed since.
    pub(super) fn tells_deleted_group(&self, identifier: &str) -> bool {
        self.deleted
            .contains(&(Kind::TargetSegment, identifier.to_owned()))
    }

    /// Forgets which deletions events have named, as all of them are in force now.
    pub(super) fn deleted_is_done(&mut self) {
        self.deleted.clear();
    }

    /// Returns what a fetch that starts now has to return. Later events count for the next fetch.
    pub(super) fn begin(&mut self) -> Wanted {
        std::mem::take(&mut self.wanted)
    }

    /// Notes the changes that a fetch did not return, so that they are fetched again. Returns the result of the fetch.
    pub(super) fn end(&mut self, missed: Wanted) -> Brought {
        let brought = match (missed.named.is_empty(), missed.given_up) {
            (false, _) => Brought::Less,
            (true, true) => Brought::LessForGood,
            (true, false) => Brought::Everything,
        };
        for ((kind, identifier), entry) in missed.named {
            match kind {
                Kind::Flag => self.wanted.flags = true,
                Kind::TargetSegment => self.wanted.segments = true,
            }
            // An event that came during the fetch is the newer one.
            self.wanted.named.entry((kind, identifier)).or_insert(entry);
        }
        brought
    }
}

impl Wanted {
    /// Whether no event has named a change, so that the fetch only looks for changes that were missed.
    pub(super) fn is_a_look(&self) -> bool {
        self.named.is_empty()
    }

    /// Removes the announced changes that these lists bring, and those that [`MAX_TRIES`] fetches have lacked.
    pub(super) fn check(&mut self, flags: &[FeatureConfig], segments: &[Segment]) {
        let flags: BTreeMap<&str, Option<i64>> = flags
            .iter()
            .map(|flag| (flag.feature.as_str(), flag.version))
            .collect();
        let segments: BTreeMap<&str, Option<i64>> = segments
            .iter()
            .map(|segment| (segment.identifier.as_str(), segment.version))
            .collect();
        let mut given_up = false;
        self.named.retain(|(kind, identifier), entry| {
            let found = match kind {
                Kind::Flag => flags.get(identifier.as_str()),
                Kind::TargetSegment => segments.get(identifier.as_str()),
            };
            let brought = match (entry.version, found) {
                (Some(least), Some(version)) => version.is_none_or(|version| version >= least),
                (Some(_), None) => false,
                (None, found) => found.is_none(),
            };
            entry.tries += 1;
            if !brought && entry.tries >= MAX_TRIES {
                given_up = true;
                tracing::debug!(
                    identifier,
                    "the upstream event of a change that it does not serve"
                );
            }
            !brought && entry.tries < MAX_TRIES
        });
        self.given_up = given_up;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(name: &str, version: i64) -> FeatureConfig {
        FeatureConfig {
            feature: name.to_owned(),
            version: Some(version),
            ..FeatureConfig::default()
        }
    }

    fn event(event: &str, version: i64) -> String {
        format!(
            r#"{{"event":"{event}","domain":"flag","identifier":"f","version":{version},"apiKey":""}}"#
        )
    }

    /// Fetches once and returns whether that was enough.
    fn fetch(expected: &mut Expected, flags: &[FeatureConfig]) -> bool {
        brought(expected, flags) == Brought::Everything
    }

    fn brought(expected: &mut Expected, flags: &[FeatureConfig]) -> Brought {
        let mut wanted = expected.begin();
        wanted.check(flags, &[]);
        expected.end(wanted)
    }

    #[test]
    fn a_fetch_from_a_replica_that_lags_behind_is_repeated() {
        let mut expected = Expected::default();
        assert!(expected.event(&event("patch", 7)));
        assert!(!fetch(&mut expected, &[flag("f", 6)]));
        let wanted = expected.begin();
        assert!(wanted.flags && !wanted.segments);
        assert_eq!(expected.end(wanted), Brought::Less);
        assert!(fetch(&mut expected, &[flag("f", 7)]));
        assert!(
            fetch(&mut expected, &[flag("f", 6)]),
            "it is not asked for any more"
        );
    }

    #[test]
    fn what_is_deleted_must_be_gone_and_what_is_new_must_be_there() {
        let mut expected = Expected::default();
        expected.event(&event("delete", 7));
        assert!(!fetch(&mut expected, &[flag("f", 6)]));
        assert!(fetch(&mut expected, &[]));
        expected.event(&event("create", 8));
        assert!(!fetch(&mut expected, &[]));
        assert!(fetch(&mut expected, &[flag("f", 9)]));
    }

    #[test]
    fn an_upstream_that_never_serves_what_it_told_of_is_not_asked_for_ever() {
        let mut expected = Expected::default();
        expected.event(&event("patch", 7));
        for _ in 1..MAX_TRIES {
            assert_eq!(brought(&mut expected, &[flag("f", 6)]), Brought::Less);
        }
        assert_eq!(
            brought(&mut expected, &[flag("f", 6)]),
            Brought::LessForGood
        );
        assert_eq!(brought(&mut expected, &[flag("f", 6)]), Brought::Everything);
    }

    #[test]
    fn what_cannot_be_read_means_everything_except_what_is_known_to_mean_nothing() {
        let mut expected = Expected::default();
        for nothing in [
            "",
            "{}",
            r#"{"event":"apiKeyAdded","domain":"proxy","environments":[]}"#,
        ] {
            assert!(!expected.event(nothing), "{nothing}");
        }
        assert!(expected.event("[something else]"));
        let wanted = expected.begin();
        assert!(wanted.flags && wanted.segments);
    }
}
