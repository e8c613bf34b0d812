//! The folder of one run: temporary, or the one the user wants to keep.
//!
//! Invariant: a temporary folder goes away when its last user is done, however the demo ends; work
//! that still writes to it holds it. A folder to keep must be new or empty, so that nothing of the
//! user's is touched.

use crate::cli::failure::Failure;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Where the demo writes.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    temporary: Arc<TempDir>,
    kept: Option<PathBuf>,
}

impl Workspace {
    /// Makes the folder.
    ///
    /// # Errors
    /// When it cannot be made, or the one to keep holds something.
    pub(super) fn open(keep: Option<&Path>) -> Result<Self, Failure> {
        let temporary = tempfile::Builder::new().prefix("highwater-demo-").tempdir();
        let temporary = temporary
            .map_err(|error| Failure::new(format!("cannot make a temporary folder: {error}")))?;
        if let Some(folder) = keep {
            let cannot = |error| {
                Failure::new(format!(
                    "cannot keep the demo in `{}`: {error}",
                    folder.display()
                ))
            };
            fs::create_dir_all(folder).map_err(cannot)?;
            if fs::read_dir(folder).map_err(cannot)?.next().is_some() {
                let message = format!("the folder `{}` is not empty", folder.display());
                return Err(
                    Failure::usage(message).with_hint("name a folder that does not exist yet")
                );
            }
        }
        Ok(Self {
            temporary: Arc::new(temporary),
            kept: keep.map(Path::to_owned),
        })
    }

    /// The bare repository.
    pub(super) fn repository(&self) -> PathBuf {
        self.kept
            .as_deref()
            .unwrap_or(self.temporary.path())
            .join("fleet.git")
    }

    /// Where the engine caches Git objects. Never kept.
    pub(super) fn cache(&self) -> PathBuf {
        self.temporary.path().join("cache")
    }

    /// The folder that is kept, as the user named it.
    pub(super) fn kept(&self) -> Option<&Path> {
        self.kept.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_with_its_last_user() {
        let workspace = Workspace::open(None).expect("a folder");
        let path = workspace.temporary.path().to_owned();
        let worker = workspace.clone();
        drop(workspace);
        assert!(path.exists(), "somebody still works there");
        drop(worker);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_holds_something_is_not_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("thesis.txt"), "years of work").expect("a file");
        let failure = Workspace::open(Some(folder.path())).expect_err("it is taken");
        assert_eq!(failure.code, 2);
        assert!(
            failure.message.ends_with("is not empty"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn what_is_kept_lies_where_the_user_said_and_the_cache_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let wanted = folder.path().join("new/demo");
        let workspace = Workspace::open(Some(&wanted)).expect("it can be made");
        assert_eq!(workspace.repository(), wanted.join("fleet.git"));
        assert!(!workspace.cache().starts_with(&wanted));
        drop(workspace);
        assert!(wanted.exists());
    }
}
