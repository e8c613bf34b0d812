//! What was built and how applying it ended, the last few of it: `status.history`. Pure.
//!
//! Invariant: as in Flux, one entry for each pair of a build and a way to end, the newest first, five
//! at most. What is absent: entries for builds that failed; there is nothing to name them by.

use crate::api::common::Time;
use crate::api::kustomization::Snapshot;
use crate::domain::duration::format_duration;
use crate::domain::manifest::{Manifest, to_yaml};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How many entries are kept.
const KEPT: usize = 5;

/// One end of a reconciliation.
#[derive(Clone, Debug)]
pub(super) struct Ended<'a> {
    /// The digest of what was built.
    pub(super) digest: &'a str,
    /// The revision it was built from.
    pub(super) revision: &'a str,
    /// The reason of the `Ready` condition.
    pub(super) reason: &'a str,
    /// How long it took.
    pub(super) took: Duration,
    /// When it ended.
    pub(super) now: Timestamp,
}

/// The name of a build: equal objects have an equal one.
pub(super) fn digest(manifests: &[Manifest]) -> String {
    let hash = Sha256::digest(to_yaml(manifests).as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Puts an end in front of the history, or counts it where it stands already.
pub(super) fn record(history: &mut Vec<Snapshot>, ended: &Ended<'_>) {
    let known = history.iter().position(|entry| {
        entry.digest == ended.digest && entry.last_reconciled_status == ended.reason
    });
    let before = known.map(|place| history.remove(place));
    let took = Duration::from_millis(u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX));
    let entry = Snapshot {
        digest: ended.digest.to_owned(),
        first_reconciled: before
            .as_ref()
            .map_or(Time(ended.now), |entry| entry.first_reconciled.clone()),
        last_reconciled: Time(ended.now),
        last_reconciled_duration: format_duration(took),
        last_reconciled_status: ended.reason.to_owned(),
        total_reconciliations: before
            .map_or(0, |entry| entry.total_reconciliations)
            .saturating_add(1),
        metadata: [("revision".to_owned(), ended.revision.to_owned())].into(),
    };
    history.insert(0, entry);
    history.truncate(KEPT);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end<'a>(digest: &'a str, reason: &'a str, second: i64) -> Ended<'a> {
        let now = Timestamp::from_second(second).expect("a small number is a time");
        Ended {
            digest,
            revision: "main@sha1:1",
            reason,
            took: Duration::from_micros(1_234_567),
            now,
        }
    }

    fn shown(history: &[Snapshot]) -> Vec<(&str, &str, i64)> {
        history
            .iter()
            .map(|entry| {
                (
                    entry.digest.as_str(),
                    entry.last_reconciled_status.as_str(),
                    entry.total_reconciliations,
                )
            })
            .collect()
    }

    #[test]
    fn the_same_end_is_counted_and_a_new_one_comes_first() {
        let mut history = Vec::new();
        record(&mut history, &end("a", "ReconciliationSucceeded", 1));
        record(&mut history, &end("b", "HealthCheckFailed", 2));
        record(&mut history, &end("a", "ReconciliationSucceeded", 3));
        assert_eq!(
            shown(&history),
            [
                ("a", "ReconciliationSucceeded", 2),
                ("b", "HealthCheckFailed", 1)
            ]
        );
        assert_eq!(history[0].first_reconciled.0.as_second(), 1);
        assert_eq!(history[0].last_reconciled.0.as_second(), 3);
        assert_eq!(history[0].last_reconciled_duration, "1.234s");
    }

    #[test]
    fn no_more_than_five_are_kept() {
        let mut history = Vec::new();
        for digest in ["a", "b", "c", "d", "e", "f"] {
            record(&mut history, &end(digest, "ReconciliationSucceeded", 1));
        }
        assert_eq!(history.len(), 5);
        assert_eq!(
            (history[0].digest.as_str(), history[4].digest.as_str()),
            ("f", "b")
        );
    }

    #[test]
    fn equal_objects_have_an_equal_digest() {
        let object = |name: &str| {
            let object = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
            Manifest::new(object, None).expect("the object is whole")
        };
        assert_eq!(digest(&[object("a")]), digest(&[object("a")]));
        assert_ne!(digest(&[object("a")]), digest(&[object("b")]));
    }
}
