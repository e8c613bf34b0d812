//! Durations as Go writes them: `1h30m`, `750ms`.
//!
//! Invariant: what [`format_duration`] prints, [`parse_duration`] reads back. Custom resources only
//! allow `ms`, `s`, `m` and `h`; flags take every unit of Go's `time.ParseDuration`. What is
//! absent: negative durations, which nothing here can mean.

use std::fmt::Write;
use std::time::Duration;
use thiserror::Error;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid duration `{0}`, expected a number with a unit, such as `90s` or `1h30m`")]
pub struct DurationError(String);

/// Nanoseconds of each unit that Go knows. Longer names stand first, so that `ms` is not read as `m`.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Go holds a duration in a signed 64-bit count of nanoseconds, about 292 years.
const LONGEST: u64 = i64::MAX as u64;

/// Reads a Go duration. `0` needs no unit.
///
/// # Errors
/// [`DurationError`] when the text is empty, negative, lacks a unit or is too long for Go.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.chars().take(64).collect());
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(error());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanoseconds, after) = parse_component(rest).ok_or_else(error)?;
        total = total
            .checked_add(nanoseconds)
            .filter(|sum| *sum <= LONGEST)
            .ok_or_else(error)?;
        rest = after;
    }
    Ok(Duration::from_nanos(total))
}

/// One number with its unit, as nanoseconds, and the text behind it.
fn parse_component(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.')?;
    let (number, rest) = text.split_at(end);
    let (unit, nanoseconds) = UNITS.iter().find(|(unit, _)| {
        rest.strip_prefix(unit).is_some_and(|after| {
            after.is_empty() || after.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        })
    })?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    Some((
        whole
            .checked_mul(*nanoseconds)?
            .checked_add(fraction_of(fraction, *nanoseconds))?,
        &rest[unit.len()..],
    ))
}

/// The part of a unit behind the decimal point, cut to whole nanoseconds.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let mut scale = u128::from(unit);
    let mut sum = 0_u128;
    let mut divisor = 1_u128;
    for digit in digits.bytes().take(18) {
        divisor *= 10;
        sum = sum * 10 + u128::from(digit - b'0');
    }
    scale *= sum;
    u64::try_from(scale / divisor).unwrap_or(u64::MAX)
}

/// Writes a duration as Go prints it: `1h30m0s`, `1.5s`, `750ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let nanoseconds = u64::try_from(duration.as_nanos())
        .unwrap_or(LONGEST)
        .min(LONGEST);
    let below_a_second =
        |value: u64, unit: u64, name: &str| format!("{}{name}", decimal(value, unit));
    match nanoseconds {
        0 => return "0s".to_owned(),
        1..=999 => return format!("{nanoseconds}ns"),
        1_000..=999_999 => return below_a_second(nanoseconds, 1_000, "µs"),
        1_000_000..=999_999_999 => return below_a_second(nanoseconds, 1_000_000, "ms"),
        _ => {}
    }
    let (hours, minutes) = (
        nanoseconds / 3_600_000_000_000,
        nanoseconds / 60_000_000_000 % 60,
    );
    let mut text = String::new();
    if hours > 0 {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    let _ = write!(
        text,
        "{}s",
        decimal(nanoseconds % 60_000_000_000, 1_000_000_000)
    );
    text
}

/// `value / unit` with the digits behind the point that are not zero.
fn decimal(value: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let text = format!("{}.{:0width$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("5s", 5_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("5.s", 5_000),
            ("750ms", 750),
            ("+1m", 60_000),
            ("1m0.5s", 60_500),
            ("1000us", 1),
            ("1000µs", 1),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in [
            "",
            "5",
            "-5s",
            "5x",
            ".s",
            "s",
            "1 m",
            "1.2.3s",
            "1d",
            "9999999999h",
            "1h30",
            "١s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        for (milliseconds, text) in [
            (0, "0s"),
            (1, "1ms"),
            (1_500, "1.5s"),
            (60_000, "1m0s"),
            (3_600_000, "1h0m0s"),
            (5_430_250, "1h30m30.25s"),
        ] {
            assert_eq!(format_duration(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(format_duration(Duration::from_nanos(1_500)), "1.5µs");
        assert_eq!(format_duration(Duration::from_nanos(7)), "7ns");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(nanoseconds in 0..LONGEST) {
            let duration = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,30}") {
            let _ = parse_duration(&text);
        }
    }
}
