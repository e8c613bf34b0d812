//! What `kubectl` and others wrote into objects that a Kustomization applies.

use super::{fleet, running};
use crate::crds::installed;
use crate::support::fleet::Fleet;
use crate::support::process::temporary_folder;
use serde_json::{Value, json};

/// A file of Git with the ConfigMap `settings`.
fn settings(annotations: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings, annotations: {annotations}}}\ndata: {data}\n"
    )
}

fn kubectl(fleet: &Fleet, arguments: &[&str]) {
    let namespace = ["--namespace", &fleet.namespace];
    installed().kubectl_ok(&[&namespace, arguments].concat());
}

/// `kubectl apply` of a file, with more arguments.
fn kubectl_apply(fleet: &Fleet, manifest: &str, arguments: &[&str]) {
    let file = temporary_folder("manifests").join("manifest.yaml");
    std::fs::write(&file, manifest).expect("the folder is ours");
    let file = file.to_string_lossy();
    kubectl(fleet, &[&["apply", "-f", &*file], arguments].concat());
}

/// A Kustomization `apps` of the folder `apps`, that holds this file; once it is applied.
async fn adopted(fleet: &Fleet, manifest: &str) {
    fleet.commit("Add apps", &[("apps/app.yaml", manifest)]);
    let source = fleet.git_repository();
    fleet.apply("GitRepository", "fleet", source).await;
    let content = fleet.kustomization("fleet", "apps");
    fleet.apply("Kustomization", "apps", content).await;
    fleet.ready("Kustomization", "apps").await;
}

/// Another file in its place; once it is applied.
async fn changed(fleet: &Fleet, manifest: &str) {
    let head = fleet.commit("Change apps", &[("apps/app.yaml", manifest)]);
    let revision = format!("main@sha1:{head}");
    fleet.request("GitRepository", "fleet").await;
    fleet
        .wait("Kustomization", "apps", "the change is applied", |object| {
            object["status"]["lastAppliedRevision"] == *revision
        })
        .await;
}

async fn found(fleet: &Fleet) -> Value {
    let object = fleet.get("ConfigMap", "settings").await;
    object.unwrap_or_default()
}

/// Who owns fields of an object, and by which operation.
fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let entries = entries.into_iter().flatten();
    let mut managers: Vec<String> = entries
        .map(|entry| format!("{} {}", text(entry, "manager"), text(entry, "operation")))
        .collect();
    managers.sort();
    managers
}

const OURS: [&str; 1] = ["kustomize-controller Apply"];

