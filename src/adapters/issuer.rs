//! The public keys of token issuers, fetched where they publish them and kept for a while.
//!
//! Invariant: what an issuer answers is bounded in size and time; keys are asked for again when they are old, or when a token names
//! one that is not among them, and never more often than once a minute. What is absent: judging tokens.

use crate::domain::webhook::jwt::{self, Key};
use reqwest::{Client, redirect};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Where Google publishes the keys of its identity tokens.
pub const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer, in bytes. Real ones are a few thousand.
const LARGEST_ANSWER: usize = 256 * 1024;
/// How long keys are used without asking again.
const FRESH: Duration = Duration::from_secs(600);
/// The least time between two requests for the same keys.
const PAUSE: Duration = Duration::from_secs(60);
/// Most issuers that are remembered.
const MOST_ISSUERS: usize = 1_000;

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IssuerError {
    /// It does not answer, or not well.
    #[error("the keys at `{url}` cannot be had: {reason}")]
    Unreachable {
        /// Where they should be.
        url: String,
        /// Why not.
        reason: String,
    },
}

/// Where keys are published.
#[derive(Clone, Copy, Debug)]
pub enum Keys<'a> {
    /// At this URL.
    At(&'a str),
    /// Where the issuer of this URL says (OpenID Connect Discovery).
    Of(&'a str),
}

type Slot = Arc<Mutex<Option<(Instant, Vec<Key>)>>>;

/// The keys of all issuers. Share one per process.
#[derive(Debug, Default)]
pub struct Issuers {
    client: OnceLock<Client>,
    slots: Mutex<HashMap<String, Slot>>,
}

impl Issuers {
    /// The keys published at `source`: those at hand, unless they are old, or `renew` asks for newer ones.
    ///
    /// # Errors
    /// [`IssuerError`] when there are none at hand and they cannot be had.
    pub async fn keys(&self, source: Keys<'_>, renew: bool) -> Result<Vec<Key>, IssuerError> {
        let name = match source {
            Keys::At(url) => format!("at {url}"),
            Keys::Of(url) => format!("of {url}"),
        };
        let slot = {
            let mut slots = self.slots.lock().await;
            if slots.len() >= MOST_ISSUERS && !slots.contains_key(&name) {
                slots.clear();
            }
            Arc::clone(slots.entry(name).or_default())
        };
        // Whoever else needs them waits here, and finds them.
        let mut known = slot.lock().await;
        if let Some((since, keys)) = known.as_ref() {
            let age = since.elapsed();
            if age < PAUSE || (age < FRESH && !renew) {
                return Ok(keys.clone());
            }
        }
        let set = self.set(source).await;
        match (set, known.as_ref()) {
            (Ok(set), _) => {
                let keys = jwt::keys(&set);
                *known = Some((Instant::now(), keys.clone()));
                Ok(keys)
            }
            // Keys do not become wrong because their issuer is down.
            (Err(_), Some((_, keys))) => Ok(keys.clone()),
            (Err(error), None) => Err(error),
        }
    }

    /// The set of keys of a source.
    async fn set(&self, source: Keys<'_>) -> Result<Value, IssuerError> {
        let issuer = match source {
            Keys::At(url) => return self.document(url).await,
            Keys::Of(issuer) => issuer,
        };
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let found = self.document(&url).await?;
        let wrong = |reason: &str| IssuerError::Unreachable {
            url: url.clone(),
            reason: reason.to_owned(),
        };
        // Whoever answers must be whom the token names.
        if found["issuer"].as_str() != Some(issuer) {
            return Err(wrong("the document is of another issuer"));
        }
        let keys = found["jwks_uri"].as_str();
        self.document(keys.ok_or_else(|| wrong("the document has no `jwks_uri`"))?)
            .await
    }

    /// Reads a document of JSON.
    async fn document(&self, url: &str) -> Result<Value, IssuerError> {
        let unreachable = |reason: String| IssuerError::Unreachable {
            url: url.to_owned(),
            reason,
        };
        let client = self.client.get_or_init(client);
        let answer = client
            .get(url)
            .send()
            .await
            .map_err(|error| unreachable(words(&error)))?;
        if !answer.status().is_success() {
            return Err(unreachable(format!("status {}", answer.status().as_u16())));
        }
        let bytes = bounded(answer).await.map_err(unreachable)?;
        serde_json::from_slice(&bytes).map_err(|_| unreachable("the answer is not JSON".to_owned()))
    }
}

fn client() -> Client {
    crate::adapters::tls::install_provider();
    // An issuer is where its URL says.
    let built = Client::builder()
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none())
        .build();
    built.unwrap_or_default()
}

async fn bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut whole = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| words(&error))? {
        if whole.len() + piece.len() > LARGEST_ANSWER {
            return Err(format!("the answer is larger than {LARGEST_ANSWER} bytes"));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

fn words(error: &reqwest::Error) -> String {
    crate::domain::outcome::with_causes(error)
}
