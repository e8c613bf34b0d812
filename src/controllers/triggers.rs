//! Who wakes whom: each controller hands on to the next by a watch, not by waiting for an interval.
//!
//! ```text
//! ImageRepository --tags--> ImagePolicy --selection--> ImageUpdateAutomation
//!                                                            | push
//! Kustomization <--artifact-- GitRepository <----------------+
//!       | ready
//!       v
//! Kustomization that depends on it
//! ```
//!
//! Invariant: what a change wakes follows from the two versions of the object and the indexes alone.
//! What is absent: timers; those are in the queues.

use super::queue::Queue;
use crate::adapters::cluster::watch::{Cache, Change, Watched, key_of};
use crate::api::{
    CustomObject, GitRepository, ImagePolicy, ImageRepository, ImageUpdateAutomation,
    Kustomization, Receiver, accepted_tag, requested_at,
};
use crate::domain::object::ObjectKey;
use std::sync::Arc;
use tokio::time::Instant;

/// The queues of all kinds. A kind whose controller does not run here is asked for in vain.
#[derive(Debug, Default)]
pub struct Queues {
    /// Of ImageRepository.
    pub image_repositories: Arc<Queue<ObjectKey>>,
    /// Of ImagePolicy.
    pub image_policies: Arc<Queue<ObjectKey>>,
    /// Of ImageUpdateAutomation.
    pub image_updates: Arc<Queue<ObjectKey>>,
    /// Of GitRepository.
    pub git_repositories: Arc<Queue<ObjectKey>>,
    /// Of Kustomization.
    pub kustomizations: Arc<Queue<ObjectKey>>,
    /// Of Receiver.
    pub receivers: Arc<Queue<ObjectKey>>,
}

/// The live copies of all kinds.
#[derive(Debug)]
pub struct Caches {
    /// All ImageRepository objects.
    pub image_repositories: Arc<Cache<ImageRepository>>,
    /// All ImagePolicy objects, by repository and by namespace.
    pub image_policies: Arc<Cache<ImagePolicy>>,
    /// All ImageUpdateAutomation objects, by namespace and by source.
    pub image_updates: Arc<Cache<ImageUpdateAutomation>>,
    /// All GitRepository objects, by URL.
    pub git_repositories: Arc<Cache<GitRepository>>,
    /// All Kustomization objects, by source and by what they depend on.
    pub kustomizations: Arc<Cache<Kustomization>>,
    /// All Receiver objects, by the path they are called at.
    pub receivers: Arc<Cache<Receiver>>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            image_repositories: Arc::new(Cache::new(|_| Vec::new())),
            image_policies: Arc::new(Cache::new(policy_entries)),
            image_updates: Arc::new(Cache::new(update_entries)),
            git_repositories: Arc::new(Cache::new(|repository| vec![by_url(&repository.spec.url)])),
            kustomizations: Arc::new(Cache::new(kustomization_entries)),
            receivers: Arc::new(Cache::new(|receiver| {
                let path = receiver.status.webhook_path.as_deref();
                path.map(by_path).into_iter().collect()
            })),
        }
    }
}

/// The index entry of everything in a namespace.
pub fn in_namespace(namespace: &str) -> String {
    format!("namespace {namespace}")
}

/// The index entry of everything that reads from a source.
pub fn of_source(kind: &str, key: &ObjectKey) -> String {
    format!("source {kind}/{key}")
}

/// The index entry of everything that depends on an object of the same kind.
pub fn dependent_on(key: &ObjectKey) -> String {
    format!("dependency {key}")
}

/// The index entry of every source of one URL.
pub fn by_url(url: &str) -> String {
    format!("url {url}")
}

/// The index entry of the Receiver that is called at a path.
pub fn by_path(path: &str) -> String {
    format!("path {path}")
}

fn policy_entries(policy: &ImagePolicy) -> Vec<String> {
    let key = key_of(policy);
    let reference = &policy.spec.image_repository_ref;
    let repository = within(&key, reference.namespace.as_deref(), &reference.name);
    vec![
        of_source("ImageRepository", &repository),
        in_namespace(&key.namespace),
    ]
}

