//! A registry that misbehaves: the last good tags stay, the condition says why, and others go on.

use super::{EAGER, fleet};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use crate::support::fleet::{Fleet, condition, message};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// What the fake answers at the moment.
type Mood = Arc<Mutex<&'static str>>;

fn set(mood: &Mood, now: &'static str) {
    *mood.lock().unwrap_or_else(PoisonError::into_inner) = now;
}

fn answer(mood: &str, seen: &Seen) -> Reply {
    if !seen.target.contains("/tags/list") {
        return Reply::json(&json!({}));
    }
    match mood {
        "good" => Reply::tags("app", &["1.0.0"]),
        "better" => Reply::tags("app", &["1.0.0", "1.1.0"]),
        "empty" => Reply::tags::<&str>("app", &[]),
        "null" => Reply::json(&json!({"name": "app", "tags": null})),
        "not JSON" => Reply::new(200, "<html>please log in to the guest network</html>"),
        "another shape" => Reply::json(&json!({"tags": {"1.0.0": true}})),
        "truncated" => Reply::new(200, r#"{"name": "app", "tags": ["1.0.0", "1."#),
        "broken off" => Reply::broken(r#"{"name": "app", "tags": ["1.0.0", "#),
        "endless" => Reply::endless(b' '),
        "stuck" => Reply::stuck(r#"{"name": "app", "tags": ["#),
        "unknown" => Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry"),
        "failing" => Reply::error(500, "UNKNOWN", "the disk is full"),
        other => panic!("no answer for `{other}`"),
    }
}

/// A fleet with a healthy application, and an ImageRepository and ImagePolicy called `bad` of a fake in the mood `good`.
async fn fleet_with_fake(prefix: &str) -> (Fleet, FakeRegistry, Mood) {
    let mood: Mood = Arc::new(Mutex::new("good"));
    let now = Arc::clone(&mood);
    let fake = FakeRegistry::start(move |seen| {
        let mood = *now.lock().unwrap_or_else(PoisonError::into_inner);
        answer(mood, seen)
    })
    .await;
    let mut fleet = fleet(prefix).await;
    fleet.start(&EAGER);
    fleet.settled_application("app").await;
    let image = fake.image("app").as_str().to_owned();
    let repository =
        json!({"spec": {"image": image, "interval": "1h", "insecure": true, "timeout": "2s"}});
    fleet.apply("ImageRepository", "bad", repository).await;
    fleet
        .apply("ImagePolicy", "bad", fleet.image_policy("bad"))
        .await;
    fleet.ready("ImagePolicy", "bad").await;
    (fleet, fake, mood)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_list_that_is_none_changes_nothing_but_the_condition() {
    let (mut fleet, _fake, mood) = fleet_with_fake("bad-list").await;
    let good = fleet.ready("ImageRepository", "bad").await;
    let policy = fleet.ready("ImagePolicy", "bad").await;
    let moods = [
        "not JSON",
        "another shape",
        "truncated",
        "broken off",
        "endless",
        "stuck",
        "unknown",
        "failing",
    ];
    for (round, bad) in (1..).zip(moods) {
        set(&mood, bad);
        let object = fleet.reconcile("ImageRepository", "bad").await;
        let ready = condition(&object, "Ready");
        assert_eq!(
            (&ready["status"], &ready["reason"]),
            (&json!("False"), &json!("ReadOperationFailed")),
            "{bad}"
        );
        let words = message(&object);
        println!("{bad}: {words}");
        assert!(words.starts_with("scan failed: "), "{bad}: {words}");
        assert!(words.len() < 500, "{bad}: {words}");
        assert_eq!(
            object["status"]["lastScanResult"], good["status"]["lastScanResult"],
            "{bad}"
        );
        if round % 3 == 0 {
            let tag = format!("1.{round}.0");
            fleet.publish("app", &tag).await;
            fleet.deployed("app", &tag).await;
        }
    }
    let after = fleet.ready("ImagePolicy", "bad").await;
    assert_eq!(after["status"], policy["status"]);

    set(&mood, "better");
    fleet
        .wait("ImagePolicy", "bad", "1.1.0 after the recovery", |object| {
            object["status"]["latestRef"]["tag"] == "1.1.0"
        })
        .await;
    fleet.ready("ImageRepository", "bad").await;
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_tag_list_is_a_result_and_keeps_the_selection() {
    let (mut fleet, fake, mood) = fleet_with_fake("no-tags").await;
    for empty in ["empty", "null"] {
        set(&mood, empty);
        let object = fleet.reconcile("ImageRepository", "bad").await;
        assert_eq!(condition(&object, "Ready")["status"], "True", "{empty}");
        assert_eq!(object["status"]["lastScanResult"]["tagCount"], 0, "{empty}");
        assert!(
            message(&object).starts_with("successful scan: found 0 tags"),
            "{empty}"
        );
    }
    // What was selected stays, and says so; a policy that never selected anything has nothing to hold.
    let held = |policy: &Value| condition(policy, "HeldBack")["status"] == "True";
    let policy = fleet.wait("ImagePolicy", "bad", "it is held", held).await;
    assert_eq!(condition(&policy, "Ready")["status"], "True");
    assert_eq!(policy["status"]["latestRef"]["tag"], "1.0.0");
    let said = condition(&policy, "HeldBack")["message"].to_string();
    assert!(
        said.contains("nor any other tag that the policy takes"),
        "{said}"
    );
    fleet
        .apply("ImagePolicy", "new", fleet.image_policy("bad"))
        .await;
    let words = fleet
        .not_ready("ImagePolicy", "new", "DependencyNotReady")
        .await;
    assert!(words.contains("no tags in database"), "{words}");
    // Emptiness is known: it is not asked for again and again.
    let asked = fake.seen("/v2/app/tags/list").len();
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    assert_eq!(fake.seen("/v2/app/tags/list").len(), asked);

    set(&mood, "better");
    fleet.request("ImageRepository", "bad").await;
    let risen = |policy: &Value| policy["status"]["latestRef"]["tag"] == "1.1.0";
    let policy = fleet.wait("ImagePolicy", "bad", "1.1.0", risen).await;
    assert_eq!(condition(&policy, "HeldBack")["status"], "False");
    fleet.assert_no_panic();
}
