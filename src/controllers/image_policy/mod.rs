//! ImagePolicy: selects one tag of a repository, and its digest if asked to.
//!
//! Invariant: a failure of any kind keeps the last selection, and a tag that vanished does not let it go down.
//! What is absent: scanning.

mod execute;
mod fetch;
mod high_water;
mod plan;

use super::driver::{Controller, Run, Shared};
use super::known_tags;
use super::report::Report;
use super::triggers::Caches;
use crate::adapters::registry::RegistryClient;
use crate::adapters::tag_store::TagStore;
use crate::api::ImagePolicy;
use crate::api::image_policy::ImagePolicyStatus;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::policy::Settled;
use std::sync::Arc;

pub use plan::policy;

/// The controller of ImagePolicy.
pub struct ImagePolicies {
    /// What all controllers share.
    pub shared: Arc<Shared>,
    /// The registries, for digests.
    pub registry: Arc<RegistryClient>,
    /// The tags of the last scans.
    pub tags: Arc<TagStore>,
    /// The repositories.
    pub caches: Arc<Caches>,
    /// What flags decide.
    pub settings: Settings,
}

/// What flags decide for policies.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether repositories of other namespaces are out of reach: `--no-cross-namespace-refs`.
    pub no_cross_namespace_refs: bool,
    /// How long to wait for a repository that is not ready: `--requeue-dependency`.
    pub requeue_dependency: std::time::Duration,
}

impl Controller for ImagePolicies {
    type Kind = ImagePolicy;
    const NAME: &'static str = "image-reflector-controller";

    async fn reconcile(&self, object: Arc<ImagePolicy>, run: Run) -> Report<ImagePolicyStatus> {
        match self.select(&object, &run).await {
            Ok(report) => report,
            Err(outcome) => Report::new(object.status.clone(), outcome),
        }
    }

    async fn finalize(&self, _: Arc<ImagePolicy>) -> Result<(), String> {
        Ok(())
    }
}

impl ImagePolicies {
    async fn select(
        &self,
        object: &ImagePolicy,
        run: &Run,
    ) -> Result<Report<ImagePolicyStatus>, Outcome> {
        let policy = plan::policy(&object.spec)?;
        let pinning = plan::pinning(&object.spec)?;
        let repository = fetch::repository(
            &self.shared.client,
            &self.caches,
            object,
            &run.key,
            &self.settings,
        )
        .await?;
        let tags = known_tags::recall(&self.tags, &repository.key, &repository.object).await;
        let tags = tags.filter(|tags| !tags.is_empty() && repository.is_scanned_as_named());
        let Some(tags) = tags else {
            return plan::without_tags(object, &repository, &self.settings);
        };
        // A slow pattern over very many tags must not hold up the tasks that wait for the network.
        let mark = high_water::Mark::of(object, &repository);
        let selecting = tokio::task::spawn_blocking(move || mark.settle(&policy, &tags)).await;
        let settled = selecting.map_err(|error| Outcome::failed(reason::FAILURE, error))?;
        let selected = match settled.map_err(|error| plan::no_match(&error))? {
            Settled::Taken(selected) | Settled::Equal(selected) => selected,
            Settled::HeldBack { kept, candidate } => {
                return Ok(high_water::held_back(object, &kept, &candidate, &pinning));
            }
        };
        let latest = plan::latest(&repository, &selected);
        let digest = match plan::wants_digest(&pinning, object, &latest) {
            true => {
                Some(execute::digest(&self.shared, &self.registry, &repository, &latest.tag).await?)
            }
            false => plan::kept_digest(&pinning, object),
        };
        let report = plan::report(object, latest, digest, &pinning);
        Ok(high_water::followed(object, report))
    }
}
