//! Logins of the clouds' registries and Git servers: whose a host is, who asks, what is asked and what an answer says.
//!
//! Invariant: no error holds a secret or more than a few hundred bytes of an answer; a host decides
//! alone which region and which sovereign cloud is asked, and one that is not wholly of its cloud is
//! refused, so that no login is ever sent elsewhere. What is absent: the requests themselves, and the
//! environment that says who the process is.

pub mod answer;
pub mod aws;
pub mod azure;
pub mod counts;
pub mod endpoint;
pub mod external_account;
pub mod gcp;
pub mod git;
pub mod identity;
pub mod lifetime;
pub mod profile;
pub mod registry;
pub mod signature;
pub mod single_sign_on;
pub mod words;

use std::fmt;

pub use answer::AnswerError;
pub use counts::LoginCounts;
pub use identity::{Identity, IdentityError};
pub use registry::{CloudRegistry, HostError};

/// A cloud whose registries have logins of their own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

impl Provider {
    /// The word of `spec.provider`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
