//! The tags of an ImageRepository as they are known now: in memory, or kept from before the process started.
//!
//! Invariants: files are written in the background; trouble with the folder is told in the log and costs a scan, nothing more; tags that another process has scanned anew
//! meanwhile are not known here, so that nobody selects from old ones. What is absent: scanning.

use super::background::Background;
use crate::adapters::tag_store::{StoreError, TagStore};
use crate::api::ImageRepository;
use crate::domain::object::ObjectKey;
use crate::domain::tags::TagSet;
use std::error::Error;
use std::sync::Arc;
use tokio::task::{JoinError, spawn_blocking};

/// The tags of the scan that the status of `repository` tells of.
pub(super) async fn recall(
    store: &Arc<TagStore>,
    key: &ObjectKey,
    repository: &ImageRepository,
) -> Option<TagSet> {
    let revision = revision(repository);
    if revision.is_some_and(|revision| store.is_outdated(key, revision)) {
        return None;
    }
    if let Some(tags) = store.get(key) {
        return Some(tags);
    }
    let revision = revision?.to_owned();
    let (store, own) = (Arc::clone(store), key.clone());
    told(
        key,
        spawn_blocking(move || store.recall(&own, &revision)).await,
    )
    .flatten()
}

/// The revision of the scan that a status tells of.
fn revision(repository: &ImageRepository) -> Option<&str> {
    let last = repository.status.last_scan_result.as_ref();
    last.and_then(|scan| scan.revision.as_deref())
}

/// Keeps the tags of a scan of `repository`, and for the next process too when the background comes to it.
pub(super) async fn keep(
    store: &Arc<TagStore>,
    saving: &Background,
    key: &ObjectKey,
    repository: &ImageRepository,
    tags: TagSet,
) {
    let before = revision(repository).map(str::to_owned);
    store.put(key.clone(), tags);
    if let Some(before) = before {
        store.replaces(key, &before);
    }
    let (store, key) = (Arc::clone(store), key.clone());
    let save = move || async move {
        let own = key.clone();
        told(&key, spawn_blocking(move || store.save(&own)).await);
    };
    saving.hand_in(save).await;
}

fn told<T>(key: &ObjectKey, done: Result<Result<T, StoreError>, JoinError>) -> Option<T> {
    match done {
        Ok(Ok(done)) => return Some(done),
        Ok(Err(error)) => {
            let reason = error.source().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(object = %key, reason, "{error}");
        }
        Err(error) => tracing::warn!(object = %key, %error, "the tags were not kept"),
    }
    None
}
