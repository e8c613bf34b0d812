//! One module per outside system: each does what it is told, and none knows another.
//!
//! Invariant: every call is bounded in time and size, and an error names what it is about without a
//! secret. What is absent: decisions.

pub mod artifacts;
pub mod cloud;
pub mod cluster;
pub mod folder;
pub mod forge;
pub mod git;
pub mod issuer;
pub mod metrics;
pub mod notify;
pub mod outbound;
pub mod probe;
pub mod registry;
pub mod tag_store;
pub mod telemetry;
pub mod tls;
pub mod webhook;
