//! The high-water mark: what a registry forgets does not bring an older image back.

use super::running;
use crate::support::fleet::{Fleet, condition};
use serde_json::{Value, json};

async fn selected(fleet: &Fleet, tag: &str) -> Value {
    fleet
        .wait(
            "ImagePolicy",
            "app",
            &format!("{tag} is selected"),
            |object| object["status"]["latestRef"]["tag"] == tag,
        )
        .await
}

async fn held(fleet: &Fleet) -> Value {
    fleet
        .wait("ImagePolicy", "app", "the selection is held", |object| {
            condition(object, "HeldBack")["status"] == "True"
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_vanished_is_not_followed_down_until_a_person_says_so() {
    let fleet = running("mark").await;
    fleet.settled_application("app").await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    let commits = fleet.repository.log("main").len();

    fleet.registry.delete_tag("app", "1.1.0").await;
    fleet.reconcile("ImageRepository", "app").await;
    let policy = held(&fleet).await;
    assert_eq!(policy["status"]["latestRef"]["tag"], "1.1.0");
    assert_eq!(condition(&policy, "Ready")["status"], "True");
    let said = condition(&policy, "HeldBack")["message"].to_string();
    assert!(
        said.contains("no longer lists '1.1.0'; '1.0.0' would be lower"),
        "{said}"
    );
    // Looked at again and again, it is told once, and nothing is committed.
    for _ in 0..3 {
        fleet.reconcile("ImagePolicy", "app").await;
        fleet.reconcile("ImageUpdateAutomation", "app").await;
    }
    let told = fleet.list("Event").await;
    let told = told.iter().filter(|event| event["reason"] == "TagVanished");
    assert_eq!(told.count(), 1);
    assert_eq!(fleet.repository.log("main").len(), commits);

    let accept = json!({"metadata": {"annotations": {"image.highwater.dev/accept-tag": "1.0.0"}}});
    fleet.patch("ImagePolicy", "app", accept).await;
    let policy = selected(&fleet, "1.0.0").await;
    assert_eq!(condition(&policy, "HeldBack")["status"], "False");
    fleet.deployed("app", "1.0.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_higher_tag_or_another_range_ends_the_hold() {
    let mut fleet = running("rise").await;
    fleet.settled_application("app").await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    fleet.registry.delete_tag("app", "1.1.0").await;
    fleet.reconcile("ImageRepository", "app").await;
    held(&fleet).await;
    // A new process knows nothing but the status, and holds too.
    fleet.kill();
    fleet.start(&[]);
    fleet.reconcile("ImageRepository", "app").await;
    fleet.reconcile("ImagePolicy", "app").await;
    assert_eq!(held(&fleet).await["status"]["latestRef"]["tag"], "1.1.0");

    fleet.publish("app", "1.2.0").await;
    let policy = selected(&fleet, "1.2.0").await;
    assert_eq!(condition(&policy, "HeldBack")["status"], "False");

    let narrower = json!({"spec": {"policy": {"semver": {"range": "~1.0.0"}}}});
    fleet.patch("ImagePolicy", "app", narrower).await;
    selected(&fleet, "1.0.0").await;
}
