//! What objects may do: references into other namespaces, and applying as somebody with fewer rights.

use super::{EAGER, fleet};
use crate::support::fleet::{Fleet, condition};
use serde_json::{Value, json};

/// The label that one program's objects have, so that it may watch all namespaces without seeing other tests' objects.
fn labelled(mut content: Value, key: &str) -> Value {
    content["metadata"]["labels"] = json!({"tests": key});
    content
}

/// A policy, an automation and a Kustomization that refer to objects of `there`.
async fn refer_to(here: &Fleet, there: &Fleet, key: &str) {
    let namespace = json!(there.namespace);
    let mut policy = here.image_policy("app");
    policy["spec"]["imageRepositoryRef"]["namespace"] = namespace.clone();
    here.apply("ImagePolicy", "app", labelled(policy, key))
        .await;
    let mut automation = here.automation("app", "apps/app");
    automation["spec"]["sourceRef"]["namespace"] = namespace.clone();
    here.apply("ImageUpdateAutomation", "app", labelled(automation, key))
        .await;
    let mut kustomization = here.kustomization("app", "apps/app");
    kustomization["spec"]["sourceRef"]["namespace"] = namespace;
    here.apply("Kustomization", "app", labelled(kustomization, key))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_of_another_namespace_serve_and_a_repository_serves_whom_it_admits() {
    let mut there = fleet("owner").await;
    let here = fleet("guest").await;
    let key = there.namespace.clone();
    let selector = format!("--watch-label-selector=tests={key}");
    there.start(&["--watch-all-namespaces=true", &selector]);
    there.registry.push("app", "1.1.0", "1.1.0").await;
    // The manifest is the guest's, the image and the repository are the owner's.
    let manifest = there
        .deployment("app", "1.0.0")
        .replace(&there.namespace, &here.namespace);
    there.commit("Add app", &[("apps/app/deployment.yaml", &manifest)]);
    let repository = labelled(there.image_repository("app"), &key);
    there.apply("ImageRepository", "app", repository).await;
    there
        .apply(
            "GitRepository",
            "app",
            labelled(there.git_repository(), &key),
        )
        .await;
    refer_to(&here, &there, &key).await;
    let words = here.not_ready("ImagePolicy", "app", "AccessDenied").await;
    let refused = format!(
        "failed to get the referred ImageRepository: access denied: '{}/app' can't be accessed due to missing ACL labels on 'accessFrom'",
        there.namespace
    );
    assert_eq!(words, refused);

    let all = json!({"spec": {"accessFrom": {"namespaceSelectors": [{"matchLabels": {}}]}}});
    there.patch("ImageRepository", "app", all).await;
    here.ready("ImagePolicy", "app").await;
    let wanted = format!("{}:1.1.0", there.registry.image("app"));
    here.wait("Deployment", "app", &wanted, |object| {
        crate::support::fleet::image(object) == wanted.as_str()
    })
    .await;
    there.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_cross_namespace_references_all_of_them_are_refused() {
    let mut here = fleet("closed").await;
    here.start(&["--no-cross-namespace-refs=true"]);
    let there = fleet("closed-owner").await;
    refer_to(&here, &there, "none").await;
    for kind in ["ImagePolicy", "ImageUpdateAutomation", "Kustomization"] {
        let words = here.not_ready(kind, "app", "AccessDenied").await;
        assert!(
            words.contains("cross-namespace references have been"),
            "{kind}: {words}"
        );
    }
    for kind in ["ImageUpdateAutomation", "Kustomization"] {
        let object = here.get(kind, "app").await.unwrap_or_default();
        assert_eq!(condition(&object, "Stalled")["status"], "True", "{kind}");
    }
    // What stays at home works.
    here.settled_application("home").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_can_do_no_more_than_its_service_account() {
    let mut fleet = fleet("account").await;
    fleet.start(&EAGER);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n";
    fleet.commit("Add settings", &[("maps/settings.yaml", map)]);
    fleet
        .apply("GitRepository", "app", fleet.git_repository())
        .await;
    fleet.apply("ServiceAccount", "applier", json!({})).await;
    let mut content = fleet.kustomization("app", "maps");
    content["spec"]["serviceAccountName"] = json!("applier");
    fleet.apply("Kustomization", "app", content).await;
    let account = format!("system:serviceaccount:{}:applier", fleet.namespace);
    fleet
        .not_ready_because("Kustomization", "app", "ReconciliationFailed", &account)
        .await;
    assert!(fleet.get("ConfigMap", "settings").await.is_none());

    let rules =
        json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]});
    fleet.apply("Role", "applier", rules).await;
    let binding = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "applier"},
        "subjects": [{"kind": "ServiceAccount", "name": "applier", "namespace": fleet.namespace}],
    });
    fleet.apply("RoleBinding", "applier", binding).await;
    fleet.ready("Kustomization", "app").await;
    assert!(fleet.get("ConfigMap", "settings").await.is_some());
    fleet.delete("Kustomization", "app").await;
    fleet.gone("Kustomization", "app").await;
    fleet.gone("ConfigMap", "settings").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_that_names_no_account_applies_as_the_default_one() {
    let mut fleet = fleet("default-account").await;
    fleet.start(&[EAGER[0], EAGER[1], "--default-service-account=nobody"]);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n";
    fleet.commit("Add settings", &[("maps/settings.yaml", map)]);
    fleet
        .apply("GitRepository", "app", fleet.git_repository())
        .await;
    for account in ["nobody", "applier"] {
        fleet.apply("ServiceAccount", account, json!({})).await;
    }
    let content = fleet.kustomization("app", "maps");
    fleet.apply("Kustomization", "app", content).await;
    let account = format!("system:serviceaccount:{}:nobody", fleet.namespace);
    fleet
        .not_ready_because("Kustomization", "app", "ReconciliationFailed", &account)
        .await;
    assert!(fleet.get("ConfigMap", "settings").await.is_none());

    // Who names another one applies as that.
    let rules =
        json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]});
    fleet.apply("Role", "applier", rules).await;
    let binding = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "applier"},
        "subjects": [{"kind": "ServiceAccount", "name": "applier", "namespace": fleet.namespace}],
    });
    fleet.apply("RoleBinding", "applier", binding).await;
    let patch = json!({"spec": {"serviceAccountName": "applier"}});
    fleet.patch("Kustomization", "app", patch).await;
    fleet.ready("Kustomization", "app").await;
    assert!(fleet.get("ConfigMap", "settings").await.is_some());
}
