//! The identity of a Kubernetes object, as manifests, inventories and reports name it.
//!
//! Invariant: an [`ObjectId`] has a non-empty kind and name. What is absent: whether the kind is
//! namespaced; that is known to the cluster, not to the text.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Names one custom resource: its kind is known from where the key is used.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectKey {
    /// Names an object.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// `namespace/name`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// What identifies one object: version, kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectId {
    /// `group/version`, or only `version` for the core group.
    pub api_version: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The namespace, if the object states one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl ObjectId {
    /// Reads the identity out of a manifest. `None` when kind or name is missing or not a string.
    pub fn from_value(object: &Value) -> Option<Self> {
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let metadata = object.get("metadata")?;
        Some(Self {
            api_version: object.get("apiVersion").and_then(text).unwrap_or_default(),
            kind: object.get("kind").and_then(text)?,
            namespace: metadata.get("namespace").and_then(text),
            name: metadata.get("name").and_then(text)?,
        })
    }

    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// The API version without its group.
    pub fn version(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or(self.api_version.as_str(), |(_, version)| version)
    }
}

/// `Kind/namespace/name`, or `Kind/name` without a namespace: as Flux prints objects.
impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}/")?;
        }
        formatter.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_printed_as_flux_prints_it() {
        let namespaced = ObjectId::from_value(&json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}
        }))
        .expect("the manifest names an object");
        assert_eq!(namespaced.to_string(), "Deployment/shop/web");
        assert_eq!((namespaced.group(), namespaced.version()), ("apps", "v1"));

        let cluster_wide = ObjectId::from_value(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}
        }))
        .expect("the manifest names an object");
        assert_eq!(cluster_wide.to_string(), "Namespace/shop");
        assert_eq!((cluster_wide.group(), cluster_wide.version()), ("", "v1"));
    }

    #[test]
    fn a_document_without_kind_or_name_is_not_an_object() {
        for document in [
            json!({"kind": "Deployment"}),
            json!({"metadata": {"name": "web"}}),
            json!({"kind": "Deployment", "metadata": {"name": 7}}),
            json!({"kind": "Deployment", "metadata": "web"}),
            json!(["kind"]),
        ] {
            assert_eq!(ObjectId::from_value(&document), None, "{document}");
        }
    }
}
