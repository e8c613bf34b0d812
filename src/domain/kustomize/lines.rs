//! The lines of a text that stands within a file, as an inline patch does.
//!
//! Invariant: a line that is told is one of the file. What is absent: columns.

use super::decode::{At, Fields, Located};
use super::error::BuildError;
use crate::domain::manifest::{ManifestError, Node};

/// Which lines of a file those of a text are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// Its own: the text is the whole file, or stands in none.
    #[default]
    Own,
    /// Those below this one: the text is a literal block.
    Below(u32),
    /// This one: quotes and folds may break lines in other places.
    All(u32),
}

impl Lines {
    /// The lines of `text`, which `at` holds, perhaps without the blank lines that it begins with.
    pub(super) fn of(at: &At<'_>, text: &str) -> Self {
        match at.node {
            // It says the line of the first that is not blank.
            Node::Scalar(scalar) if scalar.literal => {
                let begins = text.len() - text.trim_start().len();
                let blank = text[..begins].matches('\n').count();
                let above = (scalar.line as usize).saturating_sub(1 + blank);
                Self::Below(u32::try_from(above).unwrap_or(u32::MAX))
            }
            _ => Self::All(at.line),
        }
    }

    /// The texts of a list, each with its lines.
    pub(super) fn texts(
        fields: &Fields<'_>,
        name: &str,
    ) -> Result<Vec<(Located<String>, Self)>, BuildError> {
        let items = fields.items(name)?;
        let texts = items.iter().map(|at| {
            let text = at.locate(at.text()?.to_owned());
            let lines = Self::of(at, &text.value);
            Ok((text, lines))
        });
        texts.collect()
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
