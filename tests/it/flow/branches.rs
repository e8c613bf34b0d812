//! Where commits go: branches of their own, second references, options, and what Flux's feature gates change.

use super::{EAGER, fleet, running};
use crate::support::fleet::events::says;
use crate::support::fleet::{Fleet, condition};
use crate::support::git_http::{BareRepository, Seed, git};
use serde_json::{Value, json};

const AUTOMATION: &str = "ImageUpdateAutomation";

async fn pushed(fleet: &Fleet, tag: &str) -> Value {
    let is_pushed = |object: &Value| {
        object["status"]["observedPolicies"]["app"]["tag"] == *tag
            && condition(object, "Ready")["status"] == "True"
    };
    fleet.wait(AUTOMATION, "app", tag, is_pushed).await
}

/// Sets `spec.git.push` of the automation and waits until it is known.
async fn push_to(fleet: &Fleet, push: Value) {
    let patch = json!({"spec": {"git": {"push": push}}});
    fleet.patch(AUTOMATION, "app", patch).await;
    fleet.ready(AUTOMATION, "app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refspec_gets_a_second_push_and_the_server_gets_the_options_of_both() {
    let fleet = running("refspec").await;
    fleet.settled_application("app").await;
    let refspec = "refs/heads/main:refs/heads/released/app";
    let options = json!({"ci.skip": "", "topic": "images"});
    push_to(&fleet, json!({"refspec": refspec, "options": options})).await;
    fleet.repository.hook(
        "pre-receive",
        "read -r old new name; echo \"$name $GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1\" >> seen",
    );
    for tag in ["1.1.0", "1.2.0"] {
        fleet.publish("app", tag).await;
        pushed(&fleet, tag).await;
        let head = fleet.repository.head("main");
        assert_eq!(fleet.repository.head("released/app"), head);
    }
    let seen = std::fs::read_to_string(fleet.repository.path.join("seen"));
    let line = |name: &str| format!("{name} ci.skip topic=images\n");
    let expected = [line("refs/heads/main"), line("refs/heads/released/app")].concat();
    assert_eq!(seen.expect("the hook ran"), expected.repeat(2));
    let words = format!("and refspecs '{refspec}'");
    let told = fleet.told(2, |event| says(event, &words)).await;
    assert_eq!(told.len(), 2, "{told:?}");
    let automation = fleet.reconcile(AUTOMATION, "app").await;
    assert_eq!(
        condition(&automation, "Ready")["message"],
        "repository up-to-date"
    );
    assert_eq!(
        fleet.git.pushes().len(),
        4,
        "with nothing new it is no push"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_fell_behind_is_made_anew_and_a_persons_commit_keeps_it() {
    let fleet = running("behind").await;
    fleet.settled_application("app").await;
    push_to(&fleet, json!({"branch": "updates"})).await;
    fleet.publish("app", "1.1.0").await;
    pushed(&fleet, "1.1.0").await;
    let main = fleet.commit("Add a README", &[("README.md", "by a person\n")]);
    fleet.publish("app", "1.2.0").await;
    let object = pushed(&fleet, "1.2.0").await;
    let update = |from: &str, to: &str| {
        format!("Update {} from {from} to {to}", fleet.registry.image("app"))
    };
    let log = fleet.repository.log("updates");
    assert_eq!(
        log,
        [
            update("1.0.0", "1.2.0"),
            "Add a README".into(),
            "Add app".into()
        ]
    );
    assert_eq!(
        object["status"]["observedSourceRevision"],
        format!("main@sha1:{main}")
    );
    assert_eq!(*condition(&object, "PushBranchKept"), Value::Null);

    let theirs = fleet
        .repository
        .commit("updates", "Fix the update", &[("fix.md", "x\n")]);
    fleet.commit("Add more", &[("MORE.md", "by a person\n")]);
    for tag in ["1.3.0", "1.4.0"] {
        fleet.publish("app", tag).await;
        pushed(&fleet, tag).await;
    }
    let object = fleet.ready(AUTOMATION, "app").await;
    let words = condition(&object, "PushBranchKept")["message"]
        .as_str()
        .unwrap_or_default();
    let who = format!("{} by Seed <seed@example.com>", &theirs[..7]);
    assert!(
        words.starts_with("branch 'updates' is behind branch `main`"),
        "{words}"
    );
    assert!(words.ends_with(&who), "{words}");
    let told = fleet.told(1, |event| says(event, &who)).await;
    assert_eq!(told.len(), 1, "it is told once");
    let log = fleet.repository.log("updates");
    assert_eq!(
        log[..3],
        [
            update("1.3.0", "1.4.0"),
            update("1.2.0", "1.3.0"),
            "Fix the update".into()
        ]
    );
    fleet.repository.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gates_of_flux_decide_what_becomes_of_a_branch() {
    let mut fleet = fleet("gates").await;
    fleet.start(&["--feature-gates=GitForcePushBranch=false,GitShallowClone=false"]);
    fleet.settled_application("app").await;
    push_to(&fleet, json!({"branch": "updates"})).await;
    fleet.publish("app", "1.1.0").await;
    pushed(&fleet, "1.1.0").await;
    fleet.commit("Add a README", &[("README.md", "by a person\n")]);
    fleet.publish("app", "1.2.0").await;
    pushed(&fleet, "1.2.0").await;
    let log = fleet.repository.log("updates");
    assert_eq!(log.len(), 3, "without force, commits go on top: {log:?}");
    assert!(!log.contains(&"Add a README".to_owned()), "{log:?}");

    fleet.kill();
    fleet.start(&["--feature-gates=GitAllBranchReferences=false"]);
    fleet.publish("app", "1.3.0").await;
    pushed(&fleet, "1.3.0").await;
    fleet.publish("app", "1.4.0").await;
    pushed(&fleet, "1.4.0").await;
    let log = fleet.repository.log("updates");
    let update = format!("Update {} from 1.0.0 to 1.4.0", fleet.registry.image("app"));
    assert_eq!(
        log,
        [update.as_str(), "Add a README", "Add app"],
        "each time anew"
    );
    let head = fleet.repository.head("updates");
    fleet.reconcile(AUTOMATION, "app").await;
    assert_eq!(
        fleet.repository.head("updates"),
        head,
        "but not for the same content"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparse_checkout_follows_no_link_out_of_its_path() {
    let mut fleet = fleet("sparse").await;
    fleet.start(&["--feature-gates=GitSparseCheckout=true"]);
    fleet.settled_application("app").await;
    let marked = fleet.deployment("app", "1.0.0");
    let entries = [
        Seed::File("shared/app.yaml", marked.as_bytes()),
        Seed::Link("apps/app/linked.yaml", "../../shared/app.yaml"),
    ];
    fleet
        .repository
        .commit_entries("main", "Add a link", &entries);
    fleet.publish("app", "1.1.0").await;
    let object = pushed(&fleet, "1.1.0").await;
    assert_eq!(
        fleet.repository.show("main", "apps/app/deployment.yaml"),
        fleet.deployment("app", "1.1.0")
    );
    assert_eq!(fleet.repository.show("main", "shared/app.yaml"), marked);
    let words = condition(&object, "MarkersApplied")["message"]
        .as_str()
        .unwrap_or_default();
    assert!(words.contains("sparse checkout"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_from_a_tag_goes_to_the_branch_that_is_named_and_to_none_without() {
    let mut fleet = fleet("from-tag").await;
    fleet.start(&EAGER);
    fleet.settled_application("app").await;
    git(&fleet.repository.path, &["tag", "v1.0.0", "main"]);
    for reference in [json!({"tag": "v1.0.0"}), json!({"semver": "1.x"})] {
        let git = json!({"checkout": {"ref": reference}, "push": null});
        fleet
            .patch(AUTOMATION, "app", json!({"spec": {"git": git}}))
            .await;
        let words = "push spec not provided, and cannot be inferred from .spec.git.checkout.ref";
        fleet
            .not_ready_because(AUTOMATION, "app", "SourceManagerFailed", words)
            .await;
        let checkout = json!({"spec": {"git": {"checkout": null}}});
        fleet.patch(AUTOMATION, "app", checkout).await;
        fleet.ready(AUTOMATION, "app").await;
    }
    let git = json!({"checkout": {"ref": {"semver": "1.x"}}, "push": {"branch": "hotfix"}});
    fleet
        .patch(AUTOMATION, "app", json!({"spec": {"git": git}}))
        .await;
    fleet.ready(AUTOMATION, "app").await;
    fleet.publish("app", "1.1.0").await;
    let object = pushed(&fleet, "1.1.0").await;
    let tagged = fleet.repository.resolve("v1.0.0").unwrap_or_default();
    assert_eq!(fleet.repository.resolve("hotfix^").as_ref(), Some(&tagged));
    assert_eq!(
        object["status"]["observedSourceRevision"],
        format!("v1.0.0@sha1:{tagged}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_without_a_commit_or_of_another_kind_is_named_as_such() {
    let mut fleet = fleet("empty").await;
    fleet.start(&EAGER);
    fleet.settled_application("app").await;
    let empty = BareRepository::create(&fleet.repositories, "empty");
    let mut source = fleet.git_repository();
    source["spec"]["url"] = json!(fleet.git.url("empty"));
    fleet.apply("GitRepository", "app", source).await;
    let words = "is empty: it has no commit yet";
    fleet
        .not_ready_because(AUTOMATION, "app", "GitOperationFailed", words)
        .await;
    empty.commit(
        "main",
        "First",
        &[("apps/app/app.yaml", &fleet.deployment("app", "1.0.0"))],
    );
    fleet.ready(AUTOMATION, "app").await;

    let sha256 = fleet.repositories.join("sha256.git");
    std::fs::create_dir(&sha256).expect("a folder");
    let arguments = ["init", "--quiet", "--bare", "--object-format=sha256", "."];
    git(&sha256, &arguments);
    let mut source = fleet.git_repository();
    source["spec"]["url"] = json!(fleet.git.url("sha256"));
    fleet.apply("GitRepository", "app", source).await;
    let words = "uses the object format `sha256`, only `sha1` is supported";
    fleet
        .not_ready_because(AUTOMATION, "app", "GitOperationFailed", words)
        .await;
    fleet.assert_no_panic();
}
