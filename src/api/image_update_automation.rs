//! ImageUpdateAutomation: where in Git the selected tags are written, and as whom.
//!
//! Invariant: fields, defaults and bounds are Flux's; `git` is optional in its schema, and the
//! controller says so when it is missing. What is absent: the writing.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{
    Condition, DURATION, GitReference, ImageReference, LabelSelector, LocalObjectReference, Time,
    is_false, is_zero, text,
};
use super::pull_request::{PullRequestSpec, PullRequestStatus};
use super::resource::{AGE, READY, STATUS, custom_resource, wide};
use super::schema;
use super::words::words;
use crate::domain::duration::{DurationError, parse_duration};

custom_resource! {
    /// Writes the selected tags into a Git repository.
    ImageUpdateAutomation { ImageUpdateAutomationSpec, ImageUpdateAutomationStatus }
    group: "image.toolkit.fluxcd.io",
    plural: "imageupdateautomations",
    singular: "imageupdateautomation",
    short: ["iua", "imgupd", "imgauto"],
    category: "fluxcd-images",
    columns: [READY, STATUS, wide("Last run", ".status.lastAutomationRunTime"), AGE],
    about: "Writes the selected tags into a Git repository.",
}

words! {
    /// What kind of object an automation writes to.
    UpdateSourceKind {
        /// A GitRepository.
        #[default]
        GitRepository = "GitRepository",
    }
}

words! {
    /// What kind of key signs a commit.
    SigningKeyType {
        /// An OpenPGP key.
        #[default]
        Gpg = "gpg",
        /// An SSH key.
        Ssh = "ssh",
    }
}

words! {
    /// What gets a commit of its own. Flux has no such field: there it is an automation.
    CommitPer {
        /// All changes of one automation.
        #[default]
        Automation = "automation",
        /// The changes of each policy.
        Policy = "policy",
        /// The changes of all automations that are pushed together.
        Push = "push",
    }
}

words! {
    /// Who makes the commits. Flux has no such field: there it is the controller.
    CommitVia {
        /// The controller, which pushes them over Git.
        #[default]
        Git = "git",
        /// GitHub, asked by its API: it signs them and shows them as verified.
        GitHub = "github",
    }
}

words! {
    /// How an automation finds what to write.
    UpdateStrategyName {
        /// By the markers in comments.
        #[default]
        Setters = "Setters",
    }
}

/// Where the tags are written, as whom, and how often to look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdateAutomationSpec {
    /// The object that says how the Git repository is reached.
    pub source_ref: UpdateSourceReference,
    /// What is checked out, committed and pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSpec>,
    /// How long to wait between two runs, at the least.
    #[schemars(regex(pattern = DURATION))]
    pub interval: String,
    /// Which policies of this namespace take part; absent means all of them.
    #[schemars(schema_with = "schema::label_selector")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_selector: Option<LabelSelector>,
    /// How the files are changed.
    #[serde(default)]
    pub update: UpdateStrategy,
    /// Whether to leave this object alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

/// Names the source that an automation writes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
// Flux requires the kind and gives it a default too: the API server fills it in before it checks.
#[schemars(extend("required" = ["kind", "name"]))]
pub struct UpdateSourceReference {
    /// The group and version of the source; absent means the one that is known.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub api_version: Option<String>,
    /// The source's kind.
    #[serde(default)]
    pub kind: UpdateSourceKind,
    /// The source's name.
    pub name: String,
    /// The source's namespace; absent means the automation's own.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub namespace: Option<String>,
}

/// What is checked out, committed and pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.pullRequest) || !has(self.push) || (!has(self.push.branch) && !has(self.push.refspec))",
    "message": "push.branch and push.refspec cannot be set together with pullRequest, which has branches of its own",
}]))]
pub struct GitSpec {
    /// What is checked out; absent means what the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout: Option<GitCheckout>,
    /// As whom and with which words a commit is made.
    pub commit: CommitSpec,
    /// Where the commits go; absent means back to the branch that was checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<PushSpec>,
    /// How changes are proposed; absent means that they are pushed without asking. Not in Flux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequestSpec>,
}

/// What an automation checks out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GitCheckout {
    /// The reference.
    #[serde(rename = "ref")]
    pub reference: GitReference,
}

