//! Objects that cannot become what is applied, because a field of theirs never changes: they are deleted
//! and created anew, where that is asked for.
//!
//! Invariant: nothing is deleted before every dry run of its stage has passed, and before a trial says
//! that the API server would take a new one. What is absent: whether it is asked for; the domain reads that.

use super::execute::{Hands, words};
use crate::adapters::cluster::ClusterError;
use crate::domain::manifest::Manifest;
use crate::domain::object::ObjectId;
use std::time::Duration;
use tokio::time::Instant;

/// How long an object that was deleted may take to be gone. One that takes longer is waited for by the next run.
const GONE: Duration = Duration::from_secs(60);

/// Whether the API server says that the object cannot become this, whatever else is there.
pub(super) fn is_immutable(error: &ClusterError) -> bool {
    let said = |text: &str| words(error).contains(text);
    error.is_invalid() || said("is immutable") || said("immutable field")
}

/// Tries to create the object, in a dry run and under another name. `refused` is what was said against changing the one that is there.
///
/// # Errors
/// In words, unless the API server would take a new one: deleting could then leave nothing.
pub(super) async fn trial(
    hands: Hands<'_>,
    manifest: &Manifest,
    refused: &ClusterError,
) -> Result<(), String> {
    let id = manifest.id();
    let because = match renamed(&id, manifest) {
        None => "all objects of its kind would go with it, or it cannot be tried".to_owned(),
        Some((other, object)) => match hands.applier.dry_run(&other, &object).await {
            Ok(_) => return Ok(()),
            Err(error) if is_undecided(&error) => return Ok(()),
            Err(error) => format!("a new one would be refused: {}", words(&error)),
        },
    };
    Err(format!(
        "{id} dry-run failed: {}; hint: it is not deleted and created anew, since {because}",
        words(refused)
    ))
}

/// The same object by another name; `None` for kinds whose content says the name.
fn renamed(id: &ObjectId, manifest: &Manifest) -> Option<(ObjectId, serde_json::Value)> {
    const LONGEST: usize = 40;
    if matches!(id.kind.as_str(), "CustomResourceDefinition" | "APIService") {
        return None;
    }
    let start: String = id.name.chars().take(LONGEST).collect();
    let start = start.trim_end_matches(|last: char| !last.is_ascii_alphanumeric());
    let name = format!("{start}-anew");
    let mut object = manifest.object.clone();
    object["metadata"]["name"] = name.as_str().into();
    let other = ObjectId { name, ..id.clone() };
    Some((other, object))
}

/// Whether nothing but the other name, or what the object that is there still takes up, stands in the way. Several
/// faults at once are told in brackets.
fn is_undecided(error: &ClusterError) -> bool {
    let words = words(error);
    let fault = words.split_once("is invalid: ").map(|(_, fault)| fault);
    let own = |fault: &str| {
        fault.starts_with("metadata.name: ")
            || (!fault.starts_with('[') && fault.contains("already allocated"))
    };
    match error {
        ClusterError::Request { code: 422, .. } => fault.is_some_and(own),
        ClusterError::Request { code: 403, .. } => words.contains("exceeded quota"),
        _ => false,
    }
}

/// Deletes the object and waits until it is gone.
pub(super) async fn delete(hands: Hands<'_>, id: &ObjectId) -> Result<(), String> {
    let failed = |what: &str, reason: String| {
        Err(format!(
            "{id} immutable field detected, failed to {what}: {reason}"
        ))
    };
    if let Err(error) = hands.applier.delete(id).await {
        return failed("delete object", words(&error));
    }
    let deadline = Instant::now() + GONE;
    let mut pause = Duration::from_millis(50);
    loop {
        match hands.applier.get(id).await {
            Ok(None) => return Ok(()),
            Ok(Some(_)) if Instant::now() < deadline => {}
            Ok(Some(_)) => {
                let reason = format!("it is still there after {} s", GONE.as_secs());
                return failed("wait for object to be deleted", reason);
            }
            Err(error) => return failed("wait for object to be deleted", words(&error)),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(code: u16, reason: &str) -> ClusterError {
        ClusterError::Request {
            kind: "Service".to_owned(),
            object: "apps/web".to_owned(),
            reason: reason.to_owned(),
            transient: false,
            code,
        }
    }

    #[test]
    fn what_changes_meanwhile_is_not_immutable() {
        assert!(is_immutable(&said(
            422,
            "spec.selector: field is immutable"
        )));
        assert!(is_immutable(&said(
            403,
            "the admin says: name is immutable"
        )));
        assert!(!is_immutable(&said(409, "the object has been modified")));
        assert!(!is_immutable(&said(500, "etcd is gone")));
    }

    #[test]
    fn a_trial_says_nothing_where_the_old_object_or_the_other_name_is_in_the_way() {
        let own = "Service \"web\" is invalid: metadata.name: Invalid value: \"web-anew\"";
        let port = "Service \"web\" is invalid: spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated";
        let quota = "services \"web-anew\" is forbidden: exceeded quota: team";
        for (code, reason) in [(422, own), (422, port), (403, quota)] {
            assert!(is_undecided(&said(code, reason)), "{reason}");
        }
    }

    #[test]
    fn whatever_else_a_trial_says_is_a_refusal() {
        let field = "Job \"a\" is invalid: spec.template.spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"status.phase\": supported values: \"metadata.name\"";
        let several = "Service \"web\" is invalid: [metadata.name: Invalid value: \"\", spec.ports: Required value]";
        let both = "Service \"web\" is invalid: [spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated, spec.type: Required value]";
        for (code, reason) in [
            (422, field),
            (422, several),
            (422, both),
            (403, "admission webhook \"policy\" denied the request: no"),
            (400, "admission webhook \"policy\" denied the request: no"),
            (500, "failed calling webhook \"policy\""),
            (0, "connection refused"),
        ] {
            assert!(!is_undecided(&said(code, reason)), "{reason}");
        }
    }

    #[test]
    fn a_definition_is_never_tried() {
        let object = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "a.b"}});
        let manifest = Manifest::new(object, None).expect("it is an object");
        assert_eq!(renamed(&manifest.id(), &manifest), None);
    }

    #[test]
    fn another_name_is_one_that_the_api_server_takes() {
        let name = format!("{}-.-{}", "a".repeat(38), "b".repeat(200));
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        let manifest = Manifest::new(object, None).expect("it is an object");
        let (id, object) = renamed(&manifest.id(), &manifest).expect("its name is free");
        assert_eq!(id.name, format!("{}-anew", "a".repeat(38)));
        assert_eq!(object["metadata"]["name"], id.name);
    }
}
