//! Google's external accounts: tokens from servers, programs and Amazon's keys.

use super::aws::{KEY, SESSION, instance_answer, is_signed};
use super::google::{EMAIL, HOST, asking, google};
use super::{CLUSTER_TOKEN, as_process, basic, form, program};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use highwater::domain::cloud::Provider;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use tempfile::TempDir;
use url::Url;

const ALLOW: (&str, &str) = ("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");

/// A folder with an external account's file.
struct Account {
    folder: TempDir,
}

impl Account {
    fn new(fake: &FakeRegistry, source: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("http://{}", fake.address());
        let file = json!({
            "type": "external_account", "audience": "//iam.googleapis.com/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": format!("{url}/v1/token"),
            "service_account_impersonation_url": format!("{url}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"),
            "credential_source": source,
        });
        let path = folder.path().join("account.json");
        fs::write(path, file.to_string()).expect("the folder is ours");
        Self { folder }
    }

    /// The token that was exchanged for the login, or why there is no login.
    async fn token(&self, fake: &FakeRegistry, more: &[(&str, &str)]) -> Result<String, String> {
        let path = self
            .folder
            .path()
            .join("account.json")
            .display()
            .to_string();
        let own = [("GOOGLE_APPLICATION_CREDENTIALS", path.as_str())];
        let before = fake.seen("/v1/token").len();
        let login = as_process(
            &asking(fake, &[&own[..], more].concat()),
            Provider::Gcp,
            HOST,
        )
        .await;
        let login = login.map_err(|error| error.to_string())?;
        assert_eq!(login, basic("oauth2accesstoken", "acting-token"));
        let sent = form(&fake.seen("/v1/token")[before]);
        assert_eq!(sent["audience"], "//iam.googleapis.com/x");
        Ok(sent["subject_token"].clone())
    }
}

/// The token of an account with this source, at a Google that also answers as `more` does.
async fn token(
    source: impl Fn(&str) -> Value,
    more: fn(&Seen) -> Option<Reply>,
    variables: &[(&str, &str)],
) -> (Result<String, String>, FakeRegistry) {
    let fake = FakeRegistry::start(move |seen| more(seen).unwrap_or_else(|| google(seen))).await;
    let account = Account::new(&fake, &source(&format!("http://{}", fake.address())));
    let found = account.token(&fake, variables).await;
    if let Err(words) = &found {
        assert!(!words.contains("planted"), "{words}");
    }
    (found, fake)
}

fn nothing_more(_: &Seen) -> Option<Reply> {
    None
}

#[tokio::test]
async fn a_server_gives_the_token_as_text_or_in_a_field() {
    fn serves(seen: &Seen) -> Option<Reply> {
        let allowed = seen.header("x-key") == "planted-key";
        match seen.target.as_str() {
            "/text" if allowed => Some(Reply::new(200, format!("{CLUSTER_TOKEN}\n"))),
            "/json?resource=a%20b" if allowed => {
                Some(Reply::json(&json!({"access_token": CLUSTER_TOKEN})))
            }
            _ => None,
        }
    }
    let headers = json!({"X-Key": "planted-key"});
    let json = json!({"type": "json", "subject_token_field_name": "access_token"});
    for (path, format) in [
        ("/text", json!({"type": "text"})),
        ("/text", Value::Null),
        ("/json?resource=a%20b", json),
    ] {
        let source = |url: &str| json!({"url": format!("{url}{path}"), "headers": headers, "format": format});
        let (found, fake) = token(source, serves, &[]).await;
        assert_eq!(found.as_deref(), Ok(CLUSTER_TOKEN));
        assert_eq!(fake.seen(path)[0].method, "GET");
    }
}

