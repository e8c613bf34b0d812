//! Why a pull request is not as it should be.

use crate::adapters::forge::{ErrorClass, ForgeError};
use crate::adapters::git::{GitError, PushError};
use crate::controllers::image_update::execute::EditError;
use crate::controllers::secrets::SecretError;
use crate::domain::message::MessageTemplateError;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::pull_request::TextTemplateError;
use std::time::Duration;
use thiserror::Error;

/// The reason when the forge or a branch could not be brought to what is wanted.
pub(super) const PULL_REQUEST_FAILED: &str = "PullRequestFailed";

/// Why a pull request is not as it should be.
#[derive(Debug, Error)]
pub(super) enum ProposeError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Push(#[from] PushError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Text(#[from] TextTemplateError),
    #[error(transparent)]
    Message(#[from] MessageTemplateError),
    /// The pull request on the branch is another automation's.
    #[error(
        "the open pull request #{number} from `{branch}` belongs to automation `{automation}`. hint: give one of both another `spec.git.pullRequest.branch`"
    )]
    Foreign {
        number: u64,
        branch: String,
        automation: String,
    },
    /// A task ended without a result.
    #[error("the work was interrupted: {0}")]
    Interrupted(String),
}

impl ProposeError {
    /// Whether every other group would meet the same: then asking on is useless, or worse.
    pub(super) fn is_general(&self) -> bool {
        match self {
            Self::Forge(error) => matches!(
                error.class,
                ErrorClass::Unauthorized | ErrorClass::RateLimited { .. } | ErrorClass::Unavailable
            ),
            Self::Interrupted(_) => true,
            _ => false,
        }
    }

    /// Whether somebody else was faster: the branch is where they left it, or the pull request is open already.
    pub(super) fn is_race(&self) -> bool {
        match self {
            Self::Push(error) => matches!(error, PushError::Raced { .. }),
            // A merge is refused for other reasons too, which stay.
            Self::Forge(error) => {
                error.class == ErrorClass::Conflict && error.request != "merge a pull request"
            }
            _ => false,
        }
    }

    /// Whether a server did not accept the login.
    pub(super) fn is_refused(&self) -> bool {
        use GitError::AuthenticationFailed as Refused;
        match self {
            Self::Git(error) | Self::Push(PushError::Remote(error)) => {
                matches!(error, Refused { .. })
            }
            Self::Forge(error) => error.class == ErrorClass::Unauthorized,
            _ => false,
        }
    }

    /// When the forge wants to be asked again.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Forge(error) => error.retry_after(),
            _ => None,
        }
    }

    /// What is said of the automation when this ends the whole run.
    pub(super) fn outcome(&self) -> Outcome {
        let failed = |reason| Outcome::failed_because(reason, self);
        match self {
            Self::Git(_) | Self::Push(_) => failed(reason::GIT_OPERATION_FAILED),
            Self::Edit(_) => failed(reason::UPDATE_FAILED),
            Self::Secret(_) => failed(reason::SOURCE_MANAGER_FAILED),
            _ => Outcome::Failed {
                reason: PULL_REQUEST_FAILED,
                message: crate::domain::outcome::with_causes(self),
                next: self.retry_after(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forge(class: ErrorClass) -> ProposeError {
        ProposeError::Forge(ForgeError {
            status: None,
            class,
            forge: "Gitea (`git.acme.dev`)".to_owned(),
            repository: "acme/fleet".to_owned(),
            request: "list pull requests",
            reason: "slow down".to_owned(),
        })
    }

    #[test]
    fn a_limit_of_the_forge_ends_the_run_and_is_waited_for() {
        let retry_after = Some(Duration::from_secs(90));
        let limited = forge(ErrorClass::RateLimited { retry_after });
        assert!(limited.is_general(), "no other group asks meanwhile");
        let Outcome::Failed {
            reason,
            message,
            next,
        } = limited.outcome()
        else {
            panic!("{limited}");
        };
        assert_eq!((reason, next), (PULL_REQUEST_FAILED, retry_after));
        assert!(message.contains("slow down"), "{message}");
    }

    #[test]
    fn a_race_is_begun_again_and_a_merge_that_is_refused_is_none() {
        let mut conflict = ForgeError {
            status: Some(409),
            class: ErrorClass::Conflict,
            forge: "Gitea (`git.acme.dev`)".to_owned(),
            repository: "acme/fleet".to_owned(),
            request: "open a pull request",
            reason: "it exists".to_owned(),
        };
        assert!(ProposeError::Forge(conflict.clone()).is_race());
        conflict.request = "merge a pull request";
        assert!(!ProposeError::Forge(conflict).is_race());
        let raced = PushError::Raced {
            reference: "refs/heads/updates".to_owned(),
            reason: "it moved".to_owned(),
        };
        assert!(ProposeError::Push(raced).is_race());
        assert!(!forge(ErrorClass::Unavailable).is_race());
    }

    #[test]
    fn what_concerns_one_pull_request_holds_up_no_other() {
        for (class, general, refused) in [
            (ErrorClass::Conflict, false, false),
            (ErrorClass::NotFound, false, false),
            (ErrorClass::Refused, false, false),
            (ErrorClass::Unavailable, true, false),
            (ErrorClass::Unauthorized, true, true),
        ] {
            let error = forge(class);
            assert_eq!(
                (error.is_general(), error.is_refused()),
                (general, refused),
                "{class:?}"
            );
        }
    }
}
