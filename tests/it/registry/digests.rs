//! Digests by HEAD, and where a registry has no HEAD or no digest field.

use super::{anonymous, list};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use highwater::adapters::registry::{AnswerProblem, ErrorClass, RegistryClient, RegistryError};
use highwater::domain::registry_settings::{RegistryLimits, RegistrySettings};

/// SHA-256 of `abc`, FIPS 180-2.
const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

async fn resolve(
    answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (Result<String, RegistryError>, Vec<Seen>) {
    resolve_by(RegistryClient::new(), answer).await
}

/// A client that may read manifests.
fn reader() -> RegistryClient {
    RegistryClient::new().with_settings(RegistrySettings::new(RegistryLimits {
        read_manifests: true,
        ..RegistryLimits::default()
    }))
}

async fn resolve_by(
    client: RegistryClient,
    answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (Result<String, RegistryError>, Vec<Seen>) {
    let registry = FakeRegistry::start(answer).await;
    let digest = client
        .resolve_digest(&registry.image("team/app"), "1.0", &anonymous())
        .await;
    (digest, registry.seen("/v2/team/"))
}

#[tokio::test]
async fn head_is_enough_and_accepts_every_kind_of_manifest() {
    let (digest, seen) =
        resolve(|_| Reply::new(200, "").header("docker-content-digest", ABC)).await;
    assert_eq!(digest.expect("a digest"), ABC);
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("HEAD", "/v2/team/app/manifests/1.0")
    );
    for kind in [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ] {
        assert!(seen[0].header("accept").contains(kind));
    }
}

#[tokio::test]
async fn a_manifest_is_never_read_unless_the_settings_say_so() {
    for status in [200, 405, 400] {
        let (digest, seen) = resolve(move |seen| match seen.method.as_str() {
            "HEAD" => Reply::new(status, ""),
            _ => Reply::new(200, "abc"),
        })
        .await;
        let error = digest.expect_err("there is no digest");
        assert!(
            error.to_string().contains("`readManifests: true`"),
            "{error}"
        );
        let methods: Vec<_> = seen.iter().map(|seen| seen.method.as_str()).collect();
        assert_eq!(methods, ["HEAD"], "{status}");
    }
}

#[tokio::test]
async fn without_the_field_or_without_head_the_manifest_is_hashed_where_that_is_allowed() {
    for status in [200, 405, 501, 400] {
        let (digest, seen) = resolve_by(reader(), move |seen| match seen.method.as_str() {
            "HEAD" => Reply::new(status, ""),
            _ => Reply::new(200, "abc"),
        })
        .await;
        if status == 501 {
            // Any 5xx may pass, so it is reported and tried again later.
            assert_eq!(digest.expect_err("501").class(), ErrorClass::Transient);
            continue;
        }
        assert_eq!(digest.expect("a digest"), ABC, "{status}");
        assert_eq!(seen.len(), 2);
    }
}

#[tokio::test]
async fn digests_that_are_none_are_errors() {
    for field in [
        "latest",
        "sha256:",
        "sha256:ABC",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
    ] {
        let (digest, _) =
            resolve(move |_| Reply::new(200, "").header("docker-content-digest", field)).await;
        let problem = AnswerProblem::Digest;
        assert!(
            matches!(digest, Err(RegistryError::Answer { problem: found, .. }) if found == problem)
        );
    }
    let (digest, _) = resolve_by(reader(), |seen| match seen.method.as_str() {
        "HEAD" => Reply::new(200, ""),
        _ => Reply::endless(b'x'),
    })
    .await;
    assert!(matches!(
        digest,
        Err(RegistryError::Answer {
            problem: AnswerProblem::TooLarge { .. },
            ..
        })
    ));
}

#[tokio::test]
async fn a_missing_tag_and_a_text_that_is_no_tag_are_told_apart() {
    let (digest, _) = resolve(|_| Reply::new(404, "")).await;
    let error = digest.expect_err("no such tag");
    assert_eq!(error.class(), ErrorClass::NotFound);
    assert!(
        error.to_string().contains("/team/app:1.0` was not found"),
        "{error}"
    );
    let registry = FakeRegistry::start(|_| Reply::new(200, "")).await;
    let client = RegistryClient::new();
    for tag in ["", "..", "a/b", "a?b", "a b"] {
        let digest = client
            .resolve_digest(&registry.image("app"), tag, &anonymous())
            .await;
        assert_eq!(digest.expect_err("no tag").class(), ErrorClass::Invalid);
    }
    assert_eq!(registry.seen("/v2/app").len(), 0);
    assert!(list(&registry.image("app"), &anonymous()).await.is_err());
}
