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

#[cfg(test)]
mod tests {
    use super::*;

    /// Says where the `#` of a text stands, with a node of some kind that ends at `end`.
    fn at_hash(text: &str, end: Option<usize>, kind: TailKind) -> Spot {
        let at = text.find('#').expect("the text has a comment");
        spot(text, at, end.map(|end| Tail { end, kind }).as_ref(), None)
    }

    #[test]
    fn a_comment_behind_a_value_is_that_values() {
        for (text, end) in [
            ("a: b # c", 4),
            ("a: 'b'\t# c", 6),
            ("x\na: b # c", 6),
            ("[a, # c", 2),
            ("[a , # c", 2),
        ] {
            assert_eq!(
                at_hash(text, Some(end), TailKind::Value),
                Spot::Behind,
                "{text}"
            );
        }
    }

    #[test]
    fn a_comment_behind_anything_else_is_misplaced() {
        for (text, end, kind, place) in [
            ("? a # c", 3, TailKind::Key, Place::Key),
            ("a: # c", 1, TailKind::Key, Place::Key),
            ("{a: , # c", 2, TailKind::Key, Place::Key),
            ("a: *b # c", 5, TailKind::Alias, Place::Alias),
            ("a: {} # c", 5, TailKind::Collection, Place::Collection),
            ("a: [ # c", 4, TailKind::Collection, Place::Collection),
        ] {
            assert_eq!(
                at_hash(text, Some(end), kind),
                Spot::Misplaced(place),
                "{text}"
            );
        }
        assert_eq!(
            at_hash("? a\n: # c", Some(3), TailKind::Key),
            Spot::Misplaced(Place::Key)
        );
    }

    #[test]
    fn a_comment_on_its_own_line_or_before_a_node_waits_for_it() {
        for text in ["# c", "  # c", "\u{feff}# c", "a: b\n\t# c", "a: b\r# c"] {
            assert_eq!(
                at_hash(text, None, TailKind::Value),
                Spot::OwnLine,
                "{text:?}"
            );
        }
        for (text, end) in [
            ("- # c", None),
            ("--- # c", None),
            ("a: &x # c", Some(1)),
            ("a: !!str # c", Some(1)),
        ] {
            assert_eq!(at_hash(text, end, TailKind::Key), Spot::Before, "{text}");
        }
    }

    #[test]
    fn the_comment_of_a_block_scalars_header_is_the_scalars() {
        assert_eq!(spot("a: | # c\n  b\n", 5, None, Some(11)), Spot::Behind);
        assert_eq!(spot("a: |\n  b\n# c\n", 9, None, Some(7)), Spot::OwnLine);
    }

    /// Whether the comment of a text, up to its line's end, is directly above the `v` behind it.
    fn is_above(text: &str, own_line: bool) -> bool {
        let start = text.find('#').expect("the text has a comment");
        let end = start + 1;
        let comment = Comment {
            marker: Err(MarkerError::WordsBefore),
            range: start..end,
            position: (1, 1),
            own_line,
        };
        above(
            text,
            &comment,
            text.rfind('v').expect("the text has a value"),
        )
    }

    #[test]
    fn a_comment_is_above_an_item_in_its_column_on_the_next_line() {
        for text in [
            "#\n- v",
            "  #\r\n  - v",
            "#\r- &a !!str v",
            "\u{feff}#\n- v",
            "a:\n  #\n  v",
            " #\n -   v",
        ] {
            assert!(is_above(text, true), "{text:?}");
        }
        for text in [
            "#\n\n- v",
            "#\n - v",
            "  #\n- v",
            "#\n- - v",
            "#\nk: v",
            "#\n, v",
            "# \n- |\n v",
            "#\n\t- v",
        ] {
            assert!(!is_above(text, true), "{text:?}");
        }
    }

    #[test]
    fn a_comment_behind_a_dash_or_an_anchor_is_above_the_scalar_below() {
        for text in ["- #\n  v", "a: &x #\n  v", "a: !!str #\n  &x v"] {
            assert!(is_above(text, false), "{text:?}");
        }
        for text in ["- #\n  - v", "- #\n\n  v", "- #\n  k: v"] {
            assert!(!is_above(text, false), "{text:?}");
        }
    }
}
