//! Named locks inside one process: who holds the name `key` goes on, the others wait.
//!
//! Invariant: a name exists only while somebody holds it, so the table does not grow.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// A table of named locks.
#[derive(Debug, Default)]
pub(super) struct NamedLocks {
    held: Mutex<HashSet<String>>,
    released: Condvar,
}

/// Holds one name until dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    locks: &'a NamedLocks,
    key: String,
}

impl NamedLocks {
    /// Waits for `key` until `deadline`; `None` when the time is over.
    pub(super) fn acquire(&self, key: &str, deadline: Instant) -> Option<Held<'_>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while held.contains(key) {
            let left = deadline.checked_duration_since(Instant::now())?;
            (held, _) = self
                .released
                .wait_timeout(held, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        held.insert(key.to_owned());
        Some(Held {
            locks: self,
            key: key.to_owned(),
        })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = self
            .locks
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.key);
        self.locks.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn one_name_is_held_once_at_a_time() {
        let locks = NamedLocks::default();
        let inside = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let held = locks.acquire("main", soon());
                        assert!(held.is_some());
                        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
        assert!(locks.held.lock().expect("no panic before").is_empty());
    }

    #[test]
    fn waiting_ends_at_the_deadline_and_other_names_are_free() {
        let locks = NamedLocks::default();
        let _main = locks.acquire("main", soon());
        assert!(locks.acquire("main", Instant::now()).is_none());
        assert!(locks.acquire("other", Instant::now()).is_some());
    }
}
