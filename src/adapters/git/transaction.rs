//! Change a branch: fetch its tip, edit, commit, push; when somebody else was faster, again.
//!
//! Invariants: the edit is always made on the tip that the push replaces, so nobody's commit is
//! lost; a shared branch is never force-pushed; two transactions of this process on one branch
//! queue instead of racing. After a broken connection the remote is asked whether the push arrived,
//! so nothing is done twice.

use super::cache::{Fetched, First, GitCache};
use super::commit::CommitPlan;
use super::error::{GitError, PushError};
use super::push::{Force, Push};
use super::refs::Resolved;
use super::remote::Remote;
use super::snapshot::Snapshot;
use crate::domain::git_ref::{CheckoutRef, CommitId, Revision};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long a transaction waits for others of this process on the same branch.
pub(super) const QUEUE: Duration = Duration::from_secs(600);
/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// What is changed, and where it goes.
#[derive(Clone, Debug)]
pub struct Transaction<'a> {
    /// The repository.
    pub remote: &'a Remote,
    /// What the change starts from.
    pub checkout: &'a CheckoutRef,
    /// The branch the commit goes to, without `refs/heads/`. When it differs from the checkout
    /// and exists, the change starts from its head instead.
    pub push_branch: &'a str,
    /// Push options by name; an empty value sends the name alone.
    pub options: &'a BTreeMap<String, String>,
    /// A refspec for a second push of the commit: `[+]<source>:<reference>`, or the full name of a
    /// reference. With `+` the reference is overwritten whatever it is.
    pub also: Option<&'a str>,
    /// How often a lost race is run again, at least 1. Ten is plenty.
    pub attempts: u32,
}

/// How a transaction ended.
#[derive(Clone, Debug)]
pub enum TransactionOutcome {
    /// The edit had nothing to change.
    NothingToDo {
        /// The commit that was looked at: the head of the push branch, or of the checkout.
        head: CommitId,
        /// What the checkout reference means on the server.
        checkout: Revision,
    },
    /// A commit was pushed.
    Pushed {
        /// The new commit.
        commit: CommitId,
        /// The branch it is the head of.
        branch: String,
        /// The commit it follows.
        parent: CommitId,
        /// What the checkout reference meant before the push.
        checkout: Revision,
        /// How many attempts it took.
        attempts: u32,
    },
}

/// Why a transaction changed nothing, or why that is not known.
#[derive(Debug, Error)]
pub enum TransactionError<E> {
    /// Reading or committing failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The push failed.
    #[error(transparent)]
    Push(PushError),
    /// The edit failed.
    #[error("{0}")]
    Edit(E),
    /// Every attempt lost its race.
    #[error("branch `{branch}` was moved by somebody else {attempts} times in a row")]
    Raced {
        /// The branch.
        branch: String,
        /// How often it was tried.
        attempts: u32,
    },
}

/// How one attempt ended, short of an error.
enum Attempt {
    Done(TransactionOutcome),
    Lost,
}

/// Where an attempt starts.
struct Base {
    fetched: Fetched,
    expected: Option<CommitId>,
    checkout: Revision,
}

