//! Numbers, times and sizes for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: f64 = 86_400.0;

/// A duration: `0.42 s`, `12.3 s`, `4 min 5 s`, `2 h 5 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let whole = (seconds + 0.5).floor();
    if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 59.95 {
        format!("{seconds:.1} s")
    } else if whole < 3600.0 {
        format!("{} min {} s", (whole / 60.0).floor(), whole % 60.0)
    } else {
        let minutes = (seconds / 60.0 + 0.5).floor();
        format!("{} h {} min", (minutes / 60.0).floor(), minutes % 60.0)
    }
}

/// Bytes in MB of 1,048,576 bytes, as `memoryLimitMb` counts; GB from 10 of them.
pub fn bytes(bytes: f64) -> String {
    let megabytes = bytes / (1024.0 * 1024.0);
    if megabytes < 0.05 {
        "0 MB".to_owned()
    } else if megabytes < 10.0 {
        format!("{megabytes:.1} MB")
    } else if megabytes < 10_240.0 {
        format!("{megabytes:.0} MB")
    } else {
        format!("{:.1} GB", megabytes / 1024.0)
    }
}

/// What a connector's status means (contract, section 10).
pub fn status(status: i64) -> String {
    match status {
        1 => "import in progress".into(),
        2 => "clean-up in progress".into(),
        3 => "import done".into(),
        4 => "clean-up done".into(),
        5 => "error".into(),
        other => format!("status {other}"),
    }
}

/// A number on an axis: `950`, `12.5k`, `3M`.
pub fn short(number: f64) -> String {
    let (scaled, unit) = match number.abs() {
        size if size >= 1e9 => (number / 1e9, "B"),
        size if size >= 1e6 => (number / 1e6, "M"),
        size if size >= 1e4 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let digits = usize::from(scaled.fract().abs() >= 0.05);
    format!("{scaled:.digits$}{unit}")
}

/// Seconds since 1970 as `2026-11-25 14:05:09 UTC`.
pub fn moment(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let of_day = seconds % 86_400;
    #[expect(clippy::cast_precision_loss, reason = "days are few")]
    let day = date((seconds / 86_400) as f64);
    format!("{day} {:02}:{:02}:{:02} UTC", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// Days since 1970 as `2026-11-25` (Howard Hinnant's `civil_from_days`).
pub fn date(days: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "made by `days`, from years of four digits")]
    let days = days.floor() as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// An ISO date or timestamp as days since 1970; none for anything else. Its zone is not looked at:
/// connectors print UTC.
pub fn days(text: &str) -> Option<f64> {
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let is_dash = |at: usize| text.as_bytes().get(at) == Some(&b'-');
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if !is_dash(4) || !is_dash(7) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let part = |from: usize| number(from..from + 2).map_or(0.0, f64::from);
    let seconds = part(11) * 3600.0 + part(14) * 60.0 + part(17);
    let (year, month) = if month <= 2 { (year.checked_sub(1)?, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = f64::from(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719_468.0;
    Some(days + seconds / DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        let of = |seconds: f64| duration(Duration::from_secs_f64(seconds));
        assert_eq!(
            [0.0, 0.4215, 9.99, 9.996, 59.9, 59.96, 3599.4, 3599.6, 7500.0].map(of),
            [
                "0.00 s",
                "0.42 s",
                "9.99 s",
                "10.0 s",
                "59.9 s",
                "1 min 0 s",
                "59 min 59 s",
                "1 h 0 min",
                "2 h 5 min"
            ]
        );
    }

    #[test]
    fn sizes_and_axes_are_readable() {
        assert_eq!(
            [0.0, 45.4, 10_239.0, 20_480.0].map(|mb| bytes(mb * 1_048_576.0)),
            ["0 MB", "45 MB", "10239 MB", "20.0 GB"]
        );
        assert_eq!(
            [0.0, 950.0, 2500.0, 12_500.0, 3e6, 2.5e9].map(short),
            ["0", "950", "2500", "12.5k", "3M", "2.5B"]
        );
    }

    #[test]
    fn dates_are_found_and_written() {
        for text in ["1970-01-01", "1999-12-31", "2000-02-29", "2026-11-25", "2100-03-01"] {
            assert_eq!(date(days(text).unwrap()), text);
        }
        assert!((days("1970-01-02T12:00:00.000Z").unwrap() - 1.5).abs() < 1e-9);
        for text in
            ["", "2026-13-01", "2026-01-32", "20260101", "yesterday", "+026-01-01", "2026-1-1", "ж026-01-01"]
        {
            assert_eq!(days(text), None, "{text}");
        }
        let time = UNIX_EPOCH + Duration::from_secs(1_792_937_109);
        assert_eq!(moment(time), "2026-10-25 14:05:09 UTC");
    }
}
