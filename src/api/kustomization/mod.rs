//! Kustomization: what of a source is applied to the cluster, and how.
//!
//! Invariant: fields, defaults, bounds and rules are Flux's. What is absent: building, applying and
//! waiting.

mod build;
mod scope;
mod status;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{DURATION, is_false, optional, text};
use super::resource::{AGE, READY, STATUS, custom_resource};
use crate::domain::duration::{DurationError, parse_duration};

pub use build::{
    BuildMetadata, CommonMetadata, Decryption, DecryptionProvider, KustomizeImage, KustomizePatch,
    ObjectSelector, PostBuild, SubstituteKind, SubstituteReference, SubstituteStrategy,
};
pub use scope::{
    DeletionPolicy, Dependency, HealthExpression, IgnoreRule, KubeConfigReference, ObjectReference,
    SecretKeyReference, SourceKind, SourceReference,
};
pub use status::{Inventory, InventoryEntry, KustomizationStatus, Snapshot};

custom_resource! {
    /// Applies a folder of a source to a cluster.
    Kustomization { KustomizationSpec, KustomizationStatus }
    group: "kustomize.toolkit.fluxcd.io",
    plural: "kustomizations",
    singular: "kustomization",
    short: ["ks"],
    category: "fluxcd-appliers",
    columns: [AGE, READY, STATUS],
    about: "Applies a folder of a source to a cluster.",
}

/// What is built, where it is applied, and how the result is judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizationSpec {
    /// The source of the files.
    pub source_ref: SourceReference,
    /// How long to wait between two reconciliations.
    #[schemars(regex(pattern = DURATION))]
    pub interval: String,
    /// How long to wait after a failure; absent means as long as the interval.
    #[schemars(regex(pattern = DURATION))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub retry_interval: Option<String>,
    /// How long one reconciliation may take with all its waiting; absent means half a minute less
    /// than the interval.
    #[schemars(regex(pattern = DURATION))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<String>,
    /// Whether objects that are no longer built are deleted.
    pub prune: bool,
    /// What becomes of the applied objects when this object is deleted; absent means
    /// `MirrorPrune`.
    #[serde(default, skip_serializing_if = "DeletionPolicy::is_default")]
    pub deletion_policy: DeletionPolicy,
    /// The folder to build; absent means the source's root.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub path: Option<String>,
    /// Other Kustomizations that must be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// The namespace that every built object is moved to.
    #[schemars(length(min = 1, max = 63))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub target_namespace: Option<String>,
    /// What every built object's name begins with.
    #[schemars(length(min = 1, max = 200))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub name_prefix: Option<String>,
    /// What every built object's name ends with.
    #[schemars(length(min = 1, max = 200))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub name_suffix: Option<String>,
    /// Patches over what is built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<KustomizePatch>,
    /// Images to exchange in what is built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<KustomizeImage>,
    /// Folders of kustomize components to add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Whether a component that does not exist is passed over.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_missing_components: bool,
    /// Which notes kustomize leaves on what it builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub build_metadata: Vec<BuildMetadata>,
    /// Labels and annotations that every built object gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// What is done to the text between building and applying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_build: Option<PostBuild>,
    /// How Secrets are decrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decryption: Option<Decryption>,
    /// Objects whose health is waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<ObjectReference>,
    /// How the health of kinds is judged that have no common form of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_check_exprs: Vec<HealthExpression>,
    /// Whether the health of everything applied is waited for; `healthChecks` then has no say.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wait: bool,
    /// Whether an object is deleted and made anew when a field that cannot change must.
    #[serde(default)]
    pub force: bool,
    /// Whether to leave this object alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// The ServiceAccount of this namespace in whose name objects are applied.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub service_account_name: Option<String>,
    /// How another cluster is reached; absent means this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_config: Option<KubeConfigReference>,
    /// Fields of applied objects that others may change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreRule>,
}

/// What a reconciliation leaves of its interval to the next one.
const MARGIN: Duration = Duration::from_secs(30);

impl KustomizationSpec {
    /// How long to wait between two reconciliations.
    ///
    /// # Errors
    /// When `interval` is no duration, or longer than Go's durations go.
    pub fn interval(&self) -> Result<Duration, DurationError> {
        parse_duration(&self.interval)
    }

    /// How long to wait after a failure: `retryInterval`, or else the interval.
    ///
    /// # Errors
    /// When the field that counts is no duration.
    pub fn retry_interval(&self) -> Result<Duration, DurationError> {
        let asked = optional(self.retry_interval.as_ref())?;
        asked.map_or_else(|| self.interval(), Ok)
    }

    /// How long one reconciliation may take: `timeout`, or else the interval less 30 s, and never
    /// under 30 s.
    ///
    /// # Errors
    /// When the field that counts is no duration.
    pub fn timeout(&self) -> Result<Duration, DurationError> {
        let timeout = match optional(self.timeout.as_ref())? {
            Some(timeout) => timeout,
            None => self.interval()?.saturating_sub(MARGIN),
        };
        Ok(timeout.max(MARGIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(timeout: Option<&str>, retry: Option<&str>, interval: &str) -> KustomizationSpec {
        KustomizationSpec {
            interval: interval.to_owned(),
            timeout: timeout.map(str::to_owned),
            retry_interval: retry.map(str::to_owned),
            ..KustomizationSpec::default()
        }
    }

    #[test]
    fn a_reconciliation_may_take_the_interval_less_half_a_minute() {
        let timeout =
            |timeout, interval| spec(timeout, None, interval).timeout().unwrap().as_secs();
        assert_eq!(timeout(None, "10m"), 570);
        assert_eq!(timeout(None, "40s"), 30);
        assert_eq!(timeout(None, "5s"), 30);
        assert_eq!(timeout(Some("2m"), "10m"), 120);
        assert_eq!(timeout(Some("1s"), "10m"), 30);
    }

    #[test]
    fn a_failure_is_retried_after_the_interval_unless_told() {
        let retry = |retry| spec(None, retry, "10m").retry_interval().unwrap().as_secs();
        assert_eq!(retry(None), 600);
        assert_eq!(retry(Some("15s")), 15);
    }

    #[test]
    fn an_interval_too_long_for_go_is_an_error() {
        assert!(spec(None, None, "9999999999999h").interval().is_err());
        assert!(spec(None, None, "9999999999999h").timeout().is_err());
    }

    #[test]
    fn an_inventory_is_written_in_fluxs_short_form() {
        let entry = InventoryEntry {
            id: "team_web_apps_Deployment".to_owned(),
            version: "v1".to_owned(),
        };
        let status = KustomizationStatus {
            inventory: Some(Inventory {
                entries: vec![entry],
            }),
            ..KustomizationStatus::default()
        };
        let expected =
            json!({"inventory": {"entries": [{"id": "team_web_apps_Deployment", "v": "v1"}]}});
        assert_eq!(serde_json::to_value(&status).unwrap(), expected);
    }
}
