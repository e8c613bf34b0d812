//! The Kubernetes events of a fleet. They are recorded beside the work, so that they may come a moment after the status.

use super::{Fleet, PATIENCE};
use serde_json::Value;
use std::time::{Duration, Instant};

impl Fleet {
    /// The messages of the events that are as `wanted` says, once there are at least `count`.
    pub async fn told(&self, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        let events = self.events(count, wanted).await;
        let messages = events.iter().filter_map(|event| event["message"].as_str());
        messages.map(str::to_owned).collect()
    }

    /// The events that are as `wanted` says, once there are at least `count`.
    pub async fn events(&self, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let since = Instant::now();
        loop {
            let all = self.list("Event").await;
            let found: Vec<Value> = all.iter().filter(|event| wanted(event)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            assert!(
                since.elapsed() < PATIENCE,
                "{} of {count} events among {all:#?}\n{}",
                found.len(),
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

/// Whether the message of an event begins with these words.
pub fn begins(event: &Value, words: &str) -> bool {
    let message = event["message"].as_str();
    message.is_some_and(|message| message.starts_with(words))
}

/// Whether the message of an event has these words in it.
pub fn says(event: &Value, words: &str) -> bool {
    let message = event["message"].as_str();
    message.is_some_and(|message| message.contains(words))
}
