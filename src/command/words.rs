//! Times in words.

use std::time::{Duration, SystemTime};

/// A moment in the past, seen from `now`; both in seconds since the epoch.
pub(super) fn ago(at: u64, now: u64) -> String {
    match now.checked_sub(at) {
        Some(0) => "just now".to_owned(),
        Some(seconds) => format!("{} ago", duration(seconds)),
        None => "in the future; is the clock right?".to_owned(),
    }
}

/// A moment that may lie on either side of `now`; both in seconds since the epoch.
pub(super) fn when(at: u64, now: u64) -> String {
    match at.checked_sub(now) {
        Some(0) => "now".to_owned(),
        Some(seconds) => format!("in {}", duration(seconds)),
        None => ago(at, now),
    }
}

/// Greatest moment that has a date with a year of four digits, in seconds since the epoch.
const LAST_DAY: u64 = 253_402_300_799;

/// The day of a moment, in seconds since the epoch, in UTC: `22 Nov 2026`.
pub(super) fn day(at: u64) -> String {
    let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(at.min(LAST_DAY));
    // Such as `Sun, 22 Nov 2026 20:33:00 GMT` (RFC 9110 §5.6.7).
    let written = httpdate::fmt_http_date(moment);
    let words: Vec<&str> = written.split(' ').skip(1).take(3).collect();
    words.join(" ")
}

/// A duration in the largest unit that it fills at least once, rounded down.
pub(super) fn duration(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86400 => (seconds / 3600, "hour"),
        _ => (seconds / 86400, "day"),
    };
    match count {
        1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn durations_use_the_largest_full_unit() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (3599, "59 minutes"),
            (3600, "1 hour"),
            (86399, "23 hours"),
            (86400, "1 day"),
            (1_000_000, "11 days"),
        ] {
            assert_eq!(duration(seconds), words);
        }
        assert_eq!(ago(NOW + 1, NOW), "in the future; is the clock right?");
        assert_eq!(ago(NOW, NOW), "just now");
        assert_eq!(when(NOW + 2600, NOW), "in 43 minutes");
        assert_eq!(when(NOW, NOW), "now");
        assert_eq!(when(NOW - 3 * 3600, NOW), "3 hours ago");
        assert_eq!(when(0, u64::MAX), "213503982334601 days ago");
        assert_eq!(day(NOW), "15 Jan 2027");
        assert_eq!(day(u64::MAX), "31 Dec 9999");
    }
}
