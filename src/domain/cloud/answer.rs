//! Reading what clouds answer: fields of JSON, and the words of a refusal.
//!
//! Invariant: what is shown of an answer is short, printable and holds none of the secrets that were
//! sent. What is absent: the meaning of fields, which each cloud's own module knows.

use crate::domain::redact::shown;
use serde_json::Value;
use thiserror::Error;

/// Most letters of a refusal that are shown.
const MOST_WORDS: usize = 400;

/// A successful answer that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// It is not of the form that was expected.
    #[error("the answer is not {0}")]
    NotA(&'static str),
    /// Something is missing in it, or has another form.
    #[error("the answer holds no usable `{0}`")]
    Missing(&'static str),
}

/// Reads JSON.
///
/// # Errors
/// [`AnswerError::NotA`].
pub fn json(body: &[u8]) -> Result<Value, AnswerError> {
    serde_json::from_slice(body).map_err(|_| AnswerError::NotA("JSON"))
}

/// A text that is not empty.
///
/// # Errors
/// [`AnswerError::Missing`].
pub fn text<'a>(answer: &'a Value, field: &'static str) -> Result<&'a str, AnswerError> {
    answer[field]
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or(AnswerError::Missing(field))
}

/// What a refusal says, without `secrets`: the errors of OAuth2, Google, Azure's registries, and of
/// Amazon in JSON and XML. Empty when it says nothing that can be read.
pub fn refusal(body: &[u8], secrets: &[&str]) -> String {
    let found = match serde_json::from_slice::<Value>(body) {
        Ok(value) => json_words(&value),
        Err(_) => xml_words(&String::from_utf8_lossy(body)),
    };
    shown(&found, secrets, MOST_WORDS)
}

fn json_words(answer: &Value) -> String {
    let field = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let first = &answer["errors"][0];
    let (code, message) = if first.is_object() {
        (field(first, "code"), field(first, "message"))
    } else if answer["error"].is_object() {
        let error = &answer["error"];
        (field(error, "status"), field(error, "message"))
    } else if answer["error"].is_string() {
        (field(answer, "error"), field(answer, "error_description"))
    } else {
        let kind = field(answer, "__type");
        let kind = kind.rsplit('#').next().unwrap_or_default().to_owned();
        let message = field(answer, "message") + &field(answer, "Message");
        (kind + &field(answer, "code"), message)
    };
    [code, message]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}

fn xml_words(text: &str) -> String {
    let parts = ["Code", "Message"].map(|name| element(text, name).unwrap_or_default());
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}

/// The text of the first element of that name, in XML that a cloud wrote: no namespaces' prefixes, no
/// attributes, no markup inside.
pub fn element(xml: &str, name: &str) -> Option<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let rest = &xml[xml.find(&open)? + open.len()..];
    let text = &rest[..rest.find(&close)?];
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    let plain = entities
        .iter()
        .fold(text.trim().to_owned(), |text, (entity, letter)| {
            text.replace(entity, letter)
        });
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_in_the_clouds_words() {
        for (body, expected) in [
            (
                r#"{"error":"invalid_client","error_description":"AADSTS700016: Application not found.\r\nTrace ID: 1"}"#,
                "invalid_client: AADSTS700016: Application not found. Trace ID: 1",
            ),
            (
                r#"{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}"#,
                "PERMISSION_DENIED: Permission denied",
            ),
            (
                r#"{"__type":"com.amazonaws.ecr#AccessDeniedException","Message":"not authorized to perform ecr:GetAuthorizationToken"}"#,
                "AccessDeniedException: not authorized to perform ecr:GetAuthorizationToken",
            ),
            (
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
                "UNAUTHORIZED: authentication required",
            ),
            (
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\n<Message>Not authorized to &quot;assume&quot;</Message></Error></ErrorResponse>",
                "AccessDenied: Not authorized to \"assume\"",
            ),
            ("<html>proxy</html>", ""),
            ("[]", ""),
            ("", ""),
        ] {
            assert_eq!(refusal(body.as_bytes(), &[]), expected);
        }
    }

    #[test]
    fn a_refusal_is_short_and_holds_no_secret() {
        let body = format!(
            r#"{{"error":"no","error_description":"the token planted-secret {}"}}"#,
            "é".repeat(1_000)
        );
        let words = refusal(body.as_bytes(), &["planted-secret", ""]);
        assert!(words.starts_with("no: the token *** é"), "{words}");
        assert_eq!(words.chars().count(), MOST_WORDS + 1);
    }
}