fn update_entries(update: &ImageUpdateAutomation) -> Vec<String> {
    let key = key_of(update);
    let reference = &update.spec.source_ref;
    let source = within(&key, reference.namespace.as_deref(), &reference.name);
    vec![
        of_source("GitRepository", &source),
        in_namespace(&key.namespace),
    ]
}

fn kustomization_entries(kustomization: &Kustomization) -> Vec<String> {
    let key = key_of(kustomization);
    let reference = &kustomization.spec.source_ref;
    let source = within(&key, reference.namespace.as_deref(), &reference.name);
    let dependencies = kustomization.spec.depends_on.iter();
    let dependencies =
        dependencies.map(|on| dependent_on(&within(&key, on.namespace.as_deref(), &on.name)));
    std::iter::once(of_source(reference.kind.as_str(), &source))
        .chain(dependencies)
        .collect()
}

/// The key of an object that `key` refers to, by default in its own namespace.
pub fn within(key: &ObjectKey, namespace: Option<&str>, name: &str) -> ObjectKey {
    ObjectKey::new(namespace.unwrap_or(&key.namespace), name)
}

/// Asks for the object of a change itself, when the change asks for work: a new object, a new
/// generation, a new request, a tag a person accepts, a deletion. A change of the status alone does not.
pub fn wake_self<K: CustomObject + Watched>(queue: &Queue<ObjectKey>, change: &Change<K>) {
    let asks = |before: Option<&Arc<K>>, now: &K| {
        before.is_none_or(|before| {
            before.metadata().generation != now.metadata().generation
                || before.metadata().uid != now.metadata().uid
                || before.metadata().deletion_timestamp.is_some()
                    != now.metadata().deletion_timestamp.is_some()
                || requested_at(&**before) != requested_at(now)
                || accepted_tag(&**before) != accepted_tag(now)
        })
    };
    match change {
        Change::Applied { before, now } if asks(before.as_ref(), now) => {
            queue.add(key_of(&**now), Instant::now())
        }
        Change::Applied { .. } => {}
        // The loop forgets what it remembered of it.
        Change::Deleted { before } => queue.add(key_of(&**before), Instant::now()),
    }
}

/// Wakes the policies of a repository whose tags changed, or that is gone.
pub fn image_repository(caches: &Caches, queues: &Queues, change: &Change<ImageRepository>) {
    let scan = |repository: &ImageRepository| {
        let status = &repository.status;
        (
            status
                .last_scan_result
                .as_ref()
                .and_then(|scan| scan.revision.clone()),
            status.canonical_image_name.clone(),
        )
    };
    let changed = match change {
        Change::Applied { before, now } => before
            .as_ref()
            .is_none_or(|before| scan(before) != scan(now) || before.spec != now.spec),
        Change::Deleted { .. } => true,
    };
    if changed {
        wake_all(
            &queues.image_policies,
            &caches
                .image_policies
                .find(&of_source("ImageRepository", &changed_key(change))),
        );
    }
}

/// Wakes the automations of the namespace when a policy selects another image.
pub fn image_policy(caches: &Caches, queues: &Queues, change: &Change<ImagePolicy>) {
    let Change::Applied { before, now } = change else {
        return;
    };
    if before
        .as_ref()
        .is_none_or(|before| before.status.latest_ref != now.status.latest_ref)
    {
        wake_all(
            &queues.image_updates,
            &caches
                .image_updates
                .find(&in_namespace(&key_of(&**now).namespace)),
        );
    }
}

