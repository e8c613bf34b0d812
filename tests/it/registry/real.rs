//! The real distribution registry.

use super::{anonymous, list, login, shown};
use crate::support::registry_server::{PASSWORD, RegistryServer, USER, docker_config};
use crate::support::token_server::{self, TokenServer, refresh_token};
use highwater::adapters::registry::{Access, ErrorClass, RegistryClient};
use highwater::domain::docker_config::{Credentials, DockerConfig};
use highwater::domain::image::ImageName;
use highwater::domain::redact::Secret;

fn image(registry: &RegistryServer, repository: &str) -> ImageName {
    ImageName::parse(&registry.image(repository)).expect("a name")
}

#[tokio::test]
async fn two_thousand_five_hundred_tags_come_in_three_pages() {
    let registry = RegistryServer::start();
    let mut tags: Vec<_> = (0..2_500).map(|number| format!("1.0.{number}")).collect();
    registry.push_tags("team/app", &tags, "seed").await;
    let listing = list(&image(&registry, "team/app"), &anonymous())
        .await
        .expect("a list");
    tags.sort_unstable_by(|left, right| right.cmp(left));
    assert!(listing.tags.iter().eq(tags.iter().map(String::as_str)));
    assert_eq!((listing.pages, listing.sent), (3, 2_500));
}

#[tokio::test]
async fn a_password_is_needed_where_the_registry_wants_one() {
    let registry = RegistryServer::with_password();
    let digest = registry.push("team/app", "1.0", "seed").await;
    let image = image(&registry, "team/app");
    let client = RegistryClient::new();
    let right = login(USER, PASSWORD);
    let listing = client
        .list_tags(&image, &right, &|_| true)
        .await
        .expect("a list");
    assert_eq!(shown(&listing), "1.0");
    let found = client
        .resolve_digest(&image, "1.0", &right)
        .await
        .expect("a digest");
    assert_eq!(found, digest);
    for access in [anonymous(), login(USER, "wrong"), login("nobody", PASSWORD)] {
        let error = client
            .list_tags(&image, &access, &|_| true)
            .await
            .expect_err("refused");
        assert_eq!(error.class(), ErrorClass::Authentication, "{error}");
        assert!(!error.to_string().contains(PASSWORD));
    }
}

#[tokio::test]
async fn tokens_of_its_server_open_a_registry_for_passwords_and_for_identity_tokens() {
    let tokens = TokenServer::start().await;
    let registry = token_server::registry(&tokens.realm(), "team/app");
    let digest = registry.push("team/app", "1.0", "seed").await;
    let image = image(&registry, "team/app");
    let identity = Access {
        credentials: Credentials::IdentityToken(Secret::new(refresh_token())),
        ..anonymous()
    };
    for (access, method) in [(login(USER, PASSWORD), "GET"), (identity, "POST")] {
        let client = RegistryClient::new();
        let listing = client.list_tags(&image, &access, &|_| true).await;
        assert_eq!(shown(&listing.expect("a list")), "1.0");
        let found = client.resolve_digest(&image, "1.0", &access).await;
        assert_eq!(found.as_ref(), Ok(&digest));
        let seen = tokens.seen();
        let asked = seen.last().expect("the token server was asked");
        assert_eq!(asked.method, method);
        assert!(!asked.target.contains("planted"), "{}", asked.target);
    }
    assert_eq!(
        tokens.seen().len(),
        2,
        "one token serves for both questions"
    );
    for access in [anonymous(), login(USER, "wrong")] {
        let error = RegistryClient::new()
            .list_tags(&image, &access, &|_| true)
            .await
            .expect_err("refused");
        assert_eq!(error.class(), ErrorClass::Authentication, "{error}");
    }
}

#[tokio::test]
async fn the_login_of_a_docker_config_is_found_and_used() {
    let registry = RegistryServer::with_password();
    registry.push("app", "1.0", "seed").await;
    let image = image(&registry, "app");
    let config = docker_config(registry.address());
    let config = DockerConfig::parse(config.as_bytes()).expect("a docker config");
    let access = Access {
        credentials: config.credentials_for(image.canonical()),
        ..anonymous()
    };
    assert_eq!(shown(&list(&image, &access).await.expect("a list")), "1.0");
}

#[tokio::test]
async fn digests_are_those_of_what_was_pushed() {
    let registry = RegistryServer::start();
    let manifest = registry.push("app", "1.0", "one").await;
    let index = registry
        .push_index("app", "2.0", "two", &["linux/amd64", "linux/arm64"])
        .await;
    let image = image(&registry, "app");
    let client = RegistryClient::new();
    for (tag, digest) in [("1.0", manifest), ("2.0", index)] {
        let found = client.resolve_digest(&image, tag, &anonymous()).await;
        assert_eq!(found.expect("a digest"), digest);
    }
}

#[tokio::test]
async fn what_is_missing_is_not_found() {
    let registry = RegistryServer::start();
    registry.push("app", "1.0", "seed").await;
    let client = RegistryClient::new();
    let error = list(&image(&registry, "absent"), &anonymous())
        .await
        .expect_err("no such repository");
    assert_eq!(error.class(), ErrorClass::NotFound);
    assert!(error.to_string().contains("NAME_UNKNOWN"), "{error}");
    let missing = client
        .resolve_digest(&image(&registry, "app"), "9.9", &anonymous())
        .await;
    assert_eq!(
        missing.expect_err("no such tag").class(),
        ErrorClass::NotFound
    );
}
