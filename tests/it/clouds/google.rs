//! Google: the metadata server, keys in files, the token service and acting as a service account.

use super::{
    CLUSTER_TOKEN, as_account, as_process, basic, fields, form, is_signed, logins, reply, serving,
    token_parts,
};
use crate::support::fake_registry::{FakeRegistry, Reply, Seen};
use highwater::adapters::cloud::CloudLogins;
use highwater::domain::cloud::Provider;
use rustls::SignatureScheme;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

pub(super) const HOST: &str = "europe-west1-docker.pkg.dev";
pub(super) const EMAIL: &str = "reader@acme.iam.gserviceaccount.com";
const POOL: &str = "projects/1/locations/global/workloadIdentityPools/p/providers/q";
const EVERYTHING: &str = "https://www.googleapis.com/auth/cloud-platform";
const SCOPES: &str =
    "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email";
const TOKEN: &str = r#"{"access_token":"google-token","expires_in":3599,"token_type":"Bearer"}"#;

pub(super) fn google(seen: &Seen) -> Reply {
    let path = seen.target.split('?').next().unwrap_or_default();
    if let Some(path) = path.strip_prefix("/computeMetadata/v1/") {
        if seen.header("metadata-flavor") != "Google" {
            return Reply::new(403, "");
        }
        let text = match path {
            "instance/service-accounts/default/token" => TOKEN,
            "project/project-id" => "acme",
            "instance/attributes/cluster-location" => "europe-west1",
            "instance/attributes/cluster-name" => "main",
            _ => return Reply::new(404, ""),
        };
        return Reply::new(200, text).header("metadata-flavor", "Google");
    }
    let acts = format!("/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken");
    match path {
        "/v1/token" | "/token" => reply(TOKEN),
        path if path == acts && seen.header("authorization") == "Bearer google-token" => {
            reply(r#"{"accessToken":"acting-token","expireTime":"2120-01-01T00:00:00Z"}"#)
        }
        _ => Reply::new(404, ""),
    }
}

/// Logins that ask the fake, with more variables.
pub(super) fn asking(fake: &FakeRegistry, more: &[(&str, &str)]) -> CloudLogins {
    let address = fake.address();
    let url = format!("http://{address}/");
    let token = format!("http://{address}/token");
    let own = [
        ("GCE_METADATA_HOST", address.as_str()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", &url),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", &url),
        ("CLOUDSDK_AUTH_TOKEN_HOST", &token),
    ];
    logins(&[&own[..], more].concat())
}

/// Logins of a process with credentials in a file.
fn with_file(fake: &FakeRegistry, folder: &Path, content: &Value) -> CloudLogins {
    let path = folder.join("credentials.json");
    fs::write(&path, content.to_string()).expect("the folder is ours");
    let path = path.display().to_string();
    asking(fake, &[("GOOGLE_APPLICATION_CREDENTIALS", &path)])
}

#[tokio::test]
async fn the_node_is_asked_when_no_file_says_who_the_process_is() {
    let fake = FakeRegistry::start(google).await;
    let logins = asking(&fake, &[]);
    for _ in 0..2 {
        let login = as_process(&logins, Provider::Gcp, HOST).await;
        assert_eq!(login, Ok(basic("oauth2accesstoken", "google-token")));
    }
    let seen = fake.seen("/");
    assert_eq!(seen.len(), 1, "what is known is not asked again");
    assert_eq!(seen[0].query("scopes"), SCOPES.replace(' ', ","));
}

#[tokio::test]
async fn whoever_answers_in_the_place_of_the_metadata_server_is_not_believed() {
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    let fake = serving(vec![(path, TOKEN.to_owned())]).await;
    let error = as_process(&asking(&fake, &[]), Provider::Gcp, HOST).await;
    let words = error.expect_err("it does not say who it is").to_string();
    assert!(words.contains("no usable `Metadata-Flavor`"), "{words}");
    assert!(words.contains("\nhint: "), "{words}");
}

#[tokio::test]
async fn a_service_accounts_key_signs_an_assertion() {
    let fake = FakeRegistry::start(google).await;
    let folder = tempfile::tempdir().expect("a folder");
    let token_uri = format!("http://{}/token", fake.address());
    let file = json!({
        "type": "service_account", "client_email": EMAIL, "private_key_id": "key-1",
        "private_key": include_str!("keys/service-account.pem"), "token_uri": token_uri,
    });
    let login = as_process(&with_file(&fake, folder.path(), &file), Provider::Gcp, HOST).await;
    assert_eq!(login, Ok(basic("oauth2accesstoken", "google-token")));
    let sent = form(&fake.seen("/token")[0]);
    assert_eq!(
        sent["grant_type"],
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
    );
    let (_, claims, signed, signature) = token_parts(&sent["assertion"]);
    assert_eq!(claims["iss"], EMAIL);
    assert_eq!(claims["aud"], *token_uri);
    assert_eq!(claims["scope"], SCOPES);
    assert!(is_signed(
        SignatureScheme::RSA_PKCS1_SHA256,
        &signed,
        &signature
    ));
}

#[tokio::test]
async fn a_persons_login_and_an_external_account_are_exchanged() {
    let fake = FakeRegistry::start(google).await;
    let folder = tempfile::tempdir().expect("a folder");
    let person = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"});
    let login = as_process(
        &with_file(&fake, folder.path(), &person),
        Provider::Gcp,
        HOST,
    )
    .await;
    assert_eq!(login, Ok(basic("oauth2accesstoken", "google-token")));
    assert_eq!(
        form(&fake.seen("/token")[0]),
        fields(&[
            ("grant_type", "refresh_token"),
            ("client_id", "c"),
            ("client_secret", "s"),
            ("refresh_token", "r"),
        ])
    );
    // What Google's command line leaves behind is found without being named.
    fs::rename(
        folder.path().join("credentials.json"),
        folder.path().join("application_default_credentials.json"),
    )
    .expect("the folder is ours");
    let folder_name = folder.path().display().to_string();
    let left = asking(&fake, &[("CLOUDSDK_CONFIG", &folder_name)]);
    let login = as_process(&left, Provider::Gcp, HOST).await;
    assert_eq!(login, Ok(basic("oauth2accesstoken", "google-token")));
    assert_eq!(fake.seen("/token").len(), 2);

    let token = folder.path().join("token");
    fs::write(&token, CLUSTER_TOKEN).expect("the folder is ours");
    let url = format!("http://{}", fake.address());
    let external = json!({
        "type": "external_account", "audience": "//iam.googleapis.com/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": format!("{url}/v1/token"),
        "service_account_impersonation_url": format!("{url}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"),
        "credential_source": {"file": token},
    });
    let login = as_process(
        &with_file(&fake, folder.path(), &external),
        Provider::Gcp,
        HOST,
    )
    .await;
    assert_eq!(login, Ok(basic("oauth2accesstoken", "acting-token")));
}

#[tokio::test]
async fn a_service_account_of_any_cluster_is_exchanged_and_acts_as_googles() {
    let fake = FakeRegistry::start(google).await;
    let annotations = [
        ("gcp.auth.fluxcd.io/workload-identity-provider", POOL),
        ("iam.gke.io/gcp-service-account", EMAIL),
    ];
    let logins = asking(&fake, &[]);
    let (login, audiences) = as_account(&logins, Provider::Gcp, HOST, &annotations).await;
    assert_eq!(login, Ok(basic("oauth2accesstoken", "acting-token")));
    let audience = format!("//iam.googleapis.com/{POOL}");
    assert_eq!(audiences, [audience.as_str()]);
    assert_eq!(
        form(&fake.seen("/v1/token")[0]),
        fields(&[
            ("audience", &audience),
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange"
            ),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token"
            ),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("subject_token", CLUSTER_TOKEN),
            ("scope", EVERYTHING),
        ])
    );
    let acts = &fake.seen("/v1/projects/")[0];
    assert_eq!(acts.method, "POST");
    let body: Value = serde_json::from_str(&acts.body).expect("JSON");
    assert_eq!(body["lifetime"], "3600s");
    assert_eq!(body["scope"], json!(SCOPES.split(' ').collect::<Vec<_>>()));
    assert_eq!(acts.header("content-type"), "application/json");
}

#[tokio::test]
async fn on_googles_clusters_the_metadata_server_names_the_audience() {
    let fake = FakeRegistry::start(google).await;
    let logins = asking(&fake, &[]);
    let (login, audiences) = as_account(&logins, Provider::Gcp, HOST, &[]).await;
    assert_eq!(login, Ok(basic("oauth2accesstoken", "google-token")));
    assert_eq!(audiences, ["acme.svc.id.goog"]);
    let sent = form(&fake.seen("/v1/token")[0]);
    assert_eq!(
        sent["audience"],
        "identitynamespace:acme.svc.id.goog:https://container.googleapis.com/v1/projects/acme/locations/europe-west1/clusters/main"
    );
    assert_eq!(sent["scope"], SCOPES);
    assert_eq!(
        fake.seen("/computeMetadata/").len(),
        3,
        "asked once for all"
    );
}
