//! Secrets that cannot be read or say nothing, repositories that are gone, folders that cannot be written.

use super::{EAGER, fleet};
use crate::support::fleet::{Fleet, GIT_PASSWORD, GIT_USER, KINDS, condition, message};
use crate::support::git_http::{BareRepository, Point};
use crate::support::registry_server::docker_config;
use serde_json::{Value, json};

/// A fleet with a healthy application and a second source and ImageRepository called `bad` that read their logins from the Secret `bad`.
async fn fleet_with_bad_secret(prefix: &str) -> Fleet {
    let mut fleet = fleet(prefix).await;
    fleet.start(&EAGER);
    fleet.settled_application("app").await;
    for (kind, mut content) in [
        ("ImageRepository", fleet.image_repository("app")),
        ("GitRepository", fleet.git_repository()),
    ] {
        content["spec"]["secretRef"]["name"] = json!("bad");
        fleet.apply(kind, "bad", content).await;
    }
    fleet
        .apply(
            "ImageUpdateAutomation",
            "bad",
            fleet.automation("bad", "apps/app"),
        )
        .await;
    fleet
}

/// What the three objects say of the Secret, in this order: scan, source, automation.
async fn words(fleet: &Fleet) -> [String; 3] {
    let scan = fleet.not_ready("ImageRepository", "bad", "AuthenticationFailed");
    let source = fleet.not_ready("GitRepository", "bad", "AuthenticationFailed");
    let automation = fleet.not_ready("ImageUpdateAutomation", "bad", "SourceManagerFailed");
    [scan.await, source.await, automation.await]
}

