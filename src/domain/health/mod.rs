//! Whether an object has become what it should be: the rules of kstatus.
//!
//! Invariant: the answer follows from the object alone. A Job counts when it is complete, as Flux
//! has it, not when it has begun. What is absent: expressions that people write.

mod workload;

use serde_json::Value;

/// How an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is as it should be.
    Current,
    /// It is on its way, for this reason.
    InProgress(String),
    /// It will not get there, for this reason.
    Failed(String),
    /// It is being deleted.
    Terminating,
}

impl Health {
    /// The word of kstatus.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::InProgress(_) => "InProgress",
            Self::Failed(_) => "Failed",
            Self::Terminating => "Terminating",
        }
    }

    fn in_progress(reason: impl Into<String>) -> Self {
        Self::InProgress(reason.into())
    }
}

/// Judges a live object.
pub fn status(object: &Value) -> Health {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Health::Terminating;
    }
    if let Some(health) = generic(object) {
        return health;
    }
    let group = object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    match (group, object["kind"].as_str().unwrap_or_default()) {
        ("apps" | "extensions", "Deployment") => workload::deployment(object),
        ("apps" | "extensions", "ReplicaSet") => workload::replica_set(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => workload::daemon_set(object),
        ("", "Pod") => workload::pod(object),
        ("batch", "Job") => workload::job(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("policy", "PodDisruptionBudget") => budget(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        _ => by_ready(object),
    }
}

/// What counts for every kind: the observed generation, and the two conditions of kstatus.
fn generic(object: &Value) -> Option<Health> {
    let generation = object["metadata"]["generation"].as_i64();
    let observed = object["status"]["observedGeneration"].as_i64();
    if observed.is_some() && generation.is_some() && observed != generation {
        return Some(Health::in_progress("the latest generation is not observed yet"));
    }
    if let Some(message) = when(object, "Reconciling", "True") {
        return Some(Health::InProgress(message));
    }
    when(object, "Stalled", "True").map(Health::Failed)
}

/// A kind nobody knows is as it should be, unless its `Ready` condition says otherwise.
fn by_ready(object: &Value) -> Health {
    match condition(object, "Ready") {
        Some(ready) if ready["status"] != "True" => Health::InProgress(message_of(ready)),
        _ => Health::Current,
    }
}

fn claim(object: &Value) -> Health {
    match object["status"]["phase"].as_str() {
        Some("Bound") => Health::Current,
        phase => Health::in_progress(format!("the claim is not bound: {}", phase.unwrap_or("unknown"))),
    }
}

fn service(object: &Value) -> Health {
    let balanced = object["spec"]["type"] == "LoadBalancer";
    let ingress = object["status"]["loadBalancer"]["ingress"].as_array().is_some_and(|ingress| !ingress.is_empty());
    if balanced && !ingress {
        return Health::in_progress("the load balancer has no address yet");
    }
    Health::Current
}

fn budget(object: &Value) -> Health {
    let (healthy, desired) = (number(object, "currentHealthy"), number(object, "desiredHealthy"));
    if object["status"]["observedGeneration"].is_null() || healthy < desired {
        return Health::in_progress(format!("{healthy} of {desired} pods are healthy"));
    }
    Health::Current
}

fn definition(object: &Value) -> Health {
    if let Some(message) = when(object, "NamesAccepted", "False") {
        return Health::Failed(message);
    }
    match condition(object, "Established") {
        Some(established) if established["status"] == "True" => Health::Current,
        Some(established) if established["status"] == "False" && established["reason"] != "Installing" => {
            Health::Failed(message_of(established))
        }
        _ => Health::in_progress("the definition is not established yet"),
    }
}

/// The condition of a type.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// The message of a condition when it has the given status.
fn when(object: &Value, kind: &str, status: &str) -> Option<String> {
    condition(object, kind).filter(|condition| condition["status"] == status).map(message_of)
}

fn message_of(condition: &Value) -> String {
    condition["message"].as_str().unwrap_or_default().to_owned()
}

/// A number of the status; missing is none.
fn number(object: &Value, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or_default()
}

#[cfg(test)]
mod tests;
