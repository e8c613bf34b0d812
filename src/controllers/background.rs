//! Work that nobody waits for, done beside the work that somebody waits for.
//!
//! Invariants: it begins in the order in which it was handed in, a few at once; while a [`Foreground`] is busy it gives way, for at most
//! [`PATIENCE`] and only as long as there is room for more; a bounded number waits, and whoever has more waits along;
//! [`Background::finish`] waits for all of it. What is absent: priorities beyond these two.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// How long work in the background gives way, from when it was handed in.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks whether it still has to.
const LOOK: Duration = Duration::from_millis(20);

/// What goes first: a status that is being written, say. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Foreground(Arc<AtomicUsize>);

/// As long as this lives, the background gives way.
#[derive(Debug)]
pub struct Busy(Arc<AtomicUsize>);

impl Foreground {
    /// Makes the background give way until the result is dropped.
    #[must_use]
    pub fn busy(&self) -> Busy {
        self.0.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.0))
    }

    fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A background of its own behind a foreground. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Background {
    foreground: Foreground,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    waiting: u32,
}

impl Background {
    /// A background that does `at_once` pieces of work at once while at most `waiting` wait for that.
    pub fn behind(foreground: &Foreground, at_once: usize, waiting: u32) -> Self {
        Self {
            foreground: foreground.clone(),
            turns: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(waiting as usize)),
            waiting,
        }
    }

    /// Has `work` done: it is called when its turn comes, so that what waits is small. Waits when too much waits already.
    pub async fn hand_in<F, W>(&self, work: F)
    where
        F: FnOnce() -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        // Nobody closes a semaphore of this.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            return;
        };
        let (since, background) = (Instant::now(), self.clone());
        tokio::spawn(async move {
            let _turn = background.turns.acquire().await;
            while background.gives_way() && since.elapsed() < PATIENCE {
                sleep(LOOK).await;
            }
            Box::pin(work()).await;
            drop(place);
        });
    }

    fn gives_way(&self) -> bool {
        self.foreground.is_busy() && self.places.available_permits() > 0
    }

    /// Waits until all work so far is done.
    pub async fn finish(&self) {
        // Whoever asks for places later gets them later.
        let _ = self.places.acquire_many(self.waiting).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// When each of `count` pieces of work of a second began, in seconds.
    async fn begun(background: &Background, count: usize) -> Arc<Mutex<Vec<u64>>> {
        let (begun, start) = (Arc::<Mutex<Vec<u64>>>::default(), Instant::now());
        for _ in 0..count {
            let begun = Arc::clone(&begun);
            let work = move || async move {
                begun.lock().unwrap().push(start.elapsed().as_secs());
                sleep(Duration::from_secs(1)).await;
            };
            background.hand_in(work).await;
        }
        begun
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_are_done_at_once_and_who_has_too_many_waits_along() {
        let background = Background::behind(&Foreground::default(), 2, 4);
        let start = Instant::now();
        let all = begun(&background, 4).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits");
        let more = begun(&background, 2).await;
        assert_eq!(start.elapsed().as_secs(), 1, "until there are places");
        background.finish().await;
        assert_eq!(*all.lock().unwrap(), [0, 0, 1, 1]);
        assert_eq!(more.lock().unwrap().len(), 2);
        assert_eq!(start.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_waits_for_goes_first_but_not_forever() {
        let foreground = Foreground::default();
        let background = Background::behind(&foreground, 1, 10);
        let (first, second) = (foreground.busy(), foreground.busy());
        let all = begun(&background, 2).await;
        sleep(Duration::from_secs(3)).await;
        drop(first);
        sleep(Duration::from_secs(1)).await;
        assert!(all.lock().unwrap().is_empty(), "one is busy still");
        drop(second);
        background.finish().await;
        assert_eq!(*all.lock().unwrap(), [4, 5]);

        let _busy = foreground.busy();
        let all = begun(&background, 2).await;
        sleep(PATIENCE + Duration::from_secs(2)).await;
        assert_eq!(*all.lock().unwrap(), [10, 11]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_room_left_goes_on_at_once() {
        let foreground = Foreground::default();
        let background = Background::behind(&foreground, 1, 3);
        let _busy = foreground.busy();
        let all = begun(&background, 3).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(*all.lock().unwrap(), [0], "then there is room");
        background.finish().await;
        assert_eq!(*all.lock().unwrap(), [0, 5, 6], "finishing takes the room");
    }
}
