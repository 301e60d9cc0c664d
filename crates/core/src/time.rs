//! Points in time and spans of it, both in milliseconds.
//!
//! `std::time::Instant` panics on `wasm32-unknown-unknown`, and the core must not read a clock anyway: its driver passes the
//! time with each call.

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u32);

/// A point on the driver's clock, in milliseconds since an origin of its choosing.
///
/// The clock must not run backwards. It should go on while the device sleeps, so that a stream which was lost during sleep is
/// given up as soon as the device is awake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// A point later than all others, for timers that are not armed.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The point `millis` after the clock's origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the clock's origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time since `earlier`; zero where `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The point `span` later.
    // Every armed timer asks for it: written out each time it is 80 bytes of the shipped module.
    #[must_use]
    #[inline(never)]
    pub const fn after(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0 as u64))
    }
}
