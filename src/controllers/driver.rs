//! The one loop that every controller runs in: take what is due, look at it, work, report, come back.
//!
//! Invariants: one object is worked on by one task at a time; a panic or an error of one object
//! holds up no other; what is written follows from the report alone; on the way out, work that was
//! begun is finished. What is absent: anything of a kind.

use super::background::Background;
use super::failures::Failures;
use super::finalizers::Finalizers;
use super::queue::Queue;
use super::report::{self, Report, Subject};
use super::shared::Shared;
use super::statuses::{Statuses, status_of, with_status};
use super::telling::tell;
use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::events::Told;
use crate::adapters::cluster::watch::Cache;
use crate::api::{CustomObject, has_finalizer, requested_at};
use crate::domain::conditions::Notice;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason};
use jiff::Timestamp;
use k8s_openapi::{Metadata, Resource};
use serde_json::Value;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What one kind does.
pub trait Controller: Send + Sync + 'static {
    /// The kind.
    type Kind: CustomObject;
    /// The name of Flux's controller: who reports and owns fields.
    const NAME: &'static str;
    /// Whether something outside of this process exists because of an object: its finalizer must be there before the work then, and
    /// else is added beside it, since whoever waits for many objects waits for their statuses.
    const FINALIZER_FIRST: bool = true;

    /// Brings one object to what its specification wants, as far as that goes now.
    fn reconcile(
        &self,
        object: Arc<Self::Kind>,
        run: Run,
    ) -> impl Future<Output = Report<<Self::Kind as CustomObject>::Status>> + Send;

    /// Undoes what exists because of an object that is to be deleted. An error is tried again.
    fn finalize(
        &self,
        object: Arc<Self::Kind>,
    ) -> impl Future<Output = Result<Finalized, String>> + Send;

    /// Drops what is kept in this process of an object that is gone.
    fn forget(&self, _: &ObjectKey) {}
}

/// How far undoing what exists because of an object has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalized {
    /// The object can go.
    Done,
    /// It is looked at again after this time.
    Waits(Duration),
}

/// What a reconciliation may know besides its object.
#[derive(Clone, Debug)]
pub struct Run {
    /// The object's name.
    pub key: ObjectKey,
    /// The time, in whole seconds, as statuses have it.
    pub now: Timestamp,
    /// The value of the `requestedAt` annotation, if it was not handled yet.
    pub requested_at: Option<String>,
}

/// How long work may take before the status says that it goes on.
const SOON: Duration = Duration::from_millis(250);

/// How many finalizers are added at once in the background, and how many wait for that.
const FINALIZED_AT_ONCE: usize = 2;
const TO_FINALIZE: u32 = 2_000;

/// The loop of one kind.
pub struct Driver<C: Controller> {
    controller: C,
    cache: Arc<Cache<C::Kind>>,
    queue: Arc<Queue<ObjectKey>>,
    shared: Arc<Shared>,
    failures: Failures,
    statuses: Statuses<C::Kind>,
    finalizers: Finalizers<C::Kind>,
    finalizing: Background,
}

/// An object as the work saw it.
struct Seen<K> {
    /// A new generation is in progress in its status, whether that was written or not.
    object: Arc<K>,
    /// The status that the API server has.
    stored: Value,
}

impl<C: Controller> Driver<C> {
    /// A loop that works on `queue`.
    pub fn new(
        controller: C,
        cache: Arc<Cache<C::Kind>>,
        queue: Arc<Queue<ObjectKey>>,
        shared: Arc<Shared>,
    ) -> Self {
        let finalizers = Finalizers::new(shared.client.clone(), Arc::clone(&cache), C::NAME);
        let (client, foreground) = (shared.client.clone(), shared.statuses.clone());
        let statuses = Statuses::new(client, Arc::clone(&cache), C::NAME, foreground);
        let finalizing = Background::behind(&shared.statuses, FINALIZED_AT_ONCE, TO_FINALIZE);
        Self {
            controller,
            cache,
            queue,
            shared,
            failures: Failures::default(),
            statuses,
            finalizers,
            finalizing,
        }
    }

