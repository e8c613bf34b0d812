//! Why a cloud gave no login.
//!
//! Invariant: no message holds a secret; each names the place that was asked. Errors can be cloned, since
//! those who share a request share its failure. What is absent: how often to try again.

use super::program::ProgramError;
use crate::domain::cloud::git::CodeCommitError;
use crate::domain::cloud::profile::ProfileError;
use crate::domain::cloud::{AnswerError, HostError};
use thiserror::Error;

/// Why a cloud gave no login. Where Flux has words, they are Flux's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CloudError {
    /// The registry is somebody else's.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The identity got no token or keys.
    #[error(
        "failed to get access token for artifact registry: failed to create provider access token for {who}: {reason}"
    )]
    Token {
        /// Who.
        who: String,
        /// Why.
        reason: Box<CloudError>,
    },
    /// The identity is known, but got no login of the registry.
    #[error("failed to create artifact registry credentials: {reason}")]
    Login {
        /// Why.
        reason: Box<CloudError>,
    },
    /// The same for a Git server.
    #[error(
        "failed to get access token for Git repository: failed to create provider access token for {who}: {reason}"
    )]
    GitToken {
        /// Who.
        who: String,
        /// Why.
        reason: Box<CloudError>,
    },
    /// The URL is not CodeCommit's.
    #[error(transparent)]
    CodeCommit(#[from] CodeCommitError),
    /// A cloud without Git servers.
    #[error("provider '{0}' does not support Git credentials")]
    NoGit(&'static str),
    /// The key of a GitHub App is none.
    #[error("could not parse private key: it is no RSA key in PEM")]
    AppKey,
    /// The cluster gave no token of the account.
    #[error("failed to create kubernetes token for service account '{account}': {reason}")]
    ClusterToken {
        /// Its namespace and name.
        account: String,
        /// Why.
        reason: String,
    },
    /// A place answered with an error.
    #[error("{place} answered {status}{}", after_colon(.words))]
    Refused {
        /// Which, with the identity that was asked for.
        place: String,
        /// Its status code.
        status: u16,
        /// Its words.
        words: String,
    },
    /// A place did not answer.
    #[error("{place} cannot be reached: {reason}")]
    Unreachable {
        /// Which.
        place: String,
        /// What the network layers say.
        reason: String,
    },
    /// A place answered something that cannot be used.
    #[error("{place}: {problem}")]
    Answer {
        /// Which.
        place: String,
        /// What is wrong with it.
        problem: AnswerError,
    },
    /// A variable of the environment cannot be used.
    #[error("`{name}`: {reason}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A profile of Amazon's cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A program that gives logins gave none.
    #[error("{place} {problem}\nhint: {hint}")]
    Program {
        /// The program and who names it.
        place: String,
        /// What happened.
        problem: ProgramError,
        /// What helps.
        hint: &'static str,
    },
    /// A login of a person's that has ended.
    #[error("{what}\nhint: {hint}")]
    Ended {
        /// Which.
        what: String,
        /// How to log in.
        hint: &'static str,
    },
    /// The process is nobody.
    #[error("the process has no identity: {last}\nhint: {hint}")]
    NoIdentity {
        /// Why the last place that was asked gave none.
        last: Box<CloudError>,
        /// How to give it one.
        hint: &'static str,
    },
}

fn after_colon(words: &str) -> String {
    if words.is_empty() {
        return String::new();
    }
    format!(": {words}")
}

impl CloudError {
    /// Whether a place said no to who asked, rather than being in trouble itself.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if matches!(status, 400 | 401 | 403))
    }

    /// The same, said of an identity.
    pub(super) fn of(self, who: impl ToString) -> Self {
        match self {
            told @ Self::Token { .. } => told,
            reason => Self::Token {
                who: who.to_string(),
                reason: Box::new(reason),
            },
        }
    }

    /// The same, said of a Git server's login.
    pub(super) fn of_git(self) -> Self {
        match self {
            Self::Token { who, reason } => Self::GitToken { who, reason },
            told => told,
        }
    }

    /// The same, said of a registry's login.
    pub(super) fn of_login(self) -> Self {
        match self {
            told @ (Self::Token { .. } | Self::Login { .. }) => told,
            reason => Self::Login {
                reason: Box::new(reason),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_who_asked_whom_for_what_and_each_only_once() {
        let refused = CloudError::Refused {
            place: "`https://sts.example` for the role `arn`".to_owned(),
            status: 403,
            words: "AccessDenied: no".to_owned(),
        };
        let told = refused.of("service account 'apps/reader'");
        assert_eq!(
            told.to_string(),
            "failed to get access token for artifact registry: failed to create provider access token \
             for service account 'apps/reader': `https://sts.example` for the role `arn` answered 403: \
             AccessDenied: no"
        );
        assert_eq!(told.clone().of("the controller").of_login(), told);
    }
}
