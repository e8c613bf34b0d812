//! Whether one commit follows another, which the shallow cache does not know by itself.

use super::cache::GitCache;
use super::error::GitError;
use super::fetch;
use super::refs::{self, object_id};
use super::remote::Remote;
use super::store::Generation;
use crate::domain::git_ref::CommitId;
use gix::ObjectId;
use gix::objs::FindExt;
use gix::protocol::transport::{Protocol, Service};
use std::collections::HashSet;

/// The most commits that are walked.
const WALKED: usize = 200_000;

impl GitCache {
    /// Whether `new`, a commit the server has, follows `old`. Brings the history when the cache
    /// does not tell, which costs once.
    ///
    /// # Errors
    /// [`GitError`] when the history is needed and does not come.
    pub fn follows(&self, remote: &Remote, new: CommitId, old: CommitId) -> Result<bool, GitError> {
        let generation = self.generation(remote)?;
        if let Some(known) = walk(&generation, new, old) {
            return Ok(known);
        }
        let mut session = self.session(remote, Service::UploadPack, Protocol::V2)?;
        let mut handshake = refs::handshake(&mut session, remote)?;
        fetch::history(&mut session, &mut handshake, &generation, remote, new)?;
        Ok(walk(&generation, new, old) == Some(true))
    }
}

/// Looks for `old` among the ancestors of `new`; `None` when the history here ends before that.
fn walk(generation: &Generation, new: CommitId, old: CommitId) -> Option<bool> {
    let objects = generation.objects();
    let old = object_id(old);
    let mut pending: Vec<ObjectId> = vec![object_id(new)];
    let mut seen: HashSet<ObjectId> = HashSet::new();
    let mut whole = true;
    let mut buffer = Vec::new();
    while let Some(id) = pending.pop() {
        if id == old {
            return Some(true);
        }
        if seen.len() >= WALKED {
            return None;
        }
        if !seen.insert(id) {
            continue;
        }
        match objects.find_commit(&id, &mut buffer) {
            Ok(commit) => pending.extend(commit.parents()),
            Err(_) => whole = false,
        }
    }
    whole.then_some(false)
}
