//! One page of a tag list, read without keeping it.
//!
//! Invariant: tags go to their reader one by one; an answer that is not the tag list of this
//! repository is an error. What is absent: paging.

use super::error::{AnswerProblem, Words};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Reads a page and hands every tag on. `take` says whether to go on.
///
/// A list may be `null`, which is what some registries write for "no tags", and may be missing when
/// the repository's name is there. The name counts as right when its last segment is: registries
/// behind a path prefix write less, or more, than what was asked for.
///
/// # Errors
/// [`AnswerProblem`] when it is not such a page.
pub(super) fn read(
    body: &[u8],
    repository: &str,
    take: &mut dyn FnMut(&str) -> bool,
) -> Result<(), AnswerProblem> {
    if body.trim_ascii().is_empty() {
        return Err(AnswerProblem::Empty);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let page = Page { take }
        .deserialize(&mut deserializer)
        .and_then(|seen| deserializer.end().map(|()| seen))
        .map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => AnswerProblem::Truncated,
            _ => AnswerProblem::NotJson {
                expected: "tag list",
                line: error.line(),
                column: error.column(),
            },
        })?;
    match page {
        Seen {
            name: Some(name), ..
        } if last_segment(&name) != last_segment(repository) => {
            let name = Words::new(&name, None).as_str().to_owned();
            Err(AnswerProblem::WrongName(name))
        }
        Seen {
            name: None,
            tags: false,
        } => Err(AnswerProblem::NoTags),
        _ => Ok(()),
    }
}

fn last_segment(repository: &str) -> &str {
    repository.rsplit('/').next().unwrap_or_default()
}

/// What was found besides the tags.
struct Seen {
    name: Option<String>,
    tags: bool,
}

/// The whole answer: an object.
struct Page<'t> {
    take: &'t mut dyn FnMut(&str) -> bool,
}

impl<'de> DeserializeSeed<'de> for Page<'_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Page<'_> {
    type Value = Seen;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a tag list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let mut seen = Seen {
            name: None,
            tags: false,
        };
        while let Some(field) = map.next_key::<Cow<'de, str>>()? {
            match field.as_ref() {
                "tags" if seen.tags => return Err(A::Error::duplicate_field("tags")),
                "tags" => {
                    map.next_value_seed(Tags { take: self.take })?;
                    seen.tags = true;
                }
                "name" => {
                    let name: Option<String> = map.next_value()?;
                    seen.name = name.filter(|name| !name.is_empty());
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(seen)
    }
}

/// The list: an array of strings, or null.
struct Tags<'t> {
    take: &'t mut dyn FnMut(&str) -> bool,
}

impl<'de> DeserializeSeed<'de> for Tags<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tags<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of strings")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tags: A) -> Result<(), A::Error> {
        while let Some(Tag(tag)) = tags.next_element::<Tag<'de>>()? {
            if !(self.take)(&tag) {
                return Err(A::Error::custom("enough"));
            }
        }
        Ok(())
    }
}

/// One tag, borrowed from the body where it has no escapes.
#[derive(serde::Deserialize)]
struct Tag<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tags(body: &str) -> Result<Vec<String>, AnswerProblem> {
        let mut found = Vec::new();
        read(body.as_bytes(), "team/app", &mut |tag| {
            found.push(tag.to_owned());
            true
        })?;
        Ok(found)
    }

    #[test]
    fn tag_lists_are_read() {
        for (body, expected) in [
            (
                r#"{"name":"team/app","tags":["1.0","latest"]}"#,
                &["1.0", "latest"][..],
            ),
            (r#"{"tags":["a\u0062c"],"name":"team/app"}"#, &["abc"]),
            (r#"{"name":"team/app","tags":null}"#, &[]),
            (r#"{"name":"team/app","tags":[]}"#, &[]),
            (r#"{"name":"team/app"}"#, &[]),
            (r#"{"tags":["x"]}"#, &["x"]),
            (r#"{"name":null,"tags":["x"]}"#, &["x"]),
            // Registries behind a path, and Google's additional fields.
            (r#"{"name":"app","tags":["x"]}"#, &["x"]),
            (r#"{"name":"proxy/team/app","tags":["x"]}"#, &["x"]),
            (
                r#"{"child":[],"manifest":{"sha256:1":{"tag":["q"]}},"name":"team/app","tags":["x"]}"#,
                &["x"],
            ),
            (" \n{\"name\":\"team/app\",\"tags\":[\"x\"]}\n ", &["x"]),
        ] {
            assert_eq!(tags(body).expect(body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_tag_list_is_an_error() {
        let not_json = |line, column| AnswerProblem::NotJson {
            expected: "tag list",
            line,
            column,
        };
        for (body, problem) in [
            ("", AnswerProblem::Empty),
            (" \r\n", AnswerProblem::Empty),
            ("<html>", not_json(1, 1)),
            ("[]", not_json(1, 0)),
            ("{}", AnswerProblem::NoTags),
            (r#"{"errors":[]}"#, AnswerProblem::NoTags),
            (
                r#"{"name":"team/other","tags":["x"]}"#,
                AnswerProblem::WrongName("team/other".to_owned()),
            ),
            (
                r#"{"name":"team/app","tags":["x""#,
                AnswerProblem::Truncated,
            ),
            (
                r#"{"name":"team/app","tags":["x"]"#,
                AnswerProblem::Truncated,
            ),
            (r#"{"name":"team/app","tags":["x"]}}"#, not_json(1, 33)),
            (r#"{"name":"team/app","tags":"x"}"#, not_json(1, 29)),
            (r#"{"name":"team/app","tags":[1]}"#, not_json(1, 28)),
            (
                r#"{"name":"team/app","tags":["x"],"tags":[]}"#,
                not_json(1, 38),
            ),
        ] {
            assert_eq!(tags(body), Err(problem), "{body}");
        }
        let deep = format!(r#"{{"name":{}"#, "[".repeat(100_000));
        assert!(tags(&deep).is_err());
    }

    proptest! {
        #[test]
        fn no_body_is_too_much(body in "\\PC*|[{}\\[\\]\":,a-z]{0,60}") {
            let _ = tags(&body);
        }

        #[test]
        fn what_was_written_is_read(written in prop::collection::vec("[a-z0-9._-]{1,9}", 0..20)) {
            let body = serde_json::json!({"name": "team/app", "tags": written}).to_string();
            prop_assert_eq!(tags(&body).expect("a page"), written);
        }
    }
}
