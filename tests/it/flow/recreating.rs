//! Objects that never become what Git has: deleted and created anew where that is asked for; and the removal of a Kustomization.

use super::running;
use crate::support::fleet::events::begins;
use crate::support::fleet::{Fleet, condition, message};
use kube::api::DeleteParams;
use serde_json::{Value, json};

const MAP: &str = "settings";

/// A ConfigMap that nobody can change.
fn settings(annotations: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {MAP}, annotations: {annotations}}}\nimmutable: true\ndata: {data}\n"
    )
}

/// A Kustomization `apps` of one file, with more in its specification; once it is applied.
async fn applied(fleet: &Fleet, more: Value, manifest: &str) {
    fleet.commit("Add apps", &[("apps/app.yaml", manifest)]);
    let source = fleet.git_repository();
    fleet.apply("GitRepository", "fleet", source).await;
    let mut content = fleet.kustomization("fleet", "apps");
    let spec = content["spec"].as_object_mut().expect("it is an object");
    spec.extend(more.as_object().expect("it is an object").clone());
    fleet.apply("Kustomization", "apps", content).await;
    fleet.ready("Kustomization", "apps").await;
}

/// Another file in its place; the Kustomization once it was tried.
async fn changed(fleet: &Fleet, manifest: &str) -> Value {
    let head = fleet.commit("Change apps", &[("apps/app.yaml", manifest)]);
    let revision = format!("main@sha1:{head}");
    fleet.request("GitRepository", "fleet").await;
    fleet
        .wait("Kustomization", "apps", "the change is tried", |object| {
            object["status"]["lastAttemptedRevision"] == *revision
                && condition(object, "Ready")["status"] != "Unknown"
        })
        .await
}

async fn map(fleet: &Fleet) -> Value {
    fleet.get("ConfigMap", MAP).await.unwrap_or_default()
}

fn is_ready(object: &Value) -> bool {
    condition(object, "Ready")["status"] == "True"
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_changed_is_created_anew_where_that_is_forced() {
    let mut fleet = running("force").await;
    applied(&fleet, json!({"force": true}), &settings("{}", "{size: a}")).await;
    let first = map(&fleet).await;
    let object = changed(&fleet, &settings("{}", "{size: b}")).await;
    assert!(is_ready(&object), "{}", message(&object));
    let second = map(&fleet).await;
    assert_eq!(second["data"], json!({"size": "b"}));
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
    let line = format!("ConfigMap/{}/{MAP} created", fleet.namespace);
    fleet.told(2, |event| begins(event, &line)).await;

    // What would be refused as a new object too is left as it is.
    let object = changed(&fleet, &settings("{}", "{'not a key': b}")).await;
    let words = message(&object);
    assert!(
        !is_ready(&object) && words.contains("would be refused"),
        "{words}"
    );
    assert_eq!(
        map(&fleet).await["metadata"]["uid"],
        second["metadata"]["uid"]
    );
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_changed_stays_until_it_says_that_it_may_go() {
    let mut fleet = running("immutable").await;
    applied(&fleet, json!({}), &settings("{}", "{size: a}")).await;
    let first = map(&fleet).await;
    let object = changed(&fleet, &settings("{}", "{size: b}")).await;
    let words = message(&object);
    assert!(
        !is_ready(&object) && words.contains("is immutable"),
        "{words}"
    );
    assert_eq!(map(&fleet).await, first);

    // It goes when its finalizer does, and what it waits for is said.
    let held = json!({"metadata": {"finalizers": ["example.com/held"]}});
    fleet.patch("ConfigMap", MAP, held).await;
    let allowed = settings("{kustomize.toolkit.fluxcd.io/force: enabled}", "{size: b}");
    fleet.commit("Allow", &[("apps/app.yaml", &allowed)]);
    fleet.request("GitRepository", "fleet").await;
    fleet
        .wait("ConfigMap", MAP, "it is deleted", |object| {
            object["metadata"]["deletionTimestamp"].is_string()
        })
        .await;
    let released = json!({"metadata": {"finalizers": null}});
    fleet.patch("ConfigMap", MAP, released).await;
    let second = fleet
        .wait("ConfigMap", MAP, "it is there again", |object| {
            object["data"] == json!({"size": "b"})
        })
        .await;
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
    fleet.ready("Kustomization", "apps").await;
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_that_waits_for_termination_goes_after_what_it_applied() {
    let mut fleet = running("termination").await;
    let policy = json!({"deletionPolicy": "WaitForTermination", "prune": false});
    applied(&fleet, policy, &settings("{}", "{size: a}")).await;
    let held = json!({"metadata": {"finalizers": ["example.com/held"]}});
    fleet.patch("ConfigMap", MAP, held).await;
    let api = fleet.api("Kustomization");
    let deleted = api.delete("apps", &DeleteParams::default()).await;
    deleted.expect("it is deleted");
    let line = format!("ConfigMap/{}/{MAP} deleted", fleet.namespace);
    fleet.told(1, |event| begins(event, &line)).await;
    // It is looked at more than once meanwhile.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(fleet.get("Kustomization", "apps").await.is_some());
    assert_eq!(fleet.told(1, |event| begins(event, &line)).await.len(), 1);
    let released = json!({"metadata": {"finalizers": null}});
    fleet.patch("ConfigMap", MAP, released).await;
    fleet
        .wait("Kustomization", "apps", "it is gone", Value::is_null)
        .await;
    assert_eq!(map(&fleet).await, Value::default());
    fleet.assert_no_panic();
}
