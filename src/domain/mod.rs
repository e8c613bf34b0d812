//! Values in, values out: everything highwater decides.
//!
//! Invariant: nothing here reads a clock, the environment, the network, files or a cluster; time is
//! an argument. The lints below and `tests/it/architecture.rs` hold it to that.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod backoff;
pub mod calver;
pub mod cel;
pub mod change;
pub mod cloud;
pub mod conditions;
pub mod diff;
pub mod docker_config;
pub mod drift;
pub mod duration;
pub mod git_ref;
pub mod github_app;
pub mod health;
pub mod http_field;
pub mod ignore;
pub mod image;
pub mod inventory;
pub mod kustomize;
pub mod manifest;
pub mod marker;
pub mod message;
pub mod native;
pub mod nearest;
pub mod object;
pub mod outcome;
pub mod pace;
pub mod pattern;
pub mod policy;
pub mod pull_request;
pub mod redact;
pub mod registry_settings;
pub mod rewrite;
pub mod scan;
pub mod stage;
pub mod stored_tags;
pub mod substitute;
pub mod tags;
pub mod takeover;
pub mod template;
pub mod tree;
pub mod version;
pub mod webhook;
pub mod yaml;
