//! Smart HTTP for one repository (`gitprotocol-http`).

use super::{RepositoryError, receive, upload};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gix::{Repository, ThreadSafeRepository};
use std::collections::HashMap;

/// The most bytes of one request.
pub(super) const LARGEST: usize = 4 << 20;

/// Serves a repository at `/fleet.git`.
pub fn router(repository: ThreadSafeRepository) -> Router {
    Router::new()
        .route("/fleet.git/info/refs", get(hello))
        .route("/fleet.git/git-upload-pack", post(fetch))
        .route("/fleet.git/git-receive-pack", post(push))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(repository)
}

async fn hello(
    State(repository): State<ThreadSafeRepository>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    match query.get("service").map(String::as_str) {
        Some("git-upload-pack") => {
            let version = headers
                .get("git-protocol")
                .and_then(|value| value.to_str().ok());
            if !version
                .unwrap_or_default()
                .split(':')
                .any(|part| part == "version=2")
            {
                return (StatusCode::BAD_REQUEST, "protocol version 2 is spoken here")
                    .into_response();
            }
            let kind = "application/x-git-upload-pack-advertisement";
            answer(repository, kind, |_| Ok(upload::capabilities())).await
        }
        Some("git-receive-pack") => {
            let kind = "application/x-git-receive-pack-advertisement";
            answer(repository, kind, receive::advertisement).await
        }
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn fetch(State(repository): State<ThreadSafeRepository>, body: Bytes) -> Response {
    let kind = "application/x-git-upload-pack-result";
    answer(repository, kind, move |repository| {
        upload::answer(repository, &body)
    })
    .await
}

async fn push(State(repository): State<ThreadSafeRepository>, body: Bytes) -> Response {
    let kind = "application/x-git-receive-pack-result";
    answer(repository, kind, move |repository| {
        receive::answer(repository, &body)
    })
    .await
}

/// Does the work where it may block, and words what it gave.
async fn answer(
    repository: ThreadSafeRepository,
    kind: &'static str,
    work: impl FnOnce(&Repository) -> Result<Vec<u8>, RepositoryError> + Send + 'static,
) -> Response {
    let done = tokio::task::spawn_blocking(move || work(&repository.to_thread_local())).await;
    match done {
        Ok(Ok(bytes)) => {
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CACHE_CONTROL, "no-cache"),
            ];
            (headers, bytes).into_response()
        }
        Ok(Err(error @ (RepositoryError::Malformed(_) | RepositoryError::TooMany))) => {
            (StatusCode::BAD_REQUEST, error.to_string()).into_response()
        }
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
