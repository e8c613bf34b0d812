//! Reads layouts.

use super::{Layout, Significant};
use crate::domain::tags::MAX_TAG_LENGTH;

/// The most parts in brackets: each doubles the forms a tag may have.
const MOST_OPTIONAL: usize = 4;

/// The vocabulary, longest words first where one begins another.
const VOCABULARY: [(&str, Field); 13] = [
    ("YYYY", Field::FullYear),
    ("YY", Field::ShortYear),
    ("0Y", Field::PaddedYear),
    ("MM", Field::Month),
    ("0M", Field::PaddedMonth),
    ("WW", Field::Week),
    ("0W", Field::PaddedWeek),
    ("DD", Field::Day),
    ("0D", Field::PaddedDay),
    ("MAJOR", Field::Major),
    ("MINOR", Field::Minor),
    ("MICRO", Field::Micro),
    ("MODIFIER", Field::Modifier),
];

/// A word of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    FullYear,
    ShortYear,
    PaddedYear,
    Month,
    PaddedMonth,
    Week,
    PaddedWeek,
    Day,
    PaddedDay,
    Major,
    Minor,
    Micro,
    Modifier,
}

/// A part of one form of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// This text.
    Literal(String),
    /// What a word stands for.
    Field {
        field: Field,
        /// Digits stand beside it without a separator, so it has a fixed width.
        joined: bool,
    },
}

/// Why a layout is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Longer than a tag can be.
    #[error("it is longer than a tag")]
    TooLong,
    /// A character that no tag has.
    #[error("`{0}` cannot stand in a tag")]
    Character(char),
    /// A bracket without its other half, or inside of another.
    #[error("brackets go in pairs, one pair after the other, around what may be missing")]
    Brackets,
    /// More than four parts that may be missing.
    #[error("more than {MOST_OPTIONAL} parts may be missing")]
    TooManyOptional,
    /// Nothing of the calendar.
    #[error(
        "it has no date; hint: the words are YYYY, YY, 0Y, MM, 0M, WW, 0W, DD, 0D, MAJOR, MINOR, MICRO and MODIFIER"
    )]
    NoDate,
    /// A word, or another for the same part, stands twice.
    #[error("`{0}` says again what another part says")]
    Twice(&'static str),
    /// A day of an unknown month.
    #[error("a day needs its month")]
    DayWithoutMonth,
    /// A number that ends nowhere.
    #[error("nothing says where `{0}` ends; hint: put a separator behind it")]
    Joined(&'static str),
    /// Something follows the modifier.
    #[error("`MODIFIER` stands at the end")]
    ModifierNotLast,
}

impl Field {
    /// The word.
    fn word(self) -> &'static str {
        let found = VOCABULARY.iter().find(|(_, field)| *field == self);
        found.map_or("", |(word, _)| word)
    }

    /// What it is a form of, by the shortest word for it.
    fn part(self) -> Self {
        match self {
            Self::FullYear | Self::PaddedYear => Self::ShortYear,
            Self::PaddedMonth => Self::Month,
            Self::PaddedWeek => Self::Week,
            Self::PaddedDay => Self::Day,
            other => other,
        }
    }
}

impl Layout {
    /// Reads a layout.
    ///
    /// Words of the vocabulary stand for parts, everything else for itself. Where digits stand beside `MM`, `WW`, `DD`, `YY` or
    /// `0Y` without a separator, it has two digits: `YYYYMMDD` is `YYYY0M0D`.
    ///
    /// # Errors
    /// When it is no layout; see [`LayoutError`].
    pub fn parse(text: &str) -> Result<Self, LayoutError> {
        if text.len() > 2 * MAX_TAG_LENGTH {
            return Err(LayoutError::TooLong);
        }
        let segments = with_optional_modifier(segments(text)?);
        let fields: Vec<Field> = segments
            .iter()
            .flat_map(|segment| &segment.pieces)
            .filter_map(Piece::field)
            .collect();
        check(&fields)?;
        let mut significance: Vec<Significant> = Vec::new();
        for significant in fields.iter().map(|field| Significant::from(*field)) {
            if !significance.contains(&significant) {
                significance.push(significant);
            }
        }
        Ok(Self {
            text: text.to_owned(),
            forms: forms(&segments)?,
            significance,
        })
    }
}

impl Piece {
    fn field(&self) -> Option<Field> {
        match self {
            Self::Field { field, .. } => Some(*field),
            Self::Literal(_) => None,
        }
    }

    /// Whether a digit may be what it begins with.
    fn begins_with_digit(&self) -> bool {
        match self {
            Self::Literal(text) => text.starts_with(|c: char| c.is_ascii_digit()),
            Self::Field { field, .. } => *field != Field::Modifier,
        }
    }

