//! Asks the registry for a digest.

use super::fetch::Repository;
use crate::adapters::registry::{ErrorClass, RegistryClient};
use crate::controllers::registry_access;
use crate::domain::image::ImageName;
use crate::domain::outcome::{Outcome, reason};
use kube::Client;

/// The digest that `tag` points to now.
pub(super) async fn digest(
    client: &Client,
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
    let access =
        registry_access::access(client, &repository.key.namespace, spec, &image, timeout).await;
    let access = access.map_err(|error| Outcome::failed(reason::AUTHENTICATION_FAILED, error))?;
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
