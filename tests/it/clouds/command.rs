//! `highwater update` on a checkout, as somebody whom a cloud knows.

use super::azure::{USER, refresh_token};
use super::program;
use crate::support::fake_registry::{FakeRegistry, Reply};
use crate::support::highwater::highwater;
use crate::update::{folder, update_as};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

const HOST: &str = "http://europe-west1-docker.pkg.dev/";
const OBJECTS: &str = "---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: web, namespace: flux-system}
spec: {image: europe-west1-docker.pkg.dev/acme/web, interval: 1h, provider: gcp, insecure: true}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: web, namespace: flux-system}
spec:
  imageRepositoryRef: {name: web}
  policy: {semver: {range: 1.x}}
";

/// Google's metadata server, and the proxy by which everything else is reached.
async fn google(knows: bool) -> FakeRegistry {
    FakeRegistry::start(move |seen| {
        if seen.target.starts_with("/computeMetadata/") && knows {
            let token = json!({"access_token": "google-token", "expires_in": 3599});
            return Reply::json(&token).header("metadata-flavor", "Google");
        }
        if !seen.target.starts_with(HOST) {
            return Reply::new(502, "");
        }
        let login = BASE64_STANDARD.encode("oauth2accesstoken:google-token");
        match seen.header("authorization") == format!("Basic {login}") {
            true => Reply::tags("acme/web", &["1.0.0", "1.2.0"]),
            false => Reply::new(401, "").header("www-authenticate", r#"Basic realm="x""#),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_is_scanned_with_the_login_that_a_cloud_gives_to_whoever_runs_the_command() {
    let root = folder(&[("all.yaml", OBJECTS)]);
    for knows in [true, false] {
        let google = google(knows).await;
        let mut command = highwater();
        let proxy = format!("http://{}", google.address());
        command
            .env("GCE_METADATA_HOST", google.address())
            .env("HTTP_PROXY", &proxy)
            .env("HTTPS_PROXY", &proxy);
        let ran = update_as(command, &root, &[]);
        assert!(!ran.stderr.contains("google-token"), "{}", ran.stderr);
        match knows {
            true => ran.expect(0).says("flux-system/web\t"),
            false => ran.expect(1).says("the process has no identity: "),
        }
    }
}

/// Microsoft's exchange of tokens, and the proxy by which its registry is reached.
async fn microsoft() -> FakeRegistry {
    FakeRegistry::start(|seen| {
        if seen.target == "/oauth2/exchange" && seen.body.contains("access_token=azure-token") {
            return Reply::json(&json!({"refresh_token": refresh_token()}));
        }
        if !seen.target.starts_with("http://acme.azurecr.io/") {
            return Reply::new(502, "");
        }
        let login = BASE64_STANDARD.encode(format!("{USER}:{}", refresh_token()));
        match seen.header("authorization") == format!("Basic {login}") {
            true => Reply::tags("acme/web", &["1.0.0", "1.2.0"]),
            false => Reply::new(401, "").header("www-authenticate", r#"Basic realm="x""#),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_is_scanned_with_the_login_of_azures_command_line() {
    let objects = OBJECTS
        .replace("europe-west1-docker.pkg.dev", "acme.azurecr.io")
        .replace("gcp", "azure");
    let root = folder(&[("all.yaml", &objects)]);
    let az = program("az");
    let path = format!("{}:/usr/bin:/bin", az.trim_end_matches("/az"));
    for (tenant, out) in [("tenant-1", false), ("logged-out", true)] {
        let microsoft = microsoft().await;
        let mut command = highwater();
        let url = format!("http://{}", microsoft.address());
        command
            .env("PATH", &path)
            .env("AZURE_TENANT_ID", tenant)
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")
            .env("HIGHWATER_ACR_ENDPOINT", &url)
            .env("HTTP_PROXY", &url)
            .env("HTTPS_PROXY", &url);
        let ran = update_as(command, &root, &[]);
        assert!(!ran.stderr.contains("planted"), "{}", ran.stderr);
        match out {
            false => ran.expect(0).says("flux-system/web\t"),
            true => ran.expect(1).says("run `az login`"),
        }
    }
}
