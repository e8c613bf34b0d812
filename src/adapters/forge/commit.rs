//! Commits as GitHub shows them, and Gitea after it.
//!
//! Invariant: a commit without an author is one all the same. What is absent: its files.

use super::summary;
use crate::domain::pull_request::forge::ComparedCommit;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Commit {
    sha: String,
    html_url: String,
    commit: Text,
}

#[derive(Deserialize)]
struct Text {
    message: String,
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Author {
    name: Option<String>,
}

impl Commit {
    /// In no forge's own words.
    pub(super) fn told(self) -> ComparedCommit {
        let author = self.commit.author.and_then(|author| author.name);
        ComparedCommit {
            id: self.sha,
            summary: summary(&self.commit.message),
            author: author.unwrap_or_default(),
            url: self.html_url,
        }
    }
}
