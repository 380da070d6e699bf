//! Times in words.

/// A moment in the past, seen from `now`; both in seconds since the epoch.
pub(super) fn ago(at: u64, now: u64) -> String {
    match now.checked_sub(at) {
        Some(0) => "just now".to_owned(),
        Some(seconds) => format!("{} ago", duration(seconds)),
        None => "in the future; is the clock right?".to_owned(),
    }
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
    }
}
