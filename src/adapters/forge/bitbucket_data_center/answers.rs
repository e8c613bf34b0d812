//! What Bitbucket Data Center answers, as far as it is looked at.
//!
//! Invariant: a field that is missing or of another type is an error here, and nowhere else. What is absent: questions.

use crate::domain::pull_request::forge::{PullRequest, PullState};
use jiff::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) values: Vec<T>,
    #[serde(rename = "nextPageStart")]
    pub(super) next: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pull {
    pub(super) id: u64,
    pub(super) version: u64,
    pub(super) title: String,
    pub(super) description: Option<String>,
    pub(super) state: String,
    #[serde(default)]
    pub(super) draft: bool,
    pub(super) from_ref: End,
    pub(super) to_ref: End,
    #[serde(default)]
    pub(super) reviewers: Vec<Reviewer>,
    pub(super) created_date: i64,
    pub(super) closed_date: Option<i64>,
    #[serde(default)]
    pub(super) links: Links,
    #[serde(default)]
    pub(super) properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct End {
    pub(super) display_id: String,
    pub(super) latest_commit: Option<String>,
    pub(super) repository: Option<Owner>,
}

#[derive(Deserialize, PartialEq)]
pub(super) struct Owner {
    pub(super) slug: String,
    pub(super) project: Project,
}

#[derive(Deserialize, PartialEq)]
pub(super) struct Project {
    pub(super) key: String,
}

#[derive(Deserialize)]
pub(super) struct Reviewer {
    pub(super) user: User,
}

#[derive(Deserialize)]
pub(super) struct User {
    pub(super) name: String,
}

#[derive(Default, Deserialize)]
pub(super) struct Links {
    #[serde(rename = "self", default)]
    pub(super) own: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct Link {
    pub(super) href: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Properties {
    pub(super) merge_commit: Option<Id>,
}

#[derive(Deserialize)]
pub(super) struct Id {
    pub(super) id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mergeability {
    #[serde(default)]
    pub(super) conflicted: bool,
    pub(super) outcome: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Activity {
    pub(super) action: String,
    pub(super) user: Option<User>,
}

#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) state: String,
}

#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) id: String,
    pub(super) message: Option<String>,
    pub(super) author: Option<User>,
}

impl Pull {
    /// In no forge's own words.
    pub(super) fn told(self) -> PullRequest {
        let state = match self.state.as_str() {
            "MERGED" => PullState::Merged,
            "OPEN" => PullState::Open,
            _ => PullState::Closed,
        };
        let url = self.links.own.into_iter().find_map(|link| link.href);
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).ok();
        PullRequest {
            number: self.id,
            url: url.unwrap_or_default(),
            state,
            head_branch: self.from_ref.display_id,
            head_commit: self.from_ref.latest_commit,
            base_branch: self.to_ref.display_id,
            title: self.title,
            body: self.description.unwrap_or_default(),
            labels: Vec::new(),
            draft: self.draft,
            mergeable: None,
            closed_by: None,
            closed_with_branch: false,
            created: at(self.created_date).unwrap_or(Timestamp::UNIX_EPOCH),
            closed: self.closed_date.and_then(at),
            merge_commit: self.properties.merge_commit.map(|commit| commit.id),
        }
    }
}
