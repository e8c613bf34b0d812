//! Making a commit by editing tree objects: no worktree, no index, nothing on disk.
//!
//! Invariant: an edit keeps the mode of the file it changes and every entry it does not name. New
//! objects stay in memory until they are pushed, so they are exactly what a push has to send.

use super::error::GitError;
use super::refs::{commit_id, object_id};
use super::signing::Signer;
use super::snapshot::{NewObject, Node, Snapshot, Unpushed};
use crate::domain::tree::{self, TreeError};
use gix::ObjectId;
use gix::objs::tree::{Editor, EntryKind as Mode};
use gix::objs::{FindExt, Kind, WriteTo};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who a commit is by, as author and committer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// What a commit changes and says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPlan {
    /// New contents by path from the root of the repository. A path through a link changes the
    /// link's target; a path that does not exist yet makes a regular file.
    pub edits: BTreeMap<String, Vec<u8>>,
    /// Author and committer.
    pub author: Author,
    /// The message, taken as it is.
    pub message: String,
    /// The time of the commit, written in UTC with whole seconds.
    pub at: Timestamp,
    /// Who signs it; nobody without one.
    pub signer: Option<Signer>,
}

impl Snapshot {
    /// The snapshot after a commit on top of this one. `None` when no edit changes anything. The
    /// new commit exists in memory only until it is pushed.
    ///
    /// # Errors
    /// [`GitError::Edit`] for a path that is no file or leads out of the repository;
    /// [`GitError::Signing`] when the signer cannot sign; [`GitError::Corrupt`] when the cache is
    /// damaged.
    pub fn commit_on_top(&self, plan: &CommitPlan) -> Result<Option<Snapshot>, GitError> {
        let mut new = Unpushed::clone(&self.unpushed);
        let root = self.edit(&plan.edits, &mut new)?;
        if root == self.root {
            return Ok(None);
        }
        let commit = encode(self, plan, root)?;
        let id = store(&mut new, Kind::Commit, commit);
        let commit = commit_id(&id).ok_or_else(|| GitError::corrupt("an id of another size"))?;
        Ok(Some(Snapshot {
            generation: self.generation.clone(),
            objects: std::sync::Mutex::new(self.generation.objects()),
            unpushed: Arc::new(new),
            commit,
            root,
            folders: std::sync::Mutex::default(),
        }))
    }

    fn edit(
        &self,
        edits: &BTreeMap<String, Vec<u8>>,
        new: &mut Unpushed,
    ) -> Result<ObjectId, GitError> {
        let mut writes: Vec<(String, Mode, ObjectId)> = Vec::new();
        for (path, bytes) in edits {
            let (path, mode) = self.target(path)?;
            let id = store(new, Kind::Blob, bytes.clone());
            writes.push((path, mode, id));
        }
        let reader = self.reader();
        let mut buffer = Vec::new();
        let root = reader
            .find_tree(&self.root, &mut buffer)
            .map_err(|error| self.damaged("the root tree", error))?
            .to_owned();
        let mut editor = Editor::new(root, &reader, gix::hash::Kind::Sha1);
        for (path, mode, id) in writes {
            editor
                .upsert(path.split('/'), mode, id)
                .map_err(|error| refused(&path, &error.to_string()))?;
        }
        let written = editor.write(|tree| {
            let mut bytes = Vec::new();
            tree.write_to(&mut bytes)?;
            Ok(store(new, Kind::Tree, bytes))
        });
        written.map_err(|error: std::io::Error| refused("", &error.to_string()))
    }

    /// The path that an edit of `path` changes, and whether an executable file is there.
    pub(super) fn written_to(&self, path: &str) -> Result<(String, bool), GitError> {
        let (path, mode) = self.target(path)?;
        Ok((path, mode == Mode::BlobExecutable))
    }

    /// Where an edit of `path` goes, and the mode to keep.
    fn target(&self, path: &str) -> Result<(String, Mode), GitError> {
        let wrong = |error: TreeError| match error {
            TreeError::OutsideTree(_) => refused(path, "it leads out of the repository"),
            other => refused(path, &other.to_string()),
        };
        match self.locate(path, true).map_err(wrong)? {
            Some((target, Node { mode, .. })) => match mode {
                Mode::Blob | Mode::BlobExecutable => Ok((target, mode)),
                _ => Err(refused(path, "it is not a file")),
            },
            None => {
                let path = tree::join("", path).map_err(wrong)?;
                self.check_new(&path)?;
                Ok((path, Mode::Blob))
            }
        }
    }

    /// Refuses new paths below something that is no directory, and names that Git refuses.
    fn check_new(&self, path: &str) -> Result<(), GitError> {
        let bad = |name: &str| {
            name.is_empty() || name.eq_ignore_ascii_case(".git") || name.contains('\0')
        };
        if path.split('/').any(bad) {
            return Err(refused(path, "Git refuses such a name"));
        }
        let mut folder = tree::parent(path);
        while !folder.is_empty() {
            match self.locate(folder, false) {
                Ok(Some((_, node))) if node.mode == Mode::Tree => return Ok(()),
                Ok(None) => folder = tree::parent(folder),
                _ => return Err(refused(path, "a part of it is no directory")),
            }
        }
        match self.locate(path, false) {
            Ok(None) => Ok(()),
            _ => Err(refused(path, "it is a link that leads nowhere")),
        }
    }
}

fn refused(path: &str, reason: &str) -> GitError {
    GitError::Edit {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Adds an object and returns its id.
fn store(new: &mut Unpushed, kind: Kind, bytes: Vec<u8>) -> ObjectId {
    let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, &bytes);
    // Hashing bytes in memory fails only when a collision attack on SHA-1 is detected.
    let id = id.unwrap_or_else(|_| ObjectId::null(gix::hash::Kind::Sha1));
    let bytes = bytes.into();
    new.insert(id, NewObject { kind, bytes });
    id
}

fn encode(parent: &Snapshot, plan: &CommitPlan, root: ObjectId) -> Result<Vec<u8>, GitError> {
    let author = gix::actor::Signature {
        name: printable(&plan.author.name).into(),
        email: printable(&plan.author.email).into(),
        time: gix::date::Time::new(plan.at.as_second(), 0),
    };
    let mut commit = gix::objs::Commit {
        tree: root,
        parents: [object_id(parent.commit)].into_iter().collect(),
        author: author.clone(),
        committer: author,
        encoding: None,
        message: plan.message.replace('\0', "").into(),
        extra_headers: Vec::new(),
    };
    let unsigned = written(&commit)?;
    let Some(signer) = &plan.signer else {
        return Ok(unsigned);
    };
    // Git checks a signature against the commit without this header.
    let signature = signer.sign(&unsigned, plan.at).map_err(GitError::Signing)?;
    commit
        .extra_headers
        .push(("gpgsig".into(), signature.into()));
    written(&commit)
}

fn written(commit: &gix::objs::Commit) -> Result<Vec<u8>, GitError> {
    let mut bytes = Vec::new();
    commit
        .write_to(&mut bytes)
        .map_err(|error| refused("", &error.to_string()))?;
    Ok(bytes)
}

/// A name or address without the characters that separate the parts of a commit's header.
fn printable(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| !c.is_control() && !"<>".contains(*c))
        .collect();
    kept.trim().to_owned()
}
