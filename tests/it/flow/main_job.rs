//! The main job: a tag appears in the registry, and the cluster runs it, by way of Git.

use super::running;
use crate::support::fleet::{Fleet, KINDS, condition, message};
use crate::support::git_http::git;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_tag_reaches_the_cluster_by_way_of_git() {
    let mut fleet = running("main").await;
    fleet.settled_application("app").await;
    let before = fleet.repository.head("main");

    fleet.registry.push("app", "1.1.0", "1.1.0").await;
    let since = Instant::now();
    let token = fleet.request("ImageRepository", "app").await;
    fleet.deployed("app", "1.1.0").await;
    let took = since.elapsed().as_secs_f64();
    println!("from the annotation to the Deployment in the API server: {took:.2} s");

    let head = fleet.repository.head("main");
    let revision = format!("main@sha1:{head}");
    fleet
        .wait("Kustomization", "app", "the commit is applied", |object| {
            object["status"]["lastAppliedRevision"] == *revision
        })
        .await;
    assert_commit(&fleet, &before);
    for kind in KINDS {
        let object = fleet.ready(kind, "app").await;
        let finalizers = &object["metadata"]["finalizers"];
        assert_eq!(finalizers, &json!(["finalizers.fluxcd.io"]), "{kind}");
    }
    assert_image_statuses(&fleet, &token).await;
    assert_automation_status(&fleet, &head).await;
    assert_artifact(&fleet, &head).await;
    assert_kustomization_status(&fleet, &revision).await;
    fleet.assert_no_panic();
}

/// One commit, by the given author, that changes the marked scalar and nothing else.
fn assert_commit(fleet: &Fleet, before: &str) {
    let path = &fleet.repository.path;
    let image = fleet.registry.image("app");
    let subject = format!("Update {image} from 1.0.0 to 1.1.0");
    assert_eq!(fleet.repository.log("main"), [subject.as_str(), "Add app"]);
    let author = git(path, &["log", "-1", "--format=%an <%ae> %cn <%ce>", "main"]);
    assert_eq!(
        author.trim(),
        "Tide <tide@example.com> Tide <tide@example.com>"
    );
    let lines = git(
        path,
        &["diff", "--unified=0", "--no-prefix", before, "main"],
    );
    let lines: Vec<_> = lines.lines().skip(5).collect();
    let line = |sign, tag| {
        format!(
            "{sign}          image: {image}:{tag} {}",
            fleet.marker("app")
        )
    };
    assert_eq!(lines, [line('-', "1.0.0"), line('+', "1.1.0")]);
}

async fn assert_image_statuses(fleet: &Fleet, token: &str) {
    let image = fleet.registry.image("app");
    let repository = fleet.ready("ImageRepository", "app").await;
    let status = &repository["status"];
    assert_eq!(status["canonicalImageName"], image.as_str());
    assert_eq!(status["lastHandledReconcileAt"], token);
    assert_eq!(status["observedExclusionList"], json!(["^.*\\.sig$"]));
    let scan = &status["lastScanResult"];
    assert_eq!(scan["tagCount"], 2);
    assert_eq!(scan["latestTags"], json!(["1.1.0", "1.0.0"]));
    let checksum = scan["revision"].as_str().unwrap_or_default();
    assert_eq!(
        message(&repository),
        format!("successful scan: found 2 tags with checksum {checksum}")
    );

    let policy = fleet.ready("ImagePolicy", "app").await;
    let status = &policy["status"];
    assert_eq!(status["latestRef"], json!({"name": image, "tag": "1.1.0"}));
    assert_eq!(
        status["observedPreviousRef"],
        json!({"name": image, "tag": "1.0.0"})
    );
    assert_eq!(
        message(&policy),
        format!("Latest image tag for {image} resolved to 1.1.0 (previously {image}:1.0.0)")
    );
}

async fn assert_automation_status(fleet: &Fleet, head: &str) {
    let automation = fleet.ready("ImageUpdateAutomation", "app").await;
    let status = &automation["status"];
    let image = fleet.registry.image("app");
    assert_eq!(message(&automation), "repository up-to-date");
    assert_eq!(status["lastPushCommit"], head);
    assert!(status["lastPushTime"].is_string() && status["lastAutomationRunTime"].is_string());
    assert_eq!(
        status["observedSourceRevision"],
        format!("main@sha1:{head}")
    );
    assert_eq!(
        status["observedPolicies"],
        json!({"app": {"name": image, "tag": "1.1.0"}})
    );
}

