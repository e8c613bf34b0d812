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

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_says_when_a_dependency_is_ready() {
    let mut fleet = fleet("ready-expr").await;
    // Only a watch can tell `front` in time that `back` has another label.
    fleet.start(&["--requeue-dependency=1h"]);
    source(&fleet, &[("apps/front/map.yaml", &map("front"))]).await;
    let mut back = fleet.kustomization("fleet", "apps/nowhere");
    back["spec"]["retryInterval"] = json!("1h");
    fleet.apply("Kustomization", "back", back).await;
    let path = "kustomization path not found";
    fleet
        .not_ready_because("Kustomization", "back", "ArtifactFailed", path)
        .await;
    let depends = |expression: &str| {
        let mut front = fleet.kustomization("fleet", "apps/front");
        front["metadata"] = json!({"annotations": {"stage": "live"}});
        front["spec"]["retryInterval"] = json!("1h");
        front["spec"]["dependsOn"] = json!([{"name": "back", "readyExpr": expression}]);
        front
    };
    let broken = depends("dep.status.");
    fleet.apply("Kustomization", "front", broken).await;
    let words = fleet
        .not_ready("Kustomization", "front", "InvalidCELExpression")
        .await;
    let begin = "Reconciliation failed terminally due to configuration error: failed to evaluate dependency back: failed to parse";
    assert!(words.starts_with(begin), "{words}");
    let front = fleet.get("Kustomization", "front").await;
    let front = front.unwrap_or_default();
    assert_eq!(condition(&front, "Stalled")["status"], "True");

    let labelled = "dep.metadata.?labels.?stage.orValue('') == self.metadata.annotations['stage']";
    fleet
        .apply("Kustomization", "front", depends(labelled))
        .await;
    let words = fleet
        .not_ready("Kustomization", "front", "DependencyNotReady")
        .await;
    let said = format!(
        "dependency '{}/back' is not ready according to readyExpr eval",
        fleet.namespace
    );
    assert!(words.starts_with(&said), "{words}");
    let label = json!({"metadata": {"labels": {"stage": "live"}}});
    fleet.patch("Kustomization", "back", label).await;
    fleet.ready("Kustomization", "front").await;
    let back = fleet.get("Kustomization", "back").await.unwrap_or_default();
    assert!(!is_ready(&back), "{back:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions_say_what_is_healthy() {
    let fleet = running("health-expr").await;
    let files = [
        ("apps/slow/map.yaml", &*map("slow")),
        ("apps/broken/map.yaml", &map("broken")),
    ];
    source(&fleet, &files).await;
    let judged = async |name: &str, current: &str| {
        let mut content = fleet.kustomization("fleet", &format!("apps/{name}"));
        content["spec"]["wait"] = json!(true);
        content["spec"]["timeout"] = json!("5m");
        content["spec"]["retryInterval"] = json!("1h");
        content["spec"]["healthCheckExprs"] = json!([{
            "apiVersion": "v1", "kind": "ConfigMap", "current": current, "failed": "data.state == 'broken'"
        }]);
        fleet.apply("Kustomization", name, content).await;
    };
    judged("slow", "data.state ==").await;
    let words = fleet
        .not_ready("Kustomization", "slow", "InvalidCELExpression")
        .await;
    let said = "failed to create custom status evaluator for healthchecks[0]: failed to parse the expression Current";
    assert!(words.contains(said), "{words}");

    judged("slow", "data.state == 'done'").await;
    judged("broken", "data.state == 'done'").await;
    for name in ["slow", "broken"] {
        fleet
            .wait("ConfigMap", name, "it is applied", |map| !map.is_null())
            .await;
    }
    // A map would be healthy by itself; without the field nothing can be said of it.
    let state = |state: &str| json!({"data": {"state": state}});
    fleet.patch("ConfigMap", "broken", state("broken")).await;
    let words = fleet
        .not_ready("Kustomization", "broken", "HealthCheckFailed")
        .await;
    let name = format!("ConfigMap/{}/broken status: 'Failed'", fleet.namespace);
    assert!(words.contains(&name), "{words}");
    let slow = fleet.get("Kustomization", "slow").await.unwrap_or_default();
    assert!(!is_ready(&slow), "{slow:#}");
    fleet.patch("ConfigMap", "slow", state("done")).await;
    let slow = fleet.ready("Kustomization", "slow").await;
    assert_eq!(condition(&slow, "Healthy")["status"], "True");
}
