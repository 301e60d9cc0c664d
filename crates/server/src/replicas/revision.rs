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
//! | was edited while another text came into force (be it that the text before is back by now), or is older and unknown | it is refused: saved under another name, and replaced by the text in force |
//!
//! A copy is replaced only while it still has the text that was compared.
//!
//! Replicas may also share one file, and no replica can tell whether the leader has the same file. There a text that is not in
//! force is most often what the leader has just written and not yet published. So the leader announces each text in Redis before
//! it writes it, and a follower leaves a file alone that has an announced text. A text that nobody knows counts only once nothing
//! has written to the file for a while, in which the leader reads a file that they share.

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
    /// Compares the copy with `shared`, the text in force. `last` is the number of the revision at which the copy's text was last
    /// in force, if it ever was.
    pub(super) fn compared_with(&self, shared: &Revision, last: Option<u64>) -> Verdict {
        if self.hash == shared.hash {
            return Verdict::Same;
        }
        match &self.base {
            Some(base) if base.number > shared.number => Verdict::Newer,
            Some(base) if base.hash == shared.hash => {
                // The copy's text may have come into force since, and the text before again after that.
                if last.is_some_and(|last| last > base.number) {
                    Verdict::Conflict
                } else {
                    Verdict::Newer
                }
            }
            Some(base) if base.hash == self.hash => Verdict::Older,
            _ if last.is_some() => Verdict::Older,
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
        let verdict = |hash: &str, modified, base: Option<(&str, u64)>, last| {
            CopyState {
                hash: hash.to_owned(),
                modified,
                base: base.map(|(hash, number)| revision(hash, number)),
            }
            .compared_with(&shared, last)
        };
        for (said, expected) in [
            (verdict("now", 1, None, Some(100)), Verdict::Same),
            (verdict("mine", 1, Some(("now", 100)), None), Verdict::Newer),
            // A text from before, put back by hand.
            (
                verdict("old", 1, Some(("now", 100)), Some(50)),
                Verdict::Newer,
            ),
            // The text was put in force since, and then the one before again: it must not come into force a second time.
            (
                verdict("taken", 1, Some(("now", 80)), Some(90)),
                Verdict::Conflict,
            ),
            (
                verdict("later", 1, Some(("later", 200)), None),
                Verdict::Newer,
            ),
            (
                verdict("old", 500, Some(("old", 50)), Some(50)),
                Verdict::Older,
            ),
            (verdict("old", 500, Some(("old", 50)), None), Verdict::Older),
            (verdict("old", 500, None, Some(50)), Verdict::Older),
            (
                verdict("mine", 500, Some(("old", 50)), None),
                Verdict::Conflict,
            ),
            (verdict("mine", 500, None, None), Verdict::Newer),
            (verdict("mine", 50, None, None), Verdict::Conflict),
        ] {
            assert_eq!(said, expected);
        }
    }
}
