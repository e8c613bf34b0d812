//! What the controllers have in common: the API server, the clouds, who is told, and how failures and intervals are spread.
//!
//! Invariant: one for the whole process. What is absent: anything of a kind.

use super::background::{Background, Foreground};
use super::cloud_access::CloudAccess;
use crate::adapters::cluster::events::Recorder;
use crate::adapters::cluster::impersonate::Impersonator;
use crate::adapters::metrics::Metrics;
use crate::adapters::notify::Notifier;
use crate::domain::backoff::Backoff;
use kube::Client;
use std::sync::Arc;
use tokio::sync::watch;

/// How many events are recorded at once in the background, and how many wait for that.
pub const TOLD_AT_ONCE: usize = 2;
/// See [`TOLD_AT_ONCE`].
pub const TO_TELL: u32 = 2_000;

/// What all controllers share.
pub struct Shared {
    /// The API server.
    pub client: Client,
    /// The API server, as somebody else.
    pub impersonator: Impersonator,
    /// The clouds that registries' logins come from.
    pub cloud: CloudAccess,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The statuses that are being written: what can wait gives way.
    pub statuses: Foreground,
    /// Where events wait for that.
    pub telling: Background,
    /// Who writes Kubernetes events.
    pub events: Recorder,
    /// Who hears of it.
    pub notifier: Notifier,
    /// Who is the reporting instance.
    pub instance: String,
    /// How failures in a row are spaced.
    pub backoff: Backoff,
    /// How far intervals are spread.
    pub jitter_percent: u8,
    /// Turns true when the process is to end.
    pub ending: watch::Receiver<bool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Shared {
    /// What the loops share when the API server answers every request with `code`.
    pub(super) fn answered_with(code: u16) -> Self {
        let reason = if code == 404 { "NotFound" } else { "Other" };
        let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code});
        let service = tower::service_fn(move |_: http::Request<kube::client::Body>| {
            let body = kube::client::Body::from(status.to_string().into_bytes());
            async move { http::Response::builder().status(code).body(body) }
        });
        let nowhere = http::Uri::from_static("http://localhost:1");
        let client = Client::new(service, "default");
        Self {
            statuses: Foreground::default(),
            telling: Background::behind(&Foreground::default(), 1, 1),
            events: Recorder::new(client.clone()),
            client,
            impersonator: Impersonator::new(kube::Config::new(nowhere)),
            cloud: CloudAccess::of_person(),
            metrics: Arc::default(),
            notifier: Notifier::start(""),
            instance: "test".to_owned(),
            backoff: Backoff::default(),
            jitter_percent: 0,
            ending: watch::channel(false).1,
        }
    }
}
