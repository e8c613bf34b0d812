//! Reads a moment by a layout.

use super::layout::{Part, next_part};
use super::{DAY, MONTHS, Moment, WEEKDAYS, days, days_in};

/// What has been read so far.
#[derive(Default)]
struct Reading {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanoseconds: u32,
    afternoon: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    zone: String,
}

impl Moment {
    /// Go's `Parse`.
    pub(in super::super) fn parse(layout: &str, text: &str) -> Result<Self, String> {
        let error = || format!("parsing time {text:?} as {layout:?}: cannot parse {text:?}");
        let mut reading = Reading::default();
        let (mut layout_rest, mut rest) = (layout, text);
        loop {
            let (before, part, after) = next_part(layout_rest);
            rest = skip(rest, before).ok_or_else(error)?;
            let Some(part) = part else {
                if !rest.is_empty() {
                    return Err(format!("parsing time {text:?}: extra text: {rest:?}"));
                }
                break;
            };
            layout_rest = after;
            rest = reading.take(part, rest, after).ok_or_else(error)?;
        }
        reading
            .moment()
            .ok_or_else(|| format!("parsing time {text:?}: day out of range"))
    }
}

/// The text behind a literal part of the layout. One space stands for many.
fn skip<'t>(mut text: &'t str, literal: &str) -> Option<&'t str> {
    let mut literal = literal;
    while let Some(next) = literal.chars().next() {
        if next == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            literal = literal.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(next)?;
        literal = &literal[next.len_utf8()..];
    }
    Some(text)
}

