//! The folder of archives: `<kind>/<namespace>/<name>/<commit>.tar.gz`.

use super::archive::{self, hex};
use super::reader::{ArtifactTree, Limits, ReadError};
use crate::domain::tree::{FileTree, TreeError};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// How many archives of one source are kept, the current one included: Flux's default.
const RECORDS: usize = 2;
/// How long an archive is kept after it was replaced: Flux's default.
const TIME_TO_LIVE: Duration = Duration::from_secs(60);
/// The beginning of the names of unfinished files.
const UNFINISHED: &str = ".unfinished-";

/// Why an artifact could not be stored, checked or removed.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// The file system failed.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The source's files could not be read.
    #[error("the source cannot be archived: {0}")]
    Tree(TreeError),
    /// There are more files than are archived.
    #[error("the source has more than {limit} files")]
    TooManyEntries {
        /// The bound.
        limit: usize,
    },
    /// A file of ignore rules is larger than is read.
    #[error("`{path}` has more than {limit} bytes of ignore rules")]
    RulesTooLarge {
        /// The file.
        path: String,
        /// The bound in bytes.
        limit: usize,
    },
    /// The path of an artifact leads out of the folder.
    #[error("`{0}` is not the path of an artifact")]
    Path(String),
    /// The archive could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl ArtifactError {
    pub(super) fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }
}

/// Whose artifact it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArtifactKey {
    /// The kind in lower case, such as `gitrepository`.
    pub kind: String,
    /// The namespace of the object.
    pub namespace: String,
    /// The name of the object.
    pub name: String,
}

/// A stored archive, as the status of its source tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The path below the folder of the store.
    pub path: String,
    /// Where it can be fetched.
    pub url: String,
    /// The revision of the source, such as `main@sha1:<hex>`.
    pub revision: String,
    /// `sha256:` and the hash of the archive's bytes.
    pub digest: String,
    /// When it was stored.
    pub last_update_time: Timestamp,
    /// The number of its bytes.
    pub size: u64,
}

/// The folder of archives. Clones share it.
#[derive(Clone, Debug)]
pub struct ArtifactStore {
    root: PathBuf,
    advertised: String,
    records: usize,
    time_to_live: Duration,
}

