//! Manifests: Kubernetes objects as they stand in YAML files, with where they stand.
//!
//! [`parse_documents`] reads a file as `kubectl apply` would and gives objects; [`to_yaml`] prints
//! them so that reading the print gives the same objects. Below both lie [`Node`] trees
//! ([`documents`]) that keep each scalar's text and line, which the kustomize build works on.
//! Invariant: every [`Manifest`] this module makes has `apiVersion`, `kind` and `metadata.name`
//! as non-empty strings. What is absent: what a kind means, and the cluster.

mod compose;
mod expand;
mod merge_key;
mod node;
mod parse;
mod print;
mod scalar;
mod time;
mod usual;

pub use expand::{expand_lists, is_list};
pub use node::{Entry, Mapping, Node, Scalar, ScalarKind};
pub use parse::{Document, LIMITS, Limits, documents, documents_with_repeated_keys};
pub use print::{DIVISION, Printed, to_yaml};
pub use scalar::{Rules, ScalarError, classify, from_f64};

use super::object::ObjectId;
use serde_json::Value;
use std::fmt;
use thiserror::Error;

/// Where an object was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// The file's path as it was given.
    pub file: String,
    /// The line its document starts on, counted from 1.
    pub line: usize,
}

/// `file:line`.
impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// One Kubernetes object.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The object, keys in the order of the file.
    pub object: Value,
    /// Where it was read; `None` for one that was made.
    pub source: Option<Source>,
}

impl Manifest {
    /// Wraps `object`.
    ///
    /// # Errors
    /// [`ManifestError::NotAnObject`] when `apiVersion`, `kind` or `metadata.name` is missing.
    pub fn new(object: Value, source: Option<Source>) -> Result<Self, ManifestError> {
        match missing_field(&object) {
            None => Ok(Self { object, source }),
            Some((field, lack)) => {
                let source = source.unwrap_or(Source {
                    file: "(made)".to_owned(),
                    line: 0,
                });
                Err(ManifestError::not_an_object(&source, field, lack))
            }
        }
    }

    /// The object's identity.
    pub fn id(&self) -> ObjectId {
        ObjectId::from_value(&self.object).unwrap_or_else(|| ObjectId {
            api_version: String::new(),
            kind: String::new(),
            namespace: None,
            name: String::new(),
        })
    }
}

/// The first of the fields every object has that `object` lacks, or has as something else than a string.
fn missing_field(object: &Value) -> Option<(&'static str, Lack)> {
    let name = object
        .get("metadata")
        .and_then(|metadata| metadata.get("name"));
    let fields = [
        ("apiVersion", object.get("apiVersion")),
        ("kind", object.get("kind")),
        ("metadata.name", name),
    ];
    fields.into_iter().find_map(|(field, value)| match value {
        Some(Value::String(text)) if !text.is_empty() => None,
        None | Some(Value::Null | Value::String(_)) => Some((field, Lack::Missing)),
        Some(_) => Some((field, Lack::NotAString)),
    })
}

/// What is wrong with a field that every object has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Lack {
    /// It is not there, or empty.
    #[error("missing")]
    Missing,
    /// It is a number, a truth value, a list or a mapping.
    #[error("not a string")]
    NotAString,
}

/// Why a file gives no objects.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// The bytes are not text.
    #[error("{file}: not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// The file.
        file: String,
        /// The first byte that fits no character.
        offset: usize,
    },
    /// The text is not YAML.
    #[error("{file}:{line}{}: not valid YAML: {reason}", behind_line(*.column))]
    Syntax {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u32,
        /// The column, counted from 1; 0 when it is not known.
        column: u32,
        /// What the parser found.
        reason: String,
    },
    /// The text is YAML, but nothing Kubernetes can hold.
    #[error("{file}:{line}: {reason}")]
    Invalid {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u32,
        /// What is wrong.
        reason: String,
    },
    /// The file is beyond what is read.
    #[error("{file}:{line}: {what}, which is more than is read from one file")]
    TooLarge {
        /// The file.
        file: String,
        /// The line where the bound was passed; 0 when it is the size of the file.
        line: u32,
        /// What there is too much of.
        what: String,
    },
    /// A document is not an object.
    #[error("{file}:{line}: not a Kubernetes object: `{field}` is {lack}")]
    NotAnObject {
        /// The file.
        file: String,
        /// The line the document starts on, counted from 1.
        line: u32,
        /// The field that every object has.
        field: &'static str,
        /// What is wrong with it.
        lack: Lack,
    },
}

impl ManifestError {
    /// What was read at `source` lacks `field`.
    fn not_an_object(source: &Source, field: &'static str, lack: Lack) -> Self {
        Self::NotAnObject {
            file: source.file.clone(),
            line: u32::try_from(source.line).unwrap_or(u32::MAX),
            field,
            lack,
        }
    }

    /// The same of a text that stands within its file, whose lines are `line` of its own. What stands
    /// before it in each line is not known.
    #[must_use]
    pub fn within(mut self, place: impl Fn(u32) -> u32) -> Self {
        match &mut self {
            Self::NotUtf8 { .. } => {}
            Self::Syntax { line, column, .. } => (*line, *column) = (place(*line), 0),
            Self::Invalid { line, .. }
            | Self::TooLarge { line, .. }
            | Self::NotAnObject { line, .. } => *line = place(*line),
        }
        self
    }

    /// What was read at `source` has no JSON value.
    pub fn invalid(source: &Source, error: &ScalarError) -> Self {
        Self::Invalid {
            file: source.file.clone(),
            line: u32::try_from(source.line).unwrap_or(u32::MAX),
            reason: error.to_string(),
        }
    }

    /// The object `root` that was read at `source` has no JSON value; what is wrong may come from another
    /// file since, so that its field is told.
    pub fn unfit(source: &Source, root: &Node, error: &ScalarError) -> Self {
        match root.without_json() {
            Some(field) => Self::Invalid {
                file: source.file.clone(),
                line: u32::try_from(source.line).unwrap_or(u32::MAX),
                reason: format!("`{}`: {}", field.trim_start_matches('.'), error.reason()),
            },
            None => Self::invalid(source, error),
        }
    }
}

fn behind_line(column: u32) -> String {
    match column {
        0 => String::new(),
        column => format!(":{column}"),
    }
}

/// Reads the objects of a file as the API machinery reads manifests: documents without content are
/// skipped, lists are replaced by their items.
///
/// # Errors
/// [`ManifestError`], with `file` and the line.
pub fn parse_documents(file: &str, bytes: &[u8]) -> Result<Vec<Manifest>, ManifestError> {
    let documents = expand_lists(file, documents(file, bytes, Rules::Kubernetes)?)?;
    documents
        .into_iter()
        .filter(|document| !document.root.is_empty())
        .map(|document| manifest(file, document))
        .collect()
}

fn manifest(file: &str, document: Document) -> Result<Manifest, ManifestError> {
    let source = Source {
        file: file.to_owned(),
        line: document.line as usize,
    };
    let object = document.root.to_json();
    let object = object.map_err(|error| ManifestError::invalid(&source, &error))?;
    Manifest::new(object, Some(source))
}

#[cfg(test)]
mod tests;
