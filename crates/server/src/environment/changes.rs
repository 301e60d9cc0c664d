//! Finds what changed between two configurations, and which flags that may affect.
//!
//! Every change, whatever its source, is found here, by comparison. So it makes no difference whether a file was saved,
//! an upstream polled or its event received, and saving a file without a change has no effect.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flagwire_core::protocol::{Change, Domain};
use flagwire_evaluation::model::{FeatureConfig, Segment};

use crate::versions::{Counting, Versions};

/// A change of one flag or group between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whether the entry was created, changed or deleted.
    pub change: Change,
    /// Whether it happened to a flag or a group.
    pub domain: Domain,
    /// The identifier of the flag or group.
    pub identifier: String,
    /// The version after the change; for a deletion, a version greater than the last.
    pub version: i64,
    /// The flags of the new configuration whose evaluation may differ, sorted. If a flag has changed, it is among them
    /// unless it was deleted.
    pub affected: Vec<String>,
    /// Whether every target is known to be served the same as before, although the rules are written in another way. Only
    /// back ends, which hold rules, get an event then.
    pub serves_the_same: bool,
}

impl Difference {
    /// Whether any of the flags that it affects, or the flag itself, is one of these.
    pub(super) fn may_serve_another(&self, differing: &BTreeSet<String>) -> bool {
        let itself = self.domain == Domain::Flag && differing.contains(&self.identifier);
        itself || self.affected.iter().any(|flag| differing.contains(flag))
    }
}

/// Gives each flag and group of `new` its version and returns what differs from `old`.
///
/// An entry keeps the version it had while nothing else about it differs, or gets the greater one that the source gives it.
/// What changed, came or went gets a greater version than any before it, see [`Versions`]. `now` is in seconds since the
/// Unix epoch.
///
/// Groups come before flags and deletions last, so that a reader who applies them in order never meets a rule that
/// names an unknown group.
pub fn compare(
    old: (&[FeatureConfig], &[Segment]),
    new: (&mut [FeatureConfig], &mut [Segment]),
    versions: &mut Versions,
    now: i64,
    counting: Counting,
) -> Vec<Difference> {
    let ((old_flags, old_segments), (flags, segments)) = (old, new);
    let mut diff = Diff {
        versions,
        now,
        counting,
        found: Vec::new(),
        gone: Vec::new(),
    };
    diff.entries(Domain::TargetSegment, old_segments, segments);
    diff.entries(Domain::Flag, old_flags, flags);
    let Diff { found, gone, .. } = diff;
    if found.is_empty() && gone.is_empty() {
        return Vec::new();
    }
    let before = Dependents::of(old_flags, old_segments);
    let after = Dependents::of(flags, segments);
    let present: BTreeSet<&str> = flags.iter().map(|flag| flag.feature.as_str()).collect();
    found
        .into_iter()
        .chain(gone)
        .map(|(change, domain, identifier, version)| {
            // Flags that depended on the entry before may have changed, and so may those that depend on it now.
            let mut affected = after.of_entry(domain, &identifier);
            affected.extend(before.of_entry(domain, &identifier));
            if domain == Domain::Flag {
                affected.insert(&identifier);
            }
            let affected = affected
                .into_iter()
                .filter(|flag| present.contains(flag))
                .map(str::to_owned)
                .collect();
            Difference {
                change,
                domain,
                identifier,
                version,
                affected,
                serves_the_same: false,
            }
        })
        .collect()
}

/// A flag or a group.
trait Versioned: Clone + PartialEq {
    fn identifier(&self) -> &str;
    fn version(&mut self) -> &mut Option<i64>;
}

impl Versioned for FeatureConfig {
    fn identifier(&self) -> &str {
        &self.feature
    }
    fn version(&mut self) -> &mut Option<i64> {
        &mut self.version
    }
}

impl Versioned for Segment {
    fn identifier(&self) -> &str {
        &self.identifier
    }
    fn version(&mut self) -> &mut Option<i64> {
        &mut self.version
    }
}

/// A comparison in progress, and what it has found so far.
struct Diff<'v> {
    versions: &'v mut Versions,
    now: i64,
    counting: Counting,
    found: Vec<(Change, Domain, String, i64)>,
    gone: Vec<(Change, Domain, String, i64)>,
}

