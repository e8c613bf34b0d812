//! How a command fails: words, a hint, an exit code.
//!
//! Exit codes: `0` done, `1` what was asked for could not be done, `2` the command was not understood
//! (clap's own code). `highwater update --diff` adds nothing to them: differences are no failure.

use crate::domain::outcome::with_causes;
use std::fmt::Display;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong; lower case, no trailing period.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The exit code.
    pub code: u8,
}

impl Failure {
    /// What was asked for could not be done.
    pub fn new(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            hint: None,
            code: 1,
        }
    }

    /// The command was not understood.
    pub fn usage(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            hint: None,
            code: 2,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The exit code for the process.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(with_causes(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_its_sources_once() {
        let refused = crate::adapters::probe::ListenError::Bind {
            address: ":8080".to_owned(),
            source: std::io::Error::other("in use"),
        };
        assert_eq!(
            Failure::from(refused).message,
            "cannot listen on `:8080`: in use"
        );
    }
}
