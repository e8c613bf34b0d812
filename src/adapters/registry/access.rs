//! How one request may reach a registry: who asks, whom to trust, which way.
//!
//! Invariant: `Debug` shows no secret. What is absent: where these values come from.

use crate::domain::docker_config::Credentials;
use crate::domain::redact::{SafeUrl, Secret};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Everything besides the image that a request depends on.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who asks.
    pub credentials: Credentials,
    /// Whom to trust beyond the system's authorities, and how to show who we are.
    pub tls: Tls,
    /// Whether the registry may be spoken to over plain http. https is tried first, as Flux does.
    pub insecure: bool,
    /// The proxy. Without one, the environment's (`HTTPS_PROXY`, `NO_PROXY`) counts, never for loopback.
    pub proxy: Option<Proxy>,
    /// How long the whole operation may take.
    pub timeout: Duration,
}

/// Certificates of one connection, all in PEM.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Authorities that are trusted besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// What to show to a registry that asks for a certificate.
    pub client: Option<ClientCertificate>,
}

/// A client certificate with its key, both in PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The chain, leaf first.
    pub certificate_pem: Vec<u8>,
    /// Its private key: PKCS#8, PKCS#1 or SEC1.
    pub key_pem: Secret<Vec<u8>>,
}

/// An http, https or socks5 proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its address, such as `http://proxy.example:3128` or `socks5://proxy.example:1080`.
    pub address: SafeUrl,
    /// User name, if it wants one.
    pub username: Option<String>,
    /// Password, if it wants one.
    pub password: Option<Secret>,
}

impl Access {
    /// Public access with the system's trust.
    pub fn anonymous(timeout: Duration) -> Self {
        Self {
            credentials: Credentials::Anonymous,
            tls: Tls::default(),
            insecure: false,
            proxy: None,
            timeout,
        }
    }

    /// Tells apart who asks, whom is trusted and which way is taken; not how long it may take.
    pub fn fingerprint(&self) -> Fingerprint {
        let parts = [
            Fingerprint::of_connection(self, false),
            Fingerprint::of_credentials(&self.credentials),
        ];
        Fingerprint(Sha256::digest(parts.map(|part| part.0).concat()).into())
    }
}

/// A digest over values that must agree before two requests may share anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// What shapes a connection: trust, client certificate, proxy, and whether http is allowed.
    ///
    /// The last belongs here because a namespace that allows http for itself must not decide for
    /// others what a registry's scheme or token server is.
    pub(super) fn of_connection(access: &Access, direct: bool) -> Self {
        let mut digest = Sha256::new();
        digest.update([u8::from(access.insecure), u8::from(direct)]);
        add(&mut digest, access.tls.ca_pem.as_deref());
        let client = access.tls.client.as_ref();
        add(
            &mut digest,
            client.map(|client| client.certificate_pem.as_slice()),
        );
        add(
            &mut digest,
            client.map(|client| client.key_pem.expose().as_slice()),
        );
        let proxy = access.proxy.as_ref();
        add(
            &mut digest,
            proxy.map(|proxy| proxy.address.as_url().as_str().as_bytes()),
        );
        add(
            &mut digest,
            proxy
                .and_then(|proxy| proxy.username.as_deref())
                .map(str::as_bytes),
        );
        let password = proxy.and_then(|proxy| proxy.password.as_ref());
        add(
            &mut digest,
            password.map(|password| password.expose().as_bytes()),
        );
        Self(digest.finalize().into())
    }

    /// Who asks.
    pub(super) fn of_credentials(credentials: &Credentials) -> Self {
        let (kind, first, second) = match credentials {
            Credentials::Anonymous => (0, "", ""),
            Credentials::Basic { username, password } => {
                (1, username.as_str(), password.expose().as_str())
            }
            Credentials::IdentityToken(token) => (2, token.expose().as_str(), ""),
            Credentials::RegistryToken(token) => (3, token.expose().as_str(), ""),
        };
        let mut digest = Sha256::new();
        digest.update([kind]);
        add(&mut digest, Some(first.as_bytes()));
        add(&mut digest, Some(second.as_bytes()));
        Self(digest.finalize().into())
    }
}

/// Adds a value with its length, so that no two lists of values give the same bytes.
fn add(digest: &mut Sha256, value: Option<&[u8]>) {
    digest.update([u8::from(value.is_some())]);
    let value = value.unwrap_or_default();
    digest.update((value.len() as u64).to_be_bytes());
    digest.update(value);
}

/// The secrets of these credentials, for taking them out of a server's words.
pub(super) fn secrets_of(credentials: &Credentials) -> Option<&str> {
    match credentials {
        Credentials::Anonymous => None,
        Credentials::Basic { password, .. } => Some(password.expose()),
        Credentials::IdentityToken(token) | Credentials::RegistryToken(token) => {
            Some(token.expose())
        }
    }
}
