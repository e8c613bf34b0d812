//! Remote bases and files for builds by hand: fetched unless forbidden, within ten minutes together.

use crate::adapters::git::RemoteBases;
use crate::cli::failure::Failure;
use crate::domain::kustomize::remote::{NoRemotes, Remotes};
use std::time::Duration;

/// How long everything that one build fetches may take together.
const TIME: Duration = Duration::from_secs(600);

/// What a build asks for what is not in its tree.
pub(super) fn remotes(forbidden: bool) -> Box<dyn Remotes> {
    match forbidden {
        true => Box::new(NoRemotes),
        false => Box::new(RemoteBases::by_hand().for_build(TIME)),
    }
}

/// Runs `build` where it may wait for the network.
pub(super) async fn waiting<T: Send + 'static>(
    build: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(build).await?
}
