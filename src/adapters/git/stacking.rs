//! Where a change starts: at the checkout, or at the branch it is pushed to when that is another one.
//!
//! A push branch collects commits until it is merged. Once the checkout has moved on, it is behind: it
//! is made anew from the checkout, by applying the change again, never by merging. Invariant: a commit
//! by somebody else is never thrown away; a branch that has one is kept and added to.

use super::beside::{Head, Side};
use super::cache::{Fetched, First, GitCache};
use super::error::GitError;
use super::refs::Resolved;
use super::snapshot::Snapshot;
use super::transaction::Transaction;
use crate::domain::git_ref::{CheckoutRef, CommitId, Revision};
use std::collections::BTreeSet;

/// Who commits on behalf of others at forges: a commit of ours stays ours.
const FORGE: &str = "noreply@github.com";

/// What becomes of a push branch once it fell behind the checkout.
#[derive(Clone, Copy, Debug, Default)]
pub enum Stacking<'a> {
    /// Commits go on top of it all the same. Nothing is ever overwritten.
    #[default]
    OnTop,
    /// It is made anew from the checkout, unless it holds commits by others.
    Rebuild {
        /// The mail addresses whose commits can be made again, and so thrown away.
        authors: &'a BTreeSet<String>,
        /// Whether it is made anew every time, behind or not.
        always: bool,
    },
}

/// A commit by somebody else on a push branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The commit.
    pub commit: CommitId,
    /// Its author as `Name <address>`.
    pub author: String,
}

/// Where an attempt starts.
pub(super) struct Base {
    pub(super) start: Fetched,
    /// The value the push branch has.
    pub(super) expected: Option<CommitId>,
    /// What the checkout means.
    pub(super) checkout: Revision,
    /// The head of the push branch, when the change starts at the checkout and replaces it.
    pub(super) replaced: Option<Replaced>,
    /// Why a branch that is behind is not replaced.
    pub(super) kept: Vec<Foreign>,
}

/// A head that is to be replaced.
pub(super) struct Replaced {
    pub(super) head: Snapshot,
    /// Whether it is on top of the checkout, so that only other content is a reason to replace it.
    pub(super) on_top: bool,
}

impl Base {
    /// Whether pushing `next` would only write down again what the branch has.
    pub(super) fn is_there_already(&self, next: &Snapshot) -> bool {
        self.replaced
            .as_ref()
            .is_some_and(|replaced| replaced.on_top && replaced.head.root == next.root)
    }
}

impl GitCache {
    /// Fetches the commit that the change starts from.
    pub(super) fn base(&self, request: &Transaction<'_>) -> Result<Base, GitError> {
        let branch = CheckoutRef::Branch(request.push_branch.to_owned());
        let same = request.checkout.full_name() == branch.full_name();
        let wanted: Vec<&CheckoutRef> = if same {
            vec![request.checkout]
        } else {
            vec![&branch, request.checkout]
        };
        let First {
            at,
            fetched,
            meanings,
        } = self.fetch_first(request.remote, &wanted)?;
        let Some(checkout) = meanings.into_iter().next_back().flatten() else {
            return Err(GitError::RefNotFound {
                url: request.remote.url().clone(),
                reference: request.checkout.to_string(),
            });
        };
        let exists = same || at == 0;
        let base = Base {
            expected: exists.then_some(fetched.commit),
            start: fetched,
            checkout: checkout.revision.clone(),
            replaced: None,
            kept: Vec::new(),
        };
        match request.stacking {
            Stacking::Rebuild { authors, always } if !same && exists => {
                self.rebuilt(request, base, &checkout, authors, always)
            }
            _ => Ok(base),
        }
    }

