//! How much of an evaluation is noted: steps repeat what the configuration holds, each flag, group and list of values as often
//! as it is come by, so that a small configuration can make notes without bound.

use crate::model::Clause;

/// What there is room for in any case for the steps of the flag itself, after those of its prerequisites.
const OF_THE_FLAG_ITSELF: usize = 64 * 1024;

/// The room that is left for notes.
#[derive(Debug, Default)]
pub(super) struct Notes {
    left: usize,
    omitted: usize,
}

impl Notes {
    pub(super) const fn new(bytes: usize) -> Self {
        Self {
            left: bytes,
            omitted: 0,
        }
    }

    /// Whether something may be noted that takes about so much. If not, it counts as omitted. The last one may take more than
    /// there is.
    pub(super) const fn have_room(&mut self, bytes: usize) -> bool {
        if self.left == 0 {
            self.omitted = self.omitted.saturating_add(1);
            return false;
        }
        self.left = self.left.saturating_sub(bytes);
        true
    }

    /// The prerequisites are done.
    pub(super) const fn come_to_the_flag_itself(&mut self) {
        if self.left < OF_THE_FLAG_ITSELF {
            self.left = OF_THE_FLAG_ITSELF;
        }
    }

    pub(super) const fn omitted(&self) -> usize {
        self.omitted
    }
}

/// What the note of a clause takes, about.
pub(super) fn clause_bytes(clause: &Clause) -> usize {
    let texts = clause.values.iter().map(String::len);
    texts.fold(200, |bytes, text| {
        bytes.saturating_add(text).saturating_add(24)
    })
}
