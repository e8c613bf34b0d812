//! One question to a forge and its answer, within bounds.
//!
//! Invariants: the credential goes to the API's own scheme, host and port and nowhere else, whatever it redirects to; an answer has at
//! most four megabytes; whatever is said of a failure holds no credential. What is absent: the time of an
//! operation, which `mod` bounds as a whole.

use super::error::{ErrorClass, ForgeError, LONGEST_WORDS, words};
use super::login::login;
use super::{ForgeCredential, ForgeSettings};
use crate::adapters::outbound;
use crate::domain::http_field::{parse_rate_limit, parse_retry_after};
use crate::domain::outcome::with_causes;
use crate::domain::pull_request::forge::Repository;
use crate::domain::redact::shown;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Largest answer, in bytes.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
/// Most redirects followed for one question.
const MOST_REDIRECTS: usize = 3;
/// How long GitHub asks to wait after a secondary limit that names no time.
const SECONDARY_LIMIT: Duration = Duration::from_secs(60);

/// The API of one repository, spoken to with one credential.
pub(super) struct Http {
    client: Client,
    pub(super) repository: Repository,
    fields: HeaderMap,
    secrets: Vec<String>,
}

/// A successful answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// A question that is being put together.
#[derive(Clone)]
pub(super) struct Question<'a> {
    http: &'a Http,
    method: Method,
    url: Url,
    what: &'static str,
    body: Option<Vec<u8>>,
}

impl Http {
    pub(super) fn new(
        repository: Repository,
        credential: &ForgeCredential,
        settings: &ForgeSettings,
    ) -> Result<Self, ForgeError> {
        let what = "connect";
        let refused = |reason: String| {
            let class = ErrorClass::Refused;
            ForgeError::new(&repository, what, class, reason)
        };
        let api = &repository.api;
        if !matches!(api.scheme(), "http" | "https") || api.cannot_be_a_base() {
            return Err(refused("its API needs a URL of http or https".to_owned()));
        }
        let parts: Vec<&str> = repository.path.split('/').collect();
        if parts.len() < 2 || parts.iter().any(|part| !is_segment(part)) {
            return Err(refused("this is not the path of a repository".to_owned()));
        }
        let client = outbound::client(
            api,
            settings.certificate_authority.as_deref(),
            settings.proxy.as_ref(),
            &settings.user_agent,
        )
        .map_err(|error| refused(error.to_string()))?;
        let (fields, secrets) = login(repository.kind, credential)
            .ok_or_else(|| refused("the credential cannot stand in a request".to_owned()))?;
        Ok(Self {
            client,
            repository,
            fields,
            secrets,
        })
    }

    /// A GET of `segments` below the API's own path.
    pub(super) fn get(&self, what: &'static str, segments: &[&str]) -> Question<'_> {
        self.ask(Method::GET, what, segments)
    }

    /// A question about `segments` below the API's own path.
    pub(super) fn ask(
        &self,
        method: Method,
        what: &'static str,
        segments: &[&str],
    ) -> Question<'_> {
        let url = below(&self.repository.api, segments);
        self.question(method, what, url)
    }