/// As whom and with which words a commit is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitSpec {
    /// The author and committer.
    pub author: CommitUser,
    /// The key that signs; absent means no signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<SigningKey>,
    /// Who makes the commits; absent means `git`. With `github` the author is whoever the login
    /// belongs to. Not in Flux.
    #[serde(default, skip_serializing_if = "CommitVia::is_default")]
    pub via: CommitVia,
    /// A Go template of the commit message; absent means a list of what changed.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub message_template: Option<String>,
    /// Further values for the template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub message_template_values: BTreeMap<String, String>,
    /// What gets a commit of its own; absent means `automation`. Not in Flux.
    #[serde(default, skip_serializing_if = "CommitPer::is_default")]
    pub per: CommitPer,
    /// How long to wait for more changes before they are committed together; each further change
    /// prolongs the wait. Absent means not to wait. Not in Flux.
    #[schemars(regex(pattern = DURATION))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub collect: Option<String>,
    /// How long the first change waits at most; absent means ten times `collect`. Not in Flux.
    #[schemars(regex(pattern = DURATION))]
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub collect_at_most: Option<String>,
}

/// A person in Git.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommitUser {
    /// The name; absent means none.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<String>,
    /// The mail address.
    pub email: String,
}

/// The key that signs commits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// A Secret of this namespace: `git.asc` and `passphrase` for `gpg`, `identity` and `password`
    /// for `ssh`.
    pub secret_ref: LocalObjectReference,
    /// What kind of key it is; absent means `gpg`.
    #[serde(
        default,
        rename = "type",
        skip_serializing_if = "SigningKeyType::is_default"
    )]
    pub kind: SigningKeyType,
}

/// Where commits go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PushSpec {
    /// The branch; it starts from what was checked out when it does not exist yet.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub branch: Option<String>,
    /// A Git refspec, pushed beside the branch or in its place.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub refspec: Option<String>,
    /// Options that Git hands to the server with a push.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// How the files are changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateStrategy {
    /// How the places to change are found.
    #[serde(default)]
    pub strategy: UpdateStrategyName,
    /// The folder with the files; absent means the whole repository.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub path: Option<String>,
}

/// What the last run did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdateAutomationStatus {
    /// The state in conditions, `Ready` first of all.
    #[schemars(schema_with = "schema::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that was reconciled last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// When the last run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_automation_run_time: Option<Time>,
    /// The commit that was pushed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_push_commit: Option<String>,
    /// When it was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_push_time: Option<Time>,
    /// The policies of the last run by their names, and what they had selected.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub observed_policies: BTreeMap<String, ImageReference>,
    /// The revision that the last run checked out, `main@sha1:...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_source_revision: Option<String>,
    /// The pull requests that are open or skipped, by group. Not in Flux.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pull_requests: Vec<PullRequestStatus>,
    /// The value of the reconcile request that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Changes that wait for more to come. Not in Flux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_changes: Option<PendingChanges>,
}

/// Changes that wait for more to come before they are committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingChanges {
    /// How many values would change.
    pub count: i64,
    /// What the policies concerned have selected, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, ImageReference>,
    /// When the first change was seen.
    pub since: Time,
    /// When the last change was seen.
    pub changed: Time,
    /// When they are committed, unless more come before.
    pub due: Time,
}

impl ImageUpdateAutomationSpec {
    /// How long to wait between two runs.
    ///
    /// # Errors
    /// When `interval` is no duration, or longer than Go's durations go.
    pub fn interval(&self) -> Result<Duration, DurationError> {
        parse_duration(&self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_automation_with_the_least_of_fields_sets_by_markers_in_a_git_repository() {
        let spec: ImageUpdateAutomationSpec =
            serde_json::from_value(json!({"sourceRef": {"name": "fleet"}, "interval": "30m"}))
                .unwrap();
        assert_eq!(spec.source_ref.kind, UpdateSourceKind::GitRepository);
        assert_eq!(spec.update.strategy, UpdateStrategyName::Setters);
        assert_eq!(spec.git, None);
        assert_eq!(spec.interval(), Ok(Duration::from_secs(1800)));
    }

    #[test]
    fn a_signing_key_without_a_type_is_an_openpgp_key() {
        let key = |written| serde_json::from_value::<SigningKey>(written).unwrap().kind;
        assert_eq!(
            key(json!({"secretRef": {"name": "key"}})),
            SigningKeyType::Gpg
        );
        assert_eq!(
            key(json!({"secretRef": {"name": "key"}, "type": ""})),
            SigningKeyType::Gpg
        );
        assert_eq!(
            key(json!({"secretRef": {"name": "key"}, "type": "ssh"})),
            SigningKeyType::Ssh
        );
    }
}
