//! Who wakes whom: each controller hands on to the next by a watch, not by waiting for an interval.
//!
//! ```text
//! ImageRepository --tags--> ImagePolicy --selection--> ImageUpdateAutomation
//!                                       <--skips------
//!                                                            | push
//! Kustomization <--artifact-- GitRepository <----------------+
//!       | ready
//!       v
//! Kustomization that depends on it
//! ```
//!
//! Invariant: what a change wakes follows from the two versions of the object and the indexes alone.
//! What is absent: timers; those are in the queues.

use super::caches::{
    Caches, by_url, configured_by, dependent_on, in_namespace, of_source, with_pull_secrets, within,
};
use super::queue::Queue;
use super::skips::skips;
use crate::adapters::cluster::watch::{Change, Watched, key_of};
use crate::api::{
    CustomObject, GitRepository, ImagePolicy, ImageRepository, ImageUpdateAutomation,
    Kustomization, accepted_tag, proposed_again, requested_at,
};
use crate::domain::object::ObjectKey;
use crate::domain::outcome::reason;
use std::collections::BTreeSet;
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
                || proposed_again(&**before) != proposed_again(now)
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

/// Wakes the automations of the namespace when a policy selects another image, or has other labels, by which automations choose.
pub fn image_policy(caches: &Caches, queues: &Queues, change: &Change<ImagePolicy>) {
    let Change::Applied { before, now } = change else {
        return;
    };
    if before.as_ref().is_none_or(|before| {
        before.status.latest_ref != now.status.latest_ref
            || before.metadata.labels != now.metadata.labels
    }) {
        wake_all(
            &queues.image_updates,
            &caches
                .image_updates
                .find(&in_namespace(&key_of(&**now).namespace)),
        );
    }
}

