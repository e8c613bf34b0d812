//! Reads what a GitRepository refers to.

use crate::adapters::git::Remote;
use crate::api::GitRepository;
use crate::controllers::git_remote;
use crate::domain::outcome::{Outcome, reason};
use kube::Client;

/// How to reach the repository, or why it cannot be reached.
pub(super) async fn remote(client: &Client, object: &GitRepository) -> Result<Remote, Outcome> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    git_remote::remote(client, namespace, &object.spec)
        .await
        .map_err(|error| match error.is_stalling() {
            true => Outcome::stalled(reason::URL_INVALID, error),
            false => Outcome::failed(reason::AUTHENTICATION_FAILED, error),
        })
}
