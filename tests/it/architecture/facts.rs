//! What the rules look at, taken from the syntax of one file.

use super::reader;
use super::references::Reference;

/// One Rust file.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Relative to the package: `src/domain/tags.rs`.
    pub(super) file: String,
    /// `["domain", "tags"]`; empty for the root.
    pub(super) module: Vec<String>,
    /// Whether the whole file is compiled for tests only.
    pub(super) test: bool,
    /// Whether it opens with `//!`.
    pub(super) preamble: bool,
    /// Every path it names, made absolute.
    pub(super) references: Vec<Reference>,
    /// Every function with a body.
    pub(super) functions: Vec<Function>,
    /// Every macro and every method that is called.
    pub(super) calls: Vec<Call>,
    /// Every test, with the modules of this file around it: `tests::selects_the_newest`.
    pub(super) tests: Vec<String>,
    /// Every `mod name;`.
    pub(super) children: Vec<Child>,
    /// Lines of production code, comments and documentation included.
    pub(super) production_lines: usize,
    /// Lines of production code without comments and documentation.
    pub(super) code_lines: usize,
    /// Lines of tests without comments and documentation.
    pub(super) test_lines: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    /// Lines of the body that are neither blank nor comment, as clippy counts them.
    pub(super) lines: usize,
    pub(super) test: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// `unwrap()` or `println!`.
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) test: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) name: String,
    /// The inline modules around the declaration.
    pub(super) inside: Vec<String>,
    pub(super) test: bool,
}

impl Facts {
    /// The facts of a planted snippet.
    pub(super) fn planted(file: &str, text: &str) -> Self {
        let module = file.trim_start_matches("src/").trim_end_matches(".rs");
        let module: Vec<String> = module
            .split('/')
            .filter(|part| *part != "mod")
            .map(str::to_owned)
            .collect();
        reader::facts(file, &module, false, text)
    }

    /// The layer it belongs to: `domain`; empty for the root.
    pub(super) fn layer(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }
}
