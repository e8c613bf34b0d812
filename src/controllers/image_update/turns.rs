//! Who pushes when: automations of one branch that are due together are run together.
//!
//! The first of them waits until those that are due, or on their way, have arrived; while a push is under
//! way, the next ones gather for the push after it. Invariants: one push to a branch at a time; at most so
//! many branches at once as objects are worked on; every job gets an answer.

use super::batch;
use super::execute::{Done, Job, JobError};
use crate::adapters::git::GitError;
use crate::adapters::metrics::Metrics;
use crate::domain::object::ObjectKey;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

/// How long a push waits for automations that are on their way, which read Secrets.
const GATHER: Duration = Duration::from_millis(500);
/// How often it looks whether they all have come.
const LOOK: Duration = Duration::from_millis(5);

/// The most automations in one push.
const TOGETHER: usize = 500;

/// A repository's URL and a branch.
pub(super) type Branch = (String, String);

/// The automations of a branch that are due or worked on.
type Expected = Box<dyn Fn(&Branch) -> Vec<ObjectKey> + Send + Sync>;

/// The lines of jobs before each branch. Clones share them.
#[derive(Clone)]
pub(super) struct Turns(Arc<Shared>);

struct Shared {
    lines: Mutex<HashMap<Branch, Line>>,
    arrived: Notify,
    /// Who has come in this run, or will not come.
    seen: Mutex<HashSet<ObjectKey>>,
    expected: Expected,
    places: Semaphore,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Line {
    /// How many are on their way.
    coming: usize,
    waiting: Vec<Waiting>,
    /// Whether somebody sees to it that those who wait are served.
    served: bool,
}

struct Waiting {
    job: Job,
    answer: oneshot::Sender<Result<Done, JobError>>,
}

/// Somebody is on the way to a branch. Dropping it takes that back.
pub(super) struct Coming {
    turns: Turns,
    branch: Branch,
    key: ObjectKey,
}

impl Turns {
    /// Pushes to at most so many branches at once. `expected` tells which automations of a URL and a
    /// branch are due or worked on.
    pub(super) fn new(
        places: usize,
        metrics: Arc<Metrics>,
        expected: impl Fn(&Branch) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            lines: Mutex::default(),
            arrived: Notify::new(),
            seen: Mutex::default(),
            expected: Box::new(expected),
            places: Semaphore::new(places.clamp(1, 1_000)),
            metrics,
        }))
    }

    /// Says that the automation's job for this branch of this URL will come.
    pub(super) fn announce(&self, key: &ObjectKey, url: &str, branch: &str) -> Coming {
        let branch = (url.to_owned(), branch.to_owned());
        self.lock().entry(branch.clone()).or_default().coming += 1;
        Coming {
            turns: self.clone(),
            branch,
            key: key.clone(),
        }
    }

    /// Says that the automation's run is over.
    pub(super) fn over(&self, key: &ObjectKey) {
        self.seen().remove(key);
    }

    fn seen(&self) -> MutexGuard<'_, HashSet<ObjectKey>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Branch, Line>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a line until nobody waits in it.
    async fn serve(self, branch: Branch) {
        loop {
            self.gather(&branch).await;
            let place = self.0.places.acquire().await;
            let waiting = {
                let mut lines = self.lock();
                let Some(line) = lines.get_mut(&branch) else {
                    return;
                };
                if line.waiting.is_empty() {
                    line.served = false;
                    if line.coming == 0 {
                        lines.remove(&branch);
                    }
                    return;
                }
                let some = line.waiting.len().min(TOGETHER);
                line.waiting.drain(..some).collect::<Vec<_>>()
            };
            self.run(waiting).await;
            drop(place);
        }
    }

    /// Runs jobs together, in the order of their names so that the commits are in it too.
    async fn run(&self, mut waiting: Vec<Waiting>) {
        waiting.sort_by(|one, two| one.job.key.cmp(&two.job.key));
        let (jobs, answers): (Vec<Job>, Vec<_>) = waiting
            .into_iter()
            .map(|waiting| (waiting.job, waiting.answer))
            .unzip();
        // When it panics, the answers are dropped, and who waits for them hears of it.
        let done = tokio::task::spawn_blocking(move || batch::run(jobs)).await;
        let Ok((results, tally)) = done else {
            return;
        };
        let metrics = &self.0.metrics;
        metrics.pushed("success", tally.pushed);
        metrics.pushed("error", tally.failed);
        metrics.raced(tally.races);
        for (answer, result) in answers.into_iter().zip(results) {
            // Who does not wait any more needs no answer.
            let _ = answer.send(result);
        }
    }

    /// Waits until nobody is on the way any more, or for long enough.
    async fn gather(&self, branch: &Branch) {
        let until = Instant::now() + GATHER;
        while self.awaits(branch) && Instant::now() < until {
            let look = until.min(Instant::now() + LOOK);
            // Whether somebody came or time passed, it is looked at again.
            let _ = timeout_at(look, self.0.arrived.notified()).await;
        }
    }

    /// Whether somebody will come to the branch.
    fn awaits(&self, branch: &Branch) -> bool {
        let coming = self.lock().get(branch).map_or(0, |line| line.coming);
        if coming > 0 {
            return true;
        }
        let expected = (self.0.expected)(branch);
        let seen = self.seen();
        expected.iter().any(|key| !seen.contains(key))
    }
}