#[tokio::test]
async fn an_account_may_name_its_project_its_program_and_how_long_it_acts() {
    let token = tempfile::NamedTempFile::new().expect("a file");
    fs::write(token.path(), CLUSTER_TOKEN).expect("the file is ours");
    let program = json!({"client_id": "client-1", "client_secret": "planted-client"});
    for (more, authorization, options) in [
        (
            json!({"workforce_pool_user_project": "acme"}),
            "",
            Some(r#"{"userProject":"acme"}"#),
        ),
        // As curl -u writes it.
        (program, "Basic Y2xpZW50LTE6cGxhbnRlZC1jbGllbnQ=", None),
    ] {
        let fake = FakeRegistry::start(google).await;
        let account = Account::new(&fake, &json!({"file": token.path()}));
        let path = account.folder.path().join("account.json");
        let file = fs::read_to_string(&path).expect("it is there");
        let mut file: Value = serde_json::from_str(&file).expect("JSON");
        for (name, value) in more.as_object().expect("an object") {
            file[name] = value.clone();
        }
        file["service_account_impersonation"] = json!({"token_lifetime_seconds": 1_800});
        fs::write(&path, file.to_string()).expect("the folder is ours");
        assert_eq!(
            account.token(&fake, &[]).await.as_deref(),
            Ok(CLUSTER_TOKEN)
        );
        let asked = &fake.seen("/v1/token")[0];
        assert_eq!(asked.header("authorization"), authorization);
        assert_eq!(form(asked).get("options").map(String::as_str), options);
        let acts: Value = serde_json::from_str(&fake.seen("/v1/projects/")[0].body).expect("JSON");
        assert_eq!(acts["lifetime"], "1800s");
    }
}

#[tokio::test]
async fn a_server_that_gives_no_token_is_told_without_what_it_was_sent() {
    fn refuses(seen: &Seen) -> Option<Reply> {
        let words =
            json!({"error": "invalid_request", "error_description": "planted-key is no key"});
        match seen.target.as_str() {
            "/no" => Some(Reply::json(&words).status(400)),
            "/empty" => Some(Reply::new(200, "\n")),
            _ => None,
        }
    }
    for (path, expected) in [
        (
            "/no",
            " (the external account's token) answered 400: invalid_request: *** is no key",
        ),
        (
            "/empty",
            " (the external account's token): the answer holds no usable `subject token`",
        ),
    ] {
        let source =
            |url: &str| json!({"url": format!("{url}{path}"), "headers": {"X-Key": "planted-key"}});
        let (found, _) = token(source, refuses, &[]).await;
        let words = found.expect_err("there is no token");
        assert!(words.ends_with(expected), "{words}");
    }
    for (source, expected) in [
        (
            json!({"url": "http://tokens.example/x"}),
            "`tokens.example` is not on this machine, so expected https",
        ),
        (
            json!({"url": "file:///etc/passwd"}),
            "expected a URL of http or https",
        ),
        (
            json!({"url": "http://127.0.0.1:1/", "headers": {"a b": "c"}}),
            "cannot stand in a request",
        ),
        (json!({}), "holds no usable `credential_source`"),
    ] {
        let (found, _) = token(|_| source.clone(), nothing_more, &[]).await;
        let words = found.expect_err("it is not asked");
        assert!(words.ends_with(expected), "{words}");
    }
}

#[tokio::test]
async fn a_program_gives_the_token_where_the_environment_allows_it() {
    let command = program("google-token");
    let source = |_: &str| json!({"executable": {"command": format!("{command} good"), "timeout_millis": 60_000}});
    let (found, _) = token(source, nothing_more, &[ALLOW]).await;
    assert_eq!(found.as_deref(), Ok("planted-printed"));
    for more in [&[][..], &[(ALLOW.0, "0")], &[(ALLOW.0, "true")]] {
        let (found, _) = token(source, nothing_more, more).await;
        let words = found.expect_err("it is not allowed");
        let expected = "`GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES`: it is not `1`, so no program is started for the file of `GOOGLE_APPLICATION_CREDENTIALS`";
        assert!(words.ends_with(expected), "{words}");
    }
}

#[tokio::test]
async fn what_a_program_left_in_its_file_counts_until_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("answer.json");
    let path = file.display().to_string();
    let command = format!("{} good {path}", program("google-token"));
    let source = |_: &str| json!({"executable": {"command": command, "output_file": path}});
    let answer = |token: &str, end: i64| json!({"version": 1, "success": true, "token_type": "urn:ietf:params:oauth:token-type:jwt", "id_token": token, "expiration_time": end});
    let failure = json!({"version": 1, "success": false, "code": "1", "message": "m"});
    for (content, expected) in [
        (None, Ok("planted-printed")),
        (Some(String::new()), Ok("planted-printed")),
        (Some(failure.to_string()), Ok("planted-printed")),
        (
            Some(answer("planted-kept", 1_600_000_000).to_string()),
            Ok("planted-printed"),
        ),
        (
            Some(answer("planted-kept", 4_733_510_400).to_string()),
            Ok("planted-kept"),
        ),
        (
            Some("planted".to_owned()),
            Err("answer.json`: the answer is not JSON"),
        ),
    ] {
        if let Some(content) = &content {
            fs::write(&file, content).expect("the folder is ours");
        }
        let (found, _) = token(source, nothing_more, &[ALLOW]).await;
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{content:?}"),
            (Err(words), Err(expected)) => assert!(words.ends_with(expected), "{words}"),
            other => panic!("{content:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_program_without_a_token_is_told_by_what_it_says_for_itself() {
    let command = program("google-token");
    let place =
        format!("`{command}` (the executable of the file of `GOOGLE_APPLICATION_CREDENTIALS`)");
    for (word, expected) in [
        (
            "no",
            format!("{place} said: 401: Caller not authorized.\nhint: run it by hand to see why"),
        ),
        ("words", format!("{place}: the answer is not JSON")),
        (
            "none",
            format!("{place} failed (exit status: 5)\nhint: run it by hand to see why"),
        ),
    ] {
        let source = |_: &str| json!({"executable": {"command": format!("{command} {word}")}});
        let (found, _) = token(source, nothing_more, &[ALLOW]).await;
        let words = found.expect_err("there is no token");
        assert!(words.ends_with(&expected), "{words}");
    }
}

/// The request that a token stands for, with its signature checked against the keys.
fn request_of(token: &str) -> Seen {
    let encoded = format!("x={token}");
    let (_, text) = url::form_urlencoded::parse(encoded.as_bytes())
        .next()
        .expect("one field");
    let request: Value = serde_json::from_str(&text).expect("JSON");
    let url = Url::parse(request["url"].as_str().expect("a text")).expect("a URL");
    let headers = request["headers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|header| {
            let text = |field: &str| header[field].as_str().expect("a text").to_owned();
            (text("key").to_ascii_lowercase(), text("value"))
        });
    let headers: HashMap<String, String> = headers.collect();
    assert_eq!(headers["host"], url.host_str().expect("a host"));
    assert_eq!(
        headers["x-goog-cloud-target-resource"],
        "//iam.googleapis.com/x"
    );
    let signed = format!(
        "{};",
        headers["authorization"]
            .split_once("SignedHeaders=")
            .expect("a list")
            .1
    );
    assert!(signed.contains("x-goog-cloud-target-resource"), "{signed}");
    Seen {
        method: request["method"].as_str().expect("a text").to_owned(),
        target: format!("{}?{}", url.path(), url.query().expect("a query")),
        headers,
        body: String::new(),
    }
}

const QUESTION: &str = "/?Action=GetCallerIdentity&Version=2011-06-15";

/// Where `gcloud iam workload-identity-pools create-cred-config --aws --enable-imdsv2` says that things are.
fn amazons(url: &str) -> Value {
    json!({
        "environment_id": "aws1", "region_url": format!("{url}/latest/meta-data/placement/availability-zone"),
        "url": format!("{url}/latest/meta-data/iam/security-credentials"),
        "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        "imdsv2_session_token_url": format!("{url}/latest/api/token"),
    })
}

#[tokio::test]
async fn amazons_keys_of_the_environment_sign_a_question_in_place_of_a_token() {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", KEY),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_REGION", "eu-central-1"),
    ];
    let (found, fake) = token(amazons, nothing_more, &variables).await;
    let request = request_of(&found.expect("a token"));
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", QUESTION)
    );
    assert_eq!(request.header("host"), "sts.eu-central-1.amazonaws.com");
    assert_eq!(request.header("x-amz-security-token"), "");
    assert!(is_signed(&request, KEY, "eu-central-1", "sts"));
    assert!(
        fake.seen("/latest/").is_empty(),
        "the metadata are not needed"
    );
}