    /// Works until the process is to end, on at most `concurrent` objects at once.
    pub async fn run(self, concurrent: usize) {
        let driver = Arc::new(self);
        let concurrent = concurrent.clamp(1, 10_000);
        let places = Arc::new(Semaphore::new(concurrent));
        let mut ending = driver.shared.ending.clone();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let key = tokio::select! {
                biased;
                _ = ending.wait_for(|ending| *ending) => break,
                key = driver.queue.next() => key,
            };
            let driver = Arc::clone(&driver);
            tokio::spawn(async move {
                driver.work(&key).await;
                drop(place);
            });
        }
        // All places free again: nothing is at work any more.
        let _ = places
            .acquire_many(u32::try_from(concurrent).unwrap_or_default())
            .await;
    }

    async fn work(self: &Arc<Self>, key: &ObjectKey) {
        let driver = Arc::clone(self);
        let at = key.clone();
        // A task of its own, so that a panic ends this object's run and nothing else.
        let worked = tokio::spawn(async move { driver.process(&at).await }).await;
        let again = worked.unwrap_or_else(|error| {
            tracing::error!(kind = C::Kind::KIND, object = %key, %error, "the reconciliation panicked, please report this");
            Some(self.shared.backoff.longest)
        });
        self.queue
            .done(key, again.map(|delay| Instant::now() + delay));
    }

    /// One run: when to come back, if at all.
    async fn process(self: &Arc<Self>, key: &ObjectKey) -> Option<Duration> {
        let object = self.latest(key)?;
        if object.metadata().deletion_timestamp.is_some() {
            return self.delete(key, object).await;
        }
        if object.suspended() {
            return None;
        }
        if C::FINALIZER_FIRST {
            return match self.finalizers.ensure(object).await {
                Ok(object) => self.reconcile(key, object).await,
                Err(error) => self.not_written(key, &error),
            };
        }
        let finalized = has_finalizer(&*object);
        let again = self.reconcile(key, object).await;
        if !finalized {
            let (driver, key) = (Arc::clone(self), key.clone());
            let add = move || async move { driver.finalizers.add(&key).await };
            self.finalizing.hand_in(add).await;
        }
        again
    }

    /// The newest version that is known; `None` when the object is gone.
    fn latest(&self, key: &ObjectKey) -> Option<Arc<C::Kind>> {
        let latest = self.cache.latest(key);
        if latest.is_none() {
            self.failures.forget(key);
            self.shared.metrics.forget(C::Kind::KIND, key);
            self.controller.forget(key);
        }
        latest
    }

    /// When to come back after an object could not be written; never when it is gone.
    fn not_written(&self, key: &ObjectKey, error: &ClusterError) -> Option<Duration> {
        if error.is_not_found() {
            return None;
        }
        tracing::warn!(kind = C::Kind::KIND, object = %key, %error, "the object could not be written");
        Some(self.after_one_more_failure(key))
    }

    async fn reconcile(&self, key: &ObjectKey, object: Arc<C::Kind>) -> Option<Duration> {
        let started = Instant::now();
        let requested = requested_at(&*object)
            .filter(|token| object.last_handled_reconcile_at() != Some(*token));
        let run = Run {
            key: key.clone(),
            now: now(),
            requested_at: requested.map(str::to_owned),
        };
        let (report, object) = self.watched(key, object, run).await;
        self.count(key, &report.outcome, started.elapsed());
        let outcome = report.outcome.clone();
        if let Err(delay) = self.write(key, &object, report).await {
            return delay;
        }
        report::come_back(
            &outcome,
            self.failures.count(key, &outcome),
            self.shared.backoff,
            self.shared.jitter_percent,
            key,
        )
    }

    /// Works, and says in the status that a new generation is being worked on, should that take longer than [`SOON`]: a status
    /// that is outdated in the next moment costs the API server as much as one that lasts.
    async fn watched(
        &self,
        key: &ObjectKey,
        object: Arc<C::Kind>,
        run: Run,
    ) -> (Report<<C::Kind as CustomObject>::Status>, Seen<C::Kind>) {
        let stored = status_of(&*object);
        let subject = Subject {
            status: &stored,
            generation: object.metadata().generation.unwrap_or_default(),
            requested_at: None,
        };
        let begun = report::in_progress(&subject, now());
        // Whether it is written or not: the work sees that the generation is new.
        let object = begun.as_ref().map_or_else(
            || Arc::clone(&object),
            |status| with_status(&object, status),
        );
        let mut seen = Seen {
            object: Arc::clone(&object),
            stored,
        };
        let mut work = pin!(self.controller.reconcile(object, run));
        if let Ok(report) = tokio::time::timeout(SOON, &mut work).await {
            return (report, seen);
        }
        if let Some(begun) = begun {
            let written = self.statuses.write(&seen.object, &seen.stored, &begun);
            let (report, written) = tokio::join!(work, written);
            match written {
                Ok(true) => seen.stored = begun,
                Ok(false) => {}
                // The next write tells it, or what came of it.
                Err(error) => {
                    tracing::debug!(kind = C::Kind::KIND, object = %key, %error, "the status could not be written");
                }
            }
            return (report, seen);
        }
        (work.await, seen)
    }

    /// The pause after a write that failed. It grows too: all the work would be done again each time.
    fn after_one_more_failure(&self, key: &ObjectKey) -> Duration {
        let outcome = Outcome::failed(reason::FAILED, "the object could not be written");
        let failures = self.failures.count(key, &outcome);
        self.shared.backoff.delay(failures)
    }

    async fn write(
        &self,
        key: &ObjectKey,
        Seen { object, stored }: &Seen<C::Kind>,
        report: Report<<C::Kind as CustomObject>::Status>,
    ) -> Result<(), Option<Duration>> {
        let object = &**object;
        let before = status_of(object);
        let subject = Subject {
            status: &before,
            generation: object.metadata().generation.unwrap_or_default(),
            requested_at: requested_at(object),
        };
        let status = serde_json::to_value(&report.status).unwrap_or_default();
        let written = report::write(
            &subject,
            status,
            &report.outcome,
            &report.further,
            report.told,
            now(),
        );
        match self.statuses.write(object, stored, &written.status).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => return Err(None),
            Err(error) => {
                tracing::warn!(kind = C::Kind::KIND, object = %key, %error, "the status could not be written");
                return Err(Some(self.after_one_more_failure(key)));
            }
        }
        for (notice, told) in &written.told {
            tell(&self.shared, C::NAME, object, *notice, told).await;
        }
        Ok(())
    }

    async fn delete(&self, key: &ObjectKey, object: Arc<C::Kind>) -> Option<Duration> {
        if !has_finalizer(&*object) {
            return None;
        }
        let finalized = self.controller.finalize(Arc::clone(&object)).await;
        if let Ok(Finalized::Waits(pause)) = finalized {
            return Some(pause);
        }
        if let Err(message) = finalized {
            let outcome = Outcome::failed(reason::FAILED, &message);
            let failures = self.failures.count(key, &outcome);
            let told = Told {
                warning: true,
                reason: reason::FAILED.to_owned(),
                message,
                metadata: Default::default(),
            };
            if failures == 1 {
                tell(&self.shared, C::NAME, &*object, Notice::Error, &told).await;
            }
            return Some(self.shared.backoff.delay(failures));
        }
        match self.finalizers.remove(&object).await {
            Ok(_) => None,
            Err(error) if error.is_not_found() => None,
            Err(error) => {
                tracing::warn!(kind = C::Kind::KIND, object = %key, %error, "the finalizer could not be removed");
                Some(self.shared.backoff.shortest)
            }
        }
    }

    fn count(&self, key: &ObjectKey, outcome: &Outcome, duration: Duration) {
        let result = match outcome {
            Outcome::Ready { .. } | Outcome::InProgress { .. } => "success",
            Outcome::Failed { .. } => "error",
            Outcome::Stalled { .. } => "stalled",
        };
        self.shared
            .metrics
            .reconciled(C::Kind::KIND, C::NAME, key, duration, result);
    }
}