/// A number of at most so many digits, and at least so many.
fn number(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let digits = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if digits < least.max(1) {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// One or two digits; two where the layout has a zero before.
fn two(text: &str, zero: bool) -> Option<(u32, &str)> {
    number(text, if zero { 2 } else { 1 }, 2)
}

/// Finds one of the names at the start, in upper or lower case.
fn name<'t>(text: &'t str, names: &[&str], length: Option<usize>) -> Option<(u32, &'t str)> {
    let found = names.iter().position(|name| {
        let name = &name[..length.unwrap_or(name.len())];
        let start = text.get(..name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(name))
    })?;
    let length = length.unwrap_or(names[found].len());
    Some((u32::try_from(found).ok()?, &text[length..]))
}

impl Reading {
    /// Takes what stands for a part; gives back what is behind it.
    fn take<'t>(&mut self, part: Part, text: &'t str, layout: &str) -> Option<&'t str> {
        let (value, rest) =
            match part {
                Part::Year => {
                    let (year, rest) = number(text, 2, 2)?;
                    self.year = i64::from(year) + if year >= 69 { 1900 } else { 2000 };
                    return Some(rest);
                }
                Part::LongYear => number(text, 4, 4)?,
                Part::Month => name(text, &MONTHS, Some(3))?,
                Part::LongMonth => name(text, &MONTHS, None)?,
                Part::Weekday => name(text, &WEEKDAYS, Some(3))?,
                Part::LongWeekday => name(text, &WEEKDAYS, None)?,
                Part::UnderDay => two(text.strip_prefix(' ').unwrap_or(text), false)?,
                Part::UnderYearDay => {
                    let text = text.strip_prefix(' ').unwrap_or(text);
                    number(text.strip_prefix(' ').unwrap_or(text), 1, 3)?
                }
                Part::ZeroYearDay => number(text, 3, 3)?,
                Part::ZeroMonth
                | Part::ZeroDay
                | Part::ZeroHour12
                | Part::ZeroMinute
                | Part::ZeroSecond => two(text, true)?,
                Part::UpperPm => name(text, &["AM", "PM"], None)
                    .filter(|_| text[..2] == text[..2].to_uppercase())?,
                Part::LowerPm => name(text, &["am", "pm"], None)
                    .filter(|_| text[..2] == text[..2].to_lowercase())?,
                Part::Zone => return self.zone(text),
                Part::Offset { z, colons, fields } => return self.offset(text, z, colons, fields),
                Part::Fraction { digits, trimmed } => {
                    let some = text.starts_with(['.', ',']);
                    let none = !some || !text[1..].starts_with(|next: char| next.is_ascii_digit());
                    if trimmed && none {
                        return Some(text);
                    }
                    let digits = (!trimmed).then_some(digits);
                    return self.fraction(text, digits);
                }
                _ => two(text, false)?,
            };
        self.set(part, value)?;
        let is_second = matches!(part, Part::Second | Part::ZeroSecond);
        let fraction_follows = matches!(next_part(layout), (_, Some(Part::Fraction { .. }), _));
        let has_fraction = rest.starts_with(['.', ','])
            && rest[1..].starts_with(|next: char| next.is_ascii_digit());
        if is_second && has_fraction && !fraction_follows {
            return self.fraction(rest, None);
        }
        Some(rest)
    }

    fn set(&mut self, part: Part, value: u32) -> Option<()> {
        let within = |most: u32| (value <= most).then_some(value);
        match part {
            Part::LongYear => self.year = i64::from(value),
            Part::Month | Part::LongMonth => self.month = Some(value + 1),
            Part::NumMonth | Part::ZeroMonth => {
                self.month = Some(within(12).filter(|month| *month > 0)?);
            }
            Part::Day | Part::UnderDay | Part::ZeroDay => self.day = Some(value),
            Part::UnderYearDay | Part::ZeroYearDay => self.day_of_year = Some(value),
            Part::Hour => self.hour = within(23)?,
            Part::Hour12 | Part::ZeroHour12 => self.hour = within(12)?,
            Part::Minute | Part::ZeroMinute => self.minute = within(59)?,
            Part::Second | Part::ZeroSecond => self.second = within(59)?,
            Part::UpperPm | Part::LowerPm => self.afternoon = Some(value == 1),
            _ => {}
        }
        Some(())
    }

    /// `.25`: so many digits, or as many as there are.
    fn fraction<'t>(&mut self, text: &'t str, digits: Option<usize>) -> Option<&'t str> {
        let rest = text.strip_prefix(['.', ','])?;
        let there = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count = digits.unwrap_or(there);
        if there < count {
            return None;
        }
        let first: String = rest[..count]
            .chars()
            .chain("000000000".chars())
            .take(9)
            .collect();
        self.nanoseconds = first.parse().ok()?;
        Some(&rest[count..])
    }

    fn offset<'t>(&mut self, text: &'t str, z: bool, colons: bool, fields: u8) -> Option<&'t str> {
        if let Some(rest) = text.strip_prefix('Z').filter(|_| z) {
            self.utc = true;
            return Some(rest);
        }
        let negative = text.starts_with('-');
        let mut rest = text.strip_prefix(['+', '-'])?;
        let mut offset = 0;
        for (index, scale) in [3600, 60, 1].into_iter().take(fields.into()).enumerate() {
            if colons && index > 0 {
                rest = rest.strip_prefix(':')?;
            }
            let (value, after) = two(rest, true)?;
            let most = if index == 0 { 24 } else { 59 };
            offset += i32::try_from(value).ok().filter(|value| *value <= most)? * scale;
            rest = after;
        }
        self.offset = Some(if negative { -offset } else { offset });
        Some(rest)
    }

    /// The abbreviation of a zone.
    fn zone<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        if let Some(rest) = text.strip_prefix("UTC") {
            self.utc = true;
            return Some(rest);
        }
        let length = zone_length(text)?;
        self.zone = text[..length].to_owned();
        Some(&text[length..])
    }

    fn moment(mut self) -> Option<Moment> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let day = self.date()?;
        let time = self.hour * 3600 + self.minute * 60 + self.second;
        let seconds = day * DAY + i64::from(time);
        let mut moment = Moment::utc(seconds, self.nanoseconds);
        if self.utc {
            return Some(moment);
        }
        match self.offset {
            Some(offset) => {
                moment.seconds -= i64::from(offset);
                let is_local = offset == 0 && matches!(self.zone.as_str(), "" | "UTC");
                moment.zone = (!is_local).then_some((self.zone, offset));
            }
            None if !self.zone.is_empty() => {
                let hours = self.zone.strip_prefix("GMT").map(str::parse::<i32>);
                let offset = hours.and_then(Result::ok).unwrap_or(0) * 3600;
                moment.seconds -= i64::from(offset);
                moment.zone = Some((self.zone, offset));
            }
            None => {}
        }
        Some(moment)
    }

    /// Days since 1970.
    fn date(&self) -> Option<i64> {
        let Some(of_year) = self.day_of_year else {
            let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
            let exists = day >= 1 && day <= days_in(self.year, month);
            return exists.then(|| days(self.year, month.into(), day.into()));
        };
        let first = days(self.year, 1, 1);
        let date = first + i64::from(of_year) - 1;
        let exists = of_year >= 1 && date < days(self.year + 1, 1, 1);
        let agrees = |month: u32, day: Option<u32>| {
            let start = days(self.year, month.into(), 1);
            let inside = (start..start + i64::from(days_in(self.year, month))).contains(&date);
            inside && day.is_none_or(|day| start + i64::from(day) - 1 == date)
        };
        let fits = self.month.is_none_or(|month| agrees(month, self.day));
        (exists && fits).then_some(date)
    }
}

/// How long the abbreviation of a zone at the start is.
fn zone_length(text: &str) -> Option<usize> {
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix("GMT") {
        let signed = rest.strip_prefix(['+', '-']);
        let digits = signed.map_or(0, |rest| {
            rest.bytes().take_while(u8::is_ascii_digit).count()
        });
        let hours = signed.and_then(|rest| rest.get(..digits)?.parse::<u32>().ok());
        let fits = hours.is_some_and(|hours| hours <= 23);
        return Some(if fits { 4 + digits } else { 3 });
    }
    if text.starts_with(['+', '-']) {
        let digits = text[1..].bytes().take_while(u8::is_ascii_digit).count();
        let hours = text[1..1 + digits].parse::<u32>().ok();
        return hours.filter(|hours| *hours <= 23).map(|_| 1 + digits);
    }
    let letters = text
        .bytes()
        .take(6)
        .take_while(u8::is_ascii_uppercase)
        .count();
    match letters {
        5 => text[..5].ends_with('T').then_some(5),
        4 => (text[..4].ends_with('T') || text.starts_with("WITA")).then_some(4),
        3 => Some(3),
        _ => None,
    }
}
