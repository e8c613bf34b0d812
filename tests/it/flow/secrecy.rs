//! Credentials of every kind, used well and used wrongly, and then looked for wherever the program leaves traces.

use super::git_logins::source;
use super::{EAGER, fleet};
use crate::support::fake_registry::{FakeRegistry, Reply};
use crate::support::fleet::{Fleet, KINDS, PATIENCE};
use crate::support::git_http::{GitHttp, ServerAuth};
use crate::support::git_ssh::{GitSsh, KeyPair, Manners};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use std::path::Path;

const APP_KEY: &str = include_str!("../clouds/keys/service-account.pem");

/// A source, an automation of it, and the Secret of both, all called `name`.
async fn watched(fleet: &Fleet, name: &str, fields: serde_json::Value, secret: serde_json::Value) {
    fleet
        .apply("Secret", name, json!({"stringData": secret}))
        .await;
    let mut fields = fields;
    fields["secretRef"] = json!({"name": name});
    source(fleet, name, fields).await;
    fleet
        .apply(
            "ImageUpdateAutomation",
            name,
            fleet.automation(name, "apps/app"),
        )
        .await;
}

/// The middle of a private key, which stands nowhere else.
fn middle(pem: &str) -> String {
    let lines: Vec<&str> = pem.lines().collect();
    lines[lines.len() / 2].to_owned()
}

/// Every text and file that the program wrote, and the command line of every process of that name.
async fn traces(fleet: &mut Fleet) -> Vec<(String, Vec<u8>)> {
    let mut traces = Vec::new();
    for kind in KINDS.into_iter().chain(["Event", "Deployment"]) {
        let objects = json!(fleet.list(kind).await).to_string();
        traces.push((kind.to_owned(), objects.into_bytes()));
    }
    for process in std::fs::read_dir("/proc")
        .expect("the tests run on Linux")
        .flatten()
    {
        // Others use this machine too, and may speak of secrets as these tests do.
        if let Ok(line) = std::fs::read(process.path().join("cmdline"))
            && memchr::memmem::find(&line, b"highwater").is_some()
        {
            traces.push((process.path().display().to_string(), line));
        }
    }
    fleet.process().terminate(PATIENCE);
    traces.push(("the log".to_owned(), fleet.log().into_bytes()));
    files(fleet.storage(), &mut traces);
    traces
}

