//! Tags that were told to have been pushed, until the scan has looked for them.
//!
//! Invariant: bounded for each repository; a hint says where to look and is never believed. What is absent: who told it, and the
//! looking.

use crate::domain::object::ObjectKey;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most tags of one repository that wait to be looked for; beyond that a whole scan is cheaper.
pub const MOST: usize = 32;

/// The tags that wait, by repository.
#[derive(Debug, Default)]
pub struct Hints(Mutex<HashMap<ObjectKey, BTreeSet<String>>>);

impl Hints {
    /// Adds tags. `false` when there are too many; then none is added, and the repository is to be scanned as a whole.
    #[must_use]
    pub fn add<'a>(&self, repository: &ObjectKey, tags: impl IntoIterator<Item = &'a str>) -> bool {
        let mut hints = self.lock();
        let waiting = hints.get(repository);
        let mut all = waiting.cloned().unwrap_or_default();
        all.extend(tags.into_iter().map(str::to_owned));
        let fits = all.len() <= MOST;
        if fits {
            hints.insert(repository.clone(), all);
        }
        fits
    }

    /// Takes the tags of a repository.
    pub fn take(&self, repository: &ObjectKey) -> BTreeSet<String> {
        self.lock().remove(repository).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, BTreeSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_taken_once_and_each_repository_has_its_own() {
        let hints = Hints::default();
        let (one, two) = (ObjectKey::new("a", "app"), ObjectKey::new("b", "app"));
        assert!(
            hints.add(&one, ["2", "1"]) && hints.add(&one, ["2", "3"]) && hints.add(&two, ["9"])
        );
        assert_eq!(
            hints.take(&one).into_iter().collect::<Vec<_>>(),
            ["1", "2", "3"]
        );
        assert!(hints.take(&one).is_empty());
        assert_eq!(hints.take(&two).len(), 1);
    }

    #[test]
    fn too_many_are_refused_as_a_whole() {
        let hints = Hints::default();
        let key = ObjectKey::new("a", "app");
        let tags: Vec<String> = (0..MOST).map(|number| number.to_string()).collect();
        assert!(hints.add(&key, tags.iter().map(String::as_str)));
        assert!(!hints.add(&key, ["one more"]));
        assert!(
            hints.add(&key, ["0"]),
            "a tag that waits already takes no room"
        );
        assert_eq!(hints.take(&key).len(), MOST);
    }
}
