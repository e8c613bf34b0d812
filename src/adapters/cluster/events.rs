//! Kubernetes events about custom resources.
//!
//! Invariants: an event that cannot be recorded is logged, never an error of the work it is about; a few are recorded at once and
//! a bounded number wait, so that statuses are written first. What is absent: deciding what is worth an event; see `domain::conditions::notice`.

use super::watch::{Watched, key_of};
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How many events are recorded at once.
const AT_ONCE: usize = 2;
/// How many may wait for that. Who has another one waits along.
const WAITING: u32 = 1_000;

/// The longest message of an event that the API server accepts, in bytes.
const LONGEST_MESSAGE: usize = 1024;

/// One event, before it is about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether something is wrong: `Warning` instead of `Normal`.
    pub warning: bool,
    /// One `PascalCase` word.
    pub reason: String,
    /// For people.
    pub message: String,
    /// What tools read: annotations of the event.
    pub metadata: BTreeMap<String, String>,
}

/// The reference to an object, as events carry it.
pub fn reference<K: Watched>(object: &K) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: object.namespace(),
        name: Some(object.name_any()),
        uid: object.uid(),
        resource_version: object.resource_version(),
        field_path: None,
    }
}

/// Records events beside the work they are about.
#[derive(Clone)]
pub struct Recorder {
    client: Client,
    waiting: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
}

impl Recorder {
    /// A recorder that writes as `client`.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            waiting: Arc::new(Semaphore::new(WAITING as usize)),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Has one event about `object` recorded, as said by the controller `reporter`. It waits when too many do already.
    pub async fn record<K: Watched>(
        &self,
        object: &K,
        reporter: &str,
        told: &Told,
        now: Timestamp,
    ) {
        let key = key_of(object);
        let api: Api<Event> = Api::namespaced(self.client.clone(), &key.namespace);
        let event = event(object, reporter, told, now);
        let Ok(waiting) = Arc::clone(&self.waiting).acquire_owned().await else {
            return;
        };
        let at_once = Arc::clone(&self.at_once);
        tokio::spawn(async move {
            let _turn = at_once.acquire().await;
            if let Err(error) = api.create(&PostParams::default(), &event).await {
                tracing::warn!(object = %key, %error, "the event could not be recorded");
            }
            drop(waiting);
        });
    }

    /// Waits until all events so far are recorded.
    pub async fn finish(&self) {
        // Whoever asks for places later gets them later.
        let _ = self.waiting.acquire_many(WAITING).await;
    }
}

fn event<K: Watched>(object: &K, reporter: &str, told: &Told, now: Timestamp) -> Event {
    Event {
        metadata: ObjectMeta {
            // As client-go names events: unique, and sorted by time.
            name: Some(format!("{}.{:x}", object.name_any(), now.as_nanosecond())),
            namespace: object.namespace(),
            annotations: (!told.metadata.is_empty()).then(|| told.metadata.clone()),
            ..ObjectMeta::default()
        },
        involved_object: reference(object),
        reason: Some(told.reason.clone()),
        message: Some(bounded(&told.message)),
        type_: Some(if told.warning { "Warning" } else { "Normal" }.to_owned()),
        source: Some(EventSource {
            component: Some(reporter.to_owned()),
            host: None,
        }),
        reporting_component: Some(reporter.to_owned()),
        reporting_instance: Some(reporter.to_owned()),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    }
}

fn bounded(message: &str) -> String {
    if message.len() <= LONGEST_MESSAGE {
        return message.to_owned();
    }
    let mut end = LONGEST_MESSAGE - "...".len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::GitRepository;
    use std::convert::Infallible;
    use std::sync::Mutex;

    /// How many requests are being answered, the most at once, and how many were.
    type Counts = (usize, usize, usize);

    /// An API server that answers each event after `time`, and what it was asked for.
    fn server(time: std::time::Duration) -> (Client, Arc<Mutex<Counts>>) {
        let counts = Arc::new(Mutex::new((0, 0, 0)));
        let counted = Arc::clone(&counts);
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let counted = Arc::clone(&counted);
            async move {
                {
                    let mut counts = counted.lock().unwrap();
                    counts.0 += 1;
                    counts.1 = counts.1.max(counts.0);
                }
                tokio::time::sleep(time).await;
                let body = request.into_body().collect_bytes().await.unwrap();
                let mut counts = counted.lock().unwrap();
                counts.0 -= 1;
                counts.2 += 1;
                let body = kube::client::Body::from(body.to_vec());
                Ok::<_, Infallible>(http::Response::new(body))
            }
        });
        (Client::new(service, "default"), counts)
    }

    #[tokio::test(start_paused = true)]
    async fn events_hold_nobody_up_and_are_all_recorded_in_the_end() {
        let (client, counts) = server(std::time::Duration::from_secs(1));
        let recorder = Recorder::new(client);
        let mut object = GitRepository::default();
        object.metadata.namespace = Some("apps".to_owned());
        object.metadata.name = Some("fleet".to_owned());
        let told = Told {
            warning: false,
            reason: "Succeeded".to_owned(),
            message: "done".to_owned(),
            metadata: BTreeMap::new(),
        };
        let start = tokio::time::Instant::now();
        for _ in 0..20 {
            let now = Timestamp::UNIX_EPOCH;
            recorder.record(&object, "test", &told, now).await;
        }
        assert_eq!(start.elapsed(), std::time::Duration::ZERO, "nobody waits");
        recorder.finish().await;
        assert_eq!(*counts.lock().unwrap(), (0, AT_ONCE, 20));
    }

    #[test]
    fn a_message_is_cut_to_what_the_api_server_accepts() {
        assert_eq!(bounded("short"), "short");
        let cut = bounded(&"é".repeat(1_000));
        assert!(
            cut.len() <= LONGEST_MESSAGE && cut.ends_with("é..."),
            "{} bytes",
            cut.len()
        );
    }
}
