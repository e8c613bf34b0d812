//! ImageRepository: lists the tags of one image and keeps them for the policies.
//!
//! Invariant: the kept tags are those of one complete listing. What is absent: choosing among them.

mod execute;
mod fetch;
mod plan;

use super::background::Background;
use super::caches::Caches;
use super::driver::{Controller, Finalized, Run};
use super::hints::Hints;
use super::known_tags;
use super::report::Report;
use super::shared::Shared;
use super::triggers::{Queues, scanned};
use crate::adapters::cluster::watch::key_of;
use crate::adapters::registry::{
    Access, ErrorClass, Fingerprint, Freshness, RegistryClient, RegistryError,
};
use crate::adapters::tag_store::TagStore;
use crate::api::ImageRepository;
use crate::api::image_repository::ImageRepositoryStatus;
use crate::domain::backoff::spread;
use crate::domain::object::ObjectKey;
use crate::domain::scan::Why;
use crate::domain::tags::TagSet;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use execute::exists;
pub use execute::scan;
use plan::Target;

/// The controller of ImageRepository.
pub struct ImageRepositories {
    /// What all controllers share.
    pub shared: Arc<Shared>,
    /// The registries.
    pub registry: Arc<RegistryClient>,
    /// Where the tags are kept.
    pub tags: Arc<TagStore>,
    /// Where their files are written.
    pub saving: Background,
    /// Whom to wake.
    pub queues: Arc<Queues>,
    /// Where to find them.
    pub caches: Arc<Caches>,
    /// How each registry was reached in the last scan that succeeded.
    pub reached: Reached,
    /// Tags that were told to have been pushed.
    pub hints: Arc<Hints>,
}

/// How registries were reached, by ImageRepository.
#[derive(Debug, Default)]
pub struct Reached(Mutex<HashMap<ObjectKey, Fingerprint>>);

impl Reached {
    /// Whether `now` is another way than the last that is known.
    fn is_other(&self, key: &ObjectKey, now: Fingerprint) -> bool {
        self.lock().get(key).is_some_and(|known| *known != now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Fingerprint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Controller for ImageRepositories {
    type Kind = ImageRepository;
    const NAME: &'static str = "image-reflector-controller";
    const FINALIZER_FIRST: bool = false;

    async fn reconcile(
        &self,
        object: Arc<ImageRepository>,
        run: Run,
    ) -> Report<ImageRepositoryStatus> {
        let mut target = match plan::target(&object.spec) {
            Ok(target) => target,
            Err(outcome) => return Report::new(object.status.clone(), outcome),
        };
        target.due_after = spread(target.interval, self.shared.jitter_percent, &run.key);
        // An access that cannot work is told at once, also when no scan is due: as Flux does.
        let access = match fetch::access(&self.shared, &object, &target).await {
            Ok(access) => access,
            Err(outcome) => return Report::new(object.status.clone(), outcome),
        };
        // Taken first: a tag that is told from here on asks for another run.
        let hints = self.hints.take(&run.key);
        let in_memory = self.tags.get(&run.key).is_some();
        let recalled = known_tags::recall(&self.tags, &run.key, &object).await;
        let had_tags = recalled.is_some();
        if had_tags && !in_memory {
            // Policies may have looked already, and wait.
            scanned(&self.caches, &self.queues, &run.key);
        }
        let way = fetch::fingerprint(&object, &access);
        let new_access = self.reached.is_other(&run.key, way);
        let why = match plan::due(&object, &target, had_tags, new_access, &run) {
            Ok(why) => why,
            Err(outcome) => match self.look_for(&hints, &object, &target, &access, &run).await {
                Ok(None) => return Report::new(object.status.clone(), outcome),
                Ok(Some(tags)) => return plan::grown(&object, &tags, outcome),
                Err(error) => {
                    tracing::info!(object = %run.key, %error, "a tag that was told to be there could not be looked for");
                    Why::Told
                }
            },
        };
        tracing::debug!(object = %run.key, "scanning: {why}");
        let freshness = why
            .may_be_old(target.interval)
            .map_or(Freshness::Now, Freshness::Within);
        let scan = self
            .registry
            .scan(&target.image, &access, &target.exclusions, freshness)
            .await;
        self.shared.metrics.scanned(match &scan.outcome {
            Ok(_) => "success",
            Err(_) => "error",
        });
        match &scan.outcome {
            Ok(listing) => {
                let report = plan::scanned(&object, &target, listing, &scan, run.now);
                self.keep(&run.key, &object, listing.tags.clone()).await;
                self.reached.lock().insert(run.key.clone(), way);
                if !had_tags {
                    scanned(&self.caches, &self.queues, &run.key);
                }
                report
            }
            Err(error) => {
                if error.class() == ErrorClass::Authentication {
                    self.shared.cloud.logins.refused(&access.credentials);
                }
                plan::failed(&object, &target, error, &scan, run.now)
            }
        }
    }

    async fn finalize(&self, object: Arc<ImageRepository>) -> Result<Finalized, String> {
        self.forget(&key_of(&*object));
        Ok(Finalized::Done)
    }

    fn forget(&self, key: &ObjectKey) {
        let _ = self.hints.take(key);
        self.tags.remove(key);
        self.reached.lock().remove(key);
    }
}

impl ImageRepositories {
    async fn keep(&self, key: &ObjectKey, object: &ImageRepository, tags: TagSet) {
        known_tags::keep(&self.tags, &self.saving, key, object, tags).await;
    }

    /// Looks for tags that were told to have been pushed, each by itself. The set that they make the known tags grow to; `None` when
    /// there is nothing new.
    async fn look_for(
        &self,
        hints: &BTreeSet<String>,
        object: &ImageRepository,
        target: &Target,
        access: &Access,
        run: &Run,
    ) -> Result<Option<TagSet>, RegistryError> {
        let Some(known) = self.tags.get(&run.key).filter(|_| !hints.is_empty()) else {
            return Ok(None);
        };
        let wanted = |tag: &&String| !target.exclusions.matches(tag);
        let (old, told): (Vec<_>, Vec<_>) = hints
            .iter()
            .filter(wanted)
            .partition(|tag| known.contains(tag));
        let mut new = Vec::new();
        for tag in told {
            if exists(&self.registry, &target.image, access, tag).await? {
                new.push(tag.as_str());
            }
        }
        if !new.is_empty() {
            let grown = known.iter().chain(new.iter().copied()).collect();
            self.keep(&run.key, object, grown).await;
        }
        // A known tag that was pushed again may point to something else, which matters to who reflects digests.
        if !new.is_empty() || !old.is_empty() {
            scanned(&self.caches, &self.queues, &run.key);
        }
        Ok(self.tags.get(&run.key).filter(|_| !new.is_empty()))
    }
}
