//! Looks at the remote, fetches what is new and archives it. Blocking.

use crate::adapters::artifacts::{Artifact, ArtifactError, ArtifactKey, ArtifactStore};
use crate::adapters::git::{GitCache, GitError, Remote};
use crate::domain::git_ref::CheckoutRef;
use jiff::Timestamp;
use thiserror::Error;

/// One look at a repository.
pub(super) struct Job {
    pub(super) git: GitCache,
    pub(super) artifacts: ArtifactStore,
    pub(super) remote: Remote,
    pub(super) checkout: CheckoutRef,
    pub(super) key: ArtifactKey,
    /// The artifact of the status, when it was made with the same settings.
    pub(super) known: Option<Artifact>,
    pub(super) ignore: Option<String>,
    pub(super) now: Timestamp,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    /// The artifact is as new as the remote.
    Unchanged(Artifact),
    /// There is a new artifact.
    Stored {
        artifact: Artifact,
        /// The first line of the commit's message.
        subject: String,
    },
}

/// What failed.
#[derive(Debug, Error)]
pub(super) enum JobError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

impl JobError {
    /// Whether the server did not accept the login.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self, Self::Git(GitError::AuthenticationFailed { .. }))
    }
}

impl Job {
    pub(super) fn run(self) -> Result<Done, JobError> {
        if let Some(mut known) = self.known.clone().filter(|known| self.is_stored(known)) {
            let head = self.git.remote_revision(&self.remote, &self.checkout)?;
            if head.to_string() == known.revision {
                self.artifacts.refresh_url(&mut known);
                return Ok(Done::Unchanged(known));
            }
        }
        let fetched = self.git.fetch(&self.remote, &self.checkout)?;
        let revision = fetched.revision.to_string();
        let stem = fetched.commit.to_string();
        let artifact = self.artifacts.archive(
            &self.key,
            &revision,
            &stem,
            &fetched.snapshot,
            self.ignore.as_deref(),
            self.now,
        )?;
        // Old archives that cannot be removed now are removed next time.
        if let Err(error) = self
            .artifacts
            .collect_garbage(&self.key, &artifact, self.now)
        {
            tracing::warn!(%error, "old artifacts could not be removed");
        }
        Ok(Done::Stored {
            artifact,
            subject: fetched.subject,
        })
    }

    /// Whether the archive is there and whole. A damaged one is made again.
    fn is_stored(&self, known: &Artifact) -> bool {
        self.artifacts.verify(known).unwrap_or(false)
    }
}
