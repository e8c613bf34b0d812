//! Go's `text/template` with the functions of Sprig that Flux gives to commit messages, and Helm to charts.
//!
//! Duty: render what Go 1.26 renders, byte for byte, and refuse what it refuses, in words as close. Invariant: rendering reads
//! its data only, and is bounded: in steps, in bytes made, in depth ([`Limits`]); whatever exceeds them is an error. Absent: what
//! is not the same on every run (clock, environment, random numbers), other delimiters, `missingkey`.
//!
//! ```text
//! text ─parse▶ nodes ─run▶ bytes
//!                      ├ item: values, as Go's reflection sees them
//!                      ├ print: Go's fmt
//!                      └ functions: Go's own and Sprig's
//! ```
//!
//! Differences on purpose: where Go walks a map in random order (`keys`, `values`), the order is that of the keys; bytes that are
//! no UTF-8 become U+FFFD in what is rendered; functions whose result differs from run to run, or that handle secrets, are refused.

mod date;
mod functions;
mod item;
mod letters;
mod parse;
mod print;
mod run;
mod value;
mod versions;

pub use value::{Field, IntKind, MapType, Record, StructType, Type, UintKind, Value};

use thiserror::Error;

/// A template that was read.
#[derive(Debug)]
pub struct Template {
    name: String,
    text: String,
    templates: parse::Templates,
}

/// Why a template cannot be read or rendered, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// It is not written as templates are.
    #[error("{0}")]
    Parse(String),
    /// It does what cannot be done with its data.
    #[error("{0}")]
    Execute(String),
    /// It does more than [`Limits`] allow.
    #[error("{0}")]
    Limit(String),
}

/// How much one rendering may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nodes and items that are looked at.
    pub steps: u64,
    /// Bytes that are made on the way, all in all.
    pub memory: u64,
    /// Bytes of the result.
    pub output: usize,
}

impl Default for Limits {
    /// For a commit message: well under a second.
    fn default() -> Self {
        Self {
            steps: 2_000_000,
            memory: 64 << 20,
            output: 1 << 20,
        }
    }
}

impl Template {
    /// Reads a template. `name` is what errors call it.
    ///
    /// # Errors
    /// When Go would refuse it, or it is too long or too deep.
    pub fn parse(name: &str, text: &str) -> Result<Self, TemplateError> {
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            templates: parse::parse(name, text)?,
        })
    }

    /// Renders it.
    ///
    /// # Errors
    /// When Go would fail, or it does too much.
    pub fn render(&self, data: &Value) -> Result<String, TemplateError> {
        self.render_within(data, Limits::default())
    }

    /// Renders it within other limits.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_within(&self, data: &Value, limits: Limits) -> Result<String, TemplateError> {
        run::render(self, data, limits)
    }
}

#[cfg(test)]
mod tests;
