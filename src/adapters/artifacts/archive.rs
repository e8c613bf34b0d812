//! Writing an archive: a gzipped tar of the regular files and folders that no rule keeps out.
//!
//! Invariant: the bytes depend on names, contents, executable bits and rules only. Links and
//! submodules are left out, as in Flux.

use super::store::ArtifactError;
use crate::domain::ignore::{IGNORE_FILE, IgnoreRules};
use crate::domain::tree::{EntryKind, FileTree};
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use tar::{Builder, EntryType, Header};

/// The most bytes one file of rules may have.
const RULES: usize = 1 << 20;
/// The most entries of a tree.
const ENTRIES: usize = 1_000_000;

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// `sha256:` and the hash of the archive's bytes.
    pub(super) digest: String,
    /// The number of its bytes.
    pub(super) size: u64,
}

/// Writes the archive of a tree.
pub(super) fn write(
    tree: &dyn FileTree,
    specification: Option<&str>,
    output: impl Write,
) -> Result<Written, ArtifactError> {
    let entries = list(tree)?;
    let rules = rules(tree, &entries, specification)?;
    let failed = |source| ArtifactError::io("write the archive", source);
    let counted = Counted {
        inner: output,
        hash: Sha256::new(),
        size: 0,
    };
    // No time and no name in the header: they would differ from run to run.
    let gzip = GzBuilder::new().write(counted, Compression::default());
    let mut archive = Builder::new(gzip);
    append(&mut archive, ".", EntryKind::Directory, &[]).map_err(failed)?;
    for (path, kind) in &entries {
        let folder = *kind == EntryKind::Directory;
        if rules.excludes(path, folder) {
            continue;
        }
        let bytes = if folder {
            Vec::new()
        } else {
            tree.read(path).map_err(ArtifactError::Tree)?
        };
        append(&mut archive, path, *kind, &bytes).map_err(failed)?;
    }
    let gzip = archive.into_inner().map_err(failed)?;
    let mut counted = gzip.finish().map_err(failed)?;
    counted.flush().map_err(failed)?;
    Ok(Written {
        digest: format!("sha256:{}", hex(&counted.hash.finalize())),
        size: counted.size,
    })
}

/// Every regular file and folder, each folder before what is in it, names in byte order.
fn list(tree: &dyn FileTree) -> Result<Vec<(String, EntryKind)>, ArtifactError> {
    let mut found = Vec::new();
    let mut pending = vec![(String::new(), EntryKind::Directory)];
    while let Some((path, kind)) = pending.pop() {
        if kind == EntryKind::Directory {
            let entries = tree.entries(&path).map_err(ArtifactError::Tree)?;
            for entry in entries.into_iter().rev() {
                let path = match path.as_str() {
                    "" => entry.name,
                    folder => format!("{folder}/{}", entry.name),
                };
                if !matches!(entry.kind, EntryKind::Link | EntryKind::Submodule) {
                    pending.push((path, entry.kind));
                }
            }
        }
        if !path.is_empty() {
            found.push((path, kind));
        }
        if found.len() > ENTRIES {
            return Err(ArtifactError::TooManyEntries { limit: ENTRIES });
        }
    }
    Ok(found)
}

fn rules(
    tree: &dyn FileTree,
    entries: &[(String, EntryKind)],
    specification: Option<&str>,
) -> Result<IgnoreRules, ArtifactError> {
    let mut files = Vec::new();
    for (path, kind) in entries {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name != IGNORE_FILE || *kind == EntryKind::Directory {
            continue;
        }
        let bytes = tree.read(path).map_err(ArtifactError::Tree)?;
        if bytes.len() > RULES {
            return Err(ArtifactError::RulesTooLarge {
                path: path.clone(),
                limit: RULES,
            });
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        files.push((folder.to_owned(), text));
    }
    // The rules of a folder come before those of the folders in it, whatever their names.
    files.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
    Ok(IgnoreRules::for_source(&files, specification))
}

fn append<W: Write>(
    archive: &mut Builder<W>,
    path: &str,
    kind: EntryKind,
    bytes: &[u8],
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    let (entry, mode) = match kind {
        EntryKind::Directory => (EntryType::Directory, 0o750),
        EntryKind::Executable => (EntryType::Regular, 0o700),
        _ => (EntryType::Regular, 0o600),
    };
    header.set_entry_type(entry);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, path, bytes)
}

/// Counts and hashes what passes.
struct Counted<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
