//! What is remembered of a registry: which scheme it speaks, and how it last asked for credentials.
//!
//! Invariant: http is spoken only to registries that are allowed to be insecure or that are local by
//! name or address, and only where https did not work. What is absent: credentials and tokens.

use super::access::Fingerprint;
use super::body::unreachable;
use super::error::RegistryError;
use super::origin::is_local;
use crate::domain::http_field::Challenge;
use futures::future::{Either, select};
use reqwest::{Client, StatusCode, Url};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long https has before http is tried beside it, so that a filtered port costs little.
const HEAD_START: Duration = Duration::from_millis(300);

/// Most registries remembered. It is a cache: when it is full it starts anew.
const MOST_ENDPOINTS: usize = 4096;

/// The registries of the process.
#[derive(Default)]
pub(super) struct Endpoints {
    known: Mutex<HashMap<(Fingerprint, String), Arc<Endpoint>>>,
}

/// One registry, as it looks over one kind of connection.
#[derive(Default)]
pub(super) struct Endpoint {
    base: OnceCell<Url>,
    challenge: Mutex<Option<Arc<Challenge>>>,
}

impl Endpoints {
    /// What is known of a registry.
    pub(super) fn get(&self, key: Fingerprint, registry: &str) -> Arc<Endpoint> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let id = (key, registry.to_owned());
        if known.len() >= MOST_ENDPOINTS && !known.contains_key(&id) {
            known.clear();
        }
        Arc::clone(known.entry(id).or_default())
    }

    /// Forgets a registry, after something happened that what is known does not explain.
    pub(super) fn forget(&self, key: Fingerprint, registry: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&(key, registry.to_owned()));
    }
}

impl Endpoint {
    /// Scheme, host and port. The first caller finds out, others wait for it.
    pub(super) async fn base(
        &self,
        client: &Client,
        registry: &str,
        insecure: bool,
    ) -> Result<Url, RegistryError> {
        let find = async || {
            let secure = base_url("https", registry)?;
            if !insecure && !is_local(registry) {
                return Ok(secure);
            }
            let plain = base_url("http", registry)?;
            find_scheme(client, registry, &secure, &plain).await
        };
        self.base.get_or_try_init(find).await.cloned()
    }

    /// How the registry last asked for credentials.
    pub(super) fn challenge(&self) -> Option<Arc<Challenge>> {
        let challenge = self.challenge.lock();
        challenge.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers how it asks for them.
    pub(super) fn set_challenge(&self, challenge: Arc<Challenge>) {
        let mut known = self
            .challenge
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Some(challenge);
    }
}

fn base_url(scheme: &str, registry: &str) -> Result<Url, RegistryError> {
    Url::parse(&format!("{scheme}://{registry}/")).map_err(|_| RegistryError::Settings {
        setting: "the registry's name",
        reason: "it is not a host with an optional port".to_owned(),
    })
}

/// The first scheme that works, https with a head start.
async fn find_scheme(
    client: &Client,
    registry: &str,
    secure: &Url,
    plain: &Url,
) -> Result<Url, RegistryError> {
    let https = pin!(ping(client, registry, secure));
    let http = async |delay| {
        tokio::time::sleep(delay).await;
        ping(client, registry, plain).await
    };
    let delayed = pin!(http(HEAD_START));
    match select(https, delayed).await {
        Either::Left((Ok(()), _)) => Ok(secure.clone()),
        // Nothing to wait for any more.
        Either::Left((Err(first), _)) => match http(Duration::ZERO).await {
            Ok(()) => Ok(plain.clone()),
            Err(second) => Err(more_telling(first, second)),
        },
        Either::Right((Ok(()), _)) => Ok(plain.clone()),
        Either::Right((Err(second), https)) => match https.await {
            Ok(()) => Ok(secure.clone()),
            Err(first) => Err(more_telling(first, second)),
        },
    }
}

/// Of two failures the one that came from something that answered.
fn more_telling(https: RegistryError, http: RegistryError) -> RegistryError {
    match (&https, &http) {
        (
            RegistryError::Unreachable { host, reason },
            RegistryError::Unreachable { reason: other, .. },
        ) if reason != other => RegistryError::Unreachable {
            host: host.clone(),
            reason: format!("over https: {reason}; over http: {other}"),
        },
        _ => https,
    }
}

/// Asks for `/v2/`. Any answer shows that the scheme is right, except 400, which is what TLS servers
/// say to plain http.
async fn ping(client: &Client, registry: &str, base: &Url) -> Result<(), RegistryError> {
    let mut url = base.clone();
    url.set_path("/v2/");
    let response = client
        .get(url)
        .send()
        .await
        .map_err(|error| unreachable(registry, error))?;
    if response.status() == StatusCode::BAD_REQUEST {
        return Err(RegistryError::Unreachable {
            host: registry.to_owned(),
            reason: "it answered 400 Bad Request".to_owned(),
        });
    }
    Ok(())
}
