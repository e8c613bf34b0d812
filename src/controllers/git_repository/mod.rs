//! GitRepository: follows a reference of a Git repository and serves its tree as an artifact.
//!
//! Invariant: an artifact is replaced only by a whole newer one; a failure keeps the last.
//! What is absent: verification, submodules, includes and sparse checkouts, which are refused.

mod execute;
mod fetch;
mod plan;

use super::driver::{Controller, Finalized, Run};
use super::git_remote;
use super::report::Report;
use super::shared::Shared;
use crate::adapters::artifacts::{ArtifactKey, ArtifactStore};
use crate::adapters::git::GitCache;
use crate::api::GitRepository;
use crate::api::git_repository::GitRepositoryStatus;
use crate::domain::outcome::Outcome;
use std::sync::Arc;

/// The controller of GitRepository.
pub struct GitRepositories {
    /// What all controllers share.
    pub shared: Arc<Shared>,
    /// The object caches of all repositories.
    pub git: GitCache,
    /// Where artifacts are kept.
    pub artifacts: ArtifactStore,
}

impl Controller for GitRepositories {
    type Kind = GitRepository;
    const NAME: &'static str = "source-controller";

    async fn reconcile(&self, object: Arc<GitRepository>, run: Run) -> Report<GitRepositoryStatus> {
        match self.update(&object, &run).await {
            Ok(report) => report,
            Err(outcome) => plan::failed(&object, outcome),
        }
    }

    async fn finalize(&self, object: Arc<GitRepository>) -> Result<Finalized, String> {
        let (artifacts, key) = (self.artifacts.clone(), artifact_key(&object));
        let removed = tokio::task::spawn_blocking(move || artifacts.remove(&key)).await;
        removed
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        Ok(Finalized::Done)
    }
}

impl GitRepositories {
    async fn update(
        &self,
        object: &GitRepository,
        run: &Run,
    ) -> Result<Report<GitRepositoryStatus>, Outcome> {
        let target = plan::target(&object.spec)?;
        let remote = fetch::remote(&self.shared, object).await?;
        let key = artifact_key(object);
        let job = execute::Job {
            git: self.git.clone(),
            artifacts: self.artifacts.clone(),
            remote: remote.clone(),
            checkout: target.checkout.clone(),
            key,
            known: plan::known_artifact(object),
            ignore: object.spec.ignore.clone(),
            now: run.now,
        };
        let done = tokio::task::spawn_blocking(move || job.run()).await;
        let done =
            done.map_err(|error| Outcome::failed(crate::domain::outcome::reason::FAILED, error))?;
        let done = done.map_err(|error| {
            if error.is_refused() {
                git_remote::refused(&self.shared.cloud, &remote);
            }
            plan::failure(&error)
        });
        Ok(plan::report(object, done?, &target))
    }
}

fn artifact_key(object: &GitRepository) -> ArtifactKey {
    ArtifactKey {
        kind: "gitrepository".to_owned(),
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.metadata.name.clone().unwrap_or_default(),
    }
}
