//! `highwater get` against the real API server, with statuses as the controllers write them.

use std::process::Output;

use serde_json::{Value, json};

use crate::crds::installed;
use crate::support::control_plane::ControlPlane;
use crate::support::highwater::highwater;

const COMMIT: &str = "696f056df216eea4f9401adbee0ff744d4df390f";

/// Runs `highwater get ARGUMENTS` in a namespace; gives exit code, data and talk.
pub(crate) fn get(
    plane: &ControlPlane,
    namespace: &str,
    arguments: &[&str],
) -> (i32, String, String) {
    let mut command = highwater();
    command
        .arg("get")
        .args(arguments)
        .arg("--kubeconfig")
        .arg(plane.kubeconfig_path());
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .env("FLUX_SYSTEM_NAMESPACE", namespace)
        .output()
        .expect("highwater runs");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (
        status.code().expect("it ends by itself"),
        text(stdout),
        text(stderr),
    )
}

/// The table's rows as cells.
pub(crate) fn rows(table: &str) -> Vec<Vec<&str>> {
    table
        .lines()
        .map(|line| line.split('\t').map(str::trim).collect())
        .collect()
}

fn ready(status: &str, message: &str) -> Value {
    json!([{"type": "Ready", "status": status, "reason": "Any", "message": message, "lastTransitionTime": "2026-01-02T03:04:05Z"}])
}

fn set_status(plane: &ControlPlane, namespace: &str, object: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    plane.kubectl_ok(&[
        "patch",
        object,
        "--namespace",
        namespace,
        "--subresource=status",
        "--type=merge",
        "--patch",
        &patch,
    ]);
}

/// A namespace with objects of all five kinds, some of which nobody has looked at yet.
fn fleet(plane: &ControlPlane) -> String {
    let namespace = plane.namespace("get");
    let objects = "---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: web, namespace: NAMESPACE, labels: {team: shop}}
spec: {image: ghcr.io/acme/web, interval: 1m, suspend: true}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: api, namespace: NAMESPACE}
spec: {image: ghcr.io/acme/api, interval: 1m}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: web, namespace: NAMESPACE}
spec: {imageRepositoryRef: {name: web}, policy: {semver: {range: 1.x}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: fleet, namespace: NAMESPACE}
spec: {interval: 1m, sourceRef: {kind: GitRepository, name: fleet}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: NAMESPACE}
spec: {interval: 1m, url: 'https://git.example.com/fleet.git'}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: NAMESPACE}
spec: {interval: 1m, prune: true, sourceRef: {kind: GitRepository, name: fleet}}
";
    plane.apply(&objects.replace("NAMESPACE", &namespace));
    let set = |object: &str, status: Value| set_status(plane, &namespace, object, &status);
    let scan = json!({"tagCount": 3, "scanTime": "2026-01-02T03:04:05Z", "revision": "sha256:1", "latestTags": ["1.2.0"]});
    set(
        "imagerepository/web",
        json!({"lastScanResult": scan, "conditions": ready("True", "successful scan: found 3 tags")}),
    );
    let latest = json!({"name": "ghcr.io/acme/web", "tag": "1.2.0"});
    set(
        "imagepolicy/web",
        json!({"latestRef": latest, "conditions": ready("True", "Latest image tag")}),
    );
    set(
        "imageupdateautomation/fleet",
        json!({"lastAutomationRunTime": "2026-01-02T03:04:06Z", "conditions": ready("False", "push failed")}),
    );
    let revision = format!("main@sha1:{COMMIT}");
    set(
        "kustomization/apps",
        json!({"lastAppliedRevision": revision, "conditions": ready("Unknown", &format!("Applied revision: {revision}"))}),
    );
    namespace
}

