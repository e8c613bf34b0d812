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
    let told = fleet.told(1, |event| event["reason"] == "TagVanished");
    assert_eq!(told.await.len(), 1);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_a_person_changes_selects_anew() {
    let fleet = running("change").await;
    fleet.settled_application("app").await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    fleet.registry.delete_tag("app", "1.1.0").await;
    fleet.reconcile("ImageRepository", "app").await;
    held(&fleet).await;
    // Other fields of the specification change nothing about it.
    let other = json!({"spec": {"digestReflectionPolicy": "IfNotPresent"}});
    fleet.patch("ImagePolicy", "app", other).await;
    fleet.ready("ImagePolicy", "app").await;
    assert_eq!(held(&fleet).await["status"]["latestRef"]["tag"], "1.1.0");
    // The vanished tag is within the new range too.
    let wider = json!({"spec": {"policy": {"semver": {"range": ">=1.0.0"}}}});
    fleet.patch("ImagePolicy", "app", wider).await;
    let policy = selected(&fleet, "1.0.0").await;
    assert_eq!(condition(&policy, "HeldBack")["status"], "False");
}

/// flux2#4984: the tags are lost, the registry gives a shorter list, and Git goes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_lost_all_tags_and_a_shorter_list_bring_no_older_image_back() {
    let mut fleet = running("lost").await;
    fleet.settled_application("app").await;
    for tag in ["1.1.0", "1.2.0", "1.3.0"] {
        fleet.publish("app", tag).await;
        fleet.deployed("app", tag).await;
    }
    let commits = fleet.repository.log("main").len();
    fleet.kill();
    for tag in ["1.2.0", "1.3.0"] {
        fleet.registry.delete_tag("app", tag).await;
    }
    fleet.start_afresh(&[]);
    fleet.reconcile("ImageRepository", "app").await;
    let policy = held(&fleet).await;
    assert_eq!(policy["status"]["latestRef"]["tag"], "1.3.0");
    fleet.reconcile("ImageUpdateAutomation", "app").await;
    assert_eq!(fleet.repository.log("main").len(), commits);
    // The list is whole again: nothing happened.
    for tag in ["1.2.0", "1.3.0"] {
        fleet.registry.push("app", tag, tag).await;
    }
    fleet.reconcile("ImageRepository", "app").await;
    let followed = |policy: &Value| condition(policy, "HeldBack")["status"] == "False";
    let policy = fleet
        .wait("ImagePolicy", "app", "1.3.0 again", followed)
        .await;
    assert_eq!(policy["status"]["latestRef"]["tag"], "1.3.0");
    assert_eq!(fleet.repository.log("main").len(), commits);
}

/// flux2#5691, flux2#3565: several tags of one value, and numbers that a float cannot tell apart.
#[tokio::test(flavor = "multi_thread")]
async fn equal_candidates_do_not_alternate() {
    let fleet = running("ties").await;
    fleet.settled_application("app").await;
    fleet
        .registry
        .push("app", "main-b-20251123010203998", "b")
        .await;
    let by_timestamp = json!({"spec": {
        "policy": {"semver": null, "numerical": {"order": "asc"}},
        "filterTags": {"pattern": "^main-[a-z]+-(?P<ts>[0-9]+)$", "extract": "$ts"},
    }});
    fleet.patch("ImagePolicy", "app", by_timestamp).await;
    fleet.request("ImageRepository", "app").await;
    fleet.deployed("app", "main-b-20251123010203998").await;
    let commits = fleet.repository.log("main").len();
    // Each of them would win against the selected one for whoever rounds, or takes the first of two that are equal.
    for tag in [
        "main-a-20251123010203998",
        "main-c-20251123010203998",
        "main-d-20251123010203997",
        "main-e-020251123010203998",
    ] {
        fleet.registry.push("app", tag, tag).await;
        fleet.reconcile("ImageRepository", "app").await;
        fleet.reconcile("ImagePolicy", "app").await;
        fleet.reconcile("ImageUpdateAutomation", "app").await;
    }
    fleet
        .registry
        .delete_tag("app", "main-b-20251123010203998")
        .await;
    fleet.reconcile("ImageRepository", "app").await;
    let policy = held(&fleet).await;
    let tag = &policy["status"]["latestRef"]["tag"];
    assert_eq!(tag, "main-b-20251123010203998");
    let said = condition(&policy, "HeldBack")["message"].to_string();
    assert!(said.contains("is no higher and is not selected"), "{said}");
    assert_eq!(fleet.repository.log("main").len(), commits);
}
