//! Amazon's IAM Identity Center: the token that `aws sso login` leaves, the keys that it is good for, and its renewal.

use super::aws::{END, HOST, KEY, asking, is_signed, login_answer};
use super::{as_process, basic};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use highwater::adapters::cloud::CloudError;
use highwater::domain::cloud::Provider;
use highwater::domain::docker_config::Credentials;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// `sha1sum` of the session's name, and of the page.
const OF_SESSION: &str = "0ad374308c5a4e22f723adf10145eafad7c4031c.json";
const OF_PAGE: &str = "40169cea58ca6cbf23fb27b2542923fb5f524af0.json";
const SESSION: &str = "[default]\nsso_session = my-sso\nsso_account_id = 123456789012\nsso_role_name = reader & writer\n\
    [sso-session my-sso]\nsso_region = eu-central-1\nsso_start_url = https://acme.awsapps.com/start\n";
const LEGACY: &str = "[default]\nsso_start_url = https://acme.awsapps.com/start\nsso_region = eu-central-1\n\
    sso_account_id = 123456789012\nsso_role_name = reader & writer\n";
const PAST: &str = "2020-01-01T00:00:00Z";

fn amazon(seen: &Seen) -> Reply {
    let path = seen.target.split('?').next().unwrap_or_default();
    match (seen.method.as_str(), path) {
        ("GET", "/federation/credentials") => match seen.header("x-amz-sso_bearer_token") {
            "planted-token" | "planted-renewed" => Reply::json(&json!({"roleCredentials": {
                "accessKeyId": "ASIAEXAMPLE", "secretAccessKey": KEY, "sessionToken": "t",
                "expiration": 4_733_510_400_000_i64,
            }})),
            _ => Reply::json(&json!({"message": "Session token not found or invalid", "__type": "UnauthorizedException"})).status(401),
        },
        ("POST", "/token") => {
            let asked: Value = serde_json::from_str(&seen.body).expect("JSON");
            match asked["refreshToken"].as_str() {
                Some("planted-refresh") => Reply::json(&json!({
                    "accessToken": "planted-renewed", "tokenType": "Bearer", "expiresIn": 28_800, "refreshToken": "planted-next",
                })),
                _ => Reply::json(&json!({"error": "invalid_grant", "error_description": "Invalid refresh token provided"})).status(400),
            }
        }
        _ if is_signed(seen, KEY, "eu-west-1", "ecr") => login_answer(false),
        _ => Reply::new(404, ""),
    }
}

/// A person's home, with a profile and perhaps a token.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join(".aws/sso/cache")).expect("the folder is ours");
        fs::write(folder.path().join(".aws/config"), config).expect("the folder is ours");
        Self { folder }
    }

    fn token(&self, file: &str, content: &Value) -> PathBuf {
        let path = self.folder.path().join(".aws/sso/cache").join(file);
        fs::write(&path, content.to_string()).expect("the folder is ours");
        path
    }

    /// The login of a person who lives here.
    async fn login(&self, fake: &FakeRegistry) -> Result<Credentials, CloudError> {
        let home = self.folder.path().display().to_string();
        as_process(&asking(fake, &[("HOME", &home)]), Provider::Aws, HOST).await
    }

    /// What is said when there is no login.
    async fn refusal(&self, fake: &FakeRegistry) -> String {
        let words = self.login(fake).await.expect_err("no login").to_string();
        assert!(!words.contains("planted"), "{words}");
        words
    }
}

fn token(end: &str) -> Value {
    json!({"startUrl": "https://acme.awsapps.com/start", "region": "eu-central-1", "accessToken": "planted-token", "expiresAt": end})
}

fn renewable(end: &str, refresh: &str) -> Value {
    let mut token = token(end);
    token["clientId"] = json!("client-1");
    token["clientSecret"] = json!("planted-client");
    token["refreshToken"] = json!(refresh);
    token
}

#[tokio::test]
async fn a_token_of_a_session_or_of_a_page_is_good_for_keys() {
    for (config, file) in [(SESSION, OF_SESSION), (LEGACY, OF_PAGE)] {
        let home = Home::new(config);
        home.token(file, &token(END));
        let fake = FakeRegistry::start(amazon).await;
        assert_eq!(
            home.login(&fake).await,
            Ok(basic("AWS", "registry-password"))
        );
        let seen = fake.seen("/");
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].query("account_id"), "123456789012");
        assert_eq!(seen[0].query("role_name"), "reader & writer");
        assert_eq!(
            seen[0].header("authorization"),
            "",
            "the token signs nothing"
        );
        assert_eq!(seen[1].header("x-amz-security-token"), "t");
    }
}

