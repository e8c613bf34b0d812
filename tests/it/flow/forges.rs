//! The life of a pull request by the running program, on each forge that cannot be had here: real Git over http, and a fake on the
//! wire that has the same branches.

use super::running;
use crate::support::fleet::{Fleet, condition, message};
use crate::support::forges::world::{PERSON, Pull, State, World};
use crate::support::forges::{FakeForge, TOKEN};
use crate::support::git_http::BareRepository;
use axum::Router;
use axum::http::StatusCode;
use highwater::domain::pull_request::forge::ForgeKind;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

const AUTOMATION: &str = "ImageUpdateAutomation";
const FILE: &str = "apps/app/deployment.yaml";

/// What a forge is called in `provider`, and where its Git repositories are.
fn words(kind: ForgeKind) -> (&'static str, &'static str) {
    match kind {
        ForgeKind::GitHub => ("github", "fleet/apps"),
        ForgeKind::GitLab => ("gitlab", "fleet/team/apps"),
        ForgeKind::Gitea => ("gitea", "fleet/apps"),
        ForgeKind::BitbucketCloud => ("bitbucket", "fleet/apps"),
        ForgeKind::BitbucketDataCenter => ("bitbucketserver", "scm/FLEET/apps"),
        ForgeKind::Azure => ("azure", "fleet/My%20Team/_git/apps"),
    }
}

/// A fleet whose application is at 1.0.0, in a repository of a forge.
struct Stage {
    fleet: Fleet,
    repository: BareRepository,
    forge: FakeForge,
}

impl Stage {
    async fn set(kind: ForgeKind) -> Self {
        let (provider, path) = words(kind);
        let fleet = running(provider).await;
        fleet.registry.push("app", "1.0.0", "1.0.0").await;
        let repository = BareRepository::create(&fleet.repositories, path);
        let manifest = fleet.deployment("app", "1.0.0");
        repository.commit("main", "Add app", &[(FILE, &manifest)]);
        let forge = FakeForge::of(kind, World::of(repository.clone())).await;
        let login = json!({"stringData": {"token": TOKEN}});
        fleet.apply("Secret", "forge", login).await;
        let pull_request = json!({
            "provider": provider, "apiURL": forge.repository().api, "secretRef": {"name": "forge"},
        });
        fleet
            .propose(&fleet.git.url(path), "git", pull_request)
            .await;
        fleet.ready(AUTOMATION, "app").await;
        Self {
            fleet,
            repository,
            forge,
        }
    }

    /// The pull requests as the forge has them, the oldest first.
    fn pulls(&self) -> Vec<Pull> {
        self.forge.world().pulls.clone()
    }

    /// The pull request, which is the only commit of its branch beside `main`, brings this tag and says so.
    fn assert_proposes(&self, pull: &Pull, tag: &str) {
        let (fleet, repository) = (&self.fleet, &self.repository);
        let image = fleet.registry.image("app");
        assert_eq!(pull.state, State::Open);
        assert_eq!(pull.title, format!("Update {image} from 1.0.0 to {tag}"));
        let first = format!("Updates `{image}` from `1.0.0` to `{tag}`.");
        assert!(pull.body.starts_with(&first), "{}", pull.body);
        let branch = fleet.proposed_branch();
        assert_eq!(
            (pull.head.as_str(), pull.base.as_str()),
            (branch.as_str(), "main")
        );
        assert_eq!(pull.head_commit, repository.head(&branch));
        assert_eq!(repository.log(&branch).len(), 2);
        let proposed = repository.show(&branch, FILE);
        assert_eq!(proposed, fleet.deployment("app", tag));
        let kept = repository.show("main", FILE);
        assert_eq!(kept, fleet.deployment("app", "1.0.0"));
    }
}

async fn lives(kind: ForgeKind) {
    let mut stage = Stage::set(kind).await;
    let tracked = stage.fleet.proposed("1.1.0").await;
    assert_eq!(tracked["number"], 1);
    stage.assert_proposes(&stage.pulls()[0], "1.1.0");
    let url = tracked["url"].as_str().unwrap_or_default();
    assert!(url.starts_with("http") && url.ends_with('1'), "{url}");

    // Nothing new changes nothing, and something newer the same one.
    let before = stage.repository.head(&stage.fleet.proposed_branch());
    let object = stage.fleet.reconcile(AUTOMATION, "app").await;
    assert_eq!(message(&object), "1 pull request open");
    assert_eq!(
        stage.repository.head(&stage.fleet.proposed_branch()),
        before
    );
    let newer = stage.fleet.proposed("1.2.0").await;
    assert_eq!(newer["number"], 1);
    stage.assert_proposes(&stage.pulls()[0], "1.2.0");

    is_skipped_when_closed(&stage).await;
    let newest = stage.fleet.proposed("1.3.0").await;
    assert_eq!(newest["number"], 2);
    stage.assert_proposes(&stage.pulls()[1], "1.3.0");
    is_over_when_merged(&stage).await;
    assert_eq!(stage.pulls().len(), 2);
    assert!(!stage.fleet.log().contains(TOKEN));
    stage.repository.fsck();
    stage.fleet.assert_no_panic();
}

