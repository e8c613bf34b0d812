//! Secrets and ConfigMaps that carry the label of a watch: what changes in them counts at once.
//!
//! Failures are tried again after an hour only, so that nothing but the watch can be the reason.

use super::fleet;
use crate::registry::tls::server;
use crate::support::fake_registry::{FakeRegistry, Reply};
use crate::support::fleet::{Fleet, message};
use crate::support::registry_server::docker_config;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// With these, nothing is tried again while a test runs.
const PATIENT: [&str; 2] = ["--min-retry-delay=1h", "--max-retry-delay=1h"];

/// The content with the label.
fn watched(mut content: Value) -> Value {
    content["metadata"]["labels"] = json!({"reconcile.fluxcd.io/watch": "Enabled"});
    content
}

/// A registry's login: the right one, or one of somebody else.
fn login(fleet: &Fleet, right: bool) -> Value {
    let mut config = docker_config(fleet.registry.address());
    if !right {
        config = config.replace("auth\":\"", "auth\":\"YTpi");
    }
    json!({"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config}})
}

/// An ImageRepository `name` of the image `app` with more fields.
async fn repository(fleet: &Fleet, name: &str, more: Value) {
    let mut content = fleet.image_repository("app");
    let spec = content["spec"].as_object_mut();
    spec.expect("a specification is an object")
        .remove("secretRef");
    for (field, value) in more.as_object().into_iter().flatten() {
        content["spec"][field] = value.clone();
    }
    fleet.apply("ImageRepository", name, content).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_changes_counts_at_once_when_its_secret_says_so() {
    let mut fleet = fleet("watched").await;
    fleet.start(&PATIENT);
    fleet.registry.push("app", "1.0.0", "1.0.0").await;
    let wrong = login(&fleet, false);
    fleet.apply("Secret", "plain", wrong.clone()).await;
    fleet
        .apply("Secret", "labelled", watched(wrong.clone()))
        .await;
    fleet.apply("Secret", "pull", watched(wrong.clone())).await;
    let account = json!({"imagePullSecrets": [{"name": "pull"}]});
    fleet.apply("ServiceAccount", "puller", account).await;
    for name in ["plain", "labelled"] {
        repository(&fleet, name, json!({"secretRef": {"name": name}})).await;
    }
    repository(&fleet, "pull", json!({"serviceAccountName": "puller"})).await;
    // One whose Secret is not there yet.
    repository(&fleet, "late", json!({"secretRef": {"name": "late"}})).await;
    for name in ["plain", "labelled", "pull", "late"] {
        fleet
            .not_ready("ImageRepository", name, "AuthenticationFailed")
            .await;
    }
    let right = login(&fleet, true);
    fleet.apply("Secret", "plain", right.clone()).await;
    for name in ["labelled", "pull", "late"] {
        fleet.apply("Secret", name, watched(right.clone())).await;
        fleet.ready("ImageRepository", name).await;
    }
    let plain = fleet.get("ImageRepository", "plain").await;
    assert!(
        message(&plain.unwrap_or_default()).contains("401"),
        "without the label nothing was looked at again"
    );
    // What is ready is scanned anew with the new login, not only at the next interval.
    fleet.apply("Secret", "labelled", watched(wrong)).await;
    fleet
        .not_ready("ImageRepository", "labelled", "AuthenticationFailed")
        .await;
    fleet.apply("Secret", "labelled", watched(right)).await;
    fleet.ready("ImageRepository", "labelled").await;
    fleet.delete("Secret", "labelled").await;
    let words = fleet
        .not_ready("ImageRepository", "labelled", "AuthenticationFailed")
        .await;
    assert!(
        words.starts_with("failed to configure authentication options: "),
        "{words}"
    );
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_and_git_logins_that_change_count_at_once_when_their_objects_say_so() {
    let mut fleet = fleet("configured").await;
    fleet.start(&PATIENT);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: \"${a}\", b: \"${b}\"}\n";
    fleet.commit("Add files", &[("apps/map.yaml", map)]);
    let wrong = json!({"stringData": {"username": "nobody", "password": "wrong"}});
    fleet.apply("Secret", "source", watched(wrong)).await;
    let mut source = fleet.git_repository();
    source["spec"]["secretRef"]["name"] = json!("source");
    fleet.apply("GitRepository", "fleet", source).await;
    let words = fleet
        .not_ready("GitRepository", "fleet", "AuthenticationFailed")
        .await;
    assert!(!words.contains("wrong"), "{words}");
    let data = |value: &str| json!({"data": {"a": value}});
    fleet
        .apply("ConfigMap", "values", watched(data("one")))
        .await;
    let secret = |value: &str| watched(json!({"stringData": {"b": value}}));
    fleet.apply("Secret", "values", secret("one")).await;
    let mut applier = fleet.kustomization("fleet", "apps");
    applier["spec"]["postBuild"] = json!({"substituteFrom": [
        {"kind": "ConfigMap", "name": "values"}, {"kind": "Secret", "name": "values"}
    ]});
    fleet.apply("Kustomization", "apps", applier).await;

    let right = fleet.get("Secret", "git").await.unwrap_or_default();
    let right = watched(json!({"data": right["data"]}));
    fleet.apply("Secret", "source", right).await;
    fleet.ready("GitRepository", "fleet").await;
    fleet.ready("Kustomization", "apps").await;
    let becomes = async |a: &str, b: &str| {
        let what = format!("a={a}, b={b}");
        let wanted = json!({"a": a, "b": b});
        fleet
            .wait("ConfigMap", "settings", &what, |map| map["data"] == wanted)
            .await;
    };
    becomes("one", "one").await;
    fleet
        .apply("ConfigMap", "values", watched(data("two")))
        .await;
    becomes("two", "one").await;
    fleet.apply("Secret", "values", secret("two")).await;
    becomes("two", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_label_can_be_chosen_and_the_gate_of_flux_switches_the_watch_off() {
    let mut fleet = fleet("chosen").await;
    fleet.registry.push("app", "1.0.0", "1.0.0").await;
    let chosen = |right: bool, value: &str| {
        let mut content = login(&fleet, right);
        content["metadata"]["labels"] = json!({"kind-of-login": value});
        content
    };
    let (wrong, right) = (chosen(false, "registry"), chosen(true, "registry"));
    fleet.apply("Secret", "chosen", wrong.clone()).await;
    repository(&fleet, "app", json!({"secretRef": {"name": "chosen"}})).await;
    let selector = "--watch-configs-label-selector=kind-of-login=registry";
    fleet.start(&[&PATIENT[..], &[selector]].concat());
    fleet
        .not_ready("ImageRepository", "app", "AuthenticationFailed")
        .await;
    fleet.apply("Secret", "chosen", right.clone()).await;
    fleet.ready("ImageRepository", "app").await;
    fleet.kill();

    let off = "--feature-gates=DisableConfigWatchers=true";
    fleet.start(&[&PATIENT[..], &[selector, off]].concat());
    fleet.apply("Secret", "chosen", wrong).await;
    repository(&fleet, "later", json!({"secretRef": {"name": "chosen"}})).await;
    fleet
        .not_ready("ImageRepository", "later", "AuthenticationFailed")
        .await;
    fleet.apply("Secret", "chosen", right).await;
    repository(&fleet, "last", json!({"secretRef": {"name": "chosen"}})).await;
    fleet.ready("ImageRepository", "last").await;
    let later = fleet.get("ImageRepository", "later").await;
    assert!(message(&later.unwrap_or_default()).contains("401"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logins_of_a_secret_and_of_a_service_account_are_joined() {
    let mut fleet = fleet("joined").await;
    fleet.start(&PATIENT);
    fleet.registry.push("app", "1.0.0", "1.0.0").await;
    // Two of the account's, one of which is no login at all, and a Secret with the login of another place.
    let other = docker_config("registry.example.com");
    let other = json!({"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": other}});
    fleet.apply("Secret", "other", other).await;
    fleet
        .apply("Secret", "no-login", json!({"stringData": {"token": "x"}}))
        .await;
    fleet.apply("Secret", "pull", login(&fleet, true)).await;
    let account = json!({"imagePullSecrets": [{"name": "no-login"}, {"name": "pull"}]});
    fleet.apply("ServiceAccount", "puller", account).await;
    let joined = json!({"secretRef": {"name": "other"}, "serviceAccountName": "puller"});
    repository(&fleet, "joined", joined).await;
    fleet.ready("ImageRepository", "joined").await;

    let account = json!({"imagePullSecrets": [{"name": "missing"}]});
    fleet.apply("ServiceAccount", "puller", account).await;
    fleet.request("ImageRepository", "joined").await;
    let words = fleet
        .not_ready("ImageRepository", "joined", "AuthenticationFailed")
        .await;
    let expected = format!(
        "failed to configure authentication options: failed to get image pull secret for serviceaccount '{}/puller': ",
        fleet.namespace
    );
    assert!(words.starts_with(&expected), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_watch_secrets_everything_else_works_and_it_is_said_once() {
    let mut fleet = fleet("unwatched").await;
    let rules = json!({"rules": [
        {
            "apiGroups": ["image.toolkit.fluxcd.io", "source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io"],
            "resources": ["*"], "verbs": ["get", "list", "watch", "patch"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ]});
    fleet.apply("Role", "unwatched", rules).await;
    let binding = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "unwatched"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}],
    });
    fleet.apply("RoleBinding", "unwatched", binding).await;
    fleet.registry.push("app", "1.0.0", "1.0.0").await;
    let path = crate::crds::installed().reader_kubeconfig_path();
    let kubeconfig = format!("--kubeconfig={}", path.display());
    fleet.start(&[&PATIENT[..], &[&kubeconfig]].concat());
    let said = "labelled objects cannot be watched";
    fleet
        .until("it is said", || fleet.log().matches(said).count() == 2)
        .await;
    repository(&fleet, "app", json!({"secretRef": {"name": "registry"}})).await;
    fleet.ready("ImageRepository", "app").await;
    // Of Secrets and of ConfigMaps, each once.
    assert_eq!(fleet.log().matches(said).count(), 2, "{}", fleet.log());
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_secret_can_hold_the_login_and_the_certificates() {
    let mut fleet = fleet("one-secret").await;
    fleet.start(&PATIENT);
    let registry = FakeRegistry::start_tls(server(true), |seen| {
        let login = BASE64_STANDARD.encode("alice:hunter2");
        match seen.header("authorization") == format!("Basic {login}") {
            true => Reply::tags("app", &["1.0.0"]),
            false => Reply::new(401, "").header("www-authenticate", r#"Basic realm="x""#),
        }
    });
    let address = registry.address();
    let port = address.rsplit(':').next().unwrap_or_default();
    let host = format!("localhost:{port}");
    let auths = json!({&host: {"username": "alice", "password": "hunter2"}});
    for (name, key, content) in [
        ("new", ".dockerconfigjson", json!({"auths": auths})),
        ("legacy", ".dockercfg", auths.clone()),
    ] {
        let data = json!({"stringData": {
            key: content.to_string(),
            "caFile": include_str!("../registry/certificates/ca.pem"),
            "tls.crt": include_str!("../registry/certificates/client.pem"),
            "tls.key": include_str!("../registry/certificates/client.key"),
        }});
        fleet.apply("Secret", name, data).await;
        let more = json!({
            "image": format!("{host}/app"), "insecure": false,
            "secretRef": {"name": name}, "certSecretRef": {"name": name},
        });
        repository(&fleet, name, more).await;
        fleet.ready("ImageRepository", name).await;
    }
}
