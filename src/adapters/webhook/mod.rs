//! The HTTP server that webhooks call.
//!
//! Invariants: nothing is read of a body before its path is known to be somebody's; bodies, their number, connections and time are
//! bounded, so that whoever can connect can take no more than a fixed share; an answer tells nothing but its status, and words where
//! the hook gives some. What is absent: whose a path is, and what a delivery does.

mod connection;

use crate::domain::webhook::{Delivery, Headers};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use connection::Bounded;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Largest body, in bytes: Flux's bound.
pub const LARGEST_BODY: usize = 3 * 1024 * 1024;
/// How long a body may take: Flux's bound for a request.
const BODY_TIME: Duration = Duration::from_secs(30);
/// What all bodies that are read or worked on may take together, in pieces of 1 KiB.
const BODIES: usize = 64 * 1024;
/// The same for one body, when its length is not told.
const ONE_BODY: u32 = 3 * 1024;

/// Whose paths there are, and what their deliveries do.
pub trait Hook: Send + Sync + 'static {
    /// Whoever a path belongs to.
    type Receiver: Send;

    /// Looks up a path, before anything of the body is read.
    ///
    /// # Errors
    /// The answer, when nobody takes deliveries there now.
    fn admit(&self, path: &str) -> Result<Self::Receiver, Answer>;

    /// Acts upon a delivery.
    fn deliver(
        &self,
        receiver: Self::Receiver,
        delivery: Delivery,
    ) -> impl Future<Output = Answer> + Send;
}

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// When to come again.
    pub retry_after: Option<Duration>,
    /// What a person should know; nothing that helps an attacker.
    pub words: String,
    /// Whose events are welcome, when that was the question.
    origin: Option<HeaderValue>,
}

impl Answer {
    /// An answer of a status alone.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            retry_after: None,
            words: String::new(),
            origin: None,
        }
    }

    /// The same with words for a person.
    #[must_use]
    pub fn saying(mut self, words: impl Into<String>) -> Self {
        self.words = words.into();
        self
    }

    /// Too many: come again after `wait`.
    pub fn wait(wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..Self::status(429)
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.words).into_response();
        // A connection serves one request: then its bound in time is the request's.
        let fields = response.headers_mut();
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Some(origin) = self.origin {
            fields.insert("webhook-allowed-origin", origin);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

struct Server<H> {
    hook: H,
    bodies: Arc<Semaphore>,
}

/// Serves `hook` until `shutdown` is done; answers under way are finished.
pub async fn serve<H: Hook>(
    listener: TcpListener,
    hook: H,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let server = Arc::new(Server {
        hook,
        bodies: Arc::new(Semaphore::new(BODIES)),
    });
    let router = Router::new().fallback(answer::<H>).with_state(server);
    let served = axum::serve(Bounded::new(listener), router)
        .with_graceful_shutdown(shutdown)
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the webhook server ended");
    }
}

async fn answer<H: Hook>(State(server): State<Arc<Server<H>>>, request: Request) -> Answer {
    // As in Flux, a query makes it another path.
    let path = request
        .uri()
        .path_and_query()
        .map_or("", |path| path.as_str());
    let receiver = match server.hook.admit(path) {
        Ok(receiver) => receiver,
        Err(answer) => return answer,
    };
    if let Some(consent) = consent(&request) {
        return consent;
    }
    let told = length(&request);
    if told.is_some_and(|length| length > LARGEST_BODY) {
        return Answer::status(413);
    }
    let share = told.map_or(ONE_BODY, |length| {
        u32::try_from(length.div_ceil(1024)).unwrap_or(ONE_BODY)
    });
    let headers = headers(&request);
    let read = async {
        let place = server.bodies.acquire_many(share.max(1)).await.ok()?;
        Some((place, body(request.into_body()).await))
    };
    match tokio::time::timeout(BODY_TIME, read).await {
        Ok(Some((_place, Ok(body)))) => {
            server
                .hook
                .deliver(receiver, Delivery { headers, body })
                .await
        }
        Ok(Some((_, Err(status)))) => Answer::status(status),
        Ok(None) | Err(_) => Answer::status(408),
    }
}

/// The answer to a sender of CloudEvents that asks first whether it may send (CloudEvents' web hooks, section 4), as Azure's
/// Event Grid does.
fn consent(request: &Request) -> Option<Answer> {
    let origin = request.headers().get("webhook-request-origin")?;
    let asks = request.method() == Method::OPTIONS;
    asks.then(|| Answer {
        origin: Some(origin.clone()),
        ..Answer::status(200)
    })
}

/// `Content-Length`, when it is there.
fn length(request: &Request) -> Option<usize> {
    let field = request.headers().get(header::CONTENT_LENGTH)?;
    field.to_str().ok()?.parse().ok()
}

fn headers(request: &Request) -> Headers {
    // A value that is no text is none that anybody sends.
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Headers::new(
        request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value))),
    )
}

/// The whole body; or the status when it is too long or breaks off.
async fn body(body: Body) -> Result<Vec<u8>, u16> {
    let mut pieces = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece: Bytes = piece.map_err(|_| 400_u16)?;
        if whole.len() + piece.len() > LARGEST_BODY {
            return Err(413);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests;
