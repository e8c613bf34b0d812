//! Says what automations skip of a policy. Pure.
//!
//! An automation says so in its own status, and a change there wakes the policy: so a policy's status has one writer.
//! Invariant: the condition stands while an automation that proposes pull requests skips the very image that is selected,
//! and no longer. What is absent: which those are; `controllers::skips` reads that.

use crate::api::PROPOSE_AGAIN;
use crate::api::common::ImageReference;
use crate::api::image_policy::ImagePolicyStatus;
use crate::controllers::report::Report;
use crate::controllers::skips::Skip;
use crate::domain::conditions::Statement;
use crate::domain::image::ImageRef;
use crate::domain::outcome::Outcome;
use std::time::Duration;

/// Our own condition: false while what is selected is not proposed.
const PROPOSED: &str = "Proposed";
/// The reason when a person closed the pull request.
const VERSION_SKIPPED: &str = "VersionSkipped";
/// Most automations that the condition names.
const SHOWN: usize = 5;

fn words(skip: &Skip) -> String {
    let Skip {
        automation,
        number,
        image,
        ..
    } = skip;
    let url = skip.url.as_ref().map(|url| format!(" ({url})"));
    let url = url.unwrap_or_default();
    let by = skip.closed_by.as_deref().unwrap_or("a person");
    format!(
        "`{image}` is skipped by the automation `{automation}`: pull request #{number}{url} was closed by {by}. hint: reopen \
             it, or wait for a newer version, or annotate the automation with `{PROPOSE_AGAIN}: \"{number}\"`"
    )
}

/// The report with what is skipped of the selection.
pub(super) fn told(
    mut report: Report<ImagePolicyStatus>,
    skips: &[Skip],
) -> Report<ImagePolicyStatus> {
    match statement(report.status.latest_ref.as_ref(), skips) {
        // What was said before stays beneath, and with it since when.
        Some(statement) => report.stating(statement),
        None => {
            let conditions = &mut report.status.conditions;
            conditions.retain(|known| known.type_ != PROPOSED);
            report
        }
    }
}

/// The report while the automations are not known yet: what was said stays, and is looked at again.
pub(super) fn untold(
    mut report: Report<ImagePolicyStatus>,
    soon: Duration,
) -> Report<ImagePolicyStatus> {
    let mut conditions = report.status.conditions.iter();
    let said = conditions.any(|known| known.type_ == PROPOSED);
    if let Outcome::Ready { next, .. } = &mut report.outcome
        && said
    {
        *next = Some(next.map_or(soon, |next| next.min(soon)));
    }
    report
}

