//! The Git engine: one bare object cache per repository and identity, shared by all who use it.
//!
//! Every operation authenticates anew at the server before anything is read from the cache.
//! Invariant: one process owns the folder; inside it any number of threads may work, and two that
//! fetch the same reference wait for each other instead of fetching twice.

use super::beside::Beside;
use super::error::GitError;
use super::fetch;
use super::http::Clients;
use super::locks::NamedLocks;
use super::refs::{self, RemoteRef, Resolved};
use super::remote::Remote;
use super::session::{Deadline, Session};
use super::snapshot::Snapshot;
use super::ssh::{Ssh, SshAlgorithms};
use super::store::{Generation, Memo};
use crate::domain::git_ref::{CheckoutRef, CommitId, Revision};
use gix::protocol::transport::{Protocol, Service};
use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How long the cache of a repository stays without a fetch: four weeks.
const UNUSED: Duration = Duration::from_secs(28 * 24 * 3600);

/// The Git engine on one folder. Clones share it.
#[derive(Clone)]
pub struct GitCache(pub(super) Arc<Shared>);

impl std::fmt::Debug for GitCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "GitCache({})", self.0.root.display())
    }
}

pub(super) struct Shared {
    root: PathBuf,
    _owner: File,
    repositories: Mutex<HashMap<String, Arc<Repository>>>,
    pub(super) clients: Clients,
    ssh: Ssh,
    pub(super) branches: NamedLocks,
    fetches: NamedLocks,
    /// What branches have beside each other, by their heads.
    pub(super) besides: Mutex<HashMap<(CommitId, CommitId), Arc<Beside>>>,
}

/// The cache of one repository.
struct Repository {
    folder: PathBuf,
    memo: Arc<Mutex<Memo>>,
    current: Mutex<Option<Arc<Generation>>>,
}

/// A fetched commit.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The commit.
    pub commit: CommitId,
    /// The commit under the name it was found by.
    pub revision: Revision,
    /// The first line of its message.
    pub subject: String,
    /// Its author as `Name <address>`.
    pub author: String,
    /// Its files.
    pub snapshot: Snapshot,
}

/// The first of several references that exists.
pub(super) struct First {
    /// Its position.
    pub(super) at: usize,
    /// Its commit.
    pub(super) fetched: Fetched,
    /// What each of the references means, the absent ones included.
    pub(super) meanings: Vec<Option<Resolved>>,
}

impl GitCache {
    /// Opens the engine on a folder, making it when it does not exist. What a killed process left
    /// is cleaned up.
    ///
    /// # Errors
    /// [`GitError::CacheInUse`] when another process has it open; [`GitError::Cache`] when the
    /// file system fails.
    pub fn open(root: &Path) -> Result<Self, GitError> {
        Self::open_with(root, SshAlgorithms::default())
    }

    /// The same, offering these algorithms to ssh servers.
    ///
    /// # Errors
    /// As [`GitCache::open`].
    pub fn open_with(root: &Path, algorithms: SshAlgorithms) -> Result<Self, GitError> {
        let wrong = |action: &str| GitError::cache(format!("{action} `{}`", root.display()));
        fs::create_dir_all(root).map_err(wrong("create"))?;
        let owner = File::create(root.join("lock")).map_err(wrong("write in"))?;
        own(&owner).map_err(|error| match error {
            TryLockError::WouldBlock => GitError::CacheInUse {
                path: root.display().to_string(),
            },
            TryLockError::Error(source) => wrong("lock")(source),
        })?;
        sweep(root, SystemTime::now());
        Ok(Self(Arc::new(Shared {
            root: root.to_owned(),
            _owner: owner,
            repositories: Mutex::default(),
            clients: Clients::default(),
            ssh: Ssh::new(algorithms),
            branches: NamedLocks::default(),
            fetches: NamedLocks::default(),
            besides: Mutex::default(),
        })))
    }

    /// Asks the server for the commit that a reference means right now. Nothing is downloaded.
    ///
    /// # Errors
    /// [`GitError::RefNotFound`], [`GitError::EmptyRepository`], or why there is no answer.
    pub fn remote_head(
        &self,
        remote: &Remote,
        checkout: &CheckoutRef,
    ) -> Result<CommitId, GitError> {
        self.remote_revision(remote, checkout)
            .map(|revision| revision.commit)
    }

