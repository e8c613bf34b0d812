//! How each forge is told who asks, and that nobody else is told.

use super::{FAKES, settings, token};
use crate::registry::tls::server;
use crate::support::fake_registry::{FakeRegistry, Reply};
use crate::support::forges::repository;
use highwater::adapters::forge::{ErrorClass, Forge, ForgeCredential, ForgeSettings, Proxy};
use highwater::domain::pull_request::forge::{ForgeKind, Repository};
use highwater::domain::redact::{SafeUrl, Secret};

const SECRET: &str = "planted-secret-0815";

fn all() -> impl Iterator<Item = ForgeKind> {
    [ForgeKind::Gitea].into_iter().chain(FAKES)
}

#[tokio::test]
async fn each_forge_is_told_in_its_own_way_who_asks() {
    let basic = ForgeCredential::Basic {
        username: "jane".to_owned(),
        password: Secret::new(SECRET.to_owned()),
    };
    let bearer = ForgeCredential::Bearer(Secret::new(SECRET.to_owned()));
    // `jane:planted-secret-0815` and `:planted-secret-0815` in base64.
    let (as_jane, as_nobody) = (
        "Basic amFuZTpwbGFudGVkLXNlY3JldC0wODE1",
        "Basic OnBsYW50ZWQtc2VjcmV0LTA4MTU=",
    );
    for kind in all() {
        let by_token = match kind {
            ForgeKind::GitLab => ("private-token", SECRET.to_owned()),
            ForgeKind::Gitea => ("authorization", format!("token {SECRET}")),
            ForgeKind::Azure => ("authorization", as_nobody.to_owned()),
            _ => ("authorization", format!("Bearer {SECRET}")),
        };
        for (credential, (field, expected)) in [
            (token(SECRET), by_token),
            (basic.clone(), ("authorization", as_jane.to_owned())),
            (
                bearer.clone(),
                ("authorization", format!("Bearer {SECRET}")),
            ),
            (ForgeCredential::None, ("authorization", String::new())),
        ] {
            let server = FakeRegistry::start(|_| Reply::new(404, "")).await;
            let repository = repository(kind, &server.address());
            let forge = Forge::connect(repository, credential, settings()).expect("it can work");
            let error = forge.get(1).await.expect_err("nothing is there");
            assert_eq!(error.class, ErrorClass::NotFound, "{kind:?}: {error}");
            let seen = &server.seen("/")[0];
            assert_eq!(seen.header(field), expected, "{kind:?}");
            assert!(
                seen.header("user-agent").starts_with("highwater/"),
                "{kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_credential_is_never_shown_and_never_sent_elsewhere() {
    for kind in all() {
        let elsewhere = FakeRegistry::start(|_| Reply::new(200, "{}")).await;
        let other = format!("http://{}/login", elsewhere.address());
        // It says what it was told, in its words, in a redirect and in the body.
        let server = FakeRegistry::start(move |seen| {
            let told = format!(
                "{}{}",
                seen.header("authorization"),
                seen.header("private-token")
            );
            match seen.target.contains("42") {
                true => Reply::new(302, "").header("location", &other),
                false => Reply::json(
                    &serde_json::json!({"message": told, "errors": [{"message": told}]}),
                )
                .status(400),
            }
        })
        .await;
        let repository = repository(kind, &server.address());
        let forge = Forge::connect(repository, token(SECRET), settings()).expect("it can work");
        let refused = forge.get(1).await.expect_err("it is refused");
        let redirected = forge.get(42).await.expect_err("it leads elsewhere");
        for error in [refused, redirected] {
            for shown in [error.to_string(), format!("{error:?}")] {
                assert!(
                    !shown.contains(SECRET) && !shown.contains("OnBsYW50ZWQ"),
                    "{kind:?}: {shown}"
                );
            }
            assert!(error.to_string().contains("127.0.0.1"), "{kind:?}: {error}");
        }
        assert_eq!(elsewhere.seen("/").len(), 0, "{kind:?}");
        let credential = format!("{:?}", token(SECRET));
        assert!(!credential.contains(SECRET), "{credential}");
    }
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_for_what_only_reads() {
    for kind in all() {
        let server = FakeRegistry::start(|seen| match seen.target.as_str() {
            target if target.contains("moved") => Reply::new(404, ""),
            target => Reply::new(301, "").header("location", format!("/moved{target}")),
        })
        .await;
        let repository = repository(kind, &server.address());
        let forge = Forge::connect(repository, token(SECRET), settings()).expect("it can work");
        let error = forge.get(1).await.expect_err("nothing is there");
        assert_eq!(error.class, ErrorClass::NotFound, "{kind:?}: {error}");
        assert_eq!(server.seen("/moved").len(), 1, "{kind:?}");
        let error = forge.comment(1, "text").await.expect_err("it has moved");
        assert!(error.to_string().contains("moved"), "{kind:?}: {error}");
        assert_eq!(
            server.seen("/moved").len(),
            1,
            "{kind:?}: nothing was said there"
        );
    }
}

#[tokio::test]
async fn a_proxy_is_gone_through() {
    let proxy = FakeRegistry::start(|_| Reply::new(404, "")).await;
    let settings = ForgeSettings {
        proxy: Some(Proxy {
            url: SafeUrl::parse(&format!("http://{}", proxy.address())).expect("a URL"),
            credentials: Some(("p".to_owned(), Secret::new("q".to_owned()))),
        }),
        ..settings()
    };
    for kind in all() {
        let repository = repository(kind, "forge.example");
        let forge = Forge::connect(repository, token(SECRET), settings.clone());
        let error = forge
            .expect("it can work")
            .get(1)
            .await
            .expect_err("nothing is there");
        assert_eq!(error.class, ErrorClass::NotFound, "{kind:?}: {error}");
    }
    let seen = proxy.seen("http://forge.example/");
    assert_eq!(seen.len(), all().count());
    assert!(
        seen.iter()
            .all(|seen| seen.header("proxy-authorization") == "Basic cDpx")
    );
}

#[tokio::test]
async fn a_forge_with_its_own_authority_needs_that_authority() {
    let authority = include_bytes!("../registry/certificates/ca.pem");
    for kind in all() {
        let server = FakeRegistry::start_tls(server(false), |_| Reply::new(404, ""));
        let mut repository = repository(kind, &server.address());
        repository
            .api
            .set_scheme("https")
            .expect("http becomes https");
        for (certificate_authority, expected) in [
            (Some(authority.to_vec()), ErrorClass::NotFound),
            (None, ErrorClass::Unavailable),
        ] {
            let trusted = certificate_authority.is_some();
            let settings = ForgeSettings {
                certificate_authority,
                ..settings()
            };
            let forge = Forge::connect(repository.clone(), token(SECRET), settings);
            let error = forge
                .expect("it can work")
                .get(1)
                .await
                .expect_err("nothing is there");
            assert_eq!(error.class, expected, "{kind:?}: {error}");
            let hint = "hint: name the forge's certificate authority";
            assert_eq!(
                error.to_string().contains(hint),
                !trusted,
                "{kind:?}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let fine = |kind| repository(kind, "127.0.0.1:1");
    let with_path = |kind, path: &str| Repository {
        path: path.to_owned(),
        ..fine(kind)
    };
    for (repository, credential, words) in [
        (
            with_path(ForgeKind::GitHub, "fleet"),
            token("x"),
            "not the path of a repository",
        ),
        (
            with_path(ForgeKind::GitHub, "a/b/c"),
            token("x"),
            "expected `owner/name`",
        ),
        (
            with_path(ForgeKind::Gitea, "a/../b"),
            token("x"),
            "not the path of a repository",
        ),
        (
            with_path(ForgeKind::GitLab, "a//b"),
            token("x"),
            "not the path of a repository",
        ),
        (
            with_path(ForgeKind::Azure, "a/b"),
            token("x"),
            "expected `organization/project/name`",
        ),
        (
            fine(ForgeKind::Gitea),
            token("x\nhost: evil"),
            "the credential cannot stand in a request",
        ),
    ] {
        let error = Forge::connect(repository, credential, settings()).err();
        let error = error.expect("it cannot work");
        assert_eq!(error.class, ErrorClass::Refused);
        assert!(error.to_string().contains(words), "{error}");
    }
    let settings = ForgeSettings {
        certificate_authority: Some(b"nonsense".to_vec()),
        ..settings()
    };
    let error = Forge::connect(fine(ForgeKind::Gitea), token("x"), settings).err();
    let error = error.expect("it cannot work").to_string();
    assert!(
        error.contains("the CA certificate cannot be used"),
        "{error}"
    );
}
