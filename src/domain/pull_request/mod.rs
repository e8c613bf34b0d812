//! Pull requests: what a forge is asked for and what it answers.
//!
//! Invariant: pure values. What is absent: requests; see `adapters::forge`.

pub mod forge;
