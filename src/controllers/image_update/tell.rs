//! What to say of a run that succeeded. Pure.

use super::execute::Done;
use super::plan::{Target, started};
use crate::adapters::cluster::events::Told;
use crate::adapters::git::Foreign;
use crate::api::ImageUpdateAutomation;
use crate::api::common::{ImageReference, Time};
use crate::api::image_update_automation::{ImageUpdateAutomationStatus, PendingChanges};
use crate::controllers::report::Report;
use crate::domain::change::ChangeReport;
use crate::domain::conditions::Statement;
use crate::domain::git_ref::CommitId;
use crate::domain::outcome::{Outcome, reason};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Our own condition: whether every marker that was found took effect.
const MARKERS_APPLIED: &str = "MarkersApplied";
/// Our own condition: there are changes that wait for more to come.
const CHANGES_PENDING: &str = "ChangesPending";
/// Our own condition: the push branch is behind, and holds commits of others.
const BRANCH_KEPT: &str = "PushBranchKept";
/// How many problems, commits or policies a condition names.
const SHOWN: usize = 20;

/// The report of a run that succeeded.
pub(super) fn report(
    object: &ImageUpdateAutomation,
    target: &Target,
    policies: &BTreeMap<String, ImageReference>,
    done: Done,
    now: Timestamp,
) -> Report<ImageUpdateAutomationStatus> {
    let mut status = started(object, now);
    status
        .conditions
        .retain(|known| ![CHANGES_PENDING, BRANCH_KEPT].contains(&known.type_.as_str()));
    if !matches!(done, Done::Pending { .. }) {
        status.observed_policies = policies.clone();
        status.pending_changes = None;
    }
    let mut report = Report::new(status, up_to_date(target.interval));
    match done {
        Done::NotMoved { revision } => report.status.observed_source_revision = Some(revision),
        Done::NothingToDo {
            revision,
            report: changes,
            kept,
        } => {
            report.status.observed_source_revision = Some(revision);
            report.further.push(markers_applied(&changes));
            tell_of_kept(object, target, &kept, &mut report);
        }
        Done::Pending {
            report: changes,
            pending,
            kept,
        } => {
            report.outcome = waiting(&pending, target.interval, now);
            report.further.push(changes_pending(&pending));
            report.further.push(markers_applied(&changes));
            report.status.pending_changes = Some(pending);
            tell_of_kept(object, target, &kept, &mut report);
        }
        Done::Pushed {
            commit,
            commits,
            revision,
            report: changes,
            kept,
            ..
        } => {
            report.status.last_push_commit = Some(commit.to_string());
            report.status.last_push_time = Some(Time(now));
            report.status.observed_source_revision = Some(revision);
            report
                .told
                .extend(commits.iter().map(|commit| pushed(target, commit)));
            report.further.push(markers_applied(&changes));
            tell_of_kept(object, target, &kept, &mut report);
        }
    }
    report
}

fn up_to_date(interval: Duration) -> Outcome {
    Outcome::Ready {
        reason: reason::SUCCEEDED,
        message: "repository up-to-date".to_owned(),
        next: Some(interval),
    }
}

/// The words stay the same while more changes come, so that they are told once.
fn waiting(pending: &PendingChanges, interval: Duration, now: Timestamp) -> Outcome {
    let left = pending.due.0.duration_since(now);
    let left = Duration::try_from(left).unwrap_or_default();
    Outcome::Ready {
        reason: reason::SUCCEEDED,
        message: "changes wait for more to come before they are committed".to_owned(),
        next: Some(left.min(interval)),
    }
}

fn changes_pending(pending: &PendingChanges) -> Statement {
    let names: Vec<&str> = pending.policies.keys().map(String::as_str).collect();
    let left = names.len().saturating_sub(SHOWN);
    let more = if left > 0 {
        format!(" and {left} more")
    } else {
        String::new()
    };
    let names = names[..names.len() - left].join(", ");
    let noun = if pending.count == 1 {
        "value"
    } else {
        "values"
    };
    let PendingChanges {
        count, since, due, ..
    } = pending;
    Statement {
        kind: CHANGES_PENDING,
        status: Some(true),
        reason: reason::COLLECTING,
        message: format!(
            "{count} {noun} to change by {names}{more}, since {}, due at {}",
            since.0, due.0
        ),
    }
}

