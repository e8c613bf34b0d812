//! From what a reconciliation says to what is written: status, events, requeue. The only place that
//! does so, for every kind.
//!
//! Invariant: a status holds nothing that the report did not say, but for conditions of other
//! owners. What is absent: I/O; the driver does it.

use crate::adapters::cluster::events::Told;
use crate::domain::backoff::{Backoff, spread};
use crate::domain::conditions::{self, Condition, Notice, Statement};
use crate::domain::object::ObjectKey;
use crate::domain::outcome::Outcome;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// What a reconciliation says.
#[derive(Debug)]
pub struct Report<S> {
    /// The fields of the status that belong to the kind. Conditions, the observed generation and
    /// the handled request are filled in here.
    pub status: S,
    /// How it ended.
    pub outcome: Outcome,
    /// Conditions of the kind's own.
    pub further: Vec<Statement>,
    /// What happened that is worth telling by itself; otherwise a change of `Ready` is told.
    pub told: Vec<Told>,
}

impl<S> Report<S> {
    /// A report with nothing further to tell.
    pub fn new(status: S, outcome: Outcome) -> Self {
        Self {
            status,
            outcome,
            further: Vec::new(),
            told: Vec::new(),
        }
    }

    /// The same with one more thing to tell.
    #[must_use]
    pub fn telling(mut self, told: Told) -> Self {
        self.told.push(told);
        self
    }

    /// The same with one more condition.
    #[must_use]
    pub fn stating(mut self, statement: Statement) -> Self {
        self.further.push(statement);
        self
    }
}

/// What is known of the object whose report is written.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The status as the API server has it.
    pub status: &'a Value,
    /// The generation that was reconciled.
    pub generation: i64,
    /// The value of the `requestedAt` annotation that was handled.
    pub requested_at: Option<&'a str>,
}

/// What is to be written and told.
#[derive(Debug)]
pub struct Written {
    /// The whole status.
    pub status: Value,
    /// What is told, with its severity.
    pub told: Vec<(Notice, Told)>,
}

/// The conditions in a status; none when it holds none that can be read.
pub fn conditions_of(status: &Value) -> Vec<Condition> {
    status
        .get("conditions")
        .and_then(|conditions| serde_json::from_value(conditions.clone()).ok())
        .unwrap_or_default()
}

/// The status before work on a new generation starts; `None` when the generation is known.
pub fn in_progress(subject: &Subject<'_>, now: Timestamp) -> Option<Value> {
    let observed = subject
        .status
        .get("observedGeneration")
        .and_then(Value::as_i64)
        .unwrap_or(-1);
    if observed == subject.generation {
        return None;
    }
    let message = match observed {
        ..=0 => "reconciliation in progress".to_owned(),
        _ => format!(
            "processing object: new generation {observed} -> {}",
            subject.generation
        ),
    };
    let outcome = Outcome::InProgress {
        reason: crate::domain::outcome::reason::PROGRESSING,
        message,
        next: Duration::ZERO,
    };
    let current = conditions_of(subject.status);
    // A failure of this generation is being tried again: its words are worth more than "in progress".
    if current.iter().any(|known| {
        known.kind == conditions::RECONCILING
            && known.observed_generation == Some(subject.generation)
    }) {
        return None;
    }
    let mut status = subject.status.clone();
    let conditions = conditions::next(&current, &outcome, &[], subject.generation, now);
    insert(
        &mut status,
        "conditions",
        serde_json::to_value(conditions).unwrap_or_default(),
    );
    Some(status)
}

