//! Finds the artifact of a Kustomization's source, and unpacks it.
//!
//! Invariant: an artifact that several Kustomizations read at once is unpacked once, and kept no
//! longer than one of them needs it. What is absent: sources other than GitRepository.

use super::Settings;
use super::target::Target;
use crate::adapters::artifacts::{
    ArtifactError, ArtifactStore, ArtifactTree, FetchError, Limits, ReadError, fetch_artifact,
};
use crate::api::Kustomization;
use crate::api::git_repository::Artifact;
use crate::api::kustomization::SourceKind;
use crate::controllers::caches::{Caches, within};
use crate::domain::duration::format_duration;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason, with_causes};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Mutex;

/// The longest an artifact may travel.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The artifact `object` applies now.
pub(super) fn artifact(
    caches: &Caches,
    object: &Kustomization,
    own: &ObjectKey,
    settings: &Settings,
    target: &Target,
) -> Result<Artifact, Outcome> {
    let reference = &object.spec.source_ref;
    let key = within(own, reference.namespace.as_deref(), &reference.name);
    let shown = format!("{}/{key}", reference.kind);
    if settings.no_cross_namespace_refs && key.namespace != own.namespace {
        let message =
            format!("can't access '{shown}', cross-namespace references have been disabled");
        return Err(Outcome::stalled(reason::ACCESS_DENIED, message));
    }
    if reference.kind != SourceKind::GitRepository {
        let message = format!(
            "`spec.sourceRef.kind` '{}' is not supported yet, only GitRepository is",
            reference.kind
        );
        return Err(Outcome::stalled(reason::UNSUPPORTED_FIELD, message));
    }
    let Some(source) = caches.git_repositories.get(&key) else {
        let message = format!("Source '{shown}' not found");
        return Err(Outcome::Failed {
            reason: reason::ARTIFACT_FAILED,
            message,
            next: Some(target.retry_interval),
        });
    };
    source.status.artifact.clone().ok_or_else(|| {
        let wait = format_duration(settings.requeue_dependency);
        let message = format!("Source artifact not found, retrying in {wait}");
        Outcome::Failed {
            reason: reason::ARTIFACT_FAILED,
            message,
            next: Some(settings.requeue_dependency),
        }
    })
}

/// Why an artifact could not be unpacked.
#[derive(Debug, Error)]
enum UnpackError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Store(#[from] ArtifactError),
    #[error("unpacking the artifact ended early")]
    Task(#[from] tokio::task::JoinError),
}

impl UnpackError {
    fn is_gone(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_gone(),
            Self::Store(ArtifactError::Read(error)) => matches!(error, ReadError::NotFound(_)),
            Self::Store(_) | Self::Task(_) => false,
        }
    }
}

/// Unpacked artifacts, by digest.
pub(super) struct Sources {
    local: Option<ArtifactStore>,
    http: reqwest::Client,
    in_use: std::sync::Mutex<HashMap<String, Arc<Mutex<Weak<ArtifactTree>>>>>,
}

impl Sources {
    /// Reads from `local` if that is where an artifact is, and over HTTP otherwise.
    pub(super) fn new(local: Option<ArtifactStore>) -> Self {
        crate::adapters::tls::install_provider();
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .build()
            .unwrap_or_default();
        Self {
            local,
            http,
            in_use: std::sync::Mutex::default(),
        }
    }

    /// The files of `artifact`, whose digest is checked.
    pub(super) async fn tree(
        &self,
        artifact: &Artifact,
        target: &Target,
        settings: &Settings,
    ) -> Result<Arc<ArtifactTree>, Outcome> {
        let place = self.place(&artifact.digest);
        // Whoever comes second waits here for the first to unpack.
        let mut known = place.lock().await;
        if let Some(tree) = known.upgrade() {
            return Ok(tree);
        }
        let tree = Arc::new(
            self.unpack(artifact)
                .await
                .map_err(|error| failed(&error, target, settings))?,
        );
        *known = Arc::downgrade(&tree);
        Ok(tree)
    }

    fn place(&self, digest: &str) -> Arc<Mutex<Weak<ArtifactTree>>> {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        // A place nobody holds and whose tree is gone is of no more use.
        in_use.retain(|_, place| {
            Arc::strong_count(place) > 1
                || place.try_lock().is_ok_and(|tree| tree.strong_count() > 0)
        });
        Arc::clone(in_use.entry(digest.to_owned()).or_default())
    }

    async fn unpack(&self, artifact: &Artifact) -> Result<ArtifactTree, UnpackError> {
        let limits = Limits::default();
        let stored = self
            .local
            .as_ref()
            .and_then(|store| Some((store.clone(), store.path_of_url(&artifact.url)?)));
        let Some((store, path)) = stored else {
            return Ok(fetch_artifact(&self.http, &artifact.url, &artifact.digest, &limits).await?);
        };
        let digest = artifact.digest.clone();
        Ok(tokio::task::spawn_blocking(move || store.tree(&path, &digest, &limits)).await??)
    }
}

fn failed(error: &UnpackError, target: &Target, settings: &Settings) -> Outcome {
    // One that is gone is made again soon, as Flux expects too; anything else may last.
    let next = match error.is_gone() {
        true => settings.requeue_dependency,
        false => target.retry_interval,
    };
    Outcome::Failed {
        reason: reason::ARTIFACT_FAILED,
        message: with_causes(error),
        next: Some(next),
    }
}
