//! Computes how long to wait before the next attempt.
//!
//! It starts no timer and opens no connection: it returns a delay, on which its owner acts.

use crate::time::Millis;

/// The ceiling of the first delay. It doubles with each attempt.
const BASE: Millis = Millis(1_000);

/// The ceiling of any delay that the server did not ask for.
pub const MAX_DELAY: Millis = Millis(30_000);

/// The shortest delay. Full jitter may draw zero, and a server may send `retry: 0`; a client must pause all the same.
pub const MIN_DELAY: Millis = Millis(100);

/// The longest delay a server may ask for with `Retry-After`: an hour. More looks like a mistake.
pub const MAX_RETRY_AFTER: Millis = Millis(3_600_000);

/// Exponential backoff with full jitter: uniform between nothing and a ceiling that doubles.
///
/// Full jitter spreads the clients of a restarted server evenly over the window. With a fixed delay and a little noise they
/// would all come back at nearly the same time.
#[derive(Debug, Default)]
pub struct Backoff {
    attempt: u32,
}

impl Backoff {
    /// Counts a failed attempt and says how long to wait before the next one.
    ///
    /// The delay is at least what the server asked for (`Retry-After`). Jitter is added to it, so that its clients do not all
    /// come back in the same second.
    pub fn fail(&mut self, random: &mut Random, retry_after: Option<Millis>) -> Millis {
        let ceiling = BASE.0.saturating_shl(self.attempt).min(MAX_DELAY.0);
        self.attempt = self.attempt.saturating_add(1);
        let least = retry_after.map_or(MIN_DELAY.0, |asked| {
            asked.0.clamp(MIN_DELAY.0, MAX_RETRY_AFTER.0)
        });
        if retry_after.is_some() {
            Millis(least.saturating_add(random.below(ceiling)))
        } else {
            Millis(random.below(ceiling).max(least))
        }
    }

    /// Returns how many attempts have failed since the last [`reset`](Self::reset).
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempt
    }

    /// Resets the backoff after a success, so that the delays start from the beginning.
    pub const fn reset(&mut self) {
        self.attempt = 0;
    }
}

trait SaturatingShl {
    fn saturating_shl(self, by: u32) -> Self;
}

impl SaturatingShl for u32 {
    fn saturating_shl(self, by: u32) -> Self {
        if by > self.leading_zeros() {
            Self::MAX
        } else {
            self.wrapping_shl(by)
        }
    }
}

/// A small source of jitter (xorshift32). Not for secrets.
#[derive(Debug)]
pub struct Random(u32);

impl Random {
    /// Makes a source. Different seeds give different sequences, also where they differ in high bits alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        let folded = (seed ^ (seed >> 32)) as u32;
        // Zero is the one state that xorshift never leaves.
        Self(if folded == 0 { 0x9E37_79B9 } else { folded })
    }

    /// Returns a number of `0..=limit`, uniform as far as jitter needs it.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (u64::from(self.0).saturating_mul(u64::from(limit).saturating_add(1)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn the_clients_of_an_outage_come_back_over_the_whole_span() {
        for (attempt, ceiling) in [(0, 1_000), (3, 8_000), (9, MAX_DELAY.0)] {
            let delays: Vec<u32> = (1..=200)
                .map(|seed| {
                    let mut random = Random::new(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
                    Backoff { attempt }.fail(&mut random, None).0
                })
                .collect();
            let within =
                |from: u32, to: u32| delays.iter().filter(|at| (from..=to).contains(*at)).count();
            assert_eq!(within(MIN_DELAY.0, ceiling), delays.len());
            assert!(within(0, ceiling / 4) > 20, "few come soon");
            assert!(within(ceiling / 4 * 3, ceiling) > 20, "few come late");
        }
    }

    #[test]
    fn a_delay_that_the_server_asks_for_is_the_least_and_an_hour_at_most() {
        let mut random = Random::new(7);
        for (asked, least) in [
            (0, MIN_DELAY.0),
            (5_000, 5_000),
            (u32::MAX, MAX_RETRY_AFTER.0),
        ] {
            let delay = Backoff::default().fail(&mut random, Some(Millis(asked)));
            assert!((least..=least + BASE.0).contains(&delay.0), "{delay:?}");
        }
    }
}
