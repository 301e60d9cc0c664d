//! Converts the readings of a wall clock to points in time for the core.

use core::cell::Cell;

use crate::time::Instant;

/// Turns the readings of a wall clock into points in time that never run backwards, and that go on while the device sleeps.
///
/// Browsers have two clocks, and neither is enough. `performance.now()` stops during sleep in some of them, so that a stream that
/// was lost during a night of sleep would still count as open. `Date.now()` goes on, but may be set back; this type removes such
/// steps.
#[derive(Default)]
pub struct Clock {
    /// The latest point that was given out.
    last_ms: Cell<f64>,
    /// The milliseconds by which the wall clock was set back so far, which are added to its readings.
    set_back_ms: Cell<f64>,
}

impl Clock {
    /// Converts a reading of the wall clock, in milliseconds since any origin that stays the same.
    pub fn read(&self, wall_ms: f64) -> Instant {
        let last = self.last_ms.get();
        let mut now = wall_ms + self.set_back_ms.get();
        if now < last {
            self.set_back_ms.set(last - wall_ms);
            now = last;
        }
        self.last_ms.set(now);
        Instant::from_millis(now as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn a_wall_clock_that_is_set_back_goes_on_from_where_it_was() {
        let clock = Clock::default();
        let read = |wall_ms| clock.read(wall_ms).as_millis();
        assert_eq!(
            [1_000.0, 1_500.0, 200.0, 300.0, 250.0, 260.0].map(read),
            [1_000, 1_500, 1_500, 1_600, 1_600, 1_610]
        );
    }

    #[test]
    fn a_wall_clock_that_is_set_forward_is_believed() {
        let clock = Clock::default();
        let read = |wall_ms| clock.read(wall_ms).as_millis();
        assert_eq!([1_000.0, 9_000_000.0].map(read), [1_000, 9_000_000]);
    }
}
