//! The lines of a text that stands within a file, as an inline patch does.
//!
//! Invariant: a line that is told is one of the file. What is absent: columns.

use super::decode::At;
use crate::domain::manifest::ManifestError;

/// Which lines of a file those of a text are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// Its own: the text is the whole file, or stands in none.
    #[default]
    Own,
    /// Those below this one: the text is a block.
    Below(u32),
    /// This one: the text is in quotes, which may break its lines in other places.
    All(u32),
}

impl Lines {
    /// The lines of the text that `at` holds, without the blank ones that it begins with.
    pub(super) fn of(at: &At<'_>) -> Self {
        // A block begins below its header, with its first line that is not blank.
        match at.node.line() {
            content if content > at.line => Self::Below(content - 1),
            _ => Self::All(at.line),
        }
    }

    /// The line of the file that a line of the text is.
    pub(super) fn line(self, line: u32) -> u32 {
        match self {
            Self::Own => line,
            Self::Below(above) => above.saturating_add(line),
            Self::All(only) => only,
        }
    }

    /// The error of a text as one of the file.
    pub(super) fn error(self, error: ManifestError) -> ManifestError {
        match self {
            Self::Own => error,
            _ => error.within(|line| self.line(line)),
        }
    }
}
