//! What stood in the way, in words.

use serde::Serialize;
use std::fmt;

/// Something that was left out or failed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Trouble {
    /// The object or the place, such as `ImagePolicy/apps/web` or `apps/web.yaml:3`.
    pub(super) subject: String,
    /// What happened; lower case, no trailing period.
    pub(super) message: String,
    /// Whether the command fails because of it, once everything else is done.
    pub(super) failed: bool,
}

impl Trouble {
    /// Something that the user asked for and that could not be done.
    pub(super) fn failure(subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            subject: subject.to_string(),
            message: message.to_string(),
            failed: true,
        }
    }

    /// Something to know about.
    pub(super) fn note(subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            failed: false,
            ..Self::failure(subject, message)
        }
    }
}

/// `subject: message`.
impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.subject, self.message)
    }
}
