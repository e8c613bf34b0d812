//! How often an object failed in a row, which spaces its next tries.
//!
//! Invariant: only objects that failed take room. What is absent: the pauses; `backoff` has them.

use crate::domain::object::ObjectKey;
use crate::domain::outcome::Outcome;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The failures in a row of the objects of one loop.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<ObjectKey, u32>>);

impl Failures {
    /// Counts how a run ended, and says how many failures there were in a row. A run that is merely unfinished neither adds to
    /// the row nor ends it.
    pub(super) fn count(&self, key: &ObjectKey, outcome: &Outcome) -> u32 {
        let mut failures = self.lock();
        match outcome {
            Outcome::Ready { .. } | Outcome::Stalled { .. } => {
                failures.remove(key);
                0
            }
            Outcome::InProgress { .. } => failures.get(key).copied().unwrap_or_default(),
            Outcome::Failed { .. } => {
                let row = failures.entry(key.clone()).or_default();
                *row = row.saturating_add(1);
                *row
            }
        }
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_counted_across_unfinished_runs() {
        let failures = Failures::default();
        let failed = Outcome::failed("Failed", "no");
        let unfinished = Outcome::InProgress {
            reason: "Progressing",
            message: String::new(),
            next: std::time::Duration::ZERO,
        };
        let ready = Outcome::Ready {
            reason: "Succeeded",
            message: String::new(),
            next: None,
        };
        let key = ObjectKey::new("apps", "app");
        let counts = [&failed, &unfinished, &failed, &ready, &failed]
            .map(|outcome| failures.count(&key, outcome));
        assert_eq!(counts, [1, 1, 2, 0, 1]);
        failures.forget(&key);
        assert!(failures.lock().is_empty());
    }
}
