//! Azure: the authority that gives tokens, the node's metadata, and the exchange at a registry.

use super::{
    CLUSTER_TOKEN, as_account, as_process, basic, fields, form, is_signed, logins, reply, serving,
    token_parts,
};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use highwater::domain::cloud::Provider;
use rustls::SignatureScheme;
use serde_json::json;
use std::fs;

pub(super) const HOST: &str = "acme.azurecr.io";
pub(super) const USER: &str = "00000000-0000-0000-0000-000000000000";
const SCOPE: &str = "https://containerregistry.azure.net/.default";
const ANNOTATIONS: [(&str, &str); 2] = [
    ("azure.workload.identity/tenant-id", "tenant-1"),
    ("azure.workload.identity/client-id", "client-1"),
];

/// A registry's refresh token that lasts for a century.
pub(super) fn refresh_token() -> String {
    format!(
        "e30.{}.sig",
        BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":4733510400}"#)
    )
}

pub(super) fn microsoft(seen: &Seen) -> Reply {
    let path = seen.target.split('?').next().unwrap_or_default();
    match path {
        "/tenant-1/oauth2/v2.0/token" => {
            reply(&json!({"access_token": "azure-token", "expires_in": 3599}).to_string())
        }
        "/metadata/identity/oauth2/token" if seen.header("metadata") == "true" => {
            reply(&json!({"access_token": "azure-token", "expires_in": "3599"}).to_string())
        }
        "/oauth2/exchange" if form(seen)["access_token"] == "azure-token" => {
            reply(&json!({"refresh_token": refresh_token()}).to_string())
        }
        _ => Reply::new(404, ""),
    }
}

/// Logins that ask the fake, with more variables.
fn asking(fake: &FakeRegistry, more: &[(&str, &str)]) -> highwater::adapters::cloud::CloudLogins {
    let url = format!("http://{}", fake.address());
    let own = [
        "AZURE_AUTHORITY_HOST",
        "HIGHWATER_ACR_ENDPOINT",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    ];
    let own = own.map(|name| (name, url.as_str()));
    logins(&[&own[..], more].concat())
}

#[tokio::test]
async fn a_service_accounts_token_becomes_an_application_and_its_token_a_login() {
    let fake = FakeRegistry::start(microsoft).await;
    let logins = asking(&fake, &[]);
    for _ in 0..2 {
        let (login, audiences) = as_account(&logins, Provider::Azure, HOST, &ANNOTATIONS).await;
        assert_eq!(login, Ok(basic(USER, &refresh_token())));
        assert!(
            audiences
                .iter()
                .all(|audience| audience == "api://AzureADTokenExchange")
        );
    }
    let seen = fake.seen("/");
    assert_eq!(seen.len(), 2, "what is known is not asked again");
    assert_eq!(
        form(&seen[0]),
        fields(&[
            ("client_id", "client-1"),
            ("scope", SCOPE),
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            ),
            ("client_assertion", CLUSTER_TOKEN),
        ])
    );
    assert_eq!(
        (seen[1].method.as_str(), seen[1].target.as_str()),
        ("POST", "/oauth2/exchange")
    );
    assert_eq!(
        form(&seen[1]),
        fields(&[
            ("grant_type", "access_token"),
            ("service", HOST),
            ("access_token", "azure-token"),
        ])
    );
}

#[tokio::test]
async fn the_process_is_an_application_or_its_nodes_managed_identity() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    fs::write(&path, format!("{CLUSTER_TOKEN}\n")).expect("the folder is ours");
    let path = path.display().to_string();
    let application = [
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_CLIENT_ID", "client-1"),
    ];
    for (more, proof) in [
        (
            ("AZURE_CLIENT_SECRET", "pass&word"),
            ("client_secret", "pass&word"),
        ),
        (
            ("AZURE_FEDERATED_TOKEN_FILE", path.as_str()),
            ("client_assertion", CLUSTER_TOKEN),
        ),
    ] {
        let fake = FakeRegistry::start(microsoft).await;
        let logins = asking(&fake, &[&application[..], &[more]].concat());
        let login = as_process(&logins, Provider::Azure, HOST).await;
        assert_eq!(login, Ok(basic(USER, &refresh_token())));
        let sent = form(&fake.seen("/tenant-1/oauth2/v2.0/token")[0]);
        assert_eq!(sent[proof.0], proof.1);
    }
    let fake = FakeRegistry::start(microsoft).await;
    let logins = asking(&fake, &[("AZURE_CLIENT_ID", "client-1")]);
    let login = as_process(&logins, Provider::Azure, HOST).await;
    assert_eq!(login, Ok(basic(USER, &refresh_token())));
    let asked = &fake.seen("/metadata/")[0];
    assert_eq!(asked.query("api-version"), "2018-02-01");
    assert_eq!(
        asked.query("resource"),
        "https://containerregistry.azure.net"
    );
    assert_eq!(asked.query("client_id"), "client-1");
}

