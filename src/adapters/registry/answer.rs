//! From a status code to the error it means.
//!
//! Invariant: only a success comes through; every other status keeps the server's own words.

use super::access::secrets_of;
use super::body::words;
use super::error::RegistryError;
use crate::domain::docker_config::Credentials;
use crate::domain::http_field::parse_retry_after;
use jiff::Timestamp;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use std::time::Duration;

/// Who was asked for what, and as whom.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// The host that was asked.
    pub(super) host: &'a str,
    /// What was asked for: the image, perhaps with its tag.
    pub(super) what: &'a str,
    /// As whom.
    pub(super) credentials: &'a Credentials,
}

/// Lets a success through and turns anything else into an error.
pub(super) async fn success(
    response: Response,
    question: Question<'_>,
) -> Result<Response, RegistryError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(&response);
    let words = words(response, secrets_of(question.credentials)).await;
    let host = question.host.to_owned();
    Err(match status {
        StatusCode::UNAUTHORIZED => RegistryError::Unauthorized {
            host,
            anonymous: *question.credentials == Credentials::Anonymous,
            words,
        },
        StatusCode::FORBIDDEN => RegistryError::Forbidden { host, words },
        StatusCode::NOT_FOUND => RegistryError::NotFound {
            what: question.what.to_owned(),
            words,
        },
        StatusCode::TOO_MANY_REQUESTS => RegistryError::RateLimited {
            host,
            retry_after,
            words,
        },
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => RegistryError::RateLimited {
            host,
            retry_after,
            words,
        },
        StatusCode::REQUEST_TIMEOUT => RegistryError::Unavailable {
            host,
            status: status.as_u16(),
            words,
        },
        status if status.is_server_error() => RegistryError::Unavailable {
            host,
            status: status.as_u16(),
            words,
        },
        status => RegistryError::UnexpectedStatus {
            host,
            status: status.as_u16(),
            words,
        },
    })
}

/// The pause a server asks for, if any.
fn retry_after(response: &Response) -> Option<Duration> {
    let field = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    parse_retry_after(field, Timestamp::now())
}
