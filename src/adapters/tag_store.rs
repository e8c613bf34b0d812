//! The tags of the last scan of every image repository, in memory.
//!
//! Invariant: a set is replaced as a whole, only by a complete one; each ImageRepository has its
//! own, so two of one image with different exclusions do not disturb each other.
//! What is absent: a file. A restart scans again, once; tags are a cache of the registry.

use crate::domain::object::ObjectKey;
use crate::domain::tags::TagSet;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Tag sets by image repository.
#[derive(Debug, Default)]
pub struct TagStore {
    sets: RwLock<HashMap<ObjectKey, TagSet>>,
}

impl TagStore {
    /// The tags of `repository`, if it was scanned since the process started.
    pub fn get(&self, repository: &ObjectKey) -> Option<TagSet> {
        self.sets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(repository)
            .cloned()
    }

    /// Replaces the tags of `repository`.
    pub fn put(&self, repository: ObjectKey, tags: TagSet) {
        self.sets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(repository, tags);
    }

    /// Forgets the tags of `repository`.
    pub fn remove(&self, repository: &ObjectKey) {
        self.sets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(repository);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tags::TagSetBuilder;

    #[test]
    fn each_repository_has_its_own_tags() {
        let store = TagStore::default();
        let (one, two) = (ObjectKey::new("a", "app"), ObjectKey::new("b", "app"));
        let mut builder = TagSetBuilder::new();
        builder.push("1.0.0");
        store.put(one.clone(), builder.finish());
        assert_eq!(store.get(&one).map(|tags| tags.len()), Some(1));
        assert!(store.get(&two).is_none());
        store.remove(&one);
        assert!(store.get(&one).is_none());
    }
}
