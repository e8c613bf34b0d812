//! Reading an archive into memory, from whoever made it.
//!
//! Invariant: the bytes are hostile until read: total size, number of entries and paths are checked
//! before anything is kept. Links and special files are refused.

use crate::domain::tree::{EntryKind, FileTree, MapTree, TreeEntry, TreeError};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Component, Path};
use std::time::Duration;
use tar::{Archive, EntryType};
use thiserror::Error;

/// How much of an artifact is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of the archive as it travels.
    pub archive: u64,
    /// The bytes of all files together.
    pub total: u64,
    /// The number of files and folders.
    pub entries: usize,
    /// The time a download may take.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive: 256 << 20,
            total: 512 << 20,
            entries: 200_000,
            timeout: Duration::from_secs(60),
        }
    }
}

/// Why an archive could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is not there (any more).
    #[error("artifact `{0}` not found")]
    NotFound(String),
    /// Its bytes are not those that were announced.
    #[error("the artifact's digest is `{actual}` instead of `{expected}`")]
    Digest {
        /// What was announced.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// The digest is not a `sha256:` one.
    #[error("the digest `{0}` is not of the form `sha256:<hex>`")]
    DigestForm(String),
    /// It is no gzipped tar archive, or a cut one.
    #[error("the artifact is not a whole tar.gz archive")]
    Archive(#[source] io::Error),
    /// It is larger than accepted.
    #[error("the artifact has more than {limit} {what}")]
    TooLarge {
        /// `bytes` or `entries`.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// An entry leads out of the archive, or is no plain file or folder.
    #[error("the artifact has the entry `{path}`, {reason}")]
    Entry {
        /// The path of the entry.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The files of an archive, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArtifactTree {
    files: MapTree,
    executables: BTreeSet<String>,
}

impl ArtifactTree {
    /// Reads a gzipped tar archive whose bytes have this digest, if one is given.
    ///
    /// # Errors
    /// [`ReadError`]; nothing is kept of an archive that breaks a rule.
    pub fn from_tar_gz(
        bytes: &[u8],
        digest: Option<&str>,
        limits: &Limits,
    ) -> Result<Self, ReadError> {
        if let Some(digest) = digest {
            check_digest(bytes, digest)?;
        }
        let room = Room {
            inner: GzDecoder::new(bytes),
            // Headers and padding take room, too: at most 1.5 KiB an entry, besides long names.
            left: limits.total + 8 * 1024 * limits.entries as u64,
        };
        let mut archive = Archive::new(room);
        let mut tree = Self::default();
        let mut total = 0;
        let entries = archive.entries().map_err(|error| broken(error, limits))?;
        for (count, entry) in entries.enumerate() {
            let mut entry = entry.map_err(|error| broken(error, limits))?;
            if count >= limits.entries {
                return Err(too_large("entries", limits.entries as u64));
            }
            let path = entry.path_bytes().into_owned();
            let path = plain_path(&path)?;
            match entry.header().entry_type() {
                EntryType::Directory | EntryType::XGlobalHeader => continue,
                EntryType::Regular | EntryType::Continuous => {}
                _ => return Err(refused(path, "which is neither a file nor a folder")),
            }
            total += entry.size();
            if total > limits.total {
                return Err(too_large("bytes", limits.total));
            }
            let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
            let mut content = Vec::new();
            entry
                .read_to_end(&mut content)
                .map_err(|error| broken(error, limits))?;
            if executable {
                tree.executables.insert(path.clone());
            }
            tree.files.0.insert(path, content);
        }
        Ok(tree)
    }

    /// The files by path.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files.0
    }

    fn refine(&self, path: &str, kind: EntryKind) -> EntryKind {
        if kind == EntryKind::File && self.executables.contains(path) {
            EntryKind::Executable
        } else {
            kind
        }
    }
}

impl FileTree for ArtifactTree {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.files.read(path)
    }

    fn entries(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let mut entries = self.files.entries(path)?;
        let folder = crate::domain::tree::join("", path)?;
        for entry in &mut entries {
            let path = crate::domain::tree::join(&folder, &entry.name)?;
            entry.kind = self.refine(&path, entry.kind);
        }
        Ok(entries)
    }

    fn kind(&self, path: &str) -> Option<EntryKind> {
        let path = crate::domain::tree::join("", path).ok()?;
        let kind = self.files.kind(&path)?;
        Some(self.refine(&path, kind))
    }
}

/// Checks bytes against a `sha256:` digest.
pub(super) fn check_digest(bytes: &[u8], expected: &str) -> Result<(), ReadError> {
    let form = expected
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !form {
        return Err(ReadError::DigestForm(expected.to_owned()));
    }
    let actual = format!("sha256:{}", super::archive::hex(&Sha256::digest(bytes)));
    if actual.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(ReadError::Digest {
        expected: expected.to_owned(),
        actual,
    })
}

fn refused(path: String, reason: &'static str) -> ReadError {
    ReadError::Entry { path, reason }
}

fn too_large(what: &'static str, limit: u64) -> ReadError {
    ReadError::TooLarge { what, limit }
}

fn broken(error: io::Error, limits: &Limits) -> ReadError {
    if error.get_ref().is_some_and(|inner| inner.is::<NoRoom>()) {
        too_large("bytes", limits.total)
    } else {
        ReadError::Archive(error)
    }
}

/// A path below the root of the archive, normalised.
fn plain_path(bytes: &[u8]) -> Result<String, ReadError> {
    let shown = || String::from_utf8_lossy(bytes).chars().take(200).collect();
    let text =
        std::str::from_utf8(bytes).map_err(|_| refused(shown(), "whose name is not UTF-8"))?;
    let mut parts = Vec::new();
    for part in Path::new(text).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_string_lossy()),
            _ => return Err(refused(shown(), "which leads out of the archive")),
        }
    }
    Ok(parts.join("/"))
}

/// Ends reading when an archive unpacks to more than it may.
struct Room<R> {
    inner: R,
    left: u64,
}

#[derive(Debug, Error)]
#[error("the archive unpacks to more bytes than accepted")]
struct NoRoom;

impl<R: Read> Read for Room<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(io::Error::other(NoRoom)),
        }
    }
}
