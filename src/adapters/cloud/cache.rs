//! Logins in use, and one request at a time for each.
//!
//! Invariant: what differs in its key is never shared; many who want the same cause one request and share
//! its outcome, also a failure; a failure is not kept; beyond the limit the login that was not used for
//! longest goes, but for those that are being asked for. What is absent: the request.

use super::Fresh;
use super::error::CloudError;
use crate::domain::cloud::LoginCounts;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many logins are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Most logins of each sort; 0 keeps none.
    pub most: usize,
    /// Longest time that one is kept.
    pub longest: Duration,
}

/// What a login depends on. Proxies hold passwords, so only a digest is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// A digest over texts, each with its length, so that no two lists give the same bytes.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a &'a str>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        Self(digest.finalize().into())
    }
}

/// Logins of one sort.
pub(super) struct Cache<T> {
    limits: CacheLimits,
    slots: Mutex<HashMap<Key, Held<T>>>,
    hits: AtomicU64,
    granted: AtomicU64,
    failed: AtomicU64,
    evicted: AtomicU64,
}

struct Held<T> {
    slot: Arc<Slot<T>>,
    used: Instant,
}

/// One login's place. Who holds `last` is asking for a new one.
struct Slot<T> {
    /// Requests completed. Who waited while it rose takes their outcome.
    flights: AtomicU64,
    last: tokio::sync::Mutex<Option<Flight<T>>>,
}

/// The outcome of the last request.
struct Flight<T> {
    outcome: Result<T, CloudError>,
    /// Both clocks, since one of them stands still while a machine sleeps and the other can be set.
    good_until: (Instant, Timestamp),
}

