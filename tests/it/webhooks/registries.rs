//! From a push to the selection: the payload's tag is looked for, and nothing else.

use super::{TOKEN, call, receiver, requested, serving, signature};
use crate::support::fleet::{Fleet, condition};
use crate::support::registry_server::RegistryServer;
use serde_json::{Value, json};
use std::time::Instant;

/// An ImageRepository and an ImagePolicy of one name for an image of an open registry, at its first tag.
async fn follow(fleet: &Fleet, name: &str, registry: &RegistryServer, repository: &str) {
    registry.push(repository, "1.0.0", "1.0.0").await;
    let spec = json!({"image": registry.image(repository), "interval": "1h", "insecure": true});
    fleet
        .apply(
            "ImageRepository",
            name,
            json!({"metadata": {"labels": {"follow": "yes"}}, "spec": spec}),
        )
        .await;
    fleet
        .apply("ImagePolicy", name, fleet.image_policy(name))
        .await;
    selected(fleet, name, "1.0.0").await;
}

async fn selected(fleet: &Fleet, name: &str, tag: &str) {
    let what = format!("{tag} is selected");
    fleet
        .wait("ImagePolicy", name, &what, |object| {
            object["status"]["latestRef"]["tag"] == *tag
        })
        .await;
}

/// How many tags the status of a repository tells.
async fn counted(fleet: &Fleet, name: &str, count: usize) -> Value {
    let what = format!("{count} tags");
    fleet
        .wait("ImageRepository", name, &what, |object| {
            object["status"]["lastScanResult"]["tagCount"] == count
        })
        .await
}

