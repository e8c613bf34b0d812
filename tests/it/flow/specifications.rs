//! What the specifications ask for: references of every form, and faults that only whoever wrote them can mend.

use super::{EAGER, fleet, running};
use crate::support::fleet::{condition, message};
use crate::support::git_http::{BareRepository, git};
use serde_json::{Value, json};

const MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {depth: \"1\"}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_source_follows_branches_tags_names_and_commits() {
    let fleet = running("refs").await;
    let first = fleet.commit("First", &[("maps/settings.yaml", MAP)]);
    let path = &fleet.repository.path;
    git(
        path,
        &["tag", "--annotate", "-m", "the first", "v1", &first],
    );
    let second = fleet.commit("Second", &[("maps/settings.yaml", &MAP.replace('1', "2"))]);
    fleet
        .apply("GitRepository", "app", fleet.git_repository())
        .await;
    let references = [
        (json!({"tag": "v1"}), format!("v1@sha1:{first}")),
        (json!({"branch": "main"}), format!("main@sha1:{second}")),
        (
            json!({"name": "refs/tags/v1"}),
            format!("refs/tags/v1@sha1:{first}"),
        ),
        (json!({"commit": second}), format!("sha1:{second}")),
        (
            json!({"commit": first, "branch": "main"}),
            format!("main@sha1:{first}"),
        ),
    ];
    for (reference, revision) in references {
        let mut content = fleet.git_repository();
        content["spec"]["ref"] = reference;
        fleet.apply("GitRepository", "app", content).await;
        let object = fleet
            .wait("GitRepository", "app", &revision, |object| {
                object["status"]["artifact"]["revision"] == *revision
            })
            .await;
        let file = object["status"]["artifact"]["path"]
            .as_str()
            .unwrap_or_default();
        assert!(fleet.artifacts().join(file).is_file(), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_a_specification_stalls_until_it_is_mended() {
    let fleet = running("stalls").await;
    fleet.settled_application("app").await;
    let cases = [
        (
            "ImageRepository",
            "ImageURLInvalid",
            json!({"image": "https://registry.example.com/app"}),
            json!({"image": fleet.registry.image("app")}),
        ),
        (
            "ImagePolicy",
            "InvalidPolicy",
            json!({"policy": {"semver": {"range": "one or two"}}}),
            json!({"policy": {"semver": {"range": "1.x"}}}),
        ),
        (
            "ImageUpdateAutomation",
            "InvalidSourceConfiguration",
            json!({"git": null}),
            fleet.automation("app", "apps/app")["spec"].clone(),
        ),
        (
            "GitRepository",
            "UnsupportedField",
            json!({"recurseSubmodules": true}),
            json!({"recurseSubmodules": null}),
        ),
    ];
    for (kind, reason, fault, mended) in cases {
        let last = fleet.ready(kind, "app").await;
        fleet.patch(kind, "app", json!({"spec": fault})).await;
        fleet.not_ready(kind, "app", reason).await;
        let stalled = fleet.get(kind, "app").await.unwrap_or_default();
        assert_eq!(condition(&stalled, "Stalled")["reason"], reason, "{kind}");
        assert_eq!(condition(&stalled, "Reconciling"), &Value::Null, "{kind}");
        let generation = &stalled["metadata"]["generation"];
        assert_eq!(
            &stalled["status"]["observedGeneration"], generation,
            "{kind}"
        );
        for kept in ["latestRef", "lastScanResult", "artifact"] {
            assert_eq!(stalled["status"][kept], last["status"][kept], "{kind}");
        }
        fleet.patch(kind, "app", json!({"spec": mended})).await;
        fleet.ready(kind, "app").await;
    }
    assert_eq!(
        fleet.repository.log("main"),
        ["Add app"],
        "no fault got into Git"
    );
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_never_written_with_the_tags_of_another() {
    let fleet = running("renamed").await;
    fleet.settled_application("app").await;
    // The other image has the same tags and more; its scan is held up by a Secret that is not there.
    fleet.registry.push("other", "1.0.0", "1.0.0").await;
    let other = fleet.registry.image("other");
    let missing = json!({"spec": {"image": other, "secretRef": {"name": "missing"}}});
    fleet.patch("ImageRepository", "app", missing).await;
    fleet
        .not_ready("ImageRepository", "app", "AuthenticationFailed")
        .await;
    fleet.reconcile("ImagePolicy", "app").await;
    let policy = fleet.reconcile("ImagePolicy", "app").await;
    assert_eq!(
        policy["status"]["latestRef"]["name"],
        fleet.registry.image("app")
    );
    let login = json!({"spec": {"secretRef": {"name": "registry"}}});
    fleet.patch("ImageRepository", "app", login).await;
    fleet
        .wait("ImagePolicy", "app", "the other image", |policy| {
            policy["status"]["latestRef"]["name"] == other.as_str()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tag_that_fits_keeps_the_selection_and_says_so() {
    let fleet = running("no-match").await;
    fleet.settled_application("app").await;
    let range = json!({"spec": {"policy": {"semver": {"range": ">=9"}}}});
    fleet.patch("ImagePolicy", "app", range).await;
    let words = fleet.not_ready("ImagePolicy", "app", "Failure").await;
    assert!(
        words.starts_with("unable to determine latest version from provided list"),
        "{words}"
    );
    let policy = fleet.get("ImagePolicy", "app").await.unwrap_or_default();
    assert_eq!(policy["status"]["latestRef"]["tag"], "1.0.0");
    // A tag that fits is all it takes.
    fleet.publish("app", "9.0.0").await;
    fleet.deployed("app", "9.0.0").await;
    fleet.ready("ImagePolicy", "app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_and_a_missing_branch_are_said_and_passed_over_when_they_fill() {
    let mut fleet = fleet("empty").await;
    fleet.start(&EAGER);
    let empty = BareRepository::create(&fleet.repositories, "empty");
    let mut content = fleet.git_repository();
    content["spec"]["url"] = json!(fleet.git.url("empty"));
    fleet.apply("GitRepository", "empty", content).await;
    let words = fleet
        .not_ready("GitRepository", "empty", "EmptyGitRepository")
        .await;
    println!("empty: {words}");
    empty.commit("other", "Begin", &[("README.md", "hello\n")]);
    let words = fleet
        .not_ready("GitRepository", "empty", "GitOperationFailed")
        .await;
    println!("no branch: {words}");
    assert!(words.contains("main"), "{words}");
    empty.commit("main", "Begin", &[("README.md", "hello\n")]);
    fleet.ready("GitRepository", "empty").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_selected_policies_are_written() {
    let fleet = running("selector").await;
    fleet.settled_application("app").await;
    let selector = json!({"spec": {"policySelector": {"matchLabels": {"team": "harbour"}}}});
    fleet.patch("ImageUpdateAutomation", "app", selector).await;
    fleet.ready("ImageUpdateAutomation", "app").await;
    fleet.reconcile("ImageUpdateAutomation", "app").await;
    fleet.publish("app", "1.1.0").await;
    fleet
        .wait("ImagePolicy", "app", "1.1.0", |policy| {
            policy["status"]["latestRef"]["tag"] == "1.1.0"
        })
        .await;
    let automation = fleet.reconcile("ImageUpdateAutomation", "app").await;
    assert_eq!(message(&automation), "repository up-to-date");
    assert_eq!(automation["status"]["observedPolicies"], Value::Null);
    let markers = condition(&automation, "MarkersApplied");
    assert_eq!(
        markers["status"], "False",
        "a marker of a policy that is not selected: {markers}"
    );
    assert_eq!(fleet.repository.log("main"), ["Add app"]);

    let labels = json!({"metadata": {"labels": {"team": "harbour"}}});
    fleet.patch("ImagePolicy", "app", labels).await;
    // Nobody has to ask for it.
    fleet.deployed("app", "1.1.0").await;
}
