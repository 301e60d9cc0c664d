//! Plans the end of all streams of a server that stops.
//!
//! Each reader opens a new stream at once, at another server or at this one after its restart. Ten thousand requests in the same
//! instant would overload the server that gets them, so streams end one after another.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::environment::Environment;

/// Streams end at this rate or faster, so that a server with few streams stops at once. Each client sends about three requests when it
/// comes back, which together are a fraction of what one processor does.
const STREAMS_PER_SECOND: u32 = 1_000;

/// The shortest delay that the field `retry` of the last frame asks for; half of what browsers wait by themselves.
const MIN_RETRY: Duration = Duration::from_secs(1);
/// The least and the greatest spread of these delays.
const RETRY_SPREAD: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// Plans when each stream ends once the server stops.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    /// The time after which all streams have ended.
    longest: Duration,
    environments: Vec<Weak<Environment>>,
    schedule: OnceLock<Schedule>,
    /// Counts the streams that have asked for their moment.
    ending: AtomicU32,
}

/// The moments at which streams end; made when the first stream asks for its own.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    start: Instant,
    window: Duration,
    streams: u32,
    retry_spread: Duration,
}

impl Drain {
    pub(crate) fn new(longest: Duration, environments: Vec<Weak<Environment>>) -> Self {
        Self {
            longest,
            environments,
            ..Self::default()
        }
    }

    fn schedule(&self) -> Schedule {
        *self.schedule.get_or_init(|| {
            let streams: usize = self
                .environments
                .iter()
                .filter_map(Weak::upgrade)
                .map(|environment| environment.streams())
                .sum();
            let streams = u32::try_from(streams).unwrap_or(u32::MAX).max(1);
            let unhurried = Duration::from_secs(1) * streams / STREAMS_PER_SECOND;
            let window = unhurried.min(self.longest);
            let (least, most) = RETRY_SPREAD;
            Schedule {
                start: Instant::now(),
                window,
                streams,
                retry_spread: (unhurried - window).clamp(least, most),
            }
        })
    }

    /// Returns the moment at which the next of the open streams is to end. The moments are spread evenly.
    pub(crate) fn moment(&self) -> Instant {
        let schedule = self.schedule();
        let turn = self
            .ending
            .fetch_add(1, Ordering::Relaxed)
            .min(schedule.streams);
        schedule.start
            + schedule
                .window
                .mul_f64(f64::from(turn) / f64::from(schedule.streams))
    }

    /// Returns the last frame of a stream. It asks the reader to come back after a random delay, which spreads the readers whose
    /// streams had to end faster than they should come back.
    pub(crate) fn retry_frame(&self) -> Bytes {
        let delay = MIN_RETRY + self.schedule().retry_spread.mul_f64(random_share());
        Bytes::from(format!("retry: {}\n\n", delay.as_millis()))
    }
}

/// Returns a random number, evenly from 0 to 1.
fn random_share() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}
