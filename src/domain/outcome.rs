//! What one reconciliation may say about its object: nothing else reaches status, events, metrics
//! and the timer.
//!
//! Invariant: every way a reconciliation can end is one [`Outcome`]. What is absent: how it is
//! shown; see [`conditions`](super::conditions) and the controllers' `report`.

use std::error::Error;
use std::time::Duration;

/// How a reconciliation ended. Reasons are Flux's `PascalCase` words; messages are for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The object is as its specification wants it.
    Ready {
        /// The reason of the `Ready` condition.
        reason: &'static str,
        /// Its message.
        message: String,
        /// When to look again without being woken; `None` for never.
        next: Option<Duration>,
    },
    /// Nothing is wrong, but it is not finished: looked at again after `next`.
    InProgress {
        /// The reason of the `Ready=Unknown` condition.
        reason: &'static str,
        /// Its message.
        message: String,
        /// When to look again.
        next: Duration,
    },
    /// Something failed that may pass by itself.
    Failed {
        /// The reason of the `Ready=False` condition.
        reason: &'static str,
        /// Its message.
        message: String,
        /// When to try again; `None` leaves it to the exponential backoff.
        next: Option<Duration>,
    },
    /// Only a change of the object itself can help: not tried again before that.
    Stalled {
        /// The reason of the `Stalled` and `Ready=False` conditions.
        reason: &'static str,
        /// Their message.
        message: String,
    },
}

impl Outcome {
    /// A failure that is retried with the exponential backoff.
    pub fn failed(reason: &'static str, message: impl ToString) -> Self {
        Self::Failed {
            reason,
            message: message.to_string(),
            next: None,
        }
    }

    /// A failure that is retried with the exponential backoff, worded with all that led to it.
    pub fn failed_because(reason: &'static str, error: &dyn Error) -> Self {
        Self::failed(reason, with_causes(error))
    }

    /// A fault of the specification.
    pub fn stalled(reason: &'static str, message: impl ToString) -> Self {
        Self::Stalled {
            reason,
            message: message.to_string(),
        }
    }

    /// The reason, whatever the outcome.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Ready { reason, .. }
            | Self::InProgress { reason, .. }
            | Self::Failed { reason, .. }
            | Self::Stalled { reason, .. } => reason,
        }
    }

    /// The message, whatever the outcome.
    pub fn message(&self) -> &str {
        match self {
            Self::Ready { message, .. }
            | Self::InProgress { message, .. }
            | Self::Failed { message, .. }
            | Self::Stalled { message, .. } => message,
        }
    }

    /// Whether the object is as its specification wants it.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    /// Whether `status.observedGeneration` may move: Flux does so only when ready or stalled.
    pub fn observes_generation(&self) -> bool {
        matches!(self, Self::Ready { .. } | Self::Stalled { .. })
    }
}

/// An error and its causes in one line. A cause that the words so far hold already is left out.
pub fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        next = cause.source();
    }
    words
}

/// Flux's reasons, by their own names.
pub mod reason {
    #![expect(
        missing_docs,
        reason = "each constant is its own text, which is Flux's word"
    )]
    pub const SUCCEEDED: &str = "Succeeded";
    pub const PROGRESSING: &str = "Progressing";
    pub const PROGRESSING_WITH_RETRY: &str = "ProgressingWithRetry";
    pub const FAILED: &str = "Failed";
    pub const FAILURE: &str = "Failure";
    pub const TAG_VANISHED: &str = "TagVanished";
    pub const SUSPENDED: &str = "Suspended";
    pub const IMAGE_URL_INVALID: &str = "ImageURLInvalid";
    pub const AUTHENTICATION_FAILED: &str = "AuthenticationFailed";
    pub const READ_OPERATION_FAILED: &str = "ReadOperationFailed";
    pub const INVALID_POLICY: &str = "InvalidPolicy";
    pub const INTERVAL_NOT_CONFIGURED: &str = "IntervalNotConfigured";
    pub const DEPENDENCY_NOT_READY: &str = "DependencyNotReady";
    pub const ACCESS_DENIED: &str = "AccessDenied";
    pub const INVALID_SOURCE_CONFIGURATION: &str = "InvalidSourceConfiguration";
    pub const INVALID_PROVIDER_CONFIGURATION: &str = "InvalidProviderConfiguration";
    pub const INVALID_POLICY_SELECTOR: &str = "InvalidPolicySelector";
    pub const INVALID_UPDATE_STRATEGY: &str = "InvalidUpdateStrategy";
    pub const SOURCE_MANAGER_FAILED: &str = "SourceManagerFailed";
    pub const REMOVED_TEMPLATE_FIELD: &str = "RemovedTemplateField";
    pub const GIT_OPERATION_FAILED: &str = "GitOperationFailed";
    pub const GIT_OPERATION_SUCCEEDED: &str = "GitOperationSucceeded";
    pub const UPDATE_FAILED: &str = "UpdateFailed";
    pub const URL_INVALID: &str = "URLInvalid";
    pub const STORAGE_OPERATION_FAILED: &str = "StorageOperationFailed";
    pub const NEW_ARTIFACT: &str = "NewArtifact";
    pub const EMPTY_GIT_REPOSITORY: &str = "EmptyGitRepository";
    pub const ARTIFACT_FAILED: &str = "ArtifactFailed";
    pub const BUILD_FAILED: &str = "BuildFailed";
    pub const PRUNE_FAILED: &str = "PruneFailed";
    pub const HEALTH_CHECK_FAILED: &str = "HealthCheckFailed";
    pub const RECONCILIATION_SUCCEEDED: &str = "ReconciliationSucceeded";
    pub const RECONCILIATION_FAILED: &str = "ReconciliationFailed";
    pub const FEATURE_GATE_DISABLED: &str = "FeatureGateDisabled";
    pub const TOKEN_NOT_FOUND: &str = "TokenNotFound";
    pub const VALIDATION_FAILED: &str = "ValidationFailed";
    pub const INVALID_CEL_EXPRESSION: &str = "InvalidCELExpression";
    pub const UNSUPPORTED_FIELD: &str = "UnsupportedField";
    pub const COLLECTING: &str = "Collecting";
    pub const COMMITS_BY_OTHERS: &str = "CommitsByOthers";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Layer {
        #[error("cannot write `a`")]
        Top(#[source] Box<Layer>),
        #[error("no space left")]
        Bottom,
        #[error("{0}")]
        Repeating(#[source] Box<Layer>),
    }

    #[test]
    fn an_error_is_told_with_its_causes_each_once() {
        let error = Layer::Top(Box::new(Layer::Repeating(Box::new(Layer::Bottom))));
        assert_eq!(with_causes(&error), "cannot write `a`: no space left");
        let outcome = Outcome::failed_because(reason::FAILED, &error);
        assert_eq!(outcome.message(), "cannot write `a`: no space left");
    }
}
