//! Artifacts: archives of sources, stored in a folder, served over HTTP, and read back.
//!
//! The layout, the archive's rules and the digest are Flux's, so that either side's consumers can
//! read the other's artifacts. Invariants: an archive appears whole or not at all; the same tree
//! and rules give the same bytes; nothing outside the folder is ever served or removed.
//!
//! Everything here blocks, except [`serve`] and [`fetch_artifact`].

mod archive;
mod download;
mod reader;
mod server;
mod store;

pub use download::{FetchError, fetch_artifact};
pub use reader::{ArtifactTree, Limits, ReadError};
pub use server::{router, serve};
pub use store::{Artifact, ArtifactError, ArtifactKey, ArtifactStore};
