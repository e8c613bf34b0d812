//! Asks the registry for a digest.

use super::fetch::Repository;
use crate::adapters::registry::{ErrorClass, RegistryClient};
use crate::controllers::driver::Shared;
use crate::controllers::registry_access::{self, AccessError};
use crate::domain::image::ImageName;
use crate::domain::outcome::{Outcome, reason};

/// The digest that `tag` points to now.
pub(super) async fn digest(
    shared: &Shared,
    registry: &RegistryClient,
    repository: &Repository,
    tag: &str,
) -> Result<String, Outcome> {
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
    registry
        .resolve_digest(&image, tag, &access)
        .await
        .map_err(|error| {
            let reason = match error.class() {
                ErrorClass::Authentication => reason::AUTHENTICATION_FAILED,
                _ => reason::FAILURE,
            };
            let message = format!("failed fetching digest of {}:{tag}: {error}", spec.image);
            Outcome::Failed {
                reason,
                message,
                next: error.retry_after(),
            }
        })
}
