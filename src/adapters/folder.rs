//! A folder on disk as a tree of files, and writing back into it.
//!
//! Invariants: nothing outside the folder is read or written, not even through a link; a file is
//! replaced as a whole, with its mode. What is absent: `.git`, names that are not UTF-8, and, unless they
//! are asked for, other repositories inside (Git does not see their files either).

use crate::domain::tree::{EntryKind, FileTree, TreeEntry, TreeError, join, parent};
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The most bytes of a file that is looked at: 32 MiB, as in a Git tree.
const LOOKED_AT: u64 = 32 << 20;
/// The most directories that lie inside each other.
const DEPTH: usize = 256;
/// The most directories whose place is remembered.
const REMEMBERED: usize = 100_000;

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    /// Whether other repositories inside are folders like others.
    whole: bool,
    /// Where directories lead: a build looks at each several times.
    followed: Arc<Mutex<HashMap<String, PathBuf>>>,
}

/// The paths of the files whose names were wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, each once, sorted. A link stands for its target.
    pub files: BTreeSet<String>,
    /// What could not be looked into, and why.
    pub skipped: Vec<TreeError>,
}

impl Folder {
    /// Opens a folder, as Git sees it: other repositories inside are submodules.
    ///
    /// # Errors
    /// When there is none, or it may not be looked at.
    pub fn open(path: &Path) -> io::Result<Self> {
        let root = path.canonicalize()?;
        match root.is_dir() {
            true => Ok(Self {
                root,
                whole: false,
                followed: Arc::default(),
            }),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The same folder in the tree of one that it lies in; `None` when it does not.
    ///
    /// No link is followed on the way: where this folder lies has none in it.
    pub fn in_tree_of(&self, above: &Path) -> Option<Self> {
        let below = self.root.strip_prefix(above).ok()?;
        let known = below.to_str().filter(|below| !below.is_empty());
        let followed = known.map(|below| (below.to_owned(), self.root.clone()));
        Some(Self {
            root: above.to_owned(),
            whole: self.whole,
            followed: Arc::new(Mutex::new(followed.into_iter().collect())),
        })
    }

    /// The same with other repositories inside as folders like others.
    #[must_use]
    pub fn whole(self) -> Self {
        Self {
            whole: true,
            ..self
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Finds the files whose path satisfies `wanted`. Links to directories are not followed.
    pub fn list(&self, wanted: impl Fn(&str) -> bool) -> Listing {
        let mut listing = Listing::default();
        let mut pending = vec![(String::new(), 0)];
        while let Some((folder, depth)) = pending.pop() {
            let entries = match self.entries(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    listing.skipped.push(error);
                    continue;
                }
            };
            for entry in entries {
                let path = match folder.as_str() {
                    "" => entry.name,
                    folder => format!("{folder}/{}", entry.name),
                };
                match entry.kind {
                    EntryKind::Directory if depth < DEPTH => pending.push((path, depth + 1)),
                    EntryKind::Directory => {
                        let reason = format!("it lies more than {DEPTH} directories deep");
                        listing.skipped.push(TreeError::Unreadable { path, reason });
                    }
                    EntryKind::Submodule => {}
                    EntryKind::Link if wanted(&path) => match self.target(&path) {
                        Ok(target) => listing.files.extend(target),
                        Err(error) => listing.skipped.push(error),
                    },
                    _ if wanted(&path) => listing.files.extend([path]),
                    _ => {}
                }
            }
        }
        listing
    }

    /// Replaces a file that `list` gave.
    ///
    /// # Errors
    /// When it is gone, or may not be written.
    pub fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.locate(path).map_err(io::Error::other)?;
        let folder = target.parent().unwrap_or(&self.root);
        let permissions = fs::metadata(&target)?.permissions();
        let mut file = tempfile::Builder::new()
            .prefix(".highwater-")
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(permissions)?;
        file.persist(&target)?;
        Ok(())
    }

    /// The path of the file behind a link; `None` when that is a directory, or nothing.
    fn target(&self, path: &str) -> Result<Option<String>, TreeError> {
        let target = match self.locate(path) {
            Ok(target) => target,
            Err(TreeError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let inside = target.strip_prefix(&self.root).ok().and_then(Path::to_str);
        Ok(inside.filter(|_| target.is_file()).map(str::to_owned))
    }

    /// Where a directory leads, all links followed.
    ///
    /// The root holds no link, so that only the parts below it are looked at, each once.
    fn follow(&self, directory: &str) -> Result<PathBuf, TreeError> {
        let (mut found, known) = self.nearest_known(directory);
        for (at, _) in directory.match_indices('/').chain([(directory.len(), "")]) {
            if at <= known {
                continue;
            }
            let part = &directory[..at];
            found.push(part.rsplit('/').next().unwrap_or_default());
            let metadata = found.symlink_metadata();
            let metadata = metadata.map_err(|error| unreadable(directory, &error))?;
            if metadata.is_symlink() || found == self.root.join(".git") {
                found = self.locate(part)?;
            }
            self.remember(part, &found);
        }
        Ok(found)
    }

    /// The longest part of a path whose place is known, and its length.
    fn nearest_known(&self, directory: &str) -> (PathBuf, usize) {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut part = directory;
        while !part.is_empty() {
            if let Some(found) = followed.get(part) {
                return (found.clone(), part.len());
            }
            part = parent(part);
        }
        (self.root.clone(), 0)
    }

    fn remember(&self, directory: &str, place: &Path) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if followed.len() < REMEMBERED {
            followed.insert(directory.to_owned(), place.to_owned());
        }
    }

    /// Where a file leads, all links followed, and what it is.
    fn file(&self, path: &str) -> Result<(PathBuf, Metadata), TreeError> {
        let path = join("", path)?;
        let failed = |error: io::Error| unreadable(&path, &error);
        let name = path.rsplit('/').next().unwrap_or_default();
        if !matches!(name, "" | ".git") {
            let target = self.follow(parent(&path))?.join(name);
            let metadata = target.symlink_metadata().map_err(failed)?;
            if !metadata.is_symlink() {
                return Ok((target, metadata));
            }
        }
        let target = self.locate(&path)?;
        let metadata = target.symlink_metadata().map_err(failed)?;
        Ok((target, metadata))
    }

    /// Where a path leads, all links followed.
    fn locate(&self, path: &str) -> Result<PathBuf, TreeError> {
        let path = join("", path)?;
        let target = self.root.join(&path).canonicalize();
        let target = target.map_err(|error| unreadable(&path, &error))?;
        let git = target
            .strip_prefix(&self.root)
            .map(|inside| inside.starts_with(".git"));
        match git {
            Ok(false) => Ok(target),
            Ok(true) | Err(_) => Err(TreeError::OutsideTree(path)),
        }
    }
}

fn unreadable(path: &str, error: &io::Error) -> TreeError {
    let path = if path.is_empty() { "." } else { path };
    match error.kind() {
        io::ErrorKind::NotFound => TreeError::NotFound(path.to_owned()),
        io::ErrorKind::NotADirectory => TreeError::NotADirectory(path.to_owned()),
        _ => TreeError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        },
    }
}

/// What an entry is; `None` for sockets, devices and the like.
fn kind(path: &Path, metadata: &Metadata, whole: bool) -> Option<EntryKind> {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        Some(EntryKind::Link)
    } else if kind.is_dir() {
        let repository = !whole && path.join(".git").symlink_metadata().is_ok();
        Some(if repository {
            EntryKind::Submodule
        } else {
            EntryKind::Directory
        })
    } else if kind.is_file() {
        let executable = metadata.permissions().mode() & 0o111 != 0;
        Some(if executable {
            EntryKind::Executable
        } else {
            EntryKind::File
        })
    } else {
        None
    }
}

impl FileTree for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let (target, metadata) = self.file(path)?;
        let failed = |error: io::Error| unreadable(path, &error);
        if !metadata.is_file() {
            return Err(TreeError::NotAFile(path.to_owned()));
        }
        let file = fs::File::open(&target).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let too_large = |size| TreeError::TooLarge {
            path: path.to_owned(),
            size,
            limit: LOOKED_AT,
        };
        if size > LOOKED_AT {
            return Err(too_large(size));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
        // A file that grows meanwhile is bounded too.
        file.take(LOOKED_AT + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        match bytes.len() as u64 {
            size if size > LOOKED_AT => Err(too_large(size)),
            _ => Ok(bytes),
        }
    }

    fn entries(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let failed = |error: io::Error| unreadable(path, &error);
        let folder = self.follow(&join("", path)?)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            // What is deleted while the folder is listed was never there.
            let Ok(metadata) = entry.path().symlink_metadata() else {
                continue;
            };
            let git = path.is_empty() && name == ".git";
            if let Some(kind) = kind(&entry.path(), &metadata, self.whole).filter(|_| !git) {
                entries.push(TreeEntry { name, kind });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn kind(&self, path: &str) -> Option<EntryKind> {
        let path = join("", path).ok()?;
        if path.is_empty() {
            return Some(EntryKind::Directory);
        }
        // The last part may be a link, those before it are followed, and must stay inside.
        let folder = self.follow(parent(&path)).ok()?;
        let target = folder.join(path.rsplit('/').next()?);
        kind(&target, &target.symlink_metadata().ok()?, self.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rewrite::is_candidate;
    use std::os::unix::fs::symlink;

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in files {
            let path = temporary.path().join(path);
            fs::create_dir_all(path.parent().expect("it is below the root")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let folder = Folder::open(temporary.path()).expect("it is a folder");
        (temporary, folder)
    }

    #[test]
    fn a_file_is_found_again_through_a_directory_that_was_followed_before() {
        let (temporary, folder) = folder(&[("real/a.yaml", "a"), ("real/b.yaml", "b")]);
        symlink("real", temporary.path().join("link")).expect("a link");
        symlink("../real/b.yaml", temporary.path().join("real/c.yaml")).expect("a link");
        symlink("/etc/passwd", temporary.path().join("real/out.yaml")).expect("a link");
        for _ in 0..2 {
            assert_eq!(folder.read("link/a.yaml"), Ok(b"a".to_vec()));
            assert_eq!(folder.read("link/c.yaml"), Ok(b"b".to_vec()));
            let outside = folder.read("link/out.yaml");
            assert!(
                matches!(outside, Err(TreeError::OutsideTree(_))),
                "{outside:?}"
            );
            let directory = folder.read("real");
            assert!(
                matches!(directory, Err(TreeError::NotAFile(_))),
                "{directory:?}"
            );
            assert!(folder.read(".git").is_err());
        }
    }

    #[test]
    fn the_repository_is_not_reached_by_a_link_either() {
        let (temporary, folder) = folder(&[(".git/config", "secret"), ("a/b.yaml", "b")]);
        symlink("..", temporary.path().join("a/up")).expect("a link");
        symlink(".git", temporary.path().join("git")).expect("a link");
        assert_eq!(folder.read("a/up/a/b.yaml"), Ok(b"b".to_vec()));
        for path in ["a/up/.git/config", "git/config", ".git/config", "a/up/.git"] {
            let read = folder.read(path);
            assert!(
                matches!(read, Err(TreeError::OutsideTree(_))),
                "{path}: {read:?}"
            );
            assert_eq!(folder.kind("a/up/.git/config"), None);
            assert!(folder.entries("a/up/.git").is_err());
        }
    }

    #[test]
    fn a_folder_is_found_in_a_tree_that_it_lies_in() {
        let (temporary, folder) = folder(&[("a/b/c.yaml", "c"), ("a/d.yaml", "d")]);
        let inner = Folder::open(&temporary.path().join("a/b")).expect("it is a folder");
        let wide = inner.in_tree_of(folder.path()).expect("it lies there");
        assert_eq!(wide.read("a/b/c.yaml"), Ok(b"c".to_vec()));
        assert_eq!(wide.read("a/d.yaml"), Ok(b"d".to_vec()));
        assert!(wide.read("../x").is_err());
        assert!(folder.in_tree_of(&temporary.path().join("z")).is_none());
    }

    #[test]
    fn git_and_other_repositories_are_not_looked_into() {
        let files = [
            ("a.yaml", ""),
            (".git/b.yaml", ""),
            ("vendor/.git/HEAD", ""),
            ("vendor/c.yaml", ""),
        ];
        let hidden = (".github/d.yml", "");
        let (_temporary, folder) = folder(&[files.as_slice(), &[hidden, ("e.txt", "")]].concat());
        let listing = folder.list(is_candidate);
        assert_eq!(
            listing.files.iter().collect::<Vec<_>>(),
            [".github/d.yml", "a.yaml"]
        );
        assert_eq!(listing.skipped, []);
    }

    #[test]
    fn other_repositories_inside_are_folders_when_asked_for() {
        let (_temporary, folder) = folder(&[("vendor/.git", "gitdir: x"), ("vendor/a.yaml", "")]);
        assert_eq!(folder.kind("vendor"), Some(EntryKind::Submodule));
        assert_eq!(folder.whole().kind("vendor"), Some(EntryKind::Directory));
    }

    #[test]
    fn a_link_stands_for_its_target_once() {
        let (temporary, folder) = folder(&[("real.yaml", ""), ("plain.txt", "")]);
        let root = temporary.path();
        symlink("real.yaml", root.join("again.yaml")).expect("a link");
        symlink("plain.txt", root.join("text.yaml")).expect("a link");
        symlink("nowhere", root.join("broken.yaml")).expect("a link");
        symlink("/etc/passwd", root.join("outside.yaml")).expect("a link");
        symlink(".", root.join("folder.yaml")).expect("a link");
        let listing = folder.list(is_candidate);
        assert_eq!(
            listing.files.iter().collect::<Vec<_>>(),
            ["plain.txt", "real.yaml"]
        );
        assert_eq!(
            listing.skipped,
            [TreeError::OutsideTree("outside.yaml".to_owned())]
        );
    }

    #[test]
    fn a_file_is_replaced_through_a_link_with_its_mode_kept() {
        let (temporary, folder) = folder(&[("run.yaml", "old")]);
        let target = temporary.path().join("run.yaml");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o751)).expect("the mode is set");
        symlink("run.yaml", temporary.path().join("link.yaml")).expect("a link");
        folder.write("link.yaml", b"new").expect("it is written");
        assert_eq!(fs::read_to_string(&target).expect("it is there"), "new");
        assert_eq!(
            target.metadata().expect("it is there").permissions().mode() & 0o777,
            0o751
        );
        assert!(temporary.path().join("link.yaml").is_symlink());
        assert_eq!(
            fs::read_dir(temporary.path()).expect("a folder").count(),
            2,
            "nothing is left over"
        );
    }

    #[test]
    fn nothing_outside_is_read_or_written() {
        let outside = tempfile::NamedTempFile::new().expect("a file");
        let (temporary, folder) = folder(&[("a.yaml", "")]);
        symlink(outside.path(), temporary.path().join("link.yaml")).expect("a link");
        for path in ["link.yaml", "../x.yaml", "/etc/passwd", ".git/config"] {
            assert!(folder.read(path).is_err(), "{path}");
            assert!(folder.write(path, b"x").is_err(), "{path}");
        }
        assert_eq!(fs::read(outside.path()).expect("it is there"), b"");
    }

    #[test]
    fn a_file_beyond_the_bound_is_refused() {
        let (temporary, folder) = folder(&[("large.yaml", "")]);
        let file = fs::File::create(temporary.path().join("large.yaml")).expect("a file");
        file.set_len(LOOKED_AT + 1).expect("a sparse file");
        assert!(matches!(
            folder.read("large.yaml"),
            Err(TreeError::TooLarge { .. })
        ));
    }

    #[test]
    fn the_folder_itself_has_a_name_when_it_cannot_be_read() {
        let (temporary, folder) = folder(&[]);
        temporary.close().expect("it is removed");
        assert_eq!(
            folder.list(is_candidate).skipped,
            [TreeError::NotFound(".".to_owned())]
        );
    }

    #[test]
    fn a_path_is_what_it_is_on_disk() {
        let (temporary, folder) = folder(&[("apps/a.yaml", "")]);
        symlink("apps", temporary.path().join("link")).expect("a link");
        assert_eq!(folder.kind(""), Some(EntryKind::Directory));
        assert_eq!(folder.kind("apps"), Some(EntryKind::Directory));
        assert_eq!(folder.kind("apps/a.yaml"), Some(EntryKind::File));
        assert_eq!(folder.kind("link"), Some(EntryKind::Link));
        assert_eq!(folder.kind("none"), None);
    }
}
