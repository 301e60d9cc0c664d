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
    /// No byte for too long: the stream is dead, or it never opened.
    StreamIdle,
    /// Fetch all evaluations because no stream says what changed.
    Poll,
    /// Post what was counted.
    Metrics,
    /// Write the values to the cache.
    Save,
    /// Tell the other tabs how the stream stands.
    Lead,
    /// The page has been hidden for so long that its stream is closed.
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

/// When each timer fires; at most once each.
#[derive(Debug, Default)]
pub(crate) struct Timers([Option<Instant>; Timer::ALL.len()]);

impl Timers {
    /// Arms `timer`, in place of when it would have fired before.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.place(timer, Some(at));
    }

    /// Disarms `timer`.
    pub(crate) fn cancel(&mut self, timer: Timer) {
        self.place(timer, None);
    }

    /// Whether `timer` is armed.
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.0.get(timer as usize).copied().flatten().is_some()
    }

    /// Disarms all.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The earliest.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes one timer that is due at `now`, until there is none.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let due = Timer::ALL.into_iter().find(|&timer| {
            self.0
                .get(timer as usize)
                .copied()
                .flatten()
                .is_some_and(|at| at <= now)
        })?;
        self.cancel(due);
        Some(due)
    }

    fn place(&mut self, timer: Timer, at: Option<Instant>) {
        if let Some(place) = self.0.get_mut(timer as usize) {
            *place = at;
        }
    }
}
