//! Removes objects that are not wanted any more.
//!
//! Invariant: nothing is removed that does not carry the owner's labels, that asks to stay, or that may
//! be one of the applied; what is not certain is left, and said. What is absent: waiting until an object
//! is gone; whoever wants that asks again.

use super::execute::words;
use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::apply::Applier;
use crate::adapters::metrics::Metrics;
use crate::domain::drift;
use crate::domain::object::{ObjectId, ObjectKey};
use crate::domain::stage;
use serde_json::Value;

/// Why not everything was removed.
#[derive(Debug)]
pub(super) struct PruneFailure {
    pub(super) message: String,
    /// What is still there.
    pub(super) left: Vec<ObjectId>,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pruned {
    /// Deleted now.
    pub(super) deleted: Vec<ObjectId>,
    /// Deleted before, and still there.
    pub(super) going: Vec<ObjectId>,
}

/// What became of one object.
enum Removal {
    Stays,
    Deleted,
    Going,
}

/// Removes objects, in order, unless one belongs to somebody else, asks to stay, or is one of the
/// `applied`. Gives what was removed.
pub(super) async fn prune(
    applier: &Applier,
    stale: &[ObjectId],
    applied: &[ObjectId],
    owner: &ObjectKey,
    metrics: &Metrics,
) -> Result<Pruned, PruneFailure> {
    let mut pruned = Pruned::default();
    let mut left = Vec::new();
    let mut messages = Vec::new();
    for id in stale {
        match delete(applier, id, applied, owner).await {
            Ok(Removal::Deleted) => pruned.deleted.push(id.clone()),
            Ok(Removal::Going) => pruned.going.push(id.clone()),
            Ok(Removal::Stays) => {}
            Err(error) => {
                messages.push(format!("{id} delete failed: {}", words(&error)));
                left.push(id.clone());
            }
        }
    }
    let count = u64::try_from(pruned.deleted.len()).unwrap_or_default();
    metrics.applied("deleted", count);
    if messages.is_empty() {
        Ok(pruned)
    } else {
        Err(PruneFailure {
            message: messages.join("\n"),
            left,
        })
    }
}

async fn delete(
    applier: &Applier,
    id: &ObjectId,
    applied: &[ObjectId],
    owner: &ObjectKey,
) -> Result<Removal, ClusterError> {
    let live = match unwanted(applier, id, applied).await {
        Ok(Some(live)) => live,
        Ok(None) => return Ok(Removal::Stays),
        // The kind itself is gone, and its objects with it.
        Err(ClusterError::Request { reason, .. }) if reason.starts_with("no matches for kind") => {
            return Ok(Removal::Stays);
        }
        Err(error) => return Err(error),
    };
    if !stage::is_owned_by(&live, &owner.namespace, &owner.name) || drift::is_kept(&live) {
        return Ok(Removal::Stays);
    }
    if live["metadata"]["deletionTimestamp"].is_string() {
        return Ok(Removal::Going);
    }
    Ok(match applier.delete(id).await? {
        true => Removal::Deleted,
        false => Removal::Stays,
    })
}

/// The object in the cluster, if it is there and not one of the applied. A cluster-wide object is the
/// same one whatever namespace its manifest named before.
async fn unwanted(
    applier: &Applier,
    id: &ObjectId,
    applied: &[ObjectId],
) -> Result<Option<Value>, ClusterError> {
    let namesake = applied
        .iter()
        .any(|other| (other.group(), &other.kind, &other.name) == (id.group(), &id.kind, &id.name));
    if namesake && !applier.is_namespaced(id).await? {
        return Ok(None);
    }
    applier.get(id).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::client::Body;
    use serde_json::json;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    fn id(kind: &str, namespace: Option<&str>) -> ObjectId {
        ObjectId {
            api_version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: "shop".to_owned(),
        }
    }

    /// What a server deletes that has but two kinds, and an object of ours wherever one is asked for.
    /// The first `failures` questions for its kinds fail.
    async fn pruned(
        stale: &[ObjectId],
        applied: &[ObjectId],
        failures: usize,
    ) -> (Result<Pruned, PruneFailure>, Vec<String>) {
        let kinds = json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "namespaces", "singularName": "namespace", "namespaced": false, "kind": "Namespace", "verbs": ["get"]},
            {"name": "configmaps", "singularName": "configmap", "namespaced": true, "kind": "ConfigMap", "verbs": ["get"]},
        ]});
        let owned = json!({"apiVersion": "v1", "kind": "Any", "metadata": {"name": "shop", "labels": {
            stage::OWNER_NAMESPACE: "apps", stage::OWNER_NAME: "fleet"
        }}});
        let failed = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError", "code": 500});
        let (asked, deleted) = (AtomicUsize::new(0), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&deleted);
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let path = request.uri().path().to_owned();
            let (status, body) = if path != "/api/v1" {
                if request.method() == http::Method::DELETE {
                    seen.lock().expect("nobody panics").push(path);
                }
                (200, &owned)
            } else if asked.fetch_add(1, Ordering::Relaxed) < failures {
                (500, &failed)
            } else {
                (200, &kinds)
            };
            let body = Body::from(body.to_string().into_bytes());
            async move { http::Response::builder().status(status).body(body) }
        });
        let client = kube::Client::new(service, "default");
        let applier = Applier::new(client, Arc::default(), "kustomize-controller");
        let owner = ObjectKey::new("apps", "fleet");
        let result = prune(&applier, stale, applied, &owner, &Metrics::default()).await;
        let deleted = deleted.lock().expect("nobody panics").clone();
        (result, deleted)
    }

    #[tokio::test]
    async fn a_cluster_wide_object_whose_manifest_lost_its_namespace_is_not_pruned() {
        let stale = [id("Namespace", Some("apps")), id("ConfigMap", Some("apps"))];
        let applied = [id("Namespace", None), id("ConfigMap", Some("shop"))];
        let map = "/api/v1/namespaces/apps/configmaps/shop";
        let (result, deleted) = pruned(&stale, &applied, 0).await;
        assert_eq!(result.expect("nothing fails").deleted, stale[1..]);
        assert_eq!(deleted, [map]);
        let (result, deleted) = pruned(&stale, &[], 0).await;
        assert_eq!(result.expect("nothing fails").deleted, stale);
        assert_eq!(deleted, ["/api/v1/namespaces/shop", map]);
    }

    #[tokio::test]
    async fn an_object_that_may_be_an_applied_one_is_left_while_the_kinds_are_not_known() {
        let (stale, applied) = ([id("Namespace", Some("apps"))], [id("Namespace", None)]);
        let (result, deleted) = pruned(&stale, &applied, 1).await;
        assert_eq!(deleted, [""; 0]);
        let failure = result.expect_err("nobody says whether it is the same");
        assert_eq!(failure.left, stale);
        let words = "Namespace/apps/shop delete failed: ";
        assert!(failure.message.starts_with(words), "{}", failure.message);
    }
}
