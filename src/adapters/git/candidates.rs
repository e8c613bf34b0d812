//! Finding the files that hold a marker, by content.
//!
//! Invariant: a blob that was looked at once is not looked at again, in whatever commit it appears:
//! the answer is remembered by its id.

use super::error::GitError;
use super::snapshot::{Node, Snapshot};
use gix::ObjectId;
use gix::objs::tree::EntryKind as Mode;
use memchr::memmem::Finder;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::PoisonError;

/// The most bytes a file may have to be looked at: 32 MiB.
const LOOKED_AT: u64 = 32 << 20;
/// The most directories that lie inside each other.
const DEPTH: usize = 256;

/// The identity of a file's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub(super) ObjectId);

impl fmt::Display for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A file that holds the needle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its path from the root of the repository. A link has been followed: the target's path.
    pub path: String,
    /// The identity of its content.
    pub blob: BlobId,
    /// Its size in bytes.
    pub size: u64,
}

/// A file whose name was wanted and that was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its path from the root of the repository.
    pub path: String,
    /// Why not.
    pub reason: SkipReason,
}

/// Why a file was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// It is larger than is looked at.
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// It is a link to something that is no file of this repository.
    Link,
    /// It lies deeper than directories are followed.
    TooDeep,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size } => write!(
                formatter,
                "the file has {size} bytes, at most {LOOKED_AT} are looked at"
            ),
            Self::Link => formatter.write_str("the link leads to no file of this repository"),
            Self::TooDeep => write!(formatter, "it lies more than {DEPTH} directories deep"),
        }
    }
}

/// The files that hold the needle, and those that could not be looked at. Both sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// The files that hold the needle, each once.
    pub files: Vec<Candidate>,
    /// The files that were not looked at.
    pub skipped: Vec<Skipped>,
}

impl Snapshot {
    /// Finds the files under `prefix` (empty for all) whose path satisfies `wanted` and whose
    /// bytes hold `needle`. A link to a file of the repository stands for that file.
    ///
    /// # Errors
    /// [`GitError::PathNotFound`] when `prefix` is no directory; [`GitError::Corrupt`] when the
    /// cache is damaged.
    pub fn candidates(
        &self,
        prefix: &str,
        needle: &[u8],
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Candidates, GitError> {
        let start = self.locate(prefix, true).ok().flatten();
        let Some((start, root)) = start.filter(|(_, node)| node.mode == Mode::Tree) else {
            return Err(GitError::PathNotFound {
                path: prefix.to_owned(),
                commit: self.commit(),
            });
        };
        let mut search = Search {
            snapshot: self,
            finder: Finder::new(needle),
            files: BTreeMap::new(),
            seen: BTreeSet::new(),
            skipped: BTreeMap::new(),
        };
        let mut pending = vec![(start, root.id, 0)];
        while let Some((folder, tree, depth)) = pending.pop() {
            for (name, node) in self.children(&tree)? {
                let path = match folder.as_str() {
                    "" => name,
                    folder => format!("{folder}/{name}"),
                };
                match node.mode {
                    Mode::Tree if depth < DEPTH => pending.push((path, node.id, depth + 1)),
                    Mode::Tree => search.skip(path, SkipReason::TooDeep),
                    Mode::Blob | Mode::BlobExecutable if wanted(&path) => {
                        search.look(path, node)?;
                    }
                    Mode::Link if wanted(&path) => search.follow(path)?,
                    _ => {}
                }
            }
        }
        Ok(search.finish())
    }
}

struct Search<'a> {
    snapshot: &'a Snapshot,
    finder: Finder<'a>,
    files: BTreeMap<String, Candidate>,
    seen: BTreeSet<String>,
    skipped: BTreeMap<String, SkipReason>,
}

impl Search<'_> {
    fn skip(&mut self, path: String, reason: SkipReason) {
        self.skipped.insert(path, reason);
    }

    fn follow(&mut self, path: String) -> Result<(), GitError> {
        let found = self.snapshot.locate(&path, true);
        match found {
            Ok(Some((target, node))) if matches!(node.mode, Mode::Blob | Mode::BlobExecutable) => {
                self.look(target, node)
            }
            _ => {
                self.skip(path, SkipReason::Link);
                Ok(())
            }
        }
    }

    fn look(&mut self, path: String, node: Node) -> Result<(), GitError> {
        if !self.seen.insert(path.clone()) {
            return Ok(());
        }
        let memo = &self.snapshot.generation.memo;
        let needle = self.finder.needle();
        let remembered = memo
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(needle, &node.id);
        if remembered == Some(false) {
            return Ok(());
        }
        let size = self.snapshot.size(&node.id)?;
        if size > LOOKED_AT {
            self.skip(path, SkipReason::TooLarge { size });
            return Ok(());
        }
        let holds = match remembered {
            Some(holds) => holds,
            None => {
                let bytes = self
                    .snapshot
                    .blob(&node.id, &path)
                    .map_err(|error| self.snapshot.damaged("a file", error))?;
                let holds = self.finder.find(&bytes).is_some();
                memo.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .put(needle, node.id, holds);
                holds
            }
        };
        if holds {
            let candidate = Candidate {
                path: path.clone(),
                blob: BlobId(node.id),
                size,
            };
            self.files.insert(path, candidate);
        }
        Ok(())
    }

    fn finish(self) -> Candidates {
        Candidates {
            files: self.files.into_values().collect(),
            skipped: self
                .skipped
                .into_iter()
                .map(|(path, reason)| Skipped { path, reason })
                .collect(),
        }
    }
}