#[tokio::test]
async fn a_role_is_assumed_with_the_keys_of_a_login() {
    let role =
        "[profile deploy]\nrole_arn = arn:aws:iam::2:role/deploy\nsource_profile = default\n";
    let home = Home::new(&format!("{SESSION}{role}"));
    home.token(OF_SESSION, &token(END));
    let fake = FakeRegistry::start(|seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", "/") if seen.header("x-amz-target").is_empty() => {
            match is_signed(seen, KEY, "eu-west-1", "sts") {
                true => super::aws::role_answer(),
                false => Reply::new(403, ""),
            }
        }
        _ => amazon(seen),
    })
    .await;
    let folder = home.folder.path().display().to_string();
    let variables = [("HOME", folder.as_str()), ("AWS_PROFILE", "deploy")];
    let login = as_process(&asking(&fake, &variables), Provider::Aws, HOST).await;
    assert_eq!(login, Ok(basic("AWS", "registry-password")));
}

#[tokio::test]
async fn a_token_that_has_ended_is_renewed_and_its_file_stays_as_it_is() {
    let home = Home::new(SESSION);
    let content = renewable(PAST, "planted-refresh");
    let path = home.token(OF_SESSION, &content);
    let fake = FakeRegistry::start(amazon).await;
    assert_eq!(
        home.login(&fake).await,
        Ok(basic("AWS", "registry-password"))
    );
    let asked = &fake.seen("/token")[0];
    assert_eq!(asked.header("content-type"), "application/json");
    let body: Value = serde_json::from_str(&asked.body).expect("JSON");
    assert_eq!(
        body,
        json!({
            "clientId": "client-1", "clientSecret": "planted-client", "grantType": "refresh_token",
            "refreshToken": "planted-refresh",
        })
    );
    let used = fake.seen("/federation/")[0]
        .header("x-amz-sso_bearer_token")
        .to_owned();
    assert_eq!(used, "planted-renewed");
    let left = fs::read_to_string(path).expect("it is there");
    assert_eq!(left, content.to_string());
}

#[tokio::test]
async fn who_is_not_logged_in_is_told_how_to() {
    let fake = FakeRegistry::start(amazon).await;
    let home = Home::new(SESSION);
    let words = home.refusal(&fake).await;
    assert!(words.contains("nobody is logged in: `"), "{words}");
    assert!(
        words.ends_with(&format!(
            "/.aws/sso/cache/{OF_SESSION}` is not there\nhint: run `aws sso login`"
        )),
        "{words}"
    );

    home.token(OF_SESSION, &token(PAST));
    let words = home.refusal(&fake).await;
    assert!(
        words.ends_with("` ended at 2020-01-01T00:00:00Z\nhint: run `aws sso login`"),
        "{words}"
    );

    home.token(OF_SESSION, &renewable(PAST, "planted-old"));
    let words = home.refusal(&fake).await;
    assert!(
        words.contains(" and cannot be renewed: ")
            && words.contains("invalid_grant: Invalid refresh token provided"),
        "{words}"
    );
    assert!(words.ends_with("\nhint: run `aws sso login`"), "{words}");

    home.token(
        OF_SESSION,
        &json!({"accessToken": "planted-taken-back", "expiresAt": END}),
    );
    let words = home.refusal(&fake).await;
    assert!(
        words.contains("answered 401: UnauthorizedException: Session token not found or invalid"),
        "{words}"
    );
    assert!(words.ends_with("\nhint: run `aws sso login`"), "{words}");

    // Without a session there is nothing to renew it by, whatever the file holds.
    let home = Home::new(LEGACY);
    home.token(OF_PAGE, &renewable(PAST, "planted-refresh"));
    let words = home.refusal(&fake).await;
    assert!(
        words.ends_with("` ended at 2020-01-01T00:00:00Z\nhint: run `aws sso login`"),
        "{words}"
    );
    assert_eq!(fake.seen("/token").len(), 1);
}

#[tokio::test]
async fn a_file_without_a_token_is_told_with_its_name_and_not_its_content() {
    let fake = FakeRegistry::start(amazon).await;
    let home = Home::new(SESSION);
    for content in [
        json!("planted"),
        json!({"accessToken": "planted"}),
        json!({"expiresAt": END}),
    ] {
        home.token(OF_SESSION, &content);
        let words = home.refusal(&fake).await;
        assert!(
            words.contains(OF_SESSION) && words.contains("holds no usable `"),
            "{words}"
        );
    }
}
