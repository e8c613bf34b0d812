//! What the tests stand on: real servers, fakes for what cannot be had, and how processes end.

pub mod build;
pub mod control_plane;
pub mod fake_github;
pub mod fake_registry;
pub mod fleet;
pub mod forges;
pub mod git_http;
pub mod git_ssh;
pub mod gitea;
pub mod highwater;
pub mod keys;
pub mod oracle;
pub mod picture;
pub mod process;
pub mod programs;
pub mod registry_server;
pub mod token_server;