fn pushed(target: &Target, (commit, message): &(CommitId, String)) -> Told {
    let also = target
        .refspec
        .as_ref()
        .map(|refspec| format!(" and refspecs '{refspec}'"))
        .unwrap_or_default();
    let short = &commit.to_string()[..7];
    let branch = &target.push_branch;
    event(format!(
        "pushed commit '{short}' to branch '{branch}'{also}\n{message}"
    ))
}

/// Says that a branch is behind, and why it stays: in a condition, and once as an event.
fn tell_of_kept(
    object: &ImageUpdateAutomation,
    target: &Target,
    kept: &[Foreign],
    report: &mut Report<ImageUpdateAutomationStatus>,
) {
    if kept.is_empty() {
        return;
    }
    let shown = kept.iter().take(SHOWN).map(|foreign| {
        let short = &foreign.commit.to_string()[..7];
        format!("{short} by {}", foreign.author)
    });
    let mut message = format!(
        "branch '{}' is behind {} and is not made anew, because of commits by others: {}",
        target.push_branch,
        target.checkout,
        shown.collect::<Vec<_>>().join(", ")
    );
    if kept.len() > SHOWN {
        message.push_str(&format!(" and {} more", kept.len() - SHOWN));
    }
    let told = object
        .status
        .conditions
        .iter()
        .any(|known| known.type_ == BRANCH_KEPT && known.message == message);
    if !told {
        report.told.push(event(message.clone()));
    }
    report.further.push(Statement {
        kind: BRANCH_KEPT,
        status: Some(true),
        reason: reason::COMMITS_BY_OTHERS,
        message,
    });
}

fn event(message: String) -> Told {
    Told {
        warning: false,
        reason: reason::SUCCEEDED.to_owned(),
        message,
        metadata: Default::default(),
    }
}

