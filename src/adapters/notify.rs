//! Notifications to Flux's notification-controller, or whatever listens at `--events-addr`.
//!
//! Invariants: the JSON is Flux's; a notification that cannot be delivered is tried a few times,
//! logged, and never an error of the work it is about; at most a bounded number wait.
//! What is absent: `trace` events, which Flux never posts either.

use crate::domain::conditions::Notice;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// The object a notification is about.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvolvedObject {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub uid: String,
    /// Its API version.
    pub api_version: String,
    /// The version this is said of.
    pub resource_version: String,
}

/// One notification, as Flux writes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// What it is about.
    pub involved_object: InvolvedObject,
    /// `info` or `error`.
    pub severity: &'static str,
    /// When.
    pub timestamp: Timestamp,
    /// For people; at most 39,000 bytes.
    pub message: String,
    /// One `PascalCase` word.
    pub reason: String,
    /// What tools read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Which controller says it.
    pub reporting_controller: String,
    /// Which process says it.
    pub reporting_instance: String,
}

/// The word Flux has for a severity; `None` for what is never posted.
pub fn severity(notice: Notice) -> Option<&'static str> {
    match notice {
        Notice::Info => Some("info"),
        Notice::Error => Some("error"),
        Notice::Trace => None,
    }
}

/// Hands notifications to a task that posts them.
#[derive(Clone, Debug)]
pub struct Notifier {
    waiting: Option<mpsc::Sender<Notification>>,
}

/// How many notifications may wait for a receiver that is slow.
const LONGEST_QUEUE: usize = 1_000;
/// Flux's bound for one try.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often one is tried, with a pause that doubles from half a second.
const TRIES: u32 = 4;

impl Notifier {
    /// Posts to `address`, or to nobody when it is empty.
    pub fn start(address: &str) -> Self {
        if address.is_empty() {
            return Self { waiting: None };
        }
        crate::adapters::tls::install_provider();
        let client = match reqwest::Client::builder().timeout(TIMEOUT).build() {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(%error, "notifications are off: no HTTP client");
                return Self { waiting: None };
            }
        };
        let (sender, mut receiver) = mpsc::channel::<Notification>(LONGEST_QUEUE);
        let address = address.to_owned();
        tokio::spawn(async move {
            while let Some(notification) = receiver.recv().await {
                deliver(&client, &address, &notification).await;
            }
        });
        Self {
            waiting: Some(sender),
        }
    }

    /// Hands over one notification; drops it, with a word in the log, when too many wait.
    pub fn send(&self, mut notification: Notification) {
        let Some(waiting) = &self.waiting else { return };
        let mut end = notification.message.len().min(39_000);
        while !notification.message.is_char_boundary(end) {
            end -= 1;
        }
        notification.message.truncate(end);
        if waiting.try_send(notification).is_err() {
            tracing::warn!("a notification was dropped: too many wait for the receiver");
        }
    }
}

async fn deliver(client: &reqwest::Client, address: &str, notification: &Notification) {
    for attempt in 0..TRIES {
        match client.post(address).json(notification).send().await {
            // 429 says that the receiver had the same one already.
            Ok(response) if response.status().is_success() || response.status().as_u16() == 429 => {
                return;
            }
            Ok(response) if response.status().is_client_error() => {
                tracing::warn!(status = %response.status(), "the notification was refused");
                return;
            }
            Ok(response) => {
                tracing::debug!(status = %response.status(), "the notification is tried again")
            }
            Err(error) => {
                tracing::debug!(error = %error.without_url(), "the notification is tried again")
            }
        }
        tokio::time::sleep(Duration::from_millis(500 << attempt)).await;
    }
    tracing::warn!(object = %notification.involved_object.name, "the notification could not be delivered");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_written_as_flux_writes_it() {
        let notification = Notification {
            involved_object: InvolvedObject {
                kind: "GitRepository".to_owned(),
                namespace: "apps".to_owned(),
                name: "fleet".to_owned(),
                uid: "u".to_owned(),
                api_version: "source.toolkit.fluxcd.io/v1".to_owned(),
                resource_version: "7".to_owned(),
            },
            severity: "info",
            timestamp: Timestamp::from_second(0).expect("zero is a time"),
            message: "stored artifact".to_owned(),
            reason: "NewArtifact".to_owned(),
            metadata: [("revision".to_owned(), "main@sha1:0".to_owned())].into(),
            reporting_controller: "source-controller".to_owned(),
            reporting_instance: "pod".to_owned(),
        };
        assert_eq!(
            serde_json::to_value(&notification).expect("a notification is JSON"),
            serde_json::json!({
                "involvedObject": {
                    "kind": "GitRepository", "namespace": "apps", "name": "fleet", "uid": "u",
                    "apiVersion": "source.toolkit.fluxcd.io/v1", "resourceVersion": "7"
                },
                "severity": "info",
                "timestamp": "1970-01-01T00:00:00Z",
                "message": "stored artifact",
                "reason": "NewArtifact",
                "metadata": {"revision": "main@sha1:0"},
                "reportingController": "source-controller",
                "reportingInstance": "pod"
            })
        );
    }

    #[test]
    fn traces_are_never_posted() {
        assert_eq!(
            [Notice::Info, Notice::Error, Notice::Trace].map(severity),
            [Some("info"), Some("error"), None]
        );
    }
}
