//! From an [`Outcome`] to the conditions of an object, by the rules of kstatus.
//!
//! Invariant: `Reconciling` and `Stalled` exist only while true, never both; `Ready` always exists;
//! a transition time moves only when a status does; conditions of other owners are kept.
//! What is absent: reading a clock, and the API machinery's own type.

use super::outcome::{Outcome, reason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The summary condition.
pub const READY: &str = "Ready";
/// Present, and true, while work goes on or is tried again.
pub const RECONCILING: &str = "Reconciling";
/// Present, and true, when only a change of the object can help.
pub const STALLED: &str = "Stalled";

/// One condition, as the API machinery writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `Stalled`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One `PascalCase` word.
    pub reason: String,
    /// For people.
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
    /// The generation of the object this was said of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// A condition a reconciliation wants to be there, before transition times are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The type of the condition.
    pub kind: &'static str,
    /// `Some(true)` is `True`, `None` is `Unknown`.
    pub status: Option<bool>,
    /// One `PascalCase` word.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// The longest message a condition may carry: the API's own bound.
const LONGEST_MESSAGE: usize = 32_768;

/// The conditions after `outcome`: what `current` says, changed to what is true now.
///
/// `further` are conditions of the kind's own, such as `ArtifactInStorage`.
pub fn next(
    current: &[Condition],
    outcome: &Outcome,
    further: &[Statement],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut conditions = current.to_vec();
    conditions.retain(|condition| condition.kind != RECONCILING && condition.kind != STALLED);
    let stated = statements(outcome);
    for statement in stated.iter().chain(further) {
        let before = current
            .iter()
            .find(|condition| condition.kind == statement.kind);
        let condition = transition(before, statement, generation, now);
        match conditions
            .iter_mut()
            .find(|condition| condition.kind == statement.kind)
        {
            Some(place) => *place = condition,
            None => conditions.push(condition),
        }
    }
    conditions
}

fn statements(outcome: &Outcome) -> Vec<Statement> {
    let statement = |kind, status, reason, message: &str| Statement {
        kind,
        status,
        reason,
        message: message.to_owned(),
    };
    let message = outcome.message();
    match outcome {
        Outcome::Ready { reason, .. } => vec![statement(READY, Some(true), reason, message)],
        Outcome::InProgress { reason, .. } => vec![
            statement(RECONCILING, Some(true), reason, message),
            statement(READY, None, reason, message),
        ],
        Outcome::Failed { reason, .. } => vec![
            statement(
                RECONCILING,
                Some(true),
                reason::PROGRESSING_WITH_RETRY,
                message,
            ),
            statement(READY, Some(false), reason, message),
        ],
        Outcome::Stalled { reason, .. } => vec![
            statement(STALLED, Some(true), reason, message),
            statement(READY, Some(false), reason, message),
        ],
    }
}

fn transition(
    before: Option<&Condition>,
    statement: &Statement,
    generation: i64,
    now: Timestamp,
) -> Condition {
    let status = match statement.status {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    Condition {
        kind: statement.kind.to_owned(),
        status: status.to_owned(),
        reason: statement.reason.to_owned(),
        message: bounded(&statement.message),
        last_transition_time: before
            .filter(|condition| condition.status == status)
            .map_or(now, |condition| condition.last_transition_time),
        observed_generation: Some(generation),
    }
}

fn bounded(message: &str) -> String {
    let mut end = message.len().min(LONGEST_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_owned()
}

/// What a change of the `Ready` condition is worth telling: Flux's rules, without its repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A success worth an event of type `Normal`, and a notification.
    Info,
    /// A failure: an event of type `Warning`, and a notification.
    Error,
    /// Nothing new: no notification.
    Trace,
}

/// Compares the `Ready` conditions before and after.
///
/// Flux repeats a failure at every retry; here the same words about the same generation are said once.
pub fn notice(before: &[Condition], after: &[Condition]) -> Notice {
    let ready = |conditions: &'_ [Condition]| {
        conditions
            .iter()
            .find(|condition| condition.kind == READY)
            .cloned()
    };
    let (before, Some(after)) = (ready(before), ready(after)) else {
        return Notice::Trace;
    };
    let same = before.as_ref().is_some_and(|before| {
        (
            &before.status,
            &before.reason,
            &before.message,
            before.observed_generation,
        ) == (
            &after.status,
            &after.reason,
            &after.message,
            after.observed_generation,
        )
    });
    match after.status.as_str() {
        _ if same => Notice::Trace,
        "True" => {
            let was_ready = before
                .is_some_and(|before| before.status == "True" && before.message == after.message);
            if was_ready {
                Notice::Trace
            } else {
                Notice::Info
            }
        }
        "False" => Notice::Error,
        _ => Notice::Trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small number is a time")
    }

    fn ready(message: &str) -> Outcome {
        Outcome::Ready {
            reason: reason::SUCCEEDED,
            message: message.to_owned(),
            next: None,
        }
    }

    fn summary(conditions: &[Condition]) -> Vec<(&str, &str, &str)> {
        conditions
            .iter()
            .map(|c| (c.kind.as_str(), c.status.as_str(), c.reason.as_str()))
            .collect()
    }

    #[test]
    fn a_ready_object_has_only_the_ready_condition() {
        let failed = next(
            &[],
            &Outcome::failed("GitOperationFailed", "no route"),
            &[],
            1,
            at(1),
        );
        assert_eq!(
            summary(&failed),
            [
                ("Reconciling", "True", "ProgressingWithRetry"),
                ("Ready", "False", "GitOperationFailed")
            ]
        );
        let healed = next(&failed, &ready("done"), &[], 1, at(2));
        assert_eq!(summary(&healed), [("Ready", "True", "Succeeded")]);
        assert_eq!(healed[0].last_transition_time, at(2));
    }

    #[test]
    fn a_stalled_object_is_not_reconciling() {
        let progressing = Outcome::InProgress {
            reason: reason::PROGRESSING,
            message: "reconciliation in progress".to_owned(),
            next: Duration::from_secs(1),
        };
        let before = next(&[], &progressing, &[], 1, at(1));
        assert_eq!(
            summary(&before),
            [
                ("Reconciling", "True", "Progressing"),
                ("Ready", "Unknown", "Progressing")
            ]
        );
        let after = next(
            &before,
            &Outcome::stalled("InvalidPolicy", "no range"),
            &[],
            2,
            at(2),
        );
        assert_eq!(
            summary(&after),
            [
                ("Ready", "False", "InvalidPolicy"),
                ("Stalled", "True", "InvalidPolicy")
            ]
        );
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let first = next(&[], &ready("one"), &[], 1, at(1));
        let second = next(&first, &ready("two"), &[], 2, at(2));
        assert_eq!(second[0].last_transition_time, at(1));
        assert_eq!(
            (second[0].message.as_str(), second[0].observed_generation),
            ("two", Some(2))
        );
    }

    #[test]
    fn conditions_of_other_owners_stay() {
        let foreign = Condition {
            kind: "Blessed".to_owned(),
            status: "True".to_owned(),
            reason: "Somebody".to_owned(),
            message: String::new(),
            last_transition_time: at(0),
            observed_generation: None,
        };
        let after = next(
            std::slice::from_ref(&foreign),
            &ready("done"),
            &[],
            1,
            at(1),
        );
        assert_eq!(after[0], foreign);
        assert_eq!(after.len(), 2);
    }

    #[test]
    fn a_failure_is_told_once_and_a_success_when_it_is_news() {
        let failed = next(&[], &Outcome::failed("Failed", "no route"), &[], 1, at(1));
        let again = next(
            &failed,
            &Outcome::failed("Failed", "no route"),
            &[],
            1,
            at(2),
        );
        let other = next(&again, &Outcome::failed("Failed", "no host"), &[], 1, at(3));
        let healed = next(&other, &ready("done"), &[], 1, at(4));
        let same = next(&healed, &ready("done"), &[], 2, at(5));
        let news = next(&same, &ready("done more"), &[], 2, at(6));
        assert_eq!(notice(&[], &failed), Notice::Error);
        assert_eq!(notice(&failed, &again), Notice::Trace);
        assert_eq!(notice(&again, &other), Notice::Error);
        assert_eq!(notice(&other, &healed), Notice::Info);
        assert_eq!(notice(&healed, &same), Notice::Trace);
        assert_eq!(notice(&same, &news), Notice::Info);
    }

    #[test]
    fn a_message_is_cut_to_what_the_api_accepts() {
        let long = "é".repeat(LONGEST_MESSAGE);
        let after = next(&[], &ready(&long), &[], 1, at(1));
        assert_eq!(after[0].message.len(), LONGEST_MESSAGE);
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(ready("done")),
            Just(Outcome::failed("Failed", "no route")),
            Just(Outcome::stalled("Failed", "never")),
            Just(Outcome::InProgress {
                reason: reason::PROGRESSING,
                message: "working".to_owned(),
                next: Duration::ZERO
            }),
        ]
    }

    proptest! {
        #[test]
        fn after_any_history_the_conditions_follow_kstatus(history in proptest::collection::vec(outcome(), 1..12)) {
            let mut conditions = Vec::new();
            for (second, outcome) in history.iter().enumerate() {
                conditions = next(&conditions, outcome, &[], 1, at(second as i64));
                let kinds: Vec<_> = conditions.iter().map(|c| c.kind.as_str()).collect();
                prop_assert_eq!(kinds.iter().filter(|kind| **kind == READY).count(), 1);
                prop_assert!(!(kinds.contains(&STALLED) && kinds.contains(&RECONCILING)));
                for condition in &conditions {
                    prop_assert!(condition.kind == READY || condition.status == "True");
                }
            }
        }
    }
}