fn statement(selected: Option<&ImageReference>, skips: &[Skip]) -> Option<Statement> {
    let selected = ImageRef::from(selected?).to_string();
    let own = skips.iter().filter(|skip| skip.image == selected);
    let lines: Vec<String> = own.take(SHOWN).map(words).collect();
    (!lines.is_empty()).then(|| Statement {
        kind: PROPOSED,
        status: Some(false),
        reason: VERSION_SKIPPED,
        message: lines.join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ImagePolicy;
    use crate::controllers::report::{Subject, write};
    use crate::domain::outcome::reason;
    use jiff::Timestamp;
    use serde_json::json;

    fn selected(tag: &str) -> ImagePolicyStatus {
        let object = json!({
            "metadata": {"namespace": "apps", "name": "app"},
            "spec": {"imageRepositoryRef": {"name": "app"}, "policy": {"numerical": {}}},
            "status": {"latestRef": {"name": "ghcr.io/acme/app", "tag": tag}},
        });
        let object: ImagePolicy = serde_json::from_value(object).expect("it reads");
        object.status
    }

    fn ready() -> Outcome {
        Outcome::Ready {
            reason: reason::SUCCEEDED,
            message: "Latest image tag".to_owned(),
            next: None,
        }
    }

    fn skipped_by(automations: &[&str]) -> Vec<Skip> {
        let skip = |automation: &&str| Skip {
            automation: (*automation).to_owned(),
            number: 7,
            image: "ghcr.io/acme/app:1.1.0".to_owned(),
            url: Some("https://forge/7".to_owned()),
            closed_by: Some("jane".to_owned()),
        };
        automations.iter().map(skip).collect()
    }

    #[test]
    fn it_says_which_version_who_closed_it_and_how_to_lift_that() {
        let report = told(
            Report::new(selected("1.1.0"), ready()),
            &skipped_by(&["fleet"]),
        );
        let [statement] = report.further.as_slice() else {
            panic!("{:?}", report.further);
        };
        assert_eq!(
            (statement.kind, statement.status, statement.reason),
            ("Proposed", Some(false), "VersionSkipped")
        );
        assert_eq!(
            statement.message,
            "`ghcr.io/acme/app:1.1.0` is skipped by the automation `fleet`: pull request #7 (https://forge/7) was closed by jane. \
             hint: reopen it, or wait for a newer version, or annotate the automation with \
             `image.highwater.dev/propose-again: \"7\"`"
        );
    }

    #[test]
    fn every_automation_that_skips_it_is_named_and_one_of_another_version_is_not() {
        let both = skipped_by(&["fleet", "other"]);
        let words = statement(selected("1.1.0").latest_ref.as_ref(), &both).map(|it| it.message);
        assert_eq!(words.map(|words| words.lines().count()), Some(2));
        for status in [selected("1.2.0"), ImagePolicyStatus::default()] {
            assert_eq!(statement(status.latest_ref.as_ref(), &both), None);
        }
    }

    /// What is written, step by step: the condition and `Ready`.
    #[test]
    fn it_comes_and_goes_and_a_failure_of_the_policy_leaves_it() {
        let mut status = serde_json::to_value(selected("1.1.0")).expect("a status is JSON");
        let skipped = skipped_by(&["fleet"]);
        let failed = || Outcome::failed(reason::FAILURE, "no tags");
        for (outcome, skips, kinds) in [
            (ready(), None, vec!["Ready"]),
            (ready(), Some(&skipped), vec!["Ready", "Proposed"]),
            (ready(), None, vec!["Proposed", "Ready"]),
            (
                failed(),
                Some(&skipped),
                vec!["Ready", "Reconciling", "Proposed"],
            ),
            (ready(), Some(&Vec::new()), vec!["Ready"]),
        ] {
            let known: ImagePolicyStatus =
                serde_json::from_value(status.clone()).expect("it is a status");
            let report = Report::new(known, outcome);
            let report = match skips {
                Some(skips) => told(report, skips),
                None => untold(report, Duration::from_secs(5)),
            };
            let subject = Subject {
                status: &status,
                generation: 1,
                requested_at: None,
            };
            let changed = serde_json::to_value(&report.status).expect("a status is JSON");
            let (outcome, now) = (&report.outcome, Timestamp::UNIX_EPOCH);
            let written = write(&subject, changed, outcome, &report.further, Vec::new(), now);
            status = written.status;
            let mut found: Vec<&str> = status["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|condition| condition["type"].as_str())
                .collect();
            found.sort_unstable();
            let mut kinds = kinds;
            kinds.sort_unstable();
            assert_eq!(found, kinds);
        }
    }

    #[test]
    fn what_was_said_before_is_said_since_then() {
        let mut status = serde_json::to_value(selected("1.1.0")).expect("a status is JSON");
        for second in [0, 60] {
            let known = serde_json::from_value(status.clone()).expect("it is a status");
            let report = told(Report::new(known, ready()), &skipped_by(&["fleet"]));
            let subject = Subject {
                status: &status,
                generation: 1,
                requested_at: None,
            };
            let changed = serde_json::to_value(&report.status).expect("a status is JSON");
            let now = Timestamp::from_second(second).expect("a time");
            let (outcome, further) = (&report.outcome, &report.further);
            let written = write(&subject, changed, outcome, further, Vec::new(), now);
            if second > 0 {
                assert_eq!(written.status, status, "nothing is to be written");
            }
            status = written.status;
        }
    }

    #[test]
    fn what_is_not_known_yet_is_looked_at_again_soon() {
        let soon = Duration::from_secs(5);
        let next = |report: Report<ImagePolicyStatus>| match untold(report, soon).outcome {
            Outcome::Ready { next, .. } => next,
            other => panic!("{other:?}"),
        };
        assert_eq!(next(Report::new(selected("1.1.0"), ready())), None);
        let mut said = selected("1.1.0");
        let condition = json!({
            "type": "Proposed", "status": "False", "reason": "VersionSkipped", "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        said.conditions = vec![serde_json::from_value(condition).expect("a condition")];
        assert_eq!(next(Report::new(said, ready())), Some(soon));
    }
}
