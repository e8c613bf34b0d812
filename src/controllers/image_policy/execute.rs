//! Asks the registry for digests, and for the times of images.

use super::fetch::Repository;
use super::times::{Facts, Trouble};
use crate::adapters::registry::{Access, ErrorClass, RegistryClient, RegistryError};
use crate::controllers::registry_access::{self, AccessError};
use crate::controllers::shared::Shared;
use crate::domain::image::ImageName;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::policy::{Question, Times};

/// The digest that `tag` points to now.
pub(super) async fn digest(
    shared: &Shared,
    registry: &RegistryClient,
    repository: &Repository,
    tag: &str,
) -> Result<String, Outcome> {
    let (image, access) = access(shared, repository).await?;
    let asked = registry.resolve_digest(&image, tag, &access).await;
    asked.map_err(|error| {
        let words = format!(
            "failed fetching digest of {}:{tag}",
            repository.object.spec.image
        );
        failed(&words, &error)
    })
}

/// The times of the tags a policy asks for, as far as they are known; `facts` says what was found out before.
pub(super) async fn times(
    shared: &Shared,
    registry: &RegistryClient,
    repository: &Repository,
    question: &Question,
    facts: &Facts,
) -> Result<Times, Outcome> {
    if facts.answers(question) {
        return Ok(facts.times(question));
    }
    let (image, access) = access(shared, repository).await?;
    let asked = facts.ask(registry, &image, &access, question).await;
    asked.map_err(|Trouble { tag, error }| {
        let moment = question.moment;
        let name = &repository.object.spec.image;
        failed(
            &format!("failed to ask when {name}:{tag} was {moment}"),
            &error,
        )
    })?;
    Ok(facts.times(question))
}

async fn access(shared: &Shared, repository: &Repository) -> Result<(ImageName, Access), Outcome> {
    let spec = &repository.object.spec;
    let image = ImageName::parse(&spec.image)
        .map_err(|error| Outcome::stalled(reason::IMAGE_URL_INVALID, error))?;
    let timeout = spec
        .timeout()
        .map_err(|error| Outcome::failed(reason::FAILURE, error))?;
    let access = registry_access::access(
        &shared.client,
        &shared.cloud,
        &repository.key.namespace,
        spec,
        &image,
        timeout,
    );
    let access = access.await.map_err(|error| match error {
        AccessError::GateDisabled => Outcome::stalled(
            reason::FEATURE_GATE_DISABLED,
            "to use spec.serviceAccountName in the ImageRepository for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller",
        ),
        error => Outcome::failed(
            reason::AUTHENTICATION_FAILED,
            format!("failed to configure authentication options: {error}"),
        ),
    })?;
    Ok((image, access))
}

fn failed(words: &str, error: &RegistryError) -> Outcome {
    let reason = match error.class() {
        ErrorClass::Authentication => reason::AUTHENTICATION_FAILED,
        _ => reason::FAILED,
    };
    Outcome::Failed {
        reason,
        message: format!("{words}: {error}"),
        next: error.retry_after(),
    }
}
