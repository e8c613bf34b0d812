//! Pushing where others push too, where hooks decide, and to another branch.

use super::{EAGER, fleet, running};
use crate::support::fleet::{Fleet, GIT_PASSWORD, GIT_USER, condition, message};
use crate::support::git_http::{Point, git};
use crate::support::process::temporary_folder;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Waits until the automation has pushed this commit of `main`.
async fn pushed(fleet: &Fleet, name: &str, tag: &str) -> Value {
    let what = format!("pushed {tag}");
    fleet
        .wait("ImageUpdateAutomation", name, &what, |object| {
            object["status"]["observedPolicies"][name]["tag"] == *tag
                && condition(object, "Ready")["status"] == "True"
        })
        .await
}

/// A clone of the fleet's repository over http, as a person has it, and a commit in it that is not pushed yet.
fn clone_with_a_commit(fleet: &Fleet) -> std::path::PathBuf {
    let folder = temporary_folder("clone");
    let address = fleet.git.address();
    let url = format!("http://{GIT_USER}:{GIT_PASSWORD}@{address}/fleet.git");
    git(&folder, &["clone", "--quiet", &url, "."]);
    std::fs::write(folder.join("README.md"), "by a person\n").expect("the folder is ours");
    git(&folder, &["add", "README.md"]);
    git(&folder, &["commit", "--quiet", "-m", "Add a README"]);
    folder
}

