//! Which of two answers is the newer one.
//!
//! The server sends no order that spans requests and events, so the client's own is used: knowledge is as old as the
//! moment it was asked for, or arrived unasked. A reply that was asked for before something newer became known of a flag
//! must not overwrite it.

use alloc::string::String;
use alloc::vec::Vec;

/// A moment in the client's own order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// What is known since when.
#[derive(Debug, Default)]
pub(crate) struct Order {
    last: Moment,
    /// All flags are known at least as of then.
    floor: Moment,
    /// Flags that are known as of a later moment than `floor`, sorted by name: one event may bring thousands.
    recent: Vec<(String, Moment)>,
}

impl Order {
    /// A moment after all others.
    pub(crate) fn next(&mut self) -> Moment {
        self.last = Moment(self.last.0.wrapping_add(1));
        self.last
    }

    /// Whether knowledge of `flag` as of `moment` is news.
    pub(crate) fn is_news(&self, flag: &str, moment: Moment) -> bool {
        moment > self.floor
            && self
                .find(flag)
                .ok()
                .and_then(|place| self.recent.get(place))
                .is_none_or(|(_, known)| *known <= moment)
    }

    /// `flag` is known as of `moment`.
    pub(crate) fn know(&mut self, flag: String, moment: Moment) {
        match self.find(&flag) {
            Ok(place) => {
                if let Some((_, known)) = self.recent.get_mut(place) {
                    *known = moment.max(*known);
                }
            }
            Err(place) => self.recent.insert(place, (flag, moment)),
        }
    }

    /// All flags are known as of `moment`. Calls `replace` with those of which something newer is known.
    ///
    /// Returns `None` without a call where the whole is no news.
    pub(crate) fn know_all<T>(
        &mut self,
        moment: Moment,
        replace: impl FnOnce(&[&str]) -> T,
    ) -> Option<T> {
        if moment <= self.floor {
            return None;
        }
        self.floor = moment;
        self.recent.retain(|(_, known)| *known > moment);
        let keep: Vec<&str> = self.recent.iter().map(|(flag, _)| flag.as_str()).collect();
        Some(replace(&keep))
    }

    /// Nothing that was asked for before now may still arrive: what each flag is known since matters no longer.
    pub(crate) fn settle(&mut self) {
        self.floor = self.last;
        self.recent.clear();
    }

    /// Flags of which something is remembered.
    pub(crate) const fn len(&self) -> usize {
        self.recent.len()
    }

    fn find(&self, flag: &str) -> Result<usize, usize> {
        self.recent
            .binary_search_by(|(name, _)| name.as_str().cmp(flag))
    }
}
