//! The one integration test program: real servers behind it, one module per area.

mod artifacts;
mod crds;
mod deploy;
mod git;
mod registry;
mod rewrite;
mod selection;
mod servers;
mod support;
