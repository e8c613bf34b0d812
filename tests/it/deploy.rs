//! The manifests under `deploy/`: generated where they should be, accepted by a real API server, and giving no right too many.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets something else has failed, and says where"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use highwater::api::crd_files;
use serde_json::Value;

use crate::crds::installed;
use crate::support::control_plane::ControlPlane;
use crate::support::highwater::highwater;
use crate::support::process::poll;
use crate::support::programs::kubectl_program;

const NAMESPACE: &str = "highwater-system";
const ACCOUNT: &str = "system:serviceaccount:highwater-system:highwater";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

// ---- generated files

#[test]
fn the_definitions_in_the_folder_are_those_of_the_types() {
    const HINT: &str = "hint: cargo run -- crds --dir deploy/crds";
    let mut expected = BTreeSet::new();
    for (name, content) in crd_files() {
        let found = fs::read_to_string(folder().join("crds").join(&name)).unwrap_or_default();
        assert!(
            found == content,
            "deploy/crds/{name} is not what the types say\n{HINT}"
        );
        expected.insert(name);
    }
    let entries = fs::read_dir(folder().join("crds")).unwrap();
    let found: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected, "deploy/crds holds other files\n{HINT}");
}

#[test]
fn every_manifest_of_the_folder_says_what_it_is_for() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                text.starts_with("# "),
                "{} begins without a comment",
                path.display()
            );
        }
    }
}

// ---- the whole of it

/// What `kubectl apply -k deploy` would send, one text for each object, by kind and name.
fn manifests() -> BTreeMap<(String, String), Value> {
    manifests_of(&folder())
}

fn manifests_of(folder: &Path) -> BTreeMap<(String, String), Value> {
    let output = Command::new(kubectl_program())
        .arg("kustomize")
        .arg(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let keyed = documents.into_iter().map(|object| {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        ((text("/kind"), text("/metadata/name")), object)
    });
    keyed.collect()
}

fn list<'a>(objects: impl Iterator<Item = &'a Value>) -> String {
    objects
        .map(Value::to_string)
        .collect::<Vec<_>>()
        .join("\n---\n")
}

fn find<'a>(manifests: &'a BTreeMap<(String, String), Value>, kind: &str, name: &str) -> &'a Value {
    let key = (kind.to_owned(), name.to_owned());
    manifests
        .get(&key)
        .unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

#[test]
fn every_object_carries_the_labels_that_tell_whose_it_is() {
    for ((kind, name), object) in manifests() {
        let labels = &object["metadata"]["labels"];
        assert_eq!(
            labels["app.kubernetes.io/part-of"], "highwater",
            "{kind} {name}"
        );
        if kind != "CustomResourceDefinition" {
            assert_eq!(
                labels["app.kubernetes.io/name"], "highwater",
                "{kind} {name}"
            );
        }
    }
}

