//! Kinds that run pods.
//!
//! Invariant and messages are kstatus', but for a running job, which Flux holds to be in progress.
//! What is absent: the pods behind a workload.

use super::Health;
use super::read::{Object, Status};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How long a pod may wait for a node before it has failed.
const SCHEDULING: SignedDuration = SignedDuration::from_secs(15);

fn waiting(message: impl Into<String>) -> Option<Health> {
    Some(Health::InProgress(message.into()))
}

/// `what: have/want` when there are too few.
fn too_few(what: &str, have: i64, want: i64) -> Option<Health> {
    if want > have {
        waiting(format!("{what}: {have}/{want}"))
    } else {
        None
    }
}

fn too_many(have: i64, want: i64) -> Option<Health> {
    if have > want {
        waiting(format!("Pending termination: {}", have - want))
    } else {
        None
    }
}

pub(super) fn deployment(object: Object<'_>) -> Health {
    let deadline_exceeded = object.conditions().any(|condition| {
        condition.kind == "Progressing" && condition.reason == "ProgressDeadlineExceeded"
    });
    if deadline_exceeded {
        return Health::Failed("Progress deadline exceeded".to_owned());
    }
    let no_deadline = object.number_or("/spec/progressDeadlineSeconds", i64::from(i32::MAX))
        == i64::from(i32::MAX);
    let progressed = no_deadline
        || object.conditions().any(|condition| {
            condition.kind == "Progressing"
                && condition.status == Status::True
                && condition.reason == "NewReplicaSetAvailable"
        });
    let wanted = object.number_or("/spec/replicas", 1);
    let count = |field: &str| object.number_or(&format!("/status/{field}"), 0);
    let (replicas, updated) = (count("replicas"), count("updatedReplicas"));
    too_few("Replicas", replicas, wanted)
        .or_else(|| too_few("Updated", updated, wanted))
        .or_else(|| too_many(replicas, wanted))
        .or_else(|| too_few("Available", count("availableReplicas"), updated))
        .or_else(|| too_few("Ready", count("readyReplicas"), wanted))
        .or_else(|| {
            if progressed {
                None
            } else {
                waiting("ReplicaSet not Available")
            }
        })
        .or_else(|| {
            if object.has("Available") {
                None
            } else {
                waiting("Deployment not Available")
            }
        })
        .unwrap_or_else(|| {
            Health::Current(format!("Deployment is available. Replicas: {replicas}"))
        })
}

pub(super) fn replica_set(object: Object<'_>) -> Health {
    if object.has("ReplicaFailure") {
        return Health::InProgress("Replica Failure condition. Check Pods".to_owned());
    }
    let wanted = object.number_or("/spec/replicas", 1);
    let count = |field: &str| object.number_or(&format!("/status/{field}"), 0);
    let replicas = count("replicas");
    too_few("Labelled", count("fullyLabeledReplicas"), wanted)
        .or_else(|| too_few("Available", count("availableReplicas"), wanted))
        .or_else(|| too_few("Ready", count("readyReplicas"), wanted))
        .or_else(|| too_many(replicas, wanted))
        .unwrap_or_else(|| {
            Health::Current(format!("ReplicaSet is available. Replicas: {replicas}"))
        })
}

pub(super) fn daemon_set(object: Object<'_>) -> Health {
    for (pointer, field) in [
        ("/metadata/generation", "metadata.generation"),
        ("/status/observedGeneration", "status.observedGeneration"),
    ] {
        if object.number(pointer).is_none() {
            return Health::InProgress(format!("{} {field} not found", object.text("/kind")));
        }
    }
    let Some(wanted) = object.number("/status/desiredNumberScheduled") else {
        return Health::InProgress("Missing .status.desiredNumberScheduled".to_owned());
    };
    let count = |field: &str| object.number_or(&format!("/status/{field}"), 0);
    too_few("Current", count("currentNumberScheduled"), wanted)
        .or_else(|| too_few("Updated", count("updatedNumberScheduled"), wanted))
        .or_else(|| too_few("Available", count("numberAvailable"), wanted))
        .or_else(|| too_few("Ready", count("numberReady"), wanted))
        .unwrap_or_else(|| {
            Health::Current(format!(
                "All replicas scheduled as expected. Replicas: {wanted}"
            ))
        })
}