/// The status and the events after a reconciliation.
pub fn write(
    subject: &Subject<'_>,
    mut status: Value,
    outcome: &Outcome,
    further: &[Statement],
    told: Vec<Told>,
    now: Timestamp,
) -> Written {
    let before = conditions_of(subject.status);
    // A report may have dropped a condition of its kind's own; what it left is what is changed.
    let after = conditions::next(
        &conditions_of(&status),
        outcome,
        further,
        subject.generation,
        now,
    );
    let notice = conditions::notice(&before, &after);
    let observed = match outcome.observes_generation() {
        true => Some(Value::from(subject.generation)),
        false => subject.status.get("observedGeneration").cloned(),
    };
    insert(
        &mut status,
        "conditions",
        serde_json::to_value(&after).unwrap_or_default(),
    );
    let handled = subject
        .requested_at
        .map(Value::from)
        .or_else(|| subject.status.get("lastHandledReconcileAt").cloned());
    for (field, value) in [
        ("observedGeneration", observed),
        ("lastHandledReconcileAt", handled),
    ] {
        if let Some(value) = value {
            insert(&mut status, field, value);
        }
    }
    let events = tell(notice, outcome, told);
    Written {
        status,
        told: events,
    }
}

fn tell(notice: Notice, outcome: &Outcome, told: Vec<Told>) -> Vec<(Notice, Told)> {
    let own = Told {
        warning: notice == Notice::Error,
        reason: outcome.reason().to_owned(),
        message: outcome.message().to_owned(),
        metadata: Default::default(),
    };
    let own = (notice == Notice::Error || notice == Notice::Info && told.is_empty())
        .then_some((notice, own));
    let severity = |told: &Told| {
        if told.warning {
            Notice::Error
        } else {
            Notice::Info
        }
    };
    told.into_iter()
        .map(|told| (severity(&told), told))
        .chain(own)
        .collect()
}

