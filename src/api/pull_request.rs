//! What an automation says of its pull requests, and what became of them.
//!
//! Not in Flux, which pushes branches and stops there. Names follow Flux's. What is absent: defaults
//! that follow from the source; the controller knows it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{DURATION, LocalObjectReference, Time, is_false, optional, text};
use super::words::words;
use crate::domain::duration::DurationError;

words! {
    /// Which kind of forge a repository is on.
    ForgeProvider {
        /// github.com or GitHub Enterprise.
        #[default]
        GitHub = "github",
        /// gitlab.com or another GitLab.
        GitLab = "gitlab",
        /// Gitea.
        Gitea = "gitea",
        /// Forgejo, as codeberg.org is.
        Forgejo = "forgejo",
        /// bitbucket.org.
        Bitbucket = "bitbucket",
        /// Bitbucket Data Center.
        BitbucketServer = "bitbucketserver",
        /// Azure DevOps.
        Azure = "azure",
    }
}

words! {
    /// What has a pull request of its own.
    PullRequestGrouping {
        /// Each policy.
        #[default]
        Policy = "policy",
        /// All policies with the same label `image.highwater.dev/bundle`; each one without it by itself.
        Bundle = "bundle",
        /// The automation: one for all policies.
        Automation = "automation",
    }
}

words! {
    /// When the branch of a pull request is built anew from its base.
    PullRequestRebuild {
        /// Whenever the base has moved.
        #[default]
        Behind = "behind",
        /// Only when it cannot be merged as it is.
        Conflicting = "conflicting",
    }
}

words! {
    /// When a pull request merges by itself.
    AutoMergeWhen {
        /// Never.
        #[default]
        Never = "none",
        /// When its checks have passed, and `after` is over if that is set.
        ChecksPass = "checksPass",
        /// When `after` is over, unless checks have failed or are under way.
        After = "after",
    }
}

words! {
    /// How a pull request merges by itself.
    AutoMergeMethod {
        /// By a merge commit.
        #[default]
        Merge = "merge",
        /// As one commit.
        Squash = "squash",
        /// On top of the base.
        Rebase = "rebase",
    }
}

/// How changes are proposed instead of being pushed to the branch they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullRequestSpec {
    /// Which kind of forge the repository is on; not needed for github.com, gitlab.com, codeberg.org,
    /// bitbucket.org and dev.azure.com.
    #[schemars(with = "ForgeProvider")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ForgeProvider>,
    /// Where the forge's API begins, where that is another place than usual.
    #[serde(
        rename = "apiURL",
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(regex(pattern = "^(http|https)://.*$"))]
    pub api_url: Option<String>,
    /// A Secret of this namespace with the login to the API: `token`, or `bearerToken`, or `username` and
    /// `password`. Absent means the login of the GitRepository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// The branch they are to be merged into; absent means the one that is checked out.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub base_branch: Option<String>,
    /// What has a pull request of its own; absent means each policy.
    #[serde(default, skip_serializing_if = "PullRequestGrouping::is_default")]
    pub grouping: PullRequestGrouping,
    /// A Go template of the branch; absent means `highwater/<namespace>/<automation>/<group>`. Over the
    /// same data as the commit message, with `.Policy` and `.Bundle`.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub branch: Option<String>,
    /// A Go template of the title; absent means the subject of highwater's own commit message.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub title: Option<String>,
    /// A Go template of the body; absent means highwater's own, which a template has as `.Body`.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub body: Option<String>,
    /// The labels of new ones.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Who is asked to review new ones.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviewers: Vec<String>,
    /// Who new ones are given to.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assignees: Vec<String>,
    /// The title of the milestone of new ones.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub milestone: Option<String>,
    /// Whether new ones are drafts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub draft: bool,
    /// When a branch is built anew; absent means whenever its base has moved.
    #[serde(default, skip_serializing_if = "PullRequestRebuild::is_default")]
    pub rebuild: PullRequestRebuild,
    /// When they merge by themselves; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_merge: Option<AutoMergeSpec>,
}

/// When and how a pull request merges by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.when) || self.when != 'after' || has(self.after)",
    "message": "autoMerge.after is needed with autoMerge.when 'after'",
}]))]
pub struct AutoMergeSpec {
    /// When.
    #[serde(default)]
    pub when: AutoMergeWhen,
    /// How long a version must have been proposed.
    #[schemars(regex(pattern = DURATION))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How.
    #[serde(default, skip_serializing_if = "AutoMergeMethod::is_default")]
    pub method: AutoMergeMethod,
}

impl AutoMergeSpec {
    /// How long a version must have been proposed.
    ///
    /// # Errors
    /// When `after` is no duration, or longer than Go's durations go.
    pub fn after(&self) -> Result<Option<Duration>, DurationError> {
        optional(self.after.as_ref())
    }
}

words! {
    /// How it stands with a pull request.
    PullRequestState {
        /// It is open.
        #[default]
        Open = "Open",
        /// A person closed it: what it proposes is skipped.
        Skipped = "Skipped",
        /// Its branch has somebody else's commit: it is left alone.
        Kept = "Kept",
        /// It could not be brought to what is wanted.
        Failed = "Failed",
    }
}

/// A pull request of an automation. The forge is what counts; this is what was seen there last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullRequestStatus {
    /// The group: a policy, `bundle_` and a bundle, or `_all`.
    pub group: String,
    /// How it stands.
    pub state: PullRequestState,
    /// Its number; absent when there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its branch.
    pub branch: String,
    /// Who closed it, where it is skipped and the forge tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// The images it proposes, by policy; the first few.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
    /// The version of all of them together.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The commit that was pushed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The commit that it was built on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_commit: Option<String>,
    /// When this was first so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// What a person should know about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_object_asks_for_one_pull_request_for_each_policy() {
        let spec: PullRequestSpec = serde_json::from_value(json!({})).unwrap();
        assert_eq!(spec.grouping, PullRequestGrouping::Policy);
        assert_eq!(spec.rebuild, PullRequestRebuild::Behind);
        assert_eq!((spec.provider, spec.auto_merge), (None, None));
    }

    #[test]
    fn everything_reads_and_is_written_back_as_it_stood() {
        let written = json!({
            "provider": "forgejo",
            "apiURL": "https://git.acme.dev/api/v1",
            "secretRef": {"name": "forge"},
            "baseBranch": "main",
            "grouping": "bundle",
            "branch": "images/{{ .Policy }}",
            "title": "t",
            "body": "b",
            "labels": ["images"],
            "reviewers": ["jane"],
            "assignees": ["joe"],
            "milestone": "next",
            "draft": true,
            "rebuild": "conflicting",
            "autoMerge": {"when": "after", "after": "24h", "method": "squash"},
        });
        let spec: PullRequestSpec = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&spec).unwrap(), written);
        let rule = spec.auto_merge.unwrap();
        assert_eq!(rule.after(), Ok(Some(Duration::from_secs(24 * 3600))));
    }
}