#[test]
fn service_probes_and_policy_name_ports_that_the_container_has() {
    let manifests = manifests();
    let pod = &find(&manifests, "Deployment", "highwater")["spec"]["template"];
    let container = &pod["spec"]["containers"][0];
    let ports: BTreeMap<&str, i64> = container["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| {
            (
                port["name"].as_str().unwrap(),
                port["containerPort"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        ports,
        BTreeMap::from([
            ("healthz", 9440),
            ("http", 9090),
            ("http-prom", 8080),
            ("http-webhook", 9292)
        ])
    );
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let request = &container[probe]["httpGet"];
        assert_eq!(
            (&request["path"], &request["port"]),
            (&path.into(), &"healthz".into())
        );
    }
    for (name, port) in [("highwater", "http"), ("webhook-receiver", "http-webhook")] {
        let service = &find(&manifests, "Service", name)["spec"];
        assert_eq!(
            service["selector"]["app.kubernetes.io/name"],
            pod["metadata"]["labels"]["app.kubernetes.io/name"]
        );
        assert_eq!(
            (
                &service["ports"][0]["port"],
                &service["ports"][0]["targetPort"]
            ),
            (&80.into(), &port.into())
        );
    }
    let policy = &find(&manifests, "NetworkPolicy", "highwater")["spec"];
    for rule in policy["ingress"].as_array().unwrap() {
        assert!(
            ports.contains_key(rule["ports"][0]["port"].as_str().unwrap()),
            "{rule}"
        );
    }
}

#[test]
fn every_flag_of_the_deployment_is_one_that_the_command_takes() {
    let output = highwater().args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let manifests = manifests();
    let container =
        &find(&manifests, "Deployment", "highwater")["spec"]["template"]["spec"]["containers"][0];
    let arguments: Vec<&str> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    assert_eq!(arguments[0], "run");
    for argument in &arguments[1..] {
        let flag = argument.split('=').next().unwrap();
        let known = help
            .split(|c: char| c.is_whitespace() || "[]=,".contains(c))
            .any(|word| word == flag);
        assert!(known, "`highwater run` has no {flag}:\n{help}");
    }
}

#[test]
fn workload_identity_adds_its_gate_and_one_right_and_nothing_else() {
    let overlay = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let text = "resources: [../deploy]\ncomponents: [../deploy/workload-identity]\n";
    fs::write(overlay.path().join("kustomization.yaml"), text).unwrap();
    let with = manifests_of(overlay.path());
    let mut without = manifests();
    let name = "highwater-workload-identity";
    let role = find(&with, "ClusterRole", name);
    let rules = serde_json::json!([
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}
    ]);
    assert_eq!(role["rules"], rules);
    let arguments = without
        .get_mut(&("Deployment".to_owned(), "highwater".to_owned()))
        .unwrap()
        .pointer_mut("/spec/template/spec/containers/0/args")
        .unwrap();
    let gate = "--feature-gates=ObjectLevelWorkloadIdentity=true";
    arguments.as_array_mut().unwrap().push(gate.into());
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        let labels = &find(&with, kind, name)["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/part-of"], "highwater");
        without.insert(
            (kind.to_owned(), name.to_owned()),
            find(&with, kind, name).clone(),
        );
    }
    assert_eq!(with, without);
}

// ---- in a real cluster

/// Asks the API server whether the controllers' account may do something.
fn may(plane: &ControlPlane, verb: &str, resource: &str, namespace: &str) -> bool {
    let output = plane.kubectl(&[
        "auth", "can-i", verb, resource, "-n", namespace, "--as", ACCOUNT, "--quiet",
    ]);
    output.status.success()
}

/// All that the account may do in a namespace, as kubectl lists it, without what any user may.
fn rights(plane: &ControlPlane, namespace: &str) -> BTreeSet<String> {
    let arguments = [
        "auth",
        "can-i",
        "--list",
        "--no-headers",
        "-n",
        namespace,
        "--as",
    ];
    let list = |account: &str| -> BTreeSet<String> {
        let listed = plane.kubectl_ok(&[&arguments[..], &[account]].concat());
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        listed.lines().map(words).collect()
    };
    let stranger = list("system:serviceaccount:default:stranger");
    &list(ACCOUNT) - &stranger
}

