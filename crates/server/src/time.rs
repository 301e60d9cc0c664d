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

/// Returns a time in microseconds since the Unix epoch; 0 if it is before that.
pub(crate) fn unix_micros(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}

/// Returns a time in UTC as ISO 8601 writes it, such as `2026-11-29T02:21:12.345Z`; the Unix epoch for times before it.
///
/// Source of the calendar: <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
pub(crate) fn iso(at: SystemTime) -> String {
    let millis = unix_millis(at);
    let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
    // Years begin in March here, so that the leap day is the last day of a year; 719,468 days are from 0000-03-01 to the epoch.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso(from_unix_seconds(seconds)), expected);
        }
    }
}
