//! The setter marker: the comment that ties one YAML scalar to an image policy.
//!
//! A marker is a comment whose whole text, after its leading `#`s, is one JSON object of strings with the key
//! `$imagepolicy` and the value `<namespace>:<policy>[:tag|:name|:digest]`. The older kyaml form
//! `{"$ref":"#/definitions/io.k8s.cli.setters.<namespace>:<policy>[..]}"` is read too. The grammar is Flux's, as strict as Flux.
//!
//! Invariant: a comment that a person plainly meant as a marker is either a [`Marker`] or a [`MarkerError`], never silence.
//! What is absent: where a marker may stand ([`crate::domain::rewrite`] knows).

use crate::domain::object::ObjectKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a file must contain before it is worth parsing.
pub const TOKEN: &str = "$imagepolicy";
/// What starts the setter's name in the older kyaml form.
const REFERENCE_PREFIX: &str = "#/definitions/io.k8s.cli.setters.";
/// What a document of the older form must contain before it is worth parsing.
pub const REFERENCE_TOKEN: &str = "io.k8s.cli.setters.";

/// Names one ImagePolicy, as markers do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PolicyKey {
    /// The policy's namespace.
    pub namespace: String,
    /// The policy's name; may hold dots.
    pub name: String,
}

impl PolicyKey {
    /// Names a policy.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl From<ObjectKey> for PolicyKey {
    fn from(key: ObjectKey) -> Self {
        Self::new(key.namespace, key.name)
    }
}

/// `namespace:name`, as in a marker.
impl fmt::Display for PolicyKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.namespace, self.name)
    }
}

/// Which part of the selected image the scalar takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// `name:tag`, with `@digest` where the policy has one.
    Reference,
    /// The tag alone.
    Tag,
    /// The name alone.
    Name,
    /// The digest alone.
    Digest,
}

/// A well-formed marker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    /// The policy whose selection the scalar follows.
    pub policy: PolicyKey,
    /// The part of the selection the scalar takes.
    pub part: Part,
}

/// `namespace:policy[:part]`, as written in the comment.
impl fmt::Display for Marker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.part {
            Part::Reference => "",
            Part::Tag => ":tag",
            Part::Name => ":name",
            Part::Digest => ":digest",
        };
        write!(formatter, "{}{suffix}", self.policy)
    }
}

/// Why a comment that names `$imagepolicy` is not a marker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// Words stand before the JSON object.
    #[error("the comment does not start with its JSON object")]
    WordsBefore,
    /// The comment's text is not one JSON object, or more than that.
    #[error("the comment is not one JSON object: {0}")]
    NotJson(String),
    /// A value of the object is not a string.
    #[error("the JSON object holds a value that is not a string")]
    NotStrings,
    /// The value is not `<namespace>:<policy>[:part]`.
    #[error("`{0}` is not `<namespace>:<policy>`, optionally with `:tag`, `:name` or `:digest`")]
    Value(String),
    /// The third part is none of the known ones.
    #[error("`:{0}` is none of `:tag`, `:name` and `:digest`")]
    UnknownPart(String),
}

impl Marker {
    /// Reads a comment's text, given from its first `#` on and without its line break.
    ///
    /// `None`: not a marker, and nobody meant one.
    pub fn from_comment(comment: &str) -> Option<Result<Self, MarkerError>> {
        if !comment.contains(TOKEN) && !comment.contains(REFERENCE_TOKEN) {
            return None;
        }
        let text = comment.trim_start_matches('#');
        if !text.trim_start().starts_with('{') {
            return comment
                .contains("\"$imagepolicy\"")
                .then_some(Err(MarkerError::WordsBefore));
        }
        let object = match object_of_strings(text) {
            Ok(object) => object,
            // Another tool's comment in the older form is not ours to complain about.
            Err(error) => return comment.contains(TOKEN).then_some(Err(error)),
        };
        match (object.get(TOKEN), object.get("$ref")) {
            (Some(value), _) => Some(Self::from_value(value)),
            (None, Some(reference)) => {
                let value = reference.strip_prefix(REFERENCE_PREFIX)?;
                // Without a colon it is one of kpt's own setters.
                value.contains(':').then(|| Self::from_value(value))
            }
            (None, None) => None,
        }
    }

