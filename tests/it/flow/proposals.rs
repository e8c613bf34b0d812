//! Pull requests on a real Gitea: their whole life, and what people do to them in between.

use super::running;
use crate::support::fleet::{Fleet, PATIENCE, condition, message};
use crate::support::gitea::{GiteaRepository, gitea};
use kube::api::{Patch, PatchParams};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(super) const AUTOMATION: &str = "ImageUpdateAutomation";
pub(super) const FILE: &str = "apps/app/deployment.yaml";

/// A fleet whose application lives in a repository of a forge, and is at 1.0.0.
pub(super) struct Proposing {
    pub(super) fleet: Fleet,
    pub(super) forge: GiteaRepository,
}

impl Proposing {
    /// `pull_request` is added to `spec.git.pullRequest`.
    pub(super) async fn new(prefix: &str, pull_request: Value) -> Self {
        Self::of(running(prefix).await, prefix, pull_request).await
    }

    pub(super) async fn of(fleet: Fleet, prefix: &str, pull_request: Value) -> Self {
        let forge = gitea().repository(prefix).await;
        let proposing = Self::on(fleet, forge, pull_request).await;
        proposing.fleet.ready(AUTOMATION, "app").await;
        proposing
    }

    /// The same on a forge of the test's choice, of which nothing is awaited.
    pub(super) async fn on(fleet: Fleet, forge: GiteaRepository, pull_request: Value) -> Self {
        fleet.registry.push("app", "1.0.0", "1.0.0").await;
        let proposing = Self { fleet, forge };
        let manifest = proposing.fleet.deployment("app", "1.0.0");
        proposing.forge.commit("main", FILE, &manifest).await;
        proposing.objects(pull_request).await;
        proposing
    }

    async fn objects(&self, pull_request: Value) {
        let (fleet, forge) = (&self.fleet, &self.forge);
        let login = json!({"stringData": {"username": forge.owner, "password": forge.token}});
        fleet.apply("Secret", "forge", login).await;
        let wrong = json!({"stringData": {"token": "planted-secret-4711"}});
        fleet.apply("Secret", "wrong", wrong).await;
        let pull_request = on_gitea(pull_request);
        fleet.propose(&forge.git_url(), "forge", pull_request).await;
    }

    pub(super) async fn automation(&self, pull_request: Value) {
        self.fleet.proposing("app", on_gitea(pull_request)).await;
    }

    pub(super) fn branch(&self) -> String {
        self.fleet.proposed_branch()
    }

    /// Waits until the only pull request of the status is as wanted.
    pub(super) async fn tracked(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.fleet.tracked(what, wanted).await
    }

    /// Publishes a tag, and waits until it is proposed.
    pub(super) async fn proposed(&self, tag: &str) -> Value {
        self.fleet.proposed(tag).await
    }

    pub(super) async fn reconcile(&self) -> Value {
        self.fleet.reconcile(AUTOMATION, "app").await
    }

    pub(super) async fn pulls(&self) -> Vec<Value> {
        let path = "pulls?state=all&sort=oldest";
        let all = self.forge.request(Method::GET, path, &Value::Null).await;
        all.as_array().cloned().unwrap_or_default()
    }

    pub(super) async fn pull(&self, number: u64) -> Value {
        self.forge
            .request(Method::GET, &format!("pulls/{number}"), &Value::Null)
            .await
    }

