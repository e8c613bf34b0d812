//! The object cache of one repository on disk, in generations.
//!
//! A generation is a bare repository without references: packs, and in its file `shallow` the
//! commits whose whole tree is here. Nothing in it is ever changed in place, so a process that is
//! killed leaves at worst a file nobody reads. A damaged or crowded generation is not mended: the
//! next one starts empty and the old one goes away with its last reader.
//!
//! Invariant: the whole tree of every commit in `shallow` is in the packs. That makes these
//! commits, and no others, safe to announce as known to a server.

use super::error::GitError;
use super::refs::object_id;
use crate::domain::git_ref::CommitId;
use gix::odb::pack;
use gix::odb::store::init::{Options, Slots};
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most commits that are announced as known.
const KNOWN: usize = 16;
/// The most packs before the cache starts anew.
const PACKS: usize = 256;
/// The most blobs whose answer to "is the needle in there" is remembered.
const REMEMBERED: usize = 400_000;
/// The most bytes one object may have when it is unpacked: 1 GiB.
const OBJECT: usize = 1 << 30;

/// Access to the objects of a generation, for one thread at a time.
pub(super) type Objects = gix::odb::Cache<gix::odb::store::Handle<Arc<gix::odb::Store>>>;

/// What is remembered about blobs by their id.
#[derive(Debug, Default)]
pub(super) struct Memo {
    needle: Vec<u8>,
    holds: HashMap<gix::ObjectId, bool>,
}

impl Memo {
    /// What is known about a blob, for this needle.
    pub(super) fn get(&self, needle: &[u8], blob: &gix::oid) -> Option<bool> {
        if self.needle != needle {
            return None;
        }
        self.holds.get(blob).copied()
    }

    /// Remembers about a blob. Another needle, or a full memory, starts anew.
    pub(super) fn put(&mut self, needle: &[u8], blob: gix::ObjectId, holds: bool) {
        if self.needle != needle || self.holds.len() >= REMEMBERED {
            self.holds.clear();
            needle.clone_into(&mut self.needle);
        }
        self.holds.insert(blob, holds);
    }
}

/// One generation of a cache.
pub(super) struct Generation {
    folder: PathBuf,
    store: Arc<gix::odb::Store>,
    known: Mutex<Vec<CommitId>>,
    damaged: AtomicBool,
    retired: AtomicBool,
    pub(super) memo: Arc<Mutex<Memo>>,
}

impl Generation {
    /// Opens a generation, making it when it does not exist, and removes what an interrupted
    /// process left in it.
    pub(super) fn open(folder: &Path, memo: Arc<Mutex<Memo>>) -> Result<Self, GitError> {
        let packs = folder.join("objects/pack");
        fs::create_dir_all(&packs).map_err(GitError::cache("create the object cache"))?;
        fs::create_dir_all(folder.join("refs")).map_err(GitError::cache("create the cache"))?;
        for (name, text) in [
            ("HEAD", "ref: refs/heads/none\n"),
            (
                "config",
                "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
            ),
        ] {
            replace(&folder.join(name), text.as_bytes())?;
        }
        sweep(&packs)?;
        let options = Options {
            slots: Slots::Given(PACKS as u16 * 2),
            alloc_limit_bytes: Some(OBJECT),
            current_dir: Some(folder.to_owned()),
            ..Options::default()
        };
        let store = gix::odb::Store::at_opts(
            folder.join("objects"),
            gix::hash::Kind::Sha1,
            &mut std::iter::empty(),
            options,
        )
        .map_err(GitError::cache("open the object cache"))?;
        Ok(Self {
            known: Mutex::new(read_known(&folder.join("shallow"))),
            folder: folder.to_owned(),
            store: Arc::new(store),
            damaged: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            memo,
        })
    }

    /// A new handle on the objects.
    pub(super) fn objects(&self) -> Objects {
        self.store.to_cache_arc().with_pack_cache(|| {
            Box::new(pack::cache::lru::StaticLinkedList::<64>::new(
                16 * 1024 * 1024,
            ))
        })
    }

    /// The commits whose whole tree is here, the most recent first.
    pub(super) fn known(&self) -> Vec<CommitId> {
        lock(&self.known).clone()
    }

    /// Notes that the whole tree of `commit` is here.
    pub(super) fn learn(&self, commit: CommitId) -> Result<(), GitError> {
        let mut known = lock(&self.known);
        if known.first() == Some(&commit) {
            return Ok(());
        }
        known.retain(|other| *other != commit);
        known.insert(0, commit);
        known.truncate(KNOWN);
        write_known(&self.folder.join("shallow"), &known)
    }

