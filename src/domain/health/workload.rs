//! The kinds that run pods.
//!
//! Invariant: the order of the tests is that of kstatus, so the reason told is the first that holds.

use super::{Health, condition, message_of, number, when};
use serde_json::Value;

/// How many replicas are wanted; one unless said.
fn wanted(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

/// The first test that fails, as a reason.
fn first(tests: &[(bool, String)]) -> Option<Health> {
    tests.iter().find(|(fails, _)| *fails).map(|(_, reason)| Health::in_progress(reason.clone()))
}

pub(super) fn deployment(object: &Value) -> Health {
    let progressing = condition(object, "Progressing");
    if let Some(exceeded) = progressing.filter(|condition| condition["reason"] == "ProgressDeadlineExceeded") {
        return Health::Failed(message_of(exceeded));
    }
    let wanted = wanted(object);
    let [replicas, updated, available, ready] =
        ["replicas", "updatedReplicas", "availableReplicas", "readyReplicas"].map(|field| number(object, field));
    // Without a deadline the controller sets no such condition; a Deployment always has one by default.
    let unbounded = object["spec"]["progressDeadlineSeconds"].as_i64().is_none_or(|seconds| seconds == i64::from(i32::MAX));
    let rolled_out = unbounded
        || progressing.is_some_and(|condition| condition["status"] == "True" && condition["reason"] == "NewReplicaSetAvailable");
    let tests = [
        (wanted > replicas, format!("replicas: {replicas}/{wanted}")),
        (wanted > updated, format!("updated: {updated}/{wanted}")),
        (replicas > wanted, format!("pending termination: {}", replicas - wanted)),
        (updated > available, format!("available: {available}/{updated}")),
        (wanted > ready, format!("ready: {ready}/{wanted}")),
        (!rolled_out, "the new replica set is not available yet".to_owned()),
        (when(object, "Available", "True").is_none(), "the deployment is not available yet".to_owned()),
    ];
    first(&tests).unwrap_or(Health::Current)
}

pub(super) fn replica_set(object: &Value) -> Health {
    if let Some(message) = when(object, "ReplicaFailure", "True") {
        return Health::InProgress(message);
    }
    let wanted = wanted(object);
    let [replicas, labelled, available, ready] =
        ["replicas", "fullyLabeledReplicas", "availableReplicas", "readyReplicas"].map(|field| number(object, field));
    let tests = [
        (wanted > labelled, format!("labelled: {labelled}/{wanted}")),
        (wanted > available, format!("available: {available}/{wanted}")),
        (wanted > ready, format!("ready: {ready}/{wanted}")),
        (replicas > wanted, format!("pending termination: {}", replicas - wanted)),
    ];
    first(&tests).unwrap_or(Health::Current)
}

pub(super) fn stateful_set(object: &Value) -> Health {
    let strategy = &object["spec"]["updateStrategy"];
    if strategy["type"] == "OnDelete" {
        return Health::Current;
    }
    let wanted = wanted(object);
    let [replicas, ready, updated, current] =
        ["replicas", "readyReplicas", "updatedReplicas", "currentReplicas"].map(|field| number(object, field));
    let tests = [
        (wanted > replicas, format!("replicas: {replicas}/{wanted}")),
        (wanted > ready, format!("ready: {ready}/{wanted}")),
        (replicas > wanted, format!("pending termination: {}", replicas - wanted)),
    ];
    if let Some(health) = first(&tests) {
        return health;
    }
    // A partition holds back the pods below it.
    if let Some(partition) = strategy["rollingUpdate"]["partition"].as_i64().filter(|partition| *partition > 0) {
        let expected = wanted - partition;
        return first(&[(updated < expected, format!("updated: {updated}/{expected}"))]).unwrap_or(Health::Current);
    }
    let status = &object["status"];
    let tests = [
        (wanted > current, format!("current: {current}/{wanted}")),
        (status["currentRevision"] != status["updateRevision"], "the new revision is not rolled out yet".to_owned()),
    ];
    first(&tests).unwrap_or(Health::Current)
}

pub(super) fn daemon_set(object: &Value) -> Health {
    let status = &object["status"];
    if status["observedGeneration"].is_null() || status["desiredNumberScheduled"].is_null() {
        return Health::in_progress("the controller has not looked at it yet");
    }
    let wanted = number(object, "desiredNumberScheduled");
    let tests = ["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"].map(|field| {
        let found = number(object, field);
        (wanted > found, format!("{field}: {found}/{wanted}"))
    });
    first(&tests).unwrap_or(Health::Current)
}

pub(super) fn pod(object: &Value) -> Health {
    let status = &object["status"];
    match status["phase"].as_str().unwrap_or_default() {
        "Succeeded" => Health::Current,
        "Failed" => Health::Failed(status["message"].as_str().unwrap_or("the pod failed").to_owned()),
        "Running" if when(object, "Ready", "True").is_some() => Health::Current,
        "Running" => match crashing(status) {
            Some(container) => Health::Failed(format!("container `{container}` crashes again and again")),
            None => Health::in_progress("the pod runs but is not ready"),
        },
        phase => Health::in_progress(format!("the pod is {}", if phase.is_empty() { "not seen yet" } else { phase })),
    }
}

fn crashing(status: &Value) -> Option<&str> {
    let containers = status["containerStatuses"].as_array()?;
    let crashing = containers.iter().find(|container| container["state"]["waiting"]["reason"] == "CrashLoopBackOff")?;
    crashing["name"].as_str()
}

pub(super) fn job(object: &Value) -> Health {
    if let Some(message) = when(object, "Failed", "True") {
        return Health::Failed(message);
    }
    if when(object, "Complete", "True").is_some() {
        return Health::Current;
    }
    Health::in_progress(format!("{} active, {} succeeded", number(object, "active"), number(object, "succeeded")))
}
