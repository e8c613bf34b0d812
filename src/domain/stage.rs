//! In which order objects are applied: stages that wait for one another, kinds inside a stage.
//!
//! Invariant: the order is Flux's and does not depend on the order of the input. Deleting goes
//! the other way round. What is absent: applying, and how long a stage waits.

use super::manifest::Manifest;
use super::object::ObjectId;
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use thiserror::Error;

/// Label with the name of the owning Kustomization.
pub const OWNER_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
/// Label with the namespace of the owning Kustomization.
pub const OWNER_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";

const FIRST: [&str; 23] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

const LAST: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// What the objects of a stage are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StageKind {
    /// Custom resource definitions, namespaces, cluster roles. The next stage waits for them.
    Definitions,
    /// Kinds whose name ends in `Class`. The next stage waits for them.
    Classes,
    /// Kinds the operator chose.
    Custom,
    /// Everything else.
    Rest,
}

impl StageKind {
    /// Whether the objects must be ready before the next stage starts.
    pub fn waits(self) -> bool {
        matches!(self, Self::Definitions | Self::Classes)
    }
}

/// Objects that are applied together, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What they are.
    pub kind: StageKind,
    /// The objects, in order. Never empty.
    pub manifests: Vec<Manifest>,
}

/// A set of `group/Kind` pairs, as `--custom-apply-stage-kinds` lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomKinds(Vec<(String, String)>);

/// Why a list of kinds is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CustomKindsError {
    /// An item has no kind.
    #[error("`{0}` is not `Kind` or `group/Kind`")]
    NoKind(String),
}

