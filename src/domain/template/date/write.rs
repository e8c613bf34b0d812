//! Writes a moment by a layout.

use super::layout::{Part, next_part};
use super::{Civil, MONTHS, Moment, WEEKDAYS};

impl Moment {
    /// Go's `Format`.
    pub(in super::super) fn format(&self, layout: &str) -> String {
        let civil = self.civil();
        let mut written = String::new();
        let mut rest = layout;
        while !rest.is_empty() {
            let (before, part, after) = next_part(rest);
            written.push_str(before);
            if let Some(part) = part {
                let separator = rest[before.len()..].chars().next().unwrap_or('.');
                written.push_str(&self.part(&civil, part, separator));
            }
            rest = after;
        }
        written
    }

    fn part(&self, civil: &Civil, part: Part, separator: char) -> String {
        let month = MONTHS[civil.month as usize - 1];
        let weekday = WEEKDAYS[civil.weekday as usize];
        let hour = match civil.hour % 12 {
            0 => 12,
            hour => hour,
        };
        let afternoon = civil.hour >= 12;
        match part {
            Part::LongMonth => month.to_owned(),
            Part::Month => month[..3].to_owned(),
            Part::NumMonth => civil.month.to_string(),
            Part::ZeroMonth => format!("{:02}", civil.month),
            Part::LongWeekday => weekday.to_owned(),
            Part::Weekday => weekday[..3].to_owned(),
            Part::Day => civil.day.to_string(),
            Part::UnderDay => format!("{:2}", civil.day),
            Part::ZeroDay => format!("{:02}", civil.day),
            Part::UnderYearDay => format!("{:3}", civil.day_of_year),
            Part::ZeroYearDay => format!("{:03}", civil.day_of_year),
            Part::Hour => format!("{:02}", civil.hour),
            Part::Hour12 => hour.to_string(),
            Part::ZeroHour12 => format!("{hour:02}"),
            Part::Minute => civil.minute.to_string(),
            Part::ZeroMinute => format!("{:02}", civil.minute),
            Part::Second => civil.second.to_string(),
            Part::ZeroSecond => format!("{:02}", civil.second),
            Part::LongYear if civil.year < 0 => format!("-{:04}", -civil.year),
            Part::LongYear => format!("{:04}", civil.year),
            Part::Year => format!("{:02}", civil.year.rem_euclid(100)),
            Part::UpperPm => if afternoon { "PM" } else { "AM" }.to_owned(),
            Part::LowerPm => if afternoon { "pm" } else { "am" }.to_owned(),
            Part::Zone => self.zone_name(),
            Part::Offset { z, colons, fields } => self.offset_text(z, colons, fields),
            Part::Fraction { digits, trimmed } => {
                let all = format!("{:09}", self.nanoseconds);
                let digits = &all[..digits.min(9)];
                let digits = if trimmed {
                    digits.trim_end_matches('0')
                } else {
                    digits
                };
                match digits {
                    "" => String::new(),
                    digits => format!("{separator}{digits}"),
                }
            }
        }
    }

    /// The abbreviation of the zone, or its offset.
    fn zone_name(&self) -> String {
        match &self.zone {
            None => "UTC".to_owned(),
            Some((name, _)) if !name.is_empty() => name.clone(),
            Some(_) => self.offset_text(false, false, 2),
        }
    }

    fn offset_text(&self, z: bool, colons: bool, fields: u8) -> String {
        let offset = self.offset();
        if z && offset == 0 {
            return "Z".to_owned();
        }
        let sign = if offset < 0 { '-' } else { '+' };
        let offset = offset.abs();
        let parts = [offset / 3600, offset / 60 % 60, offset % 60];
        let parts: Vec<String> = parts[..usize::from(fields)]
            .iter()
            .map(|part| format!("{part:02}"))
            .collect();
        format!("{sign}{}", parts.join(if colons { ":" } else { "" }))
    }
}
