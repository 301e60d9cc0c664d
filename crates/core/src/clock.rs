//! A clock that suits the core, made of a wall clock's readings.

use core::cell::Cell;

use crate::time::Instant;

/// Turns the readings of a wall clock into points in time that never run backwards, and that go on while the device sleeps.
///
/// Browsers have two clocks, and neither is enough: `performance.now()` stands still during sleep in some of them, and then a
/// stream that died in the night would look alive in the morning. `Date.now()` goes on, but may be set back, which this takes out.
#[derive(Default)]
pub struct Clock {
    /// The latest point that was given out.
    last_ms: Cell<f64>,
    /// By how much the wall clock is behind the latest point, because it was set back.
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
