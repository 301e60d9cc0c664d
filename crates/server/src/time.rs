//! Converts times to the numbers that tokens, replies and Redis hold.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns a time in seconds since the Unix epoch; 0 if it is before that.
pub(crate) fn unix_seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Returns the time of this number of seconds since the Unix epoch.
pub(crate) fn from_unix_seconds(seconds: i64) -> SystemTime {
    let since = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

/// Returns the current time in seconds since the Unix epoch, as tokens have it.
pub(crate) fn now() -> u64 {
    u64::try_from(unix_seconds(SystemTime::now())).unwrap_or_default()
}

/// Returns a time in milliseconds since the Unix epoch; 0 if it is before that.
pub(crate) fn unix_millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Returns the whole seconds that have passed since `at`; 0 for `None` and for times in the future.
pub(crate) fn age_seconds(at: Option<SystemTime>) -> u64 {
    at.and_then(|at| SystemTime::now().duration_since(at).ok())
        .map_or(0, |age| age.as_secs())
}
