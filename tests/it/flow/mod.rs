//! The real thing: the built program, a real API server, the real registry, real Git over http, and every way in which the work between
//! them can be disturbed.
//!
//! Each test has a namespace and a `highwater run` of its own. Nothing here waits for time to pass: a test asks until what it expects
//! is so, and what must not happen is proved by something later that did.

mod bad_content;
mod bad_registry;
mod boundaries;
mod branches;
mod choices;
mod cloud_logins;
mod configuration;
mod crashes;
mod election;
mod forges;
mod git_logins;
mod github;
mod health;
mod high_water;
mod kindness;
mod lifecycle;
mod main_job;
mod messages;
mod other_clusters;
mod own_authority;
mod pinning;
mod proposals;
mod proposed_example;
mod pushes;
mod recreating;
mod remote_bases;
mod replicas;
mod restarts;
mod secrecy;
mod seeing;
mod signing;
mod specifications;
mod takeover;
mod telling;
mod together;
mod unreadable;
mod variables;

use crate::support::fleet::Fleet;

/// A fleet with a running program.
async fn running(prefix: &str) -> Fleet {
    Fleet::running(crate::crds::installed(), prefix).await
}

/// A fleet whose program a test starts itself.
async fn fleet(prefix: &str) -> Fleet {
    Fleet::new(crate::crds::installed(), prefix).await
}

/// Flags with which failures are tried again soon, for tests that wait for the recovery.
const EAGER: [&str; 2] = ["--max-retry-delay=1s", "--requeue-dependency=1s"];