/// The metadata of an instance of Amazon's.
fn metadata(seen: &Seen) -> Option<Reply> {
    if (seen.method.as_str(), seen.target.as_str()) == ("PUT", "/latest/api/token") {
        assert_eq!(seen.header("x-aws-ec2-metadata-token-ttl-seconds"), "300");
        return Some(Reply::new(200, "imds-token"));
    }
    let path = seen.target.strip_prefix("/latest/meta-data/")?;
    if seen.header("x-aws-ec2-metadata-token") != "imds-token" {
        return Some(Reply::new(401, ""));
    }
    match path {
        "placement/availability-zone" => Some(Reply::new(200, "eu-west-1b")),
        "iam/security-credentials" => Some(Reply::new(200, "node-role")),
        "iam/security-credentials/node-role" => Some(instance_answer()),
        _ => None,
    }
}

#[tokio::test]
async fn amazons_keys_of_the_instance_sign_it_where_the_environment_has_none() {
    let (found, fake) = token(amazons, metadata, &[]).await;
    let request = request_of(&found.expect("a token"));
    assert_eq!(request.target, QUESTION);
    assert_eq!(request.header("x-amz-security-token"), SESSION);
    assert!(is_signed(&request, KEY, "eu-west-1", "sts"));
    assert_eq!(fake.seen("/latest/").len(), 4);
}

#[tokio::test]
async fn nobody_but_amazon_gets_a_signature_and_nobody_but_the_node_is_asked_for_keys() {
    for (field, value, expected) in [
        (
            "environment_id",
            "aws2",
            "holds no usable `credential_source.environment_id`",
        ),
        (
            "regional_cred_verification_url",
            "https://iam.amazonaws.com?Action=CreateUser&UserName=x",
            "holds no usable `credential_source.regional_cred_verification_url`",
        ),
        (
            "url",
            "http://keys.example/x",
            "`keys.example` is not on this machine, so expected https",
        ),
        (
            "imdsv2_session_token_url",
            "http://keys.example/x",
            "`keys.example` is not on this machine, so expected https",
        ),
        (
            "region_url",
            "http://keys.example/x",
            "`keys.example` is not on this machine, so expected https",
        ),
        ("url", "", "holds no usable `credential_source.url`"),
        (
            "region_url",
            "",
            "holds no usable `credential_source.region_url`",
        ),
    ] {
        let source = |url: &str| {
            let mut source = amazons(url);
            source[field] = json!(value);
            source
        };
        let (found, _) = token(source, metadata, &[]).await;
        let words = found.expect_err("it is refused");
        assert!(words.ends_with(expected), "{words}");
    }
}
