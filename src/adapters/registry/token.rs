//! Asking a token server for the right to read one repository.
//!
//! Invariant: a refused login is an error here, never a request that goes on without it; redirects of a
//! token server are not followed, because they would carry the login along. What is absent: whether
//! the server may be asked at all (`origin`), and keeping the token (`token_cache`).

use super::answer::{Question, success};
use super::body::{read, unreachable};
use super::error::{AnswerProblem, RegistryError};
use super::token_cache::Granted;
use crate::domain::docker_config::Credentials;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;
use std::time::Duration;
use url::form_urlencoded::Serializer;

/// Largest answer of a token server, in bytes. Tokens are a few kilobytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// How long a token is good when the server does not say, by the distribution project's specification.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

/// Longest lifetime that is believed.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What the token server is told about who asks.
const CLIENT_ID: &str = "highwater";

/// A question to a token server.
pub(super) struct TokenRequest<'a> {
    /// The pool to ask through.
    pub(super) client: &'a Client,
    /// The token server, already judged safe.
    pub(super) realm: Url,
    /// The registry's name for itself.
    pub(super) service: Option<&'a str>,
    /// What is to be read.
    pub(super) repository: &'a str,
    /// As whom.
    pub(super) credentials: &'a Credentials,
}

/// The fields of an answer that count.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
    #[serde(default)]
    issued_at: Option<serde_json::Value>,
}

impl TokenRequest<'_> {
    /// Asks, and gives the token with the time for which it may be kept.
    ///
    /// # Errors
    /// Whatever [`RegistryError`] says of the token server.
    pub(super) async fn send(self) -> Result<Granted, RegistryError> {
        let host = authority(&self.realm);
        let sent = self.built().send().await;
        let response = sent.map_err(|error| unreachable(&host, error))?;
        let question = Question {
            host: &host,
            what: "the token server",
            credentials: self.credentials,
        };
        let response = success(response, question).await?;
        let body = read(response, &host, LARGEST_ANSWER).await?;
        granted(&body, Timestamp::now()).map_err(|problem| RegistryError::Answer { host, problem })
    }

    /// GET with an optional login; for an identity token the OAuth2 form, which is the only one that
    /// takes it.
    fn built(&self) -> RequestBuilder {
        let scope = format!("repository:{}:pull", self.repository);
        let service = self.service.map(|service| ("service", service));
        let asked = service.into_iter().chain([("scope", scope.as_str())]);
        if let Credentials::IdentityToken(token) = self.credentials {
            let form = Serializer::new(String::new())
                .extend_pairs(asked)
                .append_pair("grant_type", "refresh_token")
                .append_pair("client_id", CLIENT_ID)
                .append_pair("refresh_token", token.expose())
                .finish();
            return self
                .client
                .post(self.realm.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form);
        }
        let mut url = self.realm.clone();
        url.query_pairs_mut().extend_pairs(asked);
        let Credentials::Basic { username, password } = self.credentials else {
            return self.client.get(url);
        };
        url.query_pairs_mut().append_pair("account", username);
        let login = basic(username, password.expose());
        self.client.get(url).header(AUTHORIZATION, login)
    }
}

/// Reads an answer.
fn granted(body: &[u8], now: Timestamp) -> Result<Granted, AnswerProblem> {
    if body.trim_ascii().is_empty() {
        return Err(AnswerProblem::Empty);
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|error| AnswerProblem::NotJson {
        expected: "token",
        line: error.line(),
        column: error.column(),
    })?;
    let token = [answer.token, answer.access_token]
        .into_iter()
        .flatten()
        .find(|token| !token.is_empty())
        .and_then(|token| bearer(&token))
        .ok_or(AnswerProblem::NoToken)?;
    let lifetime = answer
        .expires_in
        .and_then(|seconds| seconds.as_f64())
        .map_or(DEFAULT_LIFETIME, |seconds| {
            Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST_LIFETIME)
        });
    let issued = answer
        .issued_at
        .and_then(|text| text.as_str()?.parse::<Timestamp>().ok());
    Ok(Granted {
        token,
        lifetime: remaining(lifetime, issued, now),
    })
}

/// How long a token may be kept: what is left of its life, less a tenth as a margin for the way to the
/// registry and for clocks that differ.
fn remaining(lifetime: Duration, issued: Option<Timestamp>, now: Timestamp) -> Duration {
    let age = issued
        .and_then(|issued| Duration::try_from(now.duration_since(issued)).ok())
        .unwrap_or(Duration::ZERO);
    lifetime.min(LONGEST_LIFETIME).saturating_sub(age) / 10 * 9
}

/// A bearer token as a header; `None` when no header can carry it.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// User name and password as RFC 7617 writes them.
pub(super) fn basic(username: &str, password: &str) -> HeaderValue {
    let encoded = BASE64_STANDARD.encode(format!("{username}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))
        .expect("base64 has only visible ASCII characters");
    value.set_sensitive(true);
    value
}

/// Host and port of a URL, for messages.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-23T03:00:00Z".parse().expect("a timestamp")
    }

    #[test]
    fn a_token_is_kept_for_nine_tenths_of_what_is_left() {
        for (answer, seconds) in [
            (json!({"token": "t"}), 54),
            (json!({"token": "t", "expires_in": 300}), 270),
            (json!({"access_token": "t", "expires_in": 300.0}), 270),
            (
                json!({"token": "", "access_token": "t", "expires_in": 300}),
                270,
            ),
            (
                json!({"token": "t", "expires_in": 300, "issued_at": "2026-11-23T02:58:20Z"}),
                180,
            ),
            (
                json!({"token": "t", "expires_in": 300, "issued_at": "2026-11-23T02:00:00Z"}),
                0,
            ),
            // A clock ahead of ours, and fields of the wrong kind.
            (
                json!({"token": "t", "expires_in": 300, "issued_at": "2026-11-23T04:00:00Z"}),
                270,
            ),
            (
                json!({"token": "t", "expires_in": "300", "issued_at": 7}),
                54,
            ),
            (json!({"token": "t", "expires_in": -5}), 0),
            (json!({"token": "t", "expires_in": 1e300}), 77_760),
            (json!({"token": "t", "expires_in": null}), 54),
        ] {
            let granted = granted(answer.to_string().as_bytes(), now()).expect("a token");
            assert_eq!(granted.lifetime, Duration::from_secs(seconds), "{answer}");
            assert_eq!(granted.token, "Bearer t");
            assert!(granted.token.is_sensitive());
        }
    }

    #[test]
    fn an_answer_without_a_token_is_an_error() {
        for (answer, problem) in [
            ("", AnswerProblem::Empty),
            ("{}", AnswerProblem::NoToken),
            (r#"{"token": ""}"#, AnswerProblem::NoToken),
            (r#"{"token": "a\nb"}"#, AnswerProblem::NoToken),
            (
                "[]x",
                AnswerProblem::NotJson {
                    expected: "token",
                    line: 1,
                    column: 3,
                },
            ),
        ] {
            let found = granted(answer.as_bytes(), now())
                .map(|_| ())
                .expect_err(answer);
            assert_eq!(found, problem, "{answer}");
        }
    }
}
