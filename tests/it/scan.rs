//! `highwater scan`: against the real registry, and against one that tells limits and push times.

use crate::support::fake_registry::{FakeRegistry, Reply};
use crate::support::highwater::highwater;
use crate::support::process::temporary_folder;
use crate::support::registry_server::{RegistryServer, docker_config};
use serde_json::{Value, json};
use std::fs;
use std::process::Output;

fn scan(arguments: &[&str]) -> Output {
    let run = highwater().arg("scan").args(arguments).output();
    run.expect("highwater runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it prints text")
}

fn rows(output: &Output) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        line.split('\t')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    text(&output.stdout).lines().map(cells).collect()
}

#[tokio::test]
async fn tags_are_listed_with_what_they_point_to_and_since_when() {
    let registry = RegistryServer::start();
    let one = registry
        .push_created("app", "1.0.0", "2026-01-02T03:04:05Z")
        .await;
    let two = registry
        .push_index("app", "2.0.0", "two", &["linux/arm64", "linux/amd64"])
        .await;
    registry.push("app", "dev", "dev").await;
    let image = registry.image("app");
    let output = scan(&[&image, "--filter", "^[0-9]"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        rows(&output),
        [
            vec!["TAG", "DIGEST", "CREATED", "PLATFORMS"],
            vec!["2.0.0", &two, "unknown", "linux/arm64,linux/amd64"],
            vec!["1.0.0", &one, "2026-01-02T03:04:05Z", "linux/amd64"],
        ]
    );
    let said = text(&output.stderr);
    assert!(said.contains("3 tags in 1 page, 2 of them match"), "{said}");
    assert!(said.contains("it tells none"), "{said}");

    let output = scan(&[&image, "--limit", "1"]);
    assert_eq!(rows(&output).len(), 2);
    let said = text(&output.stderr);
    assert!(said.contains("2 tags not asked for"), "{said}");
}

/// What Docker Hub documents of its limit, and what Artifactory and others send of a manifest.
#[tokio::test(flavor = "multi_thread")]
async fn limits_and_push_times_are_told_where_the_registry_tells_them() {
    let registry = FakeRegistry::start(|seen| {
        if seen.target.contains("/tags/list") {
            return Reply::tags("app", &["1", "2", "gone"]);
        }
        if seen.target.ends_with("/gone") {
            return Reply::error(404, "MANIFEST_UNKNOWN", "unknown");
        }
        let manifest =
            json!({"annotations": {"org.opencontainers.image.created": "2026-01-02T03:04:05Z"}});
        let left = if seen.target.ends_with("/2") {
            "74;w=21600"
        } else {
            "76;w=21600"
        };
        let body = if seen.method == "HEAD" {
            String::new()
        } else {
            manifest.to_string()
        };
        let reply = Reply::new(200, body)
            .header("ratelimit-limit", "100;w=21600")
            .header("ratelimit-remaining", left)
            .header("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        match seen.method.as_str() {
            "HEAD" => reply.status(405),
            _ => reply,
        }
    })
    .await;
    let image = registry.image("app").as_str().to_owned();
    let output = scan(&[&image]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("74 left of 100 for 6h0m0s"), "{said}");
    assert!(said.contains("gone: "), "{said}");
    let rows = rows(&output);
    assert_eq!(rows[0], ["TAG", "DIGEST", "CREATED", "PUSHED", "PLATFORMS"]);
    assert_eq!(rows[1], ["gone", "unknown"]);
    assert_eq!(rows[2][3], "1994-11-06T08:49:37Z");

    let output = scan(&[&image, "-o", "json"]);
    let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        object["limit"],
        json!({"remaining": 74, "limit": 100, "seconds": 21600})
    );
    assert_eq!(
        (&object["listed"], &object["matching"]),
        (&json!(3), &json!(3))
    );
    assert!(object["tags"][0]["error"].is_string(), "{object:#}");
    assert_eq!(object["tags"][1]["created"], "2026-01-02T03:04:05Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_reached_is_a_failure_and_what_was_found_is_printed() {
    let registry = FakeRegistry::start(|seen| match seen.target.contains("/tags/list") {
        true => Reply::tags("app", &["1"]),
        false => Reply::error(429, "TOOMANYREQUESTS", "slow down").header("retry-after", "60"),
    })
    .await;
    let image = registry.image("app").as_str().to_owned();
    let output = scan(&[&image]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(rows(&output)[1], ["1", "unknown"]);
    assert!(text(&output.stderr).contains("asks for fewer requests"));
}

#[tokio::test]
async fn dockers_login_is_used() {
    let registry = RegistryServer::with_password();
    registry.push("app", "1.0.0", "one").await;
    let folder = temporary_folder("docker");
    fs::write(
        folder.join("config.json"),
        docker_config(registry.address()),
    )
    .expect("a file");
    let image = registry.image("app");
    let mut command = highwater();
    let output = command
        .args(["scan", &image])
        .env("DOCKER_CONFIG", &folder)
        .output();
    let output = output.expect("highwater runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(rows(&output)[1][0], "1.0.0");
    assert_eq!(scan(&[&image]).status.code(), Some(1));
}

#[test]
fn a_question_that_makes_no_sense_is_told_apart_from_one_that_fails() {
    for arguments in [
        &[][..],
        &["app:1"],
        &["app", "--filter", "("],
        &["app", "--limit", "x"],
    ] {
        assert_eq!(scan(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
