//! What payloads are wrapped in: CloudEvents, Pub/Sub, Event Grid, lists of events.
//!
//! Invariant: envelopes in envelopes are opened a few times and no more. What is absent: the events themselves.

use super::{Headers, News, registries, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// How many envelopes may stand in each other. Two are real: a message of Pub/Sub in a CloudEvent.
const DEEPEST: usize = 4;
/// Most events of one list that are read.
const MOST_EVENTS: usize = 1000;

/// What a payload says; `None` when its form is not known.
pub(super) fn read(headers: &Headers, value: &Value) -> Option<News> {
    // In binary mode a CloudEvent's body is its data alone.
    let binary = headers.get("ce-specversion");
    if binary.is_empty() {
        open(value, DEEPEST)
    } else {
        cloud_event(headers.get("ce-type"), value, DEEPEST)
    }
}

fn open(value: &Value, depth: usize) -> Option<News> {
    if depth == 0 {
        return None;
    }
    if let Value::Array(events) = value {
        return list(events, depth - 1);
    }
    let data = value.get("data");
    let structured = value.get("specversion").is_some_and(Value::is_string);
    if structured {
        let decoded = value.get("data_base64").and_then(from_base64);
        return cloud_event(
            text(value, "/type"),
            decoded.as_ref().or(data).unwrap_or(&Value::Null),
            depth,
        );
    }
    if let Some(message) = value.pointer("/message/data").and_then(from_base64) {
        return open(&message, depth - 1);
    }
    if let Some(data) = data.filter(|_| value.get("eventType").is_some_and(Value::is_string)) {
        return open(data, depth - 1);
    }
    registries::read(value)
}

/// The events that are known; `None` when no event is.
fn list(events: &[Value], depth: usize) -> Option<News> {
    let known: Vec<News> = events
        .iter()
        .take(MOST_EVENTS)
        .filter_map(|event| open(event, depth))
        .collect();
    let mut news = (!known.is_empty()).then(|| News::all(known))?;
    news.more |= events.len() > MOST_EVENTS;
    Some(news)
}

fn cloud_event(kind: &str, data: &Value, depth: usize) -> Option<News> {
    if let Some(done) = kind.strip_prefix("harbor.") {
        return registries::harbor_cloud_event(done, data);
    }
    match data {
        // A body of JSON in a text, as senders do that know no JSON.
        Value::String(inner) => open(&serde_json::from_str(inner).ok()?, depth - 1),
        _ => open(data, depth - 1),
    }
}

fn from_base64(value: &Value) -> Option<Value> {
    let bytes = STANDARD.decode(value.as_str()?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The number of an event, by what wraps it.
pub(super) fn id(headers: &Headers, value: &Value) -> Option<String> {
    let binary = headers.get("ce-id");
    if !binary.is_empty() {
        return Some(format!("{} {binary}", headers.get("ce-source")));
    }
    match value {
        Value::Array(events) => joined(events),
        _ if value.get("events").is_some_and(Value::is_array) => {
            joined(value["events"].as_array()?)
        }
        _ => one(value),
    }
}

/// One number for several events: they are sent again together.
fn joined(events: &[Value]) -> Option<String> {
    let ids: Option<Vec<String>> = events.iter().take(MOST_EVENTS).map(one).collect();
    ids.filter(|ids| !ids.is_empty()).map(|ids| ids.join("\n"))
}

/// The number of one event, if it is of a form whose `id` is a number of the event.
fn one(value: &Value) -> Option<String> {
    let has = |field: &str| value.get(field).is_some();
    let numbered = has("specversion")
        || has("eventType")
        || has("detail-type")
        || has("action") && has("target");
    let id = match numbered {
        true => text(value, "/id").to_owned(),
        false => ["/message/messageId", "/context/id"]
            .map(|pointer| text(value, pointer))
            .concat(),
    };
    (!id.is_empty()).then(|| format!("{} {id}", text(value, "/source")))
}
