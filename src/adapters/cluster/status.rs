//! Writing what belongs to a controller: the status of an object, and its finalizers.
//!
//! Invariant: only the difference is sent, so that fields of other owners stay, and an unchanged
//! status costs no request. What is absent: what a status says.

use super::ClusterError;
use super::watch::{Watched, key_of};
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A kind whose objects are written here.
pub trait Owned: Watched + kube::Resource<Scope = NamespaceResourceScope> + Serialize {}
impl<K: Watched + kube::Resource<Scope = NamespaceResourceScope> + Serialize> Owned for K {}

/// The merge patch that turns `before` into `after`; `None` when they are equal.
///
/// Objects are compared field by field, anything else as a whole, as RFC 7396 has it.
pub fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let mut patch = Map::new();
    for (field, value) in new {
        match old.get(field) {
            Some(known) => {
                if let Some(change) = merge_patch(known, value) {
                    patch.insert(field.clone(), change);
                }
            }
            None => {
                patch.insert(field.clone(), value.clone());
            }
        }
    }
    for field in old.keys().filter(|field| !new.contains_key(*field)) {
        patch.insert(field.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Sends the difference between two statuses of `object`. `None` when there is none.
///
/// # Errors
/// What the API server says against it; [`ClusterError::NotFound`] when the object is gone.
pub async fn patch_status<K: Owned>(
    client: &Client,
    object: &K,
    controller: &str,
    before: &Value,
    after: &Value,
) -> Result<Option<K>, ClusterError> {
    let Some(difference) = merge_patch(before, after) else {
        return Ok(None);
    };
    let key = key_of(object);
    let api: Api<K> = Api::namespaced(client.clone(), &key.namespace);
    let patch = Patch::Merge(json!({ "status": difference }));
    let parameters = as_owner(controller);
    let patched = api.patch_status(&key.name, &parameters, &patch).await;
    patched
        .map(Some)
        .map_err(|error| ClusterError::of(&K::kind(&()), &key, error))
}

/// Replaces the finalizers of `object`, unless it changed since it was read.
///
/// # Errors
/// What the API server says against it, a conflict among them.
pub async fn set_finalizers<K: Owned>(
    client: &Client,
    object: &K,
    controller: &str,
    finalizers: &[String],
) -> Result<K, ClusterError> {
    let key = key_of(object);
    let api: Api<K> = Api::namespaced(client.clone(), &key.namespace);
    let patch = Patch::Merge(json!({
        "metadata": { "finalizers": finalizers, "resourceVersion": object.resource_version() }
    }));
    let patched = api.patch(&key.name, &as_owner(controller), &patch).await;
    patched.map_err(|error| ClusterError::of(&K::kind(&()), &key, error))
}

/// As Flux's controllers, which own what belongs to them under another name than what they apply. Under
/// the same name, applying a Kustomization from Git would take its finalizer away.
fn as_owner(controller: &str) -> PatchParams {
    PatchParams {
        field_manager: Some(format!("gotk-{controller}")),
        ..PatchParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_difference_is_sent() {
        let before = json!({"a": 1, "b": {"c": [1, 2], "d": "x"}, "gone": true});
        let after = json!({"a": 1, "b": {"c": [2], "d": "x", "e": 0}});
        assert_eq!(
            merge_patch(&before, &after),
            Some(json!({"b": {"c": [2], "e": 0}, "gone": null}))
        );
        assert_eq!(merge_patch(&after, &after), None);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i8>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_patch_turns_before_into_after(before in value(), after in value()) {
            let mut patched = before.clone();
            if let Some(patch) = merge_patch(&before, &after) {
                json_patch::merge(&mut patched, &patch);
            }
            prop_assert_eq!(patched, after);
        }
    }
}
