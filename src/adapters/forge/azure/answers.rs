//! What Azure DevOps answers, as far as it is looked at.
//!
//! Invariant: a field that is missing or of another type is an error here, and nowhere else. What is absent: questions.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct List<T> {
    pub(super) value: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pull {
    pub(super) pull_request_id: u64,
    pub(super) title: String,
    pub(super) description: Option<String>,
    pub(super) status: String,
    pub(super) merge_status: Option<String>,
    #[serde(default)]
    pub(super) is_draft: bool,
    pub(super) source_ref_name: String,
    pub(super) target_ref_name: String,
    pub(super) last_merge_source_commit: Option<CommitId>,
    pub(super) last_merge_commit: Option<CommitId>,
    #[serde(default)]
    pub(super) labels: Vec<Label>,
    pub(super) closed_by: Option<Identity>,
    pub(super) creation_date: Timestamp,
    pub(super) closed_date: Option<Timestamp>,
    pub(super) fork_source: Option<Value>,
    pub(super) repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommitId {
    pub(super) commit_id: String,
}

#[derive(Deserialize)]
pub(super) struct Label {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default = "yes")]
    pub(super) active: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    pub(super) id: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) unique_name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Member {
    pub(super) identity: Identity,
}

#[derive(Deserialize)]
pub(super) struct Team {
    pub(super) id: String,
}

#[derive(Deserialize)]
pub(super) struct Repository {
    pub(super) project: Team,
}

#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) state: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Evaluation {
    pub(super) status: Option<String>,
    pub(super) configuration: Configuration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Configuration {
    #[serde(default = "yes")]
    pub(super) is_enabled: bool,
    #[serde(default)]
    pub(super) is_blocking: bool,
    #[serde(rename = "type")]
    pub(super) kind: Team,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Updated {
    pub(super) success: bool,
    pub(super) update_status: Option<String>,
    pub(super) custom_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Commit {
    pub(super) commit_id: String,
    pub(super) comment: Option<String>,
    pub(super) author: Option<Author>,
    pub(super) remote_url: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Author {
    pub(super) name: Option<String>,
}

pub(super) fn yes() -> bool {
    true
}
