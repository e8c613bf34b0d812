//! Digests: looked up once for each selected tag, or again and again.

use super::running;
use crate::support::fleet::{Fleet, image, message};
use serde_json::json;

async fn pinned(prefix: &str, reflection: serde_json::Value) -> (Fleet, String) {
    let fleet = running(prefix).await;
    let digest = fleet.registry.push("app", "1.0.0", "first").await;
    let manifest = fleet.deployment("app", "0.9.0");
    fleet.commit("Add app", &[("apps/app/deployment.yaml", &manifest)]);
    let mut policy = fleet.image_policy("app");
    for (field, value) in reflection.as_object().into_iter().flatten() {
        policy["spec"][field] = value.clone();
    }
    fleet.apply("ImagePolicy", "app", policy).await;
    fleet.chain_without_policy("app", "apps/app").await;
    (fleet, digest)
}

async fn deployed(fleet: &Fleet, tag: &str, digest: &str) {
    let wanted = format!("{}:{tag}@{digest}", fleet.registry.image("app"));
    fleet
        .wait("Deployment", "app", &wanted, |object| {
            image(object) == wanted.as_str()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_looked_up_once_for_each_selected_tag() {
    let (fleet, first) = pinned("pin", json!({"digestReflectionPolicy": "IfNotPresent"})).await;
    deployed(&fleet, "1.0.0", &first).await;
    let policy = fleet.ready("ImagePolicy", "app").await;
    let name = fleet.registry.image("app");
    assert_eq!(
        policy["status"]["latestRef"],
        json!({"name": name, "tag": "1.0.0", "digest": first})
    );
    assert_eq!(
        message(&policy),
        format!("Latest image tag for {name} resolved to 1.0.0 with digest {first}")
    );

    // The tag moves: the pin holds, whoever asks.
    fleet.registry.push("app", "1.0.0", "moved").await;
    fleet.reconcile("ImageRepository", "app").await;
    let policy = fleet.reconcile("ImagePolicy", "app").await;
    assert_eq!(policy["status"]["latestRef"]["digest"], *first);

    let platforms = ["linux/amd64", "linux/arm64"];
    let index = fleet
        .registry
        .push_index("app", "1.1.0", "second", &platforms)
        .await;
    fleet.request("ImageRepository", "app").await;
    deployed(&fleet, "1.1.0", &index).await;
    assert_eq!(
        fleet.repository.log("main").len(),
        3,
        "no commit for the moved tag"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_tag_is_followed_when_digests_are_always_reflected() {
    let always = json!({"digestReflectionPolicy": "Always", "interval": "1s"});
    let (fleet, first) = pinned("follow", always).await;
    deployed(&fleet, "1.0.0", &first).await;
    let moved = fleet.registry.push("app", "1.0.0", "moved").await;
    deployed(&fleet, "1.0.0", &moved).await;
    let policy = fleet.ready("ImagePolicy", "app").await;
    assert_eq!(policy["status"]["observedPreviousRef"]["digest"], *first);
}