fn insert(status: &mut Value, field: &str, value: Value) {
    if !status.is_object() {
        *status = Value::Object(serde_json::Map::new());
    }
    if let Some(fields) = status.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

/// When to come back after `failures` failures in a row, this outcome included.
pub fn come_back(
    outcome: &Outcome,
    failures: u32,
    backoff: Backoff,
    jitter_percent: u8,
    object: &ObjectKey,
) -> Option<Duration> {
    match outcome {
        Outcome::Ready { next, .. } => next.map(|next| spread(next, jitter_percent, object)),
        Outcome::InProgress { next, .. } => Some(*next),
        Outcome::Failed { next, .. } => Some(next.unwrap_or_else(|| backoff.delay(failures))),
        Outcome::Stalled { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::reason;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small number is a time")
    }

    fn ready(message: &str) -> Outcome {
        Outcome::Ready {
            reason: reason::SUCCEEDED,
            message: message.to_owned(),
            next: Some(Duration::from_secs(60)),
        }
    }

    fn pushed() -> Told {
        Told {
            warning: false,
            reason: "Succeeded".to_owned(),
            message: "pushed commit".to_owned(),
            metadata: Default::default(),
        }
    }

    #[test]
    fn a_new_generation_is_in_progress_until_it_is_observed() {
        let fresh = json!({"observedGeneration": -1});
        let subject = Subject {
            status: &fresh,
            generation: 1,
            requested_at: None,
        };
        let status = in_progress(&subject, at(1)).expect("the generation is new");
        assert_eq!(status["conditions"][0]["type"], "Reconciling");
        assert_eq!(
            status["conditions"][1]["message"],
            "reconciliation in progress"
        );

        let changed = json!({"observedGeneration": 1});
        let subject = Subject {
            status: &changed,
            generation: 2,
            requested_at: None,
        };
        let status = in_progress(&subject, at(1)).expect("the generation is new");
        assert_eq!(
            status["conditions"][1]["message"],
            "processing object: new generation 1 -> 2"
        );
        let tried_again = Subject {
            status: &status,
            generation: 2,
            requested_at: None,
        };
        assert!(in_progress(&tried_again, at(2)).is_none());

        let known = Subject {
            status: &changed,
            generation: 1,
            requested_at: None,
        };
        assert!(in_progress(&known, at(1)).is_none());
    }

    #[test]
    fn the_generation_is_observed_only_when_ready_or_stalled() {
        let before = json!({"observedGeneration": 1});
        let subject = Subject {
            status: &before,
            generation: 2,
            requested_at: None,
        };
        let observed = |outcome: &Outcome| {
            write(&subject, json!({}), outcome, &[], Vec::new(), at(1)).status["observedGeneration"]
                .clone()
        };
        assert_eq!(observed(&ready("done")), 2);
        assert_eq!(observed(&Outcome::stalled("InvalidPolicy", "no")), 2);
        assert_eq!(observed(&Outcome::failed("Failed", "no")), 1);
    }

    #[test]
    fn a_handled_request_is_echoed_and_kept() {
        let before = json!({"lastHandledReconcileAt": "1"});
        let handled = |requested_at| {
            let subject = Subject {
                status: &before,
                generation: 1,
                requested_at,
            };
            write(&subject, json!({}), &ready("done"), &[], Vec::new(), at(1)).status["lastHandledReconcileAt"].clone()
        };
        assert_eq!(handled(Some("2")), "2");
        assert_eq!(handled(None), "1");
    }

    #[test]
    fn what_happened_is_told_instead_of_the_summary_but_a_failure_always_is() {
        let before = json!({});
        let subject = Subject {
            status: &before,
            generation: 1,
            requested_at: None,
        };
        let words = |outcome: &Outcome, told| {
            let written = write(&subject, json!({}), outcome, &[], told, at(1));
            written
                .told
                .into_iter()
                .map(|(notice, told)| (notice, told.message))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words(&ready("up-to-date"), vec![pushed()]),
            [(Notice::Info, "pushed commit".to_owned())]
        );
        assert_eq!(
            words(&ready("up-to-date"), vec![]),
            [(Notice::Info, "up-to-date".to_owned())]
        );
        assert_eq!(
            words(&Outcome::failed("Failed", "no route"), vec![pushed()]),
            [
                (Notice::Info, "pushed commit".to_owned()),
                (Notice::Error, "no route".to_owned())
            ]
        );
    }

    #[test]
    fn nothing_new_is_not_told() {
        let before = json!({});
        let subject = Subject {
            status: &before,
            generation: 1,
            requested_at: None,
        };
        let first = write(&subject, json!({}), &ready("done"), &[], Vec::new(), at(1));
        let subject = Subject {
            status: &first.status,
            generation: 1,
            requested_at: None,
        };
        let second = write(
            &subject,
            first.status.clone(),
            &ready("done"),
            &[],
            Vec::new(),
            at(2),
        );
        assert!(second.told.is_empty());
        assert_eq!(second.status, first.status);
    }

    #[test]
    fn a_condition_the_report_dropped_is_gone() {
        let fetch_failed = Statement {
            kind: "FetchFailed",
            status: Some(true),
            reason: "GitOperationFailed",
            message: "no route".to_owned(),
        };
        let before = json!({});
        let subject = Subject {
            status: &before,
            generation: 1,
            requested_at: None,
        };
        let failed = write(
            &subject,
            json!({}),
            &Outcome::failed("Failed", "no"),
            &[fetch_failed],
            Vec::new(),
            at(1),
        );
        let mut left = failed.status.clone();
        left["conditions"]
            .as_array_mut()
            .expect("there are conditions")
            .retain(|condition| condition["type"] != "FetchFailed");
        let subject = Subject {
            status: &failed.status,
            generation: 1,
            requested_at: None,
        };
        let healed = write(&subject, left, &ready("done"), &[], Vec::new(), at(2));
        assert_eq!(
            healed.status["conditions"].as_array().map(Vec::len),
            Some(1)
        );
    }

    #[test]
    fn a_stalled_object_is_not_tried_again_and_a_failed_one_ever_later() {
        let object = ObjectKey::new("apps", "fleet");
        let again = |outcome: &Outcome, failures| {
            come_back(outcome, failures, Backoff::default(), 0, &object)
        };
        assert_eq!(again(&Outcome::stalled("InvalidPolicy", "no"), 1), None);
        assert_eq!(
            again(&Outcome::failed("Failed", "no"), 1),
            Some(Duration::from_millis(750))
        );
        assert_eq!(
            again(&Outcome::failed("Failed", "no"), 3),
            Some(Duration::from_secs(3))
        );
        assert_eq!(again(&ready("done"), 0), Some(Duration::from_secs(60)));
    }
}
