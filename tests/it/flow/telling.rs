//! What the program tells: events, notifications, metrics, probes. And what it must not tell.

use super::{EAGER, fleet};
use crate::support::fleet::events::says;
use crate::support::fleet::{Fleet, GIT_PASSWORD, KINDS, PATIENCE};
use crate::support::git_http::git;
use crate::support::highwater::Running;
use crate::support::registry_server;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What a notification-controller was posted.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<Value>>>);

impl Received {
    /// Takes POSTs on a free port; the URL.
    async fn listen(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let take = |State(received): State<Self>, body: String| async move {
            let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
            received.lock().push(body);
            StatusCode::ACCEPTED
        };
        let router = Router::new()
            .route("/", axum::routing::post(take))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        self.lock().iter().find(|value| wanted(value)).cloned()
    }
}

/// The address at which the program serves `metrics` or `health`, as it says itself.
pub(super) fn address(fleet: &mut Fleet, what: &str) -> String {
    address_of(fleet.process(), what)
}

/// The same of any program.
pub(super) fn address_of(process: &Running, what: &str) -> String {
    let line = process.wait_for_line(&format!("serving {what}"), PATIENCE);
    let line: Value = serde_json::from_str(&line).expect("log lines are JSON");
    let address = line["address"].as_str();
    address.expect("the line tells the address").to_owned()
}

pub(super) async fn get(address: &str, path: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build();
    let answer = client
        .expect("a plain client")
        .get(format!("http://{address}{path}"));
    let answer = answer.send().await.expect("the program answers");
    let status = answer.status().as_u16();
    (status, answer.text().await.unwrap_or_default())
}

/// Flux's words for the push of the branch's newest commit.
fn push_words(fleet: &Fleet) -> String {
    let path = &fleet.repository.path;
    let head = fleet.repository.head("main");
    let message = git(path, &["log", "-1", "--format=%B", "main"]);
    format!(
        "pushed commit '{}' to branch 'main'\n{}",
        &head[..7],
        message.trim_end()
    )
}