impl CustomKinds {
    /// Parses `group/Kind,Kind`; a kind without a group is of the core group.
    ///
    /// # Errors
    /// [`CustomKindsError`] for an item without a kind.
    pub fn parse(text: &str) -> Result<Self, CustomKindsError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        text.split(',')
            .map(|item| {
                let (group, kind) = item.trim().split_once('/').unwrap_or(("", item.trim()));
                if kind.is_empty() {
                    return Err(CustomKindsError::NoKind(item.trim().to_owned()));
                }
                Ok((group.to_owned(), kind.to_owned()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn contains(&self, id: &ObjectId) -> bool {
        self.0
            .iter()
            .any(|(group, kind)| group == id.group() && *kind == id.kind)
    }
}

/// The stage an object belongs to.
pub fn stage_of(id: &ObjectId, custom: &CustomKinds) -> StageKind {
    let kind = id.kind.to_ascii_lowercase();
    let definition = match kind.as_str() {
        "customresourcedefinition" => id.group() == "apiextensions.k8s.io",
        "namespace" => id.api_version == "v1",
        "clusterrole" => id.group() == "rbac.authorization.k8s.io",
        _ => false,
    };
    if definition {
        StageKind::Definitions
    } else if id.kind.ends_with("Class") {
        StageKind::Classes
    } else if custom.contains(id) {
        StageKind::Custom
    } else {
        StageKind::Rest
    }
}

/// Divides `manifests` into stages and sorts each. Stages without objects are left out.
pub fn stages(manifests: Vec<Manifest>, custom: &CustomKinds) -> Vec<Stage> {
    let mut keyed: Vec<(StageKind, ObjectId, Manifest)> = manifests
        .into_iter()
        .map(|manifest| {
            let id = manifest.id();
            (stage_of(&id, custom), id, manifest)
        })
        .collect();
    keyed.sort_by(|one, other| one.0.cmp(&other.0).then_with(|| compare(&one.1, &other.1)));
    let mut stages: Vec<Stage> = Vec::new();
    for (kind, _, manifest) in keyed {
        match stages.last_mut() {
            Some(stage) if stage.kind == kind => stage.manifests.push(manifest),
            _ => stages.push(Stage {
                kind,
                manifests: vec![manifest],
            }),
        }
    }
    stages
}

/// Orders two objects of one stage: by kind, then group, kind, namespace and name. Versions do not
/// count.
pub fn compare(one: &ObjectId, other: &ObjectId) -> Ordering {
    let namespace = |id: &ObjectId| id.namespace.clone().unwrap_or_default();
    rank(&one.kind)
        .cmp(&rank(&other.kind))
        .then_with(|| one.group().cmp(other.group()))
        .then_with(|| one.kind.cmp(&other.kind))
        .then_with(|| namespace(one).cmp(&namespace(other)))
        .then_with(|| one.name.cmp(&other.name))
}

fn rank(kind: &str) -> usize {
    let place = |kinds: &[&str]| kinds.iter().position(|candidate| *candidate == kind);
    match (place(&FIRST), place(&LAST)) {
        (Some(place), _) => place,
        (None, Some(place)) => FIRST.len() + 1 + place,
        (None, None) => FIRST.len(),
    }
}

/// Sets the labels that tell whose object this is.
pub fn set_owner(object: &mut Value, namespace: &str, name: &str) {
    let Some(root) = object.as_object_mut() else {
        return;
    };
    let labels = child(child(root, "metadata"), "labels");
    labels.insert(OWNER_NAME.to_owned(), name.into());
    labels.insert(OWNER_NAMESPACE.to_owned(), namespace.into());
}

/// Sets labels and annotations, over those that the object has.
pub fn set_metadata(
    object: &mut Value,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) {
    let Some(root) = object.as_object_mut() else {
        return;
    };
    for (field, pairs) in [("labels", labels), ("annotations", annotations)] {
        if pairs.is_empty() {
            continue;
        }
        let field = child(child(root, "metadata"), field);
        for (key, value) in pairs {
            field.insert(key.clone(), value.as_str().into());
        }
    }
}

/// Whether the owner labels name that Kustomization.
pub fn is_owned_by(object: &Value, namespace: &str, name: &str) -> bool {
    let label = |key: &str| object.pointer("/metadata/labels")?.get(key)?.as_str();
    label(OWNER_NAME) == Some(name) && label(OWNER_NAMESPACE) == Some(namespace)
}

/// The mapping at `key`, put there when there is none.
fn child<'a>(parent: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = parent.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value
        .as_object_mut()
        .expect("it was an object or has just been made one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(api_version: &str, kind: &str, namespace: &str, name: &str) -> Manifest {
        let object = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": name, "namespace": namespace}
        });
        Manifest::new(object, None).expect("it is an object")
    }

    fn names(stages: &[Stage]) -> Vec<(StageKind, Vec<String>)> {
        stages
            .iter()
            .map(|stage| {
                let ids = stage.manifests.iter().map(|manifest| manifest.id().name);
                (stage.kind, ids.collect())
            })
            .collect()
    }

    #[test]
    fn definitions_come_before_classes_before_chosen_kinds_before_the_rest() {
        let manifests = vec![
            manifest(
                "admissionregistration.k8s.io/v1",
                "ValidatingWebhookConfiguration",
                "",
                "hook",
            ),
            manifest("example.com/v1", "Gadget", "a", "gadget"),
            manifest("apps/v1", "Deployment", "b", "web"),
            manifest("apps/v1", "Deployment", "a", "web-a"),
            manifest("v1", "Secret", "a", "secret"),
            manifest("v1", "ConfigMap", "a", "settings"),
            manifest("storage.k8s.io/v1", "StorageClass", "", "fast"),
            manifest("node.k8s.io/v1", "RuntimeClass", "", "box"),
            manifest("rbac.authorization.k8s.io/v1", "ClusterRole", "", "role"),
            manifest("v1", "Namespace", "", "shop"),
            manifest(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                "",
                "crd",
            ),
            manifest("example.com/v1", "Namespace", "", "not-core"),
            manifest("cert.example.com/v1", "Issuer", "a", "issuer"),
        ];
        let custom = CustomKinds::parse("cert.example.com/Issuer, Nothing").expect("it parses");
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let expected = vec![
            (StageKind::Definitions, owned(&["crd", "shop", "role"])),
            (StageKind::Classes, owned(&["box", "fast"])),
            (StageKind::Custom, owned(&["issuer"])),
            (
                StageKind::Rest,
                owned(&[
                    "not-core", "settings", "secret", "web-a", "web", "gadget", "hook",
                ]),
            ),
        ];
        assert_eq!(names(&stages(manifests.clone(), &custom)), expected);
        let backwards: Vec<Manifest> = manifests.into_iter().rev().collect();
        assert_eq!(names(&stages(backwards, &custom)), expected);
    }

    #[test]
    fn only_definitions_and_classes_are_waited_for() {
        assert!(StageKind::Definitions.waits() && StageKind::Classes.waits());
        assert!(!StageKind::Custom.waits() && !StageKind::Rest.waits());
    }

    #[test]
    fn a_chosen_kind_needs_a_name() {
        assert_eq!(CustomKinds::parse(""), Ok(CustomKinds::default()));
        assert_eq!(
            CustomKinds::parse("apps/"),
            Err(CustomKindsError::NoKind("apps/".to_owned()))
        );
    }

    #[test]
    fn metadata_is_set_over_what_there_is() {
        let mut object =
            json!({"metadata": {"labels": {"app": "web", "team": "a"}, "annotations": null}});
        let pairs = |key: &str| BTreeMap::from([(key.to_owned(), "b".to_owned())]);
        set_metadata(&mut object, &pairs("team"), &pairs("note"));
        let expected = json!({"labels": {"app": "web", "team": "b"}, "annotations": {"note": "b"}});
        assert_eq!(object["metadata"], expected);
        let before = object.clone();
        set_metadata(&mut object, &BTreeMap::new(), &BTreeMap::new());
        assert_eq!(object, before);
    }

    #[test]
    fn the_owner_labels_join_the_others() {
        let mut object = json!({"metadata": {"name": "a", "labels": {"app": "web"}}});
        assert!(!is_owned_by(&object, "flux-system", "apps"));
        set_owner(&mut object, "flux-system", "apps");
        assert_eq!(object["metadata"]["labels"]["app"], "web");
        assert!(is_owned_by(&object, "flux-system", "apps"));
        assert!(!is_owned_by(&object, "flux-system", "other"));

        let mut bare = json!({"metadata": null});
        set_owner(&mut bare, "a", "b");
        assert!(is_owned_by(&bare, "a", "b"));
    }
}