impl Diff<'_> {
    fn entries<T: Versioned>(&mut self, domain: Domain, old: &[T], new: &mut [T]) {
        let (now, counting) = (self.now, self.counting);
        let mut before: HashMap<String, T> = old
            .iter()
            .map(|entry| (entry.identifier().to_owned(), entry.clone()))
            .collect();
        for entry in new {
            let identifier = entry.identifier().to_owned();
            let given = entry.version().take();
            let (change, version) = match before.remove(&identifier) {
                None => {
                    let first = self
                        .versions
                        .first(domain, &identifier, given, now, counting);
                    (Some(Change::Create), first)
                }
                Some(mut previous) => {
                    let last = previous.version().take().unwrap_or_default();
                    if *entry == previous {
                        // A source may raise the version alone, which needs no event.
                        let given = given.filter(|given| *given > last);
                        let raised = given.map(|given| {
                            self.versions.next(
                                domain,
                                &identifier,
                                last,
                                Some(given),
                                now,
                                counting,
                            )
                        });
                        if raised.is_none() {
                            self.versions.kept(domain, &identifier, last, now, counting);
                        }
                        (None, raised.unwrap_or(last))
                    } else {
                        let next =
                            self.versions
                                .next(domain, &identifier, last, given, now, counting);
                        (Some(Change::Patch), next)
                    }
                }
            };
            *entry.version() = Some(version);
            if let Some(change) = change {
                self.found.push((change, domain, identifier, version));
            }
        }
        let mut rest: Vec<T> = before.into_values().collect();
        rest.sort_by(|a, b| a.identifier().cmp(b.identifier()));
        for mut entry in rest {
            let last = entry.version().unwrap_or_default();
            let identifier = entry.identifier().to_owned();
            let version = self
                .versions
                .removed(domain, &identifier, last, now, counting);
            self.gone
                .push((Change::Delete, domain, identifier, version));
        }
    }
}

/// Maps each group and flag to the flags whose evaluation it may change.
struct Dependents<'a> {
    /// Flags that name a group, directly.
    flags_of_group: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Groups that name a group in a rule.
    groups_of_group: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Flags that require a flag.
    flags_of_flag: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Dependents<'a> {
    fn of(flags: &'a [FeatureConfig], segments: &'a [Segment]) -> Self {
        let mut dependents = Self {
            flags_of_group: BTreeMap::new(),
            groups_of_group: BTreeMap::new(),
            flags_of_flag: BTreeMap::new(),
        };
        for flag in flags {
            for group in flag.group_identifiers() {
                dependents
                    .flags_of_group
                    .entry(group)
                    .or_default()
                    .insert(&flag.feature);
            }
            for required in &flag.prerequisites {
                dependents
                    .flags_of_flag
                    .entry(&required.feature)
                    .or_default()
                    .insert(&flag.feature);
            }
        }
        for segment in segments {
            for group in segment.group_identifiers() {
                dependents
                    .groups_of_group
                    .entry(group)
                    .or_default()
                    .insert(&segment.identifier);
            }
        }
        dependents
    }

    fn of_entry(&self, domain: Domain, identifier: &str) -> BTreeSet<&'a str> {
        let mut flags: BTreeSet<&'a str> = match domain {
            Domain::Flag => self
                .flags_of_flag
                .get(identifier)
                .cloned()
                .unwrap_or_default(),
            Domain::TargetSegment => {
                let mut groups: BTreeSet<&str> = BTreeSet::from([identifier]);
                close(&mut groups, &self.groups_of_group);
                groups
                    .iter()
                    .filter_map(|group| self.flags_of_group.get(group))
                    .flatten()
                    .copied()
                    .collect()
            }
        };
        close(&mut flags, &self.flags_of_flag);
        flags
    }
}

