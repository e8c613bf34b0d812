//! What is watched in the cluster, and whom a change there wakes.
//!
//! Invariant: a kind is watched when a controller that runs looks at it, and only then; Secrets and ConfigMaps are watched by
//! their metadata alone. What is absent: who is woken by what; `triggers` decides.

use super::caches::Caches;
use super::queue::Queue;
use super::shared::Shared;
use super::triggers::{self, Queues};
use super::{Settings, Task};
use crate::adapters::cluster::versions::follow_versions;
use crate::adapters::cluster::watch::{Cache, Change, Watched};
use crate::api::CustomObject;
use crate::domain::object::ObjectKey;
use futures::FutureExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::watcher;
use std::sync::Arc;

/// One watch for each kind that a running controller looks at, with a future that ends when the
/// watch has listed what there is.
pub(super) fn watches(
    shared: &Arc<Shared>,
    settings: &Settings,
    caches: &Arc<Caches>,
    queues: &Arc<Queues>,
) -> Vec<(Task, Task)> {
    let mut watches = image_watches(shared, settings, caches, queues);
    let (all, wake) = (Arc::clone(caches), Arc::clone(queues));
    if settings.image_automation || settings.source || settings.kustomize {
        watches.push(watch(
            shared,
            settings,
            &caches.git_repositories,
            &queues.git_repositories,
            move |change| {
                triggers::git_repository(&all, &wake, change);
            },
        ));
    }
    let (all, wake) = (Arc::clone(caches), Arc::clone(queues));
    if settings.kustomize {
        watches.push(watch(
            shared,
            settings,
            &caches.kustomizations,
            &queues.kustomizations,
            move |change| {
                triggers::kustomization(&all, &wake, change);
            },
        ));
    }
    watches
}

/// The watches of what images are looked at and updated by.
fn image_watches(
    shared: &Arc<Shared>,
    settings: &Settings,
    caches: &Arc<Caches>,
    queues: &Arc<Queues>,
) -> Vec<(Task, Task)> {
    let mut watches = Vec::new();
    let (all, wake) = (Arc::clone(caches), Arc::clone(queues));
    if settings.image_reflector {
        watches.push(watch(
            shared,
            settings,
            &caches.image_repositories,
            &queues.image_repositories,
            move |change| {
                triggers::image_repository(&all, &wake, change);
            },
        ));
    }
    let (all, wake) = (Arc::clone(caches), Arc::clone(queues));
    if settings.image_reflector || settings.image_automation {
        watches.push(watch(
            shared,
            settings,
            &caches.image_policies,
            &queues.image_policies,
            move |change| {
                triggers::image_policy(&all, &wake, change);
            },
        ));
    }
    let wake = Arc::clone(queues);
    if settings.image_reflector || settings.image_automation {
        let (follow, listed) = watch(
            shared,
            settings,
            &caches.image_updates,
            &queues.image_updates,
            move |change| {
                triggers::image_update(&wake, change);
            },
        );
        // Policies only tell what automations skip: where the kind is not installed they work all the same.
        let listed = match settings.image_automation {
            true => listed,
            false => std::future::ready(()).boxed(),
        };
        watches.push((follow, listed));
    }
    watches
}

pub(super) fn watch<K: CustomObject + Watched + kube::Resource<Scope = NamespaceResourceScope>>(
    shared: &Shared,
    settings: &Settings,
    cache: &Arc<Cache<K>>,
    queue: &Arc<Queue<ObjectKey>>,
    changed: impl Fn(&Change<K>) + Send + Sync + 'static,
) -> (Task, Task) {
    let api: Api<DeserializeGuard<K>> = match &settings.namespace {
        Some(namespace) => Api::namespaced(shared.client.clone(), namespace),
        None => Api::all(shared.client.clone()),
    };
    let mut config = watcher::Config::default();
    if !settings.label_selector.is_empty() {
        config = config.labels(&settings.label_selector);
    }
    let (follower, listed, queue) = (Arc::clone(cache), Arc::clone(cache), Arc::clone(queue));
    let follow = async move {
        let tell = |change: Change<K>| {
            triggers::wake_self(&queue, &change);
            changed(&change);
        };
        follower.follow(api, config, tell).await;
    };
    (
        follow.boxed(),
        async move { listed.wait_until_complete().await }.boxed(),
    )
}

/// The watches of labelled Secrets, and of ConfigMaps where those count.
pub(super) fn configuration_watches(
    shared: &Shared,
    settings: &Settings,
    caches: &Arc<Caches>,
    queues: &Arc<Queues>,
) -> Vec<Task> {
    let Some(selector) = &settings.configuration_selector else {
        return Vec::new();
    };
    let mut watches = vec![configuration_watch::<Secret>(
        shared,
        settings,
        selector,
        (caches, queues),
    )];
    if settings.kustomize {
        watches.push(configuration_watch::<ConfigMap>(
            shared,
            settings,
            selector,
            (caches, queues),
        ));
    }
    watches
}

fn configuration_watch<K: Watched + kube::Resource<Scope = NamespaceResourceScope>>(
    shared: &Shared,
    settings: &Settings,
    selector: &str,
    (caches, queues): (&Arc<Caches>, &Arc<Queues>),
) -> Task {
    let api: Api<PartialObjectMeta<K>> = match &settings.namespace {
        Some(namespace) => Api::namespaced(shared.client.clone(), namespace),
        None => Api::all(shared.client.clone()),
    };
    let mut config = watcher::Config::default();
    if !selector.is_empty() {
        config = config.labels(selector);
    }
    let (caches, queues) = (Arc::clone(caches), Arc::clone(queues));
    let kind = K::kind(&());
    let changed = move |key: &ObjectKey| {
        tracing::debug!(%kind, object = %key, "a labelled object changed");
        triggers::configuration(&caches, &queues, &kind, key);
    };
    follow_versions(api, config, changed).boxed()
}
