//! The commits that one branch has and another reference has not.
//!
//! The cache is shallow, so it seldom knows by itself. The server is asked for the commits of the
//! branch without those of the other reference (`deepen-not`): their number is that of the branch's
//! own, whatever the history. A server that cannot leave anything out sends the whole history, once.

use super::cache::{GitCache, lock};
use super::error::GitError;
use super::fetch;
use super::refs::{self, commit_id, object_id};
use super::remote::Remote;
use super::store::Generation;
use crate::domain::git_ref::CommitId;
use gix::objs::FindExt;
use gix::protocol::transport::{Protocol, Service};
use std::collections::HashSet;
use std::sync::Arc;

/// The most commits that are walked.
const WALKED: usize = 200_000;
/// The most answers that are remembered.
const REMEMBERED: usize = 256;

/// What a branch has beside another reference.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) commits: Vec<Side>,
    /// Whether the branch contains the other reference's commit: then it is not behind.
    pub(super) on_top: bool,
}

/// One commit of a branch.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) commit: CommitId,
    /// `Name <address>`.
    pub(super) author: String,
    pub(super) author_mail: String,
    pub(super) committer_mail: String,
}

/// A commit, and the full name of the reference that has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) commit: CommitId,
    pub(super) name: &'a str,
}

impl GitCache {
    /// The commits of `tip` that are not in the history of `base`.
    pub(super) fn beside(
        &self,
        remote: &Remote,
        tip: Head<'_>,
        base: Head<'_>,
    ) -> Result<Arc<Beside>, GitError> {
        let key = (tip.commit, base.commit);
        if let Some(known) = lock(&self.0.besides).get(&key) {
            return Ok(known.clone());
        }
        let found = Arc::new(self.look_beside(remote, tip, base)?);
        let mut besides = lock(&self.0.besides);
        if besides.len() >= REMEMBERED {
            besides.clear();
        }
        besides.insert(key, found.clone());
        Ok(found)
    }

    fn look_beside(
        &self,
        remote: &Remote,
        tip: Head<'_>,
        base: Head<'_>,
    ) -> Result<Beside, GitError> {
        let generation = self.generation(remote)?;
        if let Some(found) = known(&generation, tip.commit, base.commit) {
            return Ok(found);
        }
        if let Some(found) = self.ask(remote, &generation, tip, base) {
            return Ok(found);
        }
        // Git answers with an error when nothing is left: perhaps the branch is part of the other's history.
        match self.ask(remote, &generation, base, tip) {
            Some(reverse) if reverse.on_top => Ok(Beside {
                commits: Vec::new(),
                on_top: false,
            }),
            _ => self.by_histories(remote, &generation, tip.commit, base.commit),
        }
    }

    /// Asks the server; `None` when it does not say, for whatever reason.
    fn ask(
        &self,
        remote: &Remote,
        generation: &Generation,
        tip: Head<'_>,
        base: Head<'_>,
    ) -> Option<Beside> {
        let mut session = self
            .session(remote, Service::UploadPack, Protocol::V2)
            .ok()?;
        let mut handshake = refs::handshake(&mut session, remote).ok()?;
        if !fetch::can_leave_out(&handshake) {
            return None;
        }
        let wanted = (tip.commit, base.name);
        let cut = fetch::without(&mut session, &mut handshake, generation, remote, wanted).ok()?;
        let ends = Ends {
            stop: &|commit| commit == base.commit,
            cut: &cut,
            roots: true,
        };
        walk(generation, tip.commit, base.commit, &ends)
    }

    fn by_histories(
        &self,
        remote: &Remote,
        generation: &Generation,
        tip: CommitId,
        base: CommitId,
    ) -> Result<Beside, GitError> {
        for commit in [base, tip] {
            let mut session = self.session(remote, Service::UploadPack, Protocol::V2)?;
            let mut handshake = refs::handshake(&mut session, remote)?;
            fetch::history(&mut session, &mut handshake, generation, remote, commit)?;
        }
        let nowhere = HashSet::new();
        let ends = |stop| Ends {
            stop,
            cut: &nowhere,
            roots: true,
        };
        let missing = || GitError::corrupt(format!("the history of commit `{tip}` is not whole"));
        let all = walk(generation, base, base, &ends(&|_| false)).ok_or_else(missing)?;
        let all: HashSet<CommitId> = all.commits.iter().map(|side| side.commit).collect();
        let shared = |commit| all.contains(&commit);
        walk(generation, tip, base, &ends(&shared)).ok_or_else(missing)
    }
}

/// The commits of `tip` on top of `base`, as far as the cache knows by itself.
pub(super) fn known(generation: &Generation, tip: CommitId, base: CommitId) -> Option<Beside> {
    let ends = Ends {
        stop: &|commit| commit == base,
        cut: &HashSet::new(),
        // A walk to a root may have left the branch and gone on in the shared history.
        roots: false,
    };
    walk(generation, tip, base, &ends)
}

/// Where a walk ends.
struct Ends<'a> {
    /// At these commits, which do not count.
    stop: &'a dyn Fn(CommitId) -> bool,
    /// After these commits.
    cut: &'a HashSet<CommitId>,
    /// Whether a commit without parents is an end.
    roots: bool,
}

/// Walks from `tip` to the ends. `None` when a commit on the way is not here, when there are too many,
/// or when the walk ends where it must not.
fn walk(generation: &Generation, tip: CommitId, base: CommitId, ends: &Ends<'_>) -> Option<Beside> {
    let objects = generation.objects();
    let mut pending = vec![tip];
    let mut seen = HashSet::new();
    let mut found = Beside {
        commits: Vec::new(),
        on_top: false,
    };
    let mut buffer = Vec::new();
    while let Some(id) = pending.pop() {
        found.on_top |= id == base;
        if (ends.stop)(id) || !seen.insert(id) {
            continue;
        }
        if seen.len() > WALKED {
            return None;
        }
        let commit = objects.find_commit(&object_id(id), &mut buffer).ok()?;
        let author = commit.author().ok()?;
        found.commits.push(Side {
            commit: id,
            author: format!("{} <{}>", author.name, author.email),
            author_mail: author.email.to_string(),
            committer_mail: commit.committer().ok()?.email.to_string(),
        });
        let parents: Vec<CommitId> = commit.parents().filter_map(|id| commit_id(&id)).collect();
        if parents.is_empty() && !ends.roots {
            return None;
        }
        match ends.cut.contains(&id) {
            true => found.on_top |= parents.contains(&base),
            false => pending.extend(parents),
        }
    }
    Some(found)
}
