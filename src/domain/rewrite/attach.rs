//! What a comment belongs to, by where it stands in the text.
//!
//! These are the places where Flux (that is yaml.v3) sees a scalar's line comment or head comment, less those where it is a
//! matter of taste: behind the scalar on the line where it ends, also behind the comma that follows it in a flow collection;
//! behind a block scalar's header; on the line directly above a sequence's scalar item, in the item's column; and between a
//! `-`, an anchor or a tag and the scalar on the next line.
//!
//! Invariant: in doubt a comment belongs to nothing, which is reported.

use crate::domain::change::Place;
use crate::domain::marker::{Marker, MarkerError};
use crate::domain::yaml::line_start;
use std::ops::Range;

/// A comment that is, or was meant as, a marker.
#[derive(Debug)]
pub(super) struct Comment {
    pub(super) marker: Result<Marker, MarkerError>,
    /// Its bytes, from the `#` to the end of its line.
    pub(super) range: Range<usize>,
    /// Its line and column in the document, from 1.
    pub(super) position: (usize, usize),
    /// Whether it has a line of its own.
    pub(super) own_line: bool,
}

impl Comment {
    /// Whether the comment's text begins with its JSON, however broken that is.
    pub(super) fn starts_with_json(&self) -> bool {
        !matches!(self.marker, Err(MarkerError::WordsBefore))
    }
}

/// What the newest node with text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TailKind {
    /// A scalar that is a value.
    Value,
    /// A scalar that is a key, or inside one.
    Key,
    Alias,
    /// The start or end of a flow collection.
    Collection,
}

/// The newest node with text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    end: usize,
    kind: TailKind,
}

impl Tail {
    pub(super) fn new(span: &Range<usize>, kind: TailKind) -> Self {
        Self {
            end: span.end,
            kind,
        }
    }
}

/// Where a comment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// On a line of its own.
    OwnLine,
    /// Behind the newest scalar value.
    Behind,
    /// Behind something that the next node goes on from: `-`, an anchor, a tag.
    Before,
    /// Behind something that takes no marker.
    Misplaced(Place),
}

/// Says where the comment at an offset stands. `block_start`: where the content of the newest value begins, if that is a block
/// scalar; its header's comment comes after it among the events and before it in the text.
pub(super) fn spot(text: &str, at: usize, tail: Option<&Tail>, block_start: Option<usize>) -> Spot {
    if block_start.is_some_and(|start| at < start) {
        return Spot::Behind;
    }
    let start = line_start(text, at);
    let line = text[start..at].trim_start_matches('\u{feff}');
    if is_blank(line) {
        return Spot::OwnLine;
    }
    match tail.filter(|tail| tail.end > start) {
        None if line.trim_end().ends_with(':') => Spot::Misplaced(Place::Key),
        None => Spot::Before,
        Some(tail) => match text
            .get(tail.end..at)
            .map(|gap| gap.trim_matches([' ', '\t']))
        {
            Some("" | ",") => match tail.kind {
                TailKind::Value => Spot::Behind,
                TailKind::Key => Spot::Misplaced(Place::Key),
                TailKind::Alias => Spot::Misplaced(Place::Alias),
                TailKind::Collection => Spot::Misplaced(Place::Collection),
            },
            // `key: # ..`, and `key: , # ..` in a flow mapping.
            Some(gap) if gap.trim_end_matches([',', ' ', '\t']).ends_with(':') => {
                Spot::Misplaced(Place::Key)
            }
            Some(_) => Spot::Before,
            None => Spot::Misplaced(Place::Detached),
        },
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// Whether a comment stands directly above the scalar value that begins at `scalar`: one line break between them, the same
/// column where the comment has its own line, and nothing else but an anchor, a tag, and the `-` of the comment's own line's item.
pub(super) fn above(text: &str, comment: &Comment, scalar: usize) -> bool {
    let Some(gap) = text.get(comment.range.end..scalar) else {
        return false;
    };
    let Some(line) = gap
        .strip_prefix("\r\n")
        .or_else(|| gap.strip_prefix(['\n', '\r']))
    else {
        return false;
    };
    let body = line.trim_start_matches([' ', '\t']);
    if comment.own_line {
        let start = line_start(text, comment.range.start);
        let indent = text[start..comment.range.start].trim_start_matches('\u{feff}');
        if indent != &line[..line.len() - body.len()] {
            return false;
        }
    }
    // A second `-` starts a sequence in a sequence, and the comment is that one's.
    let items = usize::from(comment.own_line);
    let leads = |word: &str| {
        word == "-" || (word.starts_with(['&', '!']) && !word.contains([',', '[', ']', '{', '}']))
    };
    !body.contains(['\n', '\r'])
        && body.split_ascii_whitespace().all(leads)
        && body
            .split_ascii_whitespace()
            .filter(|word| *word == "-")
            .count()
            <= items
}