/// A fleet that has pushed 1.1.0 and told `received` of it.
async fn fleet_that_pushed(received: &Received) -> Fleet {
    let url = received.listen().await;
    let mut fleet = fleet("events").await;
    fleet.start(&[&format!("--events-addr={url}")]);
    fleet.settled_application("app").await;
    let annotations = json!({"event.toolkit.fluxcd.io/team": "harbour"});
    let patch = json!({"metadata": {"annotations": annotations}});
    fleet.patch("ImageUpdateAutomation", "app", patch).await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    fleet.all_ready("app").await;
    fleet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_posted_to_the_notification_controller() {
    let received = Received::default();
    let fleet = fleet_that_pushed(&received).await;
    let words = push_words(&fleet);
    let is_push = |posted: &Value| {
        let message = posted["message"].as_str().unwrap_or_default();
        message.trim_end() == words
    };
    fleet
        .until("the push is posted", || received.find(is_push).is_some())
        .await;
    let posted = received.find(is_push).unwrap_or_default();
    let object = fleet.ready("ImageUpdateAutomation", "app").await;
    let involved = &posted["involvedObject"];
    assert_eq!(involved["kind"], "ImageUpdateAutomation");
    assert_eq!(involved["apiVersion"], "image.toolkit.fluxcd.io/v1");
    assert_eq!(involved["namespace"], *fleet.namespace);
    assert_eq!(involved["name"], "app");
    assert_eq!(involved["uid"], object["metadata"]["uid"]);
    assert_eq!(posted["severity"], "info");
    assert_eq!(posted["reason"], "Succeeded");
    assert_eq!(posted["reportingController"], "image-automation-controller");
    assert_eq!(
        posted["metadata"]["image.toolkit.fluxcd.io/team"],
        "harbour"
    );
    assert!(posted["timestamp"].is_string() && posted["reportingInstance"].is_string());
    for kind in KINDS {
        let told = |posted: &Value| posted["involvedObject"]["kind"] == *kind;
        fleet.until(kind, || received.find(told).is_some()).await;
    }
    let trace = received.find(|posted| posted["severity"] == "trace");
    assert_eq!(trace, None, "traces are never posted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_an_event_in_the_words_of_flux() {
    let fleet = fleet_that_pushed(&Received::default()).await;
    let words = push_words(&fleet);
    let object = fleet.ready("ImageUpdateAutomation", "app").await;
    let of = async |part: &str| {
        let mut events = fleet.events(1, |event| says(event, part)).await;
        events.remove(0)
    };
    let event = of(&words).await;
    assert_eq!(event["type"], "Normal");
    assert_eq!(event["involvedObject"]["uid"], object["metadata"]["uid"]);
    assert_eq!(event["source"]["component"], "image-automation-controller");
    let subject: String = words
        .lines()
        .nth(1)
        .unwrap_or_default()
        .chars()
        .take(50)
        .collect();
    let event = of(&format!("stored artifact for commit '{subject}'")).await;
    assert_eq!(event["reason"], "NewArtifact");
    assert_eq!(event["source"]["component"], "source-controller");
    let event = of(&format!("Deployment/{}/app configured", fleet.namespace)).await;
    assert_eq!(event["source"]["component"], "kustomize-controller");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_or_refuses_holds_nothing_up() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = mute.local_addr().expect("it is bound");
    let mut fleet = fleet("mute").await;
    fleet.start(&[&format!("--events-addr=http://{address}/")]);
    fleet.settled_application("app").await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    fleet.all_ready("app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_probes_are_served_where_flux_has_them() {
    let mut fleet = fleet("metrics").await;
    fleet.start(&[]);
    let metrics = address(&mut fleet, "metrics");
    let health = address(&mut fleet, "health");
    fleet.settled_application("app").await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    fleet.all_ready("app").await;
    assert_eq!(get(&health, "/healthz").await.0, 200);
    assert_eq!(get(&health, "/readyz").await.0, 200);
    let (status, text) = get(&metrics, "/metrics").await;
    assert_eq!(status, 200);
    for kind in KINDS {
        let series = format!(
            "gotk_reconcile_duration_seconds_count{{kind=\"{kind}\",name=\"app\",namespace=\"{}\"}}",
            fleet.namespace
        );
        assert!(text.contains(&series), "{series}\n{text}");
    }
    for series in [
        "highwater_pushes_total{result=\"success\"} 1",
        "highwater_commits_total 1",
        "highwater_push_races_total 0",
    ] {
        assert!(text.contains(series), "{series}\n{text}");
    }

    // The series of an object go with it.
    fleet.delete("Kustomization", "app").await;
    fleet.gone("Kustomization", "app").await;
    let series = "gotk_reconcile_duration_seconds_count{kind=\"Kustomization\"";
    let since = Instant::now();
    let mut left = true;
    while left && since.elapsed() < PATIENCE {
        left = get(&metrics, "/metrics").await.1.contains(series);
    }
    assert!(!left, "the series of a deleted object is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_never_told() {
    let received = Received::default();
    let url = received.listen().await;
    let mut fleet = fleet("secrets").await;
    fleet.start(&[
        EAGER[0],
        EAGER[1],
        "--log-level=debug",
        &format!("--events-addr={url}"),
    ]);
    fleet.settled_application("app").await;
    // Failures are where secrets leak: a hook, a lost server, a refused login.
    fleet.repository.hook("pre-receive", "echo no >&2; exit 1");
    fleet.publish("app", "1.1.0").await;
    fleet
        .not_ready("ImageUpdateAutomation", "app", "GitOperationFailed")
        .await;
    fleet.repository.hook("pre-receive", "exit 0");
    let secret = json!({"stringData": {"password": format!("{GIT_PASSWORD}-old")}});
    fleet.patch("Secret", "git", secret).await;
    fleet.request("GitRepository", "app").await;
    fleet
        .not_ready("GitRepository", "app", "AuthenticationFailed")
        .await;
    fleet
        .patch(
            "Secret",
            "git",
            json!({"stringData": {"password": GIT_PASSWORD}}),
        )
        .await;
    fleet.deployed("app", "1.1.0").await;
    fleet.all_ready("app").await;

    let mut told = vec![("log", fleet.log())];
    for kind in KINDS.into_iter().chain(["Event", "Deployment"]) {
        told.push((kind, json!(fleet.list(kind).await).to_string()));
    }
    told.push(("notifications", json!(*received.lock()).to_string()));
    fleet.process().terminate(PATIENCE);
    told.push(("log at the end", fleet.log()));
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let user = crate::support::fleet::GIT_USER;
    let secrets = [
        GIT_PASSWORD.to_owned(),
        encode(format!("{user}:{GIT_PASSWORD}")),
        registry_server::PASSWORD.to_owned(),
        encode(format!(
            "{}:{}",
            registry_server::USER,
            registry_server::PASSWORD
        )),
    ];
    for (place, text) in told {
        assert!(text.len() > 2, "{place} is empty");
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "`{secret}` in {place}:\n{text}"
            );
        }
    }
}
