//! Automations of one branch, run together: one fetch, one push. Blocking.
//!
//! Invariants: each gets its own result; what one of them did wrong holds up no other, not even when
//! the server refuses the push because of it.

use super::commits::{Made, Part, make};
use super::execute::{Done, EditError, Job, JobError};
use super::recover;
use crate::adapters::git::{
    GitHub, PushError, Stacking, Transaction, TransactionError, TransactionOutcome,
};
use crate::domain::git_ref::CommitId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often a lost race is run again. The pauses add up to less than half a minute.
const ATTEMPTS: u32 = 40;

type Answer = Result<Done, JobError>;

/// What was pushed, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Pushes that arrived.
    pub(super) pushed: u32,
    /// Pushes that did not.
    pub(super) failed: u32,
    /// Races that were lost before.
    pub(super) races: u32,
}

/// Runs jobs that go to the same branch of the same repository; the results are in their order. Those
/// that go there in another way, with other credentials for example, have a push of their own.
pub(super) fn run(jobs: Vec<Job>) -> (Vec<Answer>, Tally) {
    let mut tally = Tally::default();
    let mut groups: Vec<Vec<(usize, Job)>> = Vec::new();
    for (at, job) in jobs.into_iter().enumerate() {
        let same = |group: &&mut Vec<(usize, Job)>| group[0].1.goes_with(&job);
        match groups.iter_mut().find(same) {
            Some(group) => group.push((at, job)),
            None => groups.push(vec![(at, job)]),
        }
    }
    let mut answers: Vec<(usize, Answer)> = Vec::new();
    for group in groups {
        let (places, jobs): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        answers.extend(places.into_iter().zip(together(jobs, &mut tally)));
    }
    answers.sort_by_key(|(at, _)| *at);
    let answers = answers.into_iter().map(|(_, answer)| answer).collect();
    (answers, tally)
}

/// Runs jobs that can be pushed together.
fn together(jobs: Vec<Job>, tally: &mut Tally) -> Vec<Answer> {
    if jobs[0].target.by_github {
        return jobs.iter().map(|job| by_github(job, tally)).collect();
    }
    if let Some(answers) = not_moved(&jobs) {
        return answers;
    }
    let mut parts: Vec<Part> = Vec::new();
    let outcome = jobs[0]
        .git
        .transaction_of_many(&jobs[0].transaction(), |tip| {
            let Made {
                parts: made, last, ..
            } = make(&jobs, tip);
            parts = made;
            let failed = parts
                .iter()
                .position(|part| matches!(part, Part::Failed(_)));
            match failed {
                // An object of the cache was missing: all of it is worth another try.
                Some(at) if tip.is_damaged() => match parts.swap_remove(at) {
                    Part::Failed(error) => Err(error),
                    _ => Ok(None),
                },
                _ => Ok(last),
            }
        });
    match outcome {
        Ok(outcome) => {
            if let TransactionOutcome::Pushed { attempts, .. } = &outcome {
                tally.pushed += 1;
                tally.races += attempts - 1;
            }
            let found = recover::look(&jobs, &parts, &outcome);
            let done = jobs.iter().zip(parts).zip(found);
            done.map(|((job, part), found)| answer(job, part, &outcome, found))
                .collect()
        }
        Err(error) => failed(jobs, parts, error, tally),
    }
}

/// Runs a job whose commit GitHub makes, which it does for one at a time.
fn by_github(job: &Job, tally: &mut Tally) -> Answer {
    let github = GitHub::of(&job.remote).map_err(|error| JobError::GitHub(Arc::new(error)))?;
    let unmoved = not_moved(std::slice::from_ref(job));
    if let Some(answer) = unmoved.and_then(|mut answers| answers.pop()) {
        return answer;
    }
    let mut part = Part::NotMoved;
    let mut words = String::new();
    let outcome = job
        .git
        .transaction_by_github(&job.transaction(), &github, |tip| {
            let edits = job.edit(tip, &BTreeMap::new())?;
            let waiting = job.waiting(&edits.report);
            part = match waiting {
                _ if edits.files.is_empty() => Part::Nothing(edits.report),
                Some(pending) => Part::Pending(edits.report, pending),
                None => {
                    words = job.message(&edits.report)?;
                    part = Part::Commits(Vec::new(), edits.report);
                    return Ok(Some(job.plan(edits.files, &words)));
                }
            };
            Ok::<_, EditError>(None)
        })?;
    if let TransactionOutcome::Pushed {
        commit, attempts, ..
    } = &outcome
    {
        tally.pushed += 1;
        tally.races += attempts - 1;
        // Also when an earlier attempt's answer did not arrive, and the edit found nothing left to do.
        if let Part::Commits(_, report) | Part::Nothing(report) = part {
            part = Part::Commits(vec![(*commit, words)], report);
        }
    }
    answer(job, part, &outcome, Vec::new())
}