impl Coming {
    /// Runs the job, together with others of its branch.
    pub(super) async fn run(self, job: Job) -> Result<Done, JobError> {
        let (answer, answered) = oneshot::channel();
        let unserved = {
            let mut lines = self.turns.lock();
            let line = lines.entry(self.branch.clone()).or_default();
            line.waiting.push(Waiting { job, answer });
            !std::mem::replace(&mut line.served, true)
        };
        let (turns, branch) = (self.turns.clone(), self.branch.clone());
        drop(self);
        if unserved {
            tokio::spawn(turns.serve(branch));
        }
        answered.await.unwrap_or_else(|_| {
            let reason = "the run ended without an answer, please report this".to_owned();
            Err(JobError::Remote(Arc::new(GitError::Corrupt { reason })))
        })
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.turns.seen().insert(self.key.clone());
        {
            let mut lines = self.turns.lock();
            if let Some(line) = lines.get_mut(&self.branch) {
                line.coming = line.coming.saturating_sub(1);
                if line.coming == 0 && line.waiting.is_empty() && !line.served {
                    lines.remove(&self.branch);
                }
            }
        }
        self.turns.0.arrived.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch() -> Branch {
        let url = "https://git.example.com/fleet";
        (url.to_owned(), "main".to_owned())
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("apps", name)
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_waits_for_those_on_their_way_but_not_for_ever() {
        let turns = Turns::new(4, Arc::default(), |_| Vec::new());
        let branch = branch();
        let begun = Instant::now();
        let late = turns.announce(&key("late"), &branch.0, &branch.1);
        let elsewhere = turns.announce(&key("elsewhere"), &branch.0, "other");
        let arrives = tokio::spawn(async move {
            tokio::time::sleep(GATHER / 5).await;
            drop(late);
        });
        turns.gather(&branch).await;
        assert_eq!(begun.elapsed(), GATHER / 5);
        arrives.await.expect("it ends");

        let never = turns.announce(&key("never"), &branch.0, &branch.1);
        let begun = Instant::now();
        turns.gather(&branch).await;
        assert_eq!(begun.elapsed(), GATHER);
        drop((never, elsewhere));
        assert!(
            turns.lock().is_empty(),
            "a line exists only while somebody is in it"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_waits_for_those_that_are_due_until_they_came_or_will_not_come() {
        let turns = Turns::new(4, Arc::default(), |_| vec![key("due")]);
        let branch = branch();
        let waits = turns.clone();
        let gathered = tokio::spawn(async move { waits.gather(&super::tests::branch()).await });
        tokio::time::sleep(GATHER / 5).await;
        assert!(!gathered.is_finished());
        drop(turns.announce(&key("due"), &branch.0, &branch.1));
        tokio::time::sleep(LOOK * 2).await;
        assert!(gathered.is_finished());
        assert!(!turns.awaits(&branch), "it was here in this run");
        turns.over(&key("due"));
        assert!(turns.awaits(&branch), "it is due again");
    }
}
