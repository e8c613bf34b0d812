//! What Gitea answers, as far as it is looked at.
//!
//! Invariant: a field that is missing or of another type is an error here, and nowhere else. What is absent: questions.

use crate::domain::pull_request::forge::{PullRequest, PullState};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// What begins the title of a draft.
const DRAFT: &str = "WIP: ";
/// What Gitea takes for that.
const DRAFTS: [&str; 3] = ["WIP: ", "WIP:", "[WIP]"];

#[derive(Deserialize)]
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) html_url: String,
    pub(super) state: String,
    pub(super) title: String,
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) draft: bool,
    #[serde(default)]
    pub(super) merged: bool,
    #[serde(default)]
    pub(super) mergeable: bool,
    pub(super) merge_commit_sha: Option<String>,
    pub(super) merge_base: Option<String>,
    pub(super) labels: Option<Vec<Label>>,
    pub(super) head: Branch,
    pub(super) base: Branch,
    pub(super) created_at: Timestamp,
    pub(super) closed_at: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct Branch {
    pub(super) label: String,
    pub(super) sha: Option<String>,
    pub(super) repo_id: i64,
}

#[derive(Deserialize)]
pub(super) struct Label {
    pub(super) id: u64,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: u64,
    #[serde(alias = "name")]
    pub(super) title: String,
}

#[derive(Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) user: Option<User>,
    pub(super) created_at: Option<Timestamp>,
}

impl Entry {
    /// Whether both are one doing: Gitea writes down both when it closes what is open from a branch that
    /// is deleted. A person who closes one and then deletes its branch takes longer.
    pub(super) fn is_one_with(&self, other: &Self) -> bool {
        let near = |(one, other): (Timestamp, Timestamp)| {
            other.duration_since(one).abs() <= SignedDuration::from_secs(1)
        };
        self.user == other.user && self.created_at.zip(other.created_at).is_some_and(near)
    }
}

#[derive(PartialEq, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
}

#[derive(Deserialize)]
pub(super) struct Statuses {
    pub(super) statuses: Option<Vec<Status>>,
}

#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) status: String,
}

#[derive(Deserialize)]
pub(super) struct BranchTip {
    pub(super) commit: Tip,
}

#[derive(Deserialize)]
pub(super) struct Tip {
    pub(super) id: String,
}

impl Pull {
    /// In no forge's own words. `settled` says that a "no" to merging is final.
    pub(super) fn told(self, settled: bool) -> PullRequest {
        let state = match self.state.as_str() {
            _ if self.merged => PullState::Merged,
            "open" => PullState::Open,
            _ => PullState::Closed,
        };
        // A draft is never said to be mergeable, nor is one that is being looked at; but what begins at the base's newest commit has
        // no conflicts with it.
        let behind = self.merge_base.as_deref() != self.base.sha.as_deref();
        let mergeable = match self.mergeable {
            true => Some(true),
            false if settled && behind && !self.draft && state == PullState::Open => Some(false),
            false => None,
        };
        PullRequest {
            number: self.number,
            url: self.html_url,
            state,
            head_branch: self.head.label,
            head_commit: self.head.sha.filter(|sha| !sha.is_empty()),
            base_branch: self.base.label,
            title: untitled(&self.title).to_owned(),
            body: self.body.unwrap_or_default(),
            labels: self
                .labels
                .unwrap_or_default()
                .into_iter()
                .map(|label| label.name)
                .collect(),
            draft: self.draft,
            mergeable,
            closed_by: None,
            closed_with_branch: false,
            created: self.created_at,
            closed: self.closed_at,
            merge_commit: self.merge_commit_sha.filter(|sha| !sha.is_empty()),
        }
    }
}

pub(super) fn titled(title: &str, draft: bool) -> String {
    if draft {
        format!("{DRAFT}{title}")
    } else {
        title.to_owned()
    }
}

pub(super) fn untitled(title: &str) -> &str {
    let marked = DRAFTS.iter().find_map(|mark| title.strip_prefix(mark));
    marked.unwrap_or(title).trim_start()
}
