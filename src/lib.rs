//! highwater keeps Git at the newest image your policy allows, and the cluster at Git.
//!
//! # The picture
//!
//! ```text
//!  registry ──tags──▶ ImageRepository ──▶ ImagePolicy ──selection──▶ ImageUpdateAutomation
//!                                                                            │ rewrite, commit, push
//!                                                                            ▼
//!  API server ◀──server-side apply── Kustomization ◀──artifact── GitRepository ◀── Git
//! ```
//!
//! # Layers
//!
//! A module names only what stands to its left; `tests/it/architecture.rs` proves it.
//!
//! ```text
//! domain  <-  api  <-  adapters  <-  controllers  <-  cli
//! ```
//!
//! - [`domain`]: values in, values out. No clock, environment, network, file or cluster.
//! - [`api`]: the custom resources and their definitions.
//! - [`adapters`]: one folder per outside system; they never name each other.
//! - [`controllers`]: one folder per kind, each with the same four files: `mod` (wiring), `fetch` (read
//!   the world), `plan` (decide; pure), `execute` (do it; the command line calls it too). `driver` is
//!   their one loop, `report` the one place that turns an outcome into status, events and requeue,
//!   `triggers` says who wakes whom.
//! - [`cli`]: one file per verb and one printer.
//!
//! # From a tag to an object
//!
//! | stage | decided by | done by | hands on |
//! |---|---|---|---|
//! | log in | [`domain::docker_config`], [`domain::cloud`] | [`adapters::cloud`] | [`domain::docker_config::Credentials`] |
//! | scan | [`domain::scan`] | [`adapters::registry`] | [`domain::tags::TagSet`] |
//! | hear | [`domain::webhook`] | [`adapters::webhook`] | tags to look for |
//! | select | [`domain::policy`] | the registry, for a digest | [`domain::image::ImageRef`] |
//! | rewrite | [`domain::rewrite`] | [`adapters::git`] | [`domain::change::ChangeReport`] |
//! | commit, push | [`domain::message`] | [`adapters::git`] | a commit |
//! | archive | [`domain::ignore`] | [`adapters::artifacts`] | an artifact |
//! | build | [`domain::kustomize`] | nobody: it is pure | [`domain::manifest::Manifest`] |
//! | apply, prune, wait | [`domain::stage`], [`domain::takeover`], [`domain::drift`], [`domain::inventory`], [`domain::health`] | [`adapters::cluster`] | an inventory |
//! | report | [`domain::conditions`] | [`controllers::driver`] | status, events, the timer |
//!
//! # Invariants
//!
//! - A commit changes the bytes of marked scalars and no other byte.
//! - A shared branch is never force-pushed; a lost race is run again on the new tip.
//! - A tag list counts only when it is whole; an artifact and a status are replaced as a whole.
//! - One object's failure, panic or slowness holds up no other object.
//! - What cannot be done is said: with the object, the file, the line and what was expected.
//! - A secret is of a type that cannot be printed.

#![warn(missing_docs)]

pub mod adapters;
pub mod api;
pub mod cli;
pub mod controllers;
pub mod domain;

use std::process::ExitCode;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    cli::main()
}
