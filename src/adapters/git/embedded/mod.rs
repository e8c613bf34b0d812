//! A bare Git repository and a server for it, for the demonstration and for nothing else.
//!
//! It is a repository like any other, which the `git` program can read afterwards, but no `git`
//! program is needed to make it or to serve it. `serve` speaks smart HTTP: `upload` answers fetches,
//! `receive` takes pushes and moves a branch only from the value that the pusher names. Invariant:
//! a branch points to nothing that is not whole. What is absent: protocol version 0 for fetches,
//! tags, deltas, hooks, and repositories of more than [`MOST_OBJECTS`] objects.

mod packet;
mod receive;
mod serve;
mod upload;

pub use serve::router;

use gix::ThreadSafeRepository;
use gix::objs::tree::{Editor, EntryKind};
use gix::objs::{Commit, Tree};
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit};
use gix::refs::{FullName, Target};
use gix::{ObjectId, create, open};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;
use thiserror::Error;

/// The most objects that one answer carries.
const MOST_OBJECTS: usize = 10_000;

/// The branch of the demo.
pub const BRANCH: &str = "main";

/// Why the repository cannot do something.
#[derive(Debug, Error)]
pub enum RepositoryError {
    /// The object database or a reference failed.
    #[error("the repository of the demo failed to {action}: {reason}")]
    Failed {
        /// What was to be done.
        action: &'static str,
        /// What stood in the way.
        reason: String,
    },
    /// The other side said something that is no part of the protocol.
    #[error("not understood: {0}")]
    Malformed(&'static str),
    /// The other side asks for too much.
    #[error("more than {MOST_OBJECTS} objects")]
    TooMany,
}

impl RepositoryError {
    fn failed<E: std::fmt::Display>(action: &'static str) -> impl Fn(E) -> Self {
        move |error| Self::Failed {
            action,
            reason: error.to_string(),
        }
    }
}

/// Makes an empty bare repository in a folder that does not exist yet.
///
/// # Errors
/// When the folder cannot be written.
pub fn create(folder: &Path) -> Result<ThreadSafeRepository, RepositoryError> {
    // Nothing of the user's own settings: the demo is the same for everybody.
    let (options, isolated) = (create::Options::default(), open::Options::isolated());
    ThreadSafeRepository::init_opts(folder, create::Kind::Bare, options, isolated)
        .map_err(RepositoryError::failed("be made"))
}

/// Writes the first commit of [`BRANCH`].
///
/// # Errors
/// When the repository cannot be written.
pub fn seed(
    repository: &ThreadSafeRepository,
    files: &BTreeMap<&str, String>,
    message: &str,
    now: Timestamp,
) -> Result<ObjectId, RepositoryError> {
    let repository = repository.to_thread_local();
    let failed = RepositoryError::failed("write its first commit");
    let mut editor = Editor::new(Tree::empty(), &repository.objects, gix::hash::Kind::Sha1);
    for (path, text) in files {
        let blob = repository.write_blob(text).map_err(&failed)?;
        let edited = editor.upsert(path.split('/'), EntryKind::Blob, blob.detach());
        edited.map_err(&failed)?;
    }
    let tree = editor.write(|tree| repository.write_object(tree).map(gix::Id::detach));
    let author = gix::actor::Signature {
        name: "A. Newcomer".into(),
        email: "newcomer@example.com".into(),
        time: gix::date::Time::new(now.as_second(), 0),
    };
    let commit = Commit {
        tree: tree.map_err(&failed)?,
        parents: [].into_iter().collect(),
        author: author.clone(),
        committer: author,
        encoding: None,
        message: message.into(),
        extra_headers: Vec::new(),
    };
    let commit = repository.write_object(&commit).map_err(&failed)?.detach();
    let reference = format!("refs/heads/{BRANCH}");
    move_reference(&repository, &reference, None, commit)?;
    Ok(commit)
}

/// Points a reference to a commit, if it still is where the caller believes; `None`: does not exist.
fn move_reference(
    repository: &gix::Repository,
    name: &str,
    expected: Option<ObjectId>,
    commit: ObjectId,
) -> Result<(), RepositoryError> {
    let failed = RepositoryError::failed("move a branch");
    let name = FullName::try_from(name).map_err(RepositoryError::failed("name a branch"))?;
    let expected = match expected {
        Some(old) => PreviousValue::MustExistAndMatch(Target::Object(old)),
        None => PreviousValue::MustNotExist,
    };
    let change = Change::Update {
        log: LogChange::default(),
        expected,
        new: Target::Object(commit),
    };
    let edit = RefEdit {
        change,
        name,
        deref: false,
    };
    repository
        .edit_references_as([edit], None)
        .map(|_| ())
        .map_err(failed)
}

/// The branches by full name, sorted.
fn branches(repository: &gix::Repository) -> Result<Vec<(String, ObjectId)>, RepositoryError> {
    let failed = RepositoryError::failed("list its branches");
    let platform = repository.references().map_err(&failed)?;
    let mut branches = Vec::new();
    for branch in platform.local_branches().map_err(&failed)? {
        let branch = branch.map_err(&failed)?;
        if let Some(id) = branch.target().try_id() {
            branches.push((branch.name().as_bstr().to_string(), id.to_owned()));
        }
    }
    branches.sort();
    Ok(branches)
}

#[cfg(test)]
mod tests;
