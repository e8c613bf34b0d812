//! HTTP clients, one for each way to trust and to present oneself.
//!
//! Invariant: remotes that agree in certificates and proxy share a client, so their connections are
//! kept between operations.

use crate::adapters::git::error::{GitError, sources};
use crate::adapters::git::remote::{Proxy, Remote};
use reqwest::blocking::Client;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most clients kept; beyond that the pool starts anew.
const CLIENTS: usize = 64;
/// How Git servers recognise Git: some refuse agents that do not start with `git/`.
const AGENT: &str = concat!("git/2.0 (highwater/", env!("CARGO_PKG_VERSION"), ")");

/// HTTP clients by what they trust and present.
#[derive(Debug, Default)]
pub(in crate::adapters::git) struct Clients(Mutex<HashMap<String, Client>>);

impl Clients {
    /// The client for a remote, built at the first use.
    pub(in crate::adapters::git) fn get(&self, remote: &Remote) -> Result<Client, GitError> {
        let key = remote.client_key();
        if let Some(client) = self.table().get(&key) {
            return Ok(client.clone());
        }
        let client = build(remote)?;
        let mut clients = self.table();
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn build(remote: &Remote) -> Result<Client, GitError> {
    // Only the first installation in a process counts, and all of them are the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wrong = |what: &'static str| {
        let url = remote.url().clone();
        move |error: reqwest::Error| GitError::Configuration {
            url,
            reason: format!("{what}: {}", sources(&error)),
        }
    };
    let mut builder = Client::builder()
        .user_agent(AGENT)
        .connect_timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::custom(follow));
    if let Some(pem) = &remote.ca_pem {
        let certificates =
            reqwest::Certificate::from_pem_bundle(pem).map_err(wrong("the CA certificate"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(own) = &remote.client_certificate {
        let mut pem = own.certificate_pem.clone();
        pem.push(b'\n');
        pem.extend_from_slice(own.key_pem.expose());
        let identity =
            reqwest::Identity::from_pem(&pem).map_err(wrong("the client certificate"))?;
        builder = builder.identity(identity);
    }
    if let Some(proxy) = &remote.proxy {
        builder = builder.proxy(through(proxy).map_err(wrong("the proxy"))?);
    } else if remote.is_loopback() {
        // The environment's proxy is another machine: its loopback is not ours.
        builder = builder.no_proxy();
    }
    builder.build().map_err(wrong("the HTTP client"))
}

/// As in Go, a socks5 proxy resolves names: inside a closed network only it can.
fn through(proxy: &Proxy) -> reqwest::Result<reqwest::Proxy> {
    let address = proxy.url.as_url().as_str();
    let address = match address.strip_prefix("socks5://") {
        Some(rest) => reqwest::Proxy::all(format!("socks5h://{rest}"))?,
        None => reqwest::Proxy::all(address)?,
    };
    Ok(match &proxy.credentials {
        Some((user, password)) => address.basic_auth(user, password.expose()),
        None => address,
    })
}

/// Follows a few redirects, never from `https` to `http`.
pub(in crate::adapters::git) fn follow(
    attempt: reqwest::redirect::Attempt<'_>,
) -> reqwest::redirect::Action {
    let previous = attempt.previous();
    let downgrade =
        attempt.url().scheme() != "https" && previous.iter().any(|seen| seen.scheme() == "https");
    if downgrade {
        attempt.error("the redirect leads from https to http")
    } else if previous.len() > 5 {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}