    /// Reads `<namespace>:<policy>[:tag|:name|:digest]`.
    ///
    /// # Errors
    /// [`MarkerError::Value`] and [`MarkerError::UnknownPart`].
    pub fn from_value(value: &str) -> Result<Self, MarkerError> {
        let malformed = || MarkerError::Value(clip(value));
        let mut parts = value.splitn(3, ':');
        let namespace = parts.next().unwrap_or_default();
        let name = parts.next().ok_or_else(malformed)?;
        let part = match parts.next() {
            None => Part::Reference,
            Some("tag") => Part::Tag,
            Some("name") => Part::Name,
            Some("digest") => Part::Digest,
            Some(other) => return Err(MarkerError::UnknownPart(clip(other))),
        };
        let plausible = |text: &str| {
            !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if !plausible(namespace) || !plausible(name) {
            return Err(malformed());
        }
        Ok(Self {
            policy: PolicyKey::new(namespace, name),
            part,
        })
    }
}

/// Reads what Go's `encoding/json` reads into a `map[string]string`: `null` counts as an empty string there.
fn object_of_strings(text: &str) -> Result<BTreeMap<String, String>, MarkerError> {
    match serde_json::from_str::<BTreeMap<String, Option<String>>>(text) {
        Ok(object) => Ok(object
            .into_iter()
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .collect()),
        Err(error) if error.is_data() => Err(MarkerError::NotStrings),
        Err(error) => Err(MarkerError::NotJson(error.to_string())),
    }
}

/// Keeps what a repository's author wrote short enough for a status condition, and on one line.
fn clip(text: &str) -> String {
    text.chars()
        .take(80)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(namespace: &str, name: &str, part: Part) -> Option<Result<Marker, MarkerError>> {
        Some(Ok(Marker {
            policy: PolicyKey::new(namespace, name),
            part,
        }))
    }

    #[test]
    fn a_marker_is_one_json_object_after_the_hashes() {
        for (comment, part) in [
            (r##"# {"$imagepolicy": "ns:app"}"##, Part::Reference),
            (r##"#{"$imagepolicy":"ns:app"}"##, Part::Reference),
            (r##"###   { "$imagepolicy" : "ns:app:tag" }  "##, Part::Tag),
            ("#\t{\"$imagepolicy\":\t\"ns:app:name\"}\t", Part::Name),
            (
                r##"# {"$imagepolicy": "ns:app:digest", "why": "pinned"}"##,
                Part::Digest,
            ),
            (
                r##"# {"other": null, "$imagepolicy": "ns:app"}"##,
                Part::Reference,
            ),
            (
                r##"# {"$imagepolicy": "x:y", "$imagepolicy": "ns:app"}"##,
                Part::Reference,
            ),
            (
                r##"# {"$ref":"#/definitions/io.k8s.cli.setters.ns:app:tag"}"##,
                Part::Tag,
            ),
            (
                r##"# {"$ref":"#/definitions/io.k8s.cli.setters.ns:app"}"##,
                Part::Reference,
            ),
        ] {
            assert_eq!(
                Marker::from_comment(comment),
                marker("ns", "app", part),
                "{comment}"
            );
        }
        assert_eq!(
            Marker::from_comment(r##"# {"$imagepolicy": "flux-system:app.v2.x"}"##),
            marker("flux-system", "app.v2.x", Part::Reference)
        );
    }

    #[test]
    fn other_comments_are_not_markers() {
        for comment in [
            "# words",
            "#",
            "",
            "# see $imagepolicy in the manual",
            r##"# {"$kpt-set": "image"}"##,
            r##"# {"$ref":"#/definitions/io.k8s.cli.setters.replicas"}"##,
            r##"# {"$ref":"#/definitions/io.k8s.cli.substitutions.ns:app"}"##,
            r##"# {"$ref": 5, "x": "io.k8s.cli.setters."}"##,
            r##"# {"note": "like $imagepolicy"}"##,
            "# image: a:1 # {$imagepolicy: x}",
        ] {
            assert_eq!(Marker::from_comment(comment), None, "{comment}");
        }
    }

    #[test]
    fn what_was_meant_as_a_marker_says_what_is_wrong() {
        let json = |comment: &str| match Marker::from_comment(comment) {
            Some(Err(MarkerError::NotJson(_))) => "not json",
            Some(Err(MarkerError::NotStrings)) => "not strings",
            Some(Err(MarkerError::Value(_))) => "value",
            Some(Err(MarkerError::UnknownPart(_))) => "part",
            Some(Err(MarkerError::WordsBefore)) => "words",
            Some(Ok(_)) => "marker",
            None => "nothing",
        };
        for (comment, expected) in [
            (r##"# {"$imagepolicy": "ns:app"} do not edit"##, "not json"),
            (r##"# {'$imagepolicy': 'ns:app'}"##, "not json"),
            (r##"# {$imagepolicy: ns:app}"##, "not json"),
            (r##"# {"$imagepolicy": "ns:app""##, "not json"),
            (r##"# {"$imagepolicy": "ns:app",}"##, "not json"),
            ("#\u{a0}{\"$imagepolicy\": \"ns:app\"}", "not json"),
            (r##"# {"$imagepolicy": 5}"##, "not strings"),
            (r##"# {"$imagepolicy": "ns:app", "n": 1}"##, "not strings"),
            (r##"# {"$imagepolicy": {"ns": "app"}}"##, "not strings"),
            (r##"# {"$imagepolicy": "app"}"##, "value"),
            (r##"# {"$imagepolicy": ""}"##, "value"),
            (r##"# {"$imagepolicy": null}"##, "value"),
            (r##"# {"$imagepolicy": ":app"}"##, "value"),
            (r##"# {"$imagepolicy": "ns:"}"##, "value"),
            (r##"# {"$imagepolicy": " ns:app"}"##, "value"),
            (r##"# {"$imagepolicy": "ns:app "}"##, "value"),
            (r##"# {"$imagepolicy": "ns:app:"}"##, "part"),
            (r##"# {"$imagepolicy": "ns:app:tags"}"##, "part"),
            (r##"# {"$imagepolicy": "ns:app:tag:x"}"##, "part"),
            (r##"# {"$imagepolicy": "ns:app:Tag"}"##, "part"),
            (r##"# keep {"$imagepolicy": "ns:app"}"##, "words"),
            (r##"# # {"$imagepolicy": "ns:app"}"##, "words"),
        ] {
            assert_eq!(json(comment), expected, "{comment}");
        }
    }

    #[test]
    fn a_marker_prints_as_it_is_written() {
        for value in ["ns:app", "ns:app:tag", "ns:app:name", "ns:a.b:digest"] {
            assert_eq!(
                Marker::from_value(value).map(|m| m.to_string()),
                Ok(value.to_owned())
            );
        }
    }

    #[test]
    fn a_hostile_value_is_clipped_in_the_error() {
        let value = format!("{}\n", "x".repeat(10_000));
        let Err(error) = Marker::from_value(&value) else {
            panic!("a value without a colon is no marker");
        };
        assert!(error.to_string().len() < 300, "{error}");
        assert!(!error.to_string().contains('\n'));
    }
}
