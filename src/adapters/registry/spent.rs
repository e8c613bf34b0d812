//! What an operation asked of its registry, and who is told of it as it happens.
//!
//! Invariant: everything that goes over the network is counted once, also when the operation fails or is given up. What is
//! absent: metrics, which a caller makes of it, and any name of an image.

use super::budget::{Kind, Learned};
use crate::domain::http_field::RateLimit;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What one operation cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests that went out, to the registry and to its token server.
    pub requests: u64,
    /// Pages of a tag list that were read or found unchanged.
    pub pages: u64,
    /// Of these, pages that the registry said are unchanged (304).
    pub not_modified: u64,
    /// Tags the registry sent, kept or not.
    pub tags: u64,
    /// Bytes of tag lists and manifests, unpacked.
    pub bytes: u64,
    /// What the registry said last of its limit.
    pub limit: Option<RateLimit>,
    /// The page at which an earlier attempt was taken up, from 1.
    pub resumed_at: Option<u64>,
}

/// Something that happened between us and a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence<'a> {
    /// It answered.
    Answer {
        /// The registry, `host:port`.
        host: &'a str,
        /// `tags`, `manifest` or `token`.
        kind: &'static str,
        /// The status code.
        status: u16,
    },
    /// It did not answer.
    NoAnswer {
        /// The registry.
        host: &'a str,
        /// `tags`, `manifest` or `token`.
        kind: &'static str,
    },
    /// A request was not even sent, because the registry wants a pause or the budget is spent.
    HeldBack {
        /// The registry.
        host: &'a str,
        /// `tags` or `manifest`.
        kind: &'static str,
    },
    /// It asked for a pause.
    Pause {
        /// The registry.
        host: &'a str,
        /// How long.
        wait: Duration,
    },
    /// A body was read.
    Received {
        /// The registry.
        host: &'a str,
        /// `tags` or `manifest`.
        kind: &'static str,
        /// Its length, unpacked.
        bytes: u64,
    },
    /// A scan was answered with another object's.
    Shared {
        /// The registry.
        host: &'a str,
    },
}

/// Who is told of every [`Occurrence`].
pub type Observer = Arc<dyn Fn(Occurrence<'_>) + Send + Sync>;

/// Counts for one operation.
pub(super) struct Meter<'a> {
    host: &'a str,
    observer: Option<&'a Observer>,
    spent: Mutex<Spent>,
}

impl<'a> Meter<'a> {
    /// Nothing is spent yet.
    pub(super) fn new(host: &'a str, observer: Option<&'a Observer>) -> Self {
        Self {
            host,
            observer,
            spent: Mutex::default(),
        }
    }

    /// What was spent so far.
    pub(super) fn spent(&self) -> Spent {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, add: impl FnOnce(&mut Spent)) {
        add(&mut self.spent.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn tell(&self, occurrence: Occurrence<'_>) {
        if let Some(observer) = self.observer {
            observer(occurrence);
        }
    }

    /// A request went out; `status` when it was answered.
    pub(super) fn sent(&self, kind: &'static str, status: Option<u16>) {
        self.note(|spent| spent.requests += 1);
        let host = self.host;
        self.tell(match status {
            Some(status) => Occurrence::Answer { host, kind, status },
            None => Occurrence::NoAnswer { host, kind },
        });
    }

    /// A request was held back.
    pub(super) fn held_back(&self, kind: Kind) {
        self.tell(Occurrence::HeldBack {
            host: self.host,
            kind: kind.name(),
        });
    }

    /// An answer said something of limits.
    pub(super) fn learned(&self, learned: &Learned) {
        if learned.limit.is_some() {
            self.note(|spent| spent.limit = learned.limit);
        }
        if let Some(wait) = learned.pause {
            self.tell(Occurrence::Pause {
                host: self.host,
                wait,
            });
        }
    }

    /// A body was read.
    pub(super) fn received(&self, kind: Kind, bytes: usize) {
        let bytes = bytes as u64;
        self.note(|spent| spent.bytes += bytes);
        self.tell(Occurrence::Received {
            host: self.host,
            kind: kind.name(),
            bytes,
        });
    }

    /// A page was read with so many tags, or found unchanged.
    pub(super) fn page(&self, tags: Option<usize>) {
        self.note(|spent| {
            spent.pages += 1;
            match tags {
                Some(tags) => spent.tags += tags as u64,
                None => spent.not_modified += 1,
            }
        });
    }

    /// An earlier attempt is taken up.
    pub(super) fn resumed(&self, page: usize) {
        self.note(|spent| spent.resumed_at = Some(page as u64));
    }

    /// Another object's scan was taken.
    pub(super) fn shared(&self) {
        self.tell(Occurrence::Shared { host: self.host });
    }
}
