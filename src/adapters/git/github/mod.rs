//! Commits that GitHub makes itself, by its API, and so signs and shows as verified: the same
//! transaction as over Git, with another last step.
//!
//! Invariants: the API is told the head that the commit follows, so a lost race is noticed by GitHub and
//! run again; an answer that did not arrive is looked for on the branch before anything is sent again.
//! What is absent: what the API does not know: the author (it is whoever the token belongs to), push
//! options, references other than branches, executable files.

mod api;

use super::cache::{First, GitCache};
use super::commit::CommitPlan;
use super::error::{GitError, PushError};
use super::refs::Resolved;
use super::snapshot::Snapshot;
use super::transaction::{QUEUE, Transaction, TransactionError, TransactionOutcome, pause};
use crate::domain::git_ref::{CheckoutRef, CommitId, Revision};
use crate::domain::tree::FileTree;
pub use api::GitHub;
use api::{Change, Message, Sent};
use std::time::Instant;

/// How an attempt ended, short of an error.
enum Attempt {
    Done(TransactionOutcome),
    Lost,
    /// No answer came; the branch may have moved from this commit.
    Unknown {
        before: CommitId,
        source: GitError,
    },
}

/// Where an attempt starts.
struct Base {
    tip: Snapshot,
    subject: String,
    exists: bool,
    checkout: Revision,
}

impl GitCache {
    /// As [`GitCache::transaction`], with a commit that GitHub makes. `edit` runs again after each
    /// lost race; author, time and signer of its plan count for nothing.
    ///
    /// # Errors
    /// As [`GitCache::transaction`]; [`GitError::Configuration`] for what the API cannot do.
    pub fn transaction_by_github<E>(
        &self,
        request: &Transaction<'_>,
        github: &GitHub,
        mut edit: impl FnMut(&Snapshot) -> Result<Option<CommitPlan>, E>,
    ) -> Result<TransactionOutcome, TransactionError<E>> {
        let remote = request.remote;
        if request.also.is_some() || !request.options.is_empty() {
            return Err(TransactionError::Git(GitError::Configuration {
                url: remote.url().clone(),
                reason: "GitHub's API knows neither refspecs nor push options".to_owned(),
            }));
        }
        let key = format!("{}\n{}", remote.url().as_url(), request.push_branch);
        let _turn = self
            .0
            .branches
            .acquire(&key, Instant::now() + QUEUE)
            .ok_or_else(|| GitError::Timeout {
                url: remote.url().clone(),
                after: QUEUE,
            })?;
        let mut unknown = None;
        for number in 1..=request.attempts.max(1) {
            match self.attempt_by_github(request, github, number, unknown, &mut edit)? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Lost => unknown = None,
                Attempt::Unknown { source, .. } if number >= request.attempts => {
                    return Err(TransactionError::Push(PushError::Unknown {
                        reference: format!("refs/heads/{}", request.push_branch),
                        source: Box::new(source),
                    }));
                }
                Attempt::Unknown { before, .. } => unknown = Some(before),
            }
            std::thread::sleep(pause(number));
        }
        Err(TransactionError::Raced {
            branch: request.push_branch.to_owned(),
            attempts: request.attempts,
        })
    }

    fn attempt_by_github<E>(
        &self,
        request: &Transaction<'_>,
        github: &GitHub,
        number: u32,
        unknown: Option<CommitId>,
        edit: &mut impl FnMut(&Snapshot) -> Result<Option<CommitPlan>, E>,
    ) -> Result<Attempt, TransactionError<E>> {
        let base = self.base_for_github(request)?;
        let tip = &base.tip;
        let pushed = |commit, parent| {
            Attempt::Done(TransactionOutcome::Pushed {
                commit,
                branch: request.push_branch.to_owned(),
                parent,
                checkout: base.checkout.clone(),
                attempts: number,
                rebuilt: false,
                kept: Vec::new(),
            })
        };
        let plan = edit(tip).map_err(TransactionError::Edit)?;
        let changes = match &plan {
            Some(plan) => changes(tip, plan)?,
            None => Vec::new(),
        };
        let (Some(plan), false) = (plan, changes.is_empty()) else {
            // What was sent before the connection broke is there, and nothing is left to do.
            return Ok(match unknown.filter(|before| *before != tip.commit()) {
                Some(before) if !base.subject.is_empty() => pushed(tip.commit(), before),
                _ => Attempt::Done(TransactionOutcome::NothingToDo {
                    head: tip.commit(),
                    checkout: base.checkout.clone(),
                    kept: Vec::new(),
                }),
            });
        };
        let client = self.0.clients.get(request.remote)?;
        let asked = github.with(&client, request.remote);
        let reference = format!("refs/heads/{}", request.push_branch);
        if !base.exists && asked.create(&reference, tip.commit())? == Sent::Raced {
            return Ok(Attempt::Lost);
        }
        let message = Message::of(&plan.message);
        match asked.commit(request.push_branch, tip.commit(), &message, &changes) {
            Ok(Sent::Commit(commit)) => Ok(pushed(commit, tip.commit())),
            Ok(_) => Ok(Attempt::Lost),
            Err(PushError::Unknown { source, .. }) => Ok(Attempt::Unknown {
                before: tip.commit(),
                source: *source,
            }),
            Err(PushError::Remote(error)) => Err(TransactionError::Git(error)),
            Err(error) => Err(TransactionError::Push(error)),
        }
    }

    /// Fetches the commit that the change starts from.
    fn base_for_github(&self, request: &Transaction<'_>) -> Result<Base, GitError> {
        let branch = CheckoutRef::Branch(request.push_branch.to_owned());
        let same = request.checkout.full_name() == branch.full_name();
        let wanted: Vec<&CheckoutRef> = match same {
            true => vec![request.checkout],
            false => vec![&branch, request.checkout],
        };
        let First {
            at,
            fetched,
            meanings,
        } = self.fetch_first(request.remote, &wanted)?;
        let Some(Resolved { revision, .. }) = meanings.into_iter().next_back().flatten() else {
            return Err(GitError::RefNotFound {
                url: request.remote.url().clone(),
                reference: request.checkout.to_string(),
            });
        };
        Ok(Base {
            tip: fetched.snapshot,
            subject: fetched.subject,
            exists: same || at == 0,
            checkout: revision,
        })
    }
}

/// What of a plan differs from the tip.
fn changes(tip: &Snapshot, plan: &CommitPlan) -> Result<Vec<Change>, GitError> {
    let mut changes = Vec::new();
    for (path, content) in &plan.edits {
        let (path, executable) = tip.written_to(path)?;
        if tip.read(&path).is_ok_and(|present| present == *content) {
            continue;
        }
        if executable {
            return Err(GitError::Edit {
                path,
                reason: "it is executable, which GitHub's API would not keep".to_owned(),
            });
        }
        let content = content.clone();
        changes.push(Change { path, content });
    }
    Ok(changes)
}