/// Adds everything that can be reached by `edges`. It ends also where there are cycles, since each name is added once.
fn close<'a>(set: &mut BTreeSet<&'a str>, edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) {
    let mut open: Vec<&str> = set.iter().copied().collect();
    while let Some(name) = open.pop() {
        for next in edges.get(name).into_iter().flatten() {
            if set.insert(next) {
                open.push(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Vec<FeatureConfig> {
        flagwire_flags_file::parse(text).unwrap().flags
    }

    fn found(
        old: (&[FeatureConfig], &[Segment]),
        new: (&mut [FeatureConfig], &mut [Segment]),
        now: i64,
    ) -> Vec<Difference> {
        compare(old, new, &mut Versions::default(), now, Counting::File)
    }

    /// What the change from one file to the other comes to, as `Patch a 101 [a, b]`.
    fn changes(old: &mut Vec<FeatureConfig>, text: &str, now: i64) -> Vec<String> {
        let mut new = flags(text);
        let found = found((old, &[]), (&mut new, &mut []), now);
        *old = new;
        found
            .iter()
            .map(|one| {
                let affected = one.affected.join(", ");
                format!(
                    "{:?} {} {} [{affected}]",
                    one.change, one.identifier, one.version
                )
            })
            .collect()
    }

    #[test]
    fn versions_grow_with_each_change_and_only_then() {
        let mut state = Vec::new();
        assert_eq!(
            changes(&mut state, "flags: { a: 1, b: 1 }", 100),
            ["Create a 100 [a]", "Create b 100 [b]"]
        );
        assert!(changes(&mut state, "flags: { a: 1, b: 1 }", 200).is_empty());
        // Twice within a second, and with a clock set back.
        assert_eq!(
            changes(&mut state, "flags: { a: 2, b: 1 }", 100),
            ["Patch a 101 [a]"]
        );
        assert_eq!(
            changes(&mut state, "flags: { a: 3, b: 1 }", 50),
            ["Patch a 102 [a]"]
        );
        assert_eq!(
            changes(&mut state, "flags: { b: 2 }", 300),
            ["Patch b 300 [b]", "Delete a 300 []"]
        );
    }

    #[test]
    fn a_version_of_the_source_counts_where_it_is_greater() {
        let with = |value: u8, version: i64| {
            let mut new = flags(&format!("flags: {{ a: {value} }}"));
            new[0].version = Some(version);
            new
        };
        let (old, mut new) = (with(1, 7), with(2, 9));
        assert_eq!(found((&old, &[]), (&mut new, &mut []), 5)[0].version, 9);
        let mut stale = with(3, 7);
        assert_eq!(
            found((&new, &[]), (&mut stale, &mut []), 5)[0].version,
            10,
            "a version never falls"
        );
        let mut same = with(3, 12);
        assert!(found((&stale, &[]), (&mut same, &mut []), 5).is_empty());
        assert_eq!(same[0].version, Some(12));
    }

    #[test]
    fn what_requires_a_flag_is_affected_with_it_before_and_after_and_round_in_circles() {
        let chain = "flags: { a: true, b: { value: true, requires: { a: true } }, c: { value: true, requires: { b: true } } }";
        let mut state = flags(chain);
        assert_eq!(
            changes(&mut state, &chain.replace("a: true, b", "a: false, b"), 1),
            ["Patch a 1 [a, b, c]"]
        );
        let mut state = flags(chain);
        let free = "flags: { a: true, b: true, c: { value: true, requires: { b: true } } }";
        assert_eq!(changes(&mut state, free, 1), ["Patch b 1 [b, c]"]);
        let circle = "flags: { a: { value: true, requires: { b: true } }, b: { value: true, requires: { a: true } } }";
        let mut state = flags(circle);
        assert_eq!(
            changes(
                &mut state,
                &circle.replace("b: { value: true", "b: { value: false"),
                1
            ),
            ["Patch b 1 [a, b]"]
        );
    }

    #[test]
    fn a_group_affects_the_flags_that_name_it_also_through_other_groups() {
        let text = "
flags:
  direct: { default: true, rules: [{ when: { group: inner }, serve: false }] }
  nested: { default: true, rules: [{ when: { group: outer }, serve: false }] }
  needs: { value: true, requires: { nested: true } }
  free: true
groups:
  inner: { include: [x] }
  outer: { rules: [{ group: inner }] }
";
        let old = flagwire_flags_file::parse(text).unwrap();
        let mut new = flagwire_flags_file::parse(&text.replace("[x]", "[y]")).unwrap();
        let found = found(
            (&old.flags, &old.segments),
            (&mut new.flags, &mut new.segments),
            1,
        );
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].domain, found[0].identifier.as_str()),
            (Domain::TargetSegment, "inner")
        );
        assert_eq!(found[0].affected, ["direct", "needs", "nested"]);
    }
}