    /// Whether digits of any number may be what it ends with.
    fn ends_with_digit(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Field { field, .. } => *field != Field::Modifier,
        }
    }
}

/// Pieces that are all there, or may all be missing.
struct Segment {
    pieces: Vec<Piece>,
    optional: bool,
}

fn segments(text: &str) -> Result<Vec<Segment>, LayoutError> {
    let mut segments = Vec::new();
    let (mut pieces, mut optional) = (Vec::new(), false);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some((word, field)) = VOCABULARY.iter().find(|(word, _)| rest.starts_with(word)) {
            pieces.push(Piece::Field {
                field: *field,
                joined: false,
            });
            rest = &rest[word.len()..];
            continue;
        }
        match next {
            '[' | ']' if optional != (next == ']') => return Err(LayoutError::Brackets),
            '[' | ']' => {
                let pieces = std::mem::take(&mut pieces);
                segments.push(Segment { pieces, optional });
                optional = !optional;
            }
            _ if next.is_ascii_alphanumeric() || matches!(next, '.' | '-' | '_') => {
                match pieces.last_mut() {
                    Some(Piece::Literal(literal)) => literal.push(next),
                    _ => pieces.push(Piece::Literal(next.into())),
                }
            }
            other => return Err(LayoutError::Character(other)),
        }
        rest = &rest[next.len_utf8()..];
    }
    if optional {
        return Err(LayoutError::Brackets);
    }
    segments.push(Segment { pieces, optional });
    segments.retain(|segment| !segment.pieces.is_empty());
    Ok(segments)
}

/// A modifier that stands outside of brackets may be missing, with the separators before it.
fn with_optional_modifier(mut segments: Vec<Segment>) -> Vec<Segment> {
    let Some(last) = segments.last_mut().filter(|last| !last.optional) else {
        return segments;
    };
    if last.pieces.last().and_then(Piece::field) != Some(Field::Modifier) {
        return segments;
    }
    let mut pieces: Vec<Piece> = last.pieces.pop().into_iter().collect();
    if let Some(Piece::Literal(literal)) = last.pieces.last_mut() {
        let kept = literal.trim_end_matches(['.', '-', '_']).len();
        pieces.insert(0, Piece::Literal(literal.split_off(kept)));
    }
    last.pieces
        .retain(|piece| *piece != Piece::Literal(String::new()));
    segments.push(Segment {
        pieces,
        optional: true,
    });
    segments
}

fn check(fields: &[Field]) -> Result<(), LayoutError> {
    for (index, field) in fields.iter().enumerate() {
        let again = |other: &Field| other.part() == field.part();
        if fields[..index].iter().any(again) {
            return Err(LayoutError::Twice(field.word()));
        }
    }
    let has = |part: Field| fields.iter().any(|field| field.part() == part);
    if !fields
        .iter()
        .any(|field| Significant::from(*field) == Significant::Date)
    {
        return Err(LayoutError::NoDate);
    }
    if has(Field::Day) && !has(Field::Month) {
        return Err(LayoutError::DayWithoutMonth);
    }
    Ok(())
}

/// Every choice of the segments that may be missing, with as many as can be first.
fn forms(segments: &[Segment]) -> Result<Vec<Vec<Piece>>, LayoutError> {
    let optional = segments.iter().filter(|segment| segment.optional).count();
    if optional > MOST_OPTIONAL {
        return Err(LayoutError::TooManyOptional);
    }
    (0..1_u32 << optional)
        .map(|missing| {
            let mut bit = 1;
            let mut pieces = Vec::new();
            for segment in segments {
                let is_missing = segment.optional && missing & bit != 0;
                bit <<= u32::from(segment.optional);
                if !is_missing {
                    pieces.extend(segment.pieces.iter().cloned());
                }
            }
            joined(pieces)
        })
        .collect()
}

/// Marks what stands beside digits.
fn joined(mut pieces: Vec<Piece>) -> Result<Vec<Piece>, LayoutError> {
    let before: Vec<bool> = std::iter::once(false)
        .chain(pieces.iter().map(Piece::ends_with_digit))
        .collect();
    let after: Vec<Option<bool>> = (1..=pieces.len())
        .map(|next| pieces.get(next).map(Piece::begins_with_digit))
        .collect();
    for (piece, (before, after)) in pieces.iter_mut().zip(before.into_iter().zip(after)) {
        let Piece::Field { field, joined } = piece else {
            continue;
        };
        *joined = before || after == Some(true);
        match field {
            Field::Major | Field::Minor | Field::Micro if after == Some(true) => {
                return Err(LayoutError::Joined(field.word()));
            }
            Field::Modifier if after.is_some() => return Err(LayoutError::ModifierNotLast),
            _ => {}
        }
    }
    Ok(pieces)
}