/// The answers when no branch has moved and nothing else changed, which takes one question.
fn not_moved(jobs: &[Job]) -> Option<Vec<Answer>> {
    let since: Option<Vec<&String>> = jobs
        .iter()
        .map(|job| job.unchanged_since.as_ref())
        .collect();
    let since = since?;
    let first = &jobs[0];
    let head = first
        .git
        .remote_revision(&first.remote, &first.target.checkout);
    let head = match head {
        Ok(head) => head.to_string(),
        Err(error) => {
            let error = JobError::Remote(Arc::new(error));
            return Some(jobs.iter().map(|_| Err(error.clone())).collect());
        }
    };
    let same = since.iter().all(|since| **since == head);
    same.then(|| {
        let done = |_| {
            Ok(Done::NotMoved {
                revision: head.clone(),
            })
        };
        jobs.iter().map(done).collect()
    })
}

/// Nothing was pushed. Who had nothing to push is not concerned; of several who had, one may be the
/// reason why the server refused, so each tries for itself.
fn failed(
    jobs: Vec<Job>,
    parts: Vec<Part>,
    error: TransactionError<EditError>,
    tally: &mut Tally,
) -> Vec<Answer> {
    let all = jobs.len();
    match error {
        TransactionError::Push(_) => tally.failed += 1,
        TransactionError::Raced { attempts, .. } => {
            tally.failed += 1;
            tally.races += attempts;
        }
        _ => {}
    }
    let refused = matches!(error, TransactionError::Push(PushError::Rejected { .. }));
    let error = JobError::from(error);
    if all == 1 || parts.len() != all {
        return jobs.iter().map(|_| Err(error.clone())).collect();
    }
    let writers = parts
        .iter()
        .filter(|part| matches!(part, Part::Commits(..)))
        .count();
    let again = |part: &Part| match part {
        Part::Commits(..) => refused && writers > 1,
        Part::Failed(_) => false,
        _ => true,
    };
    jobs.into_iter()
        .zip(parts)
        .flat_map(|(job, part)| match part {
            part if again(&part) => together(vec![job], tally),
            Part::Failed(error) => vec![Err(error.into())],
            _ => vec![Err(error.clone())],
        })
        .collect()
}

fn answer(
    job: &Job,
    part: Part,
    outcome: &TransactionOutcome,
    found: Vec<(CommitId, String)>,
) -> Answer {
    let (head, checkout, kept) = match outcome {
        TransactionOutcome::NothingToDo { checkout, kept, .. } => (None, checkout, kept.clone()),
        TransactionOutcome::Pushed {
            commit,
            checkout,
            kept,
            ..
        } => (Some(*commit), checkout, kept.clone()),
    };
    let target = &job.target;
    let same_branch = target.checkout.branch() == Some(target.push_branch.as_str());
    let revision = match head {
        // After a push to the branch that is checked out, the next look finds this commit.
        Some(head) if same_branch => target.checkout.revision(head).to_string(),
        _ => checkout.to_string(),
    };
    let pushed = |commits: Vec<(CommitId, String)>, report, found| {
        let commit = commits.last().map(|(commit, _)| *commit);
        let Some(commit) = commit else {
            return Done::NothingToDo {
                revision: revision.clone(),
                report,
                kept: kept.clone(),
            };
        };
        Done::Pushed {
            commit,
            commits,
            revision: revision.clone(),
            report,
            kept: kept.clone(),
            found,
        }
    };
    Ok(match part {
        Part::NotMoved => Done::NotMoved { revision },
        Part::Nothing(report) => pushed(found, report, true),
        Part::Pending(report, pending) => Done::Pending {
            report,
            pending,
            kept,
        },
        // The branch has the very content already.
        Part::Commits(_, report) if head.is_none() => pushed(Vec::new(), report, false),
        Part::Commits(commits, report) => pushed(commits, report, false),
        Part::Failed(error) => return Err(error.into()),
    })
}

impl Job {
    /// Whether both can be pushed together.
    fn goes_with(&self, other: &Self) -> bool {
        let (one, two) = (&self.target, &other.target);
        self.remote == other.remote
            && one.checkout == two.checkout
            && one.push_branch == two.push_branch
            && one.push_options == two.push_options
            && one.refspec == two.refspec
            && one.gates == two.gates
            && one.own_authors == two.own_authors
            && one.by_github == two.by_github
    }

    pub(super) fn transaction(&self) -> Transaction<'_> {
        let target = &self.target;
        let stacking = match target.gates.force_push_branch {
            true => Stacking::Rebuild {
                authors: &target.own_authors,
                always: !target.gates.all_branch_references,
            },
            false => Stacking::OnTop,
        };
        Transaction {
            remote: &self.remote,
            checkout: &target.checkout,
            push_branch: &target.push_branch,
            stacking,
            options: &target.push_options,
            also: target.refspec.as_deref(),
            attempts: ATTEMPTS,
        }
    }

    /// Whether this commit is where everything was up to date.
    pub(super) fn is_up_to_date_at(&self, commit: CommitId) -> bool {
        let revision = || self.target.checkout.revision(commit).to_string();
        self.unchanged_since
            .as_ref()
            .is_some_and(|since| *since == revision())
    }
}