const QUESTIONS: [(&str, &str, &str, bool); 48] = [
    // Its own kinds, anywhere.
    (
        "watch",
        "imagerepositories.image.toolkit.fluxcd.io",
        "default",
        true,
    ),
    (
        "list",
        "imagepolicies.image.toolkit.fluxcd.io",
        "default",
        true,
    ),
    (
        "get",
        "imageupdateautomations.image.toolkit.fluxcd.io",
        "default",
        true,
    ),
    (
        "patch",
        "gitrepositories.source.toolkit.fluxcd.io",
        "default",
        true,
    ),
    (
        "patch",
        "kustomizations.kustomize.toolkit.fluxcd.io",
        "default",
        true,
    ),
    (
        "patch",
        "imagerepositories.image.toolkit.fluxcd.io/status",
        "default",
        true,
    ),
    (
        "patch",
        "imagepolicies.image.toolkit.fluxcd.io/status",
        "default",
        true,
    ),
    (
        "patch",
        "imageupdateautomations.image.toolkit.fluxcd.io/status",
        "default",
        true,
    ),
    (
        "patch",
        "gitrepositories.source.toolkit.fluxcd.io/status",
        "default",
        true,
    ),
    (
        "patch",
        "kustomizations.kustomize.toolkit.fluxcd.io/status",
        "default",
        true,
    ),
    (
        "create",
        "imagerepositories.image.toolkit.fluxcd.io",
        "default",
        false,
    ),
    (
        "delete",
        "imagepolicies.image.toolkit.fluxcd.io",
        "default",
        false,
    ),
    (
        "update",
        "gitrepositories.source.toolkit.fluxcd.io",
        "default",
        false,
    ),
    (
        "deletecollection",
        "kustomizations.kustomize.toolkit.fluxcd.io",
        "default",
        false,
    ),
    (
        "watch",
        "receivers.notification.toolkit.fluxcd.io",
        "default",
        true,
    ),
    (
        "patch",
        "receivers.notification.toolkit.fluxcd.io/status",
        "default",
        true,
    ),
    (
        "delete",
        "receivers.notification.toolkit.fluxcd.io",
        "default",
        false,
    ),
    // What objects refer to.
    ("get", "secrets", "default", true),
    ("get", "configmaps", "default", true),
    ("get", "serviceaccounts", "default", true),
    ("get", "namespaces", "default", true),
    // Labelled ones are watched, by their metadata alone; RBAC knows no labels.
    ("list", "secrets", "default", true),
    ("watch", "secrets", "default", true),
    ("watch", "configmaps", "default", true),
    ("list", "serviceaccounts", "default", false),
    ("create", "secrets", "default", false),
    ("patch", "configmaps", "default", false),
    ("create", "serviceaccounts", "default", false),
    ("create", "serviceaccounts/token", "default", false),
    ("impersonate", "serviceaccounts", "default", false),
    ("create", "namespaces", "default", false),
    // What it reports.
    ("create", "events", "default", true),
    ("patch", "events", "default", true),
    ("delete", "events", "default", false),
    // Who leads, only at home.
    ("get", "leases.coordination.k8s.io", NAMESPACE, true),
    ("create", "leases.coordination.k8s.io", NAMESPACE, true),
    ("update", "leases.coordination.k8s.io", NAMESPACE, true),
    ("delete", "leases.coordination.k8s.io", NAMESPACE, false),
    ("get", "leases.coordination.k8s.io", "default", false),
    ("update", "leases.coordination.k8s.io", "kube-system", false),
    // Nothing of anybody else's, and no way to more.
    ("get", "pods", NAMESPACE, false),
    ("create", "pods", "default", false),
    ("create", "pods/exec", NAMESPACE, false),
    ("patch", "deployments.apps", "default", false),
    ("get", "nodes", "default", false),
    (
        "bind",
        "clusterroles.rbac.authorization.k8s.io",
        "default",
        false,
    ),
    (
        "create",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "default",
        false,
    ),
    (
        "patch",
        "customresourcedefinitions.apiextensions.k8s.io",
        "default",
        false,
    ),
];

