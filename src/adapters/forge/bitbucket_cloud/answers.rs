//! What Bitbucket Cloud answers, as far as it is looked at.
//!
//! Invariant: a field that is missing or of another type is an error here, and nowhere else. What is absent: questions.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) values: Vec<T>,
    pub(super) next: Option<url::Url>,
}

#[derive(Deserialize)]
pub(super) struct Pull {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) description: Option<String>,
    pub(super) state: String,
    #[serde(default)]
    pub(super) draft: bool,
    pub(super) source: End,
    pub(super) destination: End,
    pub(super) merge_commit: Option<Hash>,
    pub(super) closed_by: Option<Account>,
    #[serde(default)]
    pub(super) reviewers: Vec<Account>,
    pub(super) created_on: Timestamp,
    pub(super) updated_on: Option<Timestamp>,
    pub(super) links: Links,
}

#[derive(Deserialize)]
pub(super) struct End {
    pub(super) branch: Name,
    pub(super) commit: Option<Hash>,
    pub(super) repository: Option<FullName>,
}

#[derive(Deserialize)]
pub(super) struct Name {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct FullName {
    pub(super) full_name: String,
}

#[derive(Deserialize)]
pub(super) struct Hash {
    pub(super) hash: String,
}

#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) uuid: Option<String>,
    pub(super) nickname: Option<String>,
    pub(super) display_name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Links {
    pub(super) html: Option<Link>,
}

#[derive(Deserialize)]
pub(super) struct Link {
    pub(super) href: String,
}

#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) state: String,
}

#[derive(Deserialize)]
pub(super) struct Branch {
    pub(super) target: Hash,
}

#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) hash: String,
    pub(super) message: Option<String>,
    pub(super) author: Option<Author>,
    pub(super) links: Links,
}

#[derive(Deserialize)]
pub(super) struct Author {
    pub(super) raw: Option<String>,
    pub(super) user: Option<Account>,
}

impl Pull {
    /// Not from a fork.
    pub(super) fn is_ours(&self) -> bool {
        let name = |end: &End| {
            end.repository
                .as_ref()
                .map(|repository| repository.full_name.clone())
        };
        let source = name(&self.source);
        source.is_some() && source == name(&self.destination)
    }

    /// Who is asked for a review now.
    pub(super) fn reviewers(&self) -> Vec<Value> {
        let uuids = self
            .reviewers
            .iter()
            .filter_map(|account| account.uuid.as_ref());
        uuids.map(|uuid| json!({"uuid": uuid})).collect()
    }
}

impl Account {
    pub(super) fn name(self) -> Option<String> {
        self.nickname.or(self.display_name)
    }
}

impl Author {
    /// The account's name, or what stands before the address in the commit.
    pub(super) fn name(self) -> String {
        let account = self
            .user
            .and_then(|user| user.display_name.or(user.nickname));
        let raw = self.raw.unwrap_or_default();
        let written = raw.split('<').next().unwrap_or_default().trim();
        account.unwrap_or_else(|| written.to_owned())
    }
}
