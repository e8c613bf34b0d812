//! `highwater run` dies at the worst moments: the restart neither loses nor repeats a commit.

use super::{EAGER, fleet};
use crate::support::fleet::events::begins;
use crate::support::fleet::{Fleet, KINDS};
use crate::support::git_http::{Hold, git};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// What a restarted program finds in its storage folder.
#[derive(Clone, Copy, Debug)]
enum Folder {
    /// What the killed one left, halves and locks included: a volume.
    Kept,
    /// Nothing: a new Pod.
    Empty,
}

fn restart(fleet: &mut Fleet, folder: Folder) {
    match folder {
        Folder::Kept => fleet.start(&[]),
        Folder::Empty => fleet.start_afresh(&[]),
    }
}

async fn settled(prefix: &str) -> Fleet {
    let mut fleet = fleet(prefix).await;
    fleet.start(&[]);
    fleet.settled_application("app").await;
    fleet
}

async fn killed_while_held(fleet: &mut Fleet, hold: Hold) {
    fleet.publish("app", "1.1.0").await;
    tokio::task::block_in_place(|| hold.wait());
    fleet.kill();
    hold.abandon();
}

/// All is as after an undisturbed run: one commit, applied, and nothing more to do when asked.
async fn assert_landed_once(fleet: &mut Fleet) {
    fleet.deployed("app", "1.1.0").await;
    fleet.all_ready("app").await;
    for kind in KINDS {
        fleet.reconcile(kind, "app").await;
    }
    let update = format!("Update {} from 1.0.0 to 1.1.0", fleet.registry.image("app"));
    assert_eq!(fleet.repository.log("main"), [update.as_str(), "Add app"]);
    fleet.repository.fsck();
    let revision = format!("main@sha1:{}", fleet.repository.head("main"));
    let observed = |kind, field: [&'static str; 2]| (kind, field);
    for (kind, [field, inner]) in [
        observed("ImageUpdateAutomation", ["observedSourceRevision", ""]),
        observed("GitRepository", ["artifact", "revision"]),
        observed("Kustomization", ["lastAppliedRevision", ""]),
    ] {
        let object = fleet.ready(kind, "app").await;
        let value = &object["status"][field];
        let value = if inner.is_empty() {
            value
        } else {
            &value[inner]
        };
        assert_eq!(value, revision.as_str(), "{kind}");
    }
    let automation = fleet.ready("ImageUpdateAutomation", "app").await;
    assert_eq!(
        automation["status"]["observedPolicies"]["app"]["tag"],
        "1.1.0"
    );
    fleet.assert_no_panic();
}

async fn killed_between_commit_and_push(folder: Folder) {
    let mut fleet = settled("kill-before").await;
    let hold = fleet.git.hold_receive_pack();
    killed_while_held(&mut fleet, hold).await;
    assert_eq!(
        fleet.repository.log("main"),
        ["Add app"],
        "the push was never run"
    );
    restart(&mut fleet, folder);
    assert_landed_once(&mut fleet).await;
    let automation = fleet.ready("ImageUpdateAutomation", "app").await;
    assert_eq!(
        automation["status"]["lastPushCommit"],
        fleet.repository.head("main")
    );
}

async fn killed_between_push_and_status(folder: Folder) {
    let mut fleet = settled("kill-after").await;
    let hold = fleet.git.hold_receive_pack_response();
    killed_while_held(&mut fleet, hold).await;
    let pushed = fleet.repository.head("main");
    assert_eq!(fleet.repository.log("main").len(), 2, "the push was run");
    let automation = fleet.get("ImageUpdateAutomation", "app").await;
    let status = &automation.unwrap_or_default()["status"];
    assert_eq!(
        status["lastPushCommit"],
        Value::Null,
        "the status was never written"
    );
    restart(&mut fleet, folder);
    assert_landed_once(&mut fleet).await;
    assert_eq!(fleet.repository.head("main"), pushed);
    // Nobody had told of the push; the restarted program finds it and does.
    let automation = fleet.ready("ImageUpdateAutomation", "app").await;
    assert_eq!(automation["status"]["lastPushCommit"], *pushed);
    assert!(automation["status"]["lastPushTime"].is_string());
    let words = format!("pushed commit '{}' to branch 'main'", &pushed[..7]);
    let told = fleet.told(1, |event| begins(event, &words)).await;
    assert_eq!(told.len(), 1, "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_commit_and_push_on_a_volume_it_pushes_once() {
    killed_between_commit_and_push(Folder::Kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_commit_and_push_without_a_volume_it_pushes_once() {
    killed_between_commit_and_push(Folder::Empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_push_and_status_on_a_volume_it_pushes_nothing_again() {
    killed_between_push_and_status(Folder::Kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_push_and_status_without_a_volume_it_pushes_nothing_again() {
    killed_between_push_and_status(Folder::Empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_loses_and_repeats_nothing() {
    let mut fleet = settled("kill-often").await;
    for round in 1..=6 {
        fleet.publish("app", &format!("1.{round}.0")).await;
        // Another moment in each round, from before the scan to after the application.
        tokio::time::sleep(Duration::from_millis(60 * round)).await;
        fleet.kill();
        fleet.start(&EAGER);
    }
    fleet.deployed("app", "1.6.0").await;
    fleet.all_ready("app").await;
    fleet.reconcile("ImageUpdateAutomation", "app").await;

    let subjects = fleet.repository.log("main");
    let distinct: BTreeSet<_> = subjects.iter().collect();
    assert_eq!(
        distinct.len(),
        subjects.len(),
        "a commit is repeated: {subjects:?}"
    );
    assert!(
        subjects[0].ends_with(" to 1.6.0"),
        "a commit is lost: {subjects:?}"
    );
    let merges = git(
        &fleet.repository.path,
        &["rev-list", "--merges", "--count", "main"],
    );
    assert_eq!(merges.trim(), "0");
    fleet.repository.fsck();
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_lets_a_push_finish_and_its_status_be_written() {
    let mut fleet = settled("terminate").await;
    let hold = fleet.git.hold_receive_pack();
    fleet.publish("app", "1.1.0").await;
    tokio::task::block_in_place(|| hold.wait());
    fleet.process().signal("TERM");
    fleet
        .process()
        .wait_for_line("ending", Duration::from_secs(60));
    hold.release();
    let status = fleet.process().wait(Duration::from_secs(60));
    assert!(status.success(), "{status}\n{}", fleet.log());
    let automation = fleet.get("ImageUpdateAutomation", "app").await;
    let automation = automation.unwrap_or_default();
    assert_eq!(
        automation["status"]["lastPushCommit"],
        fleet.repository.head("main")
    );
    assert_eq!(fleet.repository.log("main").len(), 2);
}
