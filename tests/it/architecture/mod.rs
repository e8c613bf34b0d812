//! The rules of the house, read from the sources themselves: who may name whom, what the domain may
//! not touch, how long things may grow, and what the front page may claim.
//!
//! Each rule is a function from facts to findings with a test of its own on planted snippets; a
//! finding says where, and its test says what to do about it.

mod commands;
mod facts;
mod layers;
mod manners;
mod modules;
mod package;
mod purity;
mod reader;
mod readme;
mod references;
mod size;

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

/// The package's own folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The text of a file of the package.
fn read(file: &str) -> String {
    let read = std::fs::read_to_string(root().join(file));
    read.unwrap_or_else(|error| panic!("cannot read `{file}`: {error}"))
}

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    line: usize,
    words: String,
}

impl Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.words)
    }
}

/// Fails with every finding and with what to do about them.
#[track_caller]
fn expect_none(mut findings: Vec<Finding>, advice: &str) {
    findings.sort();
    findings.dedup();
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("  {finding}"))
        .collect();
    assert!(
        findings.is_empty(),
        "{} found:\n{}\nhint: {advice}",
        findings.len(),
        lines.join("\n")
    );
}

/// The words of the findings in a planted snippet.
fn words(findings: &[Finding]) -> Vec<&str> {
    findings
        .iter()
        .map(|finding| finding.words.as_str())
        .collect()
}