#[tokio::test(flavor = "multi_thread")]
async fn what_kubectl_applied_or_added_is_undone_where_git_does_not_have_it() {
    let fleet = running("takeover").await;
    kubectl_apply(&fleet, &settings("{by: hand}", "{kept: a, goes: a}"), &[]);
    adopted(&fleet, &settings("{}", "{kept: a, shared: a}")).await;
    let object = found(&fleet).await;
    assert_eq!(object["data"], json!({"kept": "a", "shared": "a"}));
    assert_eq!(object["metadata"]["annotations"], Value::Null);
    assert_eq!(managers(&object), OURS);

    kubectl(&fleet, &["label", "configmap/settings", "added=x"]);
    let patch = r#"{"data": {"added": "x"}}"#;
    kubectl(
        &fleet,
        &["patch", "configmap/settings", "--type=merge", "-p", patch],
    );
    assert_eq!(found(&fleet).await["data"]["added"], "x");
    fleet.reconcile("Kustomization", "apps").await;
    let object = found(&fleet).await;
    assert_eq!(object["data"], json!({"kept": "a", "shared": "a"}));
    assert_eq!(object["metadata"]["labels"]["added"], Value::Null);
    assert_eq!(managers(&object), OURS);

    // Nothing differs but who owns it.
    let same = settings("{}", "{shared: a}");
    let by_the_server = ["--server-side", "--force-conflicts"];
    kubectl_apply(&fleet, &same, &by_the_server);
    assert_eq!(managers(&found(&fleet).await).len(), 2);
    fleet.reconcile("Kustomization", "apps").await;
    assert_eq!(managers(&found(&fleet).await), OURS);

    // What Git gives up goes, although kubectl has it too.
    kubectl_apply(&fleet, &same, &by_the_server);
    changed(&fleet, &settings("{}", "{kept: a}")).await;
    let object = found(&fleet).await;
    assert_eq!(object["data"], json!({"kept": "a"}));
    assert_eq!(managers(&object), OURS);
    let version = object["metadata"]["resourceVersion"].clone();
    fleet.reconcile("Kustomization", "apps").await;
    let object = found(&fleet).await;
    assert_eq!(object["metadata"]["resourceVersion"], version);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_that_another_applies_keeps_what_belongs_to_its_controller() {
    let fleet = running("nested").await;
    let mut nested = fleet.kustomization("fleet", "maps");
    nested["apiVersion"] = json!("kustomize.toolkit.fluxcd.io/v1");
    nested["kind"] = json!("Kustomization");
    nested["metadata"] = json!({"name": "nested"});
    let nested = nested.to_string();
    fleet.commit(
        "Add maps",
        &[("maps/map.yaml", &settings("{}", "{kept: a}"))],
    );
    adopted(&fleet, &nested).await;
    let object = fleet.ready("Kustomization", "nested").await;
    assert_eq!(
        object["metadata"]["finalizers"],
        json!(["finalizers.fluxcd.io"])
    );
    let flux = "gotk-kustomize-controller Update";
    assert_eq!(managers(&object), [flux, flux, OURS[0]]);
    fleet.reconcile("Kustomization", "apps").await;
    let later = fleet.get("Kustomization", "nested").await;
    assert_eq!(later.unwrap_or_default(), object);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_ssa_merge_what_kubectl_added_stays_and_what_git_has_is_restored() {
    let fleet = running("merge").await;
    let merge = "{kustomize.toolkit.fluxcd.io/ssa: Merge}";
    adopted(&fleet, &settings(merge, "{kept: a}")).await;
    kubectl(&fleet, &["label", "configmap/settings", "added=x"]);
    let patch = r#"{"data": {"added": "x", "kept": "b"}}"#;
    kubectl(
        &fleet,
        &["patch", "configmap/settings", "--type=merge", "-p", patch],
    );
    fleet.reconcile("Kustomization", "apps").await;
    let object = found(&fleet).await;
    assert_eq!(object["data"], json!({"kept": "a", "added": "x"}));
    assert_eq!(object["metadata"]["labels"]["added"], "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_that_the_flag_names_are_overridden_and_others_are_not() {
    let mut fleet = fleet("override").await;
    fleet.start(&["--override-manager=helm", "--override-manager=argocd"]);
    adopted(&fleet, &settings("{}", "{kept: a}")).await;
    for manager in ["helm-3", "argocd", "flux-client-side-apply"] {
        let label = format!("{manager}=x");
        let manager = format!("--field-manager={manager}");
        kubectl(&fleet, &["label", "configmap/settings", &label, &manager]);
    }
    fleet.reconcile("Kustomization", "apps").await;
    let object = found(&fleet).await;
    let labels = &object["metadata"]["labels"];
    assert_eq!(labels["flux-client-side-apply"], "x");
    for gone in ["helm-3", "argocd"] {
        assert_eq!(labels[gone], Value::Null, "{labels}");
    }
    assert_eq!(
        managers(&object),
        ["flux-client-side-apply Update", OURS[0]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kubectl_owns_does_not_stand_in_the_way_of_what_contradicts_it() {
    let fleet = running("contradiction").await;
    let deployment = |strategy: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: app}}\nspec:\n  replicas: 0\n  strategy: {strategy}\n  \
             selector: {{matchLabels: {{app: app}}}}\n  template:\n    metadata: {{labels: {{app: app}}}}\n    \
             spec: {{containers: [{{name: app, image: none}}]}}\n"
        )
    };
    let rolling = deployment("{type: RollingUpdate, rollingUpdate: {maxSurge: 2}}");
    kubectl_apply(&fleet, &rolling, &[]);
    // The API server takes no `rollingUpdate` beside this.
    adopted(&fleet, &deployment("{type: Recreate}")).await;
    let app = fleet.get("Deployment", "app").await.unwrap_or_default();
    assert_eq!(app["spec"]["strategy"], json!({"type": "Recreate"}));

    kubectl(&fleet, &["rollout", "restart", "deployment/app"]);
    let annotations = "/spec/template/metadata/annotations";
    let app = fleet.get("Deployment", "app").await.unwrap_or_default();
    assert!(app.pointer(annotations).is_some(), "{app:#}");
    fleet.reconcile("Kustomization", "apps").await;
    let app = fleet.get("Deployment", "app").await.unwrap_or_default();
    assert_eq!(app.pointer(annotations), None, "{app:#}");
}
