//! Variables of a Kustomization: from its specification, from ConfigMaps and from Secrets.

use super::{fleet, running};
use crate::support::fleet::Fleet;
use serde_json::{Value, json};

/// What nobody may be told.
const PLANTED: &str = "planted-Secret-value";

const FILES: &[(&str, &str)] = &[
    (
        "apps/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n  where: in ${cluster}\n  region: ${region:=eu}\n  \
         port: ${quote}${port}${quote}\n  token: x${token}\n  kept: $${cluster}\n",
    ),
    (
        "apps/script.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: script\n  annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}\n\
         data:\n  run: echo ${cluster}\n",
    ),
];

/// A Kustomization `apps` of the folder `apps`, with variables.
async fn substituted(fleet: &Fleet, post_build: Value) {
    let mut content = fleet.kustomization("fleet", "apps");
    content["spec"]["postBuild"] = post_build;
    fleet.apply("Kustomization", "apps", content).await;
}

async fn data(fleet: &Fleet, name: &str) -> Value {
    let object = fleet.get("ConfigMap", name).await.unwrap_or_default();
    object["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_come_from_the_specification_and_from_objects_and_are_read_anew_each_time() {
    let mut fleet = running("variables").await;
    fleet.commit("Add files", FILES);
    let source = fleet.git_repository();
    fleet.apply("GitRepository", "fleet", source).await;
    let early = json!({"data": {"cluster": "early", "port": "1"}});
    fleet.apply("ConfigMap", "early", early).await;
    let late = json!({"data": {"cluster": "late", "port": "80\n"}});
    fleet.apply("ConfigMap", "late", late).await;
    let from = |kind: &str, name: &str, optional: bool| json!({"kind": kind, "name": name, "optional": optional});
    let post_build = json!({
        "substitute": {"cluster": "west", "quote": "\""},
        "substituteFrom": [
            from("ConfigMap", "early", false), from("ConfigMap", "late", false),
            from("ConfigMap", "missing", true), from("Secret", "login", false)
        ]
    });
    substituted(&fleet, post_build).await;

    // An object that is not there holds everything up, and is waited for.
    let words = fleet
        .not_ready("Kustomization", "apps", "BuildFailed")
        .await;
    assert!(
        words.starts_with("post build failed for '")
            && words.contains("substitute from 'Secret/login' error: "),
        "{words}"
    );
    let login = json!({"stringData": {"token": PLANTED}});
    fleet.apply("Secret", "login", login).await;
    fleet.ready("Kustomization", "apps").await;
    let expected = json!({
        "where": "in west", "region": "eu", "port": "80", "token": format!("x{PLANTED}"), "kept": "${cluster}"
    });
    assert_eq!(data(&fleet, "settings").await, expected);
    let left_alone = data(&fleet, "script").await;
    assert_eq!(left_alone["run"], "echo ${cluster}");

    let later = json!({"data": {"cluster": "late", "port": "81"}});
    fleet.apply("ConfigMap", "late", later).await;
    fleet.reconcile("Kustomization", "apps").await;
    assert_eq!(data(&fleet, "settings").await["port"], "81");
    let status = fleet.get("Kustomization", "apps").await.unwrap_or_default();
    assert!(
        !status["status"].to_string().contains(PLANTED),
        "{status:#}"
    );
    assert!(!fleet.log().contains(PLANTED));
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_not_set_fails_the_build_and_nothing_is_applied() {
    let fleet = running("not-set").await;
    fleet.commit("Add files", FILES);
    let source = fleet.git_repository();
    fleet.apply("GitRepository", "fleet", source).await;
    substituted(
        &fleet,
        json!({"substitute": {"cluster": "west", "quote": "'", "token": "t"}}),
    )
    .await;
    let words = fleet
        .not_ready("Kustomization", "apps", "BuildFailed")
        .await;
    let expected = "post build failed for 'settings': envsubst error: variable substitution failed: variable not set (strict mode): \"port\"";
    assert_eq!(words, expected);
    for name in ["settings", "script"] {
        assert_eq!(fleet.get("ConfigMap", name).await, None);
    }
    // Without any variable there is nothing to substitute, unless that is wanted always.
    let strategy = "WithVariables";
    substituted(&fleet, json!({"substituteStrategy": strategy})).await;
    fleet.ready("Kustomization", "apps").await;
    assert_eq!(data(&fleet, "settings").await["where"], "in ${cluster}");
    substituted(&fleet, json!({"substituteStrategy": "Always"})).await;
    let words = fleet
        .not_ready("Kustomization", "apps", "BuildFailed")
        .await;
    assert!(words.contains("variable not set (strict mode)"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_not_set_is_empty_when_the_feature_gate_of_flux_says_so() {
    let mut fleet = fleet("lenient").await;
    fleet.start(&["--feature-gates=StrictPostBuildSubstitutions=false"]);
    fleet.commit("Add files", FILES);
    let source = fleet.git_repository();
    fleet.apply("GitRepository", "fleet", source).await;
    substituted(&fleet, json!({"substitute": {"port": "a"}})).await;
    fleet.ready("Kustomization", "apps").await;
    let data = data(&fleet, "settings").await;
    assert_eq!((&data["where"], &data["port"]), (&json!("in"), &json!("a")));
}
