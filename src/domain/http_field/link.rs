//! The next page of a paged answer: the `Link` field of RFC 8288.
//!
//! Invariant: a field that cannot be read is an error and never "no next page", because a listing
//! that stops too early would look complete. What is absent: resolving the target and deciding
//! whether it may be followed.

use super::{Reader, is_blank, is_token};
use thiserror::Error;

/// Longest target that is followed, in bytes. Opaque cursors of real registries stay below 2 kB.
pub const LONGEST_TARGET: usize = 8 * 1024;

/// Why a `Link` field cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// It does not follow `<target>; name=value`.
    #[error("the `Link` field is malformed")]
    Malformed,
    /// The field or its target is longer than [`LONGEST_TARGET`].
    #[error("the `Link` field is longer than {LONGEST_TARGET} bytes")]
    TooLong,
}

/// The target of the first link whose relation is `next`, as it is written.
///
/// A link without any relation counts as `next`: there are registries that write only the target.
///
/// # Errors
/// [`LinkError`] when a field cannot be read to its end.
pub fn next_link<'a>(
    fields: impl IntoIterator<Item = &'a str>,
) -> Result<Option<String>, LinkError> {
    let mut next = None;
    for field in fields {
        if field.len() > LONGEST_TARGET {
            return Err(LinkError::TooLong);
        }
        let mut reader = Reader::new(field);
        loop {
            reader.skip(|byte| byte == b',' || is_blank(byte));
            if reader.at_end() {
                break;
            }
            let (target, is_next) = read_link(&mut reader)?;
            if is_next && next.is_none() && !target.is_empty() {
                next = Some(target);
            }
        }
    }
    Ok(next)
}

/// One `<target>` with its parameters, and whether its relation is `next`.
fn read_link(reader: &mut Reader<'_>) -> Result<(String, bool), LinkError> {
    if !reader.take_byte(b'<') {
        return Err(LinkError::Malformed);
    }
    let target = reader.take(|byte| byte != b'>').trim().to_owned();
    if !reader.take_byte(b'>') {
        return Err(LinkError::Malformed);
    }
    let mut relation = None;
    loop {
        reader.skip(is_blank);
        if !reader.take_byte(b';') {
            break;
        }
        reader.skip(is_blank);
        let (name, value) = read_parameter(reader)?;
        // Only the first `rel` counts, RFC 8288 section 3.3.
        if name == "rel" && relation.is_none() {
            relation = Some(value);
        }
    }
    if !reader.at_end() && reader.peek() != Some(b',') {
        return Err(LinkError::Malformed);
    }
    let is_next = relation.is_none_or(|relation: String| {
        relation
            .split_ascii_whitespace()
            .any(|word| word.eq_ignore_ascii_case("next"))
    });
    Ok((target, is_next))
}

/// `name`, `name=value` or `name="value"`; an empty name is a stray semicolon.
fn read_parameter(reader: &mut Reader<'_>) -> Result<(String, String), LinkError> {
    let name = reader.take(is_token).to_ascii_lowercase();
    reader.skip(is_blank);
    if !reader.take_byte(b'=') {
        return Ok((name, String::new()));
    }
    reader.skip(is_blank);
    let value = if reader.take_byte(b'"') {
        reader.take_quoted().ok_or(LinkError::Malformed)?
    } else {
        reader
            .take(|byte| byte != b',' && byte != b';' && !is_blank(byte))
            .to_owned()
    };
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_next_page_is_found() {
        for (field, target) in [
            (
                r#"</v2/app/tags/list?n=1000&last=v9>; rel="next""#,
                Some("/v2/app/tags/list?n=1000&last=v9"),
            ),
            (
                "<https://r.example/x?a=1,2;3>; rel=next",
                Some("https://r.example/x?a=1,2;3"),
            ),
            (
                r#"</a>; rel="prev", </b>; title="x, y"; rel="next""#,
                Some("/b"),
            ),
            (r#"</a>; rel="first NEXT""#, Some("/a")),
            (r#"</a>;rel=next;rel=prev"#, Some("/a")),
            (r#"</a>; rel=prev; rel=next"#, None),
            ("</a>", Some("/a")),
            ("</a>;", Some("/a")),
            (r#"</a>; rel="last""#, None),
            (r#"<>; rel="next""#, None),
            ("", None),
            (" , ", None),
        ] {
            assert_eq!(
                next_link([field]).expect(field).as_deref(),
                target,
                "{field}"
            );
        }
        assert_eq!(
            next_link(["</a>; rel=prev", "</b>; rel=next"]),
            Ok(Some("/b".to_owned()))
        );
        assert_eq!(next_link([]), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_is_not_the_end_of_the_list() {
        for field in [
            "garbage",
            "</a",
            r#"</a>; rel="next"#,
            "</a> rel=next",
            "/a; rel=next",
        ] {
            assert_eq!(next_link([field]), Err(LinkError::Malformed), "{field}");
        }
        let long = format!("</{}>; rel=next", "x".repeat(LONGEST_TARGET));
        assert_eq!(next_link([long.as_str()]), Err(LinkError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(field in "\\PC*|[a-z\"=,;<>\\\\ é]{0,64}") {
            let _ = next_link([field.as_str()]);
        }
    }
}
