//! The tags of the last scan of every image repository: in memory, and in a folder that outlives the process.
//!
//! Below the folder each repository has a file, `<namespace>/<name>`. Invariants: a set is replaced as a whole, only by a complete
//! one; a file appears whole or not at all; what is read back is checked, and only taken for the revision that its ImageRepository
//! names, so a file can be old, damaged or gone without harm. Equal sets are kept once. Each ImageRepository has its own entry, so
//! two of one image with different exclusions do not disturb each other. What is absent: scanning; tags are a cache of the registry.

use crate::domain::object::ObjectKey;
use crate::domain::stored_tags::{DamagedTags, decode, encode};
use crate::domain::tags::TagSet;
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The largest file that is read, in bytes: a million tags of the longest kind.
const LARGEST: u64 = 130_000_000;
/// Where files go that cannot be read, below the folder. No namespace has this name.
const DAMAGED: &str = ".damaged";

/// How many revisions of a repository are known to have been replaced.
const MOST_REPLACED: usize = 4;

/// Tag sets by image repository.
#[derive(Debug, Default)]
pub struct TagStore {
    sets: RwLock<Sets>,
    folder: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Sets {
    by_repository: HashMap<ObjectKey, Kept>,
    /// One of each content, by revision.
    shared: HashMap<String, TagSet>,
}

#[derive(Debug)]
struct Kept {
    tags: TagSet,
    /// Whether the file holds the same.
    saved: bool,
    /// The revisions that were there before, the newest last.
    replaced: VecDeque<String>,
}

/// A file of tags that is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read or written.
    #[error("the tags in `{}` cannot be {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried: `read` or `written`.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// It does not hold what was written. It was set aside.
    #[error("the tags in `{}` are damaged and were set aside", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DamagedTags,
    },
}

