//! What a Kustomization changes between the files of its source and the objects it applies.
//!
//! Invariant: an absent field changes nothing. What is absent: the building.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::common::{LocalObjectReference, text};
use crate::api::words::words;

words! {
    /// When variables are substituted.
    SubstituteStrategy {
        /// When at least one variable is defined.
        #[default]
        WithVariables = "WithVariables",
        /// Always.
        Always = "Always",
    }
}

words! {
    /// What kind of object holds variables.
    SubstituteKind {
        /// A Secret.
        #[default]
        Secret = "Secret",
        /// A ConfigMap.
        ConfigMap = "ConfigMap",
    }
}

words! {
    /// Which notes kustomize leaves on what it builds.
    BuildMetadata {
        /// Where an object came from.
        #[default]
        OriginAnnotations = "originAnnotations",
        /// What changed an object.
        TransformerAnnotations = "transformerAnnotations",
    }
}

words! {
    /// How Secrets in Git are encrypted.
    DecryptionProvider {
        /// By SOPS.
        #[default]
        Sops = "sops",
    }
}

/// A patch over what is built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KustomizePatch {
    /// A strategic merge patch, or a list of JSON patch operations, as YAML.
    pub patch: String,
    /// Which objects it is for; absent means the one it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ObjectSelector>,
}

/// Selects built objects; what is absent matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectSelector {
    /// The API group.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub group: Option<String>,
    /// The version within the group.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub version: Option<String>,
    /// The kind.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<String>,
    /// The name.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<String>,
    /// The namespace.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub namespace: Option<String>,
    /// A selector in text over the labels, `app=web,tier!=db`.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub label_selector: Option<String>,
    /// The same over the annotations.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub annotation_selector: Option<String>,
}

/// An image to exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizeImage {
    /// The image's name without a tag, as the files have it.
    pub name: String,
    /// The name to put in its place.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub new_name: Option<String>,
    /// The tag to put in its place.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub new_tag: Option<String>,
    /// The digest to put in place of the tag.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub digest: Option<String>,
}

/// Labels and annotations that every built object gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommonMetadata {
    /// The labels; they win over those that an object has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The annotations; they win over those that an object has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What is done to the text between building and applying.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostBuild {
    /// When variables are substituted; absent means `WithVariables`.
    #[serde(default, skip_serializing_if = "SubstituteStrategy::is_default")]
    pub substitute_strategy: SubstituteStrategy,
    /// Variables and their values; they win over those of `substituteFrom`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub substitute: BTreeMap<String, String>,
    /// Objects whose data are variables; a later one wins over an earlier one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub substitute_from: Vec<SubstituteReference>,
}

/// An object whose data are variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubstituteReference {
    /// The object's kind.
    pub kind: SubstituteKind,
    /// The object's name, in the Kustomization's namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Whether the object may be missing.
    #[serde(default)]
    pub optional: bool,
}

/// How Secrets are decrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decryption {
    /// By what means.
    pub provider: DecryptionProvider,
    /// A Secret with private keys or a cloud's credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// A ServiceAccount that logs in to a cloud's key service.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub service_account_name: Option<String>,
}
