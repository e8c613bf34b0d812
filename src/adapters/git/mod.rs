//! Git repositories: list, fetch, read, commit and push, without a worktree and without a shell.
//!
//! ```text
//! GitCache ── session (http, ssh, process.rs) ── server
//!    │  fetch.rs: one commit, depth 1           ▲
//!    ▼                                          │ push.rs
//! Generation (packs on disk) ─▶ Snapshot ─▶ commit.rs ─▶ transaction.rs
//! ```
//!
//! Everything here blocks: callers in asynchronous code use `spawn_blocking`. This is the only
//! folder that names `gix` and `russh`. Invariants: a shared branch is never force-pushed; a process that is
//! killed at any point leaves a usable cache; no error holds a credential. What is absent:
//! submodules of anything but remote bases, SHA-256 repositories.

mod ancestry;
mod beside;
mod cache;
mod candidates;
mod commit;
pub mod embedded;
mod error;
mod fetch;
mod github;
mod http;
mod lineage;
mod locks;
mod pack;
mod process;
mod push;
mod refs;
mod remote;
mod remote_bases;
mod session;
mod signing;
mod snapshot;
mod ssh;
mod stacking;
mod store;
mod transaction;

pub use cache::{Fetched, GitCache};
pub use candidates::{BlobId, Candidate, Candidates, SkipReason, Skipped};
pub use commit::{Author, CommitPlan};
pub use error::{FailureClass, GitError, PushError};
pub use github::GitHub;
pub use lineage::{Lineage, ServerAccess};
pub use push::{Force, Push, Pushed};
pub use refs::RemoteRef;
pub use remote::{Auth, ClientCertificate, DEFAULT_TIMEOUT, Proxy, Remote};
pub use remote_bases::{BuildRemotes, RemoteBases, RemoteLimits};
pub use signing::{Signer, SigningKeyError};
pub use snapshot::{About, Snapshot};
pub use ssh::{KnownHostsError, SshAlgorithms, SshLogin, SshLoginError, UnknownAlgorithms};
pub use stacking::{Foreign, Stacking};
pub use transaction::{Transaction, TransactionError, TransactionOutcome};
