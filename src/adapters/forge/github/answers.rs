//! What GitHub answers besides what octocrab knows, and what octocrab says in no forge's own words.
//!
//! Invariant: a field that is missing or of another type is an error here, and nowhere else. What is absent: questions.

use crate::adapters::forge::commit::Commit;
use crate::domain::pull_request::forge::{Checks, PullRequest, PullState};
use jiff::Timestamp;
use octocrab::models::IssueState;
use octocrab::models::pulls::PullRequest as Pull;
use serde::Deserialize;

/// What of an issue is not in its pull request.
#[derive(Deserialize)]
pub(super) struct Issue {
    pub(super) closed_by: Option<User>,
    #[serde(default)]
    pub(super) assignees: Vec<User>,
}

#[derive(Deserialize)]
pub(super) struct User {
    pub(super) login: String,
}

#[derive(Deserialize)]
pub(super) struct Milestone {
    pub(super) number: u64,
    pub(super) title: String,
}

#[derive(Deserialize)]
pub(super) struct Statuses {
    pub(super) state: String,
    pub(super) total_count: u64,
}

#[derive(Deserialize)]
pub(super) struct Runs {
    pub(super) check_runs: Vec<Run>,
}

#[derive(Deserialize)]
pub(super) struct Run {
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Ref {
    pub(super) object: RefObject,
}

#[derive(Deserialize)]
pub(super) struct RefObject {
    pub(super) sha: String,
}

#[derive(Deserialize)]
pub(super) struct Comparison {
    pub(super) total_commits: usize,
    pub(super) commits: Vec<Commit>,
}

impl Run {
    pub(super) fn result(&self) -> Checks {
        match (self.status.as_str(), self.conclusion.as_deref()) {
            ("completed", Some("success" | "neutral" | "skipped")) => Checks::Passed,
            ("completed", _) => Checks::Failed,
            _ => Checks::Pending,
        }
    }
}

/// In no forge's own words.
pub(super) fn told(pull: Pull) -> PullRequest {
    let merged = pull.merged_at.is_some() || pull.merged == Some(true);
    let state = match pull.state {
        _ if merged => PullState::Merged,
        Some(IssueState::Closed) => PullState::Closed,
        _ => PullState::Open,
    };
    // Before that it is a commit that was made for trying.
    let merge_commit = pull.merge_commit_sha.filter(|_| merged);
    let labels = pull.labels.unwrap_or_default();
    PullRequest {
        number: pull.number,
        url: pull.html_url.map(String::from).unwrap_or_default(),
        state,
        head_branch: pull.head.ref_field,
        head_commit: Some(pull.head.sha),
        base_branch: pull.base.ref_field,
        title: pull.title.unwrap_or_default(),
        body: pull.body.unwrap_or_default(),
        labels: labels.into_iter().map(|label| label.name).collect(),
        draft: pull.draft.unwrap_or_default(),
        mergeable: pull.mergeable,
        closed_by: None,
        closed_with_branch: false,
        created: seconds(pull.created_at.map(|at| at.timestamp())).unwrap_or(Timestamp::UNIX_EPOCH),
        closed: seconds(pull.closed_at.map(|at| at.timestamp())),
        merge_commit,
    }
}

fn seconds(at: Option<i64>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::from_second(at).ok())
}
