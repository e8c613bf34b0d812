//! Who made a commit and on what, and who we are at the server: what is needed to talk about commits
//! over another protocol than Git's.

use super::error::GitError;
use super::refs::{commit_id, object_id};
use super::remote::{Auth, Proxy, Remote};
use super::snapshot::Snapshot;
use crate::domain::git_ref::CommitId;
use gix::objs::FindExt;

/// Who made a commit, and on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The author as `Name <address>`.
    pub author: String,
    /// The author's mail address.
    pub author_email: String,
    /// The committer's mail address.
    pub committer_email: String,
    /// The commits it was made on.
    pub parents: Vec<CommitId>,
    /// When it was committed, in seconds since 1970.
    pub committed: i64,
}

/// How a server is reached, for other interfaces of the same host.
#[derive(Clone, Debug, Default)]
pub struct ServerAccess {
    /// Who asks.
    pub auth: Auth,
    /// Authorities (PEM) that are trusted besides the system's.
    pub authorities: Option<Vec<u8>>,
    /// The proxy.
    pub proxy: Option<Proxy>,
}

impl Snapshot {
    /// Who made the commit, and on what. The parents themselves are not fetched.
    ///
    /// # Errors
    /// [`GitError::Corrupt`] when the cache is damaged.
    pub fn lineage(&self) -> Result<Lineage, GitError> {
        let mut buffer = Vec::new();
        let reader = self.reader();
        let commit = reader
            .find_commit(&object_id(self.commit), &mut buffer)
            .map_err(|error| self.damaged("the commit", error))?;
        let author = commit
            .author()
            .map_err(|error| self.damaged("the commit", error))?;
        let committer = commit
            .committer()
            .map_err(|error| self.damaged("the commit", error))?;
        Ok(Lineage {
            author: format!("{} <{}>", author.name, author.email),
            author_email: author.email.to_string(),
            committer_email: committer.email.to_string(),
            parents: commit.parents().filter_map(|id| commit_id(&id)).collect(),
            committed: committer.seconds(),
        })
    }
}

impl Remote {
    /// How the server is reached, for other interfaces of the same host.
    pub fn server_access(&self) -> ServerAccess {
        ServerAccess {
            auth: self.auth.clone(),
            authorities: self.ca_pem.clone(),
            proxy: self.proxy.clone(),
        }
    }
}
