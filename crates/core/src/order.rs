//! Decides which of two answers is the newer one.
//!
//! The server sends no order that spans requests and events, so the client uses its own: a reply is known as of the moment of
//! its request, and an event as of its arrival. A reply must not overwrite what became known of a flag after its request was
//! sent.
//!
//! The [`Codec`](crate::Codec) keeps for each flag the moment as of which it is known. This module gives out the moments, and
//! keeps those that hold for all flags.

/// A moment in the client's own order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u32);

impl Moment {
    /// Returns the moment's number; a larger one is later.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// The moments as of which all flags, and the newest one, are known.
#[derive(Debug, Default)]
pub(crate) struct Order {
    last: Moment,
    /// All flags are known at least as of then.
    floor: Moment,
    /// The latest moment as of which some flag is known by itself.
    newest: Moment,
}

impl Order {
    /// Returns a moment after all others.
    pub(crate) const fn next(&mut self) -> Moment {
        self.last = Moment(self.last.0.wrapping_add(1));
        self.last
    }

    /// Returns whether a list as of `moment` is newer than what is known of all flags. Of a single flag something newer may be
    /// known.
    pub(crate) fn is_news(&self, moment: Moment) -> bool {
        moment > self.floor
    }

    /// Records that a single flag is known as of `moment`.
    pub(crate) fn know(&mut self, moment: Moment) {
        self.newest = self.newest.max(moment);
    }

    /// Records that all flags are known as of `moment`. Returns whether nothing newer is known of any of them.
    pub(crate) fn know_all(&mut self, moment: Moment) -> bool {
        self.floor = moment;
        self.newest <= moment
    }

    /// Records that no answer to an earlier request can arrive any more, so that the moments of single flags no longer matter.
    pub(crate) const fn settle(&mut self) {
        self.floor = self.last;
    }
}