    /// As [`GitCache::remote_head`], with the name: for a range of versions that of the tag.
    ///
    /// # Errors
    /// As [`GitCache::remote_head`].
    pub fn remote_revision(
        &self,
        remote: &Remote,
        checkout: &CheckoutRef,
    ) -> Result<Revision, GitError> {
        let mut session = self.session(remote, Service::UploadPack, Protocol::V2)?;
        let handshake = refs::handshake(&mut session, remote)?;
        let resolved = refs::resolve(&mut session, &handshake, &[checkout])?;
        match resolved.into_iter().next().flatten() {
            Some(resolved) => Ok(resolved.revision),
            None => Err(refs::absent(&mut session, &handshake, remote, checkout)),
        }
    }

    /// Lists the references of a repository whose full names start with `prefix`.
    ///
    /// # Errors
    /// Why there is no answer. A repository without such references is an empty list.
    pub fn remote_refs(&self, remote: &Remote, prefix: &str) -> Result<Vec<RemoteRef>, GitError> {
        let mut session = self.session(remote, Service::UploadPack, Protocol::V2)?;
        let handshake = refs::handshake(&mut session, remote)?;
        refs::list(&mut session, &handshake, &[prefix.to_owned()])
    }

    /// Fetches the commit that a reference means right now: only that commit, and only what is not
    /// in the cache yet. A damaged cache is set aside and fetched anew.
    ///
    /// # Errors
    /// As [`GitCache::remote_head`], or why the download failed.
    pub fn fetch(&self, remote: &Remote, checkout: &CheckoutRef) -> Result<Fetched, GitError> {
        Ok(self.fetch_first(remote, &[checkout])?.fetched)
    }

    /// Fetches the first of `checkouts` that exists.
    pub(super) fn fetch_first(
        &self,
        remote: &Remote,
        checkouts: &[&CheckoutRef],
    ) -> Result<First, GitError> {
        match self.try_fetch_first(remote, checkouts) {
            Err(GitError::Corrupt { .. }) => self.try_fetch_first(remote, checkouts),
            other => other,
        }
    }

    fn try_fetch_first(
        &self,
        remote: &Remote,
        checkouts: &[&CheckoutRef],
    ) -> Result<First, GitError> {
        let first = checkouts.first().map(ToString::to_string);
        let key = format!("{}\n{}", remote.cache_key(), first.unwrap_or_default());
        let deadline = Deadline::after(remote.timeout);
        let _one_at_a_time = self
            .0
            .fetches
            .acquire(&key, deadline.at())
            .ok_or_else(|| deadline.timeout(remote.url()))?;
        let mut session = self.session(remote, Service::UploadPack, Protocol::V2)?;
        let mut handshake = refs::handshake(&mut session, remote)?;
        let resolved = refs::resolve(&mut session, &handshake, checkouts)?;
        let found = resolved
            .iter()
            .enumerate()
            .find_map(|(at, found)| found.clone().map(|found| (at, found)));
        let Some((at, found)) = found else {
            let Some(wanted) = checkouts.last() else {
                return Err(GitError::corrupt("nothing was asked for"));
            };
            return Err(refs::absent(&mut session, &handshake, remote, wanted));
        };
        let generation = self.generation(remote)?;
        let checkout = checkouts[at];
        let got = fetch::complete(
            &mut session,
            &mut handshake,
            &generation,
            remote,
            checkout,
            &found,
        );
        match (got, checkout) {
            (Err(GitError::RefNotFound { .. }), CheckoutRef::Commit { branch, .. }) => {
                self.by_history(remote, &generation, found.commit, branch.as_deref())?;
            }
            (got, _) => got?,
        }
        let fetched = describe(&generation, found)?;
        Ok(First {
            at,
            fetched,
            meanings: resolved,
        })
    }

    /// The second try for a bare commit, on a new connection: the first one ended in an error.
    fn by_history(
        &self,
        remote: &Remote,
        generation: &Generation,
        commit: CommitId,
        branch: Option<&str>,
    ) -> Result<(), GitError> {
        let mut session = self.session(remote, Service::UploadPack, Protocol::V2)?;
        let mut handshake = refs::handshake(&mut session, remote)?;
        fetch::by_history(
            &mut session,
            &mut handshake,
            generation,
            remote,
            commit,
            branch,
        )
    }

