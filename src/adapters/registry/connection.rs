//! HTTP connection pools, one per way of connecting.
//!
//! Invariant: requests with different trust, client certificate or proxy never share a connection;
//! no pool follows redirects by itself. What is absent: credentials, which travel per request.

use super::access::{Access, Fingerprint, Proxy};
use super::error::RegistryError;
use super::origin::is_loopback;
use crate::adapters::outbound;
use reqwest::{Client, ClientBuilder, Identity};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one connection may take to come up. The whole operation has its own, often longer bound.
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// Most pools kept. Each holds the system's trust store, about a megabyte.
const MOST_POOLS: usize = 64;

/// Largest bundle of certificates that is read, in bytes: the most a Kubernetes Secret can hold.
const LARGEST_PEM: usize = 1024 * 1024;

/// The pools of the process.
#[derive(Default)]
pub(super) struct Connections {
    pools: Mutex<HashMap<Fingerprint, (Client, Instant)>>,
}

impl Connections {
    /// The pool for an access, opened when there is none, and what it is known by.
    pub(super) fn get(
        &self,
        access: &Access,
        registry: &str,
    ) -> Result<(Fingerprint, Client), RegistryError> {
        let direct = access.proxy.is_none() && is_loopback(registry);
        let key = Fingerprint::of_connection(access, direct);
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((client, used)) = pools.get_mut(&key) {
            *used = now;
            return Ok((key, client.clone()));
        }
        // Opened under the lock: many objects start at once, and one pool is enough for them.
        let client = open(access, direct)?;
        if pools.len() >= MOST_POOLS {
            let oldest = pools.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                pools.remove(&oldest);
            }
        }
        pools.insert(key, (client.clone(), now));
        Ok((key, client))
    }
}

fn open(access: &Access, direct: bool) -> Result<Client, RegistryError> {
    let mut builder = builder();
    if direct {
        builder = builder.no_proxy();
    }
    if let Some(proxy) = &access.proxy {
        builder = builder.proxy(by_way_of(proxy)?);
    }
    if let Some(pem) = &access.tls.ca_pem {
        let certificates = outbound::authorities(pem);
        let certificates =
            certificates.map_err(|error| settings("the CA certificate", error.reason()))?;
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(client) = &access.tls.client {
        let identity = identity(&client.certificate_pem, client.key_pem.expose())?;
        builder = builder.identity(identity);
    }
    match builder.build() {
        Ok(client) => Ok(client),
        Err(error) if access.tls.client.is_none() && access.tls.ca_pem.is_none() => {
            without_trust(access, direct, &error)
        }
        Err(_) => Err(settings(
            "the certificates in `certSecretRef`",
            "the CA certificate, or the client certificate with its key, is not valid",
        )),
    }
}

/// A pool for a machine that has no trust store. Plain http goes on working there, and https says that
/// the issuer is not known.
fn without_trust(
    access: &Access,
    direct: bool,
    first: &reqwest::Error,
) -> Result<Client, RegistryError> {
    let mut builder = builder().tls_certs_only([]);
    if direct {
        builder = builder.no_proxy();
    }
    if let Some(proxy) = &access.proxy {
        builder = builder.proxy(by_way_of(proxy)?);
    }
    builder
        .build()
        .map_err(|_| settings("the HTTP client", &first.to_string()))
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("highwater/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIME)
}

fn identity(certificate: &[u8], key: &[u8]) -> Result<Identity, RegistryError> {
    let setting = "the client certificate";
    if certificate.len() + key.len() > LARGEST_PEM {
        return Err(settings(setting, "it is larger than a Secret can be"));
    }
    let pem = [certificate, b"\n", key].concat();
    Identity::from_pem(&pem).map_err(|_| {
        settings(
            setting,
            "a certificate and a private key in PEM are both needed",
        )
    })
}

fn by_way_of(proxy: &Proxy) -> Result<reqwest::Proxy, RegistryError> {
    let credentials = match (&proxy.username, &proxy.password) {
        (None, None) => None,
        (user, password) => Some((
            user.clone().unwrap_or_default(),
            password.clone().unwrap_or_default(),
        )),
    };
    let way = outbound::Proxy {
        url: proxy.address.clone(),
        credentials,
    };
    outbound::by_way_of(&way).map_err(|error| settings("the proxy", error.reason()))
}

fn settings(setting: &'static str, reason: &str) -> RegistryError {
    RegistryError::Settings {
        setting,
        reason: reason.to_owned(),
    }
}
