//! Objects to YAML.
//!
//! Invariant: reading the print gives equal objects under both sets of rules; the same objects
//! always print the same bytes. Strings that a reader could take for something else are quoted,
//! text of several lines is a block scalar where YAML allows it.
//! What is absent: the layout of the source file.

use super::node::{Node, ScalarKind};
use super::scalar::{self, Rules, ScalarError, classify};
use super::{Lack, Manifest, ManifestError, Source};
use crate::domain::object::ObjectId;
use serde_json::Value;
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Write as _;

/// One object as it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Which object it is.
    pub id: ObjectId,
    /// A YAML document, ended by a line feed.
    pub yaml: String,
}

impl Printed {
    /// Prints the object `root` that was read at `source`: as if it were made a [`Manifest`] first.
    ///
    /// # Errors
    /// [`ManifestError::Invalid`] where it has no JSON value; [`ManifestError::NotAnObject`] when `apiVersion`, `kind` or
    /// `metadata.name` is missing.
    pub fn new(root: &Node, source: &Source) -> Result<Self, ManifestError> {
        let mut yaml = String::with_capacity(USUAL);
        print_document(&mut yaml, root)
            .map_err(|error| ManifestError::unfit(source, root, &error))?;
        let lacks = |field, lack| ManifestError::not_an_object(source, field, lack);
        let stated = |field, node| string(node).map_err(|lack| lacks(field, lack));
        let metadata = |key| root.get("metadata")?.get(key);
        Ok(Self {
            id: ObjectId {
                api_version: stated("apiVersion", root.get("apiVersion"))?,
                kind: stated("kind", root.get("kind"))?,
                name: stated("metadata.name", metadata("name"))?,
                namespace: string(metadata("namespace")).ok(),
            },
            yaml,
        })
    }
}

/// How many bytes most objects need at most.
const USUAL: usize = 512;

impl From<&Manifest> for Printed {
    fn from(manifest: &Manifest) -> Self {
        Self {
            id: manifest.id(),
            yaml: to_yaml(std::slice::from_ref(manifest)),
        }
    }
}

/// The text of a string that is not empty.
fn string(node: Option<&Node>) -> Result<String, Lack> {
    match node.map(Node::shape) {
        None => Err(Lack::Missing),
        Some(Ok(Shape::Leaf(Leaf::Text(text)))) if text.is_empty() => Err(Lack::Missing),
        Some(Ok(Shape::Leaf(Leaf::Text(text)))) => Ok(text.into_owned()),
        Some(Ok(Shape::Leaf(Leaf::Word(Value::Null)))) => Err(Lack::Missing),
        Some(_) => Err(Lack::NotAString),
    }
}

/// Prints objects as a stream of documents, each ended by a line feed, divided by `---`.
pub fn to_yaml(manifests: &[Manifest]) -> String {
    let mut out = String::new();
    for (index, manifest) in manifests.iter().enumerate() {
        if index > 0 {
            out.push_str(DIVISION);
        }
        let Ok(()) = print_document(&mut out, &manifest.object);
    }
    out
}

/// What stands between two documents.
pub const DIVISION: &str = "---\n";

/// A tree that can be printed.
trait Tree: Sized {
    /// Why a part of it may have no value.
    type Error;

    fn shape(&self) -> Result<Shape<'_, Self>, Self::Error>;

    /// Keys and values, if this is a mapping.
    fn entries(&self) -> impl Iterator<Item = (&str, &Self)>;
}

/// What a tree begins with.
enum Shape<'a, T> {
    /// At least one key with its value.
    Mapping,
    /// At least one item.
    Sequence(&'a [T]),
    Leaf(Leaf<'a>),
}

enum Leaf<'a> {
    EmptyMapping,
    EmptySequence,
    Text(Cow<'a, str>),
    /// Null, a truth value or a number.
    Word(Value),
}

impl Tree for Value {
    type Error = Infallible;

    fn shape(&self) -> Result<Shape<'_, Self>, Infallible> {
        Ok(match self {
            Self::Object(object) if object.is_empty() => Shape::Leaf(Leaf::EmptyMapping),
            Self::Object(_) => Shape::Mapping,
            Self::Array(items) if items.is_empty() => Shape::Leaf(Leaf::EmptySequence),
            Self::Array(items) => Shape::Sequence(items),
            Self::String(text) => Shape::Leaf(Leaf::Text(text.into())),
            word => Shape::Leaf(Leaf::Word(word.clone())),
        })
    }

    fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let object = self.as_object().into_iter().flatten();
        object.map(|(key, value)| (key.as_str(), value))
    }
}

impl Tree for Node {
    type Error = ScalarError;

    fn shape(&self) -> Result<Shape<'_, Self>, ScalarError> {
        Ok(match self {
            Self::Mapping(mapping) if mapping.entries.is_empty() => Shape::Leaf(Leaf::EmptyMapping),
            Self::Mapping(mapping) => {
                mapping.check_keys()?;
                Shape::Mapping
            }
            Self::Sequence(items) if items.is_empty() => Shape::Leaf(Leaf::EmptySequence),
            Self::Sequence(items) => Shape::Sequence(items),
            Self::Scalar(text) if text.kind == ScalarKind::Text => {
                Shape::Leaf(Leaf::Text(text.text.as_str().into()))
            }
            Self::Scalar(other) => Shape::Leaf(match scalar::to_json(other)? {
                Value::String(text) => Leaf::Text(text.into()),
                word => Leaf::Word(word),
            }),
        })
    }

    fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let entries = self
            .as_mapping()
            .into_iter()
            .flat_map(|mapping| &mapping.entries);
        entries.map(|entry| (entry.key.as_str(), &entry.value))
    }
}

