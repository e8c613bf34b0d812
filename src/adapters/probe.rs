//! `/metrics` on one address, `/healthz` and `/readyz` on another: Flux's addresses and paths.
//!
//! Invariant: `/readyz` says yes only once the process is ready to work; `/healthz` says yes while it
//! can answer at all. What is absent: profiles, which Rust has other tools for.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;
use tokio::net::TcpListener;

/// Why an address cannot be served.
#[derive(Debug, Error)]
pub enum ListenError {
    /// It is not `:PORT` or `HOST:PORT`.
    #[error("invalid address `{0}`, expected `:8080` or `127.0.0.1:8080`")]
    Address(String),
    /// The system refused it.
    #[error("cannot listen on `{address}`")]
    Bind {
        /// The address asked for.
        address: String,
        /// Why.
        source: io::Error,
    },
}

/// Listens on an address as Go writes it: `:8080` is every interface.
///
/// # Errors
/// [`ListenError`] when the address is malformed or taken.
pub async fn listen(address: &str) -> Result<TcpListener, ListenError> {
    let malformed = || ListenError::Address(address.to_owned());
    let everywhere = |port: &str| {
        port.parse()
            .map(|port| SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))
    };
    let parsed: SocketAddr = match address.strip_prefix(':') {
        Some(port) => everywhere(port).map_err(|_| malformed())?,
        None => address.parse().map_err(|_| malformed())?,
    };
    let bound = match TcpListener::bind(parsed).await {
        // A machine without IPv6 still has IPv4.
        Err(_) if address.starts_with(':') => {
            TcpListener::bind((IpAddr::from([0, 0, 0, 0]), parsed.port())).await
        }
        bound => bound,
    };
    bound.map_err(|source| ListenError::Bind {
        address: address.to_owned(),
        source,
    })
}

/// The metrics server: `render` gives the text of OpenMetrics at each request.
pub fn metrics_router(render: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    let content_type = [(
        header::CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    Router::new().route(
        "/metrics",
        get(move || async move { (content_type, render()) }),
    )
}

/// The health server.
pub fn health_router(ready: Arc<AtomicBool>) -> Router {
    let readiness = move || async move {
        if ready.load(Ordering::Relaxed) {
            (StatusCode::OK, "ok")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready")
        }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readiness))
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, router: Router) {
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "a server ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_without_a_host_is_every_interface() {
        let listener = listen(":0").await.expect("a free port is found");
        assert!(
            listener
                .local_addr()
                .expect("it is bound")
                .ip()
                .is_unspecified()
        );
        let listener = listen("127.0.0.1:0").await.expect("a free port is found");
        assert!(
            listener
                .local_addr()
                .expect("it is bound")
                .ip()
                .is_loopback()
        );
    }

    #[tokio::test]
    async fn a_malformed_or_taken_address_is_named() {
        let taken = listen("127.0.0.1:0").await.expect("a free port is found");
        let address = taken.local_addr().expect("it is bound").to_string();
        let error = listen(&address).await.expect_err("the port is taken");
        assert_eq!(error.to_string(), format!("cannot listen on `{address}`"));
        for malformed in ["8080", ":x", "localhost", ""] {
            assert!(
                matches!(listen(malformed).await, Err(ListenError::Address(_))),
                "{malformed}"
            );
        }
    }

    async fn ask(router: Router, path: &str) -> (u16, String) {
        crate::adapters::tls::install_provider();
        let listener = listen("127.0.0.1:0").await.expect("a free port is found");
        let url = format!(
            "http://{}{path}",
            listener.local_addr().expect("it is bound")
        );
        tokio::spawn(serve(listener, router));
        let response = reqwest::get(url).await.expect("the server answers");
        (
            response.status().as_u16(),
            response.text().await.expect("a text comes back"),
        )
    }

    #[tokio::test]
    async fn readiness_is_said_only_once_it_is_true() {
        let ready = Arc::new(AtomicBool::new(false));
        assert_eq!(
            ask(health_router(Arc::clone(&ready)), "/healthz").await,
            (200, "ok".to_owned())
        );
        assert_eq!(
            ask(health_router(Arc::clone(&ready)), "/readyz").await,
            (503, "not ready".to_owned())
        );
        ready.store(true, Ordering::Relaxed);
        assert_eq!(
            ask(health_router(ready), "/readyz").await,
            (200, "ok".to_owned())
        );
    }

    #[tokio::test]
    async fn metrics_are_served_as_text() {
        let (status, text) = ask(metrics_router(|| "pushes_total 1".to_owned()), "/metrics").await;
        assert_eq!((status, text.as_str()), (200, "pushes_total 1"));
    }
}
