//! A restart: the tags of the last scans are there still, or are scanned again where they are not.

use super::{EAGER, fleet};
use crate::support::fake_registry::{FakeRegistry, Reply};
use crate::support::fleet::{Fleet, PATIENCE, is_ready};
use serde_json::json;
use std::path::PathBuf;

const IMAGES: [&str; 2] = ["one", "two"];

async fn registry() -> FakeRegistry {
    FakeRegistry::start(|seen| {
        let path = seen.target.split('?').next().unwrap_or_default();
        let name = path.trim_start_matches("/v2/");
        match name.strip_suffix("/tags/list") {
            Some(name) => Reply::tags(name, &["1.0.0", "1.1.0", "1.2.0"]),
            None => Reply::json(&json!({})),
        }
    })
    .await
}

async fn apply_repository(fleet: &Fleet, fake: &FakeRegistry, name: &str) {
    let image = fake.image(name).as_str().to_owned();
    let repository = json!({"spec": {"image": image, "interval": "1h", "insecure": true}});
    fleet.apply("ImageRepository", name, repository).await;
}

/// Two images and their policies in a fleet, scanned once, and the program asked to end. It writes what is still to be kept.
async fn scanned(prefix: &str) -> (Fleet, FakeRegistry) {
    let fake = registry().await;
    let mut fleet = fleet(prefix).await;
    fleet.start(&EAGER);
    for name in IMAGES {
        apply_repository(&fleet, &fake, name).await;
        let policy = fleet.image_policy(name);
        fleet.apply("ImagePolicy", name, policy).await;
    }
    for name in IMAGES {
        selected(&fleet, name, "1.2.0").await;
    }
    assert!(fleet.process().terminate(PATIENCE).success());
    for name in IMAGES {
        assert!(stored(&fleet, name).exists(), "{name}");
    }
    (fleet, fake)
}

fn listings(fake: &FakeRegistry, image: &str) -> usize {
    fake.seen(&format!("/v2/{image}/tags/list")).len()
}

async fn selected(fleet: &Fleet, name: &str, tag: &str) {
    let what = format!("{tag} is selected");
    let selected = |object: &serde_json::Value| {
        is_ready(object) && object["status"]["latestRef"]["tag"] == tag
    };
    fleet.wait("ImagePolicy", name, &what, selected).await;
}

/// What a policy selects of another range can only come from tags that are at hand.
async fn select_below(fleet: &Fleet, name: &str, range: &str, tag: &str) {
    let patch = json!({"spec": {"policy": {"semver": {"range": range}}}});
    fleet.patch("ImagePolicy", name, patch).await;
    selected(fleet, name, tag).await;
}

fn stored(fleet: &Fleet, name: &str) -> PathBuf {
    fleet
        .storage()
        .join("tags")
        .join(&fleet.namespace)
        .join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_volume_no_repository_is_scanned_again_before_it_is_due() {
    let (mut fleet, fake) = scanned("tags-kept").await;
    fleet.start(&EAGER);
    for name in IMAGES {
        select_below(&fleet, name, "<1.2.0", "1.1.0").await;
        fleet.ready("ImageRepository", name).await;
        assert_eq!(listings(&fake, name), 1, "{name}");
    }
    fleet.assert_no_panic();
}

/// Asked to end in the middle of many first scans, whose files and events wait while statuses are written.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_status_tells_of_is_kept_and_told_when_the_program_is_asked_to_end() {
    let fake = registry().await;
    let mut fleet = fleet("tags-ending").await;
    for number in 0..60 {
        apply_repository(&fleet, &fake, &format!("app-{number}")).await;
    }
    fleet.start(&EAGER);
    let some_ready = async { while !fleet.list("ImageRepository").await.iter().any(is_ready) {} };
    let some_ready = tokio::time::timeout(PATIENCE, some_ready).await;
    some_ready.expect("one is ready in the end");
    assert!(fleet.process().terminate(PATIENCE).success());
    let objects = fleet.list("ImageRepository").await;
    let ready: Vec<&str> = objects
        .iter()
        .filter(|object| is_ready(object))
        .filter_map(|object| object["metadata"]["name"].as_str())
        .collect();
    let of_a_scan =
        |event: &serde_json::Value| event["involvedObject"]["kind"] == "ImageRepository";
    let events = fleet.events(ready.len(), of_a_scan).await;
    for name in ready {
        assert!(stored(&fleet, name).exists(), "{name}");
        let told = events
            .iter()
            .any(|event| event["involvedObject"]["name"] == *name);
        assert!(told, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_volume_each_repository_is_scanned_once() {
    let (mut fleet, fake) = scanned("tags-lost").await;
    fleet.start_afresh(&EAGER);
    for name in IMAGES {
        select_below(&fleet, name, "<1.2.0", "1.1.0").await;
        assert_eq!(listings(&fake, name), 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_set_aside_and_its_repository_alone_is_scanned() {
    let (mut fleet, fake) = scanned("tags-damaged").await;
    let path = stored(&fleet, "one");
    let mut bytes = std::fs::read(&path).expect("the tags were kept");
    let last = bytes.len() - 2;
    bytes[last] = b'9';
    std::fs::write(&path, &bytes).expect("the file can be written");
    fleet.start(&EAGER);
    for (name, tag, scans) in [("one", "1.1.0", 2), ("two", "1.1.0", 1)] {
        select_below(&fleet, name, "<1.2.0", tag).await;
        assert_eq!(listings(&fake, name), scans, "{name}");
    }
    let aside = fleet.storage().join("tags/.damaged");
    let aside = aside.join(&fleet.namespace).join("one");
    assert_eq!(std::fs::read(aside).ok(), Some(bytes));
    assert!(fleet.log().contains("are damaged and were set aside"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_are_not_those_of_the_status_are_not_used() {
    let (mut fleet, fake) = scanned("tags-old").await;
    // A file that another object left, whole but of another scan.
    let other = "highwater tags 1\nsha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    std::fs::write(stored(&fleet, "one"), other).expect("ours");
    fleet.start(&EAGER);
    select_below(&fleet, "one", "<1.2.0", "1.1.0").await;
    assert_eq!(listings(&fake, "one"), 2);
    assert_eq!(listings(&fake, "two"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_goes_with_its_object() {
    let (mut fleet, _fake) = scanned("tags-gone").await;
    fleet.start(&EAGER);
    fleet.delete("ImageRepository", "one").await;
    fleet.gone("ImageRepository", "one").await;
    let (one, two) = (stored(&fleet, "one"), stored(&fleet, "two"));
    fleet.until("the file is removed", || !one.exists()).await;
    assert!(two.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_to_costs_nothing_but_a_word_in_the_log() {
    let (mut fleet, fake) = scanned("tags-full").await;
    std::fs::remove_dir_all(fleet.storage().join("tags")).expect("ours");
    std::fs::write(fleet.storage().join("tags"), "in the way").expect("ours");
    fleet.start(&EAGER);
    select_below(&fleet, "one", "<1.2.0", "1.1.0").await;
    assert_eq!(listings(&fake, "one"), 2);
    let told = || fleet.log().contains("cannot be written");
    fleet.until("the log names the file", told).await;
}