impl<T: Clone> Cache<T> {
    pub(super) fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            slots: Mutex::default(),
            hits: AtomicU64::default(),
            granted: AtomicU64::default(),
            failed: AtomicU64::default(),
            evicted: AtomicU64::default(),
        }
    }

    /// The login for a key, asked for with `request` unless there is one.
    pub(super) async fn get(
        &self,
        key: Key,
        request: impl Future<Output = Fresh<T>>,
    ) -> Result<T, CloudError> {
        let slot = self.slot(key);
        let before = slot.flights.load(Ordering::Acquire);
        let mut last = slot.last.lock().await;
        let waited = slot.flights.load(Ordering::Acquire) != before;
        if let Some(flight) = last.as_ref()
            && (waited || flight.is_good())
        {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return flight.outcome.clone();
        }
        let fresh = request.await;
        let now = Timestamp::now();
        let (outcome, keep) = match fresh {
            Ok((login, expiry)) => {
                self.granted.fetch_add(1, Ordering::Relaxed);
                (Ok(login), expiry.keep(now, self.longest()))
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                (Err(error), Duration::ZERO)
            }
        };
        *last = Some(Flight {
            outcome: outcome.clone(),
            good_until: (Instant::now() + keep, now.checked_add(keep).unwrap_or(now)),
        });
        slot.flights.fetch_add(1, Ordering::Release);
        outcome
    }

    /// Drops a login that turned out to be worth nothing.
    pub(super) fn forget(&self, login: &T)
    where
        T: PartialEq,
    {
        self.lock().retain(|_, held| {
            let Ok(last) = held.slot.last.try_lock() else {
                return true;
            };
            let held = last
                .as_ref()
                .and_then(|flight| flight.outcome.as_ref().ok());
            held != Some(login)
        });
    }

    pub(super) fn counts(&self) -> LoginCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LoginCounts {
            items: self.lock().len() as u64,
            hits: count(&self.hits),
            granted: count(&self.granted),
            failed: count(&self.failed),
            evicted: count(&self.evicted),
        }
    }

    fn longest(&self) -> Duration {
        match self.limits.most {
            0 => Duration::ZERO,
            _ => self.limits.longest,
        }
    }

    fn slot(&self, key: Key) -> Arc<Slot<T>> {
        let mut slots = self.lock();
        let used = Instant::now();
        if let Some(held) = slots.get_mut(&key) {
            held.used = used;
            return Arc::clone(&held.slot);
        }
        if slots.len() >= self.limits.most.max(1) {
            // What somebody is asking for at this moment stays.
            slots.retain(|_, held| Arc::strong_count(&held.slot) > 1 || held.slot.is_good());
        }
        while slots.len() >= self.limits.most.max(1) {
            let idle = slots
                .iter()
                .filter(|(_, held)| Arc::strong_count(&held.slot) == 1);
            let Some(oldest) = idle.min_by_key(|(_, held)| held.used).map(|(key, _)| *key) else {
                break;
            };
            slots.remove(&oldest);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        let slot = Arc::new(Slot {
            flights: AtomicU64::default(),
            last: tokio::sync::Mutex::default(),
        });
        let held = Held {
            slot: Arc::clone(&slot),
            used,
        };
        slots.insert(key, held);
        slot
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Held<T>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Slot<T> {
    fn is_good(&self) -> bool {
        self.last
            .try_lock()
            .is_ok_and(|last| last.as_ref().is_some_and(Flight::is_good))
    }
}

impl<T> Flight<T> {
    fn is_good(&self) -> bool {
        let (instant, time) = self.good_until;
        self.outcome.is_ok() && Instant::now() < instant && Timestamp::now() < time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cloud::lifetime::Expiry;
    use futures::future::join_all;

    fn cache(most: usize) -> Cache<u64> {
        Cache::new(CacheLimits {
            most,
            longest: Duration::from_secs(3_600),
        })
    }

    fn key(name: &str) -> Key {
        Key::of([&name])
    }

    fn failed() -> CloudError {
        CloudError::Setting {
            name: "X",
            reason: "no".to_owned(),
        }
    }

    #[tokio::test]
    async fn many_who_want_the_same_ask_once_and_share_also_a_failure() {
        for answer in [
            || Ok((1, Expiry::Never)),
            || Ok((1, Expiry::After(Duration::ZERO))),
            || Err(failed()),
        ] {
            let cache = cache(10);
            let asked = AtomicU64::new(0);
            let all = (0..32).map(|_| {
                cache.get(key("a"), async {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    answer()
                })
            });
            let outcomes = join_all(all).await;
            assert_eq!(asked.load(Ordering::Relaxed), 1);
            let expected = answer().map(|(value, _)| value);
            assert!(outcomes.iter().all(|outcome| *outcome == expected));
        }
    }

    #[tokio::test]
    async fn a_login_is_kept_while_it_lasts_and_a_failure_not_at_all() {
        let cache = cache(10);
        let get = async |value: u64, expiry| {
            cache
                .get(key("a"), async move { Ok((value, expiry)) })
                .await
        };
        assert_eq!(
            cache.get(key("a"), async { Err(failed()) }).await,
            Err(failed())
        );
        assert_eq!(get(1, Expiry::Never).await, Ok(1));
        assert_eq!(get(2, Expiry::Never).await, Ok(1));
        assert_eq!(
            cache
                .get(key("b"), async { Ok((3, Expiry::After(Duration::ZERO))) })
                .await,
            Ok(3)
        );
        assert_eq!(
            cache.get(key("b"), async { Ok((4, Expiry::Never)) }).await,
            Ok(4)
        );
        let counts = cache.counts();
        assert_eq!((counts.hits, counts.granted, counts.failed), (1, 3, 1));
    }

    #[tokio::test]
    async fn a_login_that_is_worth_nothing_is_asked_for_anew() {
        let cache = cache(10);
        let get = async |name: &'static str, value: u64| {
            cache
                .get(key(name), async move { Ok((value, Expiry::Never)) })
                .await
        };
        for (name, value) in [("a", 1), ("b", 2)] {
            assert_eq!(get(name, value).await, Ok(value));
        }
        cache.forget(&1);
        assert_eq!((get("a", 3).await, get("b", 4).await), (Ok(3), Ok(2)));
    }

    #[tokio::test]
    async fn the_login_that_was_not_used_for_longest_goes_first() {
        let cache = cache(2);
        let get = async |name: &'static str, value: u64| {
            cache
                .get(key(name), async move { Ok((value, Expiry::Never)) })
                .await
        };
        for (name, value, expected) in [
            ("a", 1, 1),
            ("b", 2, 2),
            ("a", 3, 1),
            ("c", 4, 4),
            ("a", 5, 1),
            ("b", 6, 6),
        ] {
            assert_eq!(get(name, value).await, Ok(expected), "{name}");
        }
        let counts = cache.counts();
        assert_eq!((counts.items, counts.evicted), (2, 2));
    }

    #[tokio::test]
    async fn without_a_place_every_login_is_asked_for() {
        let cache = cache(0);
        for value in 0..3 {
            let found = cache
                .get(key("a"), async { Ok((value, Expiry::Never)) })
                .await;
            assert_eq!(found, Ok(value));
        }
        assert!(cache.counts().items <= 1);
    }

    #[test]
    fn keys_differ_where_their_parts_do() {
        assert_ne!(Key::of(&["a", "bc"]), Key::of(&["ab", "c"]));
        assert_eq!(Key::of(&["a", "b"]), Key::of(&["a", "b"]));
    }
}
