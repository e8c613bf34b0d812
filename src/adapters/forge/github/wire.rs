//! The client of all forges, as octocrab's connection.
//!
//! Invariant: whatever octocrab asks goes to the API of the one repository, within the bounds of `http`. What is absent: octocrab's own
//! view of the base address, which knows no path prefix.

use super::GitHub;
use crate::adapters::forge::error::{ErrorClass, ForgeError};
use crate::adapters::forge::http::Http;
use futures::FutureExt;
use futures::future::BoxFuture;
use octocrab::OctoBody;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Largest question, in bytes: a description has at most 256 KiB.
const LARGEST_QUESTION: usize = 1024 * 1024;

impl GitHub {
    /// An error of octocrab's as one of ours: ours, if it came from the wire.
    pub(super) fn failed(&self, what: &'static str) -> impl Fn(octocrab::Error) -> ForgeError {
        let http = self.http.clone();
        move |error| {
            let class = ErrorClass::Malformed;
            match error {
                octocrab::Error::Service { source, .. } => match source.downcast::<ForgeError>() {
                    Ok(error) => ForgeError {
                        request: what,
                        ..*error
                    },
                    Err(source) => http.error(what, ErrorClass::Unavailable, source),
                },
                octocrab::Error::Json { source, .. } => {
                    let reason = format!("the answer is not what the API describes: {source}");
                    http.error(what, class, reason)
                }
                other => http.error(what, class, other),
            }
        }
    }
}

/// The bounded client as octocrab's connection.
#[derive(Clone)]
pub(super) struct Wire(pub(super) Arc<Http>);

impl tower::Service<http::Request<OctoBody>> for Wire {
    type Response = http::Response<String>;
    type Error = ForgeError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<OctoBody>) -> Self::Future {
        let http = self.0.clone();
        async move { http.carry(request).await }.boxed()
    }
}

impl Http {
    /// Sends a request of octocrab's.
    async fn carry(
        &self,
        request: http::Request<OctoBody>,
    ) -> Result<http::Response<String>, ForgeError> {
        let what = "ask";
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(axum::body::Body::new(body), LARGEST_QUESTION).await;
        let body = body.map_err(|error| self.error(what, ErrorClass::Refused, error))?;
        let body = (!body.is_empty()).then(|| body.to_vec());
        let mut url = self.repository.api.clone();
        url.set_path(&format!(
            "{}{}",
            url.path().trim_end_matches('/'),
            parts.uri.path()
        ));
        url.set_query(parts.uri.query());
        let answer = self.send(parts.method, url, body, what).await?;
        let text = String::from_utf8(answer.body)
            .map_err(|_| self.error(what, ErrorClass::Malformed, "the answer is not text"))?;
        if text.trim_start().starts_with('<') {
            let reason = "the answer is a web page, not JSON";
            return Err(self.error(what, ErrorClass::Malformed, reason));
        }
        let mut response = http::Response::new(text);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}
