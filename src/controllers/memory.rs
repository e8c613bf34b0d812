//! What a loop remembers of its objects between two runs.
//!
//! Invariant: an object is read at least as new as it was last written here, also before the watch
//! has brought that version. What is absent: anything that must survive a restart; that is in
//! statuses.

use crate::api::CustomObject;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::Outcome;
use kube::ResourceExt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The memory of one loop.
#[derive(Debug)]
pub(super) struct Memory<K>(Mutex<HashMap<ObjectKey, Remembered<K>>>);

#[derive(Debug)]
struct Remembered<K> {
    failures: u32,
    /// What the API server answered to the last write, until the watch has it too.
    written: Option<Arc<K>>,
}

impl<K> Default for Memory<K> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: CustomObject> Memory<K> {
    /// The newer of what the watch has and what was written.
    pub(super) fn latest(&self, key: &ObjectKey, watched: Arc<K>) -> Arc<K> {
        let mut objects = self.lock();
        let Some(remembered) = objects.get_mut(key) else {
            return watched;
        };
        // Resource versions of one kind are numbers that grow, which Kubernetes guarantees since 1.35.
        let version = |object: &K| {
            object
                .resource_version()
                .and_then(|version| version.parse::<u64>().ok())
        };
        match &remembered.written {
            Some(written)
                if written.uid() == watched.uid() && version(written) > version(&watched) =>
            {
                Arc::clone(written)
            }
            _ => {
                remembered.written = None;
                watched
            }
        }
    }

    /// Remembers what the API server answered to a write.
    pub(super) fn wrote(&self, key: &ObjectKey, mut written: K) -> Arc<K> {
        // Nobody reads them, and they are most of an object that may stay here until its next run.
        written.managed_fields_mut().clear();
        let written = Arc::new(written);
        self.lock().entry(key.clone()).or_default().written = Some(Arc::clone(&written));
        written
    }

    /// Counts failures in a row; a run that is merely unfinished neither adds to the row nor ends it.
    pub(super) fn count_failure(&self, key: &ObjectKey, outcome: &Outcome) -> u32 {
        let mut objects = self.lock();
        let remembered = objects.entry(key.clone()).or_default();
        match outcome {
            Outcome::Ready { .. } | Outcome::Stalled { .. } => remembered.failures = 0,
            Outcome::Failed { .. } => remembered.failures = remembered.failures.saturating_add(1),
            Outcome::InProgress { .. } => {}
        }
        remembered.failures
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Remembered<K>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for Remembered<K> {
    fn default() -> Self {
        Self {
            failures: 0,
            written: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ImagePolicy;

    fn object(uid: &str, version: &str) -> ImagePolicy {
        let mut object = ImagePolicy::default();
        object.metadata.uid = Some(uid.to_owned());
        object.metadata.resource_version = Some(version.to_owned());
        object
    }

    fn key() -> ObjectKey {
        ObjectKey::new("apps", "app")
    }

    fn latest(memory: &Memory<ImagePolicy>, uid: &str, version: &str) -> Option<String> {
        memory
            .latest(&key(), Arc::new(object(uid, version)))
            .resource_version()
    }

    #[test]
    fn what_was_written_counts_until_the_watch_has_it() {
        let memory = Memory::default();
        memory.wrote(&key(), object("a", "10"));
        assert_eq!(latest(&memory, "a", "9").as_deref(), Some("10"));
        assert_eq!(latest(&memory, "a", "10").as_deref(), Some("10"));
        assert_eq!(latest(&memory, "a", "11").as_deref(), Some("11"));
        assert_eq!(
            latest(&memory, "a", "9").as_deref(),
            Some("9"),
            "it was forgotten when the watch had it"
        );
    }

    #[test]
    fn an_object_that_was_made_anew_is_another_one() {
        let memory = Memory::default();
        memory.wrote(&key(), object("old", "10"));
        assert_eq!(latest(&memory, "new", "7").as_deref(), Some("7"));
    }

    #[test]
    fn failures_in_a_row_are_counted_across_unfinished_runs() {
        let memory: Memory<ImagePolicy> = Memory::default();
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
        let counts = [&failed, &unfinished, &failed, &ready, &failed]
            .map(|outcome| memory.count_failure(&key(), outcome));
        assert_eq!(counts, [1, 1, 2, 0, 1]);
    }
}
