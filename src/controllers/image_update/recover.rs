//! Commits that an earlier run pushed and did not live to tell of. Blocking.
//!
//! Nothing is written down before a push, so after a crash only the branch itself tells. A commit at its
//! head is ours when the same work, done again on its parent, makes the same commit. Invariant: a
//! commit that is taken for ours has our author, our words and our content; what cannot be found
//! out is left alone.

use super::commits::{Made, Part, make};
use super::execute::Job;
use crate::adapters::git::{GitError, Snapshot, TransactionOutcome};
use crate::domain::git_ref::{CheckoutRef, CommitId};

/// The most commits that are looked at.
const LOOKED: usize = 50;
/// The most commits of others in a row that are looked behind.
const OTHERS: usize = 3;

type Found = Vec<(CommitId, String)>;

/// The commits of each job that were not told of, in the order of the branch.
pub(super) fn look(jobs: &[Job], parts: &[Part], outcome: &TransactionOutcome) -> Vec<Found> {
    let mut found: Vec<Found> = jobs.iter().map(|_| Vec::new()).collect();
    let head = match outcome {
        TransactionOutcome::NothingToDo { head, .. } => *head,
        TransactionOutcome::Pushed { parent, .. } => *parent,
    };
    let waits = |job: &Job| job.target.told_until.is_some_and(|until| until != head);
    let (places, again): (Vec<usize>, Vec<Job>) = jobs
        .iter()
        .zip(parts)
        .enumerate()
        .filter(|(_, (job, part))| matches!(part, Part::Nothing(_)) && waits(job))
        .map(|(at, (job, _))| (at, job.once_more()))
        .unzip();
    if again.is_empty() {
        return found;
    }
    // Telling of it is not worth failing for.
    let _ = walk(&again, head, |at, commit| found[places[at]].push(commit));
    found.iter_mut().for_each(|commits| commits.reverse());
    found
}

/// Walks from `head` back, and gives each commit of a job to `ours`.
fn walk(
    jobs: &[Job],
    head: CommitId,
    mut ours: impl FnMut(usize, (CommitId, String)),
) -> Result<(), GitError> {
    let (mut at, mut others) = (head, 0);
    for _ in 0..LOOKED {
        if jobs.iter().all(|job| job.target.told_until == Some(at)) || others > OTHERS {
            break;
        }
        let commit = snapshot(&jobs[0], at)?;
        let about = commit.about()?;
        let [parent] = about.parents[..] else { break };
        let may_be_ours = jobs
            .iter()
            .any(|job| job.target.author_email == about.author.email);
        let mut owners = Vec::new();
        if may_be_ours {
            owners = owners_of(jobs, &commit, &snapshot(&jobs[0], parent)?)?;
        }
        others = if owners.is_empty() { others + 1 } else { 0 };
        for owner in owners {
            ours(owner, (at, about.message.clone()));
        }
        at = parent;
    }
    Ok(())
}

/// Whose work on `parent` makes this commit first.
fn owners_of(jobs: &[Job], commit: &Snapshot, parent: &Snapshot) -> Result<Vec<usize>, GitError> {
    let Made { parts, first, .. } = make(jobs, parent);
    let Some(first) = first else {
        return Ok(Vec::new());
    };
    if !first.is_alike(commit)? {
        return Ok(Vec::new());
    }
    let id = first.commit();
    let owns = |part: &Part| match part {
        Part::Commits(commits, _) => commits.iter().any(|(commit, _)| *commit == id),
        _ => false,
    };
    let owners = parts.iter().enumerate().filter(|(_, part)| owns(part));
    Ok(owners.map(|(at, _)| at).collect())
}

fn snapshot(job: &Job, commit: CommitId) -> Result<Snapshot, GitError> {
    let checkout = CheckoutRef::Commit {
        commit,
        branch: Some(job.target.push_branch.clone()),
    };
    Ok(job.git.fetch(&job.remote, &checkout)?.snapshot)
}

impl Job {
    /// The same job, as if nothing were known and nothing waited.
    fn once_more(&self) -> Self {
        let mut job = self.clone();
        job.unchanged_since = None;
        job.target.collect = None;
        // A signature would be another one, and is not compared.
        job.target.signer = None;
        job
    }
}