fn assert_both_landed(fleet: &Fleet) {
    let image = fleet.registry.image("app");
    let update = format!("Update {image} from 1.0.0 to 1.1.0");
    let subjects = fleet.repository.log("main");
    assert_eq!(subjects, [update.as_str(), "Add a README", "Add app"]);
    assert_eq!(fleet.repository.show("main", "README.md"), "by a person\n");
    let manifest = fleet.repository.show("main", "apps/app/deployment.yaml");
    assert_eq!(manifest, fleet.deployment("app", "1.1.0"));
    fleet.repository.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_automations_that_push_to_one_branch_at_once_both_land() {
    let mut fleet = running("two").await;
    for name in ["left", "right"] {
        fleet.settled_application(name).await;
    }
    for round in 1..=3 {
        let tag = format!("1.{round}.0");
        let hold = fleet.git.hold_receive_pack();
        for name in ["left", "right"] {
            fleet.publish(name, &tag).await;
        }
        // Both know what they want to write before the first of them gets through.
        for name in ["left", "right"] {
            fleet
                .wait("ImagePolicy", name, &tag, |policy| {
                    policy["status"]["latestRef"]["tag"] == *tag
                })
                .await;
        }
        tokio::task::block_in_place(|| hold.wait());
        hold.release();
        for name in ["left", "right"] {
            fleet.deployed(name, &tag).await;
        }
    }
    let subjects = fleet.repository.log("main");
    let distinct: BTreeSet<_> = subjects.iter().collect();
    assert_eq!((subjects.len(), distinct.len()), (8, 8), "{subjects:?}");
    for name in ["left", "right"] {
        fleet.all_ready(name).await;
    }
    fleet.repository.fsck();
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_by_somebody_else_before_ours_arrives_is_kept() {
    let fleet = running("race").await;
    fleet.settled_application("app").await;
    let person = clone_with_a_commit(&fleet);
    let hold = fleet.git.hold_receive_pack();
    fleet.publish("app", "1.1.0").await;
    tokio::task::block_in_place(|| hold.wait());
    git(&person, &["push", "--quiet", "origin", "main"]);
    hold.release();
    fleet.deployed("app", "1.1.0").await;
    assert_both_landed(&fleet);
    let automation = fleet.ready("ImageUpdateAutomation", "app").await;
    assert_eq!(
        automation["status"]["lastPushCommit"],
        fleet.repository.head("main")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_by_somebody_else_while_a_hook_looks_at_ours_is_kept() {
    let fleet = running("race-hook").await;
    fleet.settled_application("app").await;
    let person = clone_with_a_commit(&fleet);
    // The first push waits in the hook, after the server compared the branch and before it moves it.
    fleet.repository.hook(
        "pre-receive",
        "if mkdir held 2>/dev/null; then while [ ! -e go ]; do sleep 0.05; done; fi",
    );
    fleet.publish("app", "1.1.0").await;
    let path = fleet.repository.path.clone();
    fleet
        .until("our push is in the hook", || path.join("held").exists())
        .await;
    git(&person, &["push", "--quiet", "origin", "main"]);
    std::fs::write(path.join("go"), "").expect("the folder is ours");
    fleet.deployed("app", "1.1.0").await;
    assert_both_landed(&fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_push_shows_the_words_of_the_hook_and_is_tried_again() {
    let mut fleet = fleet("hook").await;
    fleet.start(&EAGER);
    fleet.settled_application("app").await;
    fleet.repository.hook(
        "pre-receive",
        "echo 'change 42: no ticket, no push' >&2; exit 1",
    );
    fleet.publish("app", "1.1.0").await;
    let words = fleet
        .not_ready("ImageUpdateAutomation", "app", "GitOperationFailed")
        .await;
    assert!(words.contains("change 42: no ticket, no push"), "{words}");
    let automation = fleet.get("ImageUpdateAutomation", "app").await;
    let automation = automation.unwrap_or_default();
    assert_eq!(
        automation["status"]["observedPolicies"]["app"]["tag"], "1.0.0",
        "what was last true stays"
    );
    assert_eq!(
        condition(&automation, "Reconciling")["reason"],
        "ProgressingWithRetry"
    );
    assert_eq!(fleet.repository.log("main"), ["Add app"]);

    fleet.repository.hook("pre-receive", "exit 0");
    fleet.deployed("app", "1.1.0").await;
    fleet.all_ready("app").await;
    assert_eq!(fleet.repository.log("main").len(), 2);
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_during_a_push_loses_and_repeats_nothing() {
    let mut fleet = fleet("broken").await;
    fleet.start(&EAGER);
    fleet.settled_application("app").await;
    let points = [Point::ReceivePack, Point::ReceivePackAnswer];
    for (round, point) in (1..).zip(points) {
        fleet.git.break_next(point);
        let tag = format!("1.{round}.0");
        fleet.publish("app", &tag).await;
        fleet.deployed("app", &tag).await;
        fleet.all_ready("app").await;
        let automation = pushed(&fleet, "app", &tag).await;
        let head = fleet.repository.head("main");
        assert_eq!(
            automation["status"]["observedSourceRevision"],
            format!("main@sha1:{head}"),
            "{point:?}"
        );
        assert_eq!(fleet.repository.log("main").len(), round + 1, "{point:?}");
    }
    fleet.repository.fsck();
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_go_to_a_branch_of_their_own_and_stack_there() {
    let fleet = running("branch").await;
    fleet.settled_application("app").await;
    let push = json!({"spec": {"git": {"push": {"branch": "image-updates"}}}});
    fleet.patch("ImageUpdateAutomation", "app", push).await;
    let main = fleet.repository.head("main");
    fleet.publish("app", "1.1.0").await;
    let first = pushed(&fleet, "app", "1.1.0").await;
    let branch = fleet.repository.head("image-updates");
    assert_eq!(first["status"]["lastPushCommit"], *branch);
    assert_eq!(
        fleet.repository.resolve("image-updates^"),
        Some(main.clone())
    );
    assert_eq!(
        first["status"]["observedSourceRevision"],
        format!("main@sha1:{main}"),
        "the checkout is still `main`"
    );

    fleet.publish("app", "1.2.0").await;
    pushed(&fleet, "app", "1.2.0").await;
    assert_eq!(
        fleet.repository.resolve("image-updates^"),
        Some(branch),
        "the second stacks on the first"
    );
    assert_eq!(
        fleet.repository.head("main"),
        main,
        "`main` is left to its reviewers"
    );
    fleet.deployed("app", "1.0.0").await;

    // Somebody merged and deleted the branch: the next update makes it again.
    git(
        &fleet.repository.path,
        &["update-ref", "refs/heads/main", "refs/heads/image-updates"],
    );
    git(
        &fleet.repository.path,
        &["update-ref", "-d", "refs/heads/image-updates"],
    );
    fleet.request("GitRepository", "app").await;
    fleet.deployed("app", "1.2.0").await;
    fleet.publish("app", "1.3.0").await;
    pushed(&fleet, "app", "1.3.0").await;
    assert_eq!(
        fleet.repository.resolve("image-updates^"),
        fleet.repository.resolve("main")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_another_branch_with_nothing_new_is_no_push() {
    let fleet = running("branch-idle").await;
    fleet.settled_application("app").await;
    let push = json!({"spec": {"git": {"push": {"branch": "image-updates"}}}});
    fleet.patch("ImageUpdateAutomation", "app", push).await;
    fleet.publish("app", "1.1.0").await;
    pushed(&fleet, "app", "1.1.0").await;
    let before = fleet.repository.head("image-updates");
    for _ in 0..3 {
        let automation = fleet.reconcile("ImageUpdateAutomation", "app").await;
        assert_eq!(message(&automation), "repository up-to-date");
    }
    assert_eq!(fleet.repository.head("image-updates"), before);
    assert_eq!(fleet.git.pushes().len(), 1);
}
