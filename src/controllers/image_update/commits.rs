//! The commits of several automations on top of one tip, in memory.
//!
//! Invariants: a commit holds what its automation is for, and is made on the ones before it, so all of
//! them can be pushed together; a fault of one automation is that automation's alone.

use super::collect::policy_of;
use super::execute::{EditError, Edits, Job, rewrite_files};
use crate::adapters::git::{Snapshot, TransactionError};
use crate::api::image_update_automation::{CommitPer, PendingChanges};
use crate::domain::change::ChangeReport;
use crate::domain::git_ref::CommitId;
use crate::domain::marker::PolicyKey;
use crate::domain::rewrite::Selections;
use std::collections::{BTreeMap, BTreeSet};

/// What one automation contributes.
#[derive(Debug)]
pub(super) enum Part {
    /// Its branch is where everything was up to date.
    NotMoved,
    /// Everything has its value.
    Nothing(ChangeReport),
    /// Its changes wait for more.
    Pending(ChangeReport, PendingChanges),
    /// Its commits with their messages.
    Commits(Vec<(CommitId, String)>, ChangeReport),
    /// What went wrong.
    Failed(TransactionError<EditError>),
}

/// The commits of all.
pub(super) struct Made {
    /// One for each job, in their order.
    pub(super) parts: Vec<Part>,
    /// The files after the first commit; `None` when there is none.
    pub(super) first: Option<Snapshot>,
    /// The files after the last one.
    pub(super) last: Option<Snapshot>,
}

/// What is committed for several automations at once.
#[derive(Default)]
struct Shared {
    files: BTreeMap<String, Vec<u8>>,
    report: ChangeReport,
    members: Vec<(usize, ChangeReport)>,
}

/// Makes the commits of `jobs` on top of `tip`, in their order; those that are shared come last.
pub(super) fn make(jobs: &[Job], tip: &Snapshot) -> Made {
    let mut making = Making {
        tip,
        first: None,
        last: None,
        shared: Shared::default(),
    };
    let is_shared = |job: &Job| job.target.per == CommitPer::Push;
    let mut parts: Vec<Option<Part>> = jobs.iter().map(|_| None).collect();
    for wanted in [false, true] {
        for (at, job) in jobs
            .iter()
            .enumerate()
            .filter(|(_, job)| is_shared(job) == wanted)
        {
            parts[at] = Some(making.part(at, job).unwrap_or_else(Part::Failed));
        }
    }
    making.finish(jobs, &mut parts);
    Made {
        parts: parts.into_iter().flatten().collect(),
        first: making.first,
        last: making.last,
    }
}

struct Making<'a> {
    tip: &'a Snapshot,
    first: Option<Snapshot>,
    last: Option<Snapshot>,
    shared: Shared,
}

type Failure = TransactionError<EditError>;

impl Making<'_> {
    fn part(&mut self, at: usize, job: &Job) -> Result<Part, Failure> {
        if job.is_up_to_date_at(self.tip.commit()) {
            return Ok(Part::NotMoved);
        }
        let here = self.last.as_ref().unwrap_or(self.tip);
        let edits = job.edit(here, &self.shared.files).map_err(Failure::Edit)?;
        if edits.files.is_empty() {
            return Ok(Part::Nothing(edits.report));
        }
        if let Some(pending) = job.waiting(&edits.report) {
            return Ok(Part::Pending(edits.report, pending));
        }
        match job.target.per {
            CommitPer::Push => {
                // Words that cannot be found are its own fault, and not that of the others.
                job.message(&edits.report)
                    .map_err(|error| Failure::Edit(error.into()))?;
                self.shared.files.extend(edits.files);
                self.shared.report.merge(edits.report.clone());
                self.shared.members.push((at, edits.report));
                // It is known when all are together.
                Ok(Part::NotMoved)
            }
            CommitPer::Policy => self.commit_each_policy(job, edits),
            CommitPer::Automation | CommitPer::Other(_) => {
                let commit = self.commit(job, edits.files, &edits.report)?;
                Ok(Part::Commits(commit.into_iter().collect(), edits.report))
            }
        }
    }

    fn commit(
        &mut self,
        job: &Job,
        files: BTreeMap<String, Vec<u8>>,
        report: &ChangeReport,
    ) -> Result<Option<(CommitId, String)>, Failure> {
        let message = job
            .message(report)
            .map_err(|error| Failure::Edit(error.into()))?;
        let here = self.last.as_ref().unwrap_or(self.tip);
        let Some(next) = here.commit_on_top(&job.plan(files, &message))? else {
            return Ok(None);
        };
        let commit = next.commit();
        self.first.get_or_insert_with(|| next.clone());
        self.last = Some(next);
        Ok(Some((commit, message)))
    }

    /// A commit for each policy that changes something, in the order of their names. When one of them
    /// fails, none is made.
    fn commit_each_policy(&mut self, job: &Job, edits: Edits) -> Result<Part, Failure> {
        let before = (self.first.clone(), self.last.clone());
        let commits = self.commit_policies(job, &edits);
        if commits.is_err() {
            (self.first, self.last) = before;
        }
        Ok(Part::Commits(commits?, edits.report))
    }

    fn commit_policies(
        &mut self,
        job: &Job,
        edits: &Edits,
    ) -> Result<Vec<(CommitId, String)>, Failure> {
        let mut commits = Vec::new();
        for (policy, files) in by_policy(edits) {
            let mut selections = Selections::new(job.selections.namespace());
            if let Some(image) = job.selections.get(&policy) {
                selections.insert(policy, image.clone());
            }
            let here = self.last.as_ref().unwrap_or(self.tip);
            let edits = restricted(job, here, &files, &selections).map_err(Failure::Edit)?;
            commits.extend(self.commit(job, edits.files, &edits.report)?);
        }
        Ok(commits)
    }

    /// Makes the commit that is shared.
    fn finish(&mut self, jobs: &[Job], parts: &mut [Option<Part>]) {
        let shared = std::mem::take(&mut self.shared);
        let Some(first) = shared.members.first().and_then(|(at, _)| jobs.get(*at)) else {
            return;
        };
        let mut report = shared.report;
        report.sort();
        let commit = self.commit(first, shared.files, &report);
        let mut failure = None;
        let commit = commit.unwrap_or_else(|error| {
            failure = Some(error.to_string());
            None
        });
        for (at, report) in shared.members {
            parts[at] = Some(match &failure {
                None => Part::Commits(commit.iter().cloned().collect(), report),
                Some(words) => Part::Failed(Failure::Edit(EditError::Shared(words.clone()))),
            });
        }
    }
}

/// The changed files of each policy. One policy may have several setters, for parts of its image.
fn by_policy(edits: &Edits) -> BTreeMap<PolicyKey, BTreeSet<&String>> {
    let mut policies: BTreeMap<PolicyKey, BTreeSet<&String>> = BTreeMap::new();
    for (path, setters) in &edits.setters {
        for policy in setters.iter().filter_map(|setter| policy_of(setter)) {
            policies.entry(policy).or_default().insert(path);
        }
    }
    policies
}

/// What these selections change in these files. What other policies mark is no problem of this one.
pub(super) fn restricted(
    job: &Job,
    here: &Snapshot,
    files: &BTreeSet<&String>,
    selections: &Selections,
) -> Result<Edits, EditError> {
    use crate::domain::tree::FileTree;
    let shown = job.folder(here);
    let files = files
        .iter()
        .map(|path| Ok::<_, EditError>(((*path).clone(), here.read(path)?)));
    let mut edits = rewrite_files(files, &shown, selections)?;
    edits.report.problems.clear();
    Ok(edits)
}
