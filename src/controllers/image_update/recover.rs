//! Commits that an earlier run pushed and did not live to tell of. Blocking.
//!
//! Nothing is written down before a push, so after a crash only the branch itself tells. A commit at its
//! head is ours when the same work, done again on its parent, makes the same commit. One that several
//! automations share (`commit.per: push`) has words that follow from all of them, and they need not come
//! together again: there it is enough that one of them wrote it and that it holds changes of ours.
//! Invariant: a commit that is taken for ours has our author and our content, and our words where it is
//! ours alone; none is looked for behind what was told; what cannot be found out is left alone.

use super::commits::{Made, Part, make, restricted};
use super::execute::{EditError, Job};
use crate::adapters::git::{About, GitError, Snapshot, TransactionOutcome};
use crate::api::image_update_automation::CommitPer;
use crate::domain::git_ref::{CheckoutRef, CommitId};
use std::collections::BTreeMap;

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
    let waits = |job: &Job| job.target.told_until.is_some() && !job.target.was_told(head);
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
    let mut waiting = vec![true; jobs.len()];
    for _ in 0..LOOKED {
        for (waits, job) in waiting.iter_mut().zip(jobs) {
            *waits &= !job.target.was_told(at);
        }
        if !waiting.contains(&true) || others > OTHERS {
            break;
        }
        let commit = snapshot(&jobs[0], at)?;
        let about = commit.about()?;
        let [parent] = about.parents[..] else { break };
        let mut owners = Vec::new();
        if jobs.iter().any(|job| job.may_have_made(&about)) {
            owners = owners_of(jobs, &about, &commit, &snapshot(&jobs[0], parent)?)?;
        }
        others = if owners.is_empty() { others + 1 } else { 0 };
        for owner in owners.into_iter().filter(|owner| waiting[*owner]) {
            ours(owner, (at, about.message.clone()));
        }
        at = parent;
    }
    Ok(())
}

/// Whose commit this is: of those whose work on `parent` makes it, and of those who share it.
fn owners_of(
    jobs: &[Job],
    about: &About,
    commit: &Snapshot,
    parent: &Snapshot,
) -> Result<Vec<usize>, GitError> {
    let mut owners = makers_of(jobs, commit, parent)?;
    for (at, job) in jobs.iter().enumerate() {
        let shares = || job.shares(about, commit, parent);
        // What it cannot read there it has not written.
        if !owners.contains(&at) && shares().unwrap_or_default() {
            owners.push(at);
        }
    }
    Ok(owners)
}

/// Whose work on `parent` makes this commit first.
fn makers_of(jobs: &[Job], commit: &Snapshot, parent: &Snapshot) -> Result<Vec<usize>, GitError> {
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
    /// Whether a commit has an author that this job's commits can have. One that several share has that of
    /// the first of them.
    fn may_have_made(&self, about: &About) -> bool {
        let target = &self.target;
        let shared = target.per == CommitPer::Push;
        target.author_email == about.author.email
            || shared && target.own_authors.contains(&about.author.email)
    }

    /// Whether a commit can be one that several automations share, and brings values that this one wants.
    fn shares(
        &self,
        about: &About,
        commit: &Snapshot,
        parent: &Snapshot,
    ) -> Result<bool, EditError> {
        if self.target.per != CommitPer::Push || !self.may_have_made(about) {
            return Ok(false);
        }
        let wanted = self.edit(parent, &BTreeMap::new())?;
        let files = wanted.files.keys().collect();
        let left = restricted(self, commit, &files, &self.selections)?;
        Ok(left.report.changes.len() < wanted.report.changes.len())
    }

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
