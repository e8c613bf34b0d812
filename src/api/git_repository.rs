//! GitRepository: which revision of a Git repository is to be used, and the archive of it.
//!
//! Invariant: fields, defaults, bounds and rules are Flux's. What is absent: fetching and archiving.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{
    Condition, DURATION, GitReference, LocalObjectReference, SHORT_DURATION, Time, is_false,
    is_zero, text,
};
use super::resource::{AGE, READY, STATUS, column, custom_resource};
use super::schema;
use super::words::words;
use crate::domain::duration::{DurationError, parse_duration};

custom_resource! {
    /// Makes an archive of a Git repository at some reference.
    GitRepository { GitRepositorySpec, GitRepositoryStatus }
    group: "source.toolkit.fluxcd.io",
    plural: "gitrepositories",
    singular: "gitrepository",
    short: ["gitrepo"],
    category: "fluxcd-sources",
    columns: [column("URL", ".spec.url"), AGE, READY, STATUS],
    about: "Makes an archive of a Git repository at some reference.",
}

/// What the digest of an artifact looks like: an algorithm, a colon, a checksum.
const DIGEST: &str = "^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$";

words! {
    /// Whose login a Git server takes.
    GitProvider {
        /// A password, a token or a key, or nothing at all.
        #[default]
        Generic = "generic",
        /// Amazon's CodeCommit.
        Aws = "aws",
        /// Azure DevOps.
        Azure = "azure",
        /// A GitHub App.
        GitHub = "github",
    }
}

words! {
    /// Which Git objects must be signed.
    VerificationMode {
        /// The older spelling of `HEAD`.
        LowerHead = "head",
        /// The commit that was checked out.
        #[default]
        Head = "HEAD",
        /// The tag that was checked out.
        Tag = "Tag",
        /// The tag and the commit.
        TagAndHead = "TagAndHEAD",
    }
}

/// Where the repository is, what of it is wanted, and how often to look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
    "message": "serviceAccountName can only be set when provider is 'azure' or 'aws'",
}]))]
pub struct GitRepositorySpec {
    /// The repository's address with the scheme `https`, `http` or `ssh`.
    #[schemars(regex(pattern = "^(http|https|ssh)://.*$"))]
    pub url: String,
    /// A Secret with the login: `username` and `password`, `bearerToken`, or `identity` and
    /// `known_hosts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Whose login the server takes; absent means `generic`.
    #[serde(default, skip_serializing_if = "GitProvider::is_default")]
    pub provider: GitProvider,
    /// A ServiceAccount that logs in at the provider `azure` or `aws`.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub service_account_name: Option<String>,
    /// How long to wait between two looks at the repository.
    #[schemars(regex(pattern = DURATION))]
    pub interval: String,
    /// How long one conversation with the server may take.
    #[schemars(regex(pattern = SHORT_DURATION))]
    #[serde(default = "default_timeout", skip_serializing_if = "String::is_empty")]
    pub timeout: String,
    /// Which revision is wanted; absent means the branch `master`.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitReference>,
    /// Which signatures the revision must carry; absent means none.
    #[serde(default, rename = "verify", skip_serializing_if = "Option::is_none")]
    pub verification: Option<GitVerification>,
    /// A Secret with the keys `address`, `username` and `password` of a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// Files to leave out, in the syntax of `.gitignore`; absent means pictures, archives and the
    /// files of CI services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Whether to leave this object alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// Whether submodules are part of the archive.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recurse_submodules: bool,
    /// Other GitRepositories whose archives become part of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<GitInclude>,
    /// The folders that the archive consists of; absent means the whole repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sparse_checkout: Vec<String>,
}

fn default_timeout() -> String {
    "60s".to_owned()
}

/// Which signatures a revision must carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitVerification {
    /// Which Git objects must be signed.
    #[serde(default)]
    pub mode: VerificationMode,
    /// A Secret with the public keys that count: `*.asc` for OpenPGP, `*.sshpub` for SSH.
    pub secret_ref: LocalObjectReference,
}