fn print_document<T: Tree>(out: &mut String, tree: &T) -> Result<(), T::Error> {
    match tree.shape()? {
        Shape::Mapping => print_mapping(out, tree, 0),
        Shape::Sequence(items) => print_sequence(out, items, 0),
        Shape::Leaf(leaf) => {
            print_leaf(out, &leaf, 0);
            out.push('\n');
            Ok(())
        }
    }
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

fn print_mapping<T: Tree>(out: &mut String, mapping: &T, level: usize) -> Result<(), T::Error> {
    for (index, (key, value)) in mapping.entries().enumerate() {
        if index > 0 || level == 0 {
            indent(out, level);
        }
        print_key(out, key, level);
        out.push(':');
        print_value(out, value, level)?;
    }
    Ok(())
}

/// A key; one too long for the short form gets the long one.
fn print_key(out: &mut String, key: &str, level: usize) {
    if key.len() <= 250 {
        return print_string(out, key, None);
    }
    out.push_str("? ");
    print_quoted(out, key);
    out.push('\n');
    indent(out, level);
}

/// The value after `key:`, with the line feed after it.
fn print_value<T: Tree>(out: &mut String, value: &T, level: usize) -> Result<(), T::Error> {
    match value.shape()? {
        Shape::Mapping => {
            out.push('\n');
            indent(out, level + 1);
            print_mapping(out, value, level + 1)?;
        }
        Shape::Sequence(items) => {
            out.push('\n');
            print_sequence(out, items, level)?;
        }
        Shape::Leaf(leaf) => {
            out.push(' ');
            print_leaf(out, &leaf, level + 1);
            out.push('\n');
        }
    }
    Ok(())
}

fn print_sequence<T: Tree>(out: &mut String, items: &[T], level: usize) -> Result<(), T::Error> {
    for item in items {
        indent(out, level);
        out.push('-');
        match item.shape()? {
            Shape::Mapping => {
                out.push(' ');
                print_mapping(out, item, level + 1)?;
            }
            Shape::Sequence(inner) => {
                out.push('\n');
                print_sequence(out, inner, level + 1)?;
            }
            Shape::Leaf(leaf) => {
                out.push(' ');
                print_leaf(out, &leaf, level + 1);
                out.push('\n');
            }
        }
    }
    Ok(())
}

fn print_leaf(out: &mut String, leaf: &Leaf<'_>, level: usize) {
    match leaf {
        Leaf::Text(text) => print_string(out, text, Some(level)),
        Leaf::EmptySequence => out.push_str("[]"),
        Leaf::EmptyMapping => out.push_str("{}"),
        Leaf::Word(word) => {
            let _ = write!(out, "{word}");
        }
    }
}

/// Prints a string; `level` is the indentation of a block scalar, `None` where none may stand.
fn print_string(out: &mut String, text: &str, level: Option<usize>) {
    if is_plain(text) {
        out.push_str(text);
    } else if let Some(level) = level.filter(|_| fits_block(text)) {
        print_block(out, text, level);
    } else {
        print_quoted(out, text);
    }
}

fn is_plain(text: &str) -> bool {
    let Some(&first) = text.as_bytes().first() else {
        return false;
    };
    let starts_well = first.is_ascii_alphanumeric() || b"/_$(.+".contains(&first);
    starts_well
        && text.len() <= 1024
        && holds_nothing_special(text)
        && text != "..."
        && [Rules::Kubernetes, Rules::Kustomize]
            .iter()
            .all(|rules| classify(text, *rules) == ScalarKind::Text)
        && (first.is_ascii_alphabetic()
            || super::time::to_rfc3339(text).is_none() && !sexagesimal(text))
}

/// Whether a text is of printable ASCII without `: ` and ` #`, and ends with neither a space nor a colon.
fn holds_nothing_special(text: &str) -> bool {
    let mut before = b'a';
    for byte in text.bytes() {
        let special = matches!((before, byte), (b':', b' ') | (b' ', b'#'));
        if special || !matches!(byte, b' '..=b'~') {
            return false;
        }
        before = byte;
    }
    !matches!(before, b' ' | b':')
}

/// `12:30:45`, which older readers take for a number.
fn sexagesimal(text: &str) -> bool {
    text.contains(':')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'_' | b'+'))
}

/// A block scalar keeps every character only if lines hold nothing that YAML folds or forbids.
fn fits_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && text.lines().all(|line| !line.ends_with(' '))
        && text
            .chars()
            .all(|character| character == '\n' || is_printable(character))
        && !text.trim_end_matches('\n').is_empty()
}

fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

fn print_block(out: &mut String, text: &str, level: usize) {
    let body = text.trim_end_matches('\n');
    let ends = text.len() - body.len();
    out.push_str(match ends {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, level);
            out.push_str(line);
        }
    }
    out.extend(std::iter::repeat_n('\n', ends.saturating_sub(1)));
}

fn print_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            _ if is_printable(character) => out.push(character),
            _ if u32::from(character) <= 0xff => {
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            _ if u32::from(character) <= 0xffff => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => {
                let _ = write!(out, "\\U{:08x}", u32::from(character));
            }
        }
    }
    out.push('"');
}
