//! Finds what a new configuration no longer has, and whether that is so much that the configuration is doubted.
//!
//! A file that is half written and a server whose database is half restored look like a configuration without the
//! rest. Nothing in it shows that; only the comparison with what is in force does.

use std::collections::BTreeSet;
use std::fmt;

use crate::environment::{Configuration, Current};

/// A loss of no more than this many entries is never doubted.
const FEW: usize = 5;

/// A loss of no more than one in this many entries is never doubted.
const SHARE: usize = 5;

/// Flags and groups that are in force and not in a new configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) flags: Missing,
    pub(crate) groups: Missing,
}

/// The flags, or the groups, that are missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Their identifiers.
    pub(crate) gone: BTreeSet<String>,
    /// How many are in force.
    before: usize,
    /// How many the new configuration has.
    after: usize,
}

impl Loss {
    /// Finds the flags and groups that are in force and not in `new`.
    pub(crate) fn of(current: &Current, new: &Configuration) -> Self {
        let flags = current.snapshot.flags().iter();
        let groups = current.snapshot.segments().iter();
        Self {
            flags: Missing::of(
                flags.map(|flag| flag.feature.as_str()),
                new.flags.iter().map(|flag| flag.feature.as_str()),
            ),
            groups: Missing::of(
                groups.map(|group| group.identifier.as_str()),
                new.segments.iter().map(|group| group.identifier.as_str()),
            ),
        }
    }

    /// Whether more than a fifth, and more than five, of the flags or of the groups are missing.
    pub(crate) fn is_large(&self) -> bool {
        self.flags.is_large() || self.groups.is_large()
    }
}

impl Missing {
    fn of<'a>(
        before: impl ExactSizeIterator<Item = &'a str>,
        after: impl ExactSizeIterator<Item = &'a str>,
    ) -> Self {
        let counts = (before.len(), after.len());
        let after: BTreeSet<&str> = after.collect();
        Self {
            gone: before
                .filter(|identifier| !after.contains(identifier))
                .map(str::to_owned)
                .collect(),
            before: counts.0,
            after: counts.1,
        }
    }

    /// Whether more than a fifth, and more than five, are missing.
    pub(crate) fn is_large(&self) -> bool {
        self.gone.len() > FEW && self.gone.len().saturating_mul(SHARE) > self.before
    }

    /// Whether there were some, and now there is none.
    pub(crate) const fn is_total(&self) -> bool {
        self.before > 0 && self.after == 0
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>, one: &str, many: &str) -> fmt::Result {
        let what = if self.before == 1 { one } else { many };
        write!(f, "{} of {} {what}", self.gone.len(), self.before)
    }
}

/// Writes the loss as in "50 of 100 flags and 7 of 8 groups".
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flags, groups) = (!self.flags.gone.is_empty(), !self.groups.gone.is_empty());
        if flags || !groups {
            self.flags.describe(f, "flag", "flags")?;
        }
        if flags && groups {
            f.write_str(" and ")?;
        }
        if groups {
            self.groups.describe(f, "group", "groups")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn of(flags: std::ops::Range<usize>, groups: std::ops::Range<usize>) -> Configuration {
        let flags: String = flags.map(|n| format!("  flag-{n}: true\n")).collect();
        let groups: String = groups
            .map(|n| format!("  group-{n}: {{ include: [a] }}\n"))
            .collect();
        let map = |name: &str, entries: &str| {
            if entries.is_empty() {
                format!("{name}: {{}}\n")
            } else {
                format!("{name}:\n{entries}")
            }
        };
        flagwire_flags_file::parse(&(map("flags", &flags) + &map("groups", &groups))).unwrap()
    }

    fn loss(before: Configuration, after: &Configuration) -> Loss {
        let environment = Environment::new("e");
        environment.apply(before);
        Loss::of(&environment.current().unwrap(), after)
    }

    #[test]
    fn more_than_a_fifth_and_more_than_five_are_doubted() {
        for (before, after, large) in [
            (100, 80, false),
            (100, 79, true),
            (5, 0, false),
            (6, 0, true),
            (6, 1, false),
            (30, 24, false),
            (29, 23, true),
        ] {
            let flags = loss(of(0..before, 0..1), &of(0..after, 0..1));
            assert_eq!(flags.is_large(), large, "{before} {after} flags");
            let groups = loss(of(0..1, 0..before), &of(0..1, 0..after));
            assert_eq!(groups.is_large(), large, "{before} {after} groups");
        }
        // Others in their place do not make up for them.
        assert!(loss(of(0..20, 0..0), &of(10..40, 0..0)).is_large());
        assert!(!loss(of(0..20, 0..0), &of(10..40, 0..0)).flags.is_total());
    }

    #[test]
    fn a_loss_is_told_in_words() {
        let told = |before: (usize, usize), after: (usize, usize)| {
            loss(of(0..before.0, 0..before.1), &of(0..after.0, 0..after.1)).to_string()
        };
        assert_eq!(told((9, 0), (1, 0)), "8 of 9 flags");
        assert_eq!(told((1, 0), (0, 0)), "1 of 1 flag");
        assert_eq!(told((1, 9), (1, 1)), "8 of 9 groups");
        assert_eq!(told((9, 1), (1, 0)), "8 of 9 flags and 1 of 1 group");
    }
}
