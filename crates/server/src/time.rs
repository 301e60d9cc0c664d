//! Times of the clock as numbers, as they stand in tokens, replies and Redis.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch.
pub(crate) fn unix_seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// The time of this number of seconds since the Unix epoch.
pub(crate) fn from_unix_seconds(seconds: i64) -> SystemTime {
    let since = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

/// The current time in seconds since the Unix epoch, as tokens have it.
pub(crate) fn now() -> u64 {
    u64::try_from(unix_seconds(SystemTime::now())).unwrap_or_default()
}

/// Milliseconds since the Unix epoch.
pub(crate) fn unix_millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Whole seconds that have passed since `at`; 0 for `None` and for times to come.
pub(crate) fn age_seconds(at: Option<SystemTime>) -> u64 {
    at.and_then(|at| SystemTime::now().duration_since(at).ok())
        .map_or(0, |age| age.as_secs())
}
