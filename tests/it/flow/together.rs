//! Many automations and many changes: what is due together goes in one push, and what waits is told.

use super::{EAGER, fleet, running};
use crate::support::fleet::events::begins;
use crate::support::fleet::{Fleet, condition, message};
use crate::support::highwater::Running;
use crate::support::process::temporary_folder;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const AUTOMATION: &str = "ImageUpdateAutomation";

/// The specification of an automation of `path` whose commits are called as it is, with further fields of `spec.git.commit`.
fn automation(fleet: &Fleet, path: &str, commit: &Value) -> Value {
    let mut content = fleet.automation("app", path);
    content["spec"]["git"]["commit"]["messageTemplate"] = json!("{{ .AutomationObject.Name }}");
    for (field, value) in commit.as_object().into_iter().flatten() {
        content["spec"]["git"]["commit"][field] = value.clone();
    }
    content
}

/// So many automations, each of a folder of its own, that all follow the policy `app`; their names in order.
async fn crowd(fleet: &Fleet, count: usize, commit: &Value) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|number| format!("n{number:02}")).collect();
    fleet.registry.push("app", "1.0.0", "1.0.0").await;
    let manifest = fleet.deployment("app", "1.0.0");
    let paths: Vec<String> = names
        .iter()
        .map(|name| format!("apps/{name}/app.yaml"))
        .collect();
    let files: Vec<(&str, &str)> = paths
        .iter()
        .map(|path| (path.as_str(), manifest.as_str()))
        .collect();
    fleet.commit("Add all", &files);
    fleet
        .apply("ImagePolicy", "app", fleet.image_policy("app"))
        .await;
    fleet
        .apply("ImageRepository", "app", fleet.image_repository("app"))
        .await;
    fleet
        .apply("GitRepository", "app", fleet.git_repository())
        .await;
    fleet.ready("ImagePolicy", "app").await;
    for name in &names {
        let content = automation(fleet, &format!("apps/{name}"), commit);
        fleet.apply(AUTOMATION, name, content).await;
    }
    for name in &names {
        observed(fleet, name, "1.0.0").await;
    }
    names
}

/// Waits until an automation is ready with this tag of `app`; the object then.
async fn observed(fleet: &Fleet, name: &str, tag: &str) -> Value {
    let is_observed = |object: &Value| {
        object["status"]["observedPolicies"]["app"]["tag"] == *tag
            && condition(object, "Ready")["status"] == "True"
    };
    fleet.wait(AUTOMATION, name, tag, is_observed).await
}

