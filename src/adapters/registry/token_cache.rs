//! Tokens in use, and one request at a time for each.
//!
//! Invariant: requests that differ in registry, repository, credentials, trust or proxy never share a
//! token; many that agree cause one request, and share its outcome, also a failure. What is absent:
//! the request.

use super::access::Fingerprint;
use super::error::RegistryError;
use reqwest::header::HeaderValue;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often expired tokens are thrown away.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What a token is good for, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenKey {
    /// How the registry was reached.
    pub(super) connection: Fingerprint,
    /// The registry's origin.
    pub(super) registry: String,
    /// The token server.
    pub(super) realm: String,
    /// The registry's name for itself.
    pub(super) service: String,
    /// The repository that may be read.
    pub(super) repository: String,
    /// Who asked.
    pub(super) credentials: Fingerprint,
}

/// A token, fresh from its server.
#[derive(Debug)]
pub(super) struct Granted {
    /// The value of the `Authorization` field.
    pub(super) token: HeaderValue,
    /// How long it may be kept.
    pub(super) lifetime: Duration,
}

/// The tokens of the process.
#[derive(Default)]
pub(super) struct TokenCache {
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    by_key: HashMap<TokenKey, Arc<Slot>>,
    next_sweep: Option<Instant>,
}

/// One token's place. Who holds `last` is asking for a new one.
#[derive(Default)]
struct Slot {
    /// Requests completed. Who waited while it rose takes their outcome.
    flights: AtomicU64,
    last: tokio::sync::Mutex<Option<Flight>>,
}

/// The outcome of the last request.
struct Flight {
    outcome: Result<HeaderValue, RegistryError>,
    good_until: Instant,
}

impl TokenCache {
    /// The token for a key, asked for with `request` unless there is one.
    ///
    /// `stale` is a token that was just refused, so it is not given again. A caller that is dropped
    /// while it asks leaves the asking to the next one that waits.
    pub(super) async fn get(
        &self,
        key: TokenKey,
        stale: Option<&HeaderValue>,
        request: impl Future<Output = Result<Granted, RegistryError>>,
    ) -> Result<HeaderValue, RegistryError> {
        let slot = self.slot(key);
        let before = slot.flights.load(Ordering::Acquire);
        let mut last = slot.last.lock().await;
        let waited = slot.flights.load(Ordering::Acquire) != before;
        if let Some(flight) = last.as_ref() {
            let fresh = waited || (flight.outcome.is_ok() && Instant::now() < flight.good_until);
            let refused = stale.is_some() && flight.outcome.as_ref().ok() == stale;
            if fresh && !refused {
                return flight.outcome.clone();
            }
        }
        let granted = request.await;
        let lifetime = granted
            .as_ref()
            .map_or(Duration::ZERO, |granted| granted.lifetime);
        let outcome = granted.map(|granted| granted.token);
        *last = Some(Flight {
            outcome: outcome.clone(),
            good_until: Instant::now() + lifetime,
        });
        slot.flights.fetch_add(1, Ordering::Release);
        outcome
    }

    fn slot(&self, key: TokenKey) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if slots.next_sweep.is_none_or(|due| due <= now) {
            slots.by_key.retain(|_, slot| slot.is_wanted(now));
            slots.next_sweep = Some(now + SWEEP_INTERVAL);
        }
        Arc::clone(slots.by_key.entry(key).or_default())
    }
}

impl Slot {
    /// Whether somebody is using the slot, or will be able to.
    fn is_wanted(self: &Arc<Self>, now: Instant) -> bool {
        Arc::strong_count(self) > 1
            || self
                .last
                .try_lock()
                .is_ok_and(|last| last.as_ref().is_some_and(|flight| now < flight.good_until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::registry::Words;
    use crate::domain::docker_config::Credentials;
    use futures::future::join_all;
    use std::future::pending;
    use std::sync::atomic::AtomicUsize;

    fn key(repository: &str) -> TokenKey {
        let nobody = Fingerprint::of_credentials(&Credentials::Anonymous);
        TokenKey {
            connection: nobody,
            registry: "https://r.example/".to_owned(),
            realm: "https://auth.example/".to_owned(),
            service: String::new(),
            repository: repository.to_owned(),
            credentials: nobody,
        }
    }

    fn granted(token: &'static str, lifetime: Duration) -> Result<Granted, RegistryError> {
        Ok(Granted {
            token: HeaderValue::from_static(token),
            lifetime,
        })
    }

    fn refused() -> Result<Granted, RegistryError> {
        Err(RegistryError::Forbidden {
            host: "auth.example".to_owned(),
            words: Words::default(),
        })
    }

    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn many_who_want_the_same_ask_once_and_share_also_a_failure() {
        for answer in [
            || granted("a", LONG),
            || granted("a", Duration::ZERO),
            refused,
        ] {
            let cache = TokenCache::default();
            let asked = AtomicUsize::new(0);
            let requests = (0..32).map(|_| {
                cache.get(key("app"), None, async {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    answer()
                })
            });
            let outcomes = join_all(requests).await;
            assert_eq!(asked.load(Ordering::Relaxed), 1);
            let expected = answer().map(|granted| granted.token);
            assert!(outcomes.iter().all(|outcome| *outcome == expected));
        }
    }

    #[tokio::test]
    async fn a_token_serves_until_it_expires_or_is_refused() {
        let cache = TokenCache::default();
        let get = async |stale: Option<&'static str>, answer| {
            let stale = stale.map(HeaderValue::from_static);
            let token = cache
                .get(key("app"), stale.as_ref(), async move { answer })
                .await;
            token.expect("a token").to_str().expect("text").to_owned()
        };
        assert_eq!(get(None, granted("a", LONG)).await, "a");
        assert_eq!(get(None, granted("b", LONG)).await, "a");
        assert_eq!(get(Some("other"), granted("b", LONG)).await, "a");
        assert_eq!(get(Some("a"), granted("b", Duration::ZERO)).await, "b");
        assert_eq!(get(None, granted("c", LONG)).await, "c");
    }

    #[tokio::test]
    async fn a_failure_is_not_kept_for_those_who_come_later() {
        let cache = TokenCache::default();
        assert!(
            cache
                .get(key("app"), None, async { refused() })
                .await
                .is_err()
        );
        let token = cache
            .get(key("app"), None, async { granted("a", LONG) })
            .await;
        assert_eq!(token, Ok(HeaderValue::from_static("a")));
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_asking_to_the_next() {
        let cache = TokenCache::default();
        {
            let mut first = std::pin::pin!(cache.get(key("app"), None, pending()));
            assert!(futures::poll!(&mut first).is_pending());
        }
        let token = cache
            .get(key("app"), None, async { granted("a", LONG) })
            .await;
        assert_eq!(token, Ok(HeaderValue::from_static("a")));
    }

    #[tokio::test]
    async fn different_keys_have_different_tokens() {
        let cache = TokenCache::default();
        for (name, token) in [("one", "a"), ("two", "b")] {
            let found = cache
                .get(key(name), None, async { granted(token, LONG) })
                .await;
            assert_eq!(found, Ok(HeaderValue::from_static(token)));
        }
    }
}
