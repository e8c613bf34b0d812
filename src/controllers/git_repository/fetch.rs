//! Reads what a GitRepository refers to.

use crate::adapters::git::Remote;
use crate::api::GitRepository;
use crate::controllers::git_remote::{self, Fault};
use crate::controllers::shared::Shared;
use crate::domain::outcome::{Outcome, reason};

/// How to reach the repository, or why it cannot be reached.
pub(super) async fn remote(shared: &Shared, object: &GitRepository) -> Result<Remote, Outcome> {
    let own = object.metadata.namespace.as_deref().unwrap_or_default();
    git_remote::remote(&shared.client, &shared.cloud, (own, own), &object.spec)
        .await
        .map_err(|error| match error.fault() {
            Fault::Specification => Outcome::stalled(reason::URL_INVALID, error),
            Fault::Provider { stalls: true } => {
                Outcome::stalled(reason::INVALID_PROVIDER_CONFIGURATION, error)
            }
            Fault::Provider { stalls: false } => {
                Outcome::failed(reason::INVALID_PROVIDER_CONFIGURATION, error)
            }
            Fault::Gate => Outcome::stalled(reason::FEATURE_GATE_DISABLED, error),
            Fault::Login => Outcome::failed(reason::AUTHENTICATION_FAILED, error),
        })
}
