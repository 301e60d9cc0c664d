//! The client's timers: a table with one place each, and the earliest of them for the driver to arm.

use crate::time::Instant;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Timer {
    /// Sign in again after a failed attempt.
    SignIn,
    /// Fetch all evaluations again after a failed attempt.
    Snapshot,
    /// Fetch a newly created flag, once the server's own caches have had time to learn of it.
    Created,
    /// Open the stream again.
    StreamRetry,
    /// Give up a stream on which nothing came for too long, or which did not open.
    StreamIdle,
    /// Fetch all evaluations, because there is no stream that reports changes.
    Poll,
    /// Post the counts.
    Metrics,
    /// Write the values to the cache.
    Save,
    /// Post the stream's status to the other tabs.
    Lead,
    /// Close the stream of a page that has been hidden for long enough.
    Pause,
}

impl Timer {
    /// Every timer, in the order in which those of one moment fire.
    pub(crate) const ALL: [Self; 10] = [
        Self::SignIn,
        Self::Snapshot,
        Self::Created,
        Self::StreamRetry,
        Self::StreamIdle,
        Self::Poll,
        Self::Metrics,
        Self::Save,
        Self::Lead,
        Self::Pause,
    ];
}

/// The time at which each timer fires, which it does once; [`Instant::NEVER`] where it is not armed.
#[derive(Debug)]
pub(crate) struct Timers([Instant; Timer::ALL.len()]);

impl Default for Timers {
    fn default() -> Self {
        Self([Instant::NEVER; Timer::ALL.len()])
    }
}

impl Timers {
    /// Arms `timer`, in place of an earlier arming.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        if let Some(place) = self.0.get_mut(timer as usize) {
            *place = at;
        }
    }

    /// Disarms `timer`.
    pub(crate) fn cancel(&mut self, timer: Timer) {
        self.set(timer, Instant::NEVER);
    }

    /// Returns whether `timer` is armed.
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at(timer) != Instant::NEVER
    }

    /// Disarms all timers.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns when the next timer fires.
    pub(crate) fn next(&self) -> Instant {
        let earliest = self.0.iter().copied().min();
        earliest.unwrap_or(Instant::NEVER)
    }

    /// Disarms and returns one timer that is due at `now`; `None` where there is none.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let due = *Timer::ALL.iter().find(|&&timer| self.at(timer) <= now)?;
        self.cancel(due);
        Some(due)
    }

    /// Returns when `timer` fires.
    pub(crate) fn at(&self, timer: Timer) -> Instant {
        let place = self.0.get(timer as usize).copied();
        place.unwrap_or(Instant::NEVER)
    }
}
