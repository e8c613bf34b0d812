//! ImagePolicy: which of the scanned tags is the one to run.
//!
//! Invariant: fields, defaults, bounds and rules are Flux's; its schema lets a policy choose in
//! several ways or in none, and so does this one for Flux's own choices. `calver`, `newest` and
//! `status.selection` are additions. What is absent: the choosing.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{
    Condition, DURATION, ImageReference, NamespacedObjectReference, is_false, is_zero, optional,
    text,
};
use super::resource::{AGE, READY, STATUS, column, custom_resource};
use super::schema;
use super::words::words;
use crate::domain::duration::DurationError;
use crate::domain::policy::{DEFAULT_LIMIT, LARGEST_LIMIT};

custom_resource! {
    /// Selects one tag of an ImageRepository.
    ImagePolicy { ImagePolicySpec, ImagePolicyStatus }
    group: "image.toolkit.fluxcd.io",
    plural: "imagepolicies",
    singular: "imagepolicy",
    short: ["imgpol", "imagepol"],
    category: "fluxcd-images",
    columns: [
        column("Image", ".status.latestRef.name"),
        column("Tag", ".status.latestRef.tag"),
        READY,
        STATUS,
        AGE,
    ],
    about: "Selects one tag of an ImageRepository.",
}

words! {
    /// Whether the digest of the selected tag is looked up.
    DigestReflection {
        /// At every reconciliation, so that a tag that moved is noticed.
        Always = "Always",
        /// Once for each selected tag.
        IfNotPresent = "IfNotPresent",
        /// Not at all.
        #[default]
        Never = "Never",
    }
}

words! {
    /// Which end of an ordered list is the newest.
    SortOrder {
        /// The last in ascending order is selected.
        #[default]
        Ascending = "asc",
        /// The last in descending order, that is the smallest, is selected.
        Descending = "desc",
    }
}

words! {
    /// A time of an image.
    ImageTime {
        /// When it was built, as it says itself.
        #[default]
        Created = "created",
        /// When the registry got it, as the registry says.
        Pushed = "pushed",
    }
}

/// Which tags stand for election, and how the one is chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.interval) || (has(self.digestReflectionPolicy) && self.digestReflectionPolicy == 'Always')",
        "message": "spec.interval is only accepted when spec.digestReflectionPolicy is set to 'Always'",
    },
    {
        "rule": "has(self.interval) || !has(self.digestReflectionPolicy) || self.digestReflectionPolicy != 'Always'",
        "message": "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'",
    },
]))]
pub struct ImagePolicySpec {
    /// The ImageRepository whose tags stand for election.
    pub image_repository_ref: NamespacedObjectReference,
    /// How the tag is chosen.
    pub policy: PolicyChoice,
    /// Which tags stand for election; absent means all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_tags: Option<TagFilter>,
    /// Whether the status carries the digest of the selected tag.
    #[serde(default)]
    pub digest_reflection_policy: DigestReflection,
    /// How often the digest is looked up again. It goes with `digestReflectionPolicy: Always`, and
    /// only with it.
    #[schemars(regex(pattern = DURATION))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub interval: Option<String>,
    /// Whether to leave this object alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

/// One way of choosing. When several of semver, alphabetical and numerical are set, the first counts;
/// calver and newest stand alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!(has(self.calver) || has(self.newest)) || [has(self.semver), has(self.alphabetical), has(self.numerical), has(self.calver), has(self.newest)].exists_one(given, given)",
        "message": "exactly one of semver, alphabetical, numerical, calver or newest must be specified",
    },
]))]
pub struct PolicyChoice {
    /// The highest version within a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver: Option<SemVerChoice>,
    /// The last in the order of the tags' text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alphabetical: Option<OrderChoice>,
    /// The last in the order of the tags' numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numerical: Option<OrderChoice>,
    /// The latest calendar version. Not in Flux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calver: Option<CalVerChoice>,
    /// The newest image, whatever its tag. Not in Flux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<NewestChoice>,
}

/// The highest version within a range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SemVerChoice {
    /// The range, such as `^1.2` or `>=1.0.0 <2.0.0`.
    pub range: String,
}

/// The last in some order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderChoice {
    /// The direction: `asc` selects the greatest, `desc` the smallest.
    #[serde(default)]
    pub order: SortOrder,
}

/// The latest calendar version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CalVerChoice {
    /// How the tags are built, in the words of calver.org: YYYY, YY, 0Y, MM, 0M, WW, 0W, DD, 0D, MAJOR,
    /// MINOR, MICRO and MODIFIER, with separators; what stands in brackets may be missing. Such as
    /// `YYYY.0M.MICRO` or `YY.0M[.MICRO]`. Other tags, and days that the calendar has not, do not count.
    pub layout: String,
}

/// The newest image, whatever its tag. Each image is asked for once; that a tag moved is noticed when somebody
/// asks for a reconciliation, and at every `spec.interval` with `digestReflectionPolicy: Always`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewestChoice {
    /// By which time: `created` is when the image was built, as its annotation
    /// `org.opencontainers.image.created` or its configuration says; `pushed` is when the registry got it,
    /// which only some registries tell.
    #[serde(default)]
    pub by: ImageTime,
    /// The most tags that are asked for their time. With more than that nothing is selected: the newest
    /// of a part may not be the newest of all.
    #[schemars(schema_with = "newest_limit")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

fn newest_limit(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT})
}

/// Which tags stand for election, and what of them is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagFilter {
    /// A regular expression that a tag must match.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub pattern: Option<String>,
    /// What is compared in place of the tag: groups of the pattern, such as `$ts` or `$1`.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub extract: Option<String>,
}

/// What was selected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyStatus {
    /// The state in conditions, `Ready` first of all.
    #[schemars(schema_with = "schema::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that was reconciled last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// The image with the selected tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_ref: Option<ImageReference>,
    /// What `latestRef` was before it changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_previous_ref: Option<ImageReference>,
    /// Why `latestRef` is what it is. Not in Flux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// The value of the reconcile request that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

/// Why a tag is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// The reason in one sentence; `highwater explain` tells the whole.
    pub why: String,
    /// The tag that would be selected next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The time of the image (RFC 3339), where it was selected for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The revision of the tags that it was selected from.
    pub revision: String,
    /// Digest of `spec.policy` and `spec.filterTags` as they were: another policy may select a lower tag.
    pub policy: String,
}

impl ImagePolicySpec {
    /// How often the digest is looked up again, if it is.
    ///
    /// # Errors
    /// When `interval` is no duration, or longer than Go's durations go.
    pub fn interval(&self) -> Result<Option<Duration>, DurationError> {
        optional(self.interval.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_word_of_a_newer_flux_reads_and_is_written_back_as_it_stood() {
        let written = json!({
            "imageRepositoryRef": {"name": "app"},
            "policy": {"numerical": {"order": "sideways"}},
            "digestReflectionPolicy": "OnTuesdays",
        });
        let spec: ImagePolicySpec = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(
            spec.digest_reflection_policy,
            DigestReflection::Other("OnTuesdays".to_owned())
        );
        assert_eq!(serde_json::to_value(&spec).unwrap(), written);
    }

    #[test]
    fn orders_ascend_and_digests_are_left_alone_unless_told() {
        let spec: ImagePolicySpec = serde_json::from_value(json!({
            "imageRepositoryRef": {"name": "app"},
            "policy": {"alphabetical": {}},
        }))
        .unwrap();
        assert_eq!(
            spec.policy.alphabetical.unwrap().order,
            SortOrder::Ascending
        );
        assert_eq!(spec.digest_reflection_policy, DigestReflection::Never);
    }
}
