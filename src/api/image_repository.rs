//! ImageRepository: which tags exist at one image name.
//!
//! Invariant: fields, defaults and bounds are Flux's. What is absent: when to scan and what to do
//! with the tags. `spec.image` is a plain text here, because the API server checks nothing of it;
//! the controller does and says what is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{
    Condition, DURATION, LocalObjectReference, SHORT_DURATION, Time, is_false, is_zero, optional,
    text,
};
use super::resource::{AGE, READY, STATUS, column, custom_resource, wide};
use super::schema;
use super::words::words;
use crate::domain::duration::{DurationError, parse_duration};

custom_resource! {
    /// Scans one image repository for its tags.
    ImageRepository { ImageRepositorySpec, ImageRepositoryStatus }
    group: "image.toolkit.fluxcd.io",
    plural: "imagerepositories",
    singular: "imagerepository",
    short: ["imgrepo", "imagerepo"],
    category: "fluxcd-images",
    columns: [
        column("Image", ".spec.image"),
        column("Tags", ".status.lastScanResult.tagCount"),
        READY,
        STATUS,
        wide("Last scan", ".status.lastScanResult.scanTime"),
        AGE,
    ],
    about: "Scans one image repository for its tags.",
}

words! {
    /// Whose login a registry takes.
    RegistryProvider {
        /// A user name and a password or token, or nothing at all.
        #[default]
        Generic = "generic",
        /// Amazon's Elastic Container Registry.
        Aws = "aws",
        /// Azure's Container Registry.
        Azure = "azure",
        /// Google's Artifact Registry.
        Gcp = "gcp",
    }
}

/// Where the tags are, how to reach them, and how often to look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRepositorySpec {
    /// The image's name without scheme, tag and digest, such as `ghcr.io/org/app`.
    pub image: String,
    /// How long to wait between two scans.
    #[schemars(regex(pattern = DURATION))]
    pub interval: String,
    /// How long one scan may take; absent means as long as the interval.
    #[schemars(regex(pattern = SHORT_DURATION))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<String>,
    /// A Secret of type `kubernetes.io/dockerconfigjson` with the registry's login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// A Secret with the keys `address`, `username` and `password` of a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// A ServiceAccount whose image pull secrets log in to the registry.
    #[schemars(length(max = 253))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub service_account_name: Option<String>,
    /// A Secret with a client certificate (`tls.crt`, `tls.key`), a certificate authority
    /// (`ca.crt`), or both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// Whether to leave this object alone. A scan that has begun runs to its end.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// Who in other namespaces may refer to this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
    /// Regular expressions; a tag that one of them matches anywhere is left out.
    #[schemars(length(max = 25))]
    #[serde(default = "default_exclusions")]
    pub exclusion_list: Vec<String>,
    /// Whose login the registry takes.
    #[serde(default)]
    pub provider: RegistryProvider,
    /// Whether the registry is reached over plain HTTP.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
}

/// Signatures of cosign are tags of no image.
fn default_exclusions() -> Vec<String> {
    vec![r"^.*\.sig$".to_owned()]
}

impl Default for ImageRepositorySpec {
    fn default() -> Self {
        Self {
            image: String::new(),
            interval: String::new(),
            timeout: None,
            secret_ref: None,
            proxy_secret_ref: None,
            service_account_name: None,
            cert_secret_ref: None,
            suspend: false,
            access_from: None,
            exclusion_list: default_exclusions(),
            provider: RegistryProvider::default(),
            insecure: false,
        }
    }
}

/// Who in other namespaces may refer to an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessFrom {
    /// A namespace is let in when any of these selects it.
    pub namespace_selectors: Vec<NamespaceSelector>,
}

/// Selects namespaces by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels that a namespace must all have with these values; none selects every namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
}

/// What the last scan found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRepositoryStatus {
    /// The state in conditions, `Ready` first of all.
    #[schemars(schema_with = "schema::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that was reconciled last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// The image's name with all that is implied spelled out, `index.docker.io/library/alpine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canonical_image_name: Option<String>,
    /// What the last scan found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scan_result: Option<ScanResult>,
    /// The exclusion list of the last scan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_exclusion_list: Vec<String>,
    /// The value of the reconcile request that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// What the last scan cost, also one that failed. Flux has no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<ScanCost>,
}

