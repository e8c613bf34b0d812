//! Suspending, resuming, pruning and deleting.

use super::running;
use crate::support::fleet::{Fleet, KINDS};
use serde_json::{Value, json};

fn map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

/// A source and a Kustomization called `app` for the folder `maps`, that holds these files.
async fn maps(fleet: &Fleet, files: &[(&str, &str)]) {
    fleet.commit("Add maps", files);
    fleet
        .apply("GitRepository", "app", fleet.git_repository())
        .await;
    fleet
        .apply("Kustomization", "app", fleet.kustomization("app", "maps"))
        .await;
    fleet.ready("Kustomization", "app").await;
}

async fn exists(fleet: &Fleet, name: &str) -> bool {
    fleet.get("ConfigMap", name).await.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_object_of_any_kind_does_nothing_until_it_is_resumed() {
    let fleet = running("suspend").await;
    fleet.settled_application("app").await;
    fleet.settled_application("witness").await;
    for (round, kind) in (1..).zip(KINDS) {
        fleet
            .patch(kind, "app", json!({"spec": {"suspend": true}}))
            .await;
        let before = fleet.get(kind, "app").await.unwrap_or_default();
        let tag = format!("1.{round}.0");
        fleet.publish("app", &tag).await;
        fleet.request(kind, "app").await;
        // What happens to the witness was asked for later, and goes through the same hands.
        fleet.publish("witness", &tag).await;
        fleet.request(kind, "witness").await;
        fleet.deployed("witness", &tag).await;
        let after = fleet.get(kind, "app").await.unwrap_or_default();
        assert_eq!(after["status"], before["status"], "{kind} while suspended");
        let deployment = fleet.get("Deployment", "app").await.unwrap_or_default();
        let image = crate::support::fleet::image(&deployment);
        assert!(!image.to_string().contains(&tag), "{kind}: {image}");

        fleet
            .patch(kind, "app", json!({"spec": {"suspend": false}}))
            .await;
        fleet.deployed("app", &tag).await;
        fleet.all_ready("app").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_git_leaves_the_cluster_unless_it_says_otherwise() {
    let fleet = running("prune").await;
    let kept = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kept\n  annotations:\n    kustomize.toolkit.fluxcd.io/prune: disabled\n";
    let files = [
        ("maps/stays.yaml", &*map("stays")),
        ("maps/goes.yaml", &*map("goes")),
        ("maps/kept.yaml", kept),
    ];
    maps(&fleet, &files).await;
    let gone = ["maps/goes.yaml", "maps/kept.yaml"].map(crate::support::git_http::Seed::Gone);
    let head = fleet
        .repository
        .commit_entries("main", "Remove two maps", &gone);
    fleet.request("GitRepository", "app").await;
    fleet.gone("ConfigMap", "goes").await;
    let revision = format!("main@sha1:{head}");
    let object = fleet
        .wait("Kustomization", "app", "the removal is applied", |object| {
            object["status"]["lastAppliedRevision"] == *revision
        })
        .await;
    let entries = &object["status"]["inventory"]["entries"];
    assert_eq!(
        entries,
        &json!([{"id": format!("{}_stays__ConfigMap", fleet.namespace), "v": "v1"}])
    );
    assert!(exists(&fleet, "stays").await && exists(&fleet, "kept").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_prune_what_leaves_git_stays() {
    let fleet = running("no-prune").await;
    maps(
        &fleet,
        &[
            ("maps/one.yaml", &map("one")),
            ("maps/two.yaml", &map("two")),
        ],
    )
    .await;
    fleet
        .patch("Kustomization", "app", json!({"spec": {"prune": false}}))
        .await;
    let head = fleet.repository.commit_entries(
        "main",
        "Remove a map",
        &[crate::support::git_http::Seed::Gone("maps/two.yaml")],
    );
    fleet.request("GitRepository", "app").await;
    let revision = format!("main@sha1:{head}");
    fleet
        .wait("Kustomization", "app", "the removal is applied", |object| {
            object["status"]["lastAppliedRevision"] == *revision
        })
        .await;
    assert!(exists(&fleet, "two").await);
    fleet.delete("Kustomization", "app").await;
    fleet.gone("Kustomization", "app").await;
    assert!(exists(&fleet, "one").await && exists(&fleet, "two").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_objects_take_what_is_theirs_with_them() {
    let mut fleet = running("delete").await;
    fleet.settled_application("app").await;
    fleet.settled_application("other").await;
    let folder = |name: &str| {
        let parent = fleet.artifacts().join("gitrepository");
        parent.join(&fleet.namespace).join(name)
    };
    let (own, foreign) = (folder("app"), folder("other"));
    assert!(own.is_dir() && foreign.is_dir());
    for kind in KINDS {
        fleet.delete(kind, "app").await;
    }
    for kind in KINDS {
        fleet.gone(kind, "app").await;
    }
    fleet.gone("Deployment", "app").await;
    let files = std::fs::read_dir(&own).map_or(0, Iterator::count);
    assert_eq!(files, 0, "the artifacts are gone");
    assert!(foreign.is_dir());

    // The others go on, and a new object of an old name begins anew.
    fleet.publish("other", "1.1.0").await;
    fleet.deployed("other", "1.1.0").await;
    fleet.chain("app", "apps/app").await;
    fleet.all_ready("app").await;
    fleet.deployed("app", "1.0.0").await;
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_kustomization_that_is_deleted_leaves_its_objects() {
    let fleet = running("delete-suspended").await;
    maps(&fleet, &[("maps/one.yaml", &map("one"))]).await;
    fleet
        .patch("Kustomization", "app", json!({"spec": {"suspend": true}}))
        .await;
    fleet.delete("Kustomization", "app").await;
    fleet.gone("Kustomization", "app").await;
    let left = fleet.get("ConfigMap", "one").await.unwrap_or_default();
    assert_eq!(left["metadata"]["deletionTimestamp"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_is_deleted_even_when_its_source_is_gone() {
    let fleet = running("delete-orphan").await;
    maps(&fleet, &[("maps/one.yaml", &map("one"))]).await;
    fleet.delete("GitRepository", "app").await;
    fleet.gone("GitRepository", "app").await;
    fleet.delete("Kustomization", "app").await;
    fleet.gone("Kustomization", "app").await;
    fleet.gone("ConfigMap", "one").await;
}