fn files(folder: &Path, traces: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        traces.push((
            "the name of a file".to_owned(),
            path.display().to_string().into_bytes(),
        ));
        match path.is_dir() {
            true => files(&path, traces),
            false => traces.push((
                path.display().to_string(),
                std::fs::read(&path).unwrap_or_default(),
            )),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_leaves_a_trace() {
    let mut fleet = fleet("secrecy").await;
    let (own, stranger) = (
        KeyPair::make(&["-t", "ed25519"], "planted-passphrase"),
        KeyPair::usual(),
    );
    let ssh = GitSsh::start(&fleet.repositories, &[&own]);
    ssh.behave(Manners::default());
    let bearer = GitHttp::start(
        &fleet.repositories,
        ServerAuth::Bearer("planted-bearer".into()),
    );
    let app = GitHttp::start(
        &fleet.repositories,
        ServerAuth::Basic("x-access-token".into(), "planted-app-token".into()),
    );
    let api = FakeRegistry::start(|seen| match seen.target.ends_with("/access_tokens") {
        true => Reply::json(
            &json!({"token": "planted-app-token", "expires_at": "2120-01-01T00:00:00Z"}),
        ),
        // It repeats what it was sent, as servers do in their errors.
        false => Reply::json(&json!({"message": seen.header("authorization")})).status(404),
    })
    .await;
    fleet.start(&[&EAGER[..], &["--log-level=debug"]].concat());
    fleet.application("app").await;
    let (ssh_url, known) = (ssh.url("fleet"), ssh.known_hosts());
    let other = ssh.known_host(&stranger.public);
    let with_key = |key: &KeyPair, passphrase: &str, known: &str| json!({"identity": key.private, "password": passphrase, "known_hosts": known});
    let with_app = |fields: serde_json::Value| {
        let mut secret = json!({
            "githubAppID": "7", "githubAppPrivateKey": APP_KEY, "githubAppBaseURL": format!("http://{}", api.address()),
        });
        for (field, value) in fields.as_object().expect("an object") {
            secret[field] = value.clone();
        }
        secret
    };
    let (http, basic_url) = (bearer.url("fleet"), fleet.git.url("fleet"));
    let in_url = basic_url.replace("http://", "http://planted-user:planted-url-password@");
    let github = json!({"url": app.url("fleet"), "provider": "github"});
    for (name, fields, secret) in [
        (
            "ssh",
            json!({"url": ssh_url}),
            with_key(&own, "planted-passphrase", &known),
        ),
        (
            "passphrase",
            json!({"url": ssh_url}),
            with_key(&own, "planted-wrong-passphrase", &known),
        ),
        (
            "stranger",
            json!({"url": ssh_url}),
            with_key(&stranger, "", &known),
        ),
        (
            "elsewhere",
            json!({"url": ssh_url}),
            with_key(&own, "planted-passphrase", &other),
        ),
        (
            "bearer",
            json!({"url": http}),
            json!({"bearerToken": "planted-bearer"}),
        ),
        (
            "refused",
            json!({"url": http}),
            json!({"bearerToken": "planted-refused-bearer"}),
        ),
        (
            "basic",
            json!({"url": basic_url}),
            json!({"username": "planted-user", "password": "planted-basic"}),
        ),
        (
            "half",
            json!({"url": basic_url}),
            json!({"password": "planted-half"}),
        ),
        ("in-url", json!({"url": in_url}), json!({"username": ""})),
        (
            "app",
            github.clone(),
            with_app(json!({"githubAppInstallationID": "9"})),
        ),
        (
            "nobody",
            github.clone(),
            with_app(json!({"githubAppInstallationOwner": "acme"})),
        ),
        (
            "no-key",
            github,
            with_app(
                json!({"githubAppInstallationID": "9", "githubAppPrivateKey": "planted-no-key"}),
            ),
        ),
    ] {
        if name != "app" {
            watched(&fleet, name, fields, secret).await;
            continue;
        }
        fleet
            .apply("Secret", name, json!({"stringData": secret}))
            .await;
        let mut fields = fields;
        fields["secretRef"] = json!({"name": name});
        source(&fleet, name, fields).await;
    }
    for good in ["ssh", "bearer", "app"] {
        fleet.ready("GitRepository", good).await;
    }
    for bad in [
        "passphrase",
        "stranger",
        "elsewhere",
        "refused",
        "basic",
        "half",
        "in-url",
        "nobody",
        "no-key",
    ] {
        fleet
            .not_ready("GitRepository", bad, "AuthenticationFailed")
            .await;
    }
    // A push that a hook refuses, and one that lands.
    fleet.repository.hook("pre-receive", "echo no >&2; exit 1");
    fleet.publish("app", "1.1.0").await;
    fleet
        .not_ready("ImageUpdateAutomation", "ssh", "GitOperationFailed")
        .await;
    fleet.repository.hook("pre-receive", "exit 0");
    let repository = fleet.repository.clone();
    fleet
        .until("the update is pushed", || repository.log("main").len() > 1)
        .await;
    fleet.request("GitRepository", "app").await;
    fleet.deployed("app", "1.1.0").await;

    let plain = [
        "planted-passphrase",
        "planted-wrong-passphrase",
        "planted-bearer",
        "planted-refused-bearer",
        "planted-basic",
        "planted-half",
        "planted-app-token",
        "planted-no-key",
    ];
    let mut planted: Vec<String> = plain.iter().map(|text| (*text).to_owned()).collect();
    planted.extend([
        middle(&own.private),
        middle(&stranger.private),
        middle(APP_KEY),
    ]);
    planted.extend(
        [
            "planted-user:planted-basic",
            "x-access-token:planted-app-token",
        ]
        .map(|pair| BASE64_STANDARD.encode(pair)),
    );
    // Assertions of the App, which begin with their header.
    planted.push("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.".to_owned());
    for (place, bytes) in traces(&mut fleet).await {
        for secret in &planted {
            let found = memchr::memmem::find(&bytes, secret.as_bytes());
            assert!(found.is_none(), "`{secret}` stands in {place}");
        }
        // What stands in a URL stands in the specification that people wrote, and nowhere else.
        if place != "GitRepository" {
            let found = memchr::memmem::find(&bytes, b"planted-url-password");
            assert!(found.is_none(), "the password of a URL stands in {place}");
        }
    }
}