/// What a scan asked of its registry, and what the registry said of its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanCost {
    /// How many requests went to the registry and its token server.
    #[schemars(schema_with = "schema::integer")]
    #[serde(default)]
    pub requests: i64,
    /// How many pages of the tag list were read, or found unchanged.
    #[schemars(schema_with = "schema::integer")]
    #[serde(default)]
    pub pages: i64,
    /// How many of them were found unchanged.
    #[schemars(schema_with = "schema::integer")]
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_modified: i64,
    /// How many tags the registry sent, those that are left out too.
    #[schemars(schema_with = "schema::integer")]
    #[serde(default)]
    pub tags: i64,
    /// How many bytes of tag lists were read.
    #[schemars(schema_with = "schema::integer")]
    #[serde(default)]
    pub bytes: i64,
    /// Whether the tags are those of another object's scan.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shared: bool,
    /// The page at which a scan that broke off was taken up.
    #[schemars(schema_with = "schema::integer")]
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resumed_at_page: i64,
    /// What the registry says is left of its limit.
    #[schemars(schema_with = "schema::integer")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_remaining: Option<i64>,
    /// What its whole limit is.
    #[schemars(schema_with = "schema::integer")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// Until when the registry wants to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Time>,
    /// When the next scan is due, after one that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_scan_time: Option<Time>,
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanResult {
    /// A checksum over the tags: it changes when, and only when, they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// How many tags there are.
    #[schemars(schema_with = "schema::integer")]
    pub tag_count: i64,
    /// When the scan ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_time: Option<Time>,
    /// The first ten tags in descending order of their text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latest_tags: Vec<String>,
}

impl ImageRepositorySpec {
    /// How long to wait between two scans.
    ///
    /// # Errors
    /// When `interval` is no duration, or longer than Go's durations go.
    pub fn interval(&self) -> Result<Duration, DurationError> {
        parse_duration(&self.interval)
    }

    /// How long one scan may take: `timeout`, or else the interval, but never under a second.
    ///
    /// # Errors
    /// When the field that counts is no duration.
    pub fn timeout(&self) -> Result<Duration, DurationError> {
        let asked = optional(self.timeout.as_ref())?;
        let timeout = asked.map_or_else(|| self.interval(), Ok)?;
        Ok(timeout.max(Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::CustomObject;
    use serde_json::json;

    #[test]
    fn an_object_without_defaulted_fields_reads_as_the_api_server_would_default_it() {
        let object: ImageRepository = serde_json::from_value(json!({
            "apiVersion": "image.toolkit.fluxcd.io/v1",
            "kind": "ImageRepository",
            "metadata": {"name": "app", "namespace": "team"},
            "spec": {"image": "ghcr.io/org/app", "interval": "5m", "fromTheFuture": {"a": 1}},
        }))
        .unwrap();
        let expected = ImageRepositorySpec {
            image: "ghcr.io/org/app".to_owned(),
            interval: "5m".to_owned(),
            ..ImageRepositorySpec::default()
        };
        assert_eq!(object.spec, expected);
        assert_eq!(object.spec.exclusion_list, [r"^.*\.sig$"]);
        assert_eq!(object.spec.provider, RegistryProvider::Generic);
        assert!(!object.suspended());
        assert!(object.conditions().is_empty());
    }

    #[test]
    fn an_empty_exclusion_list_stays_empty() {
        let spec: ImageRepositorySpec =
            serde_json::from_value(json!({"image": "a", "interval": "1m", "exclusionList": []}))
                .unwrap();
        assert!(spec.exclusion_list.is_empty());
        assert_eq!(
            serde_json::to_value(&spec).unwrap()["exclusionList"],
            json!([])
        );
    }

    #[test]
    fn a_scan_may_take_the_interval_unless_told_and_never_less_than_a_second() {
        let spec = |timeout: Option<&str>| ImageRepositorySpec {
            interval: "5m".to_owned(),
            timeout: timeout.map(str::to_owned),
            ..ImageRepositorySpec::default()
        };
        assert_eq!(spec(None).timeout(), Ok(Duration::from_secs(300)));
        assert_eq!(spec(Some("30s")).timeout(), Ok(Duration::from_secs(30)));
        assert_eq!(spec(Some("10ms")).timeout(), Ok(Duration::from_secs(1)));
    }
}
