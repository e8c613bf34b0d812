//! The files of one commit, read from the object cache; also of a commit that is not pushed yet.
//!
//! Invariant: a snapshot never changes and keeps the generation it reads from alive. No worktree
//! exists: reading a file reads one blob.

use super::candidates::Candidate;
use super::commit::Author;
use super::error::GitError;
use super::refs::{commit_id, object_id};
use super::store::{Generation, Objects};
use crate::domain::git_ref::CommitId;
use crate::domain::tree::{self, EntryKind, FileTree, TreeEntry, TreeError};
use gix::objs::tree::EntryKind as Mode;
use gix::objs::{Data, Find, FindExt, Kind};
use gix::{ObjectId, oid};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most bytes a file may have to be read: 256 MiB.
const FILE: u64 = 256 << 20;
/// The most folders that are kept unpacked.
const FOLDERS: usize = 256;
/// The most links that lead to one file.
const LINKS: usize = 40;

/// A new object: what it is, and its bytes.
#[derive(Clone, Debug)]
pub(super) struct NewObject {
    pub(super) kind: Kind,
    /// Shared, since every commit of a chain holds the objects of those before it.
    pub(super) bytes: Arc<[u8]>,
}

/// The objects that are in no pack yet, by id.
pub(super) type Unpushed = HashMap<ObjectId, NewObject>;

/// The files of one commit.
pub struct Snapshot {
    pub(super) generation: Arc<Generation>,
    pub(super) objects: Mutex<Objects>,
    pub(super) unpushed: Arc<Unpushed>,
    pub(super) commit: CommitId,
    pub(super) root: ObjectId,
    /// Folders that were read: reading all files of one folder unpacks it once.
    pub(super) folders: Mutex<HashMap<ObjectId, Folder>>,
}

type Folder = Arc<HashMap<String, Node>>;

impl Clone for Snapshot {
    fn clone(&self) -> Self {
        Self {
            generation: self.generation.clone(),
            objects: Mutex::new(self.generation.objects()),
            unpushed: self.unpushed.clone(),
            commit: self.commit,
            root: self.root,
            folders: Mutex::default(),
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Snapshot({})", self.commit)
    }
}

/// Finds objects, the unpushed ones first.
pub(super) struct Reader<'a> {
    pub(super) objects: MutexGuard<'a, Objects>,
    pub(super) unpushed: &'a Unpushed,
}

impl Find for Reader<'_> {
    fn try_find<'b>(&self, id: &oid, buffer: &'b mut Vec<u8>) -> gix::Result<Option<Data<'b>>> {
        match self.unpushed.get(id) {
            Some(object) => {
                buffer.clear();
                buffer.extend_from_slice(&object.bytes);
                Ok(Some(Data::new(buffer, object.kind, gix::hash::Kind::Sha1)))
            }
            None => Find::try_find(&**self.objects, id, buffer),
        }
    }
}

/// What a commit says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The commits it follows.
    pub parents: Vec<CommitId>,
    /// Its author.
    pub author: Author,
    /// Its message.
    pub message: String,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) id: ObjectId,
    pub(super) mode: Mode,
}

impl Snapshot {
    pub(super) fn open(generation: Arc<Generation>, commit: CommitId) -> Result<Self, GitError> {
        let objects = generation.objects();
        let mut buffer = Vec::new();
        let root = objects
            .find_commit(&object_id(commit), &mut buffer)
            .map(|commit| commit.tree());
        let root = root.map_err(|error| {
            generation.mark_damaged();
            GitError::corrupt(format!("commit `{commit}`: {error}"))
        })?;
        Ok(Self {
            generation,
            objects: Mutex::new(objects),
            unpushed: Arc::default(),
            commit,
            root,
            folders: Mutex::default(),
        })
    }

    /// The commit whose files these are.
    pub fn commit(&self) -> CommitId {
        self.commit
    }

    /// Whether an object of the cache could not be read: what was made of these files may be wrong,
    /// and the next fetch brings them anew.
    pub fn is_damaged(&self) -> bool {
        self.generation.is_damaged()
    }

