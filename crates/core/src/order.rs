//! Which of two answers is the newer one.
//!
//! The server sends no order that spans requests and events, so the client's own is used: knowledge is as old as the
//! moment it was asked for, or arrived unasked. A reply that was asked for before something newer became known of a flag
//! must not overwrite it.
//!
//! Since when each flag is known is kept beside its value, by the [`Codec`](crate::Codec). Here is the clock, and what holds
//! for all flags.

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

    /// Returns whether knowledge of all flags as of `moment` is news; of a single flag it may be.
    pub(crate) fn is_news(&self, moment: Moment) -> bool {
        moment > self.floor
    }

    /// Takes note that some flag is known as of `moment`.
    pub(crate) fn know(&mut self, moment: Moment) {
        self.newest = self.newest.max(moment);
    }

    /// Takes note that all flags are known as of `moment`. Returns whether nothing newer is known of any of them.
    pub(crate) fn know_all(&mut self, moment: Moment) -> bool {
        self.floor = moment;
        self.newest <= moment
    }

    /// Nothing that was asked for before now may still arrive: what each flag is known since matters no longer.
    pub(crate) const fn settle(&mut self) {
        self.floor = self.last;
    }
}
