//! ImagePolicy: selects one tag of a repository, and its digest if asked to.
//!
//! Invariant: a failure of any kind keeps the last selection, and a tag that vanished does not let it go down.
//! It alone writes the status, also what automations skip of it.
//! What is absent: scanning.

mod execute;
mod fetch;
mod high_water;
mod plan;
mod rule;
mod skipped;
mod times;

use super::caches::Caches;
use super::driver::{Controller, Finalized, Run};
use super::known_tags;
use super::report::Report;
use super::shared::Shared;
use crate::adapters::cluster::watch::key_of;
use crate::adapters::registry::RegistryClient;
use crate::adapters::tag_store::TagStore;
use crate::api::ImagePolicy;
use crate::api::image_policy::ImagePolicyStatus;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::policy::{Moment, Policy};
use crate::domain::tags::TagSet;
use fetch::Repository;
use high_water::{Decision, Mark};
use rule::Pinning;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use rule::policy;
use times::Facts;
pub use times::informed;

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
    /// What is known of images, for policies that select by time.
    pub facts: KnownFacts,
    /// What flags decide.
    pub settings: Settings,
}

/// What is known of images, by policy, and by image and time.
#[derive(Debug, Default)]
pub struct KnownFacts(Mutex<HashMap<(ObjectKey, String), Arc<Facts>>>);

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
    const FINALIZER_FIRST: bool = false;

    async fn reconcile(&self, object: Arc<ImagePolicy>, run: Run) -> Report<ImagePolicyStatus> {
        let report = match self.select(&object, &run).await {
            Ok(report) => report,
            Err(outcome) => Report::new(object.status.clone(), outcome),
        };
        match fetch::skipped(&self.caches, &run.key) {
            Some(skips) => skipped::told(report, &skips),
            None => skipped::untold(report, self.settings.requeue_dependency),
        }
    }

    async fn finalize(&self, object: Arc<ImagePolicy>) -> Result<Finalized, String> {
        self.forget(&key_of(&*object));
        Ok(Finalized::Done)
    }

    fn forget(&self, key: &ObjectKey) {
        self.facts.forget(key);
    }
}

/// Selects. A slow pattern over very many tags must not hold up the tasks that wait for the network.
async fn decide(mark: Mark, policy: Policy, tags: TagSet) -> Result<Decision, Outcome> {
    let deciding = tokio::task::spawn_blocking(move || mark.settle(&policy, &tags)).await;
    let decision = deciding.map_err(|error| Outcome::failed(reason::FAILURE, error))?;
    decision.map_err(|error| plan::no_match(&error))
}

impl KnownFacts {
    /// What is known of a time of `image` for a policy; what was known of another image is forgotten.
    fn of(&self, policy: &ObjectKey, image: &str, moment: Moment) -> Arc<Facts> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let image = format!("{moment} {image}");
        known.retain(|(key, name), _| key != policy || *name == image);
        let key = (policy.clone(), image);
        Arc::clone(known.entry(key).or_default())
    }

    fn forget(&self, policy: &ObjectKey) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(key, _), _| key != policy);
    }
}

impl ImagePolicies {
    async fn select(
        &self,
        object: &ImagePolicy,
        run: &Run,
    ) -> Result<Report<ImagePolicyStatus>, Outcome> {
        let policy = policy(&object.spec)?;
        let pinning = rule::pinning(&object.spec)?;
        let repository = fetch::repository(
            &self.shared.client,
            &self.caches,
            object,
            &run.key,
            &self.settings,
        )
        .await?;
        let mark = Mark::of(object, &repository);
        let tags = known_tags::recall(&self.tags, &repository.key, &repository.object).await;
        let tags = tags.filter(|_| repository.is_scanned_as_named());
        let Some(tags) = tags.filter(|tags| !tags.is_empty() || mark.is_set()) else {
            return plan::without_tags(object, &repository, &self.settings);
        };
        let doubted = run.requested_at.is_some() || matches!(pinning, Pinning::Always(_));
        let decided = mark
            .decided(&tags)
            .filter(|_| policy.asks_for_times() && !doubted);
        let decision = match decided {
            Some(decision) => decision,
            None => {
                let informed = self.informed(policy, &tags, &mark, &repository, &run.key, doubted);
                decide(mark.clone(), informed.await?, tags).await?
            }
        };
        let (selected, selection) = match decision {
            Decision::Selected(selected, selection) => (selected, selection),
            Decision::Held(held, selection) => {
                return Ok(high_water::held_back(object, &held, selection, &pinning));
            }
        };
        let latest = plan::latest(&repository, &selected);
        let digest = match plan::wants_digest(&pinning, object, &latest) {
            true => {
                Some(execute::digest(&self.shared, &self.registry, &repository, &latest.tag).await?)
            }
            false => plan::kept_digest(&pinning, object),
        };
        let report = plan::report(object, latest, digest, selection, &pinning);
        Ok(high_water::followed(object, report))
    }

    /// The policy with the times it asks for; `doubted` when tags may have moved since they were asked for.
    async fn informed(
        &self,
        policy: Policy,
        tags: &TagSet,
        mark: &Mark,
        repository: &Repository,
        key: &ObjectKey,
        doubted: bool,
    ) -> Result<Policy, Outcome> {
        let Some(question) = policy
            .question(tags)
            .map_err(|error| plan::no_match(&error))?
        else {
            return Ok(policy);
        };
        let image = &repository.object.spec.image;
        let facts = self.facts.of(key, image, question.moment);
        if doubted {
            facts.doubt();
        }
        let mut times =
            execute::times(&self.shared, &self.registry, repository, &question, &facts).await?;
        mark.remind(&mut times);
        Ok(policy.knowing(times))
    }
}
