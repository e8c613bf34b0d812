//! Kinds that run nothing: services, claims, definitions.
//!
//! Invariant and messages are kstatus'. What is absent: kinds that are always ready.

use super::Health;
use super::read::{Object, Status};

pub(super) fn service(object: Object<'_>) -> Health {
    if object.text("/spec/type") == "LoadBalancer" && object.text("/spec/clusterIP").is_empty() {
        return Health::InProgress("ClusterIP not set. Service type: LoadBalancer".to_owned());
    }
    Health::Current("Service is ready".to_owned())
}

pub(super) fn claim(object: Object<'_>) -> Health {
    match object.text("/status/phase") {
        "Bound" => Health::Current("PVC is Bound".to_owned()),
        "" => Health::InProgress("PVC is not Bound. phase: unknown".to_owned()),
        phase => Health::InProgress(format!("PVC is not Bound. phase: {phase}")),
    }
}

pub(super) fn definition(object: Object<'_>) -> Health {
    object
        .conditions()
        .find_map(|condition| {
            let failed = || Some(Health::Failed(condition.message.to_owned()));
            match (condition.kind, condition.status) {
                ("NamesAccepted", Status::False) => failed(),
                ("Established", Status::False) if condition.reason != "Installing" => failed(),
                ("Established", Status::True) => {
                    Some(Health::Current("CRD is established".to_owned()))
                }
                _ => None,
            }
        })
        .unwrap_or_else(|| Health::InProgress("Install in progress".to_owned()))
}
