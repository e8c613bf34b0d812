//! Reads tags by a layout.

use super::Layout;
use super::layout::{Field, Piece};

/// A tag that follows a layout. Compare it with [`Layout::compare`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CalendarVersion<'v> {
    pub(super) date: Date,
    /// MAJOR, MINOR and MICRO.
    pub(super) numbers: [Option<&'v str>; 3],
    pub(super) modifier: Option<&'v str>,
}

/// The parts of a date that a layout has; what it has not is 0 in every version of it. Fields are in their order of significance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date {
    year: u16,
    month: u8,
    week: u8,
    day: u8,
}

/// Why a tag does not follow a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// Its form is another.
    Form,
    /// There is no such day, month or week.
    Date,
}

impl Layout {
    /// Reads a tag.
    ///
    /// # Errors
    /// [`Misfit`] when it does not follow the layout.
    pub fn read<'v>(&self, text: &'v str) -> Result<CalendarVersion<'v>, Misfit> {
        let mut misfit = Misfit::Form;
        for form in &self.forms {
            match read_form(form, text) {
                Ok(version) => return Ok(version),
                Err(Misfit::Date) => misfit = Misfit::Date,
                Err(Misfit::Form) => {}
            }
        }
        Err(misfit)
    }
}

fn read_form<'v>(form: &[Piece], text: &'v str) -> Result<CalendarVersion<'v>, Misfit> {
    let mut version = CalendarVersion::default();
    let mut rest = text;
    let mut is_date = true;
    for piece in form {
        rest = match piece {
            Piece::Literal(literal) => rest.strip_prefix(literal.as_str()).ok_or(Misfit::Form)?,
            Piece::Field { field, joined } => {
                let length = field.length(rest, *joined).ok_or(Misfit::Form)?;
                let (part, after) = rest.split_at(length);
                is_date &= version.set(*field, part);
                after
            }
        };
    }
    match (rest.is_empty(), is_date && version.date.is_possible()) {
        (false, _) => Err(Misfit::Form),
        (true, false) => Err(Misfit::Date),
        (true, true) => Ok(version),
    }
}

impl Field {
    /// How many bytes of `text` are this part; `None` when it does not begin with it.
    fn length(self, text: &str, joined: bool) -> Option<usize> {
        if self == Self::Modifier {
            return text
                .starts_with(|c: char| c.is_ascii_alphabetic())
                .then_some(text.len());
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let is_padded = text.starts_with('0');
        match self {
            Self::FullYear => (digits >= 4 && !is_padded).then_some(4),
            Self::PaddedMonth | Self::PaddedWeek | Self::PaddedDay => (digits >= 2).then_some(2),
            Self::Major | Self::Minor | Self::Micro => (digits > 0).then_some(digits),
            _ if joined => (digits >= 2).then_some(2),
            // 2006 is `06`, 2106 is `106`.
            Self::PaddedYear => (digits == 2 || digits == 3 && !is_padded).then_some(digits),
            _ => ((1..=3).contains(&digits) && (digits == 1 || !is_padded)).then_some(digits),
        }
    }
}

impl<'v> CalendarVersion<'v> {
    /// Takes note of a part; says whether its number is possible.
    fn set(&mut self, field: Field, part: &'v str) -> bool {
        // Parts of a date have at most four digits.
        let number: u16 = part.parse().unwrap_or_default();
        let small = u8::try_from(number).unwrap_or_default();
        let date = &mut self.date;
        match field {
            Field::FullYear => date.year = number,
            Field::ShortYear | Field::PaddedYear => date.year = 2000 + number,
            Field::Month | Field::PaddedMonth => {
                date.month = small;
                return (1..=12).contains(&small);
            }
            Field::Week | Field::PaddedWeek => {
                date.week = small;
                return (1..=53).contains(&small);
            }
            Field::Day | Field::PaddedDay => {
                date.day = small;
                return (1..=31).contains(&small);
            }
            Field::Major => self.numbers[0] = Some(part),
            Field::Minor => self.numbers[1] = Some(part),
            Field::Micro => self.numbers[2] = Some(part),
            Field::Modifier => self.modifier = Some(part),
        }
        true
    }
}

impl Date {
    /// Whether the month has the day; without a year, whether it has it in some year.
    fn is_possible(self) -> bool {
        let leap_year = 2000;
        let year = if self.year == 0 { leap_year } else { self.year };
        let small = |number: u8| i8::try_from(number).unwrap_or_default();
        self.month == 0
            || self.day == 0
            || i16::try_from(year).is_ok_and(|year| {
                jiff::civil::Date::new(year, small(self.month), small(self.day)).is_ok()
            })
    }
}
