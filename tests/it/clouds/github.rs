//! Tokens of a GitHub App, from a server that answers as GitHub's reference says.

use super::*;
use crate::registry::tls;
use futures::future::join_all;
use highwater::adapters::cloud::AppWay;
use highwater::domain::cloud::git::GitLogin;
use highwater::domain::github_app::GitHubApp;
use highwater::domain::redact::SafeUrl;

const KEY: &str = include_str!("keys/service-account.pem");
/// When a token ends that lasts.
const LATER: &str = "2120-01-01T00:00:00Z";

fn app(base: &str, key: &str, owner: Option<&str>) -> GitHubApp {
    let value = |name: &str| {
        let text = match name {
            "githubAppID" => "7",
            "githubAppPrivateKey" => key,
            "githubAppBaseURL" => base,
            "githubAppInstallationOwner" => owner?,
            "githubAppInstallationID" if owner.is_none() => "9",
            _ => return None,
        };
        Some(Secret::new(text.as_bytes().to_vec()))
    };
    GitHubApp::parse(&ObjectKey::new("apps", "app"), value).expect("it is whole")
}

fn token(number: usize, end: &str) -> Reply {
    reply(&format!(
        r#"{{"token":"planted-{number}","expires_at":"{end}"}}"#
    ))
    .status(201)
}

fn login(number: usize) -> GitLogin {
    GitLogin::Basic {
        username: "x-access-token".to_owned(),
        password: Secret::new(format!("planted-{number}")),
    }
}

/// GitHub, whose tokens are numbered and end then.
async fn github(end: &'static str) -> (FakeRegistry, String) {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = FakeRegistry::start(move |seen| match seen.target.as_str() {
        "/app/installations/9/access_tokens" => token(
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            end,
        ),
        _ => Reply::new(404, r#"{"message":"Not Found"}"#),
    })
    .await;
    let base = format!("http://{}", server.address());
    (server, base)
}

#[tokio::test]
async fn many_who_act_for_one_installation_ask_once_while_its_token_lasts() {
    let (server, base) = github(LATER).await;
    let logins = logins(&[]);
    let app = app(&base, KEY, None);
    let all = join_all((0..16).map(|_| logins.app(&app, AppWay::default()))).await;
    assert!(all.into_iter().all(|given| given == Ok(login(0))));
    let asked = server.seen("/app");
    assert_eq!(asked.len(), 1);
    let seen = &asked[0];
    assert_eq!(seen.header("accept"), "application/vnd.github+json");
    assert_eq!(seen.header("x-github-api-version"), "2022-11-28");
    let (header, claims, signed, signature) =
        token_parts(seen.header("authorization").trim_start_matches("Bearer "));
    assert_eq!(
        (header["alg"].as_str(), claims["iss"].as_str()),
        (Some("RS256"), Some("7"))
    );
    let now = jiff::Timestamp::now().as_second();
    let time = |name: &str| claims[name].as_i64().expect("a time");
    // GitHub takes no more than ten minutes, and no beginning in the future.
    assert!(time("iat") < now && time("exp") > now && time("exp") - time("iat") <= 600);
    assert!(is_signed(
        SignatureScheme::RSA_PKCS1_SHA256,
        &signed,
        &signature
    ));
    logins.refused_token(&Secret::new("planted-0".to_owned()));
    assert_eq!(logins.app(&app, AppWay::default()).await, Ok(login(1)));
}

#[tokio::test]
async fn a_token_that_is_about_to_end_is_not_kept() {
    let (server, base) = github("2020-01-01T00:00:00Z").await;
    let logins = logins(&[]);
    let app = app(&base, KEY, None);
    for number in 0..3 {
        assert_eq!(logins.app(&app, AppWay::default()).await, Ok(login(number)));
    }
    assert_eq!(server.seen("/app").len(), 3);
}

#[tokio::test]
async fn what_github_refuses_is_told_in_its_words_without_what_it_was_sent() {
    let server = FakeRegistry::start(|seen| {
        let words = format!(
            "A JSON web token could not be decoded: {}",
            seen.header("authorization")
        );
        reply(&serde_json::json!({"message": words}).to_string()).status(401)
    })
    .await;
    let base = format!("http://{}", server.address());
    let logins = logins(&[]);
    for owner in [None, Some("acme")] {
        let error = logins.app(&app(&base, KEY, owner), AppWay::default()).await;
        let told = error.expect_err("it refuses").to_string();
        assert!(told.contains("of the GitHub App 7) answered 401: A JSON web token could not be decoded: Bearer ***"), "{told}");
    }
    let error = logins
        .app(&app(&base, "planted-key", None), AppWay::default())
        .await;
    let told = error.expect_err("it is no key").to_string();
    assert_eq!(told, "could not parse private key: it is no RSA key in PEM");
    let (server, base) = github(LATER).await;
    let error = logins
        .app(&app(&base, KEY, Some("acme")), AppWay::default())
        .await;
    let told = error.expect_err("nobody installed it").to_string();
    assert!(
        told.ends_with("(an installation of the GitHub App 7) answered 404: Not Found"),
        "{told}"
    );
    assert_eq!(
        (
            server.seen("/orgs/acme/").len(),
            server.seen("/users/acme/").len()
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_github_of_ones_own_is_trusted_by_its_authority_and_reached_by_a_proxy() {
    let server = FakeRegistry::start_tls(tls::server(false), |_| token(0, LATER));
    let base = format!("https://{}", server.address());
    let logins = logins(&[]);
    let app_there = app(&base, KEY, None);
    assert!(logins.app(&app_there, AppWay::default()).await.is_err());
    let way = AppWay {
        authorities: Some(include_bytes!("../registry/certificates/ca.pem")),
        ..AppWay::default()
    };
    assert_eq!(logins.app(&app_there, way).await, Ok(login(0)));
    let proxy = FakeRegistry::start(|seen| {
        assert_eq!(
            seen.target,
            "http://github.invalid/api/v3/app/installations/9/access_tokens"
        );
        token(5, LATER)
    })
    .await;
    let url = SafeUrl::parse(&format!("http://{}", proxy.address())).expect("a URL");
    let way = AppWay {
        proxy: Some(&url),
        ..AppWay::default()
    };
    let far = app("http://github.invalid/api/v3/", KEY, None);
    assert_eq!(logins.app(&far, way).await, Ok(login(5)));
}
