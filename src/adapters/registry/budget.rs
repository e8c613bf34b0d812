//! What a registry is asked at once and in a second, shared by everything in the process that asks it.
//!
//! Invariant: a pause that a registry asks one request for is kept by all that ask with the same credentials; a request that
//! would have to wait longer than a few seconds fails at once, with the wait, so that it holds up nobody. What is absent: when
//! an object is tried again; the controllers come back after the wait.

use super::access::Fingerprint;
use super::error::{RegistryError, Words};
use crate::domain::http_field::{RateLimit, parse_rate_limit, parse_retry_after};
use crate::domain::pace::Pace;
use crate::domain::registry_settings::RegistrySettings;
use jiff::Timestamp;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest a request waits for its turn at the rate; a longer wait is an error that names it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause after a 429 without `Retry-After`.
const PAUSE: Duration = Duration::from_secs(10);
/// Most registries and logins remembered. It is a cache: when it is full it starts anew.
const MOST_PACES: usize = 4096;

/// What a request asks for; registries count the kinds apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A page of a tag list.
    Tags,
    /// A manifest or its digest.
    Manifest,
}

impl Kind {
    /// How metrics name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tags => "tags",
            Self::Manifest => "manifest",
        }
    }
}

/// What an answer said of limits.
pub(super) struct Learned {
    /// What is left.
    pub(super) limit: Option<RateLimit>,
    /// The pause that it asks for.
    pub(super) pause: Option<Duration>,
}

/// The budgets of all registries.
pub(super) struct Budgets {
    settings: RegistrySettings,
    started: Instant,
    doors: Mutex<HashMap<String, Arc<Door>>>,
    paces: Mutex<HashMap<(String, Fingerprint, Kind), Pace>>,
}

/// What all requests to one registry share, whoever asks.
pub(super) struct Door {
    permits: Arc<Semaphore>,
    pace: Mutex<Pace>,
}

/// Who asks whom for what.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) host: &'a str,
    pub(super) login: Fingerprint,
    pub(super) kind: Kind,
}

impl Default for Budgets {
    fn default() -> Self {
        Self::new(RegistrySettings::default())
    }
}

impl Budgets {
    /// Nothing is spent yet.
    pub(super) fn new(settings: RegistrySettings) -> Self {
        Self {
            settings,
            started: Instant::now(),
            doors: Mutex::default(),
            paces: Mutex::default(),
        }
    }

    /// How much each registry is asked.
    pub(super) fn settings(&self) -> &RegistrySettings {
        &self.settings
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// What all requests to one registry go through.
    pub(super) fn door(&self, host: &str) -> Arc<Door> {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if doors.len() >= MOST_PACES && !doors.contains_key(host) {
            doors.clear();
        }
        let door = doors.entry(host.to_owned()).or_insert_with(|| {
            let limits = self.settings.of(host);
            let at_once = limits.at_once.clamp(1, Semaphore::MAX_PERMITS);
            Arc::new(Door {
                permits: Arc::new(Semaphore::new(at_once)),
                pace: Mutex::new(Pace::new(limits.rate)),
            })
        });
        Arc::clone(door)
    }

    /// Waits until a request may go out. What comes back is held until its answer has begun.
    ///
    /// # Errors
    /// [`RegistryError::RateLimited`] when the wait would be long.
    pub(super) async fn enter(
        &self,
        door: &Door,
        turn: Turn<'_>,
    ) -> Result<OwnedSemaphorePermit, RegistryError> {
        let too_long = |wait| RegistryError::RateLimited {
            host: turn.host.to_owned(),
            retry_after: Some(wait),
            words: Words::default(),
        };
        let permit = Arc::clone(&door.permits).acquire_owned().await;
        // The semaphore is never closed.
        let permit = permit.map_err(|_| too_long(PAUSE))?;
        let own = self.with_pace(turn, |pace, now| pace.book(now, PATIENCE));
        let own = own.map_err(too_long)?;
        let shared = {
            let mut pace = door.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.book(self.now(), PATIENCE).map_err(too_long)?
        };
        tokio::time::sleep(own.max(shared)).await;
        Ok(permit)
    }

    /// Takes note of what an answer says of limits.
    pub(super) fn learn(&self, turn: Turn<'_>, response: &Response) -> Learned {
        let field = |name: &str| response.headers().get(name)?.to_str().ok();
        let clock = Timestamp::now();
        let limit = parse_rate_limit(field, clock);
        let asked = field(RETRY_AFTER.as_str()).and_then(|field| parse_retry_after(field, clock));
        let pause = match response.status() {
            StatusCode::TOO_MANY_REQUESTS => Some(asked.unwrap_or(PAUSE)),
            StatusCode::SERVICE_UNAVAILABLE => asked,
            _ => None,
        };
        if limit.is_some() || pause.is_some() {
            self.with_pace(turn, |pace, now| {
                if let Some(limit) = &limit {
                    pace.learn(now, limit);
                }
                if let Some(pause) = pause {
                    pace.pause(now, pause);
                }
            });
        }
        Learned { limit, pause }
    }

    fn with_pace<T>(&self, turn: Turn<'_>, act: impl FnOnce(&mut Pace, Duration) -> T) -> T {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (turn.host.to_owned(), turn.login, turn.kind);
        if paces.len() >= MOST_PACES && !paces.contains_key(&key) {
            paces.clear();
        }
        act(paces.entry(key).or_default(), self.now())
    }
}
