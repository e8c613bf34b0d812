//! The file server of the store: GET and HEAD of finished archives, nothing else.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// How many bytes are sent at once.
const CHUNK: usize = 64 * 1024;

/// Serves the folder until `shutdown` is done; answers under way are finished.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    root: PathBuf,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(root))
        .with_graceful_shutdown(shutdown)
        .await
}

/// The routes that serve a folder.
pub fn router(root: PathBuf) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(root))
}

async fn answer(State(root): State<Arc<PathBuf>>, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    if !head && request.method() != Method::GET {
        let allowed = [(header::ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, allowed).into_response();
    }
    if request.uri().path() == "/" {
        // What a readiness probe asks of Flux's own file server; there is no listing.
        return StatusCode::OK.into_response();
    }
    let Some(path) = located(&root, request.uri().path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match open(&path).await {
        Ok(Some(found)) => found.answer(head, request.headers()),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::warn!(%error, "an artifact cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Where a request path lies on disk. Only plain names lead anywhere: none that begins with a dot,
/// so neither parent folders nor unfinished files.
fn located(root: &Path, path: &str) -> Option<PathBuf> {
    let decoded = percent_decoded(path.strip_prefix('/')?)?;
    let plain =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0']);
    decoded.split('/').all(plain).then(|| root.join(&decoded))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

struct Found {
    file: File,
    size: u64,
    modified: Timestamp,
}

async fn open(path: &Path) -> io::Result<Option<Found>> {
    let absent = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
        )
    };
    let file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata().await?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let modified = Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)?;
    Ok(Some(Found {
        file,
        size: metadata.len(),
        modified,
    }))
}

impl Found {
    fn answer(self, head: bool, asked: &HeaderMap) -> Response {
        let tag = format!("\"{:x}-{:x}\"", self.modified.as_nanosecond(), self.size);
        let date = self
            .modified
            .strftime("%a, %d %b %Y %H:%M:%S GMT")
            .to_string();
        let fresh = match asked.get(header::IF_NONE_MATCH) {
            Some(known) => known.to_str().is_ok_and(|known| matches(known, &tag)),
            None => asked
                .get(header::IF_MODIFIED_SINCE)
                .is_some_and(|known| known.as_bytes() == date.as_bytes()),
        };
        let size = self.size;
        let mut response = if fresh {
            StatusCode::NOT_MODIFIED.into_response()
        } else if head {
            Response::new(Body::empty())
        } else {
            Response::new(Body::from_stream(chunks(self.file)))
        };
        let headers = response.headers_mut();
        for (name, value) in [(header::ETAG, tag), (header::LAST_MODIFIED, date)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        if !fresh {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            let kind = HeaderValue::from_static("application/gzip");
            headers.insert(header::CONTENT_TYPE, kind);
        }
        response
    }
}

fn matches(known: &str, tag: &str) -> bool {
    known
        .split(',')
        .map(|part| part.trim().trim_start_matches("W/"))
        .any(|part| part == "*" || part == tag)
}

fn chunks(file: File) -> impl futures::Stream<Item = io::Result<Bytes>> {
    futures::stream::unfold(Some(file), |state| async move {
        let mut file = state?;
        let mut buffer = vec![0; CHUNK];
        match file.read(&mut buffer).await {
            Ok(0) => None,
            Ok(read) => {
                buffer.truncate(read);
                Some((Ok(Bytes::from(buffer)), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    })
}