    /// The pull request once Gitea, which looks for conflicts in its own time, finds none.
    pub(super) async fn mergeable(&self, number: u64) -> Value {
        let since = Instant::now();
        loop {
            let pull = self.pull(number).await;
            if pull["mergeable"] == true {
                return pull;
            }
            assert!(since.elapsed() < PATIENCE, "it has conflicts: {pull}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(super) async fn close(&self, number: u64, state: &str) {
        let path = format!("pulls/{number}");
        let body = json!({"state": state});
        self.forge.request(Method::PATCH, &path, &body).await;
    }

    pub(super) async fn merge(&self, number: u64) {
        // Gitea refuses while it still looks for conflicts, which it does anew after each push.
        self.mergeable(number).await;
        let path = format!("pulls/{number}/merge");
        let body = json!({"Do": "merge"});
        let since = Instant::now();
        loop {
            let (status, answer) = self.forge.answer(Method::POST, &path, &body).await;
            if status.is_success() {
                return;
            }
            let later = answer.contains("try again later") && since.elapsed() < PATIENCE;
            assert!(later, "{status}: {answer}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(super) async fn comments(&self, number: u64) -> Vec<String> {
        let path = format!("issues/{number}/comments");
        let all = self.forge.request(Method::GET, &path, &Value::Null).await;
        let texts = all.as_array().into_iter().flatten();
        texts
            .filter_map(|comment| comment["body"].as_str().map(str::to_owned))
            .collect()
    }

    /// A file on a branch.
    pub(super) async fn file(&self, branch: &str, file: &str) -> String {
        let path = format!("contents/{file}?ref={}", branch.replace('/', "%2F"));
        let found = self.forge.request(Method::GET, &path, &Value::Null).await;
        let content = found["content"].as_str().unwrap_or_default();
        use base64::Engine;
        let bytes = base64::engine::general_purpose::STANDARD.decode(content);
        String::from_utf8(bytes.expect("it is base64")).expect("it is text")
    }

    /// How many commits a branch has beside main, and how many main has beside it.
    pub(super) async fn beside(&self, branch: &str) -> (usize, usize) {
        let encoded = branch.replace('/', "%2F");
        let count = async |from: &str, to: &str| {
            let path = format!("compare/{from}...{to}");
            let compared = self.forge.request(Method::GET, &path, &Value::Null).await;
            compared["total_commits"].as_u64().unwrap_or_default() as usize
        };
        (count("main", &encoded).await, count(&encoded, "main").await)
    }

    pub(super) fn current(object: &Value) -> (String, String) {
        let condition = condition(object, "PullRequestsCurrent");
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("message"))
    }
}

/// The same on Gitea.
fn on_gitea(mut pull_request: Value) -> Value {
    pull_request["provider"] = json!("gitea");
    pull_request
}

/// Waits until the policy says which pull request is skipped, or, with `None`, that none is.
async fn policy_tells(fleet: &Fleet, skipped: Option<u64>) -> Value {
    let words = skipped.map(|number| format!("pull request #{number} "));
    let wanted = |object: &Value| {
        let said = condition(object, "Proposed")["message"].as_str();
        match &words {
            Some(words) => said.is_some_and(|said| said.contains(words)),
            None => said.is_none(),
        }
    };
    fleet
        .wait("ImagePolicy", "app", "what is skipped", wanted)
        .await
}

/// The pull request says what it should, and its branch alone has the change.
pub(super) async fn assert_opened(proposing: &Proposing, tracked: &Value) -> Value {
    let number = tracked["number"].as_u64().expect("it has a number");
    let (image, branch) = (proposing.fleet.registry.image("app"), proposing.branch());
    let pull = proposing.pull(number).await;
    assert_eq!(pull["title"], format!("Update {image} from 1.0.0 to 1.1.0"));
    assert_eq!(
        (&pull["head"]["ref"], &pull["base"]["ref"]),
        (&json!(branch), &json!("main"))
    );
    let body = pull["body"].as_str().unwrap_or_default();
    let first = format!("Updates `{image}` from `1.0.0` to `1.1.0`.");
    assert!(body.starts_with(&first), "{body}");
    assert!(
        body.contains("- `app/deployment.yaml` line 16: `Deployment/app`"),
        "{body}"
    );
    assert_eq!(tracked["url"], pull["html_url"]);
    assert_eq!(tracked["commit"], pull["head"]["sha"]);
    assert_eq!(
        proposing.file("main", FILE).await,
        proposing.fleet.deployment("app", "1.0.0")
    );
    assert_eq!(
        proposing.file(&branch, FILE).await,
        proposing.fleet.deployment("app", "1.1.0")
    );
    pull
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_opened_once_updated_in_place_and_cleaned_up_after_a_merge() {
    let mut proposing = Proposing::new("propose", json!({"labels": ["images"]})).await;
    let tracked = proposing.proposed("1.1.0").await;
    let number = tracked["number"].as_u64().expect("it has a number");
    let (image, branch) = (proposing.fleet.registry.image("app"), proposing.branch());
    let pull = assert_opened(&proposing, &tracked).await;
    assert_eq!(pull["labels"][0]["name"], "images");

    let object = proposing.reconcile().await;
    assert_eq!(message(&object), "1 pull request open");
    let again = proposing.pull(number).await;
    assert_eq!(
        (&again["body"], &again["head"]["sha"]),
        (&pull["body"], &pull["head"]["sha"])
    );

    let newer = proposing.proposed("1.2.0").await;
    assert_eq!(newer["number"], tracked["number"]);
    let pull = proposing.pull(number).await;
    assert_eq!(pull["title"], format!("Update {image} from 1.0.0 to 1.2.0"));
    assert_eq!(
        proposing.beside(&branch).await,
        (1, 0),
        "it is applied to the base anew"
    );
    assert_eq!(proposing.pulls().await.len(), 1);

    proposing.merge(number).await;
    let object = proposing.reconcile().await;
    assert_eq!(object["status"]["pullRequests"], Value::Null);
    assert_eq!(message(&object), "repository up-to-date");
    assert_eq!(
        proposing.forge.tip(&branch).await,
        None,
        "its branch is gone"
    );
    assert_eq!(
        proposing.file("main", FILE).await,
        proposing.fleet.deployment("app", "1.2.0")
    );
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_conflicts_is_built_again_and_one_that_is_not_needed_is_closed() {
    let mut proposing = Proposing::new("conflict", json!({})).await;
    let tracked = proposing.proposed("1.1.0").await;
    let number = tracked["number"].as_u64().expect("it has a number");
    let branch = proposing.branch();
    // The line itself changes on main.
    let moved = proposing.fleet.deployment("app", "1.0.1");
    proposing.forge.commit("main", FILE, &moved).await;
    proposing.reconcile().await;
    assert_eq!(proposing.beside(&branch).await, (1, 0));
    assert_eq!(
        proposing.file(&branch, FILE).await,
        proposing.fleet.deployment("app", "1.1.0")
    );
    let pull = proposing.mergeable(number).await;
    let image = proposing.fleet.registry.image("app");
    assert_eq!(pull["title"], format!("Update {image} from 1.0.1 to 1.1.0"));

    // Somebody writes the same by hand.
    let done = proposing.fleet.deployment("app", "1.1.0");
    proposing.forge.commit("main", FILE, &done).await;
    let object = proposing.reconcile().await;
    assert_eq!(object["status"]["pullRequests"], Value::Null);
    assert_eq!(proposing.pull(number).await["state"], "closed");
    let comments = proposing.comments(number).await;
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(
        comments[0].starts_with("Not needed any more"),
        "{comments:?}"
    );
    assert_eq!(proposing.forge.tip(&branch).await, None);
    // It was not a person who closed it, so it can come back.
    proposing.forge.commit("main", FILE, &moved).await;
    proposing.reconcile().await;
    let anew = proposing
        .tracked("proposed anew", |pull| pull["state"] == "Open")
        .await;
    assert_ne!(anew["number"], tracked["number"]);
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_closed_is_skipped_until_they_say_otherwise_or_something_newer_comes() {
    let mut proposing = Proposing::new("skip", json!({})).await;
    let tracked = proposing.proposed("1.1.0").await;
    let first = tracked["number"].as_u64().expect("it has a number");
    proposing.close(first, "closed").await;
    let object = proposing.reconcile().await;
    let (status, words) = Proposing::current(&object);
    assert_eq!(status, "False");
    let image = proposing.fleet.registry.image("app");
    let owner = &proposing.forge.owner;
    let expected =
        format!("app #{first}: closed by {owner}, so `{image}:1.1.0` is skipped. hint: reopen it");
    assert!(words.starts_with(&expected), "{words}");
    assert_eq!(object["status"]["pullRequests"][0]["state"], "Skipped");
    assert_eq!(
        condition(&object, "Ready")["status"],
        "True",
        "a skip is no failure"
    );

    // Reopened, it goes on.
    proposing.close(first, "open").await;
    proposing.reconcile().await;
    proposing
        .tracked("open again", |pull| pull["state"] == "Open")
        .await;

    // Closed again, and lifted by the annotation.
    proposing.close(first, "closed").await;
    proposing.reconcile().await;
    let annotations = json!({"image.highwater.dev/propose-again": first.to_string()});
    let patch = json!({"metadata": {"annotations": annotations}});
    proposing.fleet.patch(AUTOMATION, "app", patch).await;
    let lifted = proposing
        .tracked("proposed again", |pull| {
            pull["state"] == "Open" && pull["number"] != first
        })
        .await;
    let second = lifted["number"].as_u64().expect("it has a number");

    // That one is closed too: something newer is proposed all the same.
    proposing.close(second, "closed").await;
    proposing.reconcile().await;
    proposing
        .tracked("skipped", |pull| pull["state"] == "Skipped")
        .await;
    let newer = proposing.proposed("1.2.0").await;
    assert!(newer["number"].as_u64() > Some(second));
    assert_eq!(proposing.pulls().await.len(), 3);
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_says_what_is_skipped_of_it_until_that_is_lifted() {
    let mut proposing = Proposing::new("said", json!({})).await;
    let tracked = proposing.proposed("1.1.0").await;
    let first = tracked["number"].as_u64().expect("it has a number");
    proposing.close(first, "closed").await;
    proposing.reconcile().await;
    let policy = policy_tells(&proposing.fleet, Some(first)).await;
    let said = condition(&policy, "Proposed");
    assert_eq!(
        (&said["status"], &said["reason"]),
        (&json!("False"), &json!("VersionSkipped"))
    );
    let (image, owner) = (
        proposing.fleet.registry.image("app"),
        &proposing.forge.owner,
    );
    let page = tracked["url"].as_str().expect("it has a page");
    assert_eq!(
        said["message"],
        format!(
            "`{image}:1.1.0` is skipped by the automation `app`: pull request #{first} ({page}) was closed by {owner}. hint: \
             reopen it, or wait for a newer version, or annotate the automation with \
             `image.highwater.dev/propose-again: \"{first}\"`"
        )
    );
    assert_eq!(condition(&policy, "Ready")["status"], "True");
    // What the policy writes of its own, also after a restart, leaves it.
    let policy = proposing.fleet.reconcile("ImagePolicy", "app").await;
    assert_eq!(condition(&policy, "Proposed"), said);
    proposing.fleet.kill();
    proposing.fleet.start(&[]);
    let policy = proposing.fleet.reconcile("ImagePolicy", "app").await;
    assert_eq!(condition(&policy, "Proposed"), said);

    // Reopened.
    proposing.close(first, "open").await;
    proposing.reconcile().await;
    policy_tells(&proposing.fleet, None).await;
    // Closed again, and something newer comes.
    proposing.close(first, "closed").await;
    proposing.reconcile().await;
    policy_tells(&proposing.fleet, Some(first)).await;
    let newer = proposing.proposed("1.2.0").await;
    policy_tells(&proposing.fleet, None).await;
    // That is closed too, and the automation proposes no more.
    let second = newer["number"].as_u64().expect("it has a number");
    proposing.close(second, "closed").await;
    proposing.reconcile().await;
    policy_tells(&proposing.fleet, Some(second)).await;
    proposing.fleet.delete(AUTOMATION, "app").await;
    policy_tells(&proposing.fleet, None).await;
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_says_what_an_automation_of_another_process_skips() {
    let mut fleet = super::fleet("apart").await;
    fleet.start(&["--controllers=image-reflector"]);
    fleet.registry.push("app", "1.1.0", "1.1.0").await;
    let repository = fleet.image_repository("app");
    fleet.apply("ImageRepository", "app", repository).await;
    let policy = fleet.image_policy("app");
    fleet.apply("ImagePolicy", "app", policy).await;
    fleet.ready("ImagePolicy", "app").await;
    fleet.proposing("app", on_gitea(json!({}))).await;
    // As the other process writes it.
    let image = format!("{}:1.1.0", fleet.registry.image("app"));
    let skipped = json!([{
        "group": "app", "state": "Skipped", "number": 7, "branch": "b", "closedBy": "jane", "images": {"app": image},
    }]);
    let write = async |pull_requests: &Value| {
        let patch = Patch::Merge(json!({"status": {"pullRequests": pull_requests}}));
        let (api, parameters) = (fleet.api(AUTOMATION), PatchParams::default());
        let written = api.patch_status("app", &parameters, &patch);
        written.await.expect("the status can be written");
    };
    write(&skipped).await;
    policy_tells(&fleet, Some(7)).await;
    write(&json!([])).await;
    let policy = policy_tells(&fleet, None).await;
    assert_eq!(condition(&policy, "Ready")["status"], "True");
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_commit_is_kept_and_said_and_a_new_automation_finds_its_pull_request() {
    let mut proposing = Proposing::new("kept", json!({})).await;
    let tracked = proposing.proposed("1.1.0").await;
    let number = tracked["number"].as_u64().expect("it has a number");

    // Everything but the forge is lost.
    proposing.fleet.kill();
    proposing.fleet.delete(AUTOMATION, "app").await;
    proposing.fleet.start_afresh(&[]);
    proposing.fleet.gone(AUTOMATION, "app").await;
    proposing.automation(json!({})).await;
    let found = proposing
        .tracked("found again", |pull| pull["state"] == "Open")
        .await;
    assert_eq!(
        (&found["number"], &found["commit"]),
        (&tracked["number"], &tracked["commit"])
    );
    assert_eq!(proposing.pulls().await.len(), 1);

    let branch = proposing.branch();
    let by_hand = proposing
        .forge
        .commit(&branch, "apps/notes.txt", "by a person\n")
        .await;
    proposing.forge.commit("main", "README.md", "moved\n").await;
    proposing.fleet.publish("app", "1.2.0").await;
    let kept = proposing
        .tracked("kept", |pull| pull["state"] == "Kept")
        .await;
    let words = kept["message"].as_str().unwrap_or_default();
    assert!(
        words.starts_with(&format!(
            "`{branch}` has a commit by {}",
            proposing.forge.owner
        )),
        "{words}"
    );
    assert_eq!(proposing.forge.tip(&branch).await, Some(by_hand));
    let image = proposing.fleet.registry.image("app");
    let title = format!("Update {image} from 1.0.0 to 1.1.0");
    assert_eq!(proposing.pull(number).await["title"], title);
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_with_a_persons_work_below_a_commit_of_ours_is_kept() {
    let mut proposing = Proposing::new("below", json!({"branch": "staging"})).await;
    let forge = &proposing.forge;
    forge
        .commit("staging", "apps/notes.txt", "by a person\n")
        .await;
    // As it is after `push.branch: staging`, which adds to what is there.
    let author = json!({"name": "Tide", "email": "tide@example.com"});
    let ours = forge
        .commit_as(&author, "staging", "apps/more.txt", "by us\n")
        .await;
    proposing.fleet.publish("app", "1.1.0").await;
    proposing
        .tracked("kept", |pull| pull["state"] == "Kept")
        .await;
    assert_eq!(proposing.forge.tip("staging").await, Some(ours));
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_has_the_number_of_ours_in_another_repository_is_left_alone() {
    let mut proposing = Proposing::new("moved", json!({})).await;
    let tracked = proposing.proposed("1.1.0").await;

    // The repository moves, and there somebody else's pull request has that number.
    let new = gitea().repository("moved").await;
    let manifest = proposing.fleet.deployment("app", "1.1.0");
    new.commit("main", FILE, &manifest).await;
    new.commit("feature", "README.md", "by a person\n").await;
    let body = json!({"head": "feature", "base": "main", "title": "A feature"});
    let theirs = new.request(Method::POST, "pulls", &body).await;
    assert_eq!(theirs["number"], tracked["number"]);
    proposing.forge = new;
    proposing.objects(json!({})).await;
    proposing
        .fleet
        .wait(AUTOMATION, "app", "nothing to propose", |object| {
            object["status"]["pullRequests"]
                .as_array()
                .is_none_or(Vec::is_empty)
        })
        .await;
    let number = theirs["number"].as_u64().expect("it has a number");
    assert_eq!(proposing.pull(number).await["state"], "open");
    assert_eq!(proposing.comments(number).await, Vec::<String>::new());
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_merges_by_itself_when_the_checks_have_passed() {
    let rule = json!({"autoMerge": {"when": "checksPass", "method": "squash"}});
    let mut proposing = Proposing::new("checks", rule).await;
    let tracked = proposing.proposed("1.1.0").await;
    let number = tracked["number"].as_u64().expect("it has a number");
    let branch = proposing.branch();
    let head = proposing
        .forge
        .tip(&branch)
        .await
        .expect("the branch is there");
    for (state, words) in [
        (None, "no checks have reported anything"),
        (
            Some("pending"),
            "merges by itself when its checks have passed",
        ),
        (
            Some("failure"),
            "does not merge by itself: checks have failed",
        ),
    ] {
        if let Some(state) = state {
            proposing.forge.status(&head, "build", state).await;
        }
        let object = proposing.reconcile().await;
        let said = object["status"]["pullRequests"][0]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(said.contains(words), "{state:?}: {said}");
        assert_eq!(proposing.pull(number).await["state"], "open");
    }
    proposing.forge.status(&head, "build", "success").await;
    proposing.reconcile().await;
    assert_eq!(proposing.pull(number).await["merged"], true);
    assert_eq!(proposing.forge.tip(&branch).await, None);
    assert_eq!(
        proposing.file("main", FILE).await,
        proposing.fleet.deployment("app", "1.1.0")
    );
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_refuses_is_quoted_without_the_login() {
    let mut proposing = Proposing::new("refused", json!({"secretRef": {"name": "wrong"}})).await;
    proposing.fleet.publish("app", "1.1.0").await;
    let words = proposing
        .fleet
        .not_ready(AUTOMATION, "app", "PullRequestFailed")
        .await;
    assert!(words.contains("Gitea"), "{words}");
    assert!(!proposing.fleet.log().contains("planted-secret"), "{words}");
    let branch = proposing.branch();
    assert_eq!(
        proposing.forge.tip(&branch).await,
        None,
        "nothing is pushed that could not be proposed"
    );
    // The right login ends it.
    let token = proposing.forge.token.clone();
    proposing
        .fleet
        .apply("Secret", "wrong", json!({"stringData": {"token": token}}))
        .await;
    proposing.reconcile().await;
    proposing
        .tracked("open", |pull| pull["state"] == "Open")
        .await;
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_the_forge_has_it_looked_at_at_once() {
    let (fleet, url) = crate::webhooks::serving("hooked", &[]).await;
    let mut proposing = Proposing::of(fleet, "hooked", json!({})).await;
    let version = "image.toolkit.fluxcd.io/v1";
    let automations = json!([{"apiVersion": version, "kind": AUTOMATION, "name": "app"}]);
    let path = crate::webhooks::receiver(&proposing.fleet, "forge", "github", automations).await;
    let hook = json!({"type": "gitea", "active": true, "events": ["pull_request"], "config": {
        "url": format!("{url}{path}"), "content_type": "json", "secret": crate::webhooks::TOKEN,
    }});
    proposing.forge.request(Method::POST, "hooks", &hook).await;
    let tracked = proposing.proposed("1.1.0").await;
    let number = tracked["number"].as_u64().expect("it has a number");
    // Every interval is an hour: nothing but the call tells that it was closed.
    proposing.close(number, "closed").await;
    proposing
        .tracked("skipped", |pull| pull["state"] == "Skipped")
        .await;
    proposing.close(number, "open").await;
    proposing
        .tracked("open again", |pull| pull["state"] == "Open")
        .await;
    proposing.merge(number).await;
    proposing
        .fleet
        .wait(AUTOMATION, "app", "it is merged", |object| {
            object["status"]["pullRequests"].is_null()
        })
        .await;
    proposing.fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_tells_where_an_image_comes_from_and_what_changed_in_between() {
    let mut proposing = Proposing::new(
        "origin",
        json!({"body": "For {{ .Policy }}.\n\n{{ .Body }}"}),
    )
    .await;
    // The image is built from a repository on the same forge.
    let (fleet, forge) = (&proposing.fleet, &proposing.forge);
    let page = format!("{}/{}/{}", forge.server().url(), forge.owner, forge.name);
    let from = forge.commit("main", "src/a.txt", "a\n").await;
    let to = forge.commit("main", "src/b.txt", "b\n").await;
    for (tag, revision) in [("1.0.0", &from), ("1.1.0", &to)] {
        let labels = json!({
            "org.opencontainers.image.source": format!("{page}.git"),
            "org.opencontainers.image.revision": revision,
        });
        fleet.registry.push_labelled("app", tag, labels).await;
    }
    fleet.request("ImageRepository", "app").await;
    let open = |pull: &Value| pull["state"] == "Open" && pull["number"].is_number();
    let tracked = proposing.tracked("proposed", open).await;
    let number = tracked["number"].as_u64().expect("it has a number");
    let pull = proposing.pull(number).await;
    let body = pull["body"].as_str().unwrap_or_default();
    println!("{body}");
    let (short, page) = (&to[..12], &page);
    for line in [
        "For app.\n".to_owned(),
        "\n- why: `1.1.0` is the highest version in `1.x` ".to_owned(),
        format!("\n- source: [`{page}`]({page}) at `{to}`\n"),
        format!("\n- changes: [`compare`]({page}/compare/{from}...{to})\n"),
        format!("\n- [`{short}`]({page}/commit/{to}) `write src/b.txt` by "),
    ] {
        assert!(
            format!("\n{body}").contains(&line),
            "{line:?} is not in\n{body}"
        );
    }
    proposing.fleet.assert_no_panic();
}
