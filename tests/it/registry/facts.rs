//! What registries say of images: digests, platforms and times, read once for each digest.

use super::{anonymous, login};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use crate::support::registry_server::RegistryServer;
use highwater::adapters::registry::{
    AnswerProblem, Catalogue, ErrorClass, ImageFacts, Known, RegistryClient, RegistryError,
};
use highwater::domain::image::ImageName;
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn digest(content: &str) -> String {
    let hash = Sha256::digest(content.as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A registry that holds these contents, by digest, and one tag for each name.
async fn holding(contents: &[&Value], tags: &[(&str, &Value)]) -> FakeRegistry {
    let contents: Vec<String> = contents.iter().map(|content| content.to_string()).collect();
    let tags: Vec<(String, String)> = tags
        .iter()
        .map(|(tag, content)| ((*tag).to_owned(), content.to_string()))
        .collect();
    FakeRegistry::start(move |seen| {
        let name = seen.target.rsplit('/').next().unwrap_or_default();
        let tagged = tags.iter().find(|(tag, _)| tag == name);
        let content = match tagged {
            Some((_, content)) => Some(content),
            None => contents.iter().find(|content| digest(content) == name),
        };
        let Some(content) = content else {
            return Reply::error(404, "MANIFEST_UNKNOWN", "unknown");
        };
        let body = if seen.method == "HEAD" { "" } else { content };
        Reply::new(200, body)
            .header("docker-content-digest", digest(content))
            .header("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("ratelimit-limit", "100;w=21600")
            .header("ratelimit-remaining", "76;w=21600")
    })
    .await
}

async fn facts(registry: &FakeRegistry, tag: &str) -> Result<ImageFacts, RegistryError> {
    let image = registry.image("app");
    let client = RegistryClient::new();
    client
        .facts(&image, tag, &anonymous(), Known::Nothing)
        .await
}

fn config(created: &str) -> Value {
    json!({"created": created, "os": "linux", "architecture": "amd64"})
}

fn manifest(config: &Value) -> Value {
    json!({"config": {"mediaType": IMAGE_CONFIG, "digest": digest(&config.to_string())}})
}

fn requests(registry: &FakeRegistry) -> Vec<String> {
    let seen = registry.seen("/v2/app/");
    let word = |seen: &Seen| {
        let place = seen.target.strip_prefix("/v2/app/").unwrap_or_default();
        format!(
            "{} {}",
            seen.method,
            place.split(':').next().unwrap_or_default()
        )
    };
    seen.iter().map(word).collect()
}

#[tokio::test]
async fn the_configuration_tells_the_creation_time_and_the_head_the_rest() {
    let config = config("2026-01-02T03:04:05.6Z");
    let manifest = manifest(&config);
    let registry = holding(&[&config, &manifest], &[("1.0", &manifest)]).await;
    let facts = facts(&registry, "1.0").await.expect("the image is there");
    assert_eq!(facts.digest, digest(&manifest.to_string()));
    assert_eq!(facts.created, "2026-01-02T03:04:05.6Z".parse().ok());
    assert_eq!(facts.pushed, "1994-11-06T08:49:37Z".parse().ok());
    assert_eq!(facts.platforms, ["linux/amd64"]);
    assert_eq!(facts.limit.map(|limit| limit.remaining), Some(76));
    assert_eq!(
        requests(&registry),
        [
            "HEAD manifests/1.0",
            "GET manifests/sha256",
            "GET blobs/sha256"
        ]
    );
}

#[tokio::test]
async fn an_annotation_of_an_index_saves_all_further_reading() {
    let entry =
        json!({"digest": digest("other"), "platform": {"os": "linux", "architecture": "arm64"}});
    let created = json!({"org.opencontainers.image.created": "2026-01-02T03:04:05Z"});
    let index = json!({"manifests": [entry], "annotations": created});
    let registry = holding(&[&index], &[("1.0", &index)]).await;
    let facts = facts(&registry, "1.0").await.expect("the image is there");
    assert_eq!(facts.created, "2026-01-02T03:04:05Z".parse().ok());
    assert_eq!(facts.platforms, ["linux/arm64"]);
    assert_eq!(requests(&registry).len(), 2);
}

#[tokio::test]
async fn what_was_read_of_a_digest_is_not_read_again() {
    let config = config("2026-01-02T03:04:05Z");
    let manifest = manifest(&config);
    let tags = [("1.0", &manifest), ("1", &manifest), ("latest", &manifest)];
    let registry = holding(&[&config, &manifest], &tags).await;
    let client = RegistryClient::new();
    let image = registry.image("app");
    for (tag, _) in tags {
        let facts = client
            .facts(&image, tag, &anonymous(), Known::Nothing)
            .await;
        assert!(facts.is_ok_and(|facts| facts.created.is_some()), "{tag}");
    }
    let gets = requests(&registry)
        .into_iter()
        .filter(|request| request.starts_with("GET"));
    assert_eq!(gets.count(), 2);
    // Another client that knows the image asks for its digest alone; for push times nothing is ever read.
    let known = client
        .facts(&image, "1.0", &anonymous(), Known::Nothing)
        .await
        .expect("the image");
    let before = requests(&registry).len();
    let other = RegistryClient::new();
    let again = other
        .facts(&image, "1.0", &anonymous(), Known::Of(&known))
        .await;
    assert_eq!(again.as_ref(), Ok(&known));
    let head = other
        .facts(&image, "1.0", &anonymous(), Known::Enough)
        .await
        .expect("the image");
    assert_eq!(
        (head.created, head.is_read, head.pushed),
        (None, false, known.pushed)
    );
    assert_eq!(
        requests(&registry)[before..],
        ["HEAD manifests/1.0", "HEAD manifests/1.0"]
    );
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_is_refused() {
    let honest = manifest(&config("2026-01-02T03:04:05Z")).to_string();
    let claimed = digest(&honest);
    for body in ["{}", "not json", "[]", ""] {
        let claimed = claimed.clone();
        let registry = FakeRegistry::start(move |seen| {
            let body = if seen.method == "HEAD" { "" } else { body };
            Reply::new(200, body).header("docker-content-digest", claimed.clone())
        })
        .await;
        let error = facts(&registry, "1.0").await.expect_err(body);
        let problem = match body {
            "" => AnswerProblem::Empty,
            _ => AnswerProblem::OtherContent,
        };
        assert!(
            matches!(&error, RegistryError::Answer { problem: told, .. } if *told == problem),
            "{error}"
        );
    }
    let endless = FakeRegistry::start(move |seen| match seen.method.as_str() {
        "HEAD" => Reply::new(200, "").header("docker-content-digest", digest("x")),
        _ => Reply::endless(b' '),
    })
    .await;
    let error = facts(&endless, "1.0").await.expect_err("it never ends");
    assert!(error.to_string().contains("larger than"), "{error}");
}

#[tokio::test]
async fn an_image_that_makes_no_sense_says_nothing_and_is_no_failure() {
    let helm = json!({"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest("x")}});
    let odd = json!({"manifests": 7, "config": [], "annotations": "none"});
    let strange = json!("a text");
    let tags = [("helm", &helm), ("odd", &odd), ("strange", &strange)];
    let registry = holding(&[&helm, &odd, &strange], &tags).await;
    for (tag, content) in tags {
        let facts = facts(&registry, tag).await.expect("the image is there");
        let told = (facts.digest, facts.created, facts.is_read);
        assert_eq!(told, (digest(&content.to_string()), None, true), "{tag}");
    }
}

#[tokio::test]
async fn a_registry_without_head_or_digests_is_read_all_the_same() {
    let manifest =
        json!({"annotations": {"org.opencontainers.image.created": "2026-01-02T03:04:05Z"}})
            .to_string();
    let own = digest(&manifest);
    let registry = FakeRegistry::start(move |seen| match seen.method.as_str() {
        "HEAD" => Reply::new(405, ""),
        _ => Reply::new(200, manifest.clone()),
    })
    .await;
    let facts = facts(&registry, "1.0").await.expect("the image is there");
    assert_eq!(
        (facts.digest, facts.created),
        (own, "2026-01-02T03:04:05Z".parse().ok())
    );
}

#[tokio::test]
async fn a_tag_that_is_gone_and_a_limit_are_told_apart() {
    let registry = holding(&[], &[]).await;
    let error = facts(&registry, "1.0").await.expect_err("it is gone");
    assert_eq!(error.class(), ErrorClass::NotFound);
    let registry = FakeRegistry::start(|_| Reply::error(429, "TOOMANYREQUESTS", "slow down")).await;
    let error = facts(&registry, "1.0").await.expect_err("it is limited");
    assert_eq!(error.class(), ErrorClass::RateLimited);
    for tag in ["..", "a/b", "a?b", ""] {
        assert!(facts(&registry, tag).await.is_err(), "{tag}");
    }
}

#[tokio::test]
async fn the_real_registry_tells_what_was_pushed() {
    let registry = RegistryServer::start();
    let pushed = registry
        .push_created("app", "1.0", "2026-01-02T03:04:05Z")
        .await;
    let index = registry
        .push_index("app", "2.0", "two", &["linux/arm64", "linux/amd64"])
        .await;
    let image = ImageName::parse(&registry.image("app")).expect("a valid name");
    let client = RegistryClient::new();
    let one = client
        .facts(&image, "1.0", &anonymous(), Known::Nothing)
        .await
        .expect("it is there");
    assert_eq!(
        (one.digest, one.created),
        (pushed, "2026-01-02T03:04:05Z".parse().ok())
    );
    let two = client
        .facts(&image, "2.0", &anonymous(), Known::Nothing)
        .await
        .expect("it is there");
    assert_eq!((two.digest, two.created), (index, None));
    assert_eq!(two.platforms, ["linux/arm64", "linux/amd64"]);
}

/// What Docker Hub and Quay document of their APIs, page by page.
fn catalogue_page(catalogue: Catalogue, seen: &Seen) -> Reply {
    let number: usize = seen.query("page").parse().unwrap_or_default();
    let name = |index: usize| format!("tag-{}", (number - 1) * 100 + index);
    match catalogue {
        Catalogue::DockerHub => {
            let results: Vec<Value> = (0..100)
                .map(|index| json!({"name": name(index), "tag_last_pushed": format!("2026-01-{:02}T00:00:00.5Z", number), "digest": "sha256:0", "images": []}))
                .collect();
            let next = (number < 30).then_some("http://elsewhere.example/v2/?page=2");
            Reply::json(&json!({"count": 3000, "next": next, "previous": null, "results": results}))
        }
        Catalogue::Quay => {
            let tags: Vec<Value> = (0..100)
                .map(|index| json!({"name": name(index), "start_ts": 1_767_225_600 + number, "last_modified": "Thu, 01 Jan 2026 00:00:00 -0000"}))
                .collect();
            Reply::json(&json!({"tags": tags, "page": number, "has_additional": number < 30}))
        }
    }
}

#[tokio::test]
async fn catalogues_are_asked_page_by_page_without_a_login() {
    for (catalogue, path, second) in [
        (
            Catalogue::DockerHub,
            "/v2/namespaces/acme/repositories/app/tags",
            "2026-01-02T00:00:00.5Z",
        ),
        (
            Catalogue::Quay,
            "/api/v1/repository/acme/app/tag/",
            "2026-01-01T00:00:02Z",
        ),
    ] {
        let fake = FakeRegistry::start(move |seen| catalogue_page(catalogue, seen)).await;
        let base = Url::parse(&format!("http://{}/", fake.address())).expect("a URL");
        let client = RegistryClient::new().with_catalogue("registry.example.com", catalogue, base);
        let image = ImageName::parse("registry.example.com/acme/app").expect("a valid name");
        let access = login("planted", "planted-secret");
        let ask = async |tags: &[&str]| {
            let wanted = tags.iter().copied().collect();
            client.push_times(&image, &access, &wanted).await
        };
        let times = ask(&["tag-7", "tag-107"]).await.expect("both are there");
        assert_eq!(times.len(), 2);
        assert_eq!(times.get("tag-107").copied(), second.parse().ok());
        let seen = fake.seen("/");
        assert_eq!(seen.len(), 2, "no more pages than are needed");
        for seen in seen {
            assert!(seen.target.starts_with(path), "{}", seen.target);
            assert_eq!(seen.header("authorization"), "");
        }
        // What is not on the pages that are read is no guess.
        let error = ask(&["tag-7", "missing"])
            .await
            .expect_err("it is not found");
        assert!(error.to_string().contains("more than 20 pages"), "{error}");
    }
    let private =
        FakeRegistry::start(|_| Reply::error(404, "NOT_FOUND", "no such repository")).await;
    let base = Url::parse(&format!("http://{}/", private.address())).expect("a URL");
    let client =
        RegistryClient::new().with_catalogue("registry.example.com", Catalogue::Quay, base);
    let image = ImageName::parse("registry.example.com/acme/app").expect("a valid name");
    let wanted = ["1.0"].into_iter().collect();
    let times = client.push_times(&image, &anonymous(), &wanted).await;
    assert_eq!(times, Ok(Default::default()));
}

#[tokio::test]
async fn labels_tell_where_an_image_comes_from() {
    let source = "org.opencontainers.image.source";
    let revision = "org.opencontainers.image.revision";
    let labels = json!({source: "https://github.com/acme/app", revision: "0123456"});
    let config = json!({"config": {"Labels": labels}, "os": "linux", "architecture": "amd64"});
    let inner = manifest(&config);
    let platform = json!({"os": "linux", "architecture": "amd64"});
    let entry = json!({"digest": digest(&inner.to_string()), "platform": platform});
    let index = json!({"manifests": [entry], "annotations": {revision: "89abcde"}});
    let bare = manifest(&json!({}));
    let tags = [("1.0", &index), ("bare", &bare)];
    let registry = holding(&[&config, &inner, &index], &tags).await;
    let (client, image) = (RegistryClient::new(), registry.image("app"));
    let digest = digest(&index.to_string());
    for reference in ["1.0", digest.as_str()] {
        let told = client
            .labels(&image, reference, &anonymous())
            .await
            .expect("it is there");
        let source = told.source.as_deref();
        // An annotation comes before the label of the configuration.
        assert_eq!(
            (source, told.revision.as_deref()),
            (Some("https://github.com/acme/app"), Some("89abcde"))
        );
    }
    let gone = client.labels(&image, "2.0", &anonymous()).await;
    assert!(gone.is_err_and(|error| error.class() == ErrorClass::NotFound));
}
