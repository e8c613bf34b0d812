//! Reads what an ImageRepository refers to.

use super::plan::Target;
use crate::adapters::registry::{Access, Fingerprint};
use crate::api::ImageRepository;
use crate::api::image_repository::RegistryProvider;
use crate::controllers::registry_access::{self, AccessError};
use crate::controllers::shared::Shared;
use crate::domain::docker_config::Credentials;
use crate::domain::outcome::{Outcome, reason};

/// How to reach the registry, or why it cannot be reached.
pub(super) async fn access(
    shared: &Shared,
    object: &ImageRepository,
    target: &Target,
) -> Result<Access, Outcome> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let access = registry_access::access(
        &shared.client,
        &shared.cloud,
        namespace,
        &object.spec,
        &target.image,
        target.timeout,
    )
    .await;
    if object.spec.provider != RegistryProvider::Generic {
        shared.metrics.cloud_logins(shared.cloud.logins.counts());
    }
    access.map_err(|error| match error {
        AccessError::GateDisabled => Outcome::stalled(reason::FEATURE_GATE_DISABLED, error),
        AccessError::Secret(error) if error.is_unsupported() => {
            Outcome::stalled(reason::UNSUPPORTED_FIELD, error)
        }
        error => Outcome::failed(
            reason::AUTHENTICATION_FAILED,
            format!("failed to configure authentication options: {error}"),
        ),
    })
}

/// What tells apart two accesses. Logins of clouds are others every hour and say nothing.
pub(super) fn fingerprint(object: &ImageRepository, access: &Access) -> Fingerprint {
    if object.spec.provider == RegistryProvider::Generic {
        return access.fingerprint();
    }
    let nobody = Access {
        credentials: Credentials::Anonymous,
        ..access.clone()
    };
    nobody.fingerprint()
}
