//! `highwater explain`: against the real registry, with flags and with objects of the real API server.

use crate::crds::installed;
use crate::support::fake_registry::{FakeRegistry, Reply};
use crate::support::highwater::highwater;
use crate::support::process::temporary_folder;
use crate::support::registry_server::{RegistryServer, docker_config};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(mut command: Command, arguments: &[&str]) -> Ran {
    let output = command
        .arg("explain")
        .args(arguments)
        .output()
        .expect("highwater runs");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    Ran {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn explain(arguments: &[&str]) -> Ran {
    run(highwater(), arguments)
}

/// The cells of a table without their padding.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split('\t').map(str::trim).collect())
        .collect()
}

async fn push(registry: &RegistryServer, tags: &[&str]) -> String {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    registry.push_tags("acme/web", &tags, "one").await;
    registry.image("acme/web")
}

#[tokio::test]
async fn every_tag_is_told_with_the_rule_that_dropped_it() {
    let registry = RegistryServer::start();
    let tags = [
        "1.0.0",
        "1.2.0",
        "1.10.0",
        "1.11.0-rc.1",
        "2.0.0",
        "latest",
        "sha256-a.sig",
    ];
    let image = push(&registry, &tags).await;
    let ran = explain(&["--image", &image, "--semver", "1.x"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        rows(&ran.stdout),
        [
            ["TAG", "VERDICT"],
            ["1.10.0", "selected"],
            ["1.2.0", "would win next"],
            ["1.0.0", "candidate 3"],
            ["latest", "no version of the form N.N.N"],
            ["2.0.0", "outside of the range"],
            ["1.11.0-rc.1", "a prerelease, and the range names none"],
            ["sha256-a.sig", "left out by the exclusion `^.*\\.sig$`"],
        ]
    );
    let why = "`1.10.0` is the highest version in `1.x` of 3 candidates among 7 tags, next would be `1.2.0`";
    assert_eq!(ran.stderr.trim_end(), why);
}

#[tokio::test]
async fn the_ordered_part_of_a_tag_has_a_column_of_its_own() {
    let registry = RegistryServer::start();
    let image = push(&registry, &["main-7", "main-12", "dev-99"]).await;
    let arguments = [
        "--image",
        &image,
        "--numerical",
        "--filter",
        "^main-(.*)$",
        "--extract",
        "$1",
    ];
    let ran = explain(&arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        rows(&ran.stdout),
        [
            ["TAG", "VALUE", "VERDICT"],
            ["main-12", "12", "selected"],
            ["main-7", "7", "would win next"],
            ["dev-99", "dev-99", "does not match the filter"],
        ]
    );
    let ran = explain(&[&arguments[..], &["-o", "json"]].concat());
    let object: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(object["selected"], "main-12");
    assert_eq!(object["tags"][1]["rank"], 2);
    assert_eq!(object["tags"][1]["value"], "7");
    assert_eq!(object["tags"][2].get("rank"), None);
}

#[tokio::test]
async fn calendar_versions_and_times_are_explained() {
    let registry = RegistryServer::start();
    let image = push(
        &registry,
        &["2024.10.0", "2024.02.30", "2024.02.28", "latest"],
    )
    .await;
    let ran = explain(&["--image", &image, "--calver", "YYYY.0M.0D"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        rows(&ran.stdout),
        [
            ["TAG", "VERDICT"],
            ["2024.02.28", "selected"],
            ["latest", "does not follow the layout"],
            ["2024.10.0", "does not follow the layout"],
            ["2024.02.30", "no day of the calendar"],
        ]
    );
    let image = registry.image("acme/times");
    for (tag, created) in [
        ("a", "2026-01-01T00:00:00Z"),
        ("b", "2026-02-01T00:00:00Z"),
        ("c", "1970-01-01T00:00:00Z"),
    ] {
        registry.push_created("acme/times", tag, created).await;
    }
    let ran = explain(&["--image", &image, "--newest"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        rows(&ran.stdout),
        [
            ["TAG", "VALUE", "VERDICT"],
            ["b", "2026-02-01T00:00:00Z", "selected"],
            ["a", "2026-01-01T00:00:00Z", "would win next"],
            ["c", "c", "its image has no creation time"],
        ]
    );
    let ran = explain(&["--image", &image, "--newest", "created", "--limit", "2"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("3 tags stand for election"),
        "{}",
        ran.stderr
    );
}

/// What Google's registries add to their tag list, and what others send with each manifest.
#[tokio::test(flavor = "multi_thread")]
async fn push_times_are_taken_where_a_registry_tells_them() {
    let digest = |digit: char| format!("sha256:{}", digit.to_string().repeat(64));
    let head =
        move |digit: char| Reply::new(200, "").header("docker-content-digest", digest(digit));
    let google = FakeRegistry::start(move |seen| match seen.target.contains("/tags/list") {
        true => Reply::json(&json!({"child": [], "name": "app", "tags": ["a", "b"], "manifest": {
            digest('1'): {"imageSizeBytes": "7", "tag": ["a"], "timeCreatedMs": "0", "timeUploadedMs": "1767225600000"},
            digest('2'): {"imageSizeBytes": "7", "tag": ["b"], "timeCreatedMs": "0", "timeUploadedMs": "1764547200000"},
            digest('3'): {"imageSizeBytes": "7", "tag": [], "timeCreatedMs": "0", "timeUploadedMs": "1"},
        }})),
        false => head('1'),
    })
    .await;
    let dated = FakeRegistry::start(move |seen| match seen.target.as_str() {
        "/v2/app/manifests/a" => head('1').header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
        "/v2/app/manifests/b" => head('2').header("last-modified", "Mon, 01 Dec 2025 00:00:00 GMT"),
        _ => Reply::tags("app", &["a", "b"]),
    })
    .await;
    for registry in [&google, &dated] {
        let image = registry.image("app").as_str().to_owned();
        let ran = explain(&["--image", &image, "--newest", "pushed"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(
            rows(&ran.stdout)[1..],
            [
                ["a", "2026-01-01T00:00:00Z", "selected"],
                ["b", "2025-12-01T00:00:00Z", "would win next"],
            ]
        );
        let gets = registry.seen("/v2/app/manifests").into_iter();
        assert_eq!(gets.filter(|seen| seen.method == "GET").count(), 0);
    }
    // One answer tells that this registry tells nothing: the other images are not asked for.
    let silent = FakeRegistry::start(move |seen| match seen.target.contains("/tags/list") {
        true => Reply::tags("app", &["a", "b", "c"]),
        false => head('1'),
    })
    .await;
    let image = silent.image("app").as_str().to_owned();
    let ran = explain(&["--image", &image, "--newest", "pushed"]);
    assert!(
        ran.stderr.contains("none of 3 tags has a push time"),
        "{}",
        ran.stderr
    );
    assert_eq!(silent.seen("/v2/app/manifests").len(), 1);
}

/// Docker Hub's limit in the middle of the reading (Argo CD Image Updater #511): half of the facts decide nothing.
#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_times_decide_nothing() {
    let manifest =
        json!({"annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"}});
    let registry = FakeRegistry::start(move |seen| match seen.target.as_str() {
        "/v2/app/manifests/b" => {
            Reply::error(429, "TOOMANYREQUESTS", "slow down").header("retry-after", "60")
        }
        target if target.contains("/tags/list") => Reply::tags("app", &["a", "b"]),
        _ if seen.method == "HEAD" => Reply::new(405, ""),
        _ => Reply::new(200, manifest.to_string()),
    })
    .await;
    let image = registry.image("app").as_str().to_owned();
    let ran = explain(&["--image", &image, "--newest"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(
        ran.stderr.contains("asks for fewer requests"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn a_policy_that_selects_nothing_is_explained_and_no_failure() {
    let registry = RegistryServer::start();
    let image = push(&registry, &["1.0.0", "latest"]).await;
    let ran = explain(&["--image", &image, "--numerical", "desc"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with("nothing is selected: "),
        "{}",
        ran.stderr
    );
    assert!(!ran.stdout.contains("selected"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_policy_of_the_cluster_is_explained_with_the_login_it_names() {
    let registry = RegistryServer::with_password();
    let image = push(&registry, &["1.0.0", "1.1.0", "2.0.0"]).await;
    let plane = installed();
    let namespace = plane.namespace("explain");
    let folder = temporary_folder("explain");
    let file = folder.join("config.json");
    fs::write(&file, docker_config(registry.address())).expect("a file");
    let path = file.to_str().expect("a path of text");
    plane.kubectl_ok(&[
        "create",
        "secret",
        "docker-registry",
        "login",
        "-n",
        &namespace,
        &format!("--from-file=.dockerconfigjson={path}"),
    ]);
    plane.apply(&format!(
        "apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: web, namespace: {namespace}}}
spec: {{image: {image}, interval: 1h, secretRef: {{name: login}}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: web, namespace: {namespace}}}
spec:
  imageRepositoryRef: {{name: web}}
  policy: {{semver: {{range: 1.x}}}}
"
    ));
    let kubeconfig = plane.kubeconfig_path();
    let kubeconfig = kubeconfig.to_str().expect("a path of text");
    let place = ["-n", &namespace, "--kubeconfig", kubeconfig];
    let ran = explain(&[&["web"], &place[..]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(rows(&ran.stdout)[1], ["1.1.0", "selected"]);
    let ran = explain(&[&["other"], &place[..]].concat());
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("ImagePolicy object 'other' not found"),
        "{}",
        ran.stderr
    );
    assert!(explain(&["--image", &image, "--semver", "1.x"]).code == Some(1));
}

#[tokio::test]
async fn a_selection_that_the_cluster_holds_is_told() {
    let registry = RegistryServer::start();
    let image = push(&registry, &["1.0.0", "1.1.0"]).await;
    let plane = installed();
    let namespace = plane.namespace("explain-held");
    plane.apply(&format!(
        "apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: web, namespace: {namespace}}}
spec: {{image: {image}, interval: 1h}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: web, namespace: {namespace}}}
spec:
  imageRepositoryRef: {{name: web}}
  policy: {{semver: {{range: 1.x}}}}
"
    ));
    let kubeconfig = plane.kubeconfig_path();
    let kubeconfig = kubeconfig.to_str().expect("a path of text");
    let place = ["-n", &namespace, "--kubeconfig", kubeconfig];
    let ran = explain(&[&["web"], &place[..]].concat());
    assert!(!ran.stderr.contains("holds"), "{}", ran.stderr);
    // As the controller writes it.
    let held = json!({"type": "HeldBack", "status": "True", "reason": "TagVanished", "message": "the registry no longer lists '1.2.0'",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let patch = json!({"status": {"conditions": [held]}}).to_string();
    let status = ["--subresource=status", "--type=merge", "-p", &patch];
    plane.kubectl_ok(
        &[
            &["patch", "imagepolicy", "web", "-n", &namespace],
            &status[..],
        ]
        .concat(),
    );
    let ran = explain(&[&["web"], &place[..]].concat());
    assert!(
        ran.stderr
            .contains("the cluster holds what it selected: the registry no longer lists '1.2.0'"),
        "{}",
        ran.stderr
    );
    let ran = explain(&[&["web", "-o", "json"], &place[..]].concat());
    let object: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(object["held"], "the registry no longer lists '1.2.0'");
}

#[test]
fn a_question_that_makes_no_sense_is_told_apart_from_one_that_fails() {
    for arguments in [
        &[][..],
        &["--image", "acme/web"],
        &["--semver", "1.x"],
        &["web", "--image", "acme/web", "--semver", "1.x"],
        &["--image", "acme/web", "--semver", "1.x", "--numerical"],
        &["--image", "acme/web:1", "--semver", "1.x"],
        &["--image", "acme/web", "--semver", "no range"],
        &["--image", "acme/web", "--alphabetical", "sideways"],
        &["--image", "acme/web", "--calver", "MAJOR"],
        &["--image", "acme/web", "--newest", "heard"],
        &["--image", "acme/web", "--newest", "--limit", "0"],
        &["--image", "acme/web", "--semver", "1.x", "--limit", "7"],
        &[
            "--image",
            "acme/web",
            "--newest",
            "--filter",
            "(.*)",
            "--extract",
            "$1",
        ],
        &["--image", "acme/web", "--alphabetical", "--filter", "("],
    ] {
        let ran = explain(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
    }
}
