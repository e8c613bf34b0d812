//! A live copy of all objects of one kind, with an index, kept by one watch.
//!
//! Invariants: readers see whole objects; an object that cannot be read is reported and passed over,
//! never in the way of the others; after a broken watch what vanished meanwhile counts as deleted;
//! who wrote an object finds it at least as new as that, also before the watch has brought it.
//! What is absent: deciding what a change means; the caller's function does.

use crate::domain::object::ObjectKey;
use crate::domain::outcome::with_causes;
use futures::{StreamExt, pin_mut};
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch as signal;

/// What a kind must be to be watched.
pub trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}
impl<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static>
    Watched for K
{
}

/// One change of an object.
#[derive(Debug)]
pub enum Change<K> {
    /// It is new, or other than before.
    Applied {
        /// What it was, if it was there.
        before: Option<Arc<K>>,
        /// What it is.
        now: Arc<K>,
    },
    /// It is gone.
    Deleted {
        /// What it was.
        before: Arc<K>,
    },
}

/// The live copy. Cheap to share; read from any task.
#[derive(Debug)]
pub struct Cache<K> {
    content: RwLock<Content<K>>,
    index: fn(&K) -> Vec<String>,
    complete: signal::Sender<bool>,
}

#[derive(Debug)]
struct Content<K> {
    objects: HashMap<ObjectKey, Arc<K>>,
    by_index: HashMap<String, BTreeSet<ObjectKey>>,
    /// What the API server answered to writes, until the watch has brought as much.
    written: HashMap<ObjectKey, Arc<K>>,
}