async fn is_skipped_when_closed(stage: &Stage) {
    let fleet = &stage.fleet;
    stage.forge.world().close(1, PERSON);
    let object = fleet.reconcile(AUTOMATION, "app").await;
    assert_eq!(object["status"]["pullRequests"][0]["state"], "Skipped");
    let image = fleet.registry.image("app");
    let said = condition(&object, "PullRequestsCurrent")["message"].clone();
    let words = format!("app #1: closed by {PERSON}, so `{image}:1.2.0` is skipped. hint: ");
    assert!(
        said.as_str().is_some_and(|said| said.starts_with(&words)),
        "{said}"
    );
    assert_eq!(stage.pulls().len(), 1, "it is not proposed again");
    assert_eq!(stage.pulls()[0].comments, [""; 0]);
    let wanted = |policy: &Value| condition(policy, "Proposed")["status"] == "False";
    fleet
        .wait("ImagePolicy", "app", "what is skipped", wanted)
        .await;
}

async fn is_over_when_merged(stage: &Stage) {
    let fleet = &stage.fleet;
    let merged = stage.forge.world().on_git(|world| world.merge(2, false));
    merged.expect("it can be merged");
    let object = fleet.reconcile(AUTOMATION, "app").await;
    assert_eq!(object["status"]["pullRequests"], Value::Null);
    assert_eq!(message(&object), "repository up-to-date");
    let (repository, branch) = (&stage.repository, fleet.proposed_branch());
    let found = repository.resolve(&format!("refs/heads/{branch}"));
    assert_eq!(found, None, "its branch is gone");
    let merged = repository.show("main", FILE);
    assert_eq!(merged, fleet.deployment("app", "1.3.0"));
    let policy = fleet.ready("ImagePolicy", "app").await;
    assert!(condition(&policy, "Proposed").is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_lives_on_github() {
    lives(ForgeKind::GitHub).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_lives_on_gitlab() {
    lives(ForgeKind::GitLab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_lives_on_bitbucket_cloud() {
    lives(ForgeKind::BitbucketCloud).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_lives_on_bitbucket_data_center() {
    lives(ForgeKind::BitbucketDataCenter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_lives_on_azure() {
    lives(ForgeKind::Azure).await;
}

/// A forge that answers nobody until it is told to, and counts who asks at the same time.
struct BusyForge {
    api: String,
    asking: Arc<Asking>,
    answers: watch::Sender<bool>,
}

#[derive(Default)]
struct Asking {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// One who asks, until there is an answer or they ask no more.
struct Asker(Arc<Asking>);

impl Asker {
    fn new(asking: &Arc<Asking>) -> Self {
        let now = asking.now.fetch_add(1, Ordering::SeqCst) + 1;
        asking.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(asking))
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl BusyForge {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("an address");
        let (answers, answered) = watch::channel(false);
        let asking = Arc::new(Asking::default());
        let counted = Arc::clone(&asking);
        let router = Router::new().fallback(move || {
            let (asker, mut answered) = (Asker::new(&counted), answered.clone());
            async move {
                let _ = answered.wait_for(|answers| *answers).await;
                drop(asker);
                StatusCode::SERVICE_UNAVAILABLE
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            api: format!("http://{address}/api/v3"),
            asking,
            answers,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_automations_at_once_ask_one_forge_and_no_other_forge_waits_for_it() {
    const AT_ONCE: usize = 4;
    let mut stage = Stage::set(ForgeKind::GitHub).await;
    let busy = BusyForge::start().await;
    let names: Vec<String> = (0..12).map(|number| format!("busy-{number}")).collect();
    for name in &names {
        let pull_request = json!({
            "provider": "github", "apiURL": busy.api, "secretRef": {"name": "forge"},
        });
        stage.fleet.proposing(name, pull_request).await;
        stage.fleet.ready(AUTOMATION, name).await;
    }
    // The automation `app`, of the other forge, has its turn although all others wait for theirs.
    stage.fleet.publish("app", "1.1.0").await;
    let all_ask = || busy.asking.now.load(Ordering::SeqCst) == AT_ONCE;
    stage.fleet.until("the places are taken", all_ask).await;
    stage
        .fleet
        .tracked("open", |pull| pull["state"] == "Open")
        .await;
    assert!(all_ask());
    busy.answers.send_replace(true);
    for name in &names {
        let words = stage
            .fleet
            .not_ready(AUTOMATION, name, "PullRequestFailed")
            .await;
        assert!(words.contains("503"), "{words}");
    }
    assert_eq!(busy.asking.most.load(Ordering::SeqCst), AT_ONCE);
    stage.fleet.assert_no_panic();
}
