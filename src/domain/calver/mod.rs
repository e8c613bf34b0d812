//! Calendar versions: a layout in the vocabulary of calver.org, and tags that follow it.
//!
//! Duty: read a layout such as `YYYY.0M.MICRO`, read tags by it, and order them: the date as a date, the other parts as numbers
//! of any length, in the order of the layout; the parts of a date count as one, where the first of them stands. Invariant: what
//! is no day of the calendar follows no layout. A part in brackets may be missing (`YY.0M[.MICRO]`), and so may `MODIFIER` with the
//! separator before it: calver.org calls it optional. A version with a modifier comes before the same one without.
//! Absent: which tags a policy takes.

mod layout;
mod read;

pub use layout::LayoutError;
pub use read::{CalendarVersion, Misfit};

use layout::{Field, Piece};
use std::cmp::Ordering;

/// A checked layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    text: String,
    /// What a tag may look like, one sequence for each choice of the parts that may be missing, longest first.
    forms: Vec<Vec<Piece>>,
    /// What counts, most significant first.
    significance: Vec<Significant>,
}

/// What two versions are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Significant {
    Date,
    /// MAJOR, MINOR or MICRO, by its index.
    Number(usize),
    Modifier,
}

impl From<Field> for Significant {
    fn from(field: Field) -> Self {
        match field {
            Field::Major => Self::Number(0),
            Field::Minor => Self::Number(1),
            Field::Micro => Self::Number(2),
            Field::Modifier => Self::Modifier,
            _ => Self::Date,
        }
    }
}

impl Layout {
    /// The layout as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Which of two versions of this layout is the later one.
    pub fn compare(&self, one: &CalendarVersion<'_>, other: &CalendarVersion<'_>) -> Ordering {
        self.significance
            .iter()
            .map(|significant| match significant {
                Significant::Date => one.date.cmp(&other.date),
                Significant::Number(index) => numbers(one.numbers[*index], other.numbers[*index]),
                Significant::Modifier => modifiers(one.modifier, other.modifier),
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// Compares digits of any length as numbers; a missing number is the least.
fn numbers(one: Option<&str>, other: Option<&str>) -> Ordering {
    let (Some(one), Some(other)) = (one, other) else {
        return one.is_some().cmp(&other.is_some());
    };
    let [one, other] = [one, other].map(|digits| digits.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// Compares modifiers by their letters and their numbers in turn; a missing modifier is the greatest.
fn modifiers(one: Option<&str>, other: Option<&str>) -> Ordering {
    let (Some(mut one), Some(mut other)) = (one, other) else {
        return one.is_none().cmp(&other.is_none());
    };
    while !one.is_empty() && !other.is_empty() {
        let (first, after_first) = run(one);
        let (second, after_second) = run(other);
        let are_numbers = [first, second].map(|run| run.starts_with(|c: char| c.is_ascii_digit()));
        let order = match are_numbers {
            [true, true] => numbers(Some(first), Some(second)),
            _ => first.cmp(second),
        };
        if order.is_ne() {
            return order;
        }
        (one, other) = (after_first, after_second);
    }
    one.len().min(1).cmp(&other.len().min(1))
}

/// The digits, or all but digits, that a text begins with, and the rest.
fn run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits);
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests;
