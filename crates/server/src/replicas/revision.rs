//! Revisions of the flags file's text that replicas share, and how a copy compares with the one in force.
//!
//! The text that is in force has a revision in Redis: a time in milliseconds that only grows. A copy with another text is
//! compared with it. What decides is which text the copy was last known to have in common with the others (its *base*, which a
//! restart does not lose), whether its text was ever in force, and, where neither is known, its time of modification:
//!
//! | the copy | what happens |
//! |---|---|
//! | was edited since it had what is in force now | the edit is for all: the leader takes it over |
//! | has a later revision than the one in Redis, which has lost it | the same |
//! | has a text that was in force before | it is replaced by the text in force |
//! | has a text that nobody knows, and was modified after what is in force | it is for all |
//! | was edited while another text came into force, or is older and unknown | it is refused: saved under another name, and replaced by the text in force |
//!
//! A copy is replaced only while it still has the text that was compared. A file that all replicas share is never replaced, as
//! the leader has written it before the others learn of the change.

use serde::{Deserialize, Serialize};

/// A text that the replicas share or shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Revision {
    /// The hexadecimal SHA-256 of the text.
    pub(super) hash: String,
    /// Grows with each text; about the milliseconds since the Unix epoch when it came into force.
    pub(super) number: u64,
}

/// How a copy compares with the text in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The copy has the text that is in force.
    Same,
    /// The copy is to come into force.
    Newer,
    /// The copy is to be replaced.
    Older,
    /// Both were changed: the copy is to be saved under another name and replaced.
    Conflict,
}

/// The properties of a copy by which it is compared. They are sent to the leader as JSON, together with the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopyState {
    /// The hexadecimal SHA-256 of the text.
    pub(super) hash: String,
    /// When the file was modified, in milliseconds since the Unix epoch.
    pub(super) modified: u64,
    /// The revision that the copy last had in common with the others, where one is known.
    pub(super) base: Option<Revision>,
}

impl CopyState {
    /// Compares the copy with `shared`, the text in force. `known` says whether the copy's text was in force before.
    pub(super) fn compared_with(&self, shared: &Revision, known: bool) -> Verdict {
        if self.hash == shared.hash {
            return Verdict::Same;
        }
        match &self.base {
            Some(base) if base.hash == shared.hash || base.number > shared.number => Verdict::Newer,
            Some(base) if base.hash == self.hash => Verdict::Older,
            _ if known => Verdict::Older,
            Some(_) => Verdict::Conflict,
            None if self.modified > shared.number => Verdict::Newer,
            None => Verdict::Conflict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(hash: &str, number: u64) -> Revision {
        Revision {
            hash: hash.to_owned(),
            number,
        }
    }

    #[test]
    fn what_is_newer_wins_wherever_it_lies() {
        let shared = revision("now", 100);
        let verdict = |hash: &str, modified, base: Option<(&str, u64)>, known| {
            CopyState {
                hash: hash.to_owned(),
                modified,
                base: base.map(|(hash, number)| revision(hash, number)),
            }
            .compared_with(&shared, known)
        };
        for (said, expected) in [
            (verdict("now", 1, None, true), Verdict::Same),
            (
                verdict("mine", 1, Some(("now", 100)), false),
                Verdict::Newer,
            ),
            // A text from before, put back by hand.
            (verdict("old", 1, Some(("now", 100)), true), Verdict::Newer),
            (
                verdict("later", 1, Some(("later", 200)), false),
                Verdict::Newer,
            ),
            (verdict("old", 500, Some(("old", 50)), true), Verdict::Older),
            (
                verdict("old", 500, Some(("old", 50)), false),
                Verdict::Older,
            ),
            (verdict("old", 500, None, true), Verdict::Older),
            (
                verdict("mine", 500, Some(("old", 50)), false),
                Verdict::Conflict,
            ),
            (verdict("mine", 500, None, false), Verdict::Newer),
            (verdict("mine", 50, None, false), Verdict::Conflict),
        ] {
            assert_eq!(said, expected);
        }
    }
}