/// Says of every marker that did nothing why it did nothing.
pub(super) fn markers_applied(report: &ChangeReport) -> Statement {
    // A repository that several namespaces share has markers of all of them: those are not ours to judge.
    let own = || {
        report
            .problems
            .iter()
            .filter(|problem| !problem.kind.is_foreign())
    };
    let problems: Vec<String> = own().take(SHOWN).map(ToString::to_string).collect();
    let left = own().count().saturating_sub(SHOWN);
    let (status, reason, message) = match problems.is_empty() {
        true => (
            true,
            reason::SUCCEEDED,
            "every marker has its value".to_owned(),
        ),
        false if left == 0 => (false, reason::UPDATE_FAILED, problems.join("\n")),
        false => (
            false,
            reason::UPDATE_FAILED,
            format!("{}\nand {left} more", problems.join("\n")),
        ),
    };
    Statement {
        kind: MARKERS_APPLIED,
        status: Some(status),
        reason,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::target;
    use super::super::plan::tests::{COMMIT, now, object, policies, pushed, source};
    use super::*;
    use crate::api::image_update_automation::PushSpec;
    use crate::controllers::report::{Subject, write};

    fn plain() -> (ImageUpdateAutomation, Target) {
        let object = object(None);
        let target = target(&object, &source(Some("main"))).expect("it is whole");
        (object, target)
    }

    /// What is told, and the object with the status that is written.
    fn told(
        object: &ImageUpdateAutomation,
        report: Report<ImageUpdateAutomationStatus>,
    ) -> (Vec<String>, ImageUpdateAutomation) {
        let before = serde_json::to_value(&object.status).expect("a status is JSON");
        let status = serde_json::to_value(&report.status).expect("a status is JSON");
        let subject = Subject {
            status: &before,
            generation: 1,
            requested_at: None,
        };
        let (outcome, further) = (&report.outcome, &report.further);
        let written = write(&subject, status, outcome, further, report.told, now());
        let words = written.told.into_iter().map(|(_, told)| told.message);
        let mut object = object.clone();
        object.status = serde_json::from_value(written.status).expect("it is a status");
        (words.collect(), object)
    }

    fn condition(object: &ImageUpdateAutomation, kind: &str) -> Option<String> {
        let conditions = object.status.conditions.iter();
        let mut found = conditions.filter(|condition| condition.type_ == kind);
        found.next().map(|condition| condition.message.clone())
    }

    #[test]
    fn a_push_is_told_in_the_words_of_flux() {
        let (object, target) = plain();
        let report = report(&object, &target, &policies("1.0.0"), pushed(&target), now());
        assert_eq!(report.outcome.message(), "repository up-to-date");
        assert_eq!(
            report.told[0].message,
            "pushed commit '0123456' to branch 'main'\nUpdate app"
        );
        assert_eq!(report.status.last_push_commit.as_deref(), Some(COMMIT));
        assert_eq!(
            report.status.observed_source_revision,
            Some(format!("main@sha1:{COMMIT}"))
        );
    }

    #[test]
    fn a_second_reference_is_told_too() {
        let push = PushSpec {
            refspec: Some("refs/heads/main:refs/heads/prod".to_owned()),
            ..PushSpec::default()
        };
        let object = object(Some(push));
        let target = target(&object, &source(Some("main"))).expect("it is whole");
        let report = report(&object, &target, &policies("1.0.0"), pushed(&target), now());
        assert_eq!(
            report.told[0].message,
            "pushed commit '0123456' to branch 'main' and refspecs 'refs/heads/main:refs/heads/prod'\nUpdate app"
        );
    }

    #[test]
    fn each_commit_is_told_and_the_last_one_stands_in_the_status() {
        let (object, target) = plain();
        let mut done = pushed(&target);
        if let Done::Pushed { commits, .. } = &mut done {
            let first = CommitId::from_bytes([0xab; 20]);
            commits.insert(0, (first, "Update api".to_owned()));
        }
        let report = report(&object, &target, &policies("1.0.0"), done, now());
        assert_eq!(report.status.last_push_commit.as_deref(), Some(COMMIT));
        let (words, _) = told(&object, report);
        assert_eq!(
            words,
            [
                "pushed commit 'abababa' to branch 'main'\nUpdate api",
                "pushed commit '0123456' to branch 'main'\nUpdate app"
            ]
        );
    }

    fn pending(due: i64) -> Done {
        let at = |second| Time(Timestamp::from_second(second).expect("a time"));
        Done::Pending {
            report: ChangeReport::default(),
            pending: PendingChanges {
                count: 2,
                policies: policies("1.1.0"),
                since: at(1_000),
                changed: at(1_000),
                due: at(due),
            },
            kept: Vec::new(),
        }
    }

    #[test]
    fn changes_that_wait_are_told_once_and_stand_in_a_condition_until_they_are_committed() {
        let (object, target) = plain();
        let first = report(&object, &target, &policies("1.1.0"), pending(1_030), now());
        let Outcome::Ready { next, .. } = first.outcome else {
            panic!("{:?}", first.outcome);
        };
        assert_eq!(next, Some(Duration::from_secs(30)));
        let (words, object) = told(&object, first);
        assert_eq!(
            words,
            ["changes wait for more to come before they are committed"]
        );
        assert_eq!(object.status.observed_policies, BTreeMap::new());
        let message = condition(&object, CHANGES_PENDING);
        assert_eq!(
            message.as_deref(),
            Some(
                "2 values to change by app, since 1970-01-01T00:16:40Z, due at 1970-01-01T00:17:10Z"
            )
        );
        let second = report(&object, &target, &policies("1.1.0"), pending(1_060), now());
        let (words, object) = told(&object, second);
        assert_eq!(words, Vec::<String>::new());
        let last = report(&object, &target, &policies("1.1.0"), pushed(&target), now());
        let (_, object) = told(&object, last);
        assert_eq!(condition(&object, CHANGES_PENDING), None);
        assert_eq!(object.status.pending_changes, None);
    }

    #[test]
    fn a_branch_that_is_kept_for_others_is_told_once_and_stands_in_a_condition() {
        let (object, mut target) = plain();
        target.push_branch = "updates".to_owned();
        let done = |authors: &[&str]| Done::NothingToDo {
            revision: format!("main@sha1:{COMMIT}"),
            report: ChangeReport::default(),
            kept: authors
                .iter()
                .map(|author| Foreign {
                    commit: CommitId::from_bytes([0xcd; 20]),
                    author: (*author).to_owned(),
                })
                .collect(),
        };
        let jane = ["Jane <jane@example.com>"];
        let expected = "branch 'updates' is behind branch `main` and is not made anew, because of commits by others: cdcdcdc by Jane <jane@example.com>";
        let mut object = object;
        for events in [1, 0] {
            let report = report(&object, &target, &policies("1.0.0"), done(&jane), now());
            assert_eq!(report.told.len(), events);
            (_, object) = told(&object, report);
            assert_eq!(condition(&object, BRANCH_KEPT).as_deref(), Some(expected));
        }
        let report = report(&object, &target, &policies("1.0.0"), done(&[]), now());
        let (_, object) = told(&object, report);
        assert_eq!(condition(&object, BRANCH_KEPT), None);
    }
}