#[tokio::test]
async fn an_application_with_a_certificate_signs_an_assertion() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certificate.pem");
    let pem = [
        include_str!("keys/certificate.pem"),
        include_str!("keys/service-account.pem"),
    ];
    fs::write(&path, pem.concat()).expect("the folder is ours");
    let path = path.display().to_string();
    let variables = [
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_CLIENT_ID", "client-1"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", &path),
    ];
    let fake = FakeRegistry::start(microsoft).await;
    let login = as_process(&asking(&fake, &variables), Provider::Azure, HOST).await;
    assert_eq!(login, Ok(basic(USER, &refresh_token())));
    let sent = form(&fake.seen("/tenant-1/")[0]);
    let (header, claims, signed, signature) = token_parts(&sent["client_assertion"]);
    // openssl dgst -sha256 of the certificate in DER.
    let thumbprint = "A5N2ftLOoPAGPZyW0E710ANWQKBOcookoOMIj6vcrs4";
    assert_eq!(
        header,
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint})
    );
    let audience = format!("http://{}/tenant-1/oauth2/v2.0/token", fake.address());
    assert_eq!(
        (&claims["iss"], &claims["sub"], &claims["aud"]),
        (&json!("client-1"), &json!("client-1"), &json!(audience))
    );
    assert!(is_signed(
        SignatureScheme::RSA_PSS_SHA256,
        &signed,
        &signature
    ));

    fs::write(&path, "planted-secret").expect("the folder is ours");
    let error = as_process(&asking(&fake, &variables), Provider::Azure, HOST).await;
    let words = error.expect_err("it is no certificate").to_string();
    assert!(
        words.ends_with("holds no certificate with an RSA key in PEM"),
        "{words}"
    );
}

#[tokio::test]
async fn a_cloud_of_ones_own_is_described_by_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("environment.json");
    let file = json!({
        "containerRegistryDNSSuffix": ".registry.stack.example",
        "resourceManagerEndpoint": "https://management.stack.example",
        "tokenAudience": "https://management.stack.example",
    });
    fs::write(&path, file.to_string()).expect("the folder is ours");
    let path = path.display().to_string();
    let fake = FakeRegistry::start(microsoft).await;
    let logins = asking(&fake, &[("AZURE_ENVIRONMENT_FILEPATH", &path)]);
    let host = "acme.registry.stack.example";
    let (login, _) = as_account(&logins, Provider::Azure, host, &ANNOTATIONS).await;
    assert_eq!(login, Ok(basic(USER, &refresh_token())));
    let sent = form(&fake.seen("/tenant-1/")[0]);
    assert_eq!(sent["scope"], "https://management.stack.example/.default");
    let error = logins.registry(Provider::Azure, "acme.example").await;
    let words = error.expect_err("of another cloud").to_string();
    assert_eq!(
        words,
        "invalid Azure registry: 'acme.example'. must end with .registry.stack.example"
    );
}

#[tokio::test]
async fn refusals_are_told_in_azures_words_without_a_token() {
    let fake = FakeRegistry::start(|_| {
        let words = json!({"error": "invalid_client", "error_description": format!("AADSTS700213: No match for {CLUSTER_TOKEN}\r\nTrace ID: 1")});
        reply(&words.to_string()).status(401)
    })
    .await;
    let (login, _) = as_account(&asking(&fake, &[]), Provider::Azure, HOST, &ANNOTATIONS).await;
    let words = login.expect_err("it is refused").to_string();
    assert_eq!(
        words,
        format!(
            "failed to get access token for artifact registry: failed to create provider access token \
             for service account 'apps/reader': `http://{}/tenant-1/oauth2/v2.0/token` (a token of the \
             application `client-1`) answered 401: invalid_client: AADSTS700213: No match for *** \
             Trace ID: 1",
            fake.address()
        )
    );
    let token = json!({"access_token": "planted-azure-token", "expires_in": 3599}).to_string();
    let fake = serving(vec![("/tenant-1/oauth2/v2.0/token", token)]).await;
    let (login, _) = as_account(&asking(&fake, &[]), Provider::Azure, HOST, &ANNOTATIONS).await;
    let words = login.expect_err("the registry does not answer").to_string();
    let expected = "failed to create artifact registry credentials: `http://";
    assert!(words.starts_with(expected), "{words}");
    assert!(
        words.ends_with("(the login of `acme.azurecr.io`) answered 404"),
        "{words}"
    );
    assert!(!words.contains("planted"), "{words}");
}
