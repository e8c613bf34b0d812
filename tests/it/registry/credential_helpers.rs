//! docker's credential helpers, played by scripts.

use super::PATIENCE;
use highwater::adapters::registry::{CredentialHelper, CredentialHelperError};
use highwater::domain::docker_config::Credentials;
use highwater::domain::redact::Secret;
use std::time::Duration;

fn helper(name: &str) -> CredentialHelper {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/registry/helpers");
    let path = format!("{folder}:/usr/local/bin:/usr/bin:/bin");
    CredentialHelper::new(name)
        .expect("a name")
        .in_path(path.into())
}

#[tokio::test]
async fn a_helper_gives_the_login_of_the_registry() {
    for (registry, server) in [
        ("ghcr.io", "ghcr.io"),
        ("localhost:5000", "localhost:5000"),
        ("index.docker.io", "https://index.docker.io/v1/"),
    ] {
        let login = helper("hw-good")
            .ask(registry, PATIENCE)
            .await
            .expect("a login");
        let expected = Credentials::Basic {
            username: "fleet".to_owned(),
            password: Secret::new(format!("for {server}")),
        };
        assert_eq!(login, expected);
    }
    let login = helper("hw-token")
        .ask("ghcr.io", PATIENCE)
        .await
        .expect("a login");
    assert_eq!(
        login,
        Credentials::IdentityToken(Secret::new("refresh".to_owned()))
    );
}

#[tokio::test]
async fn no_login_is_anonymous() {
    let login = helper("hw-none")
        .ask("ghcr.io", PATIENCE)
        .await
        .expect("an answer");
    assert_eq!(login, Credentials::Anonymous);
}

#[tokio::test]
async fn failures_name_the_helper_and_never_what_it_printed() {
    let error = helper("hw-broken")
        .ask("ghcr.io", PATIENCE)
        .await
        .expect_err("broken");
    assert_eq!(
        error.to_string(),
        "`docker-credential-hw-broken get` failed (exit status: 3)\nhint: run it by hand to see why"
    );
    let error = helper("hw-chatty")
        .ask("ghcr.io", PATIENCE)
        .await
        .expect_err("chatty");
    assert!(!format!("{error:?} {error}").contains("hunter2"));
    let error = helper("hw-absent")
        .ask("ghcr.io", PATIENCE)
        .await
        .expect_err("absent");
    assert!(matches!(error, CredentialHelperError::Start { .. }));
}

#[tokio::test]
async fn a_helper_that_waits_for_somebody_is_ended() {
    let error = helper("hw-slow")
        .ask("ghcr.io", Duration::from_millis(100))
        .await
        .expect_err("slow");
    assert!(matches!(error, CredentialHelperError::Timeout { .. }));
}

#[test]
fn names_that_could_lead_elsewhere_are_refused() {
    for name in ["", "../x", "a/b", "a b", "a\0b"] {
        assert!(matches!(
            CredentialHelper::new(name),
            Err(CredentialHelperError::Name { .. })
        ));
    }
}
