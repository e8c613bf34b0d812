//! Decides what one marked scalar becomes.
//!
//! Invariant: an [`Edit`] replaces bytes that were checked to be the scalar's by text without a line break.

use super::Selections;
use super::located::{Marked, Scalar};
use crate::domain::change::ProblemKind;
use crate::domain::image::ImageRef;
use crate::domain::marker::{Marker, Part};
use crate::domain::yaml::scalar::{Encoded, Surroundings, encode};
use crate::domain::yaml::{template, transcript};
use granit_parser::ScalarStyle;
use std::ops::Range;

/// One replacement in a document.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    /// The bytes that go.
    pub(super) span: Range<usize>,
    /// What comes in their place.
    pub(super) text: String,
    /// Where the transcript has the scalar's value and style.
    pub(super) entry: Range<usize>,
    /// What the transcript has there afterwards.
    pub(super) after: Vec<u8>,
    /// The value that goes; of a block scalar its one line.
    pub(super) old: &'a str,
    /// The value that comes.
    pub(super) new: String,
}

/// What becomes of a marked scalar; `None` when it has its value already.
pub(super) fn decide<'a>(
    source: &str,
    marked: &'a Marked<'_>,
    selections: &Selections,
) -> Result<Option<Edit<'a>>, ProblemKind> {
    let new = wanted(&marked.marker, selections)?;
    let scalar = &marked.scalar;
    let written = source.get(scalar.span.clone()).unwrap_or_default();
    if marked.hidden || template::has_actions(written) {
        return Err(ProblemKind::Template);
    }
    let content = content(scalar)?;
    if content == new {
        return Ok(None);
    }
    let surroundings = surroundings(scalar)?;
    let odd = if scalar.is_block() {
        ProblemKind::NotOneLine
    } else {
        ProblemKind::Unrepresentable
    };
    let span = checked_span(source, scalar, content).ok_or(odd)?;
    let Encoded { text, style } =
        encode(&new, scalar.style, surroundings).ok_or(ProblemKind::Unrepresentable)?;
    let mut after = Vec::new();
    transcript::scalar(&mut after, &scalar.value.replacen(content, &new, 1), style);
    Ok(Some(Edit {
        span,
        text,
        entry: scalar.entry.clone(),
        after,
        old: content,
        new,
    }))
}

/// What a marker asks for.
fn wanted(marker: &Marker, selections: &Selections) -> Result<String, ProblemKind> {
    let policy = &marker.policy;
    let image = match selections.get(policy) {
        Some(image) => image,
        None if policy.namespace != selections.namespace() => {
            return Err(ProblemKind::OtherNamespace {
                policy: policy.clone(),
                namespace: selections.namespace().to_owned(),
            });
        }
        None => return Err(ProblemKind::UnknownPolicy(policy.clone())),
    };
    let value = part(image, marker.part).ok_or_else(|| ProblemKind::NoDigest(policy.clone()))?;
    let complete = !value.is_empty()
        && (marker.part != Part::Reference || !(image.name.is_empty() || image.tag.is_empty()));
    if complete {
        Ok(value)
    } else {
        Err(ProblemKind::NoValue(policy.clone()))
    }
}

/// `None` only for a missing digest.
fn part(image: &ImageRef, part: Part) -> Option<String> {
    match part {
        Part::Reference => Some(image.to_string()),
        Part::Tag => Some(image.tag.clone()),
        Part::Name => Some(image.name.clone()),
        Part::Digest => image.digest.clone().filter(|digest| !digest.is_empty()),
    }
}

/// The part of the value that is set: all of it; of a block scalar its one line, so that its chomping stays the author's.
fn content<'a>(scalar: &'a Scalar<'_>) -> Result<&'a str, ProblemKind> {
    if !scalar.is_block() {
        return Ok(&scalar.value);
    }
    let line = scalar.value.trim_matches('\n');
    if line.is_empty() || line.contains('\n') {
        return Err(ProblemKind::NotOneLine);
    }
    Ok(line)
}

/// How the scalar may be written, by its tag: an image reference is no value of YAML's other types.
fn surroundings(scalar: &Scalar<'_>) -> Result<Surroundings, ProblemKind> {
    let suffix = scalar
        .tag
        .as_ref()
        .and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
    match suffix {
        Some(suffix) if suffix != "str" => Err(ProblemKind::Tagged(format!("!!{suffix}"))),
        suffix => Ok(Surroundings {
            flow: scalar.flow,
            tagged_string: suffix.is_some(),
        }),
    }
}

/// The bytes to replace, once they are seen to be what the parser says they are.
fn checked_span(source: &str, scalar: &Scalar<'_>, content: &str) -> Option<Range<usize>> {
    let span = scalar.span.clone();
    let written = source.get(span.clone())?;
    let quoted_by =
        |quote: char| written.len() >= 2 && written.starts_with(quote) && written.ends_with(quote);
    let as_expected = match scalar.style {
        ScalarStyle::SingleQuoted => quoted_by('\''),
        ScalarStyle::DoubleQuoted => quoted_by('"'),
        // Folded over several lines, the text is not the value; its ends are still its own.
        ScalarStyle::Plain if written.contains(['\n', '\r']) => written.trim() == written,
        ScalarStyle::Plain => written == content,
        ScalarStyle::Literal | ScalarStyle::Folded => {
            let rest = written.strip_prefix(content)?;
            let line = span.start..span.start + content.len();
            return (rest.is_empty() || rest.starts_with(['\n', '\r'])).then_some(line);
        }
    };
    (as_expected && !written.is_empty()).then_some(span)
}
