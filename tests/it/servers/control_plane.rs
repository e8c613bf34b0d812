//! One control plane, shared by the tests and reached in every way they reach it.

use std::path::Path;
use std::process::Command;

use reqwest::StatusCode;

use super::LIMIT;
use crate::support::control_plane::control_plane;
use crate::support::process::poll;
use crate::support::programs::kubectl_program;

#[test]
fn the_control_plane_is_ready_once_it_is_there() {
    assert_eq!(
        control_plane().kubectl_ok(&["get", "--raw", "/readyz"]),
        "ok"
    );
}

#[tokio::test]
async fn the_api_server_is_reached_with_the_authority_and_the_token_alone() {
    let plane = control_plane();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(plane.ca_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([authority])
        .build()
        .unwrap();
    let ask = |token: &str| {
        client
            .get(format!("{}/api/v1/namespaces/default", plane.url()))
            .bearer_auth(token)
            .send()
    };
    assert_eq!(ask(plane.token()).await.unwrap().status(), StatusCode::OK);
    assert_eq!(
        ask(plane.reader_token()).await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        ask("another").await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}

#[test]
fn a_deployment_gets_a_replica_set() {
    let plane = control_plane();
    let namespace = plane.namespace("deployments");
    plane.kubectl_ok(&[
        "-n",
        &namespace,
        "create",
        "deployment",
        "web",
        "--image=example.org/web:1.0.0",
    ]);
    let image = poll(LIMIT, || {
        let path = "jsonpath={.items[*].spec.template.spec.containers[*].image}";
        let image = plane.kubectl_ok(&[
            "-n",
            &namespace,
            "get",
            "replicasets",
            "-l",
            "app=web",
            "-o",
            path,
        ]);
        (!image.is_empty()).then_some(image)
    });
    assert_eq!(image.as_deref(), Some("example.org/web:1.0.0"));
}

#[test]
fn the_reader_may_only_do_what_a_test_binds() {
    let plane = control_plane();
    let namespace = plane.namespace("readers");
    let reader = plane.reader_kubeconfig_path();
    let may_list_pods = || {
        let as_reader = format!("--kubeconfig={}", reader.display());
        let answer = plane.kubectl(&[
            &as_reader, "-n", &namespace, "auth", "can-i", "list", "pods",
        ]);
        String::from_utf8(answer.stdout).unwrap().trim() == "yes"
    };
    assert!(!may_list_pods());
    plane.kubectl_ok(&[
        "-n",
        &namespace,
        "create",
        "rolebinding",
        "view",
        "--clusterrole=view",
        "--user=reader",
    ]);
    assert!(poll(LIMIT, || may_list_pods().then_some(())).is_some());
}

#[test]
fn each_namespace_is_new_and_what_is_applied_in_it_is_there() {
    let plane = control_plane();
    let (first, second) = (plane.namespace("apply"), plane.namespace("apply"));
    assert_ne!(first, second);
    plane.apply(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings, namespace: {first}}}\ndata: {{colour: blue}}\n"
    ));
    let colour = plane.kubectl_ok(&[
        "-n",
        &first,
        "get",
        "configmap",
        "settings",
        "-o",
        "jsonpath={.data.colour}",
    ]);
    assert_eq!(colour, "blue");
    assert!(
        !plane
            .kubectl(&["-n", &second, "get", "configmap", "settings"])
            .status
            .success()
    );
}

#[test]
fn the_pinned_kubectl_is_the_kustomize_the_builds_are_compared_with() {
    let output = Command::new(kubectl_program())
        .args(["version", "--client"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "Client Version: v1.36.3\nKustomize Version: v5.8.1\n");
}

#[test]
fn the_kubeconfig_is_enough_for_another_program() {
    let mut command = Command::new(kubectl_program());
    command
        .arg("--kubeconfig")
        .arg(control_plane().kubeconfig_path());
    command
        .args([
            "auth",
            "whoami",
            "-o",
            "jsonpath={.status.userInfo.groups[0]}",
        ])
        .env_clear()
        .env("HOME", Path::new("/nonexistent"));
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "system:masters");
}