    /// Starts at the checkout instead of the push branch, if the branch is to be replaced.
    fn rebuilt(
        &self,
        request: &Transaction<'_>,
        mut base: Base,
        checkout: &Resolved,
        authors: &BTreeSet<String>,
        always: bool,
    ) -> Result<Base, GitError> {
        let Some(name) = name_on_server(request.checkout, &checkout.revision) else {
            return Ok(base);
        };
        if base.start.commit == checkout.commit {
            return Ok(base);
        }
        let branch = format!("refs/heads/{}", request.push_branch);
        let tip = Head {
            commit: base.start.commit,
            name: &branch,
        };
        let ahead = Head {
            commit: checkout.commit,
            name: &name,
        };
        let beside = self.beside(request.remote, tip, ahead)?;
        if beside.on_top && !always {
            return Ok(base);
        }
        let foreign: Vec<Foreign> = beside
            .commits
            .iter()
            .filter(|side| !is_own(side, authors))
            .map(|side| Foreign {
                commit: side.commit,
                author: side.author.clone(),
            })
            .collect();
        if !foreign.is_empty() {
            if !beside.on_top {
                base.kept = foreign;
            }
            return Ok(base);
        }
        let anew = self.fetch(request.remote, request.checkout)?;
        base.checkout = anew.revision.clone();
        let old = std::mem::replace(&mut base.start, anew);
        base.replaced = Some(Replaced {
            head: old.snapshot,
            on_top: beside.on_top,
        });
        Ok(base)
    }
}

impl Stacking<'_> {
    /// Whether all these commits can be made again.
    pub(super) fn owns(&self, commits: &[Side]) -> bool {
        match self {
            Self::OnTop => false,
            Self::Rebuild { authors, .. } => commits.iter().all(|side| is_own(side, authors)),
        }
    }
}

/// A commit that only we had a hand in.
fn is_own(side: &Side, authors: &BTreeSet<String>) -> bool {
    authors.contains(&side.author_mail)
        && (authors.contains(&side.committer_mail) || side.committer_mail == FORGE)
}

/// The full name of a reference that moves. A bare commit does not.
fn name_on_server(checkout: &CheckoutRef, found: &Revision) -> Option<String> {
    match checkout {
        CheckoutRef::SemVer(_) => Some(format!("refs/tags/{}", found.name.as_ref()?)),
        other => other.full_name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(author: &str, committer: &str) -> Side {
        Side {
            commit: CommitId::from_bytes([1; 20]),
            author: format!("Somebody <{author}>"),
            author_mail: author.to_owned(),
            committer_mail: committer.to_owned(),
        }
    }

    #[test]
    fn a_commit_is_ours_when_nobody_else_had_a_hand_in_it() {
        let authors = BTreeSet::from(["bot@example.com".to_owned(), "tide@example.com".to_owned()]);
        for (author, committer, own) in [
            ("bot@example.com", "bot@example.com", true),
            ("bot@example.com", "tide@example.com", true),
            ("bot@example.com", "noreply@github.com", true),
            ("jane@example.com", "jane@example.com", false),
            // Rebased or amended by a person.
            ("bot@example.com", "jane@example.com", false),
            ("jane@example.com", "noreply@github.com", false),
            ("jane@example.com", "bot@example.com", false),
        ] {
            assert_eq!(
                is_own(&side(author, committer), &authors),
                own,
                "{author} {committer}"
            );
        }
    }

    #[test]
    fn a_bare_commit_never_moves_and_a_range_is_the_tag_it_found() {
        let commit = CommitId::from_bytes([2; 20]);
        let name = |checkout: &CheckoutRef, found: &str| {
            name_on_server(checkout, &Revision::named(found, commit))
        };
        let bare = CheckoutRef::Commit {
            commit,
            branch: Some("main".to_owned()),
        };
        assert_eq!(name(&bare, "main"), None);
        let range = CheckoutRef::SemVer("1.x".to_owned());
        assert_eq!(name(&range, "v1.2.0").as_deref(), Some("refs/tags/v1.2.0"));
        let branch = CheckoutRef::Branch("main".to_owned());
        assert_eq!(name(&branch, "main").as_deref(), Some("refs/heads/main"));
    }
}