/// Another GitRepository whose archive becomes part of this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitInclude {
    /// The other GitRepository, in the same namespace.
    pub repository: LocalObjectReference,
    /// What of it is taken; absent means all.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub from_path: Option<String>,
    /// Where it goes; absent means a folder with the other repository's name.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub to_path: Option<String>,
}

/// An archive and where it is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Where the archive lies below the storage's root.
    pub path: String,
    /// Where it is served over HTTP.
    pub url: String,
    /// What it was made from, `main@sha1:...`.
    pub revision: String,
    /// The checksum of its bytes, `sha256:...`.
    #[schemars(regex(pattern = DIGEST))]
    pub digest: String,
    /// When it was made.
    pub last_update_time: Time,
    /// How many bytes it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// What its source says about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// What is stored, and from which settings it came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositoryStatus {
    /// The state in conditions, `Ready` first of all.
    #[schemars(schema_with = "schema::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that was reconciled last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// The archive of the revision that was fetched last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The archives that became part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_artifacts: Vec<Artifact>,
    /// The value of `ignore` that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,
    /// Whether it was made with submodules.
    #[serde(default, skip_serializing_if = "is_false")]
    pub observed_recurse_submodules: bool,
    /// The value of `include` that it was made with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_include: Vec<GitInclude>,
    /// The folders that it was made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_sparse_checkout: Vec<String>,
    /// Which Git objects were verified last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_verification_mode: Option<String>,
    /// The value of the reconcile request that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

impl GitRepositorySpec {
    /// How long to wait between two looks at the repository.
    ///
    /// # Errors
    /// When `interval` is no duration, or longer than Go's durations go.
    pub fn interval(&self) -> Result<Duration, DurationError> {
        parse_duration(&self.interval)
    }

    /// How long one conversation with the server may take.
    ///
    /// # Errors
    /// When `timeout` is no duration, or longer than Go's durations go.
    pub fn timeout(&self) -> Result<Duration, DurationError> {
        let text = if self.timeout.is_empty() {
            "60s"
        } else {
            &self.timeout
        };
        parse_duration(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(more: serde_json::Value) -> GitRepositorySpec {
        let mut written = json!({"url": "https://git.example/fleet", "interval": "1m"});
        for (field, value) in more.as_object().unwrap() {
            written[field] = value.clone();
        }
        serde_json::from_value(written).unwrap()
    }

    #[test]
    fn a_conversation_may_take_a_minute_unless_told() {
        assert_eq!(spec(json!({})).timeout(), Ok(Duration::from_secs(60)));
        assert_eq!(
            spec(json!({"timeout": "5s"})).timeout(),
            Ok(Duration::from_secs(5))
        );
        assert_eq!(
            GitRepositorySpec::default().timeout(),
            Ok(Duration::from_secs(60))
        );
    }

    #[test]
    fn an_empty_ignore_differs_from_none() {
        assert_eq!(spec(json!({})).ignore, None);
        assert_eq!(spec(json!({"ignore": ""})).ignore, Some(String::new()));
    }

    #[test]
    fn verification_is_of_the_commit_unless_told() {
        let verified = spec(json!({"verify": {"secretRef": {"name": "keys"}}}));
        assert_eq!(verified.verification.unwrap().mode, VerificationMode::Head);
    }

    #[test]
    fn an_artifact_of_flux_reads_with_its_time() {
        let written = json!({
            "digest": "sha256:00ff",
            "lastUpdateTime": "2026-11-01T10:20:30Z",
            "path": "gitrepository/team/fleet/0000.tar.gz",
            "revision": "main@sha1:0000",
            "size": 1234,
            "url": "http://source.example./gitrepository/team/fleet/0000.tar.gz",
        });
        let artifact: Artifact = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(
            artifact.last_update_time.0,
            "2026-11-01T10:20:30Z".parse().unwrap()
        );
        assert_eq!(serde_json::to_value(&artifact).unwrap(), written);
    }
}
