//! Reads what an ImageRepository refers to.

use super::plan::Target;
use crate::adapters::registry::Access;
use crate::api::ImageRepository;
use crate::controllers::registry_access;
use crate::domain::outcome::{Outcome, reason};
use kube::Client;

/// How to reach the registry, or why it cannot be reached.
pub(super) async fn access(
    client: &Client,
    object: &ImageRepository,
    target: &Target,
) -> Result<Access, Outcome> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    registry_access::access(
        client,
        namespace,
        &object.spec,
        &target.image,
        target.timeout,
    )
    .await
    .map_err(|error| {
        let reason = if error.is_unsupported() {
            reason::UNSUPPORTED_FIELD
        } else {
            reason::AUTHENTICATION_FAILED
        };
        match error.is_unsupported() {
            true => Outcome::stalled(reason, error),
            false => Outcome::failed(reason, error),
        }
    })
}
