//! Reading an answer's body up to a bound.
//!
//! Invariant: never more than the bound plus one network read in memory, however the body is sent,
//! compressed or endless. What is absent: a timeout, which the whole operation has.

use super::error::{AnswerProblem, RegistryError, Words};
use crate::adapters::outbound;
use reqwest::Response;
use serde_json::Value;
use std::error::Error;
use std::time::Duration;

/// Most of an error's body that is read, in bytes.
const ERROR_BODY: usize = 16 * 1024;

/// How long an error's body may take; its status alone is worth more than waiting.
const ERROR_BODY_TIME: Duration = Duration::from_secs(3);

/// The whole body.
///
/// # Errors
/// [`AnswerProblem::TooLarge`] beyond `limit` bytes, [`AnswerProblem::Truncated`] when it stops early.
pub(super) async fn read(
    mut response: Response,
    host: &str,
    limit: usize,
) -> Result<Vec<u8>, RegistryError> {
    read_from(&mut response, host, limit).await
}

/// The whole body of an answer whose head is still wanted.
///
/// # Errors
/// As [`read`].
pub(super) async fn read_from(
    response: &mut Response,
    host: &str,
    limit: usize,
) -> Result<Vec<u8>, RegistryError> {
    let problem = |problem| RegistryError::Answer {
        host: host.to_owned(),
        problem,
    };
    match outbound::read(response, limit).await {
        Ok(Some(body)) => Ok(body),
        Ok(None) => Err(problem(AnswerProblem::TooLarge { limit })),
        Err(_) => Err(problem(AnswerProblem::Truncated)),
    }
}

/// What an error's body says, as far as it comes soon and can be read.
pub(super) async fn words(response: Response, secret: Option<&str>) -> Words {
    let is_text = response
        .headers()
        .get(reqwest::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/plain"));
    let body = tokio::time::timeout(ERROR_BODY_TIME, read_start(response))
        .await
        .unwrap_or_default();
    let text = match serde_json::from_slice::<Value>(&body) {
        Ok(json) => json_words(&json),
        Err(_) if is_text => String::from_utf8_lossy(&body).into_owned(),
        Err(_) => String::new(),
    };
    Words::new(&text, secret)
}

/// The first bytes of a body, whether or not more follow.
async fn read_start(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(ERROR_BODY - body.len())]);
        if body.len() >= ERROR_BODY {
            break;
        }
    }
    body
}

/// The readable part of the distribution API's `errors`, of OAuth2's `error_description`, or of the
/// `details` and `message` that token servers use.
fn json_words(json: &Value) -> String {
    let field = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    if let Some(errors) = json["errors"].as_array() {
        let words: Vec<_> = errors
            .iter()
            .take(3)
            .map(
                |error| match (field(error, "code"), field(error, "message")) {
                    (code, message) if code.is_empty() || message.is_empty() => code + &message,
                    (code, message) => format!("{code}: {message}"),
                },
            )
            .collect();
        return words.join("; ");
    }
    ["error_description", "details", "message", "error"]
        .iter()
        .map(|name| field(json, name))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// A failed request as an error: what the innermost layers say, without the URL.
pub(super) fn unreachable(host: &str, error: reqwest::Error) -> RegistryError {
    let error = error.without_url();
    let mut reason = String::new();
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Outer layers often repeat the inner one's text.
        if !reason.contains(&text) {
            if !reason.is_empty() {
                reason.push_str(": ");
            }
            reason.push_str(&text);
        }
        source = cause.source();
    }
    if reason.is_empty() {
        reason = error.to_string();
    }
    RegistryError::Unreachable {
        host: host.to_owned(),
        reason: Words::new(&reason, None).as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_words_of_registries_and_token_servers_are_found() {
        for (body, words) in [
            // The distribution specification's form.
            (
                json!({"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry", "detail": {"name": "x"}}]}),
                "NAME_UNKNOWN: repository name not known to registry",
            ),
            (
                json!({"errors": [{"code": "DENIED"}, {"message": "no"}, 7, {"code": "never shown"}]}),
                "DENIED; no; ",
            ),
            // OAuth2, RFC 6749 section 5.2.
            (
                json!({"error": "invalid_grant", "error_description": "expired"}),
                "expired",
            ),
            (json!({"error": "invalid_grant"}), "invalid_grant"),
            // Docker Hub's token server.
            (
                json!({"details": "incorrect username or password"}),
                "incorrect username or password",
            ),
            (json!([1, 2]), ""),
            (json!("text"), ""),
        ] {
            assert_eq!(json_words(&body), words, "{body}");
        }
    }
}