impl ArtifactStore {
    /// Opens the store on a folder, making it when it does not exist. `advertised` is the host, with
    /// a port if it needs one, under which others reach the server of this folder.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn open(root: &Path, advertised: &str) -> Result<Self, ArtifactError> {
        let failed = |source| ArtifactError::io(format!("create `{}`", root.display()), source);
        fs::create_dir_all(root).map_err(failed)?;
        Ok(Self {
            root: root.to_owned(),
            advertised: advertised.to_owned(),
            records: RECORDS,
            time_to_live: TIME_TO_LIVE,
        })
    }

    /// Keeps this many archives of one source, and replaced ones for so long.
    #[must_use]
    pub fn with_retention(mut self, records: usize, time_to_live: Duration) -> Self {
        self.records = records.max(1);
        self.time_to_live = time_to_live;
        self
    }

    /// Archives a tree under `<kind>/<namespace>/<name>/<stem>.tar.gz`, replacing what is there.
    /// `ignore` is the object's own `spec.ignore`.
    ///
    /// # Errors
    /// [`ArtifactError`]; the store is then as it was.
    pub fn archive(
        &self,
        key: &ArtifactKey,
        revision: &str,
        stem: &str,
        tree: &dyn FileTree,
        ignore: Option<&str>,
        now: Timestamp,
    ) -> Result<Artifact, ArtifactError> {
        let folder = key.folder()?;
        let path = format!("{folder}/{stem}.tar.gz");
        let file = self.locate(&path)?;
        let folder = self.locate(&folder)?;
        let failed = |source| ArtifactError::io(format!("write `{path}`"), source);
        fs::create_dir_all(&folder).map_err(failed)?;
        let temporary = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&folder)
            .map_err(failed)?;
        let mut output = BufWriter::new(temporary);
        let written = archive::write(tree, ignore, &mut output)?;
        let temporary = output
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        temporary
            .persist(&file)
            .map_err(|error| failed(error.error))?;
        Ok(Artifact {
            url: self.url(&path),
            path,
            revision: revision.to_owned(),
            digest: written.digest,
            last_update_time: now,
            size: written.size,
        })
    }

    /// Whether the archive is there and its bytes are those it was stored with. One with other
    /// bytes is removed.
    ///
    /// # Errors
    /// [`ArtifactError`] when it is there and cannot be read.
    pub fn verify(&self, artifact: &Artifact) -> Result<bool, ArtifactError> {
        let file = self.locate(&artifact.path)?;
        let failed = |source| ArtifactError::io(format!("read `{}`", artifact.path), source);
        let mut reader = match File::open(&file) {
            Ok(reader) => reader,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match reader.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => hash.update(&buffer[..read]),
            }
        }
        let whole = format!("sha256:{}", hex(&hash.finalize())) == artifact.digest;
        if !whole {
            let removed = fs::remove_file(&file);
            let failed = |source| ArtifactError::io(format!("remove `{}`", artifact.path), source);
            removed.map_err(failed)?;
        }
        Ok(whole)
    }

    /// Gives the artifact the URL under which the store is reached now.
    pub fn refresh_url(&self, artifact: &mut Artifact) {
        artifact.url = self.url(&artifact.path);
    }

    /// The path of the artifact that a URL of this store leads to.
    pub fn path_of_url(&self, url: &str) -> Option<String> {
        let path = url.strip_prefix(&self.url(""))?;
        self.locate(path).is_ok().then(|| path.to_owned())
    }

    /// Removes archives of a source that were replaced longer ago than they are kept, and the
    /// oldest beyond the number that is kept. Returns their paths.
    ///
    /// # Errors
    /// [`ArtifactError::Io`]; some may have been removed then.
    pub fn collect_garbage(
        &self,
        key: &ArtifactKey,
        current: &Artifact,
        now: Timestamp,
    ) -> Result<Vec<String>, ArtifactError> {
        let folder = key.folder()?;
        let location = self.locate(&folder)?;
        let failed = |source| ArtifactError::io(format!("collect garbage in `{folder}`"), source);
        let entries = match fs::read_dir(&location) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut others = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if path != current.path {
                let metadata = entry.metadata().map_err(failed)?;
                let modified = metadata.modified().map_err(failed)?;
                others.push((modified, path));
            }
        }
        others.sort_unstable_by(|a, b| b.cmp(a));
        let now = SystemTime::from(now);
        let mut kept = 1;
        let mut removed = Vec::new();
        for (modified, path) in others {
            let age = now.duration_since(modified).unwrap_or_default();
            let unfinished = path[folder.len() + 1..].starts_with(UNFINISHED);
            if age <= self.time_to_live && (unfinished || kept < self.records) {
                kept += usize::from(!unfinished);
                continue;
            }
            fs::remove_file(self.locate(&path)?).map_err(failed)?;
            removed.push(path);
        }
        Ok(removed)
    }

    /// Removes all archives of a source. None is fine, too.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn remove(&self, key: &ArtifactKey) -> Result<(), ArtifactError> {
        let folder = key.folder()?;
        match fs::remove_dir_all(self.locate(&folder)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ArtifactError::io(format!("remove `{folder}`"), error))
            }
            _ => Ok(()),
        }
    }

    /// Reads an archive of this store. The digest is checked.
    ///
    /// # Errors
    /// [`ArtifactError::Read`], with [`ReadError::NotFound`] when it is not there.
    pub fn tree(
        &self,
        path: &str,
        digest: &str,
        limits: &Limits,
    ) -> Result<ArtifactTree, ArtifactError> {
        let file = self.locate(path)?;
        let bytes = match fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReadError::NotFound(path.to_owned()).into());
            }
            Err(error) => return Err(ArtifactError::io(format!("read `{path}`"), error)),
        };
        Ok(ArtifactTree::from_tar_gz(&bytes, Some(digest), limits)?)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.advertised)
    }

    /// Where a path of the store lies on disk.
    fn locate(&self, path: &str) -> Result<PathBuf, ArtifactError> {
        let refused = || ArtifactError::Path(path.to_owned());
        let plain = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if path.is_empty() || !plain {
            return Err(refused());
        }
        Ok(self.root.join(path))
    }
}

impl ArtifactKey {
    /// The folder of the archives, each part of which is one plain name.
    fn folder(&self) -> Result<String, ArtifactError> {
        let parts = [&self.kind, &self.namespace, &self.name];
        let folder = format!("{}/{}/{}", self.kind, self.namespace, self.name);
        let plain = |part: &&String| {
            !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\', '\0'])
        };
        if parts.iter().all(plain) {
            Ok(folder)
        } else {
            Err(ArtifactError::Path(folder))
        }
    }
}
