//! Read-only access to a tree of files, wherever it lies: a Git commit, an unpacked artifact, a
//! folder, a map in a test.
//!
//! Invariant: a path is relative, `/`-separated and normalised; the empty path is the root; an
//! implementation never reads outside its tree, not even through a link. What is absent: writing.

use std::collections::BTreeMap;
use thiserror::Error;

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A regular file that may be executed.
    Executable,
    /// A directory.
    Directory,
    /// A symbolic link. Reading it reads its target when that lies inside the tree.
    Link,
    /// A commit of another repository. It has no content here.
    Submodule,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// The name without any `/`.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// Why a path of a tree could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// There is nothing at the path.
    #[error("`{0}` does not exist")]
    NotFound(String),
    /// The path is not a directory.
    #[error("`{0}` is not a directory")]
    NotADirectory(String),
    /// The path is not a file.
    #[error("`{0}` is not a file")]
    NotAFile(String),
    /// The path, or a link on its way, leads out of the tree.
    #[error("`{0}` leads out of the tree")]
    OutsideTree(String),
    /// The file is larger than a reader accepts.
    #[error("`{path}` has {size} bytes, at most {limit} are read")]
    TooLarge {
        /// Where it lies.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The bound in bytes.
        limit: u64,
    },
    /// What holds the tree failed.
    #[error("`{path}` could not be read: {reason}")]
    Unreadable {
        /// Where it lies.
        path: String,
        /// What failed, in words.
        reason: String,
    },
}

/// Read-only access to files by path. `Send + Sync`, so that builds run side by side.
pub trait FileTree: Send + Sync {
    /// The bytes of the file at `path`. Follows links inside the tree.
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError>;

    /// The entries of the directory at `path`, in byte order of their names.
    fn entries(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError>;

    /// What lies at `path`, not following a link in its last part. `None` when nothing does.
    fn kind(&self, path: &str) -> Option<EntryKind>;
}

/// Joins `path` to `base` and resolves `.` and `..`.
///
/// # Errors
/// [`TreeError::OutsideTree`] when the result would leave the tree or `path` is absolute.
pub fn join(base: &str, path: &str) -> Result<String, TreeError> {
    if path.starts_with('/') {
        return Err(TreeError::OutsideTree(path.to_owned()));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts
                    .pop()
                    .ok_or_else(|| TreeError::OutsideTree(path.to_owned()))?;
            }
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

/// The directory part of a normalised path; empty for a path at the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A tree held in memory: path to bytes. Directories exist through their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapTree(pub BTreeMap<String, Vec<u8>>);

impl MapTree {
    /// Builds a tree from paths and texts.
    pub fn from_texts<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            files
                .into_iter()
                .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
                .collect(),
        )
    }

    fn below<'a>(&'a self, directory: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let prefix = if directory.is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        self.0
            .range(prefix.clone()..)
            .take_while({
                let prefix = prefix.clone();
                move |(path, _)| path.starts_with(&prefix)
            })
            .map(move |(path, _)| &path[prefix.len()..])
    }
}

impl FileTree for MapTree {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let path = join("", path)?;
        match self.0.get(&path) {
            Some(bytes) => Ok(bytes.clone()),
            None if self.kind(&path).is_some() => Err(TreeError::NotAFile(path)),
            None => Err(TreeError::NotFound(path)),
        }
    }

    fn entries(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let path = join("", path)?;
        let mut entries: BTreeMap<&str, EntryKind> = BTreeMap::new();
        for rest in self.below(&path) {
            match rest.split_once('/') {
                Some((directory, _)) => entries.insert(directory, EntryKind::Directory),
                None => entries.insert(rest, EntryKind::File),
            };
        }
        if entries.is_empty() && !path.is_empty() {
            let error = if self.0.contains_key(&path) {
                TreeError::NotADirectory
            } else {
                TreeError::NotFound
            };
            return Err(error(path));
        }
        Ok(entries
            .into_iter()
            .map(|(name, kind)| TreeEntry {
                name: name.to_owned(),
                kind,
            })
            .collect())
    }

    fn kind(&self, path: &str) -> Option<EntryKind> {
        let path = join("", path).ok()?;
        if self.0.contains_key(&path) {
            return Some(EntryKind::File);
        }
        (path.is_empty() || self.below(&path).next().is_some()).then_some(EntryKind::Directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_path_is_normalised() {
        assert_eq!(
            join("apps/web", "../base/./x.yaml"),
            Ok("apps/base/x.yaml".to_owned())
        );
        assert_eq!(join("", "./a//b/"), Ok("a/b".to_owned()));
        assert_eq!(join("a", ".."), Ok(String::new()));
    }

    #[test]
    fn a_path_that_leaves_the_tree_is_refused() {
        for path in ["../x", "a/../../x", "/etc/passwd"] {
            assert_eq!(join("", path), Err(TreeError::OutsideTree(path.to_owned())));
        }
    }

    #[test]
    fn a_map_has_the_directories_its_files_name() {
        let tree = MapTree::from_texts([("a/b.yaml", "1"), ("a/c/d.yaml", "2"), ("a-b.yaml", "3")]);
        let entry = |name: &str, kind| TreeEntry {
            name: name.to_owned(),
            kind,
        };
        assert_eq!(
            tree.entries(""),
            Ok(vec![
                entry("a", EntryKind::Directory),
                entry("a-b.yaml", EntryKind::File)
            ])
        );
        assert_eq!(
            tree.entries("a"),
            Ok(vec![
                entry("b.yaml", EntryKind::File),
                entry("c", EntryKind::Directory)
            ])
        );
        assert_eq!(tree.kind("a/c"), Some(EntryKind::Directory));
        assert_eq!(tree.kind("a/x"), None);
        assert_eq!(tree.read("a/c/../b.yaml"), Ok(b"1".to_vec()));
        assert_eq!(tree.read("a"), Err(TreeError::NotAFile("a".to_owned())));
        assert_eq!(
            tree.entries("a/b.yaml"),
            Err(TreeError::NotADirectory("a/b.yaml".to_owned()))
        );
        assert_eq!(tree.entries("x"), Err(TreeError::NotFound("x".to_owned())));
    }

    #[test]
    fn an_empty_map_still_has_a_root() {
        assert_eq!(MapTree::default().entries(""), Ok(Vec::new()));
        assert_eq!(MapTree::default().kind(""), Some(EntryKind::Directory));
    }
}
