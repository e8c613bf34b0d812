//! The way to an ssh server: straight, or through a proxy of HTTP or SOCKS 5.
//!
//! Invariant: a proxy gets the name of the server, not its address, since inside a closed network only
//! it may know; what a proxy answers is bounded. What is absent: the time it may take, which is the
//! caller's, and proxies that are spoken to over TLS.

mod http;
mod socks;

use crate::adapters::git::remote::Proxy;
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};

/// How long one address may take before the next is tried.
const CONNECT: Duration = Duration::from_secs(20);

/// Why there is no way.
#[derive(Debug, Error)]
pub(super) enum TunnelError {
    #[error("{0}")]
    Network(#[from] io::Error),
    #[error("the proxy `{proxy}` cannot be reached: {reason}")]
    Proxy { proxy: String, reason: io::Error },
    #[error("the proxy `{proxy}` gives no way to the server: {reason}")]
    Refused { proxy: String, reason: String },
    #[error(
        "a proxy of the scheme `{0}` cannot lead to an ssh server; hint: use one of `http` or `socks5`"
    )]
    Scheme(String),
}

/// Connects to a server.
pub(super) async fn connect(
    host: &str,
    port: u16,
    proxy: Option<&Proxy>,
) -> Result<TcpStream, TunnelError> {
    let stream = match proxy {
        None => dial(host, port).await?,
        Some(proxy) => through(proxy, host, port).await?,
    };
    // Questions are small, and each waits for its answer.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host((host, port)).await? {
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn through(proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, TunnelError> {
    let url = proxy.url.as_url();
    let usual = match url.scheme() {
        "http" => 80,
        "socks5" => 1080,
        other => return Err(TunnelError::Scheme(other.to_owned())),
    };
    let name = url.host_str().unwrap_or_default();
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let dialled = dial(name, url.port().unwrap_or(usual)).await;
    let mut stream = dialled.map_err(|reason| TunnelError::Proxy {
        proxy: proxy.url.to_string(),
        reason,
    })?;
    let login = login(proxy);
    let asked = match url.scheme() {
        "http" => http::ask(&mut stream, login, host, port).await,
        _ => socks::ask(&mut stream, login, host, port).await,
    };
    asked.map_err(|reason| TunnelError::Refused {
        proxy: proxy.url.to_string(),
        reason,
    })?;
    Ok(stream)
}

/// A user name and a password.
type Login = Option<(String, String)>;

/// The login: what was given, or else what stands in the URL.
fn login(proxy: &Proxy) -> Login {
    if let Some((user, password)) = &proxy.credentials {
        return Some((user.clone(), password.expose().clone()));
    }
    let url = proxy.url.as_url();
    let plain = |text| super::place::decoded(text).into_owned();
    (!url.username().is_empty()).then(|| {
        let password = url.password().unwrap_or_default();
        (plain(url.username()), plain(password))
    })
}
