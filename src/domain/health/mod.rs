//! Whether an object of the cluster has become what it should be, read from the object alone.
//!
//! The rules are those of kstatus: deletion, generation and the `Reconciling` and `Stalled`
//! conditions first, then what is known of the kind (`workload`, `other`), then `Ready`.
//! A running `Job` is in progress, as Flux has it.
//! Invariant: an object of an unknown kind without conditions is current; a malformed object is
//! [`Health::Unknown`], never an error. Kinds that people describe themselves are judged by that (`custom`). What is absent: waiting.

pub mod custom;
mod other;
mod read;
#[cfg(test)]
mod tests;
mod workload;

use jiff::Timestamp;
use read::{Object, Status};
use serde_json::Value;
use std::fmt;

/// What an object's state says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is as it should be. The message says how that shows.
    Current(String),
    /// It is on its way; the message says what it waits for.
    InProgress(String),
    /// It will not get there by itself; the message says why.
    Failed(String),
    /// It is being deleted.
    Terminating,
    /// It is not in the cluster, or its fields are not what the kind has.
    Unknown,
    /// What describes its kind has no answer; the message says why.
    Undecided(String),
}

impl Health {
    /// The word Flux's messages use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Current(_) => "Current",
            Self::InProgress(_) => "InProgress",
            Self::Failed(_) => "Failed",
            Self::Terminating => "Terminating",
            Self::Unknown | Self::Undecided(_) => "Unknown",
        }
    }

    /// Whether it is as it should be.
    pub fn is_current(&self) -> bool {
        matches!(self, Self::Current(_))
    }

    /// Whether waiting longer makes no sense.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// What the object waits for or failed of, if anything.
    pub fn message(&self) -> &str {
        match self {
            Self::Current(message)
            | Self::InProgress(message)
            | Self::Failed(message)
            | Self::Undecided(message) => message,
            Self::Terminating => "Resource scheduled for deletion",
            Self::Unknown => "",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The health of `object`. Without a clock a pod that cannot be scheduled counts as in progress.
pub fn status(object: &Value) -> Health {
    evaluate(object, None)
}

/// The health of `object` at `now`: a pod that cannot be scheduled fails after 15 seconds.
pub fn status_at(object: &Value, now: Timestamp) -> Health {
    evaluate(object, Some(now))
}

fn evaluate(object: &Value, now: Option<Timestamp>) -> Health {
    let object = Object(object);
    if object.0.as_object().is_none_or(serde_json::Map::is_empty) {
        return Health::Unknown;
    }
    if !object.text("/metadata/deletionTimestamp").is_empty() {
        return Health::Terminating;
    }
    generic(object)
        .or_else(|| of_kind(object, now))
        .or_else(|| ready(object))
        .unwrap_or_else(|| Health::Current("Resource is current".to_owned()))
}

/// What holds for every kind: the generation seen, and the two standard conditions.
fn generic(object: Object<'_>) -> Option<Health> {
    let generation = object.number("/metadata/generation");
    let observed = object.number("/status/observedGeneration");
    if let (Some(generation), Some(observed)) = (generation, observed)
        && generation != observed
    {
        return Some(Health::InProgress(format!(
            "{} generation is {generation}, but latest observed generation is {observed}",
            object.text("/kind")
        )));
    }
    object.conditions().find_map(|condition| {
        let message = || condition.message.to_owned();
        match (condition.kind, condition.status) {
            ("Reconciling", Status::True) => Some(Health::InProgress(message())),
            ("Stalled", Status::True) => Some(Health::Failed(message())),
            _ => None,
        }
    })
}

fn of_kind(object: Object<'_>, now: Option<Timestamp>) -> Option<Health> {
    let api_version = object.text("/apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    Some(match (group, object.text("/kind")) {
        ("apps" | "extensions", "Deployment") => workload::deployment(object),
        ("apps" | "extensions", "ReplicaSet") => workload::replica_set(object),
        ("apps" | "extensions", "DaemonSet") => workload::daemon_set(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("batch", "Job") => workload::job(object),
        ("", "Pod") => workload::pod(object, now),
        ("", "Service") => other::service(object),
        ("", "PersistentVolumeClaim") => other::claim(object),
        ("policy", "PodDisruptionBudget") => {
            Health::Current("AllowedDisruptions has been computed.".to_owned())
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => other::definition(object),
        ("", "ConfigMap" | "Secret") | ("batch", "CronJob") => {
            Health::Current("Resource is always ready".to_owned())
        }
        _ => return None,
    })
}

/// The `Ready` condition of any kind.
fn ready(object: Object<'_>) -> Option<Health> {
    object
        .conditions()
        .filter(|condition| condition.kind == "Ready")
        .find_map(|condition| match condition.status {
            Status::True => Some(Health::Current("Resource is Ready".to_owned())),
            Status::False | Status::Unknown => {
                Some(Health::InProgress(condition.message.to_owned()))
            }
            Status::Other => None,
        })
}
