//! Logins of Git servers other than a password: keys over ssh, GitHub Apps, identities of clouds. The built program fetches and pushes;
//! GitHub's and the clouds' part is played by a server of the test, which checks what it is asked.

use super::{EAGER, fleet};
use crate::clouds::{is_signed, token_parts};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use crate::support::fleet::{Fleet, condition, message};
use crate::support::git_http::{BareRepository, GitHttp, ServerAuth};
use crate::support::git_ssh::{Asked, GitSsh, KeyPair};
use rustls::SignatureScheme;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The private key of the App and of the clouds' tests.
pub(super) const APP_KEY: &str = include_str!("../clouds/keys/service-account.pem");

/// A GitRepository with these fields over the usual ones.
pub(super) async fn source(fleet: &Fleet, name: &str, fields: Value) {
    let mut content = fleet.git_repository();
    let spec = content["spec"].as_object_mut().expect("an object");
    spec.remove("secretRef");
    for (field, value) in fields.as_object().expect("an object") {
        spec.insert(field.clone(), value.clone());
    }
    fleet.apply("GitRepository", name, content).await;
}

/// An application `app` of which all is there but the GitRepository.
async fn without_source(fleet: &Fleet) {
    fleet.registry.push("app", "1.0.0", "1.0.0").await;
    let manifest = fleet.deployment("app", "1.0.0");
    fleet.commit("Add app", &[("apps/app/deployment.yaml", &manifest)]);
    for (kind, content) in [
        ("ImageRepository", fleet.image_repository("app")),
        ("ImagePolicy", fleet.image_policy("app")),
        ("ImageUpdateAutomation", fleet.automation("app", "apps/app")),
        ("Kustomization", fleet.kustomization("app", "apps/app")),
    ] {
        fleet.apply(kind, "app", content).await;
    }
}

/// The whole chain works: what is published is pushed and deployed.
async fn assert_updates(fleet: &Fleet, tag: &str) {
    fleet.publish("app", tag).await;
    fleet.deployed("app", tag).await;
    fleet.all_ready("app").await;
    let manifest = fleet.repository.show("main", "apps/app/deployment.yaml");
    assert_eq!(manifest, fleet.deployment("app", tag));
}

async fn stalled(fleet: &Fleet, kind: &str, reason: &str, words: &str) {
    let what = format!("Stalled {reason} {words}");
    fleet
        .wait(kind, "app", &what, |object| {
            let stalled = condition(object, "Stalled");
            stalled["status"] == "True" && stalled["reason"] == *reason && message(object) == words
        })
        .await;
}

/// Secrets for ssh that are of no use, each told in its words; nothing is sent to a server that is not known.
async fn wrong_keys_are_told(fleet: &Fleet, server: &GitSsh, key: &KeyPair) {
    let (url, known) = (server.url("fleet"), server.known_hosts());
    let refused = async |words: &str| {
        fleet
            .not_ready_because("GitRepository", "app", "AuthenticationFailed", words)
            .await;
    };
    let words = "failed to configure authentication options: invalid 'ssh' auth option: 'identity' is required";
    source(fleet, "app", json!({"url": url})).await;
    refused(words).await;
    let words = format!("failed configuring source manager: {words}");
    fleet
        .not_ready_because(
            "ImageUpdateAutomation",
            "app",
            "SourceManagerFailed",
            &words,
        )
        .await;
    source(
        fleet,
        "app",
        json!({"url": url, "secretRef": {"name": "ssh"}}),
    )
    .await;
    let secret = json!({"stringData": {"identity": key.private, "known_hosts": known}});
    fleet.apply("Secret", "ssh", secret).await;
    let name = format!("{}/ssh", fleet.namespace);
    refused(&format!(
        "SSH identity key is encrypted but no 'password' field was provided in the secret '{name}'"
    ))
    .await;
    fleet
        .apply("Secret", "ssh", ssh_secret(key, "planted-other", &known))
        .await;
    refused("the passphrase does not open the private key").await;
    let other = server.known_host(&KeyPair::usual().public);
    fleet
        .apply(
            "Secret",
            "ssh",
            ssh_secret(key, "planted-passphrase", &other),
        )
        .await;
    refused("is not trusted: it has the key `SHA256:").await;
    assert!(server.asked().is_empty(), "nobody logged in");
}