async fn assert_others_go_on(fleet: &Fleet, tag: &str) {
    fleet.publish("app", tag).await;
    fleet.deployed("app", tag).await;
    fleet.all_ready("app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_named_and_found_when_it_comes() {
    let mut fleet = fleet_with_bad_secret("no-secret").await;
    let name = format!("{}/bad", fleet.namespace);
    for text in words(&fleet).await {
        assert!(text.contains(&name) && text.contains("not found"), "{text}");
    }
    assert_others_go_on(&fleet, "1.1.0").await;
    let secret = json!({"stringData": {
        ".dockerconfigjson": docker_config(fleet.registry.address()), "username": GIT_USER, "password": GIT_PASSWORD,
    }, "type": "kubernetes.io/dockerconfigjson"});
    fleet.apply("Secret", "bad", secret).await;
    for kind in ["ImageRepository", "GitRepository", "ImageUpdateAutomation"] {
        fleet.ready(kind, "bad").await;
    }
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_with_other_keys_is_named_and_its_values_are_not() {
    let mut fleet = fleet_with_bad_secret("wrong-keys").await;
    let secret = json!({"stringData": {"password": "planted-value", "token": "planted-value"}});
    fleet.apply("Secret", "bad", secret).await;
    let name = format!("{}/bad", fleet.namespace);
    fleet
        .wait("GitRepository", "bad", "the key is missed", |object| {
            message(object).contains("username")
        })
        .await;
    for kind in ["ImageRepository", "GitRepository", "ImageUpdateAutomation"] {
        fleet.reconcile(kind, "bad").await;
    }
    for text in words(&fleet).await {
        assert!(
            text.contains(&name) && !text.contains("not found"),
            "{text}"
        );
    }
    assert_others_go_on(&fleet, "1.1.0").await;
    for kind in KINDS {
        let objects = serde_json::to_string(&fleet.list(kind).await).unwrap_or_default();
        assert!(!objects.contains("planted-value"), "{objects}");
    }
    assert!(!fleet.log().contains("planted-value"), "{}", fleet.log());
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_is_an_authentication_failure_that_keeps_it_secret() {
    let mut fleet = fleet_with_bad_secret("refused").await;
    let registry = fleet.registry.address();
    let login = json!({"auths": {registry: {"username": "fleet", "password": "planted-value"}}});
    let secret = json!({"stringData": {
        ".dockerconfigjson": login.to_string(), "username": GIT_USER, "password": "planted-value",
    }, "type": "kubernetes.io/dockerconfigjson"});
    fleet.apply("Secret", "bad", secret).await;
    for kind in ["ImageRepository", "GitRepository"] {
        let object = fleet
            .wait(kind, "bad", "the login is refused", |object| {
                let ready = condition(object, "Ready");
                let words = ready["message"].as_str().unwrap_or_default();
                ready["reason"] == "AuthenticationFailed" && !words.contains("not found")
            })
            .await;
        println!("{kind}: {}", message(&object));
    }
    let automation = fleet
        .not_ready("ImageUpdateAutomation", "bad", "GitOperationFailed")
        .await;
    assert!(!automation.contains("planted-value"), "{automation}");
    assert_others_go_on(&fleet, "1.1.0").await;
    assert!(!fleet.log().contains("planted-value"), "{}", fleet.log());
    fleet.assert_no_panic();
}

/// An application `stays` in a repository of its own.
async fn second_application(fleet: &Fleet) {
    let other = BareRepository::create(&fleet.repositories, "other");
    fleet.registry.push("stays", "1.0.0", "1.0.0").await;
    let manifest = fleet.deployment("stays", "1.0.0");
    other.commit("main", "Add stays", &[("stays/deployment.yaml", &manifest)]);
    fleet.chain("stays", "stays").await;
    let url = json!({"spec": {"url": fleet.git.url("other")}});
    fleet.patch("GitRepository", "stays", url).await;
    fleet.deployed("stays", "1.0.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_git_server_that_hangs_is_given_up_and_holds_up_no_other() {
    let mut fleet = fleet("hangs").await;
    fleet.start(&EAGER);
    fleet.settled_application("app").await;
    second_application(&fleet).await;
    let timeout = json!({"spec": {"timeout": "1s"}});
    fleet.patch("GitRepository", "app", timeout).await;
    fleet.ready("GitRepository", "app").await;
    fleet.commit("More", &[("README.md", "more\n")]);
    let hold = fleet.git.hold(Point::UploadPack);
    fleet.request("GitRepository", "app").await;
    tokio::task::block_in_place(|| hold.wait());
    fleet.publish("stays", "1.1.0").await;
    fleet.deployed("stays", "1.1.0").await;
    let words = fleet
        .not_ready("GitRepository", "app", "GitOperationFailed")
        .await;
    assert!(words.contains("did not answer within 1"), "{words}");
    drop(hold);
    fleet.ready("GitRepository", "app").await;
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_vanished_leaves_what_was_there() {
    let mut fleet = fleet("vanished").await;
    fleet.start(&EAGER);
    fleet.settled_application("app").await;
    second_application(&fleet).await;

    let before = fleet.ready("GitRepository", "app").await;
    let gone = fleet.repositories.join("gone.git");
    std::fs::rename(&fleet.repository.path, &gone).expect("the folder is ours");
    fleet.request("GitRepository", "app").await;
    let words = fleet
        .not_ready("GitRepository", "app", "GitOperationFailed")
        .await;
    println!("source: {words}");
    fleet.publish("app", "1.1.0").await;
    let words = fleet
        .not_ready("ImageUpdateAutomation", "app", "GitOperationFailed")
        .await;
    println!("automation: {words}");
    let after = fleet.get("GitRepository", "app").await.unwrap_or_default();
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(condition(&after, "FetchFailed")["status"], "True");
    assert_eq!(condition(&after, "ArtifactInStorage")["status"], "True");
    let kustomization = fleet.reconcile("Kustomization", "app").await;
    assert_eq!(condition(&kustomization, "Ready")["status"], "True");
    fleet.publish("stays", "1.1.0").await;
    fleet.deployed("stays", "1.1.0").await;

    std::fs::rename(&gone, &fleet.repository.path).expect("the folder is ours");
    fleet.deployed("app", "1.1.0").await;
    fleet.all_ready("app").await;
    let healed = fleet.ready("GitRepository", "app").await;
    assert_eq!(condition(&healed, "FetchFailed"), &Value::Null);
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_cannot_be_written_is_said_with_its_cause() {
    let mut fleet = fleet("storage").await;
    fleet.commit("Add a file", &[("README.md", "hello\n")]);
    let folder = fleet.artifacts();
    std::fs::create_dir(&folder).expect("the folder is ours");
    let obstacle = folder.join("gitrepository");
    std::fs::write(&obstacle, "not a folder").expect("the folder is ours");
    fleet.start(&EAGER);
    fleet
        .apply("GitRepository", "app", fleet.git_repository())
        .await;
    let words = fleet
        .not_ready("GitRepository", "app", "StorageOperationFailed")
        .await;
    assert!(words.contains("(os error "), "{words}");
    std::fs::remove_file(&obstacle).expect("the folder is ours");
    fleet.ready("GitRepository", "app").await;
    fleet.assert_no_panic();
}
