//! Makes the objects of a Kustomization: builds, then substitutes variables.
//!
//! Invariant: no build holds up a task that waits for the network; what fails is tried again after the
//! retry interval. What is absent: how it is done, which the recipe says.

use super::recipe;
use super::target::Target;
use crate::adapters::artifacts::ArtifactTree;
use crate::adapters::git::RemoteBases;
use crate::domain::kustomize;
use crate::domain::manifest::Manifest;
use crate::domain::native;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason, with_causes};
use crate::domain::substitute::Variables;
use crate::domain::tree::{EntryKind, FileTree};
use kube::Client;
use std::sync::Arc;

/// Builds `target` from the files of the source, and from `remotes` when they are allowed.
pub(super) async fn build(
    tree: Arc<ArtifactTree>,
    target: &Target,
    remotes: Option<&RemoteBases>,
) -> Result<Vec<Manifest>, Outcome> {
    if tree.kind(&target.path) != Some(EntryKind::Directory) {
        let message = format!(
            "kustomization path not found: `{}` is no folder of the source",
            target.path
        );
        return Err(Outcome::Failed {
            reason: reason::ARTIFACT_FAILED,
            message,
            next: Some(target.retry_interval),
        });
    }
    let failed = |message: String| build_failed(message, target);
    let (path, options) = (target.path.clone(), target.recipe.options.clone());
    let remotes = remotes.map(|remotes| remotes.for_build(target.timeout));
    // A build is work for the processor, and waits for remote bases: it must not hold up the tasks
    // that wait for the network.
    let built = tokio::task::spawn_blocking(move || match remotes {
        Some(remotes) => kustomize::build_with(&*tree, &path, &options, &remotes),
        None => kustomize::build(&*tree, &path, &options),
    });
    let built = built.await;
    let built = built
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(with_causes(&error)))?;
    Ok(built.manifests)
}

/// Does to the built objects what comes after the build: variables, read now and once for all of
/// them, and common metadata.
pub(super) async fn finish(
    mut manifests: Vec<Manifest>,
    target: &Target,
    client: &Client,
    owner: &ObjectKey,
    strict: bool,
) -> Result<Vec<Manifest>, Outcome> {
    let failed = |message: String| build_failed(message, target);
    let recipe = target.recipe.clone();
    let variables = match (&recipe.post_build, manifests.first()) {
        (Some(post_build), Some(first)) => {
            let read = recipe::variables(post_build, Some(client), &owner.namespace).await;
            let told = |error| {
                let name = first.id().name;
                failed(format!(
                    "post build failed for '{name}': {}",
                    with_causes(&error)
                ))
            };
            read.map_err(told)?
        }
        _ => Variables::default(),
    };
    let finishing = tokio::task::spawn_blocking(move || {
        let finished = recipe.finish(&mut manifests, &variables, strict);
        finished.map(|()| manifests)
    });
    let finished = finishing.await.map_err(|error| failed(error.to_string()))?;
    let manifests = finished.map_err(|error| failed(with_causes(&error)))?;
    match native::encrypted(&manifests) {
        None => Ok(manifests),
        Some(secret) => Err(Outcome::Failed {
            reason: reason::RECONCILIATION_FAILED,
            message: format!(
                "{} is SOPS encrypted, configuring decryption is required for this secret to be reconciled",
                secret.id()
            ),
            next: Some(target.retry_interval),
        }),
    }
}

fn build_failed(message: String, target: &Target) -> Outcome {
    Outcome::Failed {
        reason: reason::BUILD_FAILED,
        message,
        next: Some(target.retry_interval),
    }
}