/// The key of an object.
pub fn key_of(object: &impl Resource) -> ObjectKey {
    let metadata = object.meta();
    ObjectKey::new(
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

impl<K: Watched> Cache<K> {
    /// An empty copy, which finds objects by what `index` says of them.
    pub fn new(index: fn(&K) -> Vec<String>) -> Self {
        let content = Content {
            objects: HashMap::new(),
            by_index: HashMap::new(),
            written: HashMap::new(),
        };
        Self {
            content: RwLock::new(content),
            index,
            complete: signal::Sender::new(false),
        }
    }

    /// The object of that name.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<K>> {
        self.read().objects.get(key).cloned()
    }

    /// The object of that name, with what was [written](Self::wrote) to it where the watch has not brought that yet.
    /// It is not for those who act on changes: the watch tells of a change once its reader can see it.
    pub fn latest(&self, key: &ObjectKey) -> Option<Arc<K>> {
        let content = self.read();
        let watched = content.objects.get(key)?;
        Some(Arc::clone(content.written.get(key).unwrap_or(watched)))
    }

    /// Takes what the API server answered to a write.
    pub fn wrote(&self, mut object: K) -> Arc<K> {
        object.meta_mut().managed_fields = None;
        let object = Arc::new(object);
        self.write(|content| content.wrote(Arc::clone(&object)));
        object
    }

    /// All objects the index has under `entry`, in the order of their names.
    pub fn find(&self, entry: &str) -> Vec<Arc<K>> {
        let content = self.read();
        let keys = content.by_index.get(entry);
        keys.into_iter()
            .flatten()
            .filter_map(|key| content.objects.get(key).cloned())
            .collect()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.read().objects.len()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the first listing is complete.
    pub fn is_complete(&self) -> bool {
        *self.complete.borrow()
    }

    /// Waits until the first listing is complete.
    pub async fn wait_until_complete(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self
            .complete
            .subscribe()
            .wait_for(|complete| *complete)
            .await;
    }

    /// Follows the cluster until the stream ends, which it does not by itself. Calls `changed` after
    /// each change, when readers already see it.
    pub async fn follow(
        &self,
        api: Api<DeserializeGuard<K>>,
        config: watcher::Config,
        mut changed: impl FnMut(Change<K>),
    ) {
        let events = watcher(api, config).default_backoff();
        pin_mut!(events);
        let mut listed: HashSet<ObjectKey> = HashSet::new();
        let mut told = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => {
                    listed.insert(key_of(&object));
                    self.apply(object, &mut changed);
                }
                Ok(watcher::Event::InitDone) => {
                    told = false;
                    self.retain(&listed, &mut changed);
                    self.complete.send_replace(true);
                }
                Ok(watcher::Event::Apply(object)) => self.apply(object, &mut changed),
                Ok(watcher::Event::Delete(object)) => self.remove(&key_of(&object), &mut changed),
                Err(error) => {
                    let (kind, error) = (K::kind(&()), with_causes(&error));
                    // A kind that is not installed, or may not be read, need not be read of again and again.
                    if std::mem::replace(&mut told, true) {
                        tracing::debug!(%kind, error, "the watch broke off and starts again");
                    } else {
                        tracing::warn!(%kind, error, "the watch broke off and starts again");
                    }
                }
            }
        }
    }

    fn apply(&self, object: DeserializeGuard<K>, changed: &mut impl FnMut(Change<K>)) {
        let key = key_of(&object);
        match object.0 {
            Ok(mut object) => {
                object.meta_mut().managed_fields = None;
                let now = Arc::new(object);
                let before =
                    self.write(|content| content.insert(key, Arc::clone(&now), self.index));
                changed(Change::Applied { before, now });
            }
            Err(error) => {
                tracing::error!(kind = %K::kind(&()), object = %key, error = %error.error, "the object cannot be read and is passed over");
            }
        }
    }

    /// Puts an object in, as if the watch had brought it.
    #[cfg(test)]
    pub(crate) fn put(&self, object: K) {
        self.apply(DeserializeGuard(Ok(object)), &mut |_| {});
    }

    fn retain(&self, listed: &HashSet<ObjectKey>, changed: &mut impl FnMut(Change<K>)) {
        let gone: Vec<ObjectKey> = self
            .read()
            .objects
            .keys()
            .filter(|key| !listed.contains(key))
            .cloned()
            .collect();
        for key in gone {
            self.remove(&key, changed);
        }
    }

    fn remove(&self, key: &ObjectKey, changed: &mut impl FnMut(Change<K>)) {
        if let Some(before) = self.write(|content| content.remove(key, self.index)) {
            changed(Change::Deleted { before });
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Content<K>> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, change: impl FnOnce(&mut Content<K>) -> T) -> T {
        change(&mut self.content.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether `one` is a later version of the same object as `other`.
fn is_newer<K: Resource>(one: &K, other: &K) -> bool {
    // Resource versions of one kind are numbers that grow, which Kubernetes guarantees since 1.35.
    let version = |object: &K| object.resource_version()?.parse::<u64>().ok();
    one.uid() == other.uid() && version(one) > version(other)
}

impl<K: Resource> Content<K> {
    fn insert(
        &mut self,
        key: ObjectKey,
        object: Arc<K>,
        index: fn(&K) -> Vec<String>,
    ) -> Option<Arc<K>> {
        let written = self.written.remove(&key);
        let before = self.remove(&key, index);
        for entry in index(&object) {
            self.by_index.entry(entry).or_default().insert(key.clone());
        }
        self.objects.insert(key, object);
        written.into_iter().for_each(|written| self.wrote(written));
        before
    }

    /// Keeps `written` as long as it is newer than what the watch has of the same object.
    fn wrote(&mut self, written: Arc<K>) {
        let key = key_of(&*written);
        let watched = self.objects.get(&key);
        if watched.is_some_and(|watched| is_newer(&*written, &**watched)) {
            self.written.insert(key, written);
        }
    }

    fn remove(&mut self, key: &ObjectKey, index: fn(&K) -> Vec<String>) -> Option<Arc<K>> {
        self.written.remove(key);
        let before = self.objects.remove(key)?;
        for entry in index(&before) {
            if let Some(keys) = self.by_index.get_mut(&entry) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_index.remove(&entry);
                }
            }
        }
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::error_boundary::InvalidObject;

    fn config_map(name: &str, owner: &str) -> DeserializeGuard<ConfigMap> {
        let mut object = ConfigMap::default();
        object.metadata.namespace = Some("shop".to_owned());
        object.metadata.name = Some(name.to_owned());
        object.data = Some([("owner".to_owned(), owner.to_owned())].into());
        DeserializeGuard(Ok(object))
    }

    fn by_owner(object: &ConfigMap) -> Vec<String> {
        object
            .data
            .iter()
            .flatten()
            .map(|(_, owner)| owner.clone())
            .collect()
    }

    fn names(objects: &[Arc<ConfigMap>]) -> Vec<String> {
        objects.iter().map(|object| object.name_any()).collect()
    }

    #[test]
    fn objects_are_found_by_what_the_index_says_of_them_now() {
        let cache = Cache::new(by_owner);
        cache.apply(config_map("b", "anna"), &mut |_| {});
        cache.apply(config_map("a", "anna"), &mut |_| {});
        assert_eq!(names(&cache.find("anna")), ["a", "b"]);

        cache.apply(config_map("b", "bert"), &mut |_| {});
        assert_eq!(names(&cache.find("anna")), ["a"]);
        assert_eq!(names(&cache.find("bert")), ["b"]);

        cache.remove(&ObjectKey::new("shop", "a"), &mut |_| {});
        assert!(cache.find("anna").is_empty());
        assert_eq!(cache.len(), 1);
        assert_eq!(
            cache.read().by_index.len(),
            1,
            "an empty index entry is not kept"
        );
    }

    #[test]
    fn what_is_not_listed_again_counts_as_deleted() {
        let cache = Cache::new(by_owner);
        cache.apply(config_map("stays", "anna"), &mut |_| {});
        cache.apply(config_map("goes", "anna"), &mut |_| {});
        let mut deleted = Vec::new();
        cache.retain(&[ObjectKey::new("shop", "stays")].into(), &mut |change| {
            if let Change::Deleted { before } = change {
                deleted.push(before.name_any());
            }
        });
        assert_eq!(deleted, ["goes"]);
        assert_eq!(names(&cache.find("anna")), ["stays"]);
    }

    fn version_of(uid: &str, version: &str) -> ConfigMap {
        let mut object = config_map("a", "anna").0.expect("it can be read");
        object.metadata.uid = Some(uid.to_owned());
        object.metadata.resource_version = Some(version.to_owned());
        object
    }

    fn latest(cache: &Cache<ConfigMap>) -> Option<String> {
        cache
            .latest(&ObjectKey::new("shop", "a"))
            .and_then(|object| object.resource_version())
    }

    #[test]
    fn what_was_written_counts_until_the_watch_has_it() {
        let cache = Cache::new(by_owner);
        cache.put(version_of("one", "8"));
        cache.wrote(version_of("one", "10"));
        assert_eq!(latest(&cache).as_deref(), Some("10"));
        cache.put(version_of("one", "9"));
        assert_eq!(latest(&cache).as_deref(), Some("10"));
        let watched = cache
            .get(&ObjectKey::new("shop", "a"))
            .expect("it is there");
        assert_eq!(watched.resource_version().as_deref(), Some("9"));
        cache.put(version_of("one", "10"));
        assert!(cache.read().written.is_empty(), "the watch has it");
        cache.wrote(version_of("one", "10"));
        assert!(cache.read().written.is_empty(), "the watch was faster");
    }

    #[test]
    fn what_was_written_to_an_object_that_went_is_not_of_the_next_one() {
        let cache = Cache::new(by_owner);
        cache.put(version_of("old", "8"));
        cache.wrote(version_of("old", "10"));
        cache.put(version_of("new", "7"));
        assert_eq!(latest(&cache).as_deref(), Some("7"));
        cache.wrote(version_of("new", "11"));
        cache.remove(&ObjectKey::new("shop", "a"), &mut |_| {});
        assert_eq!(latest(&cache), None);
        assert!(cache.read().written.is_empty());
    }

    #[test]
    fn an_object_that_cannot_be_read_is_passed_over() {
        let cache = Cache::new(by_owner);
        let broken = DeserializeGuard(Err(InvalidObject {
            error: "no".to_owned(),
            metadata: kube::core::ObjectMeta::default(),
        }));
        cache.apply(broken, &mut |_| panic!("nothing changed"));
        cache.apply(config_map("good", "anna"), &mut |_| {});
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn a_change_tells_what_was_before() {
        let cache = Cache::new(by_owner);
        let mut seen = Vec::new();
        for owner in ["anna", "bert"] {
            cache.apply(config_map("a", owner), &mut |change| {
                if let Change::Applied { before, now } = change {
                    seen.push((before.map(|before| by_owner(&before)), by_owner(&now)));
                }
            });
        }
        let (anna, bert) = (vec!["anna".to_owned()], vec!["bert".to_owned()]);
        assert_eq!(seen, [(None, anna.clone()), (Some(anna), bert)]);
    }
}
