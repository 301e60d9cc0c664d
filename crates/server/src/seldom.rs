//! Limits how often something that may happen without end is logged.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The shortest time between two log lines about the same thing.
const SELDOM: Duration = Duration::from_secs(10);

/// Decides when something that happens again and again is logged: at the first time, and then once in a while.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    /// When it was logged last, and how often it has happened since.
    last: Mutex<Option<(Instant, u64)>>,
}

impl Seldom {
    /// Notes that it has happened. If it is to be logged now, returns how often it was not logged since the last time.
    pub(crate) fn happened(&self) -> Option<u64> {
        let now = Instant::now();
        let mut last = self.last.lock();
        match &mut *last {
            Some((at, more)) if now.saturating_duration_since(*at) < SELDOM => {
                *more = more.saturating_add(1);
                None
            }
            before => Some(before.replace((now, 0)).map_or(0, |(_, more)| more)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_happens_without_end_is_logged_seldom_and_counted() {
        let seldom = Seldom::default();
        assert_eq!(seldom.happened(), Some(0));
        for _ in 0..199 {
            tokio::time::advance(Duration::from_millis(50)).await;
            assert_eq!(seldom.happened(), None);
        }
        tokio::time::advance(Duration::from_millis(50)).await;
        assert_eq!(seldom.happened(), Some(199));
        tokio::time::advance(SELDOM).await;
        assert_eq!(seldom.happened(), Some(0));
    }
}
