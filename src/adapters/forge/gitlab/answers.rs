//! What GitLab answers, as far as it is looked at.
//!
//! Invariant: a field that is missing or of another type is an error here, and nowhere else. What is absent: questions.

use crate::domain::pull_request::forge::{PullRequest, PullState};
use jiff::Timestamp;
use serde::Deserialize;

/// What begins the title of a draft.
const DRAFT: &str = "Draft: ";
/// What GitLab takes for that.
const DRAFTS: [&str; 3] = ["Draft:", "[Draft]", "(Draft)"];

#[derive(Deserialize)]
pub(super) struct Pull {
    pub(super) iid: u64,
    pub(super) web_url: String,
    pub(super) state: String,
    pub(super) title: String,
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default, alias = "work_in_progress")]
    pub(super) draft: bool,
    pub(super) merge_status: Option<String>,
    pub(super) detailed_merge_status: Option<String>,
    pub(super) sha: Option<String>,
    pub(super) source_branch: String,
    pub(super) target_branch: String,
    pub(super) source_project_id: Option<u64>,
    pub(super) target_project_id: u64,
    pub(super) closed_by: Option<User>,
    pub(super) created_at: Timestamp,
    pub(super) closed_at: Option<Timestamp>,
    pub(super) merged_at: Option<Timestamp>,
    pub(super) merge_commit_sha: Option<String>,
    pub(super) squash_commit_sha: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct User {
    pub(super) id: u64,
    pub(super) username: String,
}

#[derive(Deserialize)]
pub(super) struct Milestone {
    pub(super) id: u64,
    pub(super) title: String,
}

#[derive(Deserialize)]
pub(super) struct Project {
    pub(super) merge_method: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) author_name: String,
    pub(super) web_url: String,
    pub(super) status: Option<String>,
    pub(super) last_pipeline: Option<Pipeline>,
}

#[derive(Deserialize)]
pub(super) struct Pipeline {
    pub(super) status: String,
}

#[derive(Deserialize)]
pub(super) struct Branch {
    pub(super) commit: Tip,
}

#[derive(Deserialize)]
pub(super) struct Tip {
    pub(super) id: String,
}

impl Pull {
    /// In no forge's own words.
    pub(super) fn told(self) -> PullRequest {
        let state = match self.state.as_str() {
            "merged" => PullState::Merged,
            "closed" => PullState::Closed,
            // `locked` is open for the moment that merging takes.
            _ => PullState::Open,
        };
        let detailed = self.detailed_merge_status.as_deref();
        let mergeable = match (detailed, self.merge_status.as_deref()) {
            (Some("conflict" | "broken_status" | "need_rebase"), _) => Some(false),
            (Some("unchecked" | "checking" | "preparing" | "approvals_syncing"), _) => None,
            (_, Some("can_be_merged")) => Some(true),
            (_, Some("cannot_be_merged")) => Some(false),
            _ => None,
        };
        PullRequest {
            number: self.iid,
            url: self.web_url,
            head_branch: self.source_branch,
            head_commit: self.sha,
            base_branch: self.target_branch,
            title: untitled(&self.title).to_owned(),
            body: self.description.unwrap_or_default(),
            labels: self.labels,
            draft: self.draft,
            mergeable: mergeable.filter(|_| state == PullState::Open),
            closed_with_branch: false,
            closed_by: self
                .closed_by
                .filter(|_| state == PullState::Closed)
                .map(|user| user.username),
            created: self.created_at,
            closed: self.merged_at.or(self.closed_at),
            merge_commit: self.merge_commit_sha.or(self.squash_commit_sha),
            state,
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
    let marked = DRAFTS.iter().find_map(|mark| {
        let start = title.get(..mark.len())?;
        start
            .eq_ignore_ascii_case(mark)
            .then(|| &title[mark.len()..])
    });
    marked.unwrap_or(title).trim_start()
}
