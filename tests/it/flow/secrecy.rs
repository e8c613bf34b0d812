//! Credentials of every kind, used well and used wrongly, and then looked for wherever the program leaves traces.

use super::git_logins::source;
use super::{EAGER, fleet};
use crate::support::fake_registry::{FakeRegistry, Reply};
use crate::support::fleet::{Fleet, KINDS, PATIENCE};
use crate::support::git_http::{GitHttp, ServerAuth};
use crate::support::git_ssh::{GitSsh, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::path::Path;

const APP_KEY: &str = include_str!("../clouds/keys/service-account.pem");

/// A source, an automation of it, and the Secret of both, all called `name`.
async fn watched(fleet: &Fleet, name: &str, fields: Value, secret: Value) {
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

/// A name, the fields of a GitRepository, and the content of its Secret.
type Entry = (&'static str, Value, Value);

/// Servers that want credentials, and those who have some.
struct Servers {
    own: KeyPair,
    stranger: KeyPair,
    ssh: GitSsh,
    bearer: GitHttp,
    app: GitHttp,
    api: FakeRegistry,
}

impl Servers {
    async fn start(fleet: &Fleet) -> Self {
        let own = KeyPair::make(&["-t", "ed25519"], "planted-passphrase");
        let serve = |login| GitHttp::start(&fleet.repositories, login);
        Self {
            ssh: GitSsh::start(&fleet.repositories, &[&own]),
            own,
            stranger: KeyPair::usual(),
            bearer: serve(ServerAuth::Bearer("planted-bearer".into())),
            app: serve(ServerAuth::Basic(
                "x-access-token".into(),
                "planted-app-token".into(),
            )),
            api: FakeRegistry::start(|seen| match seen.target.ends_with("/access_tokens") {
                true => Reply::json(
                    &json!({"token": "planted-app-token", "expires_at": "2120-01-01T00:00:00Z"}),
                ),
                // It repeats what it was sent, as servers do in their errors.
                false => Reply::json(&json!({"message": seen.header("authorization")})).status(404),
            })
            .await,
        }
    }

    fn over_ssh(&self) -> Vec<Entry> {
        let (known, other) = (
            self.ssh.known_hosts(),
            self.ssh.known_host(&self.stranger.public),
        );
        let entry = |name, key: &KeyPair, passphrase: &str, known: &str| {
            let secret =
                json!({"identity": key.private, "password": passphrase, "known_hosts": known});
            (name, json!({"url": self.ssh.url("fleet")}), secret)
        };
        vec![
            entry("ssh", &self.own, "planted-passphrase", &known),
            entry("passphrase", &self.own, "planted-wrong-passphrase", &known),
            entry("stranger", &self.stranger, "", &known),
            entry("elsewhere", &self.own, "planted-passphrase", &other),
        ]
    }

    fn over_http(&self, fleet: &Fleet) -> Vec<Entry> {
        let (bearer, basic) = (self.bearer.url("fleet"), fleet.git.url("fleet"));
        let in_url = basic.replace("http://", "http://planted-user:planted-url-password@");
        let entry = |name, url: &str, secret| (name, json!({"url": url}), secret);
        let login = json!({"username": "planted-user", "password": "planted-basic"});
        vec![
            entry("bearer", &bearer, json!({"bearerToken": "planted-bearer"})),
            entry(
                "refused",
                &bearer,
                json!({"bearerToken": "planted-refused-bearer"}),
            ),
            entry("basic", &basic, login),
            entry("half", &basic, json!({"password": "planted-half"})),
            entry("in-url", &in_url, json!({"username": ""})),
        ]
    }

    fn as_app(&self) -> Vec<Entry> {
        let entry = |name, field: &str, value: &str, key: &str| {
            let secret = json!({
                "githubAppID": "7", "githubAppPrivateKey": key, "githubAppBaseURL": format!("http://{}", self.api.address()), field: value,
            });
            (
                name,
                json!({"url": self.app.url("fleet"), "provider": "github"}),
                secret,
            )
        };
        vec![
            entry("app", "githubAppInstallationID", "9", APP_KEY),
            entry("nobody", "githubAppInstallationOwner", "acme", APP_KEY),
            entry("no-key", "githubAppInstallationID", "9", "planted-no-key"),
        ]
    }

    /// What must not be found anywhere.
    fn planted(&self) -> Vec<String> {
        let plain = [
            "planted-passphrase",
            "planted-wrong-passphrase",
            "planted-bearer",
            "planted-refused-bearer",
            "planted-basic",
            "planted-half",
            "planted-app-token",
            "planted-no-key",
            // Assertions of the App begin with their header.
            "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.",
        ];
        let pairs = [
            "planted-user:planted-basic",
            "x-access-token:planted-app-token",
        ];
        let mut planted: Vec<String> = plain.map(str::to_owned).to_vec();
        planted.extend(pairs.map(|pair| BASE64_STANDARD.encode(pair)));
        planted.extend([&self.own.private, &self.stranger.private].map(|key| middle(key)));
        planted.push(middle(APP_KEY));
        planted
    }
}

/// A push that a hook refuses, and one that lands.
async fn push(fleet: &Fleet) {
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
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_leaves_a_trace() {
    let mut fleet = fleet("secrecy").await;
    let servers = Servers::start(&fleet).await;
    fleet.start(&[&EAGER[..], &["--log-level=debug"]].concat());
    fleet.application("app").await;
    let entries = [
        servers.over_ssh(),
        servers.over_http(&fleet),
        servers.as_app(),
    ]
    .concat();
    for (name, fields, secret) in &entries {
        watched(&fleet, name, fields.clone(), secret.clone()).await;
    }
    for (name, ..) in entries {
        match name {
            "ssh" | "bearer" | "app" => _ = fleet.ready("GitRepository", name).await,
            _ => {
                _ = fleet
                    .not_ready("GitRepository", name, "AuthenticationFailed")
                    .await
            }
        }
    }
    push(&fleet).await;
    let planted = servers.planted();
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
