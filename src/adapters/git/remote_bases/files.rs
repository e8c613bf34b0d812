//! Files behind a URL.
//!
//! Invariant: a file is read to the end or not at all, within its bounds; a redirect never leads
//! from `https` to `http`. What is absent: keeping files.

use crate::adapters::git::error::sources;
use crate::adapters::git::http::follow;
use crate::adapters::git::remote::is_loopback;
use crate::adapters::git::session::Deadline;
use crate::domain::kustomize::remote::RemoteError;
use reqwest::blocking::{Client, Response};
use std::io::Read;
use std::sync::OnceLock;
use std::time::Duration;
use url::Url;

type Lazy = OnceLock<Result<Client, RemoteError>>;

/// Reads files over HTTP, on connections that are kept.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Past the environment's proxy, whose loopback is not ours.
    direct: Lazy,
    proxied: Lazy,
}

impl Files {
    /// The file at `url`.
    pub(super) fn get(
        &self,
        url: &str,
        deadline: &Deadline,
        limit: u64,
    ) -> Result<Vec<u8>, RemoteError> {
        let url = Url::parse(url).map_err(|error| RemoteError::Failed(error.to_string()))?;
        let Some(left) = deadline.left() else {
            return Err(late(deadline));
        };
        let request = self.client(&url)?.get(url).timeout(left);
        let response = request
            .send()
            .map_err(|error| unanswered(&error, deadline))?;
        let status = response.status();
        if !status.is_success() {
            return Err(RemoteError::Status(status.as_u16()));
        }
        read(response, deadline, limit)
    }

    fn client(&self, url: &Url) -> Result<Client, RemoteError> {
        let direct = is_loopback(url);
        let lazy = if direct { &self.direct } else { &self.proxied };
        lazy.get_or_init(|| client(direct)).clone()
    }
}

fn client(direct: bool) -> Result<Client, RemoteError> {
    crate::adapters::tls::install_provider();
    let builder = Client::builder()
        .user_agent(concat!("highwater/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::custom(follow));
    let builder = match direct {
        true => builder.no_proxy(),
        false => builder,
    };
    let built = builder.build();
    built.map_err(|error| RemoteError::Failed(sources(&error)))
}

fn read(mut response: Response, deadline: &Deadline, limit: u64) -> Result<Vec<u8>, RemoteError> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        // A server that sends a little now and then must not keep a build waiting.
        if deadline.left().is_none() {
            return Err(late(deadline));
        }
        let read = response
            .read(&mut chunk)
            .map_err(|error| match deadline.left() {
                None => late(deadline),
                Some(_) => {
                    RemoteError::Failed(format!("the connection broke: {}", sources(&error)))
                }
            })?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&chunk[..read]);
        if bytes.len() as u64 > limit {
            let words = format!("it has more than {limit} bytes");
            return Err(RemoteError::Failed(words));
        }
    }
}

fn late(deadline: &Deadline) -> RemoteError {
    let seconds = deadline.allowed().as_secs_f64();
    RemoteError::Failed(format!("the server did not answer within {seconds} s"))
}

fn unanswered(error: &reqwest::Error, deadline: &Deadline) -> RemoteError {
    if deadline.left().is_none() {
        return late(deadline);
    }
    // The error's own words hold the URL, and the URL may hold a secret.
    let words = match std::error::Error::source(error) {
        Some(source) => sources(source),
        None => "the request failed".to_owned(),
    };
    RemoteError::Failed(words)
}
