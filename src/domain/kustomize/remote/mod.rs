//! Bases and files that lie outside the tree, behind a URL.
//!
//! A build asks [`Remotes`] for them and never looks itself: what it may fetch, and how, is decided
//! by whoever passes one in. Invariant: one build asks for each repository and each file at most
//! once, and for no more than a bounded number of them. What is absent: the network.

mod enter;
mod repository_url;

pub use repository_url::{DEFAULT_TIMEOUT, RepositoryUrl, is_file_url, without_secrets};

pub(super) use enter::remote_error;

use crate::domain::tree::FileTree;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use thiserror::Error;

/// How many repositories and files one build may fetch.
const FETCHES: usize = 256;

/// Why a remote base or file is not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RemoteError {
    /// Nothing is fetched here.
    #[error(
        "remote bases are not allowed here; hint: add it as a source of its own, or keep a copy"
    )]
    NotAllowed,
    /// The server answered a request for a file with something other than the file.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// It cannot be fetched, or not within the bounds.
    #[error("{0}")]
    Failed(String),
    /// What might be a file or a repository is neither.
    #[error("it is no file of objects ({file}), and no repository: {repository}")]
    Neither {
        /// Why it is no file.
        file: String,
        /// Why it is no repository.
        repository: String,
    },
}

/// Gives the content of remote bases and files.
pub trait Remotes: Send + Sync {
    /// The files of a repository at the reference that `repository` names. Its path is looked up in
    /// them by the caller.
    ///
    /// # Errors
    /// [`RemoteError`] when it cannot be fetched, or not within the bounds.
    fn tree(&self, repository: &RepositoryUrl) -> Result<Arc<dyn FileTree>, RemoteError>;

    /// The file at a URL of HTTP or HTTPS.
    ///
    /// # Errors
    /// [`RemoteError::Status`] when the server answers without the file, and as for a tree.
    fn file(&self, url: &str) -> Result<Vec<u8>, RemoteError>;
}

/// Refuses every remote base and file.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRemotes;

impl Remotes for NoRemotes {
    fn tree(&self, _: &RepositoryUrl) -> Result<Arc<dyn FileTree>, RemoteError> {
        Err(RemoteError::NotAllowed)
    }

    fn file(&self, _: &str) -> Result<Vec<u8>, RemoteError> {
        Err(RemoteError::NotAllowed)
    }
}

type Answers<K, V> = RefCell<HashMap<K, Result<V, RemoteError>>>;

/// What one build has fetched.
pub(super) struct Fetches<'a> {
    remotes: &'a dyn Remotes,
    trees: Answers<(String, Option<String>, bool), Arc<dyn FileTree>>,
    files: Answers<String, Vec<u8>>,
}

impl<'a> Fetches<'a> {
    pub(super) fn new(remotes: &'a dyn Remotes) -> Self {
        Self {
            remotes,
            trees: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// As [`Remotes::tree`], once for each repository and reference.
    pub(super) fn tree(
        &self,
        repository: &RepositoryUrl,
    ) -> Result<Arc<dyn FileTree>, RemoteError> {
        let RepositoryUrl {
            clone_url,
            reference,
            submodules,
            ..
        } = repository;
        let key = (clone_url.clone(), reference.clone(), *submodules);
        self.once(&self.trees, key, || self.remotes.tree(repository))
    }

    /// As [`Remotes::file`], once for each URL.
    pub(super) fn file(&self, url: &str) -> Result<Vec<u8>, RemoteError> {
        self.once(&self.files, url.to_owned(), || self.remotes.file(url))
    }

    fn once<K: std::hash::Hash + Eq, V: Clone>(
        &self,
        answers: &Answers<K, V>,
        key: K,
        ask: impl FnOnce() -> Result<V, RemoteError>,
    ) -> Result<V, RemoteError> {
        if let Some(answer) = answers.borrow().get(&key) {
            return answer.clone();
        }
        if self.trees.borrow().len() + self.files.borrow().len() >= FETCHES {
            let words = format!("one build fetches at most {FETCHES} repositories and files");
            return Err(RemoteError::Failed(words));
        }
        let answer = ask();
        answers.borrow_mut().insert(key, answer.clone());
        answer
    }
}

#[cfg(test)]
mod tests;