    /// The files of a commit that was fetched before.
    ///
    /// # Errors
    /// [`GitError::Corrupt`] when the commit is not in the cache; fetch it again.
    pub fn snapshot(&self, remote: &Remote, commit: CommitId) -> Result<Snapshot, GitError> {
        Snapshot::open(self.generation(remote)?, commit)
    }

    pub(super) fn session(
        &self,
        remote: &Remote,
        service: Service,
        version: Protocol,
    ) -> Result<Session, GitError> {
        Session::open((&self.0.clients, &self.0.ssh), remote, service, version)
    }

    /// The generation to work with: the current one, or a new one when that is damaged or crowded.
    pub(super) fn generation(&self, remote: &Remote) -> Result<Arc<Generation>, GitError> {
        let key = remote.cache_key();
        let repository = lock(&self.0.repositories)
            .entry(key.clone())
            .or_insert_with(|| {
                Arc::new(Repository {
                    folder: self.0.root.join(key),
                    memo: Arc::default(),
                    current: Mutex::default(),
                })
            })
            .clone();
        repository.current()
    }
}

/// Removes the caches of repositories that were not fetched from for a long time.
fn sweep(root: &Path, now: SystemTime) {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.path().is_dir()) {
        let generations = fs::read_dir(entry.path()).into_iter().flatten().flatten();
        let last = generations
            .filter_map(|generation| generation.metadata().ok()?.modified().ok())
            .max();
        let age = last.and_then(|last| now.duration_since(last).ok());
        if age.is_some_and(|age| age > UNUSED) {
            // What cannot be removed now is removed another time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Locks the folder. A program that a former owner has started may hold the lock for the moment
/// between its fork and its start, so one refusal is not final.
fn own(lock: &File) -> Result<(), TryLockError> {
    let patience = Deadline::after(Duration::from_secs(1));
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if patience.left().is_some() => {
                std::thread::sleep(Duration::from_millis(10));
            }
            decided => return decided,
        }
    }
}

impl Repository {
    fn current(&self) -> Result<Arc<Generation>, GitError> {
        let mut current = lock(&self.current);
        if let Some(generation) = current.as_ref() {
            if !generation.is_damaged() && !generation.is_crowded() {
                return Ok(generation.clone());
            }
            generation.retire();
        }
        let numbers = self.numbers();
        let last = numbers.last().copied().unwrap_or(0);
        let number = if current.is_none() {
            last.max(1)
        } else {
            last + 1
        };
        if current.is_none() {
            // Left by a process that was killed before its last reader was done.
            for old in numbers.iter().filter(|old| **old != number) {
                let _ = fs::remove_dir_all(self.folder.join(old.to_string()));
            }
        }
        let folder = self.folder.join(number.to_string());
        let generation = Arc::new(Generation::open(&folder, self.memo.clone())?);
        *current = Some(generation.clone());
        Ok(generation)
    }

    /// The numbers of the generations on disk, ascending.
    fn numbers(&self) -> Vec<u64> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut numbers: Vec<u64> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

fn describe(generation: &Arc<Generation>, found: Resolved) -> Result<Fetched, GitError> {
    let snapshot = Snapshot::open(generation.clone(), found.commit)?;
    let (subject, author) = snapshot.description()?;
    Ok(Fetched {
        commit: found.commit,
        revision: found.revision,
        subject,
        author,
        snapshot,
    })
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_that_nobody_used_for_long_go_when_the_engine_opens() {
        let root = tempfile::tempdir().expect("a folder");
        let now = SystemTime::now();
        for (name, age) in [("old", UNUSED * 2), ("recent", UNUSED / 2)] {
            let generation = root.path().join(name).join("1");
            fs::create_dir_all(&generation).expect("a folder");
            let folder = File::open(&generation).expect("a folder");
            folder.set_modified(now - age).expect("a time");
        }
        GitCache::open(root.path()).expect("it opens");
        assert!(!root.path().join("old").exists());
        assert!(root.path().join("recent").exists());
    }
}
