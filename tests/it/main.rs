//! The one integration test program: real servers behind it, one module per area.

mod architecture;
mod artifacts;
mod build;
mod build_command;
mod build_fields;
mod build_hostile;
mod conditions;
mod crds;
mod demo;
mod deploy;
mod examples;
mod explain;
mod flow;
mod get;
mod git;
mod registry;
mod remote_bases;
mod rewrite;
mod selection;
mod servers;
mod substitution;
mod support;
mod update;
mod webhooks;