    /// A question about a URL, which must be on the API's own host.
    pub(super) fn question(&self, method: Method, what: &'static str, url: Url) -> Question<'_> {
        Question {
            http: self,
            method,
            url,
            what,
            body: None,
        }
    }

    pub(super) fn error(
        &self,
        what: &'static str,
        class: ErrorClass,
        reason: impl std::fmt::Display,
    ) -> ForgeError {
        let reason = shown(&reason.to_string(), &self.secrets(), LONGEST_WORDS);
        ForgeError::new(&self.repository, what, class, reason)
    }

    /// Whether a branch is where it is expected to be.
    pub(super) fn expect_head(
        &self,
        what: &'static str,
        expected: &str,
        found: &str,
    ) -> Result<(), ForgeError> {
        if found == expected {
            return Ok(());
        }
        let reason = format!("the branch has moved: expected `{expected}`, found `{found}`");
        Err(self.error(what, ErrorClass::Conflict, reason))
    }

    fn secrets(&self) -> Vec<&str> {
        self.secrets.iter().map(String::as_str).collect()
    }

    /// Sends a question, follows redirects on the same host, and gives the answer if it is a success.
    pub(super) async fn send(
        &self,
        method: Method,
        mut url: Url,
        body: Option<Vec<u8>>,
        what: &'static str,
    ) -> Result<Answer, ForgeError> {
        if url.origin() != self.repository.api.origin() {
            return Err(self.error(
                what,
                ErrorClass::Refused,
                "the next address is on another host",
            ));
        }
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self
                .client
                .request(method.clone(), url.clone())
                .headers(self.fields.clone());
            if let Some(body) = &body {
                request = request
                    .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                    .body(body.clone());
            }
            let response = request.send().await;
            let mut response = response.map_err(|error| self.unreachable(what, error))?;
            let (status, headers) = (response.status(), response.headers().clone());
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                url = self.redirected(what, &method, &url, status, &headers)?;
                continue;
            }
            let read = outbound::read(&mut response, LARGEST_ANSWER).await;
            let body = match read.map_err(|error| self.unreachable(what, error))? {
                Some(body) => body,
                None if status.is_success() => {
                    let reason = format!("the answer has more than {LARGEST_ANSWER} bytes");
                    return Err(self.error(what, ErrorClass::Malformed, reason));
                }
                None => Vec::new(),
            };
            let answer = Answer {
                status,
                headers,
                body,
            };
            return self.success(what, answer);
        }
        Err(self.error(what, ErrorClass::Malformed, "it redirects again and again"))
    }

    fn unreachable(&self, what: &'static str, error: reqwest::Error) -> ForgeError {
        let reason = with_causes(&error.without_url());
        self.error(what, ErrorClass::Unavailable, reason)
    }

    /// Where a redirect leads: never to another host, and not with what is to be changed unless it is to stay that.
    fn redirected(
        &self,
        what: &'static str,
        method: &Method,
        from: &Url,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Url, ForgeError> {
        let refused = |reason: &str| {
            let mut error = self.error(what, ErrorClass::Refused, reason);
            error.status = Some(status.as_u16());
            error
        };
        let keeps_method = matches!(status.as_u16(), 307 | 308);
        if *method != Method::GET && !keeps_method {
            return Err(refused(
                "it redirects what is to be changed; the repository may have moved",
            ));
        }
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location.and_then(|location| from.join(location).ok());
        let to = to.ok_or_else(|| refused("it redirects to nowhere"))?;
        if to.origin() != from.origin() {
            let place = to.origin().ascii_serialization();
            let reason = format!("it redirects to `{place}`, which is not followed");
            // The pages where people log in are elsewhere: a credential was not taken.
            let class = match to.path().to_ascii_lowercase() {
                path if path.contains("signin") || path.contains("login") => {
                    ErrorClass::Unauthorized
                }
                _ => ErrorClass::Refused,
            };
            return Err(ForgeError {
                class,
                ..refused(&reason)
            });
        }
        Ok(to)
    }

    /// Lets a success through and turns everything else into an error.
    fn success(&self, what: &'static str, answer: Answer) -> Result<Answer, ForgeError> {
        let status = answer.status;
        // Azure answers so, with a page for people, to a token that it does not take.
        let page_for_people = status == StatusCode::NON_AUTHORITATIVE_INFORMATION;
        if status.is_success() && !page_for_people {
            return Ok(answer);
        }
        let said = serde_json::from_slice::<Value>(&answer.body).map(|value| words(&value));
        let said = said.unwrap_or_default();
        let class = match status.as_u16() {
            203 | 401 => ErrorClass::Unauthorized,
            404 | 410 => ErrorClass::NotFound,
            409 | 412 => ErrorClass::Conflict,
            403 | 429 | 503 => limited(&answer, &said).unwrap_or(match status.as_u16() {
                403 => ErrorClass::Unauthorized,
                429 => ErrorClass::RateLimited { retry_after: None },
                _ => ErrorClass::Unavailable,
            }),
            408 | 423 | 500..=599 => ErrorClass::Unavailable,
            _ if said.to_ascii_lowercase().contains("already exist") => ErrorClass::Conflict,
            _ => ErrorClass::Refused,
        };
        let mut reason = status.as_u16().to_string();
        if let Some(words) = status.canonical_reason() {
            reason = format!("{reason} {words}");
        }
        if !said.is_empty() {
            reason = format!("{reason}: {said}");
        }
        let mut error = self.error(what, class, reason);
        error.status = Some(status.as_u16());
        Err(error)
    }

    /// Reads the JSON of an answer.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        what: &'static str,
        answer: &Answer,
    ) -> Result<T, ForgeError> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let start = answer.body.trim_ascii_start();
            let reason = if start.starts_with(b"<") {
                "the answer is a web page, not JSON".to_owned()
            } else {
                format!("the answer is not what the API describes: {error}")
            };
            let mut error = self.error(what, ErrorClass::Malformed, reason);
            error.status = Some(answer.status.as_u16());
            error
        })
    }
}

impl Question<'_> {
    /// What it asks for, in words.
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    /// Adds a parameter to the query.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Gives it a body.
    pub(super) fn sending(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string().into_bytes());
        self
    }

    /// Asks, and reads the JSON of the answer.
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T, ForgeError> {
        let (http, what) = (self.http, self.what);
        let answer = self.answer().await?;
        http.read(what, &answer)
    }

    /// Asks, and wants nothing but success.
    pub(super) async fn done(self) -> Result<(), ForgeError> {
        self.answer().await.map(drop)
    }

    /// Asks.
    pub(super) async fn answer(self) -> Result<Answer, ForgeError> {
        let sent = self.http.send(self.method, self.url, self.body, self.what);
        sent.await
    }
}

/// `segments` below a URL's own path. A slash inside a segment is encoded.
pub(super) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// A part of a repository's path: no dots that a URL would take for folders, nothing that ends a path.
fn is_segment(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
        && !part.contains(['\\', '?', '#', '%', '\0'])
        && !part.chars().any(char::is_control)
}

/// The limit that a refusal speaks of, if any.
fn limited(answer: &Answer, said: &str) -> Option<ErrorClass> {
    let now = Timestamp::now();
    let field = |name: &str| {
        answer
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let wait = field(RETRY_AFTER.as_str()).and_then(|value| parse_retry_after(value, now));
    let spent = parse_rate_limit(field, now).filter(|limit| limit.remaining == 0);
    let said = said.to_ascii_lowercase();
    let retry_after = match (wait, spent) {
        (Some(wait), _) => Some(wait),
        (None, Some(spent)) => spent.horizon,
        (None, None) if said.contains("secondary rate limit") => Some(SECONDARY_LIMIT),
        (None, None) if said.contains("rate limit") => None,
        (None, None) => return None,
    };
    Some(ErrorClass::RateLimited { retry_after })
}
