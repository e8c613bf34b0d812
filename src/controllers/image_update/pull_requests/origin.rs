//! What is told of the images of a pull request beyond their names: why they are selected, where they
//! come from, what changed in between.
//!
//! Invariant: what cannot be had is left out; nothing here fails a pull request.

use super::Proposer;
use super::proposal::Proposal;
use crate::api::ImagePolicy;
use crate::controllers::caches::within;
use crate::controllers::registry_access;
use crate::domain::image::ImageName;
use crate::domain::object::ObjectKey;
use crate::domain::pull_request::{
    ComparedCommit, ImageChange, Origin, Source, Step, compare_page,
};
use std::time::Duration;

/// Most images of one pull request whose origin is looked for.
const MOST_IMAGES: usize = 20;
/// How long a registry may take for one image.
const PATIENCE: Duration = Duration::from_secs(10);

impl Proposer<'_> {
    /// The images of a proposal, with all that can be had when a text is to be written.
    pub(super) async fn images(
        &self,
        proposal: Option<&Proposal>,
        steps: &[Step],
    ) -> Vec<ImageChange> {
        let mut images = proposal
            .map(|proposal| proposal.images.clone())
            .unwrap_or_default();
        let is_written = |step: &Step| matches!(step, Step::Create | Step::Edit { text: true, .. });
        if !steps.iter().any(is_written) {
            return images;
        }
        for image in images.iter_mut().take(MOST_IMAGES) {
            let key = ObjectKey::new(&self.job.key.namespace, &image.policy);
            let Some(policy) = self.controller.caches.image_policies.get(&key) else {
                continue;
            };
            let selection = policy.status.selection.as_ref();
            image.why = selection.map(|selection| selection.why.clone());
            image.origin = self.origin(&policy, &key, image).await.unwrap_or_default();
        }
        images
    }

    async fn origin(
        &self,
        policy: &ImagePolicy,
        key: &ObjectKey,
        image: &ImageChange,
    ) -> Option<Origin> {
        let new = image.digest.as_deref().unwrap_or(&image.to);
        let source = self.source(policy, key, &image.name, new).await?;
        let mut origin = Origin {
            source: Some(source.clone()),
            ..Origin::default()
        };
        let previous = image.previous.as_ref();
        let Some(previous) = previous.filter(|previous| previous.name == image.name) else {
            return Some(origin);
        };
        let old = previous.digest.as_deref().unwrap_or(&previous.tag);
        let Some(before) = self.source(policy, key, &image.name, old).await else {
            return Some(origin);
        };
        origin.compare = compare_page(&before, &source, &self.settings.repository);
        origin.commits = self.commits(&before, &source).await.unwrap_or_default();
        Some(origin)
    }

    /// What an image says of its source.
    async fn source(
        &self,
        policy: &ImagePolicy,
        key: &ObjectKey,
        name: &str,
        reference: &str,
    ) -> Option<Source> {
        let named = &policy.spec.image_repository_ref;
        let repository = within(key, named.namespace.as_deref(), &named.name);
        let object = self.controller.caches.image_repositories.get(&repository)?;
        let image = ImageName::parse(name).ok()?;
        let shared = &self.controller.shared;
        let access = registry_access::access(
            &shared.client,
            &shared.cloud,
            &repository.namespace,
            &object.spec,
            &image,
            PATIENCE,
        )
        .await
        .ok()?;
        let labels = self.controller.registry.labels(&image, reference, &access);
        let labels = labels.await.ok()?;
        Source::of(&labels.source?, labels.revision.as_deref())
    }

    /// What changed between two revisions that this forge has.
    async fn commits(&self, from: &Source, to: &Source) -> Option<Vec<ComparedCommit>> {
        let (old, new) = (from.revision.as_ref()?, to.revision.as_ref()?);
        if from.page != to.page || old == new {
            return None;
        }
        let forge = self.login.connect(to.on(&self.settings.repository)?).ok()?;
        forge.compare(old, new).await.ok().flatten()
    }
}
