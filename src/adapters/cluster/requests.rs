//! Asking for objects of any kind to be reconciled, as Flux does: by an annotation.
//!
//! Invariant: only metadata is read, and only the one annotation is written. What is absent: which objects those are.

use super::ClusterError;
use crate::domain::object::ObjectKey;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, ObjectMeta, Selector};
use kube::{Api, Client};
use serde_json::json;
use std::collections::BTreeMap;

fn api(client: &Client, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, resource)
}

/// The metadata of one object.
///
/// # Errors
/// [`ClusterError::NotFound`] when there is none, others when the API server does not answer well.
pub async fn metadata(
    client: &Client,
    resource: &ApiResource,
    key: &ObjectKey,
) -> Result<ObjectMeta, ClusterError> {
    let found = api(client, resource, &key.namespace)
        .get_metadata(&key.name)
        .await;
    found
        .map(|object| object.metadata)
        .map_err(|error| ClusterError::of(&resource.kind, key, error))
}

/// The metadata of all objects of a namespace that have these labels.
///
/// # Errors
/// As [`metadata`].
pub async fn labelled(
    client: &Client,
    resource: &ApiResource,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Result<Vec<ObjectMeta>, ClusterError> {
    let selector: Selector = labels.clone().into_iter().collect();
    let parameters = ListParams::default().labels_from(&selector);
    let found = api(client, resource, namespace)
        .list_metadata(&parameters)
        .await;
    let found = found.map_err(|error| {
        ClusterError::of(&resource.kind, &ObjectKey::new(namespace, "*"), error)
    })?;
    Ok(found
        .items
        .into_iter()
        .map(|object| object.metadata)
        .collect())
}

/// Sets `annotation` of an object to a value that it did not have before.
///
/// # Errors
/// As [`metadata`].
pub async fn annotate(
    client: &Client,
    resource: &ApiResource,
    key: &ObjectKey,
    manager: &str,
    (annotation, value): (&str, &str),
) -> Result<(), ClusterError> {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
    let parameters = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let patched = api(client, resource, &key.namespace)
        .patch_metadata(&key.name, &parameters, &patch)
        .await;
    patched
        .map(drop)
        .map_err(|error| ClusterError::of(&resource.kind, key, error))
}
