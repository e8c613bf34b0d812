//! What is counted of logins that clouds gave.
//!
//! Invariant: nothing in here tells whose they were. What is absent: who counts.

use std::ops::Add;

/// What caches of logins hold and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginCounts {
    /// Logins held.
    pub items: u64,
    /// Answers out of the cache.
    pub hits: u64,
    /// Requests that gave a login.
    pub granted: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Logins that had to go for others.
    pub evicted: u64,
}

impl Add for LoginCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            items: self.items + other.items,
            hits: self.hits + other.hits,
            granted: self.granted + other.granted,
            failed: self.failed + other.failed,
            evicted: self.evicted + other.evicted,
        }
    }
}
