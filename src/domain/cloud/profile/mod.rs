//! Amazon's profiles: whose keys a profile gives, and which roles are assumed with them.
//!
//! Invariant: the rules are those of Amazon's library for Go, which Flux uses: what a profile has decides in a fixed order, a
//! source must have a login of its own, and no chain of profiles is endless. What is absent: where the files are, and everything
//! that a profile says of other things than logins.

mod chain;
mod sections;

use super::signature::AccessKeys;
use super::single_sign_on::SingleSignOn;
use crate::domain::redact::Secret;
use thiserror::Error;

pub use sections::Profiles;

/// Most profiles that may lead to one another.
const MOST_PROFILES: usize = 10;

/// How the keys of a profile are had: those of a source, and with them one role after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Where the first keys come from.
    pub source: KeySource,
    /// The roles, in the order in which they are assumed.
    pub roles: Vec<AssumedRole>,
}

/// Where a profile's first keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Keys that do not expire by themselves.
    Keys(AccessKeys),
    /// A role, and the file with the token that it is given for.
    WebIdentity {
        /// The role.
        arn: String,
        /// The file.
        token_file: String,
        /// The name of the session, if there is one.
        session: Option<String>,
    },
    /// A login in IAM Identity Center.
    SingleSignOn(SingleSignOn),
    /// A program that prints them.
    Program {
        /// The profile that names it.
        profile: String,
        /// The program and its arguments, which may be secret.
        command: Secret<Vec<String>>,
    },
    /// The variables of the environment.
    Environment,
    /// The container's credentials.
    Container,
    /// The instance's metadata.
    Instance,
    /// The container's credentials, or else the instance's metadata: where the profile names nothing.
    Surroundings,
}

/// A role that is assumed with somebody's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedRole {
    /// Its name, `arn:aws:iam::…:role/…`.
    pub arn: String,
    /// The name of the session, if there is one.
    pub session: Option<String>,
    /// What the role's owner wants to be told.
    pub external_id: Option<String>,
    /// How long its keys are wanted, in seconds.
    pub seconds: u32,
}

/// A profile that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// Nothing has that name.
    #[error("there is no profile `{0}`")]
    Unknown(String),
    /// Its source has no login.
    #[error("the profile `{profile}` has the source `{source_profile}`, which {problem}")]
    Source {
        /// Which.
        profile: String,
        /// What it names.
        source_profile: String,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// It lacks something.
    #[error("the profile `{profile}` has `{has}` but no usable `{lacks}`")]
    Lacks {
        /// Which.
        profile: String,
        /// The field because of which it is wanted.
        has: &'static str,
        /// What is wanted.
        lacks: &'static str,
    },
    /// It says two things.
    #[error("the profile `{0}` has more than one of {1}")]
    Several(String, &'static str),
    /// The profiles lead in a circle.
    #[error("the profile `{0}` is its own source in the end, and no profile on the way has keys")]
    Circle(String),
    /// The profiles lead on and on.
    #[error("more than {MOST_PROFILES} profiles are one another's source, the last is `{0}`")]
    TooMany(String),
    /// A code would have to be typed.
    #[error(
        "the profile `{0}` has `mfa_serial`, but nobody can be asked for a code here\nhint: log in with the code elsewhere, and set `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`"
    )]
    SecondFactor(String),
    /// A source of another name.
    #[error(
        "the profile `{profile}` has the `credential_source` `{value}`; expected `Environment`, `Ec2InstanceMetadata` or `EcsContainer`"
    )]
    CredentialSource {
        /// Which.
        profile: String,
        /// What it names.
        value: String,
    },
    /// Its program cannot be read.
    #[error("the `credential_process` of the profile `{0}` is empty, or a quote in it has no end")]
    Command(String),
}

#[cfg(test)]
mod tests;