/// Wakes what reads from a Git repository: appliers on a new artifact, automations also on a new
/// specification.
pub fn git_repository(caches: &Caches, queues: &Queues, change: &Change<GitRepository>) {
    let Change::Applied { before, now } = change else {
        return;
    };
    let artifact = |repository: &GitRepository| {
        repository
            .status
            .artifact
            .as_ref()
            .map(|artifact| (artifact.revision.clone(), artifact.digest.clone()))
    };
    let entry = of_source("GitRepository", &key_of(&**now));
    let new_artifact = before
        .as_ref()
        .is_none_or(|before| artifact(before) != artifact(now));
    let new_spec = before
        .as_ref()
        .is_none_or(|before| before.metadata.generation != now.metadata.generation);
    // An archive that moved, or was made again after a restart lost it, is what a failed fetch waits for.
    let stored_anew = before
        .as_ref()
        .is_none_or(|before| before.status.artifact != now.status.artifact);
    if stored_anew {
        wake_all(&queues.kustomizations, &caches.kustomizations.find(&entry));
    }
    if new_artifact || new_spec {
        wake_all(&queues.image_updates, &caches.image_updates.find(&entry));
    }
}

/// Wakes what waits for a Kustomization that became ready.
pub fn kustomization(caches: &Caches, queues: &Queues, change: &Change<Kustomization>) {
    let Change::Applied { before, now } = change else {
        return;
    };
    let state = |kustomization: &Kustomization| {
        let ready = kustomization
            .conditions()
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True");
        (
            ready,
            kustomization.status.last_applied_revision.clone(),
            kustomization.status.observed_generation,
        )
    };
    if before
        .as_ref()
        .is_none_or(|before| state(before) != state(now))
    {
        wake_all(
            &queues.kustomizations,
            &caches.kustomizations.find(&dependent_on(&key_of(&**now))),
        );
    }
}

/// Wakes every GitRepository of one URL: something was pushed there.
pub fn pushed(caches: &Caches, queues: &Queues, url: &str) {
    wake_all(
        &queues.git_repositories,
        &caches.git_repositories.find(&by_url(url)),
    );
}

/// Wakes the policies of one repository: its tags came to hand.
pub fn scanned(caches: &Caches, queues: &Queues, repository: &ObjectKey) {
    wake_all(
        &queues.image_policies,
        &caches
            .image_policies
            .find(&of_source("ImageRepository", repository)),
    );
}

fn wake_all<K: Watched>(queue: &Queue<ObjectKey>, objects: &[Arc<K>]) {
    for object in objects {
        queue.add(key_of(&**object), Instant::now());
    }
}

fn changed_key<K: Watched>(change: &Change<K>) -> ObjectKey {
    match change {
        Change::Applied { now, .. } => key_of(&**now),
        Change::Deleted { before } => key_of(&**before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn repository(url: &str, stored: &str) -> Arc<GitRepository> {
        let mut repository = GitRepository::default();
        repository.metadata.namespace = Some("apps".to_owned());
        repository.metadata.name = Some("fleet".to_owned());
        let artifact = json!({
            "path": "p", "url": url, "revision": "main@sha1:1", "digest": "sha256:0", "lastUpdateTime": stored
        });
        repository.status.artifact =
            serde_json::from_value(artifact).expect("the artifact is whole");
        Arc::new(repository)
    }

    #[tokio::test]
    async fn an_archive_of_the_same_revision_that_was_stored_anew_wakes_its_appliers() {
        let known = ("http://a/p", "2026-01-01T00:00:00Z");
        for (url, stored, wakes) in [
            (known.0, known.1, 0),
            ("http://b/p", known.1, 1),
            (known.0, "2026-01-01T00:00:01Z", 1),
        ] {
            let (caches, queues) = (Caches::default(), Queues::default());
            let applier = json!({
                "metadata": {"namespace": "apps", "name": "applier"},
                "spec": {"interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "fleet"}}
            });
            let applier: Kustomization = serde_json::from_value(applier).expect("Flux takes it");
            caches.kustomizations.put(applier);
            let change = Change::Applied {
                before: Some(repository(known.0, known.1)),
                now: repository(url, stored),
            };
            git_repository(&caches, &queues, &change);
            assert_eq!(queues.kustomizations.len(), wakes, "{url} {stored}");
        }
    }
}