/// The time in whole seconds, as the API server keeps it.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::git_repository::GitRepositoryStatus;
    use crate::api::{FINALIZER, GitRepository};
    use kube::Client;
    use std::sync::Mutex;

    /// Ready after this time.
    struct AlwaysReady<const FINALIZER_FIRST: bool = true>(Duration);

    impl<const FINALIZER_FIRST: bool> Controller for AlwaysReady<FINALIZER_FIRST> {
        type Kind = GitRepository;
        const NAME: &'static str = "source-controller";
        const FINALIZER_FIRST: bool = FINALIZER_FIRST;

        async fn reconcile(
            &self,
            object: Arc<GitRepository>,
            _: Run,
        ) -> Report<GitRepositoryStatus> {
            tokio::time::sleep(self.0).await;
            let outcome = Outcome::Ready {
                reason: reason::SUCCEEDED,
                message: "done".to_owned(),
                next: None,
            };
            Report::new(object.status.clone(), outcome)
        }

        async fn finalize(&self, _: Arc<GitRepository>) -> Result<Finalized, String> {
            Ok(Finalized::Done)
        }
    }

    fn object() -> GitRepository {
        let mut object = GitRepository::default();
        object.metadata.namespace = Some("apps".to_owned());
        object.metadata.name = Some("fleet".to_owned());
        object.metadata.generation = Some(1);
        object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        object
    }

    /// An API server that has `object`, applies each patch of a status, and keeps what `Ready` said after it.
    fn server(object: &GitRepository, said: &Arc<Mutex<Vec<String>>>) -> Client {
        let kept = Arc::new(Mutex::new(serde_json::to_value(object).unwrap()));
        let said = Arc::clone(said);
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (kept, said) = (Arc::clone(&kept), Arc::clone(&said));
            async move {
                let is_status = request.uri().path().ends_with("/status");
                let body = request.into_body().collect_bytes().await.unwrap();
                let mut kept = kept.lock().unwrap();
                if is_status {
                    let patch: Value = serde_json::from_slice(&body).unwrap();
                    kept["status"] = merged(&kept["status"], &patch["status"]);
                    let ready = &kept["status"]["conditions"].as_array().unwrap();
                    let ready = ready.iter().find(|known| known["type"] == "Ready");
                    let word = ready.unwrap()["status"].as_str().unwrap().to_owned();
                    said.lock().unwrap().push(word);
                } else {
                    said.lock().unwrap().push("finalizer".to_owned());
                }
                let body = kube::client::Body::from(kept.to_string().into_bytes());
                Ok::<_, std::convert::Infallible>(http::Response::new(body))
            }
        });
        Client::new(service, "default")
    }

    /// RFC 7386.
    fn merged(old: &Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else {
            return patch.clone();
        };
        let mut new = old.as_object().cloned().unwrap_or_default();
        for (name, value) in patch {
            let value = merged(new.get(name).unwrap_or(&Value::Null), value);
            new.insert(name.clone(), value);
        }
        new.retain(|_, value| !value.is_null());
        Value::Object(new)
    }

    #[tokio::test(start_paused = true)]
    async fn only_work_that_takes_its_time_is_told_before_it_is_done() {
        for (time, expected) in [(0, vec!["True"]), (2_000, vec!["Unknown", "True"])] {
            let said = Arc::default();
            let shared = Shared {
                client: server(&object(), &said),
                ..Shared::answered_with(500)
            };
            let cache = Arc::new(Cache::new(|_| Vec::new()));
            cache.put(object());
            let work = AlwaysReady::<true>(Duration::from_millis(time));
            let driver = Arc::new(Driver::new(work, cache, Arc::default(), Arc::new(shared)));
            driver.process(&ObjectKey::new("apps", "fleet")).await;
            assert_eq!(*said.lock().unwrap(), expected, "{time} ms");
        }
    }

    /// What is written for an object that has no finalizer yet.
    async fn written<const FINALIZER_FIRST: bool>() -> Vec<String> {
        let mut object = object();
        object.metadata.finalizers = None;
        let said = Arc::default();
        let shared = Shared {
            client: server(&object, &said),
            ..Shared::answered_with(500)
        };
        let cache = Arc::new(Cache::new(|_| Vec::new()));
        cache.put(object);
        let work = AlwaysReady::<FINALIZER_FIRST>(Duration::ZERO);
        let driver = Arc::new(Driver::new(work, cache, Arc::default(), Arc::new(shared)));
        driver.process(&ObjectKey::new("apps", "fleet")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        said.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_finalizer_comes_before_work_that_reaches_outside_and_beside_any_other() {
        assert_eq!(written::<true>().await, ["finalizer", "True"]);
        assert_eq!(written::<false>().await, ["True", "finalizer"]);
    }

    /// Keeps the names of what it was told to forget.
    struct Forgetting(Arc<Mutex<Vec<String>>>);

    impl Controller for Forgetting {
        type Kind = GitRepository;
        const NAME: &'static str = "source-controller";

        async fn reconcile(
            &self,
            object: Arc<GitRepository>,
            _: Run,
        ) -> Report<GitRepositoryStatus> {
            unreachable!("{object:?} is gone")
        }

        async fn finalize(&self, object: Arc<GitRepository>) -> Result<Finalized, String> {
            unreachable!("{object:?} has no finalizer")
        }

        fn forget(&self, key: &ObjectKey) {
            self.0.lock().unwrap().push(key.name.clone());
        }
    }

    #[tokio::test]
    async fn what_goes_before_it_got_a_finalizer_is_forgotten() {
        let forgotten = Arc::default();
        let (cache, shared) = (
            Arc::new(Cache::new(|_| Vec::new())),
            Shared::answered_with(500),
        );
        let controller = Forgetting(Arc::clone(&forgotten));
        let driver = Arc::new(Driver::new(
            controller,
            cache,
            Arc::default(),
            Arc::new(shared),
        ));
        let again = driver.process(&ObjectKey::new("apps", "fleet")).await;
        assert_eq!(
            (again, forgotten.lock().unwrap().as_slice()),
            (None, &["fleet".to_owned()][..])
        );
    }

    #[tokio::test]
    async fn a_status_that_cannot_be_written_is_tried_again_ever_later() {
        let key = ObjectKey::new("apps", "fleet");
        let cache = Arc::new(Cache::new(|_| Vec::new()));
        cache.put(object());
        let shared = Arc::new(Shared::answered_with(422));
        let work = AlwaysReady::<true>(Duration::ZERO);
        let driver = Arc::new(Driver::new(work, cache, Arc::default(), shared));
        let mut pauses = Vec::new();
        for _ in 0..3 {
            pauses.push(driver.process(&key).await.map(|pause| pause.as_millis()));
        }
        assert_eq!(pauses, [Some(750), Some(1_500), Some(3_000)]);
    }
}