    /// The bytes of a file that [`Snapshot::candidates`] found.
    ///
    /// # Errors
    /// [`TreeError`] when it is too large or cannot be read.
    pub fn content(&self, file: &Candidate) -> Result<Vec<u8>, TreeError> {
        self.blob(&file.blob.0, &file.path)
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            objects: lock(&self.objects),
            unpushed: &self.unpushed,
        }
    }

    /// Notes that the cache is damaged, so that the next fetch renews it.
    pub(super) fn damaged(&self, what: &str, error: impl fmt::Display) -> GitError {
        self.generation.mark_damaged();
        GitError::corrupt(format!("{what}: {error}"))
    }

    /// The first line of the commit's message, and its author as `Name <address>`.
    pub(super) fn description(&self) -> Result<(String, String), GitError> {
        let about = self.about()?;
        let subject = about.message.lines().next().unwrap_or_default().to_owned();
        let Author { name, email } = about.author;
        Ok((subject, format!("{name} <{email}>")))
    }

    /// What the commit says of itself.
    ///
    /// # Errors
    /// [`GitError::Corrupt`] when it cannot be read.
    pub fn about(&self) -> Result<About, GitError> {
        let mut buffer = Vec::new();
        let reader = self.reader();
        let broken = |error: &dyn fmt::Display| self.damaged("the commit", error);
        let commit = reader
            .find_commit(&object_id(self.commit), &mut buffer)
            .map_err(|error| broken(&error))?;
        let author = commit.author().map_err(|error| broken(&error))?;
        Ok(About {
            parents: commit.parents().filter_map(|id| commit_id(&id)).collect(),
            author: Author {
                name: author.name.to_string(),
                email: author.email.to_string(),
            },
            message: commit.message.to_string(),
        })
    }

    /// Whether both commits have the same files, parents, author and message.
    ///
    /// # Errors
    /// As [`Snapshot::about`].
    pub fn is_alike(&self, other: &Snapshot) -> Result<bool, GitError> {
        Ok(self.root == other.root && self.about()? == other.about()?)
    }

    /// The entries of a tree object as name, mode and id, in Git's order. Names that are no UTF-8
    /// are left out: a path that cannot be written down could not be edited under its own name.
    pub(super) fn children(&self, tree: &oid) -> Result<Vec<(String, Node)>, GitError> {
        let mut buffer = Vec::new();
        let reader = self.reader();
        let tree = reader
            .find_tree(tree, &mut buffer)
            .map_err(|error| self.damaged("a tree", error))?;
        Ok(tree
            .entries
            .iter()
            .filter_map(|entry| {
                let name = std::str::from_utf8(entry.filename).ok()?.to_owned();
                let node = Node {
                    id: entry.oid.to_owned(),
                    mode: entry.mode.kind(),
                };
                Some((name, node))
            })
            .collect())
    }

    fn child(&self, tree: &oid, name: &str) -> Result<Option<Node>, GitError> {
        let known = lock(&self.folders).get(tree).cloned();
        let folder = match known {
            Some(folder) => folder,
            None => {
                let folder = Arc::new(self.children(tree)?.into_iter().collect());
                let mut folders = lock(&self.folders);
                if folders.len() >= FOLDERS {
                    folders.clear();
                }
                folders.insert(tree.to_owned(), Arc::clone(&folder));
                folder
            }
        };
        Ok(folder.get(name).copied())
    }

    /// What lies at a path. Links on the way are followed; the last part only when `follow`.
    /// Returns the path that was arrived at, too.
    pub(super) fn locate(
        &self,
        path: &str,
        follow: bool,
    ) -> Result<Option<(String, Node)>, TreeError> {
        let mut pending: Vec<String> = parts(&tree::join("", path)?);
        let mut at: Vec<(String, ObjectId)> = Vec::new();
        let mut node = Node {
            id: self.root,
            mode: Mode::Tree,
        };
        let mut links = 0;
        while let Some(part) = pending.pop() {
            if node.mode != Mode::Tree {
                return Ok(None);
            }
            let here: Vec<&str> = at.iter().map(|(name, _)| name.as_str()).collect();
            let found = self
                .child(&node.id, &part)
                .map_err(|error| unreadable(path, error))?;
            let Some(found) = found else {
                return Ok(None);
            };
            if found.mode == Mode::Link && (follow || !pending.is_empty()) {
                links += 1;
                if links > LINKS {
                    return Err(unreadable(path, "too many links"));
                }
                let target = self.blob(&found.id, path)?;
                let target = String::from_utf8_lossy(&target).into_owned();
                let joined = tree::join(&here.join("/"), &target)
                    .map_err(|_| TreeError::OutsideTree(path.to_owned()))?;
                pending.extend(parts(&joined));
                at.clear();
                node = Node {
                    id: self.root,
                    mode: Mode::Tree,
                };
                continue;
            }
            at.push((part, found.id));
            node = found;
        }
        let names: Vec<&str> = at.iter().map(|(name, _)| name.as_str()).collect();
        Ok(Some((names.join("/"), node)))
    }

    /// The bytes of a blob.
    pub(super) fn blob(&self, id: &oid, path: &str) -> Result<Vec<u8>, TreeError> {
        let size = self.size(id).map_err(|error| unreadable(path, error))?;
        if size > FILE {
            return Err(TreeError::TooLarge {
                path: path.to_owned(),
                size,
                limit: FILE,
            });
        }
        let mut buffer = Vec::new();
        let reader = self.reader();
        let found = reader.find_blob(id, &mut buffer).map(|_| ());
        found.map_err(|error| unreadable(path, self.damaged("a file", error)))?;
        Ok(buffer)
    }

    /// The size of a blob in bytes, without unpacking it.
    pub(super) fn size(&self, id: &oid) -> Result<u64, GitError> {
        use gix::objs::FindHeader;
        let reader = self.reader();
        if let Some(object) = self.unpushed.get(id) {
            return Ok(object.bytes.len() as u64);
        }
        match FindHeader::try_header(&**reader.objects, id) {
            Ok(Some(header)) => Ok(header.size),
            Ok(None) => Err(self.damaged("a file", format!("blob `{id}` is missing"))),
            Err(error) => Err(self.damaged("a file", error)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The parts of a normalised path, the last one first.
fn parts(path: &str) -> Vec<String> {
    path.split('/')
        .rev()
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn unreadable(path: &str, reason: impl fmt::Display) -> TreeError {
    TreeError::Unreadable {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

pub(super) fn entry_kind(mode: Mode) -> EntryKind {
    match mode {
        Mode::Tree => EntryKind::Directory,
        Mode::Blob => EntryKind::File,
        Mode::BlobExecutable => EntryKind::Executable,
        Mode::Link => EntryKind::Link,
        Mode::Commit => EntryKind::Submodule,
    }
}

impl FileTree for Snapshot {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let Some((_, node)) = self.locate(path, true)? else {
            return Err(TreeError::NotFound(path.to_owned()));
        };
        match node.mode {
            Mode::Blob | Mode::BlobExecutable => self.blob(&node.id, path),
            _ => Err(TreeError::NotAFile(path.to_owned())),
        }
    }

    fn entries(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let Some((_, node)) = self.locate(path, true)? else {
            return Err(TreeError::NotFound(path.to_owned()));
        };
        if node.mode != Mode::Tree {
            return Err(TreeError::NotADirectory(path.to_owned()));
        }
        let children = self
            .children(&node.id)
            .map_err(|error| unreadable(path, error))?;
        let mut entries: Vec<TreeEntry> = children
            .into_iter()
            .map(|(name, node)| TreeEntry {
                name,
                kind: entry_kind(node.mode),
            })
            .collect();
        // Git orders directories as if their names ended in `/`.
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn kind(&self, path: &str) -> Option<EntryKind> {
        let (_, node) = self.locate(path, false).ok()??;
        Some(entry_kind(node.mode))
    }
}
