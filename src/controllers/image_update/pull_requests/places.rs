//! How many automations ask one forge at the same time.
//!
//! They do not wait for each other's pushes, so without a bound all that are due would ask at once, and a
//! forge would count that against their login. Invariants: whoever waits for one forge holds up nobody of
//! another; who came first is first; a forge is remembered only while somebody asks or waits. What is
//! absent: the forge's own limits; the adapter keeps those.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

/// How many automations ask one forge at once.
const AT_ONCE: usize = 4;

/// The places at each forge, by host and port. Clones share them.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Places(Arc<Mutex<HashMap<String, Arc<Semaphore>>>>);

/// A place at a forge. Dropping it lets the next one in.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    forge: String,
    permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// Waits for a place at the forge whose API is there.
    pub(super) async fn take(&self, api: &Url) -> Place {
        let host = api.host_str().unwrap_or_default();
        let forge = format!("{host}:{}", api.port_or_known_default().unwrap_or_default());
        let places = {
            let mut all = self.lock();
            let places = all.entry(forge.clone());
            Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
        };
        Place {
            places: self.clone(),
            forge,
            // Nobody closes it, so there is a permit.
            permit: places.acquire_owned().await.ok(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.permit = None;
        let mut all = self.places.lock();
        // Whoever asks or waits has a share of it besides that of the map.
        if all
            .get(&self.forge)
            .is_some_and(|places| Arc::strong_count(places) == 1)
        {
            all.remove(&self.forge);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    fn api(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    /// A forge that takes its time, and counts who asks at the same time.
    #[derive(Default)]
    struct SlowForge {
        asking: AtomicUsize,
        most: AtomicUsize,
    }

    impl SlowForge {
        async fn ask(&self) {
            let now = self.asking.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
            self.asking.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_few_ask_one_forge_at_once_and_another_forge_does_not_wait_for_it() {
        let places = Places::default();
        let (busy, idle) = (SlowForge::default(), SlowForge::default());
        let begun = Instant::now();
        let ask = async |forge: &SlowForge, api: Url| {
            let _place = places.take(&api).await;
            forge.ask().await;
            begun.elapsed()
        };
        let many = (0..20).map(|_| ask(&busy, api("https://git.example.com/api/v1")));
        let (all, other) = tokio::join!(
            join_all(many),
            ask(&idle, api("https://git.example.com:8443/api/v1"))
        );
        assert_eq!(busy.most.load(Ordering::SeqCst), AT_ONCE);
        assert_eq!(all.iter().max(), Some(&Duration::from_secs(5)));
        assert_eq!(other, Duration::from_secs(1));
        assert!(places.lock().is_empty(), "nobody is there any more");
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_takes_no_place() {
        let places = Places::default();
        let forge = api("https://git.example.com");
        let taken: Vec<Place> = join_all((0..AT_ONCE).map(|_| places.take(&forge))).await;
        let waiting = tokio::time::timeout(Duration::from_secs(1), places.take(&forge)).await;
        assert!(waiting.is_err());
        drop(taken);
        let again = join_all((0..AT_ONCE).map(|_| places.take(&forge))).await;
        assert_eq!(again.len(), AT_ONCE);
    }
}