fn ssh_secret(key: &KeyPair, passphrase: &str, known: &str) -> Value {
    json!({"stringData": {"identity": key.private, "password": passphrase, "known_hosts": known}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_passphrase_fetches_and_pushes_over_ssh() {
    let mut fleet = fleet("ssh").await;
    let key = KeyPair::make(&["-t", "ed25519"], "planted-passphrase");
    let server = GitSsh::start(&fleet.repositories, &[&key]);
    let algorithms = [
        "--ssh-kex-algos=curve25519-sha256,curve25519-sha256@libssh.org",
        "--ssh-hostkey-algos=ssh-ed25519",
    ];
    fleet.start(&[&EAGER[..], &algorithms].concat());
    without_source(&fleet).await;
    wrong_keys_are_told(&fleet, &server, &key).await;
    let secret = ssh_secret(&key, "planted-passphrase", &server.known_hosts());
    fleet.apply("Secret", "ssh", secret).await;
    fleet.all_ready("app").await;
    assert_updates(&fleet, "1.1.0").await;
    let pushed = |asked: &Asked| asked.command.starts_with("git-receive-pack ");
    assert!(server.asked().iter().any(pushed));
    fleet.repository.fsck();
    assert!(!fleet.log().contains("planted"), "{}", fleet.log());
    fleet.assert_no_panic();
}

/// Whether a field `Authorization` holds an assertion of the App 7 that is good now.
pub(super) fn is_assertion(login: &str) -> bool {
    let (header, claims, signed, signature) = token_parts(login.trim_start_matches("Bearer "));
    header["alg"] == "RS256"
        && claims["iss"] == "7"
        && claims["exp"].as_i64() > Some(jiff::Timestamp::now().as_second())
        && is_signed(SignatureScheme::RSA_PKCS1_SHA256, &signed, &signature)
}

/// GitHub's API at `/api/v3`: an App 7 that is installed for the user `acme` as number 9.
fn github(seen: &Seen, given: &AtomicUsize) -> Reply {
    let Some(path) = seen.target.strip_prefix("/api/v3/") else {
        return Reply::new(404, "");
    };
    let good = is_assertion(seen.header("authorization"))
        && seen.header("accept") == "application/vnd.github+json";
    if !good {
        let words = json!({"message": "A JSON web token could not be decoded"});
        return Reply::json(&words).status(401);
    }
    match (seen.method.as_str(), path) {
        ("GET", "users/acme/installation") => Reply::json(&json!({"id": 9})),
        ("POST", "app/installations/9/access_tokens") => {
            let number = given.fetch_add(1, Ordering::Relaxed);
            let token = format!("planted-token-{number}");
            let answer = json!({"token": token, "expires_at": "2120-01-01T00:00:00Z"});
            Reply::json(&answer).status(201)
        }
        _ => Reply::json(&json!({"message": "Not Found"})).status(404),
    }
}

/// Combinations of provider and Secret that cannot work, each told in the words of Flux.
async fn wrong_apps_are_told(fleet: &Fleet, url: &str, secret: &Value) {
    let both = async |reason: &str, words: &str| {
        fleet
            .not_ready_because("GitRepository", "app", reason, words)
            .await;
        let words = format!("{words}: invalid source configuration");
        stalled(
            fleet,
            "ImageUpdateAutomation",
            "InvalidSourceConfiguration",
            &words,
        )
        .await;
    };
    source(fleet, "app", json!({"url": url, "provider": "github"})).await;
    let words = "secretRef with github app data must be specified when provider is set to github";
    both("InvalidProviderConfiguration", words).await;
    stalled(
        fleet,
        "GitRepository",
        "InvalidProviderConfiguration",
        words,
    )
    .await;
    fleet.apply("Secret", "app", secret.clone()).await;
    source(
        fleet,
        "app",
        json!({"url": url, "secretRef": {"name": "app"}}),
    )
    .await;
    let name = format!("{}/app", fleet.namespace);
    let words = format!("secretRef '{name}' has github app data but provider is not set to github");
    both("InvalidProviderConfiguration", &words).await;
    source(
        fleet,
        "app",
        json!({"url": url, "secretRef": {"name": "app"}, "provider": "github"}),
    )
    .await;
    let words = format!(
        "secret '{name}' must contain exactly one of 'githubAppInstallationOwner' or 'githubAppInstallationID'"
    );
    fleet
        .not_ready_because("GitRepository", "app", "AuthenticationFailed", &words)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_github_app_fetches_and_pushes_with_tokens_that_are_kept_until_one_is_refused() {
    let mut fleet = fleet("github").await;
    // The first token is one that the server does not know.
    let login = ServerAuth::Basic("x-access-token".into(), "planted-token-1".into());
    let git = GitHttp::start(&fleet.repositories, login);
    let given = Arc::new(AtomicUsize::new(0));
    let count = given.clone();
    let api = FakeRegistry::start(move |seen| github(seen, &count)).await;
    let mut secret = json!({"stringData": {
        "githubAppID": "7", "githubAppInstallationOwner": "acme", "githubAppInstallationID": "9",
        "githubAppPrivateKey": APP_KEY, "githubAppBaseURL": format!("http://{}/api/v3", api.address()),
    }});
    fleet.start(&EAGER);
    without_source(&fleet).await;
    wrong_apps_are_told(&fleet, &git.url("fleet"), &secret).await;
    assert!(api.seen("/api").is_empty(), "nobody was asked so far");

    let data = secret["stringData"].as_object_mut().expect("an object");
    data.remove("githubAppInstallationID");
    // What is left out of an applied Secret stays in its data.
    fleet.delete("Secret", "app").await;
    fleet.apply("Secret", "app", secret).await;
    fleet.all_ready("app").await;
    assert_updates(&fleet, "1.1.0").await;
    let tokens = given.load(Ordering::Relaxed);
    assert_eq!(tokens, 2, "one that was refused, and one for all since");
    assert_eq!(api.seen("/api/v3/orgs/acme/installation").len(), 2);
    let log = fleet.log();
    for secret in ["planted-token", "BEGIN PRIVATE KEY", &APP_KEY[30..80]] {
        assert!(!log.contains(secret), "{log}");
    }
    fleet.assert_no_panic();
}

/// Azure's authority and a node's managed identity.
fn azure(seen: &Seen) -> Reply {
    let token = |text: &str| Reply::json(&json!({"access_token": text, "expires_in": 3599}));
    let resource = "499b84ac-1321-427f-aa17-267ca6975798";
    match seen.target.split('?').next().unwrap_or_default() {
        "/metadata/identity/oauth2/token" if seen.query("resource") == resource => {
            token("planted-devops-token")
        }
        "/tenant-1/oauth2/v2.0/token"
            if seen.body.contains(&format!("scope={resource}%2F.default")) =>
        {
            token("planted-devops-token")
        }
        _ => Reply::new(404, ""),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_devops_takes_the_token_of_the_node_and_that_of_a_service_account() {
    let mut fleet = fleet("devops").await;
    let git = GitHttp::start(
        &fleet.repositories,
        ServerAuth::Bearer("planted-devops-token".into()),
    );
    let cloud = FakeRegistry::start(azure).await;
    let address = format!("http://{}", cloud.address());
    let variables = [
        ("AZURE_AUTHORITY_HOST", address.as_str()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", address.as_str()),
    ];
    fleet.start_with(&EAGER, &variables);
    without_source(&fleet).await;
    let url = git.url("fleet");
    source(&fleet, "app", json!({"url": url, "provider": "azure"})).await;
    fleet.all_ready("app").await;
    assert_updates(&fleet, "1.1.0").await;
    assert_eq!(cloud.seen("/metadata").len(), 1, "kept for all");

    let named = json!({"url": url, "provider": "azure", "serviceAccountName": "writer"});
    source(&fleet, "app", named).await;
    let words = "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller";
    stalled(&fleet, "GitRepository", "FeatureGateDisabled", words).await;
    fleet.request("ImageUpdateAutomation", "app").await;
    stalled(
        &fleet,
        "ImageUpdateAutomation",
        "FeatureGateDisabled",
        words,
    )
    .await;
    fleet.kill();
    let account = json!({"metadata": {"annotations": {
        "azure.workload.identity/tenant-id": "tenant-1", "azure.workload.identity/client-id": "client-1",
    }}});
    fleet.apply("ServiceAccount", "writer", account).await;
    let open = "--feature-gates=ObjectLevelWorkloadIdentity=true";
    fleet.start_with(&[&EAGER[..], &[open]].concat(), &variables);
    for kind in ["GitRepository", "ImageUpdateAutomation"] {
        fleet.request(kind, "app").await;
    }
    assert_updates(&fleet, "1.2.0").await;
    assert_eq!(cloud.seen("/tenant-1").len(), 1, "kept for both objects");
    assert!(!fleet.log().contains("planted"), "{}", fleet.log());
    fleet.assert_no_panic();
}

/// A proxy that leads everybody to one place.
fn tunnel(to: std::net::SocketAddr) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    // The threads end with the test process.
    std::thread::spawn(move || {
        for mut front in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n")
                && front.read(&mut byte).is_ok_and(|count| count == 1)
            {
                request.push(byte[0]);
            }
            let wanted = b"CONNECT git-codecommit.eu-west-1.amazonaws.com:443 ";
            let (true, Ok(back)) = (
                request.starts_with(wanted),
                std::net::TcpStream::connect(to),
            ) else {
                continue;
            };
            let _ = front.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let ends = [
                (front.try_clone(), back.try_clone()),
                (back.try_clone(), front.try_clone()),
            ];
            for (from, to) in ends {
                let (mut from, mut to) = (from.expect("a socket"), to.expect("a socket"));
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    format!("http://{address}")
}

fn tls() -> rustls::ServerConfig {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate =
        CertificateDer::from_pem_slice(include_bytes!("../clouds/keys/codecommit.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../clouds/keys/codecommit.key"));
    rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("a certificate")],
            key.expect("a key"),
        )
        .expect("the key fits the certificate")
}

/// The password that goes with a time, computed anew: the signature of version 4 over a request `GIT`.
fn codecommit_password(stamp: &str, path: &str, secret: &str) -> String {
    use ring::{digest, hmac};
    let sign = |key: &[u8], text: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    };
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let request = format!("GIT\n{path}\n\nhost:git-codecommit.eu-west-1.amazonaws.com\n\nhost\n");
    let hashed = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
    let day = &stamp[..8];
    let scope = format!("{day}/eu-west-1/codecommit/aws4_request");
    let key = scope
        .split('/')
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
            sign(&key, part)
        });
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}");
    format!("{stamp}Z{}", hex(&sign(&key, &text)))
}

/// A fleet whose repository is at CodeCommit, and what stands for CodeCommit.
async fn at_codecommit() -> (Fleet, BareRepository, GitHttp) {
    let fleet = fleet("codecommit").await;
    let repository = BareRepository::create(&fleet.repositories.join("v1/repos"), "fleet");
    let manifest = fleet.deployment("app", "1.0.0");
    repository.commit(
        "main",
        "Add app",
        &[("apps/app/deployment.yaml", &manifest)],
    );
    let git = GitHttp::start(&fleet.repositories, ServerAuth::Open);
    let front = url::Url::parse(&git.with_tls(tls(), "fleet")).expect("a URL");
    let front = ([127, 0, 0, 1], front.port().expect("a port")).into();
    let way = json!({"stringData": {"address": tunnel(front)}});
    fleet.apply("Secret", "way", way).await;
    let authority = include_str!("../clouds/keys/codecommit-authority.pem");
    let authority = json!({"stringData": {"ca.crt": authority}});
    fleet.apply("Secret", "authority", authority).await;
    without_source(&fleet).await;
    (fleet, repository, git)
}

/// Every login was signed for this path.
fn assert_signed(logins: &[String], path: &str) {
    use base64::Engine;
    assert!(logins.len() > 4, "{logins:?}");
    for login in logins {
        let pair = login.strip_prefix("Basic ").expect("a password");
        let pair = base64::engine::general_purpose::STANDARD.decode(pair);
        let pair = String::from_utf8(pair.expect("base64")).expect("text");
        let (user, password) = pair.split_once(':').expect("a pair");
        assert_eq!(user, "AKIDEXAMPLE%planted-session-token");
        let (stamp, _) = password.split_once('Z').expect("a time");
        assert_eq!(
            password,
            codecommit_password(stamp, path, "planted-secret-access-key")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codecommit_takes_a_password_that_is_signed_for_the_repository() {
    let (mut fleet, repository, git) = at_codecommit().await;
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "planted-secret-access-key"),
        ("AWS_SESSION_TOKEN", "planted-session-token"),
        ("AWS_REGION", "eu-west-1"),
    ];
    fleet.start_with(&EAGER, &variables);
    let path = "/v1/repos/fleet.git";
    let fields = |url: &str| json!({"url": url, "provider": "aws", "proxySecretRef": {"name": "way"}, "secretRef": {"name": "authority"}});
    source(&fleet, "app", fields("https://github.example/o/r")).await;
    let words = "failed to configure authentication options: invalid AWS CodeCommit Git URL: github.example";
    fleet
        .not_ready_because("GitRepository", "app", "AuthenticationFailed", words)
        .await;
    let url = format!("https://git-codecommit.eu-west-1.amazonaws.com{path}");
    source(&fleet, "app", fields(&url)).await;
    fleet.all_ready("app").await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    let pushed = repository.show("main", "apps/app/deployment.yaml");
    assert_eq!(pushed, fleet.deployment("app", "1.1.0"));
    assert_signed(&git.logins(), path);
    assert!(!fleet.log().contains("planted"), "{}", fleet.log());
    fleet.assert_no_panic();
}