impl TagStore {
    /// A store that keeps its tags in `folder`, which is made when it is first needed.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            ..Self::default()
        }
    }

    /// The tags of `repository` in memory.
    pub fn get(&self, repository: &ObjectKey) -> Option<TagSet> {
        let sets = self.read();
        let kept = sets.by_repository.get(repository)?;
        Some(kept.tags.clone())
    }

    /// Replaces the tags of `repository` in memory.
    pub fn put(&self, repository: ObjectKey, tags: TagSet) {
        let mut sets = self.write();
        let tags = sets.shared(tags);
        let before = sets.by_repository.remove(&repository);
        let saved = before
            .as_ref()
            .is_some_and(|before| before.saved && before.tags == tags);
        let mut kept = Kept {
            tags,
            saved,
            replaced: VecDeque::new(),
        };
        if let Some(before) = before {
            kept.replaced = before.replaced;
            kept.replaces(before.tags.revision());
        }
        sets.by_repository.insert(repository, kept);
        sets.tidy();
    }

    /// Takes note that the tags in memory are newer than this revision.
    pub fn replaces(&self, repository: &ObjectKey, revision: &str) {
        if let Some(kept) = self.write().by_repository.get_mut(repository) {
            kept.replaces(revision);
        }
    }

    /// Whether a revision, which is told to be that of the last scan, is news: neither that of the tags in memory nor one that they
    /// replaced. Then another process scanned.
    pub fn is_outdated(&self, repository: &ObjectKey, revision: &str) -> bool {
        let sets = self.read();
        let kept = sets.by_repository.get(repository);
        kept.is_some_and(|kept| {
            kept.tags.revision() != revision && !kept.replaced.iter().any(|known| known == revision)
        })
    }

    /// Forgets the tags of `repository`, and removes their file.
    pub fn remove(&self, repository: &ObjectKey) {
        let mut sets = self.write();
        sets.by_repository.remove(repository);
        sets.tidy();
        drop(sets);
        if let Some(path) = self.path(repository) {
            // What is left behind is swept when the process starts.
            let _ = std::fs::remove_file(path);
        }
    }

    /// The tags of `repository`: from memory, else from its file if that holds `revision`.
    ///
    /// # Errors
    /// When there is a file that cannot be read, or is damaged. This blocks.
    pub fn recall(
        &self,
        repository: &ObjectKey,
        revision: &str,
    ) -> Result<Option<TagSet>, StoreError> {
        if let Some(tags) = self.get(repository) {
            return Ok(Some(tags));
        }
        let Some(path) = self.path(repository) else {
            return Ok(None);
        };
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        let tags = decode(&bytes).map_err(|source| {
            self.set_aside(repository, &path);
            StoreError::Damaged { path, source }
        })?;
        if tags.revision() != revision {
            return Ok(None);
        }
        let mut sets = self.write();
        let tags = sets.shared(tags);
        // A scan that ended meanwhile knows better.
        let recalled = Kept {
            tags,
            saved: true,
            replaced: VecDeque::new(),
        };
        let kept = sets.by_repository.entry(repository.clone());
        Ok(Some(kept.or_insert(recalled).tags.clone()))
    }

    /// Writes the tags of `repository` into its file, unless it holds them already.
    ///
    /// # Errors
    /// When the folder or the file cannot be written. This blocks.
    pub fn save(&self, repository: &ObjectKey) -> Result<(), StoreError> {
        let (Some(path), Some(tags)) = (self.path(repository), self.unsaved(repository)) else {
            return Ok(());
        };
        write(&path, &encode(&tags)).map_err(|source| StoreError::File {
            path,
            what: "written",
            source,
        })?;
        let mut sets = self.write();
        if let Some(kept) = sets.by_repository.get_mut(repository) {
            kept.saved = kept.tags == tags;
        }
        Ok(())
    }

    /// Removes the files of repositories that are not known. This blocks.
    pub fn sweep(&self, is_known: impl Fn(&ObjectKey) -> bool) {
        for namespace in self.folder.iter().flat_map(|folder| entries(folder)) {
            let name = namespace.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|name| *name != DAMAGED) else {
                continue;
            };
            for file in entries(&namespace) {
                let repository = file.file_name().and_then(|name| name.to_str());
                if repository.is_none_or(|file| !is_known(&ObjectKey::new(name, file))) {
                    let _ = std::fs::remove_file(&file);
                }
            }
            // Only an empty one goes.
            let _ = std::fs::remove_dir(&namespace);
        }
    }

    fn unsaved(&self, repository: &ObjectKey) -> Option<TagSet> {
        let sets = self.read();
        let kept = sets.by_repository.get(repository)?;
        (!kept.saved).then(|| kept.tags.clone())
    }

    fn path(&self, repository: &ObjectKey) -> Option<PathBuf> {
        let is_plain = |name: &str| {
            !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
        };
        let folder = self.folder.as_ref()?;
        let plain = is_plain(&repository.namespace) && is_plain(&repository.name);
        plain.then(|| folder.join(&repository.namespace).join(&repository.name))
    }

    /// Moves a damaged file away for people to look at: one for each repository at most.
    fn set_aside(&self, repository: &ObjectKey, path: &Path) {
        let Some(folder) = &self.folder else {
            return;
        };
        let aside = folder.join(DAMAGED).join(&repository.namespace);
        let moved = std::fs::create_dir_all(&aside)
            .and_then(|()| std::fs::rename(path, aside.join(&repository.name)));
        if moved.is_err() {
            let _ = std::fs::remove_file(path);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Sets> {
        self.sets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Sets> {
        self.sets.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn replaces(&mut self, revision: &str) {
        if self.tags.revision() != revision && !self.replaced.iter().any(|known| known == revision)
        {
            self.replaced.push_back(revision.to_owned());
            if self.replaced.len() > MOST_REPLACED {
                self.replaced.pop_front();
            }
        }
    }
}

impl Sets {
    /// The set with the same content that is there already, or this one.
    fn shared(&mut self, tags: TagSet) -> TagSet {
        let shared = self
            .shared
            .entry(tags.revision().to_owned())
            .or_insert(tags);
        shared.clone()
    }

    /// Lets go of contents that nobody has any more, when they are many.
    fn tidy(&mut self) {
        if self.shared.len() > 2 * self.by_repository.len() + 16 {
            self.shared.retain(|_, tags| tags.holders() > 1);
        }
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let failed = |source| StoreError::File {
        path: path.to_owned(),
        what: "read",
        source,
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        let source = io::Error::other(format!("it has more than {LARGEST} bytes"));
        return Err(failed(source));
    }
    Ok(Some(bytes))
}

/// Writes a file that appears whole or not at all. It need not survive a crash of the machine: it is checked when it is read.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder);
    listed.map_or_else(
        |_| Vec::new(),
        |listed| listed.flatten().map(|entry| entry.path()).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> TagSet {
        names.iter().copied().collect()
    }

    fn app() -> ObjectKey {
        ObjectKey::new("apps", "app")
    }

    /// A folder with the tags `1.0` and `1.1` of [`app`] in it.
    fn stored() -> (tempfile::TempDir, TagSet) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = TagStore::in_folder(folder.path().join("tags"));
        let tags = tags(&["1.0", "1.1"]);
        store.put(app(), tags.clone());
        store.save(&app()).expect("it can be written");
        (folder, tags)
    }

    fn reopened(folder: &tempfile::TempDir) -> TagStore {
        TagStore::in_folder(folder.path().join("tags"))
    }

    #[test]
    fn each_repository_has_its_own_tags() {
        let store = TagStore::default();
        let (one, two) = (ObjectKey::new("a", "app"), ObjectKey::new("b", "app"));
        store.put(one.clone(), tags(&["1.0.0"]));
        assert_eq!(store.get(&one).map(|tags| tags.len()), Some(1));
        assert!(store.get(&two).is_none());
        store.remove(&one);
        assert!(store.get(&one).is_none());
    }

    #[test]
    fn tags_are_outdated_by_a_revision_that_they_did_not_replace() {
        let store = TagStore::default();
        let revisions = ["1.0", "1.1", "1.2", "1.3"].map(|tag| tags(&[tag]).revision().to_owned());
        let [before, first, second, other] = revisions.each_ref().map(String::as_str);
        assert!(!store.is_outdated(&app(), other), "there are none");
        store.put(app(), tags(&["1.1"]));
        store.replaces(&app(), before);
        store.put(app(), tags(&["1.2"]));
        for own in [before, first, second] {
            assert!(!store.is_outdated(&app(), own), "the status may lag behind");
        }
        assert!(store.is_outdated(&app(), other));
        (0..100).for_each(|tag| store.put(app(), tags(&[&format!("2.{tag}")])));
        assert!(store.is_outdated(&app(), before), "not all are remembered");
        assert_eq!(
            store.read().by_repository[&app()].replaced.len(),
            MOST_REPLACED
        );
    }

    #[test]
    fn equal_sets_are_kept_once_and_go_with_the_last_who_has_them() {
        let store = TagStore::default();
        let key = |number: usize| ObjectKey::new("apps", number.to_string());
        store.put(key(0), tags(&["1.0", "1.1"]));
        for number in 1..100 {
            store.put(key(number), tags(&["1.1", "1.0"]));
        }
        assert_eq!(store.read().shared.len(), 1);
        for number in 0..100 {
            store.put(key(number), tags(&[&format!("2.{number}")]));
        }
        (1..100).for_each(|number| store.remove(&key(number)));
        assert!(store.read().shared.len() <= 18);
        assert_eq!(store.get(&key(0)), Some(tags(&["2.0"])));
    }

    #[test]
    fn tags_outlive_the_process_for_the_revision_they_had() {
        let (folder, tags) = stored();
        let store = reopened(&folder);
        assert!(store.get(&app()).is_none(), "it was not asked for yet");
        let other = store.recall(&app(), "sha256:0").expect("it can be read");
        assert_eq!(other, None, "the status names another scan");
        let recalled = store.recall(&app(), tags.revision());
        assert_eq!(recalled.expect("it can be read"), Some(tags.clone()));
        assert_eq!(store.get(&app()), Some(tags));
        store.remove(&app());
        let gone = reopened(&folder).recall(&app(), "sha256:0");
        assert_eq!(gone.expect("nothing is no error"), None);
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_told_once() {
        let (folder, tags) = stored();
        let path = folder.path().join("tags/apps/app");
        std::fs::write(&path, "highwater tags 1\nsha256:0\n9.9\n").expect("it can be written");
        let store = reopened(&folder);
        let error = store.recall(&app(), tags.revision());
        let error = error.expect_err("it is damaged");
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(!path.exists());
        assert!(folder.path().join("tags/.damaged/apps/app").exists());
        let again = store.recall(&app(), tags.revision());
        assert_eq!(again.expect("nothing is no error"), None);
        store.put(app(), tags.clone());
        store.save(&app()).expect("it can be written");
        let recalled = reopened(&folder).recall(&app(), tags.revision());
        assert_eq!(recalled.expect("it can be read"), Some(tags));
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_an_error_and_memory_goes_on() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let store = TagStore::in_folder(file.path().join("tags"));
        store.put(app(), tags(&["1.0"]));
        let error = store.save(&app()).expect_err("a file is no folder");
        assert!(error.to_string().contains("cannot be written"), "{error}");
        assert_eq!(store.get(&app()), Some(tags(&["1.0"])));
    }

    #[test]
    fn files_of_repositories_that_are_gone_are_swept_and_others_stay() {
        let (folder, tags) = stored();
        let store = reopened(&folder);
        let (gone, damaged) = (ObjectKey::new("old", "gone"), "tags/.damaged/x/y");
        store.put(gone.clone(), tags.clone());
        store.save(&gone).expect("it can be written");
        let damaged = folder.path().join(damaged);
        std::fs::create_dir_all(damaged.parent().expect("it has one")).expect("ours");
        std::fs::write(&damaged, "x").expect("ours");
        store.sweep(|key| *key == app());
        assert!(folder.path().join("tags/apps/app").exists());
        assert!(!folder.path().join("tags/old").exists());
        assert!(damaged.exists());
    }

    #[test]
    fn a_name_that_leads_elsewhere_has_no_file() {
        let (folder, tags) = stored();
        let store = reopened(&folder);
        for (namespace, name) in [
            ("..", "x"),
            ("apps", "../../x"),
            (".damaged", "x"),
            ("", "x"),
        ] {
            let key = ObjectKey::new(namespace, name);
            store.put(key.clone(), tags.clone());
            store.save(&key).expect("nothing is written");
        }
        assert_eq!(entries(&folder.path().join("tags")).len(), 1);
        assert_eq!(entries(folder.path()).len(), 1);
    }
}