/// How often the registry was asked for something, by a part of its log lines.
fn asked(registry: &RegistryServer, method: &str, path: &str) -> usize {
    let method = format!("http.request.method={method} ");
    let log = registry.log();
    let asked = log
        .lines()
        .filter(|line| line.contains(&method) && line.contains("response completed"));
    // A text without special characters stands there without quotes.
    asked
        .filter(|line| {
            line.replace('"', "")
                .contains(&format!("http.request.uri={path}"))
        })
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_selected_by_way_of_the_registrys_own_notification() {
    let (mut fleet, url) = serving("hook-push", &[]).await;
    // The path follows from token, name and namespace: the registry can be told before there is a Receiver.
    let path = highwater::domain::webhook::path(TOKEN.as_bytes(), "registry", &fleet.namespace);
    let registry = RegistryServer::notifying(&format!("{url}{path}"), TOKEN);
    follow(&fleet, "app", &registry, "acme/app").await;
    let resources = json!([{"kind": "ImageRepository", "name": "app"}]);
    assert_eq!(
        receiver(&fleet, "registry", "harbor", resources).await,
        path
    );
    let scanned = fleet.ready("ImageRepository", "app").await;
    let listings = asked(&registry, "GET", "/v2/acme/app/tags/list");

    // What was pushed before anybody listened is told again, and again; this one comes after it.
    registry.push("acme/app", "1.0.1", "1.0.1").await;
    selected(&fleet, "app", "1.0.1").await;
    for (number, tag) in ["1.1.0", "1.2.0", "1.3.0"].into_iter().enumerate() {
        let since = Instant::now();
        registry.push("acme/app", tag, tag).await;
        selected(&fleet, "app", tag).await;
        println!(
            "from before the push of the blobs and the manifest to the selection: {} ms",
            since.elapsed().as_millis()
        );
        counted(&fleet, "app", number + 3).await;
    }
    let object = fleet.ready("ImageRepository", "app").await;
    assert_eq!(
        object["status"]["lastScanResult"]["scanTime"],
        scanned["status"]["lastScanResult"]["scanTime"]
    );
    assert_eq!(
        object["status"]["lastScanResult"]["latestTags"],
        json!(["1.3.0", "1.2.0", "1.1.0", "1.0.1", "1.0.0"])
    );
    assert_eq!(
        asked(&registry, "GET", "/v2/acme/app/tags/list"),
        listings,
        "no list was asked for"
    );
    // Looking for a tag is a pull, which the registry tells of too; that asks for nothing.
    assert_eq!(asked(&registry, "HEAD", "/v2/acme/app/manifests/1.1.0"), 1);
    fleet.assert_no_panic();
}

/// An event of the distribution registry: a tag was pushed.
fn pushed(registry: &RegistryServer, repository: &str, tag: &str) -> Value {
    let id = format!("{repository}:{}", &tag[..tag.len().min(20)]);
    let target = json!({"repository": repository, "tag": tag, "digest": "sha256:0"});
    let request = json!({"host": registry.address()});
    json!({"events": [{"id": id, "action": "push", "target": target, "request": request}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_lies_changes_nothing() {
    let (mut fleet, url) = serving("hook-lies", &[]).await;
    let registry = RegistryServer::start();
    follow(&fleet, "app", &registry, "acme/app").await;
    follow(&fleet, "other", &registry, "acme/other").await;
    let resources = ["app", "other"].map(|name| json!({"kind": "ImageRepository", "name": name}));
    let path = receiver(&fleet, "generic", "generic", json!(resources)).await;
    let hook = format!("{url}{path}");
    let many: Vec<String> = (0..90).map(|number| format!("9.0.{number}")).collect();
    let event = |repository: &str, tag: &str| pushed(&registry, repository, tag);
    for (what, payload) in [
        ("a tag that is not there", event("acme/app", "9.9.9")),
        (
            "another path",
            event("acme/app", "../../../v2/acme/other/tags/list"),
        ),
        ("a dot", event("acme/app", "..")),
        ("a long tag", event("acme/app", &"9".repeat(100_000))),
        ("a query", event("acme/app", "9?n=1")),
        ("a header", event("acme/app", "9\r\nHost: evil.example")),
        ("a name with a path", event("../../acme/app", "9.9.8")),
        (
            "many lies",
            json!({"docker_url": registry.image("acme/app"), "updated_tags": many}),
        ),
        ("nothing", json!({"events": []})),
    ] {
        assert_eq!(
            call(&hook, &[], &payload.to_string()).await.0,
            200,
            "{what}"
        );
    }
    // The truth, said after all the lies, is found; and what it finds is all there is.
    registry.push("acme/app", "1.1.0", "1.1.0").await;
    let truth = event("acme/app", "1.1.0").to_string();
    assert_eq!(call(&hook, &[], &truth).await.0, 200);
    selected(&fleet, "app", "1.1.0").await;
    let object = counted(&fleet, "app", 2).await;
    let latest = &object["status"]["lastScanResult"]["latestTags"];
    assert_eq!(latest, &json!(["1.1.0", "1.0.0"]));
    assert_eq!(condition(&object, "Ready")["status"], "True");
    counted(&fleet, "other", 1).await;
    let log = registry.log();
    assert!(
        !log.contains("evil.example") && !log.contains("manifests/.."),
        "{log}"
    );
    fleet.assert_no_panic();
}

/// A type of receiver, the header that proves who calls, and what is sent: every form in which `acme/app:TAG` is told.
fn senders(registry: &RegistryServer) -> [(&'static str, &'static str, Value); 9] {
    let (image, host) = (registry.image("acme/app"), registry.address());
    let hub = "https://hub.docker.com/r/acme/app";
    let version = json!({"package_url": "ghcr.io/acme/app:TAG", "container_metadata": {"tag": {"name": "TAG"}}});
    let package = json!({"name": "app", "namespace": "acme", "package_type": "CONTAINER", "package_version": version});
    let detail = json!({"result": "SUCCESS", "action-type": "PUSH", "repository-name": "acme/app", "image-tag": "TAG"});
    let target = json!({"repository": "acme/app", "tag": "TAG"});
    let gitlab = json!({"id": "TAG", "action": "push", "target": target, "request": {"host": "registry.gitlab.example"}});
    let context = json!({
        "version": "0.4.1", "id": "TAG", "source": "/s", "type": "dev.cdevents.artifact.published.0.2.0", "timestamp": "2023-03-20T14:27:05Z"
    });
    let url = "pkg:oci/app@sha256%3A0b31?repository_url=ghcr.io/acme/app&tag=TAG";
    let resources = json!([{"tag": "TAG", "resource_url": format!("{image}:TAG")}]);
    [
        (
            "harbor",
            "Authorization",
            json!({"type": "PUSH_ARTIFACT", "event_data": {"resources": resources}}),
        ),
        (
            "quay",
            "",
            json!({"docker_url": image, "updated_tags": ["TAG"]}),
        ),
        (
            "acr",
            "",
            json!({"id": "TAG", "action": "push", "target": target, "request": {"host": host}}),
        ),
        (
            "dockerhub",
            "",
            json!({"push_data": {"tag": "TAG"}, "repository": {"repo_name": "acme/app", "repo_url": hub}}),
        ),
        (
            "github",
            "X-Hub-Signature-256",
            json!({"action": "published", "registry_package": package}),
        ),
        (
            "generic-hmac",
            "X-Signature",
            json!({"domain": "docker", "event_type": "pushed", "data": {"image_name": "acme/app", "tag": "TAG"}}),
        ),
        (
            "generic",
            "",
            json!({"id": "TAG", "detail-type": "ECR Image Action", "source": "aws.ecr", "detail": detail}),
        ),
        ("gitlab", "X-Gitlab-Token", json!({"events": [gitlab]})),
        (
            "cdevents",
            "",
            json!({"context": context, "subject": {"id": url}}),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sender_is_heard_and_only_its_image_is_looked_at() {
    let (mut fleet, url) = serving("hook-senders", &[]).await;
    let registry = RegistryServer::start();
    follow(&fleet, "app", &registry, "acme/app").await;
    follow(&fleet, "web", &registry, "acme/web").await;
    let labelled =
        json!([{"kind": "ImageRepository", "name": "*", "matchLabels": {"follow": "yes"}}]);
    for (number, (kind, proof, payload)) in senders(&registry).into_iter().enumerate() {
        let tag = format!("1.{}.0", number + 1);
        registry.push("acme/app", &tag, &tag).await;
        let body = payload.to_string().replace("TAG", &tag);
        let proven = if proof.contains("Signature") {
            signature(&body)
        } else {
            TOKEN.to_owned()
        };
        let given = Some((proof, proven.as_str())).filter(|_| !proof.is_empty());
        let fields: Vec<(&str, &str)> = given.into_iter().collect();
        let path = receiver(&fleet, kind, kind, labelled.clone()).await;
        assert_eq!(
            call(&format!("{url}{path}"), &fields, &body).await.0,
            200,
            "{kind}"
        );
        selected(&fleet, "app", &tag).await;
    }
    // By labels the other one is meant too; that nobody pushed there was told.
    for name in ["app", "web"] {
        assert_eq!(
            requested(&fleet, "ImageRepository", name).await,
            "",
            "{name}"
        );
    }
    assert_eq!(asked(&registry, "GET", "/v2/acme/web/tags/list"), 1);
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_payload_does_not_tell_is_scanned_as_in_flux() {
    let (fleet, url) = serving("hook-scan", &[]).await;
    let registry = RegistryServer::start();
    follow(&fleet, "app", &registry, "acme/app").await;
    let path = receiver(
        &fleet,
        "generic",
        "generic",
        json!([{"kind": "ImageRepository", "name": "app"}]),
    )
    .await;
    let hook = format!("{url}{path}");
    for (number, body) in [
        "",
        "{\"image\": \"elsewhere.example/thing:7\"}",
        "{\"ref\": \"refs/heads/main\"}",
    ]
    .into_iter()
    .enumerate()
    {
        let tag = format!("1.{}.0", number + 1);
        registry.push("acme/app", &tag, &tag).await;
        assert_eq!(call(&hook, &[], body).await.0, 200, "{body}");
        selected(&fleet, "app", &tag).await;
    }
    let object = counted(&fleet, "app", 4).await;
    assert_eq!(
        object["status"]["lastHandledReconcileAt"],
        requested(&fleet, "ImageRepository", "app").await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_tags_are_not_looked_for_and_a_tag_that_moved_is_pinned_anew() {
    let (fleet, url) = serving("hook-moved", &[]).await;
    let registry = RegistryServer::start();
    follow(&fleet, "app", &registry, "acme/app").await;
    fleet
        .patch(
            "ImagePolicy",
            "app",
            json!({"spec": {"digestReflectionPolicy": "Always", "interval": "1h"}}),
        )
        .await;
    let first = fleet
        .wait("ImagePolicy", "app", "a digest", |object| {
            object["status"]["latestRef"]["digest"].is_string()
        })
        .await;
    let path = receiver(
        &fleet,
        "generic",
        "generic",
        json!([{"kind": "ImageRepository", "name": "app"}]),
    )
    .await;
    let tell = |tag: &str| {
        json!({"docker_url": registry.image("acme/app"), "updated_tags": [tag]}).to_string()
    };
    registry.push("acme/app", "sha256-0.sig", "signature").await;
    assert_eq!(
        call(&format!("{url}{path}"), &[], &tell("sha256-0.sig"))
            .await
            .0,
        200
    );

    let moved = registry.push("acme/app", "1.0.0", "another image").await;
    assert_eq!(
        call(&format!("{url}{path}"), &[], &tell("1.0.0")).await.0,
        200
    );
    let object = fleet
        .wait("ImagePolicy", "app", "the new digest", |object| {
            object["status"]["latestRef"]["digest"] == *moved
        })
        .await;
    assert_ne!(
        object["status"]["latestRef"]["digest"],
        first["status"]["latestRef"]["digest"]
    );
    assert_eq!(
        asked(&registry, "HEAD", "/v2/acme/app/manifests/sha256-0.sig"),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_could_not_be_looked_for_is_found_by_the_scan_that_follows() {
    let (mut fleet, url) = serving("hook-hangs", &["--max-retry-delay=1s"]).await;
    let mut registry = RegistryServer::start();
    follow(&fleet, "app", &registry, "acme/app").await;
    fleet
        .patch("ImageRepository", "app", json!({"spec": {"timeout": "1s"}}))
        .await;
    fleet.ready("ImageRepository", "app").await;
    let resources = json!([{"kind": "ImageRepository", "name": "app"}]);
    let path = receiver(&fleet, "generic", "generic", resources).await;
    registry.push("acme/app", "1.1.0", "1.1.0").await;
    registry.freeze();
    let told = pushed(&registry, "acme/app", "1.1.0").to_string();
    assert_eq!(call(&format!("{url}{path}"), &[], &told).await.0, 200);
    fleet
        .not_ready("ImageRepository", "app", "ReadOperationFailed")
        .await;
    registry.thaw();
    selected(&fleet, "app", "1.1.0").await;
    counted(&fleet, "app", 2).await;
    fleet.assert_no_panic();
}
