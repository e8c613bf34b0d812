//! The real registry: pushes, pages, passwords, and its end.

use std::net::TcpStream;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode, header};

use crate::support::registry_server::{PASSWORD, RegistryServer, USER, docker_config};

#[tokio::test]
async fn the_registry_keeps_what_is_pushed() {
    let registry = RegistryServer::start();
    let first = registry.push("team/web", "1.0.0", "first").await;
    let second = registry.push("team/web", "1.1.0", "second").await;
    assert_ne!(first, second);
    assert_eq!(
        tags(&registry, "team/web/tags/list").await,
        (vec!["1.0.0".into(), "1.1.0".into()], None)
    );

    let answer = manifest(&registry, Method::HEAD, "team/web/manifests/1.1.0").await;
    assert_eq!(
        answer.headers()["docker-content-digest"].to_str().unwrap(),
        second
    );
    assert!(
        registry
            .log()
            .contains("http.request.uri=/v2/team/web/manifests/1.1.0"),
        "{}",
        registry.log()
    );
    registry.delete_tag("team/web", "1.0.0").await;
    assert_eq!(tags(&registry, "team/web/tags/list").await.0, ["1.1.0"]);
}

#[tokio::test]
async fn an_index_names_one_manifest_for_each_platform() {
    let registry = RegistryServer::start();
    let digest = registry
        .push_index("web", "1.0.0", "seed", &["linux/amd64", "linux/arm64"])
        .await;
    let answer = manifest(&registry, Method::GET, "web/manifests/1.0.0").await;
    assert_eq!(
        answer.headers()["docker-content-digest"].to_str().unwrap(),
        digest
    );
    let index: serde_json::Value = answer.json().await.unwrap();
    let architectures: Vec<_> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["platform"]["architecture"])
        .collect();
    assert_eq!(architectures, ["amd64", "arm64"]);
    assert_ne!(
        index["manifests"][0]["digest"],
        index["manifests"][1]["digest"]
    );
}

#[tokio::test]
async fn thousands_of_tags_come_in_pages() {
    let registry = RegistryServer::start();
    let pushed: Vec<String> = (0..2_500)
        .map(|number| format!("build-{number:04}"))
        .collect();
    registry.push_tags("web", &pushed, "seed").await;
    let (mut listed, mut next) = (Vec::new(), Some("web/tags/list?n=1000".to_owned()));
    let mut pages = 0;
    while let Some(path) = next {
        let (page, link) = tags(&registry, &path).await;
        listed.extend(page);
        next = link.map(|target| target.trim_start_matches("/v2/").to_owned());
        pages += 1;
    }
    assert_eq!((listed, pages), (pushed, 3));
}

#[tokio::test]
async fn a_registry_with_a_password_refuses_who_has_none() {
    let registry = RegistryServer::with_password();
    registry.push("web", "1.0.0", "seed").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/v2/web/tags/list", registry.address());
    let refused = client.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        refused.headers()[header::WWW_AUTHENTICATE]
            .to_str()
            .unwrap(),
        "Basic realm=\"tests\""
    );
    let wrong = client
        .get(&url)
        .basic_auth(USER, Some("wrong"))
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let right = client
        .get(&url)
        .basic_auth(USER, Some(PASSWORD))
        .send()
        .await
        .unwrap();
    assert_eq!(right.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_frozen_registry_takes_connections_and_answers_once_it_is_thawed() {
    let mut registry = RegistryServer::start();
    registry.freeze();
    let asked = registry
        .request(Method::GET, "")
        .timeout(Duration::from_millis(300))
        .send()
        .await;
    assert!(asked.unwrap_err().is_timeout());
    registry.thaw();
    assert_eq!(
        registry
            .request(Method::GET, "")
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::OK
    );
}

#[test]
fn the_docker_configuration_holds_the_password_as_docker_writes_it() {
    // base64 of `fleet:correct horse`, from coreutils.
    let expected = r#"{"auths":{"127.0.0.1:5000":{"auth":"ZmxlZXQ6Y29ycmVjdCBob3JzZQ=="}}}"#;
    assert_eq!(docker_config("127.0.0.1:5000"), expected);
}

#[test]
fn a_registry_ends_when_it_is_dropped() {
    let registry = RegistryServer::start();
    let address = registry.address().to_owned();
    assert_eq!(registry.image("team/web"), format!("{address}/team/web"));
    assert!(TcpStream::connect(&address).is_ok());
    drop(registry);
    assert!(TcpStream::connect(&address).is_err());
}

/// Asks for an OCI manifest or index: the registry says no to a client that does not name what it can read.
async fn manifest(registry: &RegistryServer, method: Method, path: &str) -> Response {
    let kinds =
        "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    let request = registry.request(method, path).header(header::ACCEPT, kinds);
    request.send().await.unwrap()
}

/// One page of tags, and the target of its `Link` header.
async fn tags(registry: &RegistryServer, path: &str) -> (Vec<String>, Option<String>) {
    let answer = registry.request(Method::GET, path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let link = answer.headers().get(header::LINK).map(|value| {
        let (target, _) = value
            .to_str()
            .unwrap()
            .trim_start_matches('<')
            .split_once('>')
            .unwrap();
        target.to_owned()
    });
    let body: serde_json::Value = answer.json().await.unwrap();
    (serde_json::from_value(body["tags"].clone()).unwrap(), link)
}
