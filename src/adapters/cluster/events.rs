//! Kubernetes events about custom resources.
//!
//! Invariant: an event that cannot be recorded is logged, never an error of the work it is about. What is absent: deciding what is
//! worth an event, see `domain::conditions::notice`, and when it is recorded.

use super::watch::{Watched, key_of};
use crate::domain::object::ObjectKey;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use std::collections::BTreeMap;

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

/// Records events.
#[derive(Clone)]
pub struct Recorder {
    client: Client,
}

impl Recorder {
    /// A recorder that writes as `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes the event that one thing about `object` is, as said by the controller `reporter`.
    pub fn event<K: Watched>(
        &self,
        object: &K,
        reporter: &str,
        told: &Told,
        now: Timestamp,
    ) -> Unrecorded {
        Unrecorded {
            client: self.client.clone(),
            key: key_of(object),
            event: Box::new(event(object, reporter, told, now)),
        }
    }
}

/// An event that the API server does not know yet.
pub struct Unrecorded {
    client: Client,
    key: ObjectKey,
    event: Box<Event>,
}

impl Unrecorded {
    /// Records it.
    pub async fn record(self) {
        let Self { client, key, event } = self;
        let api: Api<Event> = Api::namespaced(client, &key.namespace);
        if let Err(error) = api.create(&PostParams::default(), &event).await {
            tracing::warn!(object = %key, %error, "the event could not be recorded");
        }
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
