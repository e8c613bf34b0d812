//! What several kinds share: references, the reconcile annotations, and how absent text reads.
//!
//! Invariant: an empty text in a spec means the same as an absent field, as Go's `omitempty` has
//! it, so no reader ever meets `Some("")`. What is absent: anything that belongs to one kind.

use std::time::Duration;

use kube::Resource;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::duration::{DurationError, parse_duration};
use crate::domain::image::ImageRef;

/// A condition of a status, as Kubernetes defines it.
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
/// A label selector, as Kubernetes defines it.
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
/// A time of a status; it wraps a `jiff::Timestamp` and is written in whole seconds.
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The finalizer that Flux's controllers set, and so do these.
pub const FINALIZER: &str = "finalizers.fluxcd.io";

/// The annotation whose every new value asks for a reconciliation at once.
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";

/// The annotation that keeps Flux's variable substitution away from an object.
pub const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// The durations that a custom resource takes: whole or fractional `ms`, `s`, `m`, `h`.
pub(super) const DURATION: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";

/// The same without hours, which Flux allows for a network timeout.
pub(super) const SHORT_DURATION: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$";

/// The value of the annotation [`REQUESTED_AT`], when it stands and is not empty.
pub fn requested_at(object: &impl Resource) -> Option<&str> {
    let annotations = object.meta().annotations.as_ref()?;
    let token = annotations.get(REQUESTED_AT)?.as_str();
    (!token.is_empty()).then_some(token)
}

/// The annotation of an ImagePolicy by which a person lets its selection go down: the tag that may be selected although it is
/// lower than the one that vanished.
pub const ACCEPT_TAG: &str = "image.highwater.dev/accept-tag";

/// The value of the annotation [`ACCEPT_TAG`].
pub fn accepted_tag(object: &impl Resource) -> Option<&str> {
    let annotations = object.meta().annotations.as_ref()?;
    annotations.get(ACCEPT_TAG).map(String::as_str)
}

/// The annotation of an ImageUpdateAutomation by which a person has closed pull requests proposed again: their numbers, with commas
/// in between.
pub const PROPOSE_AGAIN: &str = "image.highwater.dev/propose-again";

/// The value of the annotation [`PROPOSE_AGAIN`].
pub fn proposed_again(object: &impl Resource) -> Option<&str> {
    let annotations = object.meta().annotations.as_ref()?;
    annotations.get(PROPOSE_AGAIN).map(String::as_str)
}

/// The label of ImagePolicies that share a pull request: the name of their bundle.
pub const BUNDLE: &str = "image.highwater.dev/bundle";

/// Whether the object carries the finalizer [`FINALIZER`].
pub fn has_finalizer(object: &impl Resource) -> bool {
    let finalizers = object.meta().finalizers.iter().flatten();
    finalizers
        .into_iter()
        .any(|finalizer| finalizer == FINALIZER)
}

/// Names an object of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalObjectReference {
    /// The object's name.
    pub name: String,
}

/// Names an object, here or in another namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamespacedObjectReference {
    /// The object's name.
    pub name: String,
    /// The object's namespace; absent means the namespace of the object that refers to it.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub namespace: Option<String>,
}

/// A Git reference. When several fields are set, `commit` wins over `name`, `name` over `semver`,
/// `semver` over `tag`, and `tag` over `branch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GitReference {
    /// The branch to check out; with nothing set it is `master`.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub branch: Option<String>,
    /// The tag to check out.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub tag: Option<String>,
    /// A version range; the highest tag within it is checked out.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub semver: Option<String>,
    /// A full reference name such as `refs/heads/main` or `refs/pull/7/head`.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<String>,
    /// The commit to check out; together with `branch` it is expected on that branch.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub commit: Option<String>,
}

/// An image with the tag that a policy selected, as it stands in a status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageReference {
    /// The image's name without a tag.
    pub name: String,
    /// The image's tag.
    pub tag: String,
    /// The image's digest, when the policy reflects digests.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub digest: Option<String>,
}

impl From<&ImageReference> for ImageRef {
    fn from(reference: &ImageReference) -> Self {
        Self {
            name: reference.name.clone(),
            tag: reference.tag.clone(),
            digest: reference.digest.clone(),
        }
    }
}

/// Reads a text, and takes an empty one for an absent field.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let read: Option<String> = Option::deserialize(deserializer)?;
    Ok(read.filter(|text| !text.is_empty()))
}

/// Whether a flag stands at its default, and need not be written.
pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

/// Whether a number stands at its zero value, and need not be written.
pub(super) fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Reads an optional duration field.
pub(super) fn optional(text: Option<&String>) -> Result<Option<Duration>, DurationError> {
    text.map(|text| parse_duration(text)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    fn annotated(token: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.annotations = Some([(REQUESTED_AT.to_owned(), token.to_owned())].into());
        object
    }

    #[test]
    fn a_request_is_the_annotations_value_and_an_empty_one_is_none() {
        assert_eq!(
            requested_at(&annotated("2026-11-01T00:00:00Z")),
            Some("2026-11-01T00:00:00Z")
        );
        assert_eq!(requested_at(&annotated("")), None);
        assert_eq!(requested_at(&ConfigMap::default()), None);
    }

    #[test]
    fn only_fluxs_finalizer_counts() {
        let mut object = ConfigMap::default();
        assert!(!has_finalizer(&object));
        object.metadata.finalizers = Some(vec!["foregroundDeletion".to_owned()]);
        assert!(!has_finalizer(&object));
        object.metadata.finalizers = Some(vec!["a".to_owned(), "finalizers.fluxcd.io".to_owned()]);
        assert!(has_finalizer(&object));
    }

    #[test]
    fn an_empty_text_reads_as_an_absent_field() {
        let read: GitReference =
            serde_json::from_value(json!({"branch": "", "tag": null, "name": "refs/heads/x"}))
                .unwrap();
        let expected = GitReference {
            name: Some("refs/heads/x".to_owned()),
            ..Default::default()
        };
        assert_eq!(read, expected);
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            json!({"name": "refs/heads/x"})
        );
    }

    #[test]
    fn an_absent_duration_is_none_and_a_bad_one_an_error() {
        assert_eq!(optional(None), Ok(None));
        assert_eq!(
            optional(Some(&"1m".to_owned())),
            Ok(Some(Duration::from_secs(60)))
        );
        assert!(optional(Some(&"99999999999999999999h".to_owned())).is_err());
    }
}
