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
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum ProblemKind {
    /// The file holds NUL bytes.
    #[error("the file has a marker but is binary")]
    Binary,
    /// The file is not UTF-8 here.
    #[error("the file has a marker but is not UTF-8")]
    NotUtf8,
    /// The file has a marker but is too large to be parsed; sizes in bytes.
    #[error("file too large: it has a marker and {bytes} bytes, at most {limit} are parsed")]
    TooLarge {
        /// The file's size.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// The file was not looked at, so that nobody knows whether it has a marker; why.
    #[error("the file was not searched for markers: {}", one_line(.0))]
    NotSearched(String),
    /// Collections are nested deeper than is read.
    #[error("the document is nested too deeply to be read")]
    TooDeep,
    /// The document has more markers than are looked at.
    #[error("the document has more than {limit} markers")]
    TooManyMarkers {
        /// How many are looked at.
        limit: usize,
    },
    /// The document does not parse; the parser's words.
    #[error("the document cannot be parsed: {}", one_line(.0))]
    Unreadable(String),
    /// The comment was meant as a marker but is none; what is wrong with it.
    #[error("malformed marker: {}", one_line(.0))]
    MalformedMarker(String),
    /// No policy of this name is known, or it has selected nothing yet.
    #[error("policy `{}` is not known or has selected no image", one_line(&.0.to_string()))]
    UnknownPolicy(PolicyKey),
    /// The policy belongs to another namespace than the automation.
    #[error("policy `{}` is not in the automation's namespace `{}`", one_line(&.policy.to_string()), one_line(.namespace))]
    OtherNamespace {
        /// The marker's policy.
        policy: PolicyKey,
        /// The automation's namespace.
        namespace: String,
    },
    /// The marker asks for a digest, and the policy has none.
    #[error("policy `{}` has no digest; hint: set its `digestReflectionPolicy`", one_line(&.0.to_string()))]
    NoDigest(PolicyKey),
    /// The marker's part of the selection is empty.
    #[error("the selection of policy `{}` has an empty value here", one_line(&.0.to_string()))]
    NoValue(PolicyKey),
    /// The marker does not stand at a scalar value.
    #[error("{0}")]
    Misplaced(Place),
    /// The scalar has a tag (given) that no image reference is a value of.
    #[error("the scalar is tagged `{}`, which is not a string", one_line(.0))]
    Tagged(String),
    /// The scalar is a block scalar whose content is not one line.
    #[error("the block scalar's content is not exactly one line")]
    NotOneLine,
    /// The scalar's style cannot hold the new value.
    #[error("the new value cannot be written in the scalar's style")]
    Unrepresentable,
    /// The scalar holds a template action or variable.
    #[error("the marked value holds a template action")]
    Template,
    /// Reading the edited file again showed that more than the marked scalars would change. A bug, or a file that is read
    /// differently than expected; nothing was changed.
    #[error("the edit would change more than the marked values; the file was left alone")]
    WouldChangeMore,
    /// Further problems of this file were left out.
    #[error("{0} more problems in this file")]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: Option<usize>, column: Option<usize>, kind: ProblemKind) -> String {
        let file = "apps/web.yaml".to_owned();
        Problem {
            file,
            line,
            column,
            kind,
        }
        .to_string()
    }

    #[test]
    fn a_problem_says_where_and_what_on_one_line() {
        assert_eq!(
            problem(Some(12), Some(3), ProblemKind::Template),
            "apps/web.yaml:12:3: the marked value holds a template action"
        );
        assert_eq!(
            problem(Some(12), None, ProblemKind::TooDeep),
            "apps/web.yaml:12: the document is nested too deeply to be read"
        );
        assert_eq!(
            problem(None, Some(3), ProblemKind::More(7)),
            "apps/web.yaml: 7 more problems in this file"
        );
        let policy = PolicyKey::new("team", "app");
        let namespace = "flux-system".to_owned();
        assert_eq!(
            problem(
                None,
                None,
                ProblemKind::OtherNamespace { policy, namespace }
            ),
            "apps/web.yaml: policy `team:app` is not in the automation's namespace `flux-system`"
        );
    }

    #[test]
    fn words_from_a_repository_stay_on_their_line() {
        let hostile = "a\nb\u{2028}c".repeat(1_000);
        for kind in [
            ProblemKind::Unreadable(hostile.clone()),
            ProblemKind::MalformedMarker(hostile.clone()),
            ProblemKind::Tagged(hostile.clone()),
            ProblemKind::UnknownPolicy(PolicyKey::new(hostile.clone(), hostile.clone())),
        ] {
            let words = problem(Some(1), Some(1), kind);
            assert!(words.len() < 1_500, "{}", words.len());
            assert!(!words.contains(['\n', '\u{2028}']), "{words}");
        }
    }

    #[test]
    fn only_another_namespace_is_no_fault() {
        let policy = PolicyKey::new("team", "app");
        let namespace = "flux-system".to_owned();
        assert!(!ProblemKind::UnknownPolicy(policy.clone()).is_foreign());
        assert!(ProblemKind::OtherNamespace { policy, namespace }.is_foreign());
    }

    #[test]
    fn a_problem_survives_being_written_as_json() {
        let problem = Problem {
            file: "f".to_owned(),
            line: Some(1),
            column: None,
            kind: ProblemKind::Misplaced(Place::AboveKey),
        };
        let json = serde_json::to_value(&problem).expect("a problem has only text and numbers");
        assert_eq!(
            json,
            serde_json::json!({"file": "f", "line": 1, "kind": {"misplaced": "aboveKey"}})
        );
        assert_eq!(serde_json::from_value::<Problem>(json).ok(), Some(problem));
    }
}
