//! Policies that Flux has not, and what a status says of every selection.

use super::running;
use crate::support::fleet::{Fleet, condition, message};
use serde_json::{Value, json};

/// A fleet with the repository `app` and a policy of these fields.
async fn choosing(prefix: &str, tags: &[(&str, &str)], fields: Value) -> Fleet {
    let fleet = running(prefix).await;
    for (tag, created) in tags {
        fleet.registry.push_created("app", tag, created).await;
    }
    let mut policy = json!({"spec": fields});
    policy["spec"]["imageRepositoryRef"] = json!({"name": "app"});
    fleet.apply("ImagePolicy", "app", policy).await;
    fleet
        .apply("ImageRepository", "app", fleet.image_repository("app"))
        .await;
    fleet
}

async fn selects(fleet: &Fleet, tag: &str) -> Value {
    let selected = |policy: &Value| policy["status"]["latestRef"]["tag"] == tag;
    fleet.wait("ImagePolicy", "app", tag, selected).await
}

/// How often the registry was asked for manifests and blobs, by method.
fn asked(fleet: &Fleet, method: &str) -> usize {
    let log = fleet.registry.log();
    let requests = log
        .lines()
        .filter(|line| line.contains("response completed"));
    requests
        .filter(|line| line.contains(&format!("http.request.method={method}")))
        .filter(|line| line.contains("/manifests/") || line.contains("/blobs/"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_version_is_selected_by_its_date() {
    let tags = ["2024.02.1", "2024.10.0", "2024.13.0", "latest", "2025.1.0"];
    let tags = tags.map(|tag| (tag, ""));
    let layout = json!({"policy": {"calver": {"layout": "YYYY.0M.MICRO"}}});
    let fleet = choosing("calver", &tags, layout).await;
    let policy = selects(&fleet, "2024.10.0").await;
    assert_eq!(
        policy["status"]["selection"]["why"],
        "`2024.10.0` is the latest version by `YYYY.0M.MICRO` of 2 candidates among 5 tags, next would be `2024.02.1`"
    );
    assert_eq!(policy["status"]["selection"]["next"], "2024.02.1");
    let ready = format!(
        "Latest image tag for {} resolved to 2024.10.0",
        fleet.registry.image("app")
    );
    assert_eq!(message(&policy), ready);
    fleet.registry.delete_tag("app", "2024.10.0").await;
    fleet.reconcile("ImageRepository", "app").await;
    let held = |policy: &Value| condition(policy, "HeldBack")["status"] == "True";
    let policy = fleet.wait("ImagePolicy", "app", "it is held", held).await;
    assert_eq!(policy["status"]["latestRef"]["tag"], "2024.10.0");
    let broken = json!({"spec": {"policy": {"calver": {"layout": "MAJOR"}}}});
    fleet.patch("ImagePolicy", "app", broken).await;
    let words = fleet.not_ready("ImagePolicy", "app", "InvalidPolicy").await;
    assert!(words.contains("invalid layout 'MAJOR'"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_image_is_selected_and_each_is_read_once() {
    let tags = [
        ("main-ffff", "2026-01-01T00:00:00Z"),
        ("main-aaaa", "2026-03-01T00:00:00Z"),
        ("main-bbbb", "1970-01-01T00:00:00Z"),
        ("dev-cccc", "2026-09-01T00:00:00Z"),
    ];
    let newest = json!({"policy": {"newest": {"limit": 4}}, "filterTags": {"pattern": "^main-"}});
    let mut fleet = choosing("newest", &tags, newest).await;
    let policy = selects(&fleet, "main-aaaa").await;
    assert_eq!(
        policy["status"]["selection"]["why"],
        "`main-aaaa` (`2026-03-01T00:00:00Z`) is the image that was created last of 2 candidates among 4 tags, next would be `main-ffff`"
    );
    assert_eq!(
        policy["status"]["selection"]["time"],
        "2026-03-01T00:00:00Z"
    );
    fleet.ready("ImagePolicy", "app").await;

    // A new tag is read; those that are known are not asked for again.
    let before = (asked(&fleet, "HEAD"), asked(&fleet, "GET"));
    fleet
        .registry
        .push_created("app", "main-0000", "2026-04-01T00:00:00Z")
        .await;
    fleet.request("ImageRepository", "app").await;
    selects(&fleet, "main-0000").await;
    let after = (asked(&fleet, "HEAD"), asked(&fleet, "GET"));
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 2));
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_moved_are_noticed_by_whoever_asks_and_a_restart_costs_nothing() {
    let tags = [
        ("main-ffff", "2026-01-01T00:00:00Z"),
        ("main-aaaa", "2026-03-01T00:00:00Z"),
        ("main-0000", "2026-04-01T00:00:00Z"),
    ];
    let mut fleet = choosing("moved", &tags, json!({"policy": {"newest": {}}})).await;
    selects(&fleet, "main-0000").await;
    fleet.ready("ImagePolicy", "app").await;
    let after = (asked(&fleet, "HEAD"), asked(&fleet, "GET"));
    // A restart knows from the status what was decided of the same tags: only the digest that it is told to look up is asked for.
    fleet.kill();
    fleet.start(&[]);
    fleet.reconcile("ImageRepository", "app").await;
    let pinned = json!({"spec": {"digestReflectionPolicy": "IfNotPresent"}});
    fleet.patch("ImagePolicy", "app", pinned).await;
    let has_digest = |policy: &Value| policy["status"]["latestRef"]["digest"].is_string();
    fleet
        .wait("ImagePolicy", "app", "a digest", has_digest)
        .await;
    let restarted = (asked(&fleet, "HEAD"), asked(&fleet, "GET"));
    assert_eq!(restarted, (after.0 + 1, after.1));
    // Whoever asks has it looked after whether tags moved, by their digests alone.
    fleet
        .registry
        .push_created("app", "main-ffff", "2026-05-01T00:00:00Z")
        .await;
    fleet.request("ImagePolicy", "app").await;
    selects(&fleet, "main-ffff").await;
    let moved = (asked(&fleet, "HEAD"), asked(&fleet, "GET"));
    // It asks for the digests of all three and of the selected one; of the images only the new one is read, also after a restart.
    assert_eq!((moved.0 - restarted.0, moved.1 - restarted.1), (4, 2));
    fleet
        .registry
        .push_created("app", "main-ffff", "2026-06-01T00:00:00Z")
        .await;
    fleet.request("ImagePolicy", "app").await;
    let read = |policy: &Value| policy["status"]["selection"]["time"] == "2026-06-01T00:00:00Z";
    fleet
        .wait("ImagePolicy", "app", "it moved again", read)
        .await;
    let again = (asked(&fleet, "HEAD"), asked(&fleet, "GET"));
    assert_eq!((again.0 - moved.0, again.1 - moved.1), (3, 2));

    // The newest vanishes: nothing older comes back, also after a restart that knows no times.
    fleet.registry.delete_tag("app", "main-ffff").await;
    fleet.reconcile("ImageRepository", "app").await;
    let held = |policy: &Value| condition(policy, "HeldBack")["status"] == "True";
    let policy = fleet.wait("ImagePolicy", "app", "it is held", held).await;
    assert_eq!(policy["status"]["latestRef"]["tag"], "main-ffff");
    assert_eq!(policy["status"]["selection"]["next"], "main-0000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_knows_the_time_of_a_tag_that_vanished() {
    let tags = [
        ("a", "2026-01-01T00:00:00Z"),
        ("b", "2026-03-01T00:00:00.5Z"),
    ];
    let newest = json!({"policy": {"newest": {}}});
    let mut fleet = choosing("newest-restart", &tags, newest).await;
    selects(&fleet, "b").await;
    fleet.kill();
    fleet.registry.delete_tag("app", "b").await;
    fleet
        .registry
        .push_created("app", "c", "2026-03-01T00:00:00.4Z")
        .await;
    fleet.start(&[]);
    fleet.reconcile("ImageRepository", "app").await;
    let held = |policy: &Value| condition(policy, "HeldBack")["status"] == "True";
    let policy = fleet.wait("ImagePolicy", "app", "it is held", held).await;
    assert_eq!(policy["status"]["latestRef"]["tag"], "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_images_than_may_be_asked_for_decide_nothing() {
    let tags = [("a", "2026-01-01T00:00:00Z"), ("b", "2026-03-01T00:00:00Z")];
    let newest = json!({"policy": {"newest": {"limit": 2}}});
    let fleet = choosing("newest-limit", &tags, newest).await;
    selects(&fleet, "b").await;
    fleet
        .registry
        .push_created("app", "c", "2026-04-01T00:00:00Z")
        .await;
    fleet.request("ImageRepository", "app").await;
    let words = fleet.not_ready("ImagePolicy", "app", "Failure").await;
    assert!(
        words.contains("3 tags stand for election, and no more than 2 are asked for their time"),
        "{words}"
    );
    selects(&fleet, "b").await;
    let more = json!({"spec": {"policy": {"newest": {"limit": 3}}}});
    fleet.patch("ImagePolicy", "app", more).await;
    selects(&fleet, "c").await;
    // This registry tells no push times: nothing is guessed.
    let pushed = json!({"spec": {"policy": {"newest": {"by": "pushed"}}}});
    fleet.patch("ImagePolicy", "app", pushed).await;
    let words = fleet
        .not_ready_because("ImagePolicy", "app", "Failure", "push time")
        .await;
    assert!(words.contains("none of 3 tags has a push time"), "{words}");
    selects(&fleet, "c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_suspended_or_fails_still_applies() {
    let fleet = running("pinned").await;
    fleet.settled_application("app").await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    let older = fleet.deployment("app", "1.0.0");
    let file = "apps/app/deployment.yaml";
    let suspended = json!({"spec": {"suspend": true}});
    fleet.patch("ImagePolicy", "app", suspended).await;
    fleet.registry.push("app", "1.2.0", "1.2.0").await;
    fleet.reconcile("ImageRepository", "app").await;
    fleet.commit("Go back", &[(file, &older)]);
    fleet.request("ImageUpdateAutomation", "app").await;
    let written = || fleet.repository.show("main", file).contains(":1.1.0 ");
    fleet.until("1.1.0 is written again", written).await;

    let failing = json!({"spec": {"suspend": false, "policy": {"semver": {"range": ">=9"}}}});
    fleet.patch("ImagePolicy", "app", failing).await;
    fleet.not_ready("ImagePolicy", "app", "Failure").await;
    fleet.commit("Go back again", &[(file, &older)]);
    fleet.request("ImageUpdateAutomation", "app").await;
    fleet.until("1.1.0 is written once more", written).await;
}