/// The artifact in the status is there, and what the status says of it is so.
async fn assert_artifact(fleet: &Fleet, head: &str) {
    let source = fleet.ready("GitRepository", "app").await;
    let artifact = &source["status"]["artifact"];
    let revision = format!("main@sha1:{head}");
    let path = format!("gitrepository/{}/app/{head}.tar.gz", fleet.namespace);
    let stored = format!("stored artifact for revision '{revision}'");
    assert_eq!(message(&source), stored);
    assert_eq!(condition(&source, "ArtifactInStorage")["message"], *stored);
    assert_eq!(artifact["revision"], *revision);
    assert_eq!(artifact["path"], *path);
    assert!(artifact["lastUpdateTime"].is_string());

    let url = artifact["url"].as_str().unwrap_or_default();
    assert!(
        url.starts_with("http://127.0.0.1:") && url.ends_with(&path),
        "{url}"
    );
    let client = reqwest::Client::builder().no_proxy().build();
    let answer = client.expect("a plain client").get(url).send().await;
    let bytes = answer.expect("the artifact is served").bytes().await;
    let bytes = bytes.expect("the artifact is whole");
    assert_eq!(artifact["size"], bytes.len());
    let hex: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(artifact["digest"], format!("sha256:{hex}"));
}

async fn assert_kustomization_status(fleet: &Fleet, revision: &str) {
    let kustomization = fleet.ready("Kustomization", "app").await;
    let status = &kustomization["status"];
    assert_eq!(
        message(&kustomization),
        format!("Applied revision: {revision}")
    );
    assert_eq!(
        condition(&kustomization, "Ready")["reason"],
        "ReconciliationSucceeded"
    );
    assert_eq!(status["lastAppliedRevision"], *revision);
    assert_eq!(status["lastAttemptedRevision"], *revision);
    let id = format!("{}_app_apps_Deployment", fleet.namespace);
    assert_eq!(
        status["inventory"]["entries"],
        json!([{"id": id, "v": "v1"}])
    );
    let deployment = fleet.deployed("app", "1.1.0").await;
    let labels = &deployment["metadata"]["labels"];
    assert_eq!(labels["kustomize.toolkit.fluxcd.io/name"], "app");
    assert_eq!(
        labels["kustomize.toolkit.fluxcd.io/namespace"],
        *fleet.namespace
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_echoed_by_every_kind() {
    let fleet = running("request").await;
    fleet.settled_application("app").await;
    for kind in KINDS {
        let object = fleet.reconcile(kind, "app").await;
        assert_eq!(condition(&object, "Ready")["status"], "True", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_by_hand_is_applied_and_a_drift_is_undone() {
    let fleet = running("by-hand").await;
    fleet.settled_application("app").await;
    let map = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{depth: \"{value}\"}}\n"
        )
    };
    fleet.commit("Add settings", &[("apps/app/settings.yaml", &map("3"))]);
    fleet.request("GitRepository", "app").await;
    let has = |value: &'static str| move |object: &Value| object["data"]["depth"] == value;
    fleet
        .wait("ConfigMap", "settings", "from Git", has("3"))
        .await;

    fleet
        .patch("ConfigMap", "settings", json!({"data": {"depth": "9"}}))
        .await;
    fleet.reconcile("Kustomization", "app").await;
    let settings = fleet.get("ConfigMap", "settings").await.unwrap_or_default();
    assert_eq!(settings["data"]["depth"], "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_goes_from_the_texts_of_a_secret_goes_from_the_cluster() {
    let fleet = running("texts").await;
    fleet.settled_application("app").await;
    let secret = |texts: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: planted}}\nstringData: {{{texts}}}\n"
        )
    };
    let committed = async |texts: &str, expected: Value| {
        fleet.commit("Write it", &[("apps/app/planted.yaml", &secret(texts))]);
        fleet.request("GitRepository", "app").await;
        let is = |object: &Value| object["data"] == expected;
        fleet.wait("Secret", "planted", texts, is).await;
    };
    committed("a: x, b: y", json!({"a": "eA==", "b": "eQ=="})).await;
    committed("a: z", json!({"a": "eg=="})).await;

    let locked = secret("a: x") + "sops: {mac: x}\n";
    fleet.commit("Encrypt it", &[("apps/app/planted.yaml", &locked)]);
    fleet.request("GitRepository", "app").await;
    let words = fleet
        .not_ready("Kustomization", "app", "ReconciliationFailed")
        .await;
    let namespace = &fleet.namespace;
    assert_eq!(
        words,
        format!(
            "Secret/{namespace}/planted is SOPS encrypted, configuring decryption is required for this secret to be reconciled"
        )
    );
}