pub(super) fn stateful_set(object: Object<'_>) -> Health {
    if object.text("/spec/updateStrategy/type") == "OnDelete" {
        return Health::Current("StatefulSet is using the ondelete update strategy".to_owned());
    }
    let wanted = object.number_or("/spec/replicas", 1);
    let count = |field: &str| object.number_or(&format!("/status/{field}"), 0);
    let (replicas, updated) = (count("replicas"), count("updatedReplicas"));
    let scaled = too_few("Replicas", replicas, wanted)
        .or_else(|| too_few("Ready", count("readyReplicas"), wanted))
        .or_else(|| too_many(replicas, wanted));
    if let Some(health) = scaled {
        return health;
    }
    let partition = object.number("/spec/updateStrategy/rollingUpdate/partition");
    if let Some(partition) = partition.filter(|partition| *partition != -1) {
        return too_few("updated", updated, wanted - partition).unwrap_or_else(|| {
            Health::Current(format!("Partition rollout complete. updated: {updated}"))
        });
    }
    let revisions_differ =
        object.text("/status/currentRevision") != object.text("/status/updateRevision");
    too_few("current", count("currentReplicas"), wanted)
        .or_else(|| {
            if revisions_differ {
                waiting("Waiting for updated revision to match current")
            } else {
                None
            }
        })
        .unwrap_or_else(|| {
            Health::Current(format!(
                "All replicas scheduled as expected. Replicas: {replicas}"
            ))
        })
}

pub(super) fn job(object: Object<'_>) -> Health {
    let count = |field: &str| object.number_or(&format!("/status/{field}"), 0);
    let (succeeded, failed) = (count("succeeded"), count("failed"));
    let parallelism = object.number_or("/spec/parallelism", 1);
    let wanted = object.number_or("/spec/completions", parallelism);
    let suspended = object.0.pointer("/spec/suspend") == Some(&Value::Bool(true));
    let decided = object
        .conditions()
        .filter(|condition| condition.status == Status::True)
        .find_map(|condition| match condition.kind {
            "Complete" => Some(Health::Current(format!(
                "Job Completed. succeeded: {succeeded}/{wanted}"
            ))),
            "Failed" => Some(Health::Failed(format!(
                "Job Failed. failed: {failed}/{wanted}"
            ))),
            "Suspended" if suspended => Some(Health::Current("Job is suspended".to_owned())),
            _ => None,
        });
    decided.unwrap_or_else(|| {
        if object.text("/status/startTime").is_empty() {
            Health::InProgress("Job not started".to_owned())
        } else {
            let active = count("active");
            Health::InProgress(format!(
                "Job in progress. success:{succeeded}, active: {active}, failed: {failed}"
            ))
        }
    })
}

pub(super) fn pod(object: Object<'_>, now: Option<Timestamp>) -> Health {
    match object.text("/status/phase") {
        "Succeeded" => Health::Current("Pod has completed successfully".to_owned()),
        "Failed" => Health::Current("Pod has completed, but not successfully".to_owned()),
        "Running" => running(object),
        "Pending" => pending(object, now),
        "" => Health::InProgress("Pod phase not available".to_owned()),
        _ => Health::Unknown,
    }
}

fn running(object: Object<'_>) -> Health {
    if object.has("Ready") {
        return Health::Current("Pod is Ready".to_owned());
    }
    let containers = object
        .0
        .pointer("/status/containerStatuses")
        .and_then(Value::as_array);
    let crashing: Vec<&str> = containers
        .into_iter()
        .flatten()
        .filter(|container| {
            container
                .pointer("/state/waiting/reason")
                .and_then(Value::as_str)
                == Some("CrashLoopBackOff")
        })
        .filter_map(|container| container.get("name").and_then(Value::as_str))
        .collect();
    if crashing.is_empty() {
        Health::InProgress("Pod is running but is not Ready".to_owned())
    } else {
        Health::Failed(format!(
            "Containers in CrashLoop state: {}",
            crashing.join(",")
        ))
    }
}

fn pending(object: Object<'_>, now: Option<Timestamp>) -> Health {
    let unschedulable = object.conditions().any(|condition| {
        condition.kind == "PodScheduled"
            && condition.status == Status::False
            && condition.reason == "Unschedulable"
    });
    if !unschedulable {
        return Health::InProgress("Pod is in the Pending phase".to_owned());
    }
    let created: Option<Timestamp> = object.text("/metadata/creationTimestamp").parse().ok();
    let too_long = now
        .is_some_and(|now| created.is_none_or(|created| now.duration_since(created) >= SCHEDULING));
    if too_long {
        Health::Failed("Pod could not be scheduled".to_owned())
    } else {
        Health::InProgress("Pod has not been scheduled".to_owned())
    }
}
