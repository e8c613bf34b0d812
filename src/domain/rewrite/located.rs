//! What reading one document for markers gives: the marked scalars, the markers that mark nothing, and a transcript to compare
//! the edited document with.

use crate::domain::change::ProblemKind;
use crate::domain::marker::Marker;
use crate::domain::object::ObjectId;
use granit_parser::{ErrorKind, ScalarStyle, ScanError, Tag};
use std::borrow::Cow;
use std::ops::Range;

/// A scalar value as it stands in the document.
#[derive(Debug)]
pub(super) struct Scalar<'a> {
    /// Its bytes: with quotes, without anchor and tag; of a block scalar the content from its first line on.
    pub(super) span: Range<usize>,
    /// The document's line, from 1, on which the span begins.
    pub(super) line: usize,
    pub(super) value: Cow<'a, str>,
    pub(super) style: ScalarStyle,
    pub(super) tag: Option<Tag>,
    /// Whether a flow collection encloses it.
    pub(super) flow: bool,
    /// Where the transcript has its value and style.
    pub(super) entry: Range<usize>,
}

impl Scalar<'_> {
    /// Whether it is a literal or folded block.
    pub(super) fn is_block(&self) -> bool {
        matches!(self.style, ScalarStyle::Literal | ScalarStyle::Folded)
    }
}

/// A scalar with a well-formed marker.
#[derive(Debug)]
pub(super) struct Marked<'a> {
    pub(super) scalar: Scalar<'a>,
    pub(super) marker: Marker,
    /// The marker's line and column in the document, from 1.
    pub(super) position: (usize, usize),
    pub(super) field: String,
    pub(super) object: Option<ObjectId>,
    /// The list item it is in.
    pub(super) item: Option<usize>,
    /// The parser's own text differs from the document here: a template action is hidden.
    pub(super) hidden: bool,
}

/// A marker that marks nothing.
#[derive(Debug)]
pub(super) struct Stray {
    pub(super) position: (usize, usize),
    pub(super) kind: ProblemKind,
}

/// What one document holds.
#[derive(Debug, Default)]
pub(super) struct Located<'a> {
    pub(super) marked: Vec<Marked<'a>>,
    pub(super) strays: Vec<Stray>,
    pub(super) transcript: Vec<u8>,
}

/// Why a document was not read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) position: (usize, usize),
    pub(super) kind: ProblemKind,
}

impl From<ScanError> for Unreadable {
    fn from(error: ScanError) -> Self {
        let kind = match error.kind() {
            ErrorKind::RecursionLimitExceeded => ProblemKind::TooDeep,
            _ => ProblemKind::Unreadable(error.info()),
        };
        Self {
            position: (error.marker().line(), error.marker().col() + 1),
            kind,
        }
    }
}
