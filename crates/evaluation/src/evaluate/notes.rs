//! Limits how much an explanation records. Steps repeat parts of the configuration each time the evaluation reaches them, so
//! that without a limit even a small configuration could make an explanation of any size.

use crate::model::Clause;

/// The bytes that are always available for the steps of the flag itself, which come after those of its prerequisites.
const OF_THE_FLAG_ITSELF: usize = 64 * 1024;

/// The room that is left for recording, in bytes, and how many notes were left out.
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

    /// Whether there is room to record something of about `bytes` bytes. If not, it counts as omitted. The last note that is
    /// allowed may take more than is left.
    pub(super) const fn have_room(&mut self, bytes: usize) -> bool {
        if self.left == 0 {
            self.omitted = self.omitted.saturating_add(1);
            return false;
        }
        self.left = self.left.saturating_sub(bytes);
        true
    }

    /// Makes room for the steps of the flag itself, when those of its prerequisites have been recorded.
    pub(super) const fn come_to_the_flag_itself(&mut self) {
        if self.left < OF_THE_FLAG_ITSELF {
            self.left = OF_THE_FLAG_ITSELF;
        }
    }

    pub(super) const fn omitted(&self) -> usize {
        self.omitted
    }
}

/// Returns about how many bytes the note of a clause takes.
pub(super) fn clause_bytes(clause: &Clause) -> usize {
    let texts = clause.values.iter().map(String::len);
    texts.fold(200, |bytes, text| {
        bytes.saturating_add(text).saturating_add(24)
    })
}