impl GitCache {
    /// Runs a transaction. `edit` sees the files of the tip and says what to commit; it runs again
    /// on the new tip after each lost race, so it has to be repeatable.
    ///
    /// # Errors
    /// [`TransactionError`]. After one of them the branch is as it was, except for
    /// [`PushError::Unknown`], where the next transaction finds out.
    pub fn transaction<E>(
        &self,
        request: &Transaction<'_>,
        mut edit: impl FnMut(&Snapshot) -> Result<Option<CommitPlan>, E>,
    ) -> Result<TransactionOutcome, TransactionError<E>> {
        let remote = request.remote;
        let key = format!("{}\n{}", remote.url().as_url(), request.push_branch);
        let _turn = self
            .0
            .branches
            .acquire(&key, Instant::now() + QUEUE)
            .ok_or_else(|| GitError::Timeout {
                url: remote.url().clone(),
                after: QUEUE,
            })?;
        let attempts = request.attempts.max(1);
        for number in 1..=attempts {
            match self.attempt(request, number, &mut edit)? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Lost if number < attempts => std::thread::sleep(pause(number)),
                Attempt::Lost => {}
            }
        }
        Err(TransactionError::Raced {
            branch: request.push_branch.to_owned(),
            attempts,
        })
    }

    fn attempt<E>(
        &self,
        request: &Transaction<'_>,
        number: u32,
        edit: &mut impl FnMut(&Snapshot) -> Result<Option<CommitPlan>, E>,
    ) -> Result<Attempt, TransactionError<E>> {
        if let Some(refspec) = request.also {
            also(request, refspec)?;
        }
        let base = self.base(request)?;
        let tip = &base.fetched.snapshot;
        let nothing = || {
            Attempt::Done(TransactionOutcome::NothingToDo {
                head: tip.commit(),
                checkout: base.checkout.clone(),
            })
        };
        let plan = match edit(tip) {
            Ok(plan) => plan,
            // The edit may have failed because an object could not be read.
            Err(_) if tip.generation.is_damaged() && number < request.attempts => {
                return Ok(Attempt::Lost);
            }
            Err(error) => return Err(TransactionError::Edit(error)),
        };
        let Some(plan) = plan else {
            return Ok(nothing());
        };
        let Some(next) = tip.commit_on_top(&plan)? else {
            return Ok(nothing());
        };
        let reference = format!("refs/heads/{}", request.push_branch);
        let push = Push {
            reference: &reference,
            expected: base.expected,
            force: Force::Never,
            options: request.options,
        };
        let done = || {
            Attempt::Done(TransactionOutcome::Pushed {
                commit: next.commit(),
                branch: request.push_branch.to_owned(),
                parent: tip.commit(),
                checkout: base.checkout.clone(),
                attempts: number,
            })
        };
        match self.push(request.remote, &next, &push) {
            Ok(_) => {}
            Err(PushError::Raced { .. }) => return Ok(Attempt::Lost),
            Err(PushError::Unknown { reference, source }) => {
                self.settle(request, &next, reference, source)?;
            }
            // Servers word a lost race in many ways; the branch itself tells.
            Err(error @ PushError::Rejected { .. }) => {
                return if self.has_moved(request, base.expected) {
                    Ok(Attempt::Lost)
                } else {
                    Err(TransactionError::Push(error))
                };
            }
            Err(error) => return Err(TransactionError::Push(error)),
        }
        self.push_also(request, &next)
            .map_err(TransactionError::Push)?;
        Ok(done())
    }

    /// Fetches the commit that the change starts from.
    fn base(&self, request: &Transaction<'_>) -> Result<Base, GitError> {
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
        let checkout = match meanings.into_iter().next_back().flatten() {
            Some(Resolved { revision, .. }) => revision,
            None => {
                return Err(GitError::RefNotFound {
                    url: request.remote.url().clone(),
                    reference: request.checkout.to_string(),
                });
            }
        };
        let exists = same || at == 0;
        Ok(Base {
            expected: exists.then_some(fetched.commit),
            fetched,
            checkout,
        })
    }

    fn has_moved(&self, request: &Transaction<'_>, expected: Option<CommitId>) -> bool {
        let branch = CheckoutRef::Branch(request.push_branch.to_owned());
        let head = self.remote_head(request.remote, &branch);
        head.is_ok_and(|head| Some(head) != expected)
    }

    /// Finds out whether a push whose answer was lost has arrived.
    fn settle<E>(
        &self,
        request: &Transaction<'_>,
        next: &Snapshot,
        reference: String,
        source: Box<GitError>,
    ) -> Result<(), TransactionError<E>> {
        let branch = CheckoutRef::Branch(request.push_branch.to_owned());
        match self.remote_head(request.remote, &branch) {
            Ok(head) if head == next.commit() => Ok(()),
            _ => Err(TransactionError::Push(PushError::Unknown {
                reference,
                source,
            })),
        }
    }

    /// Lets a second reference point to the commit, when a refspec asks for it. Without a `+` it
    /// moves only forward.
    fn push_also(&self, request: &Transaction<'_>, next: &Snapshot) -> Result<(), PushError> {
        let Some(refspec) = request.also else {
            return Ok(());
        };
        let Also { reference, force } = also(request, refspec)?;
        let found = self.remote_refs(request.remote, reference)?;
        let expected = found
            .into_iter()
            .find(|found| found.name == reference)
            .map(|found| found.commit);
        if let (Force::Never, Some(old)) = (force, expected)
            && !self.follows(request.remote, next.commit(), old)?
        {
            return Err(PushError::Rejected {
                reference: reference.to_owned(),
                reason: "non-fast-forward".to_owned(),
                words: "hint: write `+` before the refspec to overwrite it".to_owned(),
            });
        }
        let push = Push {
            reference,
            expected,
            force,
            options: request.options,
        };
        self.push(request.remote, next, &push).map(|_| ())
    }
}

/// The reference that a refspec moves, and how.
#[derive(Debug, PartialEq, Eq)]
struct Also<'a> {
    reference: &'a str,
    force: Force,
}

/// Reads `[+]<source>:<reference>` or a bare `<reference>`. The source can only be the branch that
/// is pushed: nothing else has the new commit.
fn also<'a>(request: &Transaction<'_>, refspec: &'a str) -> Result<Also<'a>, GitError> {
    let (force, pair) = match refspec.strip_prefix('+') {
        Some(pair) => (Force::Allowed, pair),
        None => (Force::Never, refspec),
    };
    let branch = format!("refs/heads/{}", request.push_branch);
    let (source, reference) = pair.split_once(':').unwrap_or((&branch, pair));
    if ![branch.as_str(), request.push_branch, "HEAD"].contains(&source) {
        return Err(GitError::Configuration {
            url: request.remote.url().clone(),
            reason: format!(
                "the source of the refspec `{refspec}` is not the pushed branch `{branch}`"
            ),
        });
    }
    Ok(Also { reference, force })
}

/// 20 ms, doubled with each attempt up to a second, and a random part of that: those who lost the
/// same race do not meet again.
pub(super) fn pause(number: u32) -> Duration {
    let longest = Duration::from_millis(20 << number.min(6)).min(PAUSE);
    let random = RandomState::new().build_hasher().finish();
    let part = (random % 1_000) as u32;
    longest / 2 + longest * part / 2_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for number in 1..40 {
            let longest = Duration::from_millis(20 << number.min(6)).min(PAUSE);
            let pause = pause(number);
            assert!(
                pause >= longest / 2 && pause <= longest,
                "{number}: {pause:?}"
            );
        }
    }
}
