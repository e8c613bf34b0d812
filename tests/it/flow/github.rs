//! Commits that GitHub makes: `spec.git.commit.via: github`, against a server that is GitHub as far as commits go.

use super::git_logins::{APP_KEY, is_assertion};
use super::{EAGER, fleet};
use crate::support::fake_github::{AppLogin, BOT, FakeGitHub, Login, Next};
use crate::support::fleet::{Fleet, GIT_PASSWORD, GIT_USER, condition};
use crate::support::git_http::git;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

const KIND: &str = "ImageUpdateAutomation";

/// A fleet whose repository is on GitHub, and whose automation has GitHub commit.
async fn on_github(prefix: &str) -> (Fleet, FakeGitHub) {
    let mut fleet = fleet(prefix).await;
    let behind = fleet.git.url("fleet");
    let login = Login::Token(GIT_PASSWORD);
    let github = FakeGitHub::start(&fleet.repository, behind, login).await;
    fleet.start(&EAGER);
    fleet.settled_application("app").await;
    let source = json!({"spec": {"url": github.url()}});
    fleet.patch("GitRepository", "app", source).await;
    let commit = json!({"spec": {"git": {"commit": {"via": "github"}}}});
    fleet.patch(KIND, "app", commit).await;
    fleet.all_ready("app").await;
    (fleet, github)
}

