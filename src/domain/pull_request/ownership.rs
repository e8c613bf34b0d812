//! Whose the head of a branch is.
//!
//! Invariant: in doubt it is somebody else's, and then it is not replaced. A head is ours when we wrote
//! down that we pushed it. When the process died between pushing and writing down, it is ours by its
//! commit: ours as author and committer, with one parent, which is a commit of the base and none that
//! we pushed ourselves: we always start from the base, never from our own branch. A branch that has
//! anything else below its head holds work that cannot be made again, whoever made the head.

use super::marker::Marker;
use jiff::Timestamp;

/// What was written down about a push: in a body or in a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The pull request.
    pub number: Option<u64>,
    /// The commit that was pushed.
    pub head: String,
    /// The commit of the base it was built on.
    pub base: String,
    /// The version it proposes.
    pub version: String,
}

impl Record {
    /// What a marker wrote down.
    pub fn of(number: u64, marker: &Marker) -> Self {
        Self {
            number: Some(number),
            head: marker.head.clone(),
            base: marker.base.clone(),
            version: marker.version.clone(),
        }
    }
}

/// Who commits for the automation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The mail address of author and committer.
    pub email: String,
}

/// What Git says of the commit at the head of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadCommit {
    /// Its author as `Name <address>`, for people.
    pub author: String,
    /// The author's mail address.
    pub author_email: String,
    /// The committer's mail address.
    pub committer_email: String,
    /// Its parents.
    pub parents: Vec<String>,
    /// When it was committed, by the committer's clock.
    pub made: Option<Timestamp>,
    /// Whether its only parent is a commit of the base, so that the branch has nothing besides it.
    pub starts_at_base: bool,
}

impl Identity {
    /// Whether author and committer are this one.
    pub fn made(&self, commit: &HeadCommit) -> bool {
        let own = |email: &str| !email.is_empty() && email == self.email;
        own(&commit.author_email) && own(&commit.committer_email)
    }
}

/// Whose a commit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Ours: it can be made again.
    Ours,
    /// Somebody else's; who, as `Name <address>`, if that is known.
    Other(String),
}

/// The head of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The commit.
    pub commit: String,
    /// Whose it is.
    pub owner: Owner,
    /// When it was committed, if that was looked at.
    pub made: Option<Timestamp>,
}

/// Says whose the head of a branch is. `commit` is not needed for one that was written down.
pub fn judge(
    head: &str,
    records: &[Record],
    commit: Option<&HeadCommit>,
    identity: &Identity,
) -> Head {
    let owner = match commit {
        _ if records.iter().any(|record| record.head == head) => Owner::Ours,
        Some(commit) if is_ours(commit, records, identity) => Owner::Ours,
        Some(commit) => Owner::Other(commit.author.clone()),
        None => Owner::Other("somebody".to_owned()),
    };
    Head {
        commit: head.to_owned(),
        owner,
        made: commit.and_then(|commit| commit.made),
    }
}

fn is_ours(commit: &HeadCommit, records: &[Record], identity: &Identity) -> bool {
    let [parent] = commit.parents.as_slice() else {
        return false;
    };
    identity.made(commit)
        && commit.starts_at_base
        && records.iter().all(|record| record.head != *parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(head: &str) -> Record {
        Record {
            number: Some(1),
            head: head.to_owned(),
            base: "base".to_owned(),
            version: "v".to_owned(),
        }
    }

    fn commit(author: &str, committer: &str, parents: &[&str]) -> HeadCommit {
        HeadCommit {
            author: format!("Somebody <{author}>"),
            author_email: author.to_owned(),
            committer_email: committer.to_owned(),
            parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
            made: None,
            starts_at_base: parents == ["main"],
        }
    }

    #[test]
    fn in_doubt_a_head_is_somebody_elses() {
        let identity = Identity {
            email: "bot@acme.dev".to_owned(),
        };
        let is_ours = |head: &str, records: &[Record], commit: Option<HeadCommit>| {
            judge(head, records, commit.as_ref(), &identity).owner == Owner::Ours
        };
        let (bot, jane) = ("bot@acme.dev", "jane@acme.dev");
        assert!(is_ours("a", &[record("a")], None), "it was written down");
        assert!(
            is_ours("a", &[], Some(commit(bot, bot, &["main"]))),
            "the process died before it could"
        );
        assert!(!is_ours("b", &[record("a")], None));
        assert!(!is_ours("b", &[], Some(commit(jane, jane, &["main"]))));
        assert!(
            !is_ours("b", &[], Some(commit(bot, jane, &["main"]))),
            "amended or rebased"
        );
        assert!(
            !is_ours("b", &[], Some(commit(bot, bot, &["a", "main"]))),
            "a merge"
        );
        assert!(!is_ours("b", &[], Some(commit(bot, bot, &[]))));
        assert!(
            !is_ours("b", &[record("a")], Some(commit(bot, bot, &["a"]))),
            "on top of ours, by our own account"
        );
        assert!(
            !is_ours("b", &[], Some(commit(bot, bot, &["jane's"]))),
            "on top of a commit that the base has not"
        );
        let nobody = Identity {
            email: String::new(),
        };
        assert_ne!(
            judge("b", &[], Some(&commit("", "", &["main"])), &nobody).owner,
            Owner::Ours
        );
    }
}
