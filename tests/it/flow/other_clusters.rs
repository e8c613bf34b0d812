//! Kustomizations that are applied to another cluster, which is a second real control plane.

use super::running;
use crate::support::control_plane::{ControlPlane, another_control_plane};
use crate::support::fleet::{Fleet, message};
use kube::api::DeleteParams;
use serde_json::{Value, json};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {size: a}\n";

/// The Secret `there` with a kubeconfig under this key.
async fn kubeconfig(fleet: &Fleet, key: &str, kubeconfig: &str) {
    let secret = json!({"stringData": {key: kubeconfig}});
    fleet.apply("Secret", "there", secret).await;
}

/// A Kustomization `apps` of the ConfigMap `settings` on the cluster of the Secret `there`.
async fn applied_there(fleet: &Fleet, more: Value) {
    fleet.commit("Add apps", &[("apps/map.yaml", MAP)]);
    let source = fleet.git_repository();
    fleet.apply("GitRepository", "fleet", source).await;
    let mut content = fleet.kustomization("fleet", "apps");
    content["spec"]["kubeConfig"] = json!({"secretRef": {"name": "there"}});
    let spec = content["spec"].as_object_mut().expect("it is an object");
    spec.extend(more.as_object().expect("it is an object").clone());
    fleet.apply("Kustomization", "apps", content).await;
}

/// The names of the ConfigMaps of the fleet's namespace there, but for Kubernetes' own.
fn maps(cluster: &ControlPlane, fleet: &Fleet) -> String {
    let namespace = ["--namespace", &fleet.namespace];
    let list = ["get", "configmaps", "--output=name"];
    let all = cluster.kubectl_ok(&[&namespace[..], &list].concat());
    let own = all
        .lines()
        .filter(|name| !name.ends_with("kube-root-ca.crt"));
    own.collect::<Vec<_>>().join(" ")
}

async fn failed(fleet: &Fleet, words: &str) {
    fleet
        .wait("Kustomization", "apps", words, |object| {
            message(object).contains(words)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_to_another_cluster_is_there_alone_and_goes_there_again() {
    let there = another_control_plane();
    let mut fleet = running("remote").await;
    there.kubectl_ok(&["create", "namespace", &fleet.namespace]);
    let admin = there.portable_kubeconfig(&format!("token: {}", there.token()));
    kubeconfig(&fleet, "value.yaml", &admin).await;
    applied_there(&fleet, json!({"wait": true})).await;
    fleet.ready("Kustomization", "apps").await;
    assert_eq!(maps(there, &fleet), "configmap/settings");
    assert_eq!(fleet.get("ConfigMap", "settings").await, None);

    let other = MAP.replace("settings", "others");
    fleet.commit("Rename", &[("apps/map.yaml", &other)]);
    fleet.request("GitRepository", "fleet").await;
    let pruned = async || {
        while maps(there, &fleet) != "configmap/others" {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let limit = crate::support::fleet::PATIENCE;
    let done = tokio::time::timeout(limit, pruned()).await;
    done.expect("one comes and the other goes");

    let api = fleet.api("Kustomization");
    let deleted = api.delete("apps", &DeleteParams::default()).await;
    deleted.expect("it is deleted");
    fleet
        .wait("Kustomization", "apps", "it is gone", Value::is_null)
        .await;
    assert_eq!(maps(there, &fleet), "");
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_the_other_cluster_applies_what_it_may() {
    let there = another_control_plane();
    let mut fleet = running("accounts").await;
    let namespace = fleet.namespace.clone();
    there.kubectl_ok(&["create", "namespace", &namespace]);
    let admin = there.portable_kubeconfig(&format!("token: {}", there.token()));
    kubeconfig(&fleet, "value", &admin).await;
    applied_there(&fleet, json!({"serviceAccountName": "deployer"})).await;
    failed(
        &fleet,
        &format!("system:serviceaccount:{namespace}:deployer"),
    )
    .await;
    let subject = format!("--serviceaccount={namespace}:deployer");
    let role = ["create", "rolebinding", "deployer", "--clusterrole=admin"];
    let role = [&role[..], &["--namespace", &namespace, &subject]].concat();
    there.kubectl_ok(&role);
    fleet.ready("Kustomization", "apps").await;
    assert_eq!(maps(there, &fleet), "configmap/settings");
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_that_is_missing_or_not_allowed_is_told_until_it_is_mended() {
    let there = another_control_plane();
    let mut fleet = running("kubeconfig").await;
    there.kubectl_ok(&["create", "namespace", &fleet.namespace]);
    applied_there(&fleet, json!({})).await;
    let secret = format!("{}/there", fleet.namespace);
    failed(
        &fleet,
        &format!("unable to read KubeConfig secret '{secret}'"),
    )
    .await;
    kubeconfig(&fleet, "other", "").await;
    failed(&fleet, "does not contain a 'value' key with a kubeconfig").await;
    let program = "exec: {apiVersion: client.authentication.k8s.io/v1, command: planted-secret}";
    kubeconfig(&fleet, "value", &there.portable_kubeconfig(program)).await;
    failed(&fleet, "`exec` starts a program").await;
    let nobody = there.portable_kubeconfig("token: planted-secret");
    kubeconfig(&fleet, "value", &nobody).await;
    failed(&fleet, "Unauthorized").await;
    assert!(!fleet.log().contains("planted-secret"), "{}", fleet.log());
    let admin = there.portable_kubeconfig(&format!("token: {}", there.token()));
    kubeconfig(&fleet, "value", &admin).await;
    fleet.ready("Kustomization", "apps").await;
    assert_eq!(fleet.get("ConfigMap", "settings").await, None);
    fleet.assert_no_panic();
}
