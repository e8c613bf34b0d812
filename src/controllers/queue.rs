//! The work queue of one kind: which object is due, and when.
//!
//! Invariants: an object is never worked on twice at once; asked for while it is worked on, it comes
//! again afterwards; asked for twice, it comes once, at the earlier of the two times.
//! What is absent: what the work is, and how many go on at once.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Keys that are due at a time. Any task adds; one task takes.
#[derive(Debug)]
pub struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<K> {
    due: BTreeSet<(Instant, K)>,
    when: HashMap<K, Instant>,
    /// Worked on now, with the time it was asked for again meanwhile.
    running: HashMap<K, Option<Instant>>,
}

impl<K: Clone + Eq + Hash + Ord> Default for Queue<K> {
    fn default() -> Self {
        let state = State {
            due: BTreeSet::new(),
            when: HashMap::new(),
            running: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    /// Asks for `key` at `at`, or at the time already known if that is earlier.
    pub fn add(&self, key: K, at: Instant) {
        self.lock().add(key, at);
        self.changed.notify_one();
    }

    /// Waits for the next key that is due and marks it as worked on, until [`done`](Self::done).
    pub async fn next(&self) -> K {
        loop {
            let changed = self.changed.notified();
            let earliest = {
                let mut state = self.lock();
                match state.take_due(Instant::now()) {
                    Ok(key) => return key,
                    Err(earliest) => earliest,
                }
            };
            match earliest {
                Some(at) => {
                    // Whatever happens first, the queue is looked at again.
                    let _ = tokio::time::timeout_at(at, changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// Ends the work on `key`, and asks for it again at `again` if that is given.
    pub fn done(&self, key: &K, again: Option<Instant>) {
        {
            let mut state = self.lock();
            let asked = state.running.remove(key).flatten();
            if let Some(at) = [asked, again].into_iter().flatten().min() {
                state.add(key.clone(), at);
            }
        }
        self.changed.notify_one();
    }

    /// Forgets that `key` was asked for: the object is gone.
    pub fn forget(&self, key: &K) {
        let mut state = self.lock();
        if let Some(at) = state.when.remove(key) {
            state.due.remove(&(at, key.clone()));
        }
    }

    /// Whether `key` is due or worked on.
    pub fn is_active(&self, key: &K) -> bool {
        let state = self.lock();
        let due = || state.when.get(key).is_some_and(|at| *at <= Instant::now());
        state.running.contains_key(key) || due()
    }

    /// How many keys wait, due or not.
    pub fn len(&self) -> usize {
        self.lock().when.len()
    }

    /// Whether no key waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // No code panics while it holds the lock; if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash + Ord> State<K> {
    fn add(&mut self, key: K, at: Instant) {
        if let Some(asked) = self.running.get_mut(&key) {
            *asked = Some(asked.map_or(at, |known| known.min(at)));
            return;
        }
        match self.when.get(&key) {
            Some(known) if *known <= at => return,
            Some(known) => {
                self.due.remove(&(*known, key.clone()));
            }
            None => {}
        }
        self.when.insert(key.clone(), at);
        self.due.insert((at, key));
    }

    /// The first key that is due, or when the first one will be.
    fn take_due(&mut self, now: Instant) -> Result<K, Option<Instant>> {
        match self.due.first() {
            Some((at, _)) if *at > now => Err(Some(*at)),
            None => Err(None),
            Some(_) => {
                let (_, key) = self.due.pop_first().ok_or(None)?;
                self.when.remove(&key);
                self.running.insert(key.clone(), None);
                Ok(key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    async fn nothing_is_due(queue: &Queue<&'static str>) -> bool {
        tokio::time::timeout(Duration::from_millis(1), queue.next())
            .await
            .is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_comes_when_it_is_due() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add("late", start + SECOND * 5);
        queue.add("early", start + SECOND * 2);
        assert_eq!(queue.next().await, "early");
        assert_eq!(start.elapsed(), SECOND * 2);
        assert_eq!(queue.next().await, "late");
        assert_eq!(start.elapsed(), SECOND * 5);
    }

    #[tokio::test(start_paused = true)]
    async fn asked_for_twice_it_comes_once_at_the_earlier_time() {
        let queue = Queue::default();
        let start = Instant::now();
        for seconds in [5, 2, 9] {
            queue.add("key", start + SECOND * seconds);
        }
        assert_eq!(queue.next().await, "key");
        assert_eq!(start.elapsed(), SECOND * 2);
        queue.done(&"key", None);
        assert!(nothing_is_due(&queue).await);
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn asked_for_while_worked_on_it_comes_again_afterwards() {
        let queue = Queue::default();
        let now = Instant::now();
        queue.add("key", now);
        assert_eq!(queue.next().await, "key");
        queue.add("key", now);
        assert!(
            nothing_is_due(&queue).await,
            "an object is never worked on twice at once"
        );
        queue.done(&"key", Some(now + SECOND * 60));
        assert_eq!(queue.next().await, "key");
        assert!(now.elapsed() < SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_active_from_when_it_is_due_until_its_work_is_done() {
        let queue = Queue::default();
        queue.add("key", Instant::now() + SECOND);
        assert!(!queue.is_active(&"key"));
        tokio::time::advance(SECOND).await;
        assert!(queue.is_active(&"key"));
        assert_eq!(queue.next().await, "key");
        assert!(queue.is_active(&"key") && !queue.is_active(&"other"));
        queue.done(&"key", None);
        assert!(!queue.is_active(&"key"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_at_work_does_not_hold_up_another() {
        let queue = Queue::default();
        let now = Instant::now();
        queue.add("slow", now);
        assert_eq!(queue.next().await, "slow");
        queue.add("quick", now);
        assert_eq!(queue.next().await, "quick");
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_key_does_not_come() {
        let queue = Queue::default();
        queue.add("gone", Instant::now() + SECOND);
        queue.forget(&"gone");
        tokio::time::advance(SECOND * 2).await;
        assert!(nothing_is_due(&queue).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_addition_wakes_the_waiting_taker() {
        let queue = std::sync::Arc::new(Queue::default());
        let taker = tokio::spawn({
            let queue = std::sync::Arc::clone(&queue);
            async move { queue.next().await }
        });
        tokio::task::yield_now().await;
        queue.add("key", Instant::now());
        assert_eq!(taker.await.expect("the taker ends"), "key");
    }
}