/// Wakes the policies of which an automation skips something else than before: they tell it.
pub fn image_update(queues: &Queues, change: &Change<ImageUpdateAutomation>) {
    let (before, now) = match change {
        Change::Applied { before, now } => {
            let before = before.as_ref().map(|before| skips(before));
            (before.unwrap_or_default(), skips(now))
        }
        Change::Deleted { before } => (skips(before), BTreeSet::new()),
    };
    let namespace = changed_key(change).namespace;
    for (policy, _) in before.symmetric_difference(&now) {
        let policy = ObjectKey::new(&namespace, policy);
        queues.image_policies.add(policy, Instant::now());
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
    let key = key_of(&**now);
    let dependents = caches.kustomizations.find(&dependent_on(&key));
    let changed = before
        .as_ref()
        .is_none_or(|before| state(before) != state(now));
    // An expression may look at anything.
    let waits = |dependent: &Kustomization| changed || waits_for_an_expression(dependent, &key);
    let woken: Vec<_> = dependents
        .into_iter()
        .filter(|dependent| waits(dependent))
        .collect();
    wake_all(&queues.kustomizations, &woken);
}

/// Whether the last that was said of a Kustomization is that what it depends on is not ready, and `key` is so by an expression of its own.
fn waits_for_an_expression(dependent: &Kustomization, key: &ObjectKey) -> bool {
    let waits = dependent.conditions().iter().any(|condition| {
        condition.type_ == "Ready" && condition.reason == reason::DEPENDENCY_NOT_READY
    });
    let own = key_of(dependent);
    waits
        && dependent.spec.depends_on.iter().any(|on| {
            on.ready_expr.is_some() && within(&own, on.namespace.as_deref(), &on.name) == *key
        })
}

/// Wakes whatever refers to a Secret or a ConfigMap that is new, other than before, or gone.
pub fn configuration(caches: &Caches, queues: &Queues, kind: &str, key: &ObjectKey) {
    let entry = configured_by(kind, key);
    let kustomizations = caches.kustomizations.find(&entry);
    wake_all(&queues.kustomizations, &kustomizations);
    if kind != "Secret" {
        return;
    }
    for entry in [&entry, &with_pull_secrets(&key.namespace)] {
        for repository in caches.image_repositories.find(entry) {
            let repository = key_of(&*repository);
            // Its digests need the same login.
            scanned(caches, queues, &repository);
            queues.image_repositories.add(repository, Instant::now());
        }
    }
    wake_all(&queues.image_updates, &caches.image_updates.find(&entry));
    wake_all(&queues.receivers, &caches.receivers.find(&entry));
    for source in caches.git_repositories.find(&entry) {
        let source = key_of(&*source);
        let pushed_to = caches
            .image_updates
            .find(&of_source("GitRepository", &source));
        wake_all(&queues.image_updates, &pushed_to);
        queues.git_repositories.add(source, Instant::now());
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

    /// Puts one object of each kind into `caches`, each with the Secrets and ConfigMaps it can name.
    fn put_all(caches: &Caches) {
        let metadata = json!({"namespace": "apps", "name": "app"});
        let read = |spec: serde_json::Value| json!({"metadata": metadata, "spec": spec});
        let repository = read(json!({
            "image": "r.example.com/app", "interval": "1m", "secretRef": {"name": "login"},
            "certSecretRef": {"name": "tls"}, "proxySecretRef": {"name": "proxy"}
        }));
        let repository = serde_json::from_value(repository).expect("Flux takes it");
        caches.image_repositories.put(repository);
        let mut with_account = read(json!({
            "image": "r.example.com/app", "interval": "1m", "serviceAccountName": "puller"
        }));
        with_account["metadata"]["name"] = json!("with-account");
        let with_account = serde_json::from_value(with_account).expect("Flux takes it");
        caches.image_repositories.put(with_account);
        let source = read(json!({
            "url": "https://git.example.com/fleet", "interval": "1m", "timeout": "60s",
            "secretRef": {"name": "git"}, "proxySecretRef": {"name": "proxy"}
        }));
        let source = serde_json::from_value(source).expect("Flux takes it");
        caches.git_repositories.put(source);
        let update = read(json!({
            "interval": "1m", "sourceRef": {"kind": "GitRepository", "name": "app"},
            "git": {"commit": {"author": {"email": "a@b"}, "signingKey": {"secretRef": {"name": "signing"}}},
                "pullRequest": {"secretRef": {"name": "forge"}}}
        }));
        let update = serde_json::from_value(update).expect("Flux takes it");
        caches.image_updates.put(update);
        let applier = read(json!({
            "interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "app"},
            "decryption": {"provider": "sops", "secretRef": {"name": "keys"}},
            "kubeConfig": {"secretRef": {"name": "cluster"}},
            "postBuild": {"substituteFrom": [
                {"kind": "Secret", "name": "values"}, {"kind": "ConfigMap", "name": "values"}
            ]}
        }));
        let applier = serde_json::from_value(applier).expect("Flux takes it");
        caches.kustomizations.put(applier);
    }

    #[tokio::test]
    async fn a_secret_or_a_map_wakes_whatever_names_it_and_nothing_else() {
        for (kind, namespace, name, woken) in [
            ("Secret", "apps", "login", [2, 0, 0, 0]),
            ("Secret", "apps", "tls", [2, 0, 0, 0]),
            ("Secret", "apps", "proxy", [2, 1, 1, 0]),
            ("Secret", "apps", "git", [1, 1, 1, 0]),
            ("Secret", "apps", "signing", [1, 0, 1, 0]),
            ("Secret", "apps", "forge", [1, 0, 1, 0]),
            ("Secret", "apps", "keys", [1, 0, 0, 1]),
            ("Secret", "apps", "cluster", [1, 0, 0, 1]),
            ("Secret", "apps", "values", [1, 0, 0, 1]),
            // Any Secret may be one of the account's.
            ("Secret", "apps", "unknown", [1, 0, 0, 0]),
            ("Secret", "other", "login", [0, 0, 0, 0]),
            ("ConfigMap", "apps", "values", [0, 0, 0, 1]),
            ("ConfigMap", "apps", "login", [0, 0, 0, 0]),
        ] {
            let (caches, queues) = (Caches::default(), Queues::default());
            put_all(&caches);
            configuration(&caches, &queues, kind, &ObjectKey::new(namespace, name));
            let found = [
                queues.image_repositories.len(),
                queues.git_repositories.len(),
                queues.image_updates.len(),
                queues.kustomizations.len(),
            ];
            assert_eq!(found, woken, "{kind} {namespace}/{name}");
        }
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

    #[tokio::test]
    async fn policies_are_woken_when_an_automation_skips_something_else_than_before() {
        let automation = |state: &str, image: &str| {
            let object = json!({
                "metadata": {"namespace": "apps", "name": "fleet"},
                "spec": {"interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "fleet"},
                    "git": {"commit": {"author": {"email": "a@b"}}, "pullRequest": {}}},
                "status": {"pullRequests": [{
                    "group": "_all", "state": state, "number": 7, "branch": "b",
                    "images": {"app": image, "web": "web:1"},
                }]},
            });
            let object: ImageUpdateAutomation = serde_json::from_value(object).expect("it reads");
            Arc::new(object)
        };
        let skipped = || automation("Skipped", "app:1");
        let applied = |before, now| Change::Applied { before, now };
        for (what, change, woken) in [
            ("open", applied(None, automation("Open", "app:1")), 0),
            ("new", applied(None, skipped()), 2),
            ("the same", applied(Some(skipped()), skipped()), 0),
            (
                "another version",
                applied(Some(skipped()), automation("Skipped", "app:2")),
                1,
            ),
            (
                "lifted",
                applied(Some(skipped()), automation("Open", "app:1")),
                2,
            ),
            ("gone", Change::Deleted { before: skipped() }, 2),
        ] {
            let queues = Queues::default();
            image_update(&queues, &change);
            assert_eq!(queues.image_policies.len(), woken, "{what}");
        }
    }

    fn scanned(revision: &str, image: &str) -> Arc<ImageRepository> {
        let object = json!({
            "metadata": {"namespace": "apps", "name": "app"},
            "spec": {"image": image, "interval": "1m"},
            "status": {"canonicalImageName": image, "lastScanResult": {"revision": revision, "tagCount": 1, "latestTags": []}},
        });
        Arc::new(serde_json::from_value(object).expect("Flux takes it"))
    }

    /// As in Flux, and besides: another image, another specification and a repository that is gone.
    #[tokio::test]
    async fn policies_are_woken_by_other_tags_and_not_by_a_scan_that_found_the_same() {
        let known = || Some(scanned("sha256:1", "app"));
        for (what, change, wakes) in [
            (
                "the first result",
                Change::Applied {
                    before: None,
                    now: scanned("sha256:1", "app"),
                },
                1,
            ),
            (
                "the same tags",
                Change::Applied {
                    before: known(),
                    now: scanned("sha256:1", "app"),
                },
                0,
            ),
            (
                "other tags",
                Change::Applied {
                    before: known(),
                    now: scanned("sha256:2", "app"),
                },
                1,
            ),
            (
                "another image",
                Change::Applied {
                    before: known(),
                    now: scanned("sha256:1", "web"),
                },
                1,
            ),
            (
                "it is gone",
                Change::Deleted {
                    before: scanned("sha256:1", "app"),
                },
                1,
            ),
        ] {
            let (caches, queues) = (Caches::default(), Queues::default());
            for (namespace, repository) in [
                ("apps", json!({"name": "app"})),
                ("apps", json!({"name": "other"})),
            ] {
                let name = repository["name"].clone();
                let policy = json!({
                    "metadata": {"namespace": namespace, "name": name},
                    "spec": {"imageRepositoryRef": repository, "policy": {"numerical": {}}},
                });
                let policy: ImagePolicy = serde_json::from_value(policy).expect("Flux takes it");
                caches.image_policies.put(policy);
            }
            image_repository(&caches, &queues, &change);
            assert_eq!(queues.image_policies.len(), wakes, "{what}");
        }
    }

    #[tokio::test]
    async fn automations_are_woken_by_another_image_and_not_by_another_reason_for_the_same() {
        let policy = |tag: &str, digest: Option<&str>, why: &str| {
            let object = json!({
                "metadata": {"namespace": "apps", "name": "app"},
                "spec": {"imageRepositoryRef": {"name": "app"}, "policy": {"numerical": {}}},
                "status": {
                    "latestRef": {"name": "app", "tag": tag, "digest": digest},
                    "selection": {"why": why, "revision": "sha256:1", "policy": "sha256:2"},
                },
            });
            let object: ImagePolicy = serde_json::from_value(object).expect("it reads");
            Arc::new(object)
        };
        for (what, now, wakes) in [
            ("another reason", policy("1", None, "of 3 candidates"), 0),
            ("another tag", policy("2", None, "of 2 candidates"), 1),
            (
                "a digest",
                policy("1", Some("sha256:0"), "of 2 candidates"),
                1,
            ),
        ] {
            let (caches, queues) = (Caches::default(), Queues::default());
            for namespace in ["apps", "other"] {
                let update = json!({
                    "metadata": {"namespace": namespace, "name": "fleet"},
                    "spec": {"interval": "1m", "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
                });
                caches
                    .image_updates
                    .put(serde_json::from_value(update).expect("Flux takes it"));
            }
            let before = Some(policy("1", None, "of 2 candidates"));
            image_policy(&caches, &queues, &Change::Applied { before, now });
            assert_eq!(queues.image_updates.len(), wakes, "{what}");
        }
    }

    #[tokio::test]
    async fn who_waits_for_an_expression_is_woken_by_any_change_of_what_it_depends_on() {
        let dependent = |name: &str, expression: Option<&str>, reason: &str| {
            let object = json!({
                "metadata": {"namespace": "apps", "name": name},
                "spec": {"interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "x"},
                    "dependsOn": [{"name": "back", "readyExpr": expression}]},
                "status": {"conditions": [{"type": "Ready", "status": "False", "reason": reason, "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
            });
            let object: Kustomization = serde_json::from_value(object).expect("Flux takes it");
            Arc::new(object)
        };
        let (caches, queues) = (Caches::default(), Queues::default());
        for object in [
            dependent("waits", Some("true"), "DependencyNotReady"),
            dependent("waits-for-ready", None, "DependencyNotReady"),
            dependent("has-gone-on", Some("true"), "HealthCheckFailed"),
        ] {
            caches.kustomizations.put((*object).clone());
        }
        let back = dependent("back", None, "BuildFailed");
        let change = Change::Applied {
            before: Some(Arc::clone(&back)),
            now: back,
        };
        kustomization(&caches, &queues, &change);
        assert_eq!(queues.kustomizations.len(), 1);
        let woken = queues.kustomizations.next().await;
        assert_eq!(woken, ObjectKey::new("apps", "waits"));
    }
}
