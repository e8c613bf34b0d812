//! Waiting for what was applied, and for what others apply.

use super::{fleet, running};
use crate::support::fleet::{Fleet, condition, is_ready, message};
use serde_json::{Value, json};

/// A Deployment that would need a node, which there is none of.
fn deployment(name: &str, deadline: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  progressDeadlineSeconds: {deadline}\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
         spec: {{containers: [{{name: app, image: none}}]}}\n"
    )
}

fn map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

/// A Kustomization `name` of `apps/<name>` that waits.
async fn waits(fleet: &Fleet, name: &str, timeout: &str) {
    let mut content = fleet.kustomization("fleet", &format!("apps/{name}"));
    content["spec"]["wait"] = json!(true);
    content["spec"]["timeout"] = json!(timeout);
    content["spec"]["retryInterval"] = json!("1h");
    fleet.apply("Kustomization", name, content).await;
}

async fn source(fleet: &Fleet, files: &[(&str, &str)]) {
    fleet.commit("Add files", files);
    fleet
        .apply("GitRepository", "fleet", fleet.git_repository())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_only_when_what_was_applied_is() {
    let fleet = running("wait").await;
    let files = [
        ("apps/slow/deployment.yaml", &*deployment("slow", 600)),
        ("apps/quick/map.yaml", &map("quick")),
    ];
    source(&fleet, &files).await;
    waits(&fleet, "slow", "5m").await;
    fleet
        .wait("Deployment", "slow", "it is applied", |object| {
            !object.is_null()
        })
        .await;
    // Who waits holds nobody up, and is not ready meanwhile.
    waits(&fleet, "quick", "5m").await;
    fleet.ready("Kustomization", "quick").await;
    let slow = fleet.get("Kustomization", "slow").await.unwrap_or_default();
    assert!(!is_ready(&slow), "{slow:#}");
    assert_eq!(condition(&slow, "Reconciling")["reason"], "Progressing");

    fleet
        .patch("Deployment", "slow", json!({"spec": {"replicas": 0}}))
        .await;
    let slow = fleet.ready("Kustomization", "slow").await;
    let revision = format!("main@sha1:{}", fleet.repository.head("main"));
    assert_eq!(message(&slow), format!("Applied revision: {revision}"));
    assert_eq!(slow["status"]["lastAppliedRevision"], *revision);
    assert_eq!(condition(&slow, "Healthy")["status"], "True");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_become_ready_fails_before_the_timeout() {
    let fleet = running("stalled").await;
    source(
        &fleet,
        &[("apps/stuck/deployment.yaml", &deployment("stuck", 1))],
    )
    .await;
    waits(&fleet, "stuck", "1h").await;
    let words = fleet
        .not_ready("Kustomization", "stuck", "HealthCheckFailed")
        .await;
    let name = format!("Deployment/{}/stuck", fleet.namespace);
    assert!(
        words.contains("health check failed after") && words.contains(&name),
        "{words}"
    );
    let stuck = fleet
        .get("Kustomization", "stuck")
        .await
        .unwrap_or_default();
    assert_eq!(stuck["status"]["lastAppliedRevision"], Value::Null);
    let entries = stuck["status"]["inventory"]["entries"].as_array();
    assert_eq!(
        entries.map(Vec::len),
        Some(1),
        "what was applied is known, so that it can be pruned"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_become_ready_in_time_fails_with_its_name() {
    let fleet = running("timeout").await;
    source(
        &fleet,
        &[("apps/late/deployment.yaml", &deployment("late", 600))],
    )
    .await;
    waits(&fleet, "late", "30s").await;
    let words = fleet
        .not_ready("Kustomization", "late", "HealthCheckFailed")
        .await;
    let waiting = format!(
        "timeout waiting for: [Deployment/{}/late status: 'InProgress'",
        fleet.namespace
    );
    assert!(
        words.starts_with("health check failed after 30") && words.contains(&waiting),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_comes_first() {
    let mut fleet = fleet("depends").await;
    // Only a watch can tell `front` in time that `back` is ready.
    fleet.start(&["--requeue-dependency=1h"]);
    source(&fleet, &[("apps/front/map.yaml", &map("front"))]).await;
    let mut front = fleet.kustomization("fleet", "apps/front");
    front["spec"]["dependsOn"] = json!([{"name": "back"}]);
    front["spec"]["retryInterval"] = json!("1h");
    fleet.apply("Kustomization", "front", front).await;
    let mut back = fleet.kustomization("fleet", "apps/back");
    back["spec"]["retryInterval"] = json!("1h");
    fleet.apply("Kustomization", "back", back).await;
    let path = "kustomization path not found";
    fleet
        .not_ready_because("Kustomization", "back", "ArtifactFailed", path)
        .await;
    let words = fleet
        .not_ready("Kustomization", "front", "DependencyNotReady")
        .await;
    let name = format!("{}/back", fleet.namespace);
    assert!(words.contains(&name), "{words}");
    assert!(fleet.get("ConfigMap", "front").await.is_none());

    fleet.commit("Add back", &[("apps/back/map.yaml", &map("back"))]);
    fleet.request("GitRepository", "fleet").await;
    let front = fleet.ready("Kustomization", "front").await;
    let back = fleet.ready("Kustomization", "back").await;
    let applied = |object: &Value| object["status"]["lastAppliedRevision"].clone();
    assert_eq!(applied(&front), applied(&back));
    let created = async |name| {
        let map = fleet.get("ConfigMap", name).await.unwrap_or_default();
        map["metadata"]["creationTimestamp"].to_string()
    };
    assert!(created("back").await <= created("front").await);
}