    /// Marks the generation so that the next user starts a new one.
    pub(super) fn mark_damaged(&self) {
        self.damaged.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::SeqCst)
    }

    /// Whether there are so many packs that starting anew is cheaper than going on.
    pub(super) fn is_crowded(&self) -> bool {
        fs::read_dir(self.folder.join("objects/pack"))
            .map(|entries| entries.count() >= 2 * PACKS)
            .unwrap_or(false)
    }

    /// Lets the folder go away when the last user is done.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
    }

    /// Files in which one fetch notes the boundary of what it got. Each fetch has its own, so
    /// that none waits for another and none finds a lock of a killed process.
    pub(super) fn boundary_file(&self) -> Result<tempfile::TempDir, GitError> {
        let folder = tempfile::Builder::new()
            .prefix("fetch-")
            .tempdir_in(&self.folder)
            .map_err(GitError::cache("create a folder for the fetch"))?;
        let known = self.known();
        if !known.is_empty() {
            write_known(&folder.path().join("shallow"), &known)?;
        }
        Ok(folder)
    }

    /// Adds a pack. Objects that it leaves out because they are here already are completed.
    pub(super) fn add_pack(
        &self,
        pack: &mut dyn BufRead,
        interrupt: &AtomicBool,
    ) -> gix::Result<()> {
        let options = pack::bundle::write::Options {
            thread_limit: Some(1),
            alloc_limit_bytes: Some(OBJECT),
            ..pack::bundle::write::Options::default()
        };
        let outcome = pack::Bundle::write_to_directory(
            pack,
            Some(&self.folder.join("objects/pack")),
            &mut gix::progress::Discard,
            interrupt,
            Some(self.objects()),
            gix::hash::Kind::Sha1,
            options,
        )?;
        if let Some(keep) = outcome.keep_path {
            // It would only stop Git's own housekeeping, which does not run here.
            let _ = fs::remove_file(keep);
        }
        Ok(())
    }

    /// Whether the commit and its root tree can be read, a cheap sign of an intact cache.
    pub(super) fn looks_whole(&self, commit: CommitId) -> bool {
        use gix::objs::FindExt;
        let objects = self.objects();
        let mut buffer = Vec::new();
        let tree = objects
            .find_commit(&object_id(commit), &mut buffer)
            .map(|commit| commit.tree());
        let mut buffer = Vec::new();
        tree.is_ok_and(|tree| objects.find_tree(&tree, &mut buffer).is_ok())
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if self.retired.load(Ordering::SeqCst) {
            // What cannot be removed now is removed when the cache is opened again.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Removes temporary files, locks and halves of a pack, which only a killed process can have left.
fn sweep(packs: &Path) -> Result<(), GitError> {
    let entries = fs::read_dir(packs).map_err(GitError::cache("list the object cache"))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let other = match path.extension().and_then(|extension| extension.to_str()) {
            Some("pack") => Some("idx"),
            Some("idx") => Some("pack"),
            _ => None,
        };
        if !other.is_some_and(|other| path.with_extension(other).exists()) {
            let _ = fs::remove_file(&path);
        }
    }
    let Some(folder) = packs.ancestors().nth(2) else {
        return Ok(());
    };
    let entries = fs::read_dir(folder).map_err(GitError::cache("list the cache"))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("fetch-") {
            let path = entry.path();
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
    }
    Ok(())
}

fn read_known(file: &Path) -> Vec<CommitId> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.parse().ok())
        .take(KNOWN)
        .collect()
}

fn write_known(file: &Path, known: &[CommitId]) -> Result<(), GitError> {
    let lines: String = known.iter().map(|commit| format!("{commit}\n")).collect();
    replace(file, lines.as_bytes())
}

/// Writes a file in one step: readers see the old or the new text.
fn replace(file: &Path, bytes: &[u8]) -> Result<(), GitError> {
    let wrong = || GitError::cache(format!("write `{}`", file.display()));
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix("fetch-")
        .tempfile_in(folder)
        .map_err(wrong())?;
    temporary.write_all(bytes).map_err(wrong())?;
    temporary
        .persist(file)
        .map_err(|error| wrong()(error.error))?;
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(digit: char) -> CommitId {
        let text: String = std::iter::repeat_n(digit, 40).collect();
        text.parse().expect("forty digits")
    }

    #[test]
    fn what_is_known_survives_a_restart_and_stays_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let memo = Arc::new(Mutex::new(Memo::default()));
        let generation = Generation::open(folder.path(), memo.clone()).expect("a new cache");
        for digit in "0123456789abcdef".chars() {
            generation.learn(commit(digit)).expect("a writable folder");
        }
        generation.learn(commit('3')).expect("a writable folder");
        generation
            .learn(
                "0000000000000000000000000000000000000001"
                    .parse()
                    .expect("an id"),
            )
            .expect("a writable folder");
        let known = generation.known();
        assert_eq!(known.len(), KNOWN);
        assert_eq!(known[1], commit('3'));
        assert!(!known.contains(&commit('0')));
        drop(generation);
        let again = Generation::open(folder.path(), memo).expect("the same cache");
        assert_eq!(again.known(), known);
    }

    #[test]
    fn opening_removes_what_a_killed_process_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let packs = folder.path().join("objects/pack");
        fs::create_dir_all(&packs).expect("a folder");
        fs::create_dir_all(folder.path().join("fetch-abc")).expect("a folder");
        fs::write(packs.join(".tmpXYZ"), b"half a pack").expect("a file");
        for name in ["pack-1.keep", "pack-1.idx", "pack-2.pack"] {
            fs::write(packs.join(name), b"").expect("a file");
        }
        let memo = Arc::new(Mutex::new(Memo::default()));
        Generation::open(folder.path(), memo).expect("the cache opens");
        assert_eq!(fs::read_dir(&packs).expect("a folder").count(), 0);
        assert!(!folder.path().join("fetch-abc").exists());
    }

    #[test]
    fn a_retired_generation_goes_with_its_last_user() {
        let folder = tempfile::tempdir().expect("a folder");
        let memo = Arc::new(Mutex::new(Memo::default()));
        let path = folder.path().join("1");
        let generation = Arc::new(Generation::open(&path, memo).expect("a new cache"));
        let reader = generation.clone();
        generation.retire();
        drop(generation);
        assert!(path.exists());
        drop(reader);
        assert!(!path.exists());
    }

    #[test]
    fn the_memo_answers_only_for_its_needle() {
        let mut memo = Memo::default();
        let blob = object_id(commit('1'));
        memo.put(b"a", blob, true);
        assert_eq!(memo.get(b"a", &blob), Some(true));
        assert_eq!(memo.get(b"b", &blob), None);
        memo.put(b"b", blob, false);
        assert_eq!(memo.get(b"a", &blob), None);
        assert_eq!(memo.get(b"b", &blob), Some(false));
    }
}
