//! The end of all streams of a server that stops.
//!
//! Each of their readers comes back at once, to another server or to the next life of this one. Ten thousand in the same
//! instant would be a blow to whoever takes them, so streams end one after another.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::environment::Environment;

/// No slower than this, so that a server with few streams stops at once. Each of them asks for about three things when it
/// comes back, which together are a fraction of what one processor does.
const STREAMS_PER_SECOND: u32 = 1_000;

/// The shortest delay that a farewell asks for; half of what browsers do by themselves.
const MIN_RETRY: Duration = Duration::from_secs(1);
/// How far delays are spread at least, and at most.
const RETRY_SPREAD: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    /// All streams have ended after this.
    longest: Duration,
    environments: Vec<Weak<Environment>>,
    plan: OnceLock<Plan>,
    ending: AtomicU32,
}

/// Made when the first stream asks.
#[derive(Clone, Copy, Debug)]
struct Plan {
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

    fn plan(&self) -> Plan {
        *self.plan.get_or_init(|| {
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
            Plan {
                start: Instant::now(),
                window,
                streams,
                retry_spread: (unhurried - window).clamp(least, most),
            }
        })
    }

    /// When the next of the open streams is to end. They are told one moment after the other, evenly.
    pub(crate) fn moment(&self) -> Instant {
        let plan = self.plan();
        let place = self
            .ending
            .fetch_add(1, Ordering::Relaxed)
            .min(plan.streams);
        plan.start
            + plan
                .window
                .mul_f64(f64::from(place) / f64::from(plan.streams))
    }

    /// Asks a reader that heeds it to come back after a random while: what did not fit into the window is spread by that.
    pub(crate) fn farewell(&self) -> Bytes {
        let delay = MIN_RETRY + self.plan().retry_spread.mul_f64(random_share());
        Bytes::from(format!("retry: {}\n\n", delay.as_millis()))
    }
}

/// Evenly from 0 to 1.
fn random_share() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}
