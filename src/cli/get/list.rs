//! Asking the API server for the objects of a kind.

use super::kinds::Kind;
use crate::adapters::cluster::ClusterError;
use crate::cli::failure::Failure;
use crate::domain::object::ObjectKey;
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::{Api, Client};
use serde_json::Value;

/// How many objects one request asks for.
const PAGE: u32 = 500;

/// Which objects are asked for.
pub(super) struct Scope<'a> {
    /// Of this namespace; of all when `None`.
    pub(super) namespace: Option<&'a str>,
    /// With this name.
    pub(super) name: Option<&'a str>,
    /// With these labels.
    pub(super) labels: Option<&'a str>,
}

/// The objects in the order of the API server; `None` when it does not know the kind.
pub(super) async fn list(
    client: &Client,
    kind: &Kind,
    scope: &Scope<'_>,
) -> Result<Option<Vec<DynamicObject>>, Failure> {
    let resource = (kind.resource)();
    let api: Api<DynamicObject> = match scope.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let mut parameters = ListParams::default().limit(PAGE);
    if let Some(name) = scope.name {
        parameters = parameters.fields(&format!("metadata.name={name}"));
    }
    if let Some(labels) = scope.labels {
        parameters = parameters.labels(labels);
    }
    let mut objects = Vec::new();
    loop {
        let page = match api.list(&parameters).await {
            Ok(page) => page,
            // A kind that is not there is a path that is not there: no status object comes with it.
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(error) => return Err(failed(kind, scope, error)),
        };
        objects.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return Ok(Some(objects)),
        }
    }
}

fn failed(kind: &Kind, scope: &Scope<'_>, error: kube::Error) -> Failure {
    let place = scope.namespace.unwrap_or("any namespace");
    Failure::from(ClusterError::of(
        kind.name,
        &ObjectKey::new("", place),
        error,
    ))
}

/// What to say of a cluster that does not know the kind.
pub(super) fn not_installed(kind: &Kind) -> Failure {
    let resource = (kind.resource)();
    let words = format!(
        "no matches for kind \"{}\" in version \"{}\"",
        resource.kind, resource.api_version
    );
    Failure::new(words)
        .with_hint("install it with `highwater crds | kubectl apply --server-side -f -`")
}

/// The object with its kind, which items of a list lack, and without the bookkeeping of field owners.
pub(super) fn whole(kind: &Kind, object: &DynamicObject) -> Value {
    let resource = (kind.resource)();
    let mut metadata = object.metadata.clone();
    metadata.managed_fields = None;
    let mut whole = serde_json::json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
    });
    if let (Value::Object(whole), Value::Object(rest)) = (&mut whole, &object.data) {
        for (field, value) in rest {
            whole.entry(field).or_insert_with(|| value.clone());
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::super::kinds::{IMAGE_POLICY, KUSTOMIZATION};
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_of_a_list_gets_its_kind_and_loses_the_field_owners() {
        let item = json!({
            "metadata": {"name": "web", "managedFields": [{"manager": "kubectl"}]},
            "spec": {"suspend": true, "unknown": [1]}, "status": {"observedGeneration": 2}
        });
        let object = serde_json::from_value(item).expect("it has metadata");
        assert_eq!(
            whole(&IMAGE_POLICY, &object),
            json!({
                "apiVersion": "image.toolkit.fluxcd.io/v1", "kind": "ImagePolicy", "metadata": {"name": "web"},
                "spec": {"suspend": true, "unknown": [1]}, "status": {"observedGeneration": 2}
            })
        );
    }

    #[test]
    fn a_cluster_without_the_kind_is_told_how_to_get_it() {
        let failure = not_installed(&KUSTOMIZATION);
        assert_eq!(
            failure.message,
            "no matches for kind \"Kustomization\" in version \"kustomize.toolkit.fluxcd.io/v1\""
        );
        assert!(
            failure
                .hint
                .is_some_and(|hint| hint.contains("highwater crds"))
        );
    }
}
