//! Why a marker, or a file that has one, was left alone.

use super::one_line;
use crate::domain::marker::{MarkerError, PolicyKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The file, as it was named to the rewriter.
    pub file: String,
    /// The line, from 1; `None` when the whole file is meant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<usize>,
    /// What it is.
    pub kind: ProblemKind,
}

/// Where a marker stands that has no scalar to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// Behind an alias (`*name`).
    Alias,
    /// Behind, or at the start of, a mapping or sequence.
    Collection,
    /// Behind a key whose value is not a scalar on the same line, or part of a key.
    Key,
    /// On a line of its own above a key.
    AboveKey,
    /// At an empty value.
    EmptyValue,
    /// Above an item that has another comment on its own line.
    Shadowed,
    /// In a comment of several lines.
    CommentBlock,
    /// On a line of its own with no item directly below it, in the same column.
    Detached,
    /// At a document that is one scalar.
    Root,
}

/// The kinds of [`Problem`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProblemKind {
    /// The file holds NUL bytes.
    Binary,
    /// The file is not UTF-8 here.
    NotUtf8,
    /// The file has a marker but is too large to be parsed; sizes in bytes.
    TooLarge {
        /// The file's size.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// Collections are nested deeper than is read.
    TooDeep,
    /// The document has more markers than are looked at.
    TooManyMarkers {
        /// How many are looked at.
        limit: usize,
    },
    /// The document does not parse; the parser's words.
    Unreadable(String),
    /// The comment was meant as a marker but is none; what is wrong with it.
    MalformedMarker(String),
    /// No policy of this name is known, or it has selected nothing yet.
    UnknownPolicy(PolicyKey),
    /// The policy belongs to another namespace than the automation.
    OtherNamespace {
        /// The marker's policy.
        policy: PolicyKey,
        /// The automation's namespace.
        namespace: String,
    },
    /// The marker asks for a digest, and the policy has none.
    NoDigest(PolicyKey),
    /// The marker's part of the selection is empty.
    NoValue(PolicyKey),
    /// The marker does not stand at a scalar value.
    Misplaced(Place),
    /// The scalar has a tag (given) that no image reference is a value of.
    Tagged(String),
    /// The scalar is a block scalar whose content is not one line.
    NotOneLine,
    /// The scalar's style cannot hold the new value.
    Unrepresentable,
    /// The scalar holds a template action or variable.
    Template,
    /// Reading the edited file again showed that more than the marked scalars would change. A bug, or a file that is read
    /// differently than expected; nothing was changed.
    WouldChangeMore,
    /// Further problems of this file were left out.
    More(usize),
}

impl ProblemKind {
    /// Whether the marker is another automation's business, not a fault: worth a debug line, not a warning.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::OtherNamespace { .. })
    }
}

impl From<MarkerError> for ProblemKind {
    fn from(error: MarkerError) -> Self {
        Self::MalformedMarker(error.to_string())
    }
}

/// `path/file.yaml:12:3: words`, on one line.
impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&one_line(&self.file))?;
        for number in [self.line, self.line.and(self.column)]
            .into_iter()
            .flatten()
        {
            write!(formatter, ":{number}")?;
        }
        write!(formatter, ": {}", self.kind)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Alias => "the marker stands at an alias; hint: mark the scalar that has the anchor",
            Self::Collection => "the marker stands at a mapping or sequence; hint: put it behind the scalar that it sets",
            Self::Key => "the marker stands at a key whose value is not a scalar on the same line",
            Self::AboveKey => "the marker stands above a key; hint: put it behind the value, on the same line",
            Self::EmptyValue => "the marker stands at an empty value; hint: write a first value",
            Self::Shadowed => "the marker stands above an item that has another comment on its own line",
            Self::CommentBlock => "the marker shares its comment with other lines; hint: put it behind the value",
            Self::Detached => "the marker has no scalar behind which, or directly above which, it stands",
            Self::Root => "the marker stands at a document that is a single scalar",
        })
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary => formatter.write_str("the file has a marker but is binary"),
            Self::NotUtf8 => formatter.write_str("the file has a marker but is not UTF-8"),
            Self::TooLarge { bytes, limit } => {
                write!(
                    formatter,
                    "file too large: it has a marker and {bytes} bytes, at most {limit} are parsed"
                )
            }
            Self::TooDeep => formatter.write_str("the document is nested too deeply to be read"),
            Self::TooManyMarkers { limit } => {
                write!(formatter, "the document has more than {limit} markers")
            }
            Self::Unreadable(words) => write!(
                formatter,
                "the document cannot be parsed: {}",
                one_line(words)
            ),
            Self::MalformedMarker(words) => {
                write!(formatter, "malformed marker: {}", one_line(words))
            }
            Self::UnknownPolicy(policy) => {
                write!(
                    formatter,
                    "policy `{}` is not known or has selected no image",
                    one_line(&policy.to_string())
                )
            }
            Self::OtherNamespace { policy, namespace } => write!(
                formatter,
                "policy `{}` is not in the automation's namespace `{}`",
                one_line(&policy.to_string()),
                one_line(namespace)
            ),
            Self::NoDigest(policy) => write!(
                formatter,
                "policy `{}` has no digest; hint: set its `digestReflectionPolicy`",
                one_line(&policy.to_string())
            ),
            Self::NoValue(policy) => {
                write!(
                    formatter,
                    "the selection of policy `{}` has an empty value here",
                    one_line(&policy.to_string())
                )
            }
            Self::Misplaced(place) => place.fmt(formatter),
            Self::Tagged(tag) => write!(
                formatter,
                "the scalar is tagged `{}`, which is not a string",
                one_line(tag)
            ),
            Self::NotOneLine => {
                formatter.write_str("the block scalar's content is not exactly one line")
            }
            Self::Unrepresentable => {
                formatter.write_str("the new value cannot be written in the scalar's style")
            }
            Self::Template => formatter.write_str("the marked value holds a template action"),
            Self::WouldChangeMore => formatter.write_str(
                "the edit would change more than the marked values; the file was left alone",
            ),
            Self::More(count) => write!(formatter, "{count} more problems in this file"),
        }
    }
}
