//! How long a server asks to be left alone: the `Retry-After` field of RFC 9110, section 10.2.3.
//!
//! Invariant: the answer is never longer than [`LONGEST_WAIT`], so that a registry cannot silence an object
//! for good. What is absent: the clock; `now` is an argument.

use jiff::Timestamp;
use jiff::fmt::strtime;
use std::time::Duration;

/// The longest wait that is believed: one day.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The three ways in which HTTP writes a date; the last two are obsolete and must still be read.
const DATE_FORMS: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// Reads seconds or an HTTP date. A date in the past means "now". `None` when it is neither.
pub fn parse_retry_after(field: &str, now: Timestamp) -> Option<Duration> {
    let field = field.trim();
    if !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit()) {
        let wait = field.parse().map_or(LONGEST_WAIT, Duration::from_secs);
        return Some(wait.min(LONGEST_WAIT));
    }
    let until = parse_http_date(field)?;
    let wait = Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO);
    Some(wait.min(LONGEST_WAIT))
}

/// An HTTP date as a point in time, such as the value of `Last-Modified`; `None` when it is none.
pub fn parse_http_date(field: &str) -> Option<Timestamp> {
    DATE_FORMS.iter().find_map(|form| {
        let date = strtime::parse(form, field).ok()?.to_datetime().ok()?;
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "1994-11-06T08:49:07Z".parse().expect("a timestamp")
    }

    #[test]
    fn seconds_and_all_three_dates_are_read() {
        // The dates are RFC 9110's own examples of one moment.
        for (field, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(30)),
            ("Sun Nov  6 08:49:37 1994", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999999999999", Some(86_400)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(86_400)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(
                parse_retry_after(field, now()),
                seconds.map(Duration::from_secs),
                "{field:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_a_day(field in "\\PC{0,40}|[0-9]{1,30}") {
            prop_assert!(parse_retry_after(&field, now()).is_none_or(|wait| wait <= LONGEST_WAIT));
        }
    }
}
