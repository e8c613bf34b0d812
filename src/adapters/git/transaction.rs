//! Change a branch: fetch its tip, edit, commit, push; when somebody else was faster, again.
//!
//! Invariants: the edit is always made on the tip that the push replaces, so nobody's commit is
//! lost; a shared branch is never force-pushed; two transactions of this process on one branch
//! queue instead of racing. After a broken connection the remote is asked whether the push arrived,
//! so nothing is done twice. A push that replaces a branch names the head that it replaces, so it too
//! overwrites only what was looked at.

use super::beside;
use super::cache::GitCache;
use super::commit::CommitPlan;
use super::error::{GitError, PushError};
use super::push::{Force, Push};
use super::refs::RemoteRef;
use super::remote::Remote;
use super::snapshot::Snapshot;
use super::stacking::{Base, Foreign, Stacking};
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
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// The repository.
    pub remote: &'a Remote,
    /// What the change starts from.
    pub checkout: &'a CheckoutRef,
    /// The branch the commit goes to, without `refs/heads/`. When it differs from the checkout
    /// and exists, the change starts from its head instead, unless `stacking` has it made anew.
    pub push_branch: &'a str,
    /// What becomes of a push branch that fell behind the checkout.
    pub stacking: Stacking<'a>,
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
        /// Commits by others, for which a push branch that is behind is kept.
        kept: Vec<Foreign>,
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
        /// Whether the push branch was made anew from the checkout.
        rebuilt: bool,
        /// Commits by others, for which a push branch that is behind is kept.
        kept: Vec<Foreign>,
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
    /// The server does not let the branch be replaced.
    Irreplaceable,
}

/// How a push ended, short of an error.
enum Sent {
    Arrived,
    Lost,
    Irreplaceable,
}

impl GitCache {
    /// Runs a transaction of one commit. `edit` sees the files of the tip and says what to commit; it
    /// runs again on the new tip after each lost race, so it has to be repeatable.
    ///
    /// # Errors
    /// [`TransactionError`]. After one of them the branch is as it was, except for
    /// [`PushError::Unknown`], where the next transaction finds out.
    pub fn transaction<E>(
        &self,
        request: &Transaction<'_>,
        mut edit: impl FnMut(&Snapshot) -> Result<Option<CommitPlan>, E>,
    ) -> Result<TransactionOutcome, TransactionError<E>> {
        self.transaction_of_many(request, |tip| {
            match edit(tip).map_err(TransactionError::Edit)? {
                Some(plan) => Ok(tip.commit_on_top(&plan)?),
                None => Ok(None),
            }
        })
    }

    /// Runs a transaction of any number of commits in one push. `edit` makes them on top of the tip
    /// and gives the last one; it runs again on the new tip after each lost race.
    ///
    /// # Errors
    /// As [`GitCache::transaction`].
    pub fn transaction_of_many<E>(
        &self,
        request: &Transaction<'_>,
        mut edit: impl FnMut(&Snapshot) -> Result<Option<Snapshot>, TransactionError<E>>,
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
        let mut request = *request;
        for number in 1..=attempts {
            match self.attempt(&request, number, &mut edit)? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Irreplaceable => request.stacking = Stacking::OnTop,
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
        edit: &mut impl FnMut(&Snapshot) -> Result<Option<Snapshot>, TransactionError<E>>,
    ) -> Result<Attempt, TransactionError<E>> {
        if let Some(refspec) = request.also {
            also(request, refspec)?;
        }
        let base = self.base(request)?;
        let tip = &base.start.snapshot;
        let next = match edit(tip) {
            Ok(next) => next,
            // The edit may have failed because an object could not be read.
            Err(_) if tip.is_damaged() && number < request.attempts => return Ok(Attempt::Lost),
            Err(error) => return Err(error),
        };
        let Some(next) = next.filter(|next| !base.is_there_already(next)) else {
            self.catch_up(request, tip)
                .map_err(TransactionError::Push)?;
            return Ok(Attempt::Done(TransactionOutcome::NothingToDo {
                head: tip.commit(),
                checkout: base.checkout,
                kept: base.kept,
            }));
        };
        match self.push_first(request, &base, &next)? {
            Sent::Arrived => {}
            Sent::Lost => return Ok(Attempt::Lost),
            Sent::Irreplaceable => return Ok(Attempt::Irreplaceable),
        }
        let rebuilt = base.replaced.is_some();
        self.push_also(request, &next, rebuilt)
            .map_err(TransactionError::Push)?;
        Ok(Attempt::Done(TransactionOutcome::Pushed {
            commit: next.commit(),
            branch: request.push_branch.to_owned(),
            parent: tip.commit(),
            checkout: base.checkout.clone(),
            attempts: number,
            rebuilt,
            kept: base.kept,
        }))
    }

    fn push_first<E>(
        &self,
        request: &Transaction<'_>,
        base: &Base,
        next: &Snapshot,
    ) -> Result<Sent, TransactionError<E>> {
        let reference = format!("refs/heads/{}", request.push_branch);
        let push = Push {
            reference: &reference,
            expected: base.expected,
            force: Force::Never,
            options: request.options,
        };
        match self.push(request.remote, next, &push) {
            Ok(_) => Ok(Sent::Arrived),
            Err(PushError::Unknown { reference, source }) => {
                self.settle(request, next, reference, source)?;
                Ok(Sent::Arrived)
            }
            // Servers word a lost race in many ways; the branch itself tells.
            Err(PushError::Rejected { .. } | PushError::Raced { .. })
                if base.replaced.is_some() && !self.has_moved(request, base.expected) =>
            {
                Ok(Sent::Irreplaceable)
            }
            Err(PushError::Raced { .. }) => Ok(Sent::Lost),
            Err(PushError::Rejected { .. }) if self.has_moved(request, base.expected) => {
                Ok(Sent::Lost)
            }
            Err(error) => Err(TransactionError::Push(error)),
        }
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

    /// Lets the branch of a refspec follow where an earlier push moved only the first reference: nothing
    /// but commits of our own lies between the two.
    fn catch_up(&self, request: &Transaction<'_>, head: &Snapshot) -> Result<(), PushError> {
        let Some(refspec) = request.also else {
            return Ok(());
        };
        let Also { reference, .. } = also(request, refspec)?;
        if !reference.starts_with("refs/heads/") {
            return Ok(());
        }
        let old = head_of(self.remote_refs(request.remote, reference)?, reference);
        let Some(old) = old.filter(|old| *old != head.commit()) else {
            return Ok(());
        };
        let between = beside::known(&head.generation, head.commit(), old);
        if !between.is_some_and(|between| request.stacking.owns(&between.commits)) {
            return Ok(());
        }
        let push = Push {
            reference,
            expected: Some(old),
            force: Force::Never,
            options: request.options,
        };
        self.push(request.remote, head, &push).map(|_| ())
    }

    /// Lets a second reference point to the commit, when a refspec asks for it. Without a `+` it
    /// moves only forward, unless the branch was made anew too.
    fn push_also(
        &self,
        request: &Transaction<'_>,
        next: &Snapshot,
        rebuilt: bool,
    ) -> Result<(), PushError> {
        let Some(refspec) = request.also else {
            return Ok(());
        };
        let Also { reference, force } = also(request, refspec)?;
        let force = if rebuilt { Force::Allowed } else { force };
        let expected = head_of(self.remote_refs(request.remote, reference)?, reference);
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

/// The head of a reference among those that were listed.
fn head_of(found: Vec<RemoteRef>, reference: &str) -> Option<CommitId> {
    let mut same = found.into_iter().filter(|found| found.name == reference);
    same.next().map(|found| found.commit)
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
