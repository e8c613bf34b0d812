//! Fetching an artifact that another controller serves.

use super::reader::{ArtifactTree, Limits, ReadError, check_digest};
use reqwest::{Client, StatusCode};
use thiserror::Error;

/// Why an artifact could not be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// There is nothing at the URL (any more): the source has a newer artifact by now.
    #[error("artifact `{0}` not found")]
    NotFound(String),
    /// The server refused.
    #[error("fetching the artifact `{url}` failed with status {status}")]
    Status {
        /// The URL without its query.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server did not answer, or not to the end.
    #[error("fetching the artifact `{url}` failed")]
    Transport {
        /// The URL without its query.
        url: String,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// What came is not the artifact.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl FetchError {
    /// Whether the artifact is gone, so that looking at its source again is what helps.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::Read(ReadError::NotFound(_)))
    }
}

/// Fetches an archive, checks its digest and reads it.
///
/// # Errors
/// [`FetchError`]; [`FetchError::NotFound`] for 404 and 410.
pub async fn fetch_artifact(
    client: &Client,
    url: &str,
    digest: &str,
    limits: &Limits,
) -> Result<ArtifactTree, FetchError> {
    let shown = || url.split(['?', '#']).next().unwrap_or_default().to_owned();
    let failed = |source: reqwest::Error| FetchError::Transport {
        url: shown(),
        source: source.without_url(),
    };
    let request = client.get(url).timeout(limits.timeout);
    let mut response = request.send().await.map_err(failed)?;
    match response.status() {
        status if status.is_success() => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(FetchError::NotFound(shown())),
        status => {
            return Err(FetchError::Status {
                url: shown(),
                status: status.as_u16(),
            });
        }
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() as u64 + chunk.len() as u64 > limits.archive {
            return Err(FetchError::Read(ReadError::TooLarge {
                what: "bytes",
                limit: limits.archive,
            }));
        }
        bytes.extend_from_slice(&chunk);
    }
    check_digest(&bytes, digest)?;
    let limits = limits.clone();
    let unpacked =
        tokio::task::spawn_blocking(move || ArtifactTree::from_tar_gz(&bytes, None, &limits)).await;
    match unpacked {
        Ok(tree) => Ok(tree?),
        Err(stopped) => Err(FetchError::Read(ReadError::Archive(std::io::Error::other(
            stopped,
        )))),
    }
}