fn last_commit(object: &Value) -> String {
    object["status"]["lastPushCommit"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The messages of the events about pushes that an object had, once there are `count`.
async fn pushes_told(fleet: &Fleet, name: &str, count: usize) -> Vec<String> {
    let own = |event: &Value| event["involvedObject"]["name"] == *name;
    let pushed = |event: &Value| own(event) && begins(event, "pushed commit");
    fleet.told(count, pushed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_automations_of_one_branch_push_once_and_each_has_its_own_commit() {
    let mut fleet = running("twenty").await;
    let names = crowd(&fleet, 20, &json!({})).await;
    fleet.publish("app", "1.1.0").await;
    let mut commits = BTreeSet::new();
    for name in &names {
        let object = observed(&fleet, name, "1.1.0").await;
        let commit = last_commit(&object);
        let told = pushes_told(&fleet, name, 1).await;
        assert_eq!(
            told,
            [format!(
                "pushed commit '{}' to branch 'main'\n{name}",
                &commit[..7]
            )]
        );
        let path = format!("apps/{name}/app.yaml");
        assert_eq!(
            fleet.repository.show(&commit, &path),
            fleet.deployment("app", "1.1.0")
        );
        let before = fleet.repository.show(&format!("{commit}^"), &path);
        assert_eq!(
            before,
            fleet.deployment("app", "1.0.0"),
            "each changes its own folder alone"
        );
        assert_eq!(
            object["status"]["observedSourceRevision"],
            format!("main@sha1:{}", fleet.repository.head("main"))
        );
        commits.insert(commit);
    }
    assert_eq!(commits.len(), 20);
    let mut log = fleet.repository.log("main");
    log.reverse();
    assert_eq!(log[1..], names[..]);
    assert_eq!(fleet.git.pushes().len(), 1, "one push for all of them");
    fleet.repository.fsck();
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_commit_for_a_push_holds_the_changes_of_all_its_automations() {
    let fleet = running("per-push").await;
    let names = crowd(&fleet, 3, &json!({"per": "push"})).await;
    fleet.publish("app", "1.1.0").await;
    let mut commits = BTreeSet::new();
    for name in &names {
        commits.insert(last_commit(&observed(&fleet, name, "1.1.0").await));
        let path = format!("apps/{name}/app.yaml");
        assert_eq!(
            fleet.repository.show("main", &path),
            fleet.deployment("app", "1.1.0")
        );
    }
    assert_eq!(commits, BTreeSet::from([fleet.repository.head("main")]));
    assert_eq!(
        fleet.repository.log("main"),
        ["n00", "Add all"],
        "in the words of the first"
    );
    fleet.repository.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_for_each_policy_holds_its_changes_alone() {
    let fleet = running("per-policy").await;
    let images = ["app", "web"];
    for image in images {
        fleet.registry.push(image, "1.0.0", "1.0.0").await;
        fleet
            .apply("ImagePolicy", image, fleet.image_policy(image))
            .await;
        fleet
            .apply("ImageRepository", image, fleet.image_repository(image))
            .await;
    }
    let both = |tag: &str| {
        images
            .map(|image| fleet.deployment(image, tag))
            .join("---\n")
    };
    let alone = fleet.deployment("web", "1.0.0");
    fleet.commit(
        "Add both",
        &[
            ("apps/both.yaml", &both("1.0.0")),
            ("apps/web.yaml", &alone),
        ],
    );
    fleet
        .apply("GitRepository", "app", fleet.git_repository())
        .await;
    let mut content = fleet.automation("app", "apps");
    content["spec"]["git"]["commit"]["per"] = json!("policy");
    content["spec"]["suspend"] = json!(true);
    fleet.apply(AUTOMATION, "all", content).await;
    for image in images {
        fleet.publish(image, "1.1.0").await;
        let selected = |object: &Value| object["status"]["latestRef"]["tag"] == "1.1.0";
        fleet.wait("ImagePolicy", image, "1.1.0", selected).await;
    }
    fleet
        .patch(AUTOMATION, "all", json!({"spec": {"suspend": false}}))
        .await;
    let object = observed(&fleet, "all", "1.1.0").await;
    let update =
        |image: &str| format!("Update {} from 1.0.0 to 1.1.0", fleet.registry.image(image));
    let expected = [update("web"), update("app"), "Add both".to_owned()];
    assert_eq!(fleet.repository.log("main"), expected);
    assert_eq!(last_commit(&object), fleet.repository.head("main"));
    let first = [
        fleet.deployment("app", "1.1.0"),
        fleet.deployment("web", "1.0.0"),
    ]
    .join("---\n");
    assert_eq!(fleet.repository.show("main^", "apps/both.yaml"), first);
    assert_eq!(
        fleet.repository.show("main", "apps/both.yaml"),
        both("1.1.0")
    );
    assert_eq!(pushes_told(&fleet, "all", 2).await.len(), 2);
    assert_eq!(fleet.git.pushes().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_by_a_hook_holds_up_no_other() {
    let mut fleet = fleet("refused").await;
    fleet.start(&EAGER);
    let names = crowd(&fleet, 3, &json!({})).await;
    let template = json!({"spec": {"git": {"commit": {"messageTemplate": "not like this"}}}});
    fleet.patch(AUTOMATION, &names[1], template).await;
    fleet.ready(AUTOMATION, &names[1]).await;
    fleet.repository.hook(
        "pre-receive",
        "while read -r old new name; do\n\
         if git log --format=%s $old..$new | grep -q 'not like'; then echo 'mind your words' >&2; exit 1; fi\n\
         done",
    );
    fleet.publish("app", "1.1.0").await;
    for name in [&names[0], &names[2]] {
        observed(&fleet, name, "1.1.0").await;
    }
    let words = fleet
        .not_ready(AUTOMATION, &names[1], "GitOperationFailed")
        .await;
    assert!(words.contains("mind your words"), "{words}");
    assert_eq!(fleet.repository.log("main").len(), 3);
    let template = json!({"spec": {"git": {"commit": {"messageTemplate": "as you like it"}}}});
    fleet.patch(AUTOMATION, &names[1], template).await;
    observed(&fleet, &names[1], "1.1.0").await;
    assert_eq!(fleet.repository.log("main")[0], "as you like it");
    fleet.assert_no_panic();
}

/// Waits until the pending changes of `n00` are these many values for this tag of `app`.
async fn pending(fleet: &Fleet, tag: &str) -> Value {
    let waits =
        |object: &Value| object["status"]["pendingChanges"]["policies"]["app"]["tag"] == *tag;
    fleet.wait(AUTOMATION, "n00", "changes wait", waits).await
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_are_collected_become_one_commit_and_survive_a_restart() {
    let mut fleet = running("collect").await;
    crowd(&fleet, 1, &json!({"collect": "1h"})).await;
    for number in 1..=5 {
        let tag = format!("1.{number}.0");
        fleet.publish("app", &tag).await;
        pending(&fleet, &tag).await;
    }
    let object = pending(&fleet, "1.5.0").await;
    let waiting = object["status"]["pendingChanges"].clone();
    assert_eq!(waiting["count"], 1);
    let due = waiting["due"].as_str().unwrap_or_default();
    assert_eq!(condition(&object, "Ready")["status"], "True");
    assert_eq!(
        message(&object),
        "changes wait for more to come before they are committed"
    );
    let words = condition(&object, "ChangesPending")["message"]
        .as_str()
        .unwrap_or_default();
    assert!(
        words.starts_with("1 value to change by app, since "),
        "{words}"
    );
    assert!(words.ends_with(&format!("due at {due}")), "{words}");
    assert_eq!(fleet.repository.log("main"), ["Add all"]);
    assert_eq!(object["status"]["observedPolicies"]["app"]["tag"], "1.0.0");

    fleet.kill();
    fleet.start(&[]);
    let object = fleet.reconcile(AUTOMATION, "n00").await;
    assert_eq!(
        object["status"]["pendingChanges"], waiting,
        "the wait goes on where it was"
    );

    let soon = json!({"spec": {"git": {"commit": {"collect": "1s"}}}});
    fleet.patch(AUTOMATION, "n00", soon).await;
    let object = observed(&fleet, "n00", "1.5.0").await;
    assert_eq!(fleet.repository.log("main"), ["n00", "Add all"]);
    assert_eq!(object["status"]["pendingChanges"], Value::Null);
    assert_eq!(*condition(&object, "ChangesPending"), Value::Null);
    assert_eq!(message(&object), "repository up-to-date");
    assert_eq!(last_commit(&object), fleet.repository.head("main"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_taken_back_while_it_waits_is_never_committed() {
    let fleet = running("taken-back").await;
    crowd(&fleet, 1, &json!({"collect": "1h"})).await;
    fleet.publish("app", "1.1.0").await;
    pending(&fleet, "1.1.0").await;
    fleet.commit(
        "By hand",
        &[("apps/n00/app.yaml", &fleet.deployment("app", "1.1.0"))],
    );
    fleet.reconcile("GitRepository", "app").await;
    let object = observed(&fleet, "n00", "1.1.0").await;
    assert_eq!(object["status"]["pendingChanges"], Value::Null);
    assert_eq!(fleet.repository.log("main"), ["By hand", "Add all"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_a_push_for_several_each_hears_of_its_own_commit() {
    let mut fleet = running("kill-several").await;
    let names = crowd(&fleet, 3, &json!({})).await;
    let hold = fleet.git.hold_receive_pack_response();
    fleet.publish("app", "1.1.0").await;
    tokio::task::block_in_place(|| hold.wait());
    fleet.kill();
    hold.abandon();
    let log = fleet.repository.log("main");
    fleet.start_afresh(&[]);
    let mut commits = BTreeSet::new();
    for name in &names {
        let commit = last_commit(&observed(&fleet, name, "1.1.0").await);
        let told = pushes_told(&fleet, name, 1).await;
        assert_eq!(
            told,
            [format!(
                "pushed commit '{}' to branch 'main'\n{name}",
                &commit[..7]
            )]
        );
        commits.insert(commit);
    }
    assert_eq!(commits.len(), 3);
    assert_eq!(fleet.repository.log("main"), log, "nothing is pushed again");
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_a_commit_that_several_share_each_hears_of_it_in_whatever_company() {
    let mut fleet = running("kill-shared").await;
    let names = crowd(&fleet, 3, &json!({"per": "push"})).await;
    let hold = fleet.git.hold_receive_pack_response();
    fleet.publish("app", "1.1.0").await;
    tokio::task::block_in_place(|| hold.wait());
    fleet.kill();
    hold.abandon();
    let (log, head) = (fleet.repository.log("main"), fleet.repository.head("main"));
    assert_eq!(log, ["n00", "Add all"]);
    // The last alone, then the second, and then the one in whose words it is, behind a commit of a person.
    for name in &names {
        let patch = json!({"spec": {"suspend": true}});
        fleet.patch(AUTOMATION, name, patch).await;
    }
    fleet.start_afresh(&[]);
    for (name, by_hand) in [("n02", false), ("n01", false), ("n00", true)] {
        if by_hand {
            fleet.commit("By hand", &[("README.md", "by hand\n")]);
        }
        let patch = json!({"spec": {"suspend": false}});
        fleet.patch(AUTOMATION, name, patch).await;
        assert_eq!(last_commit(&observed(&fleet, name, "1.1.0").await), head);
        let words = format!("pushed commit '{}' to branch 'main'\nn00", &head[..7]);
        assert_eq!(pushes_told(&fleet, name, 1).await, [words]);
    }
    assert_eq!(fleet.repository.log("main"), ["By hand", "n00", "Add all"]);
    // It is told once.
    for name in &names {
        fleet.reconcile(AUTOMATION, name).await;
        assert_eq!(pushes_told(&fleet, name, 1).await.len(), 1, "{name}");
    }
    fleet.publish("app", "1.2.0").await;
    for name in &names {
        let object = observed(&fleet, name, "1.2.0").await;
        assert_eq!(last_commit(&object), fleet.repository.head("main"));
        assert_eq!(pushes_told(&fleet, name, 2).await.len(), 2, "{name}");
    }
    fleet.assert_no_panic();
}

/// What the process `number` of several looks after, labelled so that no other sees it.
async fn shard(fleet: &Fleet, number: usize) -> String {
    let name = format!("p{number:02}");
    let labelled = |mut content: Value| {
        content["metadata"]["labels"] = json!({"shard": name});
        content
    };
    let mut repository = fleet.image_repository("app");
    repository["spec"]["image"] = json!(fleet.registry.image("app"));
    fleet
        .apply("ImageRepository", &name, labelled(repository))
        .await;
    fleet
        .apply("ImagePolicy", &name, labelled(fleet.image_policy(&name)))
        .await;
    fleet
        .apply("GitRepository", &name, labelled(fleet.git_repository()))
        .await;
    let mut content = automation(fleet, &format!("apps/{name}"), &json!({}));
    content["spec"]["sourceRef"]["name"] = json!(name);
    fleet.apply(AUTOMATION, &name, labelled(content)).await;
    name
}

fn shard_process(fleet: &Fleet, name: &str) -> Running {
    let storage = format!("--storage-path={}", temporary_folder("shard").display());
    let selector = format!("--watch-label-selector=shard={name}");
    let groups = "--controllers=image-reflector,image-automation";
    Running::start(&fleet.command(&[&storage, &selector, groups, EAGER[0], EAGER[1]]))
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_processes_on_one_repository_all_land_and_none_twice() {
    let fleet = fleet("ten").await;
    fleet.registry.push("app", "1.0.0", "1.0.0").await;
    let mut names = Vec::new();
    for number in 0..10 {
        names.push(shard(&fleet, number).await);
    }
    let manifest = |name: &str, tag: &str| {
        fleet
            .deployment("app", tag)
            .replace(&fleet.marker("app"), &fleet.marker(name))
    };
    let files: Vec<(String, String)> = names
        .iter()
        .map(|name| (format!("apps/{name}/app.yaml"), manifest(name, "1.0.0")))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    fleet.commit("Add all", &files);
    let processes: Vec<Running> = names
        .iter()
        .map(|name| shard_process(&fleet, name))
        .collect();
    for name in &names {
        fleet.ready(AUTOMATION, name).await;
    }
    fleet.registry.push("app", "1.1.0", "1.1.0").await;
    for name in &names {
        fleet.request("ImageRepository", name).await;
    }
    let mut commits = BTreeSet::new();
    for name in &names {
        let landed = |object: &Value| {
            object["status"]["observedPolicies"][name]["tag"] == "1.1.0"
                && condition(object, "Ready")["status"] == "True"
        };
        commits.insert(last_commit(
            &fleet.wait(AUTOMATION, name, "landed", landed).await,
        ));
        let path = format!("apps/{name}/app.yaml");
        assert_eq!(
            fleet.repository.show("main", &path),
            manifest(name, "1.1.0")
        );
    }
    assert_eq!(commits.len(), 10);
    let mut log = fleet.repository.log("main");
    log.sort_unstable();
    names.insert(0, "Add all".to_owned());
    assert_eq!(log, names, "each once");
    fleet.repository.fsck();
    for process in &processes {
        assert!(
            !process.stderr().contains("panicked"),
            "{}",
            process.stderr()
        );
    }
}
