//! How a client of somebody's HTTP API is built, and how much of an answer is read.
//!
//! Invariants: a client follows no redirect by itself, because it would carry a login along; what is on this machine is asked
//! without the environment's proxy. What is absent: requests and logins.

use crate::domain::redact::{SafeUrl, Secret};
use reqwest::{Certificate, Client, ClientBuilder, Response, Url};
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;

/// How long one connection may take to come up.
const CONNECT_TIME: Duration = Duration::from_secs(30);
/// Largest bundle of certificates that is read, in bytes: the most a Kubernetes Secret can hold.
const LARGEST_PEM: usize = 1024 * 1024;

/// An http, https or socks5 proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// `http://`, `https://` or `socks5://` and an address.
    pub url: SafeUrl,
    /// User name and password, if it wants them.
    pub credentials: Option<(String, Secret)>,
}

/// Settings that no client can be built with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutboundError {
    /// The authorities to trust.
    #[error("the CA certificate cannot be used: {0}")]
    Authority(&'static str),
    /// The proxy.
    #[error("the proxy cannot be used: {0}")]
    Proxy(&'static str),
    /// All of them together.
    #[error("no HTTP client can be made of these settings")]
    Client,
}

impl OutboundError {
    /// What is wrong, for errors that name the setting by themselves.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Authority(reason) | Self::Proxy(reason) => reason,
            Self::Client => "no HTTP client can be made of it",
        }
    }
}

/// A client for the API at `url`, which trusts `authority` (PEM) besides the system's, by way of `proxy` or the environment's.
///
/// # Errors
/// [`OutboundError`].
pub fn client(
    url: &Url,
    authority: Option<&[u8]>,
    proxy: Option<&Proxy>,
    user_agent: &str,
) -> Result<Client, OutboundError> {
    crate::adapters::tls::install_provider();
    let builder = || -> Result<ClientBuilder, OutboundError> {
        let builder = Client::builder()
            .user_agent(user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIME);
        Ok(match proxy {
            Some(proxy) => builder.proxy(by_way_of(proxy)?),
            None if is_loopback(url) => builder.no_proxy(),
            None => builder,
        })
    };
    let built = match authority {
        Some(pem) => {
            return builder()?
                .tls_certs_merge(authorities(pem)?)
                .build()
                .map_err(|_| OutboundError::Client);
        }
        None => builder()?.build(),
    };
    // A machine may have no trust store. Plain http goes on working there, and https says that the issuer is not known.
    built.or_else(|_| {
        let bare = builder()?.tls_certs_only([]).build();
        bare.map_err(|_| OutboundError::Client)
    })
}

/// The certificates in a PEM text; the error says what is wrong with it.
///
/// # Errors
/// [`OutboundError::Authority`].
pub fn authorities(pem: &[u8]) -> Result<Vec<Certificate>, OutboundError> {
    if pem.len() > LARGEST_PEM {
        return Err(OutboundError::Authority(
            "it is larger than a Secret can be",
        ));
    }
    let certificates = Certificate::from_pem_bundle(pem)
        .map_err(|_| OutboundError::Authority("it is not valid PEM"))?;
    if certificates.is_empty() {
        return Err(OutboundError::Authority("it holds no certificate"));
    }
    Ok(certificates)
}

/// The proxy as a client takes it. As in Go, a socks5 proxy resolves names: inside a closed network only it can.
///
/// # Errors
/// [`OutboundError::Proxy`].
pub fn by_way_of(proxy: &Proxy) -> Result<reqwest::Proxy, OutboundError> {
    let address = proxy.url.as_url().as_str();
    let address = match address.split_once("://") {
        Some(("socks5", rest)) => format!("socks5h://{rest}"),
        Some(("http" | "https" | "socks5h", _)) => address.to_owned(),
        _ => {
            return Err(OutboundError::Proxy(
                "its address must begin with http://, https:// or socks5://",
            ));
        }
    };
    let built = reqwest::Proxy::all(address)
        .map_err(|_| OutboundError::Proxy("its address is not valid"))?;
    Ok(match &proxy.credentials {
        Some((user, password)) => built.basic_auth(user, password.expose()),
        None => built,
    })
}

/// Whether a URL leads to this machine, going by its host alone.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The whole body, compressed or not; `None` when it has more than `limit` bytes.
///
/// # Errors
/// When the connection breaks.
pub async fn read(
    response: &mut Response,
    limit: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn loopback_is_told_from_what_looks_like_it() {
        for (text, expected) in [
            ("http://127.0.0.1:1", true),
            ("https://[::1]:1", true),
            ("http://localhost", true),
            ("http://127.0.0.1.example.org", false),
            ("http://169.254.169.254", false),
        ] {
            assert_eq!(is_loopback(&url(text)), expected, "{text}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_named_without_their_content() {
        let forge = url("https://forge.example");
        let proxy = |text: &str| Proxy {
            url: SafeUrl::parse(text).expect("a URL"),
            credentials: Some(("me".to_owned(), Secret::new("planted".to_owned()))),
        };
        for (authority, through, expected) in [
            (
                Some("nonsense"),
                None,
                "the CA certificate cannot be used: it holds no certificate",
            ),
            (
                None,
                Some(proxy("ftp://planted@proxy.example")),
                "the proxy cannot be used: its address must begin with http://, https:// or socks5://",
            ),
        ] {
            let refused = client(&forge, authority.map(str::as_bytes), through.as_ref(), "x");
            let error = refused.expect_err("settings that cannot work");
            assert_eq!(error.to_string(), expected);
        }
        assert!(
            client(
                &forge,
                None,
                Some(&proxy("socks5://proxy.example:1080")),
                "x"
            )
            .is_ok()
        );
    }
}
