//! Image names, versions, ranges, patterns, numbers and policies against the real Go libraries, and the laws of selection.
//!
//! Each run makes its own random cases. A failure tells the seed; `HIGHWATER_TEST_SEED=<seed>` repeats the run.

mod images;
mod laws;
mod numbers;
mod patterns;
mod policies;
pub mod random;
mod rules;
mod versions;
