//! Points in time as Go has them: read and written by layouts such as `2006-01-02 15:04`.
//!
//! The local zone is always UTC. Absent: the clock, and names of zones other than UTC.

mod layout;
mod method;
mod read;
mod write;

pub(super) use method::method;

use super::value::IntKind;
use std::fmt;

/// A point in time in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds since 1970.
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
    /// Name and seconds east of Greenwich, if it is not UTC.
    zone: Option<(String, i32)>,
}

/// A point in time by the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: u32,
    /// From 1.
    pub(super) day: u32,
    /// From 1.
    pub(super) day_of_year: u32,
    /// From Sunday, which is 0.
    pub(super) weekday: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const DAY: i64 = 86_400;

/// Days from 1970 to a date of the Gregorian calendar; a month out of range counts on into other years.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = (
        year + (month - 1).div_euclid(12),
        (month - 1).rem_euclid(12),
    );
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month < 2 {
        (year - 1, month + 10)
    } else {
        (year, month - 2)
    };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn days_in(year: i64, month: u32) -> u32 {
    let month = i64::from(month);
    u32::try_from(days(year, month + 1, 1) - days(year, month, 1)).unwrap_or(31)
}

impl Moment {
    /// The first moment of the year 1, which Go's zero time is.
    pub(super) fn zero() -> Self {
        Self::utc(days(1, 1, 1) * DAY, 0)
    }

    pub(super) fn utc(seconds: i64, nanoseconds: u32) -> Self {
        Self {
            seconds,
            nanoseconds,
            zone: None,
        }
    }

    fn offset(&self) -> i32 {
        self.zone.as_ref().map_or(0, |(_, offset)| *offset)
    }

    pub(super) fn civil(&self) -> Civil {
        let local = self.seconds + i64::from(self.offset());
        let (day, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        // 400 years have 146,097 days; the estimate is at most a year off.
        let mut year = 1970 + (day * 400).div_euclid(146_097);
        while days(year, 1, 1) > day {
            year -= 1;
        }
        while days(year + 1, 1, 1) <= day {
            year += 1;
        }
        let of_year = day - days(year, 1, 1);
        let mut month = 12;
        while days(year, month, 1) > day {
            month -= 1;
        }
        let small = |value: i64| u32::try_from(value).unwrap_or(0);
        Civil {
            year,
            month: small(month),
            day: small(day - days(year, month, 1) + 1),
            day_of_year: small(of_year + 1),
            weekday: small((day + 4).rem_euclid(7)),
            hour: small(second / 3600),
            minute: small(second / 60 % 60),
            second: small(second % 60),
        }
    }

    /// The same moment some nanoseconds later.
    pub(super) fn plus(&self, nanoseconds: i64) -> Self {
        let total = i64::from(self.nanoseconds) + nanoseconds.rem_euclid(1_000_000_000);
        let seconds = nanoseconds.div_euclid(1_000_000_000) + total / 1_000_000_000;
        Self {
            seconds: self.seconds.saturating_add(seconds),
            nanoseconds: u32::try_from(total % 1_000_000_000).unwrap_or(0),
            zone: self.zone.clone(),
        }
    }

    /// What `%#v` prints.
    pub(super) fn go_string(&self) -> String {
        let civil = self.civil();
        let month = MONTHS[civil.month as usize - 1];
        let zone = match &self.zone {
            None => "time.UTC".to_owned(),
            Some((name, _)) => format!("time.Location({name:?})"),
        };
        let (year, day, nanoseconds) = (civil.year, civil.day, self.nanoseconds);
        let (hour, minute, second) = (civil.hour, civil.minute, civil.second);
        format!(
            "time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {nanoseconds}, {zone})"
        )
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// How a month or a weekday prints.
pub(super) fn name(kind: IntKind, value: i64) -> Option<String> {
    let index = usize::try_from(value).ok();
    let (names, known, of) = match kind {
        IntKind::Month => {
            let index = index.and_then(|index| index.checked_sub(1));
            (&MONTHS[..], index, "Month")
        }
        IntKind::Weekday => (&WEEKDAYS[..], index, "Weekday"),
        _ => return None,
    };
    let name = known.and_then(|index| names.get(index));
    Some(name.map_or_else(|| format!("%!{of}({value})"), |name| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_goes_both_ways() {
        for (seconds, written) in [
            (0, "1970-01-01 00:00:00 +0000 UTC"),
            (951_782_400, "2000-02-29 00:00:00 +0000 UTC"),
            (-62_135_596_800, "0001-01-01 00:00:00 +0000 UTC"),
            (4_102_444_799, "2099-12-31 23:59:59 +0000 UTC"),
            (-1, "1969-12-31 23:59:59 +0000 UTC"),
        ] {
            assert_eq!(Moment::utc(seconds, 0).to_string(), written);
        }
        assert_eq!(
            (days_in(2000, 2), days_in(1900, 2), days_in(2001, 12)),
            (29, 28, 31)
        );
    }

    #[test]
    fn moments_are_read_as_they_are_written() {
        for (layout, text, unix) in [
            ("2006-01-02", "2024-02-29", 1_709_164_800),
            (
                "2006-01-02T15:04:05Z07:00",
                "2024-02-29T12:00:00+02:00",
                1_709_200_800,
            ),
            ("Jan _2 06 3:04PM", "Feb  3 24 1:05PM", 1_706_965_500),
            (
                "Mon, 02 Jan 2006 15:04:05 MST",
                "Thu, 29 Feb 2024 00:00:00 UTC",
                1_709_164_800,
            ),
        ] {
            let moment = Moment::parse(layout, text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(moment.seconds, unix, "{text}");
            assert_eq!(moment.format(layout), text);
        }
        for (layout, wrong) in [
            ("2006-01-02", "2023-02-29"),
            ("2006-01-02", "2023-13-01"),
            ("2006-01-02", "2023-1-1"),
            ("2006", "2023x"),
        ] {
            assert!(Moment::parse(layout, wrong).is_err(), "{wrong}");
        }
    }
}
