//! A token server for the real distribution registry: tokens that it signs are checked by the registry itself.
//!
//! It gives the right to read what is asked for to [`USER`] with [`PASSWORD`], and to whoever shows a refresh
//! token, by `GET` with a login and by the `POST` of OAuth2, as the distribution project specifies both.

use super::fake_registry::{FakeRegistry, Reply, Seen};
use super::registry_server::{PASSWORD, RegistryServer, USER};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use url::form_urlencoded;

/// The registry's name for itself, and that of the token server.
const SERVICE: &str = "tests";
/// The certificate that signs, beside the manifest of the crate.
const CERTIFICATE: &str = "tests/it/clouds/keys/certificate.pem";
/// The user name that Azure's registries have for a refresh token.
const REFRESH_USER: &str = "00000000-0000-0000-0000-000000000000";
const KEY_PEM: &str = include_str!("../clouds/keys/service-account.pem");
const CERTIFICATE_PEM: &str = include_str!("../clouds/keys/certificate.pem");

/// A running token server, which ends with the test's runtime.
pub struct TokenServer(FakeRegistry);

impl TokenServer {
    /// Starts one on a free port of loopback.
    pub async fn start() -> Self {
        Self(FakeRegistry::start(answer).await)
    }

    /// Where tokens are asked for.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.0.address())
    }

    /// The requests for tokens so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.0.seen("/token")
    }
}

/// The real registry, with tokens from `realm`, where a test may push to `repository`.
pub fn registry(realm: &str, repository: &str) -> RegistryServer {
    let certificate = Path::new(env!("CARGO_MANIFEST_DIR")).join(CERTIFICATE);
    let configuration = json!({
        "realm": realm, "service": SERVICE, "issuer": SERVICE, "rootcertbundle": certificate,
    });
    RegistryServer::with_tokens(configuration, access_token(repository, &["pull", "push"]))
}

/// A refresh token, good for a century.
pub fn refresh_token() -> String {
    signed(json!({"sub": "planted-refresh-token", "exp": 4_733_510_400_i64}))
}

/// A token for a repository.
fn access_token(repository: &str, actions: &[&str]) -> String {
    let now = Timestamp::now().as_second();
    signed(json!({
        "iss": SERVICE, "aud": SERVICE, "sub": "", "jti": "1",
        "iat": now - 60, "nbf": now - 60, "exp": now + 3_600,
        "access": [{"type": "repository", "name": repository, "actions": actions}],
    }))
}

/// What a token server says to a request, whatever its path.
pub fn answer(seen: &Seen) -> Reply {
    let form: HashMap<String, String> = form_urlencoded::parse(seen.body.as_bytes())
        .into_owned()
        .collect();
    let login = |user: &str, password: &str| {
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        seen.header("authorization") == format!("Basic {pair}")
    };
    let (known, scope) = match seen.method.as_str() {
        "POST" => {
            let known = form
                .get("grant_type")
                .is_some_and(|kind| kind == "refresh_token")
                && form.get("refresh_token") == Some(&refresh_token());
            (known, form.get("scope").cloned().unwrap_or_default())
        }
        _ => {
            let known = login(USER, PASSWORD) || login(REFRESH_USER, &refresh_token());
            (known, seen.query("scope"))
        }
    };
    let parts: Vec<&str> = scope.split(':').collect();
    match parts[..] {
        ["repository", name, "pull"] if known => {
            let token = access_token(name, &["pull"]);
            Reply::json(&json!({"access_token": token, "token": token, "expires_in": 600}))
        }
        _ => Reply::json(&json!({"details": "incorrect username or password"})).status(401),
    }
}

/// A JSON web token, signed with the key of [`CERTIFICATE`].
fn signed(claims: Value) -> String {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE_PEM.as_bytes());
    let certificate = BASE64_STANDARD.encode(certificate.expect("a certificate"));
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]});
    let encode = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}", encode(header), encode(claims));
    let key = PrivateKeyDer::from_pem_slice(KEY_PEM.as_bytes()).expect("a key");
    let key = any_supported_type(&key).expect("a key that ring knows");
    let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
    let signature = signer.expect("an RSA key").sign(unsigned.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.expect("a signature"));
    format!("{unsigned}.{signature}")
}