/// What a listing prints, when it succeeds without a word beside it.
fn listed(plane: &ControlPlane, namespace: &str, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = get(plane, namespace, arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    stdout
}

#[test]
fn the_image_kinds_have_the_columns_of_flux() {
    let plane = installed();
    let namespace = fleet(plane);
    let table = |arguments: &[&str]| listed(plane, &namespace, arguments);
    assert_eq!(
        rows(&table(&["images", "repository"])),
        [
            vec!["NAME", "LAST SCAN", "SUSPENDED", "READY", "MESSAGE"],
            vec!["api", "", "False", "False", "waiting to be reconciled"],
            vec![
                "web",
                "2026-01-02T03:04:05Z",
                "True",
                "True",
                "successful scan: found 3 tags"
            ],
        ]
    );
    assert_eq!(
        rows(&table(&["image", "policy"])),
        [
            vec!["NAME", "IMAGE", "TAG", "READY", "MESSAGE"],
            vec![
                "web",
                "ghcr.io/acme/web",
                "1.2.0",
                "True",
                "Latest image tag"
            ]
        ]
    );
    assert_eq!(
        rows(&table(&["images", "update", "fleet"])),
        [
            vec!["NAME", "LAST RUN", "SUSPENDED", "READY", "MESSAGE"],
            vec![
                "fleet",
                "2026-01-02T03:04:06Z",
                "False",
                "False",
                "push failed"
            ]
        ]
    );
}

#[test]
fn sources_and_kustomizations_have_the_columns_of_flux() {
    let plane = installed();
    let namespace = fleet(plane);
    let table = |arguments: &[&str]| listed(plane, &namespace, arguments);
    let git = [
        vec!["NAME", "REVISION", "SUSPENDED", "READY", "MESSAGE"],
        vec!["fleet", "", "False", "False", "waiting to be reconciled"],
    ];
    assert_eq!(rows(&table(&["sources", "git"])), git);
    let apps = [
        "apps",
        "main@sha1:696f056d",
        "False",
        "Unknown",
        "Applied revision: main@sha1:696f056d",
    ];
    for name in ["kustomizations", "kustomization", "ks"] {
        assert_eq!(rows(&table(&[name, "--no-header"])), [apps]);
    }
    let source = format!("GitRepository/{namespace}/fleet");
    assert_eq!(
        rows(&table(&["ks", "--show-source"]))[1][..2],
        ["apps", &source]
    );
}

#[test]
fn an_automation_shows_what_was_pushed_what_waits_until_when_and_what_is_proposed() {
    let plane = installed();
    let namespace = fleet(plane);
    let status = json!({
        "conditions": ready("True", "changes wait"), "lastAutomationRunTime": "2026-01-02T03:04:06Z",
        "lastPushCommit": COMMIT, "lastPushTime": "2026-01-02T03:00:00Z",
        "pendingChanges": {
            "count": 2, "policies": {"web": {"name": "ghcr.io/acme/web", "tag": "1.3.0"}},
            "since": "2026-01-02T03:04:05Z", "changed": "2026-01-02T03:04:05Z", "due": "2026-01-02T03:04:35Z"
        },
        "pullRequests": [
            {"group": "api", "state": "Skipped", "branch": "b", "number": 6},
            {"group": "web", "state": "Open", "branch": "c", "number": 7}
        ]
    });
    set_status(plane, &namespace, "imageupdateautomation/fleet", &status);
    let arguments = |format: &'static str| ["images", "update", "fleet", "--output", format];
    let table = listed(plane, &namespace, &arguments("wide"));
    let table = rows(&table);
    assert_eq!(
        table[0][5..],
        ["LAST COMMIT", "PUSHED", "PENDING", "DUE", "PULL REQUESTS"]
    );
    let [pushed, due] = ["2026-01-02T03:00:00Z", "2026-01-02T03:04:35Z"];
    assert_eq!(table[1][5..], [&COMMIT[..8], pushed, "2", due, "#7"]);
    let list = listed(plane, &namespace, &arguments("json"));
    let list: Value = serde_json::from_str(&list).expect("JSON and nothing else");
    let shown = &list["items"][0]["status"];
    for field in ["lastPushCommit", "pendingChanges", "pullRequests"] {
        assert_eq!(shown[field], status[field], "{field}");
    }
}

#[test]
fn a_mixed_list_has_a_table_for_each_kind_that_there_is() {
    let plane = installed();
    let namespace = fleet(plane);
    let (code, stdout, _) = get(plane, &namespace, &["images", "all"]);
    assert_eq!(code, 0);
    let tables: Vec<&str> = stdout.split("\n\n").collect();
    assert_eq!(
        tables.len(),
        4,
        "three tables, each with an empty line at its end:\n{stdout}"
    );
    let names: Vec<Vec<&str>> = tables[..3]
        .iter()
        .map(|table| rows(table).iter().skip(1).map(|row| row[0]).collect())
        .collect();
    assert_eq!(
        names,
        [
            vec!["imagerepository/api", "imagerepository/web"],
            vec!["imagepolicy/web"],
            vec!["imageupdateautomation/fleet"]
        ]
    );
    let (_, sources, _) = get(plane, &namespace, &["source", "all", "--no-header"]);
    assert!(sources.starts_with("gitrepository/fleet\t"), "{sources}");
    let empty = plane.namespace("get");
    assert_eq!(
        get(plane, &empty, &["images", "all"]),
        (0, String::new(), String::new())
    );
}

#[test]
fn the_namespace_comes_from_the_flag_the_environment_or_is_every_one() {
    let plane = installed();
    let namespace = fleet(plane);
    let (_, of_flag, _) = get(plane, "elsewhere", &["ks", "--namespace", &namespace]);
    assert_eq!(rows(&of_flag)[1][0], "apps");
    let (_, of_all, _) = get(plane, "elsewhere", &["-A", "ks"]);
    assert_eq!(rows(&of_all)[0][..2], ["NAMESPACE", "NAME"]);
    assert!(
        rows(&of_all)
            .iter()
            .any(|row| row[..2] == [namespace.as_str(), "apps"]),
        "{of_all}"
    );
}

#[test]
fn labels_and_conditions_choose() {
    let plane = installed();
    let namespace = fleet(plane);
    let names = |arguments: &[&str]| {
        let (_, stdout, _) = get(
            plane,
            &namespace,
            &[&["images", "repository", "--no-header"], arguments].concat(),
        );
        rows(&stdout)
            .iter()
            .map(|row| row[0].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&["-l", "team=shop"]), ["web"]);
    assert_eq!(names(&["--label-selector", "team!=shop"]), ["api"]);
    assert_eq!(names(&["--status-selector", "ready=true"]), ["web"]);
    assert_eq!(names(&["--status-selector", "Ready!=True"]), ["api"]);
    let (code, _, stderr) = get(plane, &namespace, &["ks", "--status-selector", "ready"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains(
            "expected status selector in type=status or type!=status format, but found: ready"
        ),
        "{stderr}"
    );
    let (code, _, stderr) = get(plane, &namespace, &["ks", "-l", "a in b"]);
    assert_eq!(code, 1, "{stderr}");
}

#[test]
fn nothing_found_fails_in_the_words_of_flux() {
    let plane = installed();
    let empty = plane.namespace("get");
    let words = |arguments: &[&str]| {
        let (code, stdout, stderr) = get(plane, &empty, arguments);
        assert_eq!((code, stdout.as_str()), (1, ""));
        stderr
    };
    assert!(words(&["images", "policy"]).contains(&format!(
        "no ImagePolicy objects found in \"{empty}\" namespace"
    )));
    assert!(words(&["ks", "apps"]).contains(&format!(
        "Kustomization object 'apps' not found in \"{empty}\" namespace"
    )));
    assert!(
        words(&["source", "git", "nope", "-A"])
            .contains("GitRepository object 'nope' not found in any namespace")
    );
}

#[test]
fn programs_get_the_objects_as_a_list() {
    let plane = installed();
    let namespace = fleet(plane);
    let (code, stdout, _) = get(plane, &namespace, &["images", "all", "-o", "json"]);
    assert_eq!(code, 0);
    let list: Value = serde_json::from_str(&stdout).expect("JSON and nothing else");
    assert_eq!(
        (&list["apiVersion"], &list["kind"]),
        (&json!("v1"), &json!("List"))
    );
    let kinds: Vec<&str> = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "ImageRepository",
            "ImageRepository",
            "ImagePolicy",
            "ImageUpdateAutomation"
        ]
    );
    assert_eq!(list["items"][2]["status"]["latestRef"]["tag"], "1.2.0");
    assert_eq!(list["items"][2]["metadata"].get("managedFields"), None);
}

#[test]
fn a_person_without_rights_is_told_so() {
    let plane = installed();
    let namespace = plane.namespace("get");
    let mut command = highwater();
    command
        .args(["get", "ks", "--namespace", &namespace, "--kubeconfig"])
        .arg(plane.reader_kubeconfig_path());
    let output = command.output().expect("highwater runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.contains("forbidden") && stderr.contains("kustomizations"),
        "{stderr}"
    );
}

#[test]
fn without_a_cluster_it_is_said_how_to_name_one() {
    let mut command = highwater();
    command
        .args(["get", "images", "all"])
        .env("HOME", "/nonexistent")
        .env("KUBECONFIG", "/nonexistent/config");
    for name in ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"] {
        command.env_remove(name);
    }
    let ran = command.output().expect("highwater runs");
    let talk = String::from_utf8(ran.stderr).expect("it prints text");
    assert_eq!(ran.status.code(), Some(1), "{talk}");
    assert!(talk.contains("/nonexistent/config"), "{talk}");
    assert!(
        talk.ends_with("hint: name a kubeconfig file with `--kubeconfig`, or set `KUBECONFIG`\n"),
        "{talk}"
    );
}
