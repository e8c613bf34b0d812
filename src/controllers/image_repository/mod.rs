//! ImageRepository: lists the tags of one image and keeps them for the policies.
//!
//! Invariant: the kept tags are those of one complete listing. What is absent: choosing among them.

mod execute;
mod fetch;
mod plan;

use super::driver::{Controller, Run, Shared};
use super::hints::Hints;
use super::report::Report;
use super::triggers::{Caches, Queues, scanned};
use crate::adapters::cluster::watch::key_of;
use crate::adapters::registry::{Access, RegistryClient, RegistryError};
use crate::adapters::tag_store::TagStore;
use crate::api::ImageRepository;
use crate::api::image_repository::ImageRepositoryStatus;
use crate::domain::object::ObjectKey;
use crate::domain::scan::Why;
use crate::domain::tags::TagSet;
use std::collections::BTreeSet;
use std::sync::Arc;

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
    /// Whom to wake.
    pub queues: Arc<Queues>,
    /// Where to find them.
    pub caches: Arc<Caches>,
    /// Tags that were told to have been pushed.
    pub hints: Arc<Hints>,
}

impl Controller for ImageRepositories {
    type Kind = ImageRepository;
    const NAME: &'static str = "image-reflector-controller";

    async fn reconcile(
        &self,
        object: Arc<ImageRepository>,
        run: Run,
    ) -> Report<ImageRepositoryStatus> {
        let target = match plan::target(&object.spec) {
            Ok(target) => target,
            Err(outcome) => return Report::new(object.status.clone(), outcome),
        };
        // An access that cannot work is told at once, also when no scan is due: as Flux does.
        let access = match fetch::access(&self.shared.client, &object, &target).await {
            Ok(access) => access,
            Err(outcome) => return Report::new(object.status.clone(), outcome),
        };
        // Taken first: a tag that is told from here on asks for another run.
        let hints = self.hints.take(&run.key);
        let had_tags = self.tags.get(&run.key).is_some();
        let why = match plan::due(&object, &target, had_tags, &run) {
            Ok(why) => why,
            Err(outcome) => match self.look_for(&hints, &target, &access, &run).await {
                Ok(None) => return Report::new(object.status.clone(), outcome),
                Ok(Some(tags)) => return plan::grown(&object, &tags, outcome),
                Err(error) => {
                    tracing::info!(object = %run.key, %error, "a tag that was told to be there could not be looked for");
                    Why::Told
                }
            },
        };
        tracing::debug!(object = %run.key, "scanning: {why}");
        let scanned_tags = scan(&self.registry, &target.image, &access, &target.exclusions).await;
        self.shared.metrics.scanned(if scanned_tags.is_ok() {
            "success"
        } else {
            "error"
        });
        match scanned_tags {
            Ok(tags) => {
                let report = plan::scanned(&object, &target, &tags, run.now);
                self.tags.put(run.key.clone(), tags);
                if !had_tags {
                    scanned(&self.caches, &self.queues, &run.key);
                }
                report
            }
            Err(error) => Report::new(object.status.clone(), plan::failed(&error)),
        }
    }

    async fn finalize(&self, object: Arc<ImageRepository>) -> Result<(), String> {
        let _ = self.hints.take(&key_of(&*object));
        let metadata = &object.metadata;
        let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
        self.tags.remove(&ObjectKey::new(
            namespace.unwrap_or_default(),
            name.unwrap_or_default(),
        ));
        Ok(())
    }
}

impl ImageRepositories {
    /// Looks for tags that were told to have been pushed, each by itself. The set that they make the known tags grow to; `None` when
    /// there is nothing new.
    async fn look_for(
        &self,
        hints: &BTreeSet<String>,
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
            self.tags.put(
                run.key.clone(),
                known.iter().chain(new.iter().copied()).collect(),
            );
        }
        // A known tag that was pushed again may point to something else, which matters to who reflects digests.
        if !new.is_empty() || !old.is_empty() {
            scanned(&self.caches, &self.queues, &run.key);
        }
        Ok(self.tags.get(&run.key).filter(|_| !new.is_empty()))
    }
}
