//! YAML text to [`Node`] trees, within bounds.
//!
//! Invariant: the work is linear in the text; aliases are expanded, but no expansion holds more
//! nodes, bytes or levels than [`Limits`] allow. Merge keys (`<<`) are applied.
//! What is absent: any meaning beyond YAML; a document need not be an object.

use super::ManifestError;
use super::compose::Composer;
use super::node::Node;
use super::scalar::Rules;
use super::usual;
use granit_parser::Parser;
use std::borrow::Cow;

/// How much one file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the text.
    pub bytes: usize,
    /// Nodes in all documents after expanding aliases.
    pub nodes: usize,
    /// Nodes copied for anchors and by aliases.
    pub copied_nodes: usize,
    /// Bytes copied for anchors and by aliases.
    pub copied_bytes: usize,
    /// Levels of nesting, aliases expanded.
    pub depth: usize,
    /// Documents.
    pub documents: usize,
}

/// What manifests are read with: far above any real file, far below what hurts.
pub const LIMITS: Limits = Limits {
    bytes: 16 << 20,
    nodes: 1_000_000,
    copied_nodes: 500_000,
    copied_bytes: 16 << 20,
    depth: 300,
    documents: 50_000,
};

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The line its content starts on, counted from 1.
    pub line: u32,
    /// Its root.
    pub root: Node,
}

/// Reads every document of `bytes`. Documents without content are left out.
///
/// # Errors
/// [`ManifestError`] with `file` and the line for text that is not UTF-8 or not YAML, for a key
/// that is not a scalar or occurs twice (where `rules` refuse that), and beyond [`LIMITS`].
pub fn documents(file: &str, bytes: &[u8], rules: Rules) -> Result<Vec<Document>, ManifestError> {
    let text = without_marks(text(file, bytes)?);
    match usual::documents(&text, rules) {
        Some(documents) => Ok(documents),
        None => parsed(file, &text, rules),
    }
}

/// As [`documents`] by kustomize's rules, but a key that occurs again stays behind the first one, which
/// is the one that is found. So kustomize reads patches; what is left of it in the end has no value.
///
/// # Errors
/// As [`documents`], but for keys that occur twice.
pub fn documents_with_repeated_keys(
    file: &str,
    bytes: &[u8],
) -> Result<Vec<Document>, ManifestError> {
    let (text, rules) = (without_marks(text(file, bytes)?), Rules::Kustomize);
    match usual::documents(&text, rules) {
        Some(documents) => Ok(documents),
        None => composed(Composer::new(file, rules).with_repeated_keys(), &text),
    }
}

fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, ManifestError> {
    if bytes.len() > LIMITS.bytes {
        return Err(too_large(
            file,
            0,
            format!("more than {} bytes", LIMITS.bytes),
        ));
    }
    std::str::from_utf8(bytes).map_err(|error| ManifestError::NotUtf8 {
        file: file.to_owned(),
        offset: error.valid_up_to(),
    })
}

/// The text without byte-order marks at the beginning of its later documents, where files that were put together have them. YAML
/// allows those, the parser does not.
fn without_marks(text: &str) -> Cow<'_, str> {
    const MARK: char = '\u{feff}';
    if !text.contains("\n\u{feff}") {
        return Cow::Borrowed(text);
    }
    let mut behind_border = false;
    let lines = text.split_inclusive('\n').map(|line| {
        let line = match line.strip_prefix(MARK) {
            Some(rest) if behind_border => rest,
            _ => line,
        };
        behind_border = matches!(line.trim_end(), "---" | "...");
        line
    });
    Cow::Owned(lines.collect())
}

/// The documents of any YAML text.
pub(super) fn parsed(file: &str, text: &str, rules: Rules) -> Result<Vec<Document>, ManifestError> {
    composed(Composer::new(file, rules), text)
}

fn composed(mut composer: Composer<'_>, text: &str) -> Result<Vec<Document>, ManifestError> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.block_scalar_eof_without_line_feed = true;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| ManifestError::Syntax {
            file: composer.file.to_owned(),
            line: line_number(error.marker().line()),
            column: line_number(error.marker().col() + 1),
            reason: error.info(),
        })?;
        composer.line = line_number(span.start.line());
        composer.accept(event, span.is_empty())?;
    }
    Ok(composer.documents)
}

fn line_number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

pub(super) fn too_large(file: &str, line: u32, what: String) -> ManifestError {
    ManifestError::TooLarge {
        file: file.to_owned(),
        line,
        what,
    }
}
