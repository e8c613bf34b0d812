//! The parts of a layout: Go writes one as the reference time in the wanted form.

/// What stands for something in a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Zone,
    /// An offset from UTC: whether `Z` stands for none, with colons, and how many of hours, minutes, seconds.
    Offset {
        z: bool,
        colons: bool,
        fields: u8,
    },
    /// A fraction of a second: its digits, and whether zeros at the end go.
    Fraction {
        digits: usize,
        trimmed: bool,
    },
}

/// Fixed texts; longer ones stand before those that they begin with.
const TEXTS: &[(&str, Part)] = &[
    ("January", Part::LongMonth),
    ("Monday", Part::LongWeekday),
    ("MST", Part::Zone),
    ("002", Part::ZeroYearDay),
    ("01", Part::ZeroMonth),
    ("02", Part::ZeroDay),
    ("03", Part::ZeroHour12),
    ("04", Part::ZeroMinute),
    ("05", Part::ZeroSecond),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("1", Part::NumMonth),
    ("2006", Part::LongYear),
    ("2", Part::Day),
    ("__2", Part::UnderYearDay),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::UpperPm),
    ("pm", Part::LowerPm),
];

const OFFSETS: &[(&str, bool, u8)] = &[
    ("070000", false, 3),
    ("07:00:00", true, 3),
    ("0700", false, 2),
    ("07:00", true, 2),
    ("07", false, 1),
];

/// The text before the first part, the part, and what follows it.
pub(super) fn next_part(layout: &str) -> (&str, Option<Part>, &str) {
    for (at, _) in layout.char_indices() {
        let rest = &layout[at..];
        if let Some((part, length)) = part_at(rest) {
            return (&layout[..at], Some(part), &rest[length..]);
        }
        if let Some(after) = rest.strip_prefix("_2006") {
            return (&layout[..=at], Some(Part::LongYear), after);
        }
    }
    (layout, None, "")
}

fn part_at(rest: &str) -> Option<(Part, usize)> {
    if let Some(after) = rest.strip_prefix("_2") {
        // `_2006` is a line before a year.
        return (!after.starts_with("006")).then_some((Part::UnderDay, 2));
    }
    if let Some((text, part)) = TEXTS.iter().find(|(text, _)| rest.starts_with(text)) {
        return Some((*part, text.len()));
    }
    for (text, part) in [("Jan", Part::Month), ("Mon", Part::Weekday)] {
        let after = rest.strip_prefix(text);
        if after.is_some_and(|after| !after.starts_with(|next: char| next.is_ascii_lowercase())) {
            return Some((part, 3));
        }
    }
    let sign = rest.chars().next()?;
    let behind = &rest[sign.len_utf8()..];
    if matches!(sign, '-' | 'Z') {
        let mut offsets = OFFSETS.iter();
        let (text, colons, fields) = offsets.find(|(text, ..)| behind.starts_with(text))?;
        let part = Part::Offset {
            z: sign == 'Z',
            colons: *colons,
            fields: *fields,
        };
        return Some((part, 1 + text.len()));
    }
    if matches!(sign, '.' | ',') {
        let digit = behind
            .chars()
            .next()
            .filter(|next| matches!(next, '0' | '9'))?;
        let digits = behind.len() - behind.trim_start_matches(digit).len();
        let after = &rest[1 + digits..];
        if !after.starts_with(|next: char| next.is_ascii_digit()) {
            let part = Part::Fraction {
                digits,
                trimmed: digit == '9',
            };
            return Some((part, 1 + digits));
        }
    }
    None
}