async fn pushed(fleet: &Fleet, branch: &str, tag: &str) -> Value {
    fleet
        .wait(KIND, "app", tag, |object| {
            object["status"]["observedPolicies"]["app"]["tag"] == *tag
                && condition(object, "Ready")["status"] == "True"
                && object["status"]["lastPushCommit"] == *fleet.repository.head(branch)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_made_by_github_as_the_owner_of_the_login() {
    let (mut fleet, github) = on_github("github").await;
    let before = fleet.repository.head("main");
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    pushed(&fleet, "main", "1.1.0").await;
    let image = fleet.registry.image("app");
    let line = git(
        &fleet.repository.path,
        &["log", "-1", "--format=%P|%an <%ae>|%s", "main"],
    );
    assert_eq!(
        line.trim_end(),
        format!("{before}|{BOT}|Update {image} from 1.0.0 to 1.1.0")
    );
    let manifest = fleet.repository.show("main", "apps/app/deployment.yaml");
    assert_eq!(manifest, fleet.deployment("app", "1.1.0"));
    let seen = github.seen();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    let input = &seen[0]["body"]["variables"]["input"];
    assert_eq!(input["expectedHeadOid"], before);
    assert_eq!(input["branch"]["branchName"], "main");
    let body = input["message"]["body"].as_str().unwrap_or_default();
    assert!(body.starts_with("deployment.yaml\n"), "{body}");
    fleet.repository.fsck();
    assert!(!fleet.log().contains(GIT_PASSWORD));
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_moved_is_a_lost_race_and_run_again() {
    let (mut fleet, github) = on_github("github-race").await;
    let repository = fleet.repository.clone();
    github.next(Next::Somebody(Box::new(move || {
        repository.commit("main", "Add a README", &[("README.md", "by a person\n")]);
    })));
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    pushed(&fleet, "main", "1.1.0").await;
    let image = fleet.registry.image("app");
    let update = format!("Update {image} from 1.0.0 to 1.1.0");
    assert_eq!(
        fleet.repository.log("main"),
        [update.as_str(), "Add a README", "Add app"]
    );
    assert_eq!(fleet.repository.show("main", "README.md"), "by a person\n");
    assert_eq!(github.seen().len(), 2);

    // The answer is lost: the commit is there, is told, and is not made again.
    github.next(Next::Silence);
    fleet.publish("app", "1.2.0").await;
    fleet.deployed("app", "1.2.0").await;
    pushed(&fleet, "main", "1.2.0").await;
    assert_eq!(fleet.repository.log("main").len(), 4);
    assert_eq!(github.seen().len(), 3);
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_branch_is_made_by_the_api_and_stacked_upon() {
    let (fleet, github) = on_github("github-branch").await;
    let main = fleet.repository.head("main");
    let push = json!({"spec": {"git": {"push": {"branch": "image-updates"}}}});
    fleet.patch(KIND, "app", push).await;
    for (tag, commits) in [("1.1.0", 2), ("1.2.0", 3)] {
        fleet.publish("app", tag).await;
        pushed(&fleet, "image-updates", tag).await;
        assert_eq!(fleet.repository.log("image-updates").len(), commits);
    }
    assert_eq!(fleet.repository.head("main"), main);
    let made: Vec<Value> = github
        .seen()
        .iter()
        .filter(|seen| seen["path"] != "/api/graphql")
        .map(|seen| seen["body"].clone())
        .collect();
    assert_eq!(
        made,
        [json!({"ref": "refs/heads/image-updates", "sha": main})]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_refuses_is_told_and_tried_again() {
    let (fleet, github) = on_github("github-no").await;
    let words = "Changes must be made through a pull request.";
    github.next(Next::Refused("BRANCH_PROTECTION_RULE_VIOLATION", words));
    fleet.publish("app", "1.1.0").await;
    let reason = "GitOperationFailed";
    let told = fleet.not_ready_because(KIND, "app", reason, words).await;
    assert!(told.contains("refs/heads/main"), "{told}");
    fleet.deployed("app", "1.1.0").await;
    pushed(&fleet, "main", "1.1.0").await;

    let url = json!({"spec": {"url": fleet.git.url("fleet")}});
    fleet.patch("GitRepository", "app", url).await;
    let told = fleet
        .not_ready(KIND, "app", "InvalidSourceConfiguration")
        .await;
    assert!(
        told.contains("a repository of GitHub is `owner/name`"),
        "{told}"
    );
}

/// How long a token of the App is good: long enough that it is asked for anew, at four fifths, well before that.
const LIFE: Duration = Duration::from_secs(15);

/// A fleet whose repository is on GitHub, reached by an App alone, and whose automation has GitHub commit.
async fn by_an_app() -> (Fleet, FakeGitHub) {
    let mut fleet = fleet("github-app").await;
    let login = Login::App(AppLogin {
        life: LIFE,
        is_assertion,
        behind: (GIT_USER, GIT_PASSWORD),
    });
    let behind = fleet.git.url("fleet");
    let github = FakeGitHub::start(&fleet.repository, behind, login).await;
    let app = json!({"stringData": {
        "githubAppID": "7", "githubAppInstallationID": "9",
        "githubAppPrivateKey": APP_KEY, "githubAppBaseURL": github.api(),
    }});
    fleet.apply("Secret", "app", app).await;
    fleet.start(&EAGER);
    fleet.application("app").await;
    let source = json!({"spec": {
        "url": github.url(), "provider": "github", "secretRef": {"name": "app"},
    }});
    fleet.patch("GitRepository", "app", source).await;
    let commit = json!({"spec": {"git": {"commit": {"via": "github"}}}});
    fleet.patch(KIND, "app", commit).await;
    fleet.all_ready("app").await;
    (fleet, github)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_token_makes_the_commit_as_its_bot_and_is_renewed_before_it_ends() {
    let (mut fleet, github) = by_an_app().await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    pushed(&fleet, "main", "1.1.0").await;
    // GitHub tells whole seconds, so that a token's life may be one second shorter.
    let last_fifth = (LIFE - Duration::from_secs(1)) / 5;
    let about_to_end = || {
        let until = github.newest_until().expect("a token was given");
        Timestamp::now() + last_fifth > until
    };
    fleet.until("the token is about to end", about_to_end).await;
    fleet.publish("app", "1.2.0").await;
    fleet.deployed("app", "1.2.0").await;
    pushed(&fleet, "main", "1.2.0").await;
    assert_eq!(github.seen().len(), 2);
    let path = &fleet.repository.path;
    let who = git(path, &["log", "-2", "--format=%an <%ae>|%cn <%ce>", "main"]);
    assert_eq!(
        who,
        format!("{BOT}|{BOT}\n").repeat(2),
        "not the automation's author"
    );
    let tokens: Vec<Value> = github
        .seen()
        .iter()
        .map(|seen| seen["token"].clone())
        .collect();
    assert_ne!(
        tokens[0], tokens[1],
        "a new token after four fifths of its life"
    );
    assert_eq!(github.refused(), 0, "none was sent after its end");
    fleet.repository.fsck();
    let log = fleet.log();
    for secret in ["ghs_planted", &APP_KEY[30..80]] {
        assert!(!log.contains(secret), "{log}");
    }
    fleet.assert_no_panic();
}