/// The account's rights in any namespace, as `kubectl auth can-i --list` words them: nothing more.
const EVERYWHERE: [&str; 21] = [
    "artifactgenerators.source.extensions.fluxcd.io [] [] [get list patch]",
    "buckets.source.toolkit.fluxcd.io [] [] [get list patch]",
    "configmaps [] [] [get list watch]",
    "events [] [] [create patch]",
    "externalartifacts.source.toolkit.fluxcd.io [] [] [get list patch]",
    "gitrepositories.source.toolkit.fluxcd.io [] [] [get list watch patch]",
    "gitrepositories.source.toolkit.fluxcd.io/status [] [] [patch]",
    "helmcharts.source.toolkit.fluxcd.io [] [] [get list patch]",
    "helmreleases.helm.toolkit.fluxcd.io [] [] [get list patch]",
    "helmrepositories.source.toolkit.fluxcd.io [] [] [get list patch]",
    "imagepolicies.image.toolkit.fluxcd.io [] [] [get list watch patch]",
    "imagepolicies.image.toolkit.fluxcd.io/status [] [] [patch]",
    "imagerepositories.image.toolkit.fluxcd.io [] [] [get list watch patch]",
    "imagerepositories.image.toolkit.fluxcd.io/status [] [] [patch]",
    "imageupdateautomations.image.toolkit.fluxcd.io [] [] [get list watch patch]",
    "imageupdateautomations.image.toolkit.fluxcd.io/status [] [] [patch]",
    "kustomizations.kustomize.toolkit.fluxcd.io [] [] [get list watch patch]",
    "kustomizations.kustomize.toolkit.fluxcd.io/status [] [] [patch]",
    "ocirepositories.source.toolkit.fluxcd.io [] [] [get list patch]",
    "receivers.notification.toolkit.fluxcd.io [] [] [get list watch patch]",
    "receivers.notification.toolkit.fluxcd.io/status [] [] [patch]",
];

/// One test, because the second half gives the account all the rights that the first half denies it.
#[test]
fn the_api_server_accepts_all_of_it_and_the_account_may_do_no_more_than_it_must() {
    let plane = installed();
    let manifests = manifests();
    let reconciler = (
        "ClusterRoleBinding".to_owned(),
        "highwater-reconciler".to_owned(),
    );
    let without = manifests.iter().filter(|(key, _)| **key != reconciler);
    // The namespace first: kubectl sends objects in the order of its input.
    plane.apply(&find(&manifests, "Namespace", NAMESPACE).to_string());
    plane.apply(&list(without.map(|(_, object)| object)));
    assert_rights(plane);

    let applied = plane.apply(&list(manifests.values()));
    assert_eq!(applied.lines().count(), manifests.len(), "{applied}");
    assert!(
        may(plane, "*", "*.*", "default"),
        "the reconciler may not apply everything"
    );
    assert_pod_is_admitted(plane);
    plane.kubectl_ok(&["delete", "clusterrolebinding", "highwater-reconciler"]);
}

fn assert_rights(plane: &ControlPlane) {
    // The API server learns of new roles by a watch of its own.
    let learned = poll(Duration::from_secs(30), || {
        may(plane, "get", "secrets", "default").then_some(())
    });
    assert!(learned.is_some(), "the account never got its rights");
    let mut problems = Vec::new();
    for (verb, resource, namespace, expected) in QUESTIONS {
        if may(plane, verb, resource, namespace) != expected {
            problems.push(format!(
                "{verb} {resource} in {namespace} should be {expected}"
            ));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));

    let mut everywhere: BTreeSet<String> = EVERYWHERE.map(str::to_owned).into();
    everywhere.extend(
        [
            "namespaces [] [] [get]",
            "secrets [] [] [get list watch]",
            "serviceaccounts [] [] [get]",
        ]
        .map(str::to_owned),
    );
    assert_eq!(rights(plane, "default"), everywhere);
    everywhere.insert("leases.coordination.k8s.io [] [] [get create update]".to_owned());
    assert_eq!(rights(plane, NAMESPACE), everywhere);
}

/// The namespace enforces the strictest pod standard, so a pod that exists has passed it.
fn assert_pod_is_admitted(plane: &ControlPlane) {
    let pods = || {
        plane.kubectl_ok(&[
            "-n",
            NAMESPACE,
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/name=highwater",
            "-o",
            "name",
        ])
    };
    let admitted = poll(Duration::from_secs(60), || {
        (pods().lines().count() == 1).then_some(())
    });
    let events = plane.kubectl_ok(&["-n", NAMESPACE, "get", "events"]);
    assert!(admitted.is_some(), "no pod was made: {events}");
}
