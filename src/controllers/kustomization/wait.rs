//! Waiting for health without holding a worker: between two looks nothing runs.
//!
//! Invariant: a wait belongs to one revision and one generation; anything newer starts over with a
//! whole reconciliation. What is absent: the looks themselves.

use crate::api::Kustomization;
use crate::api::kustomization::KustomizationStatus;
use crate::controllers::driver::Run;
use crate::domain::health::Health;
use crate::domain::object::{ObjectId, ObjectKey};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The pause after the first look; later ones are longer.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two looks: Flux's only one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The waits of all objects. A restart forgets them, and then applies again.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<HashMap<ObjectKey, Begun>>);

/// What was built, and since when.
#[derive(Clone, Debug)]
pub(super) struct Build {
    pub(super) revision: String,
    pub(super) digest: String,
    pub(super) started: Instant,
}

/// One wait.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    pub(super) build: Build,
    pub(super) uid: Option<String>,
    pub(super) generation: i64,
    /// What has to become healthy.
    pub(super) checks: Vec<ObjectId>,
    pub(super) since: Instant,
    pub(super) timeout: Duration,
    /// How long after the last look the next one comes.
    pub(super) pause: Duration,
    /// The status of what was applied.
    pub(super) status: KustomizationStatus,
}

impl Waiting {
    /// Begins to wait for `checks`.
    pub(super) fn begin(
        &self,
        object: &Kustomization,
        build: Build,
        checks: Vec<ObjectId>,
        timeout: Duration,
        status: &KustomizationStatus,
        run: &Run,
    ) -> Begun {
        let begun = Begun {
            build,
            uid: object.metadata.uid.clone(),
            generation: object.metadata.generation.unwrap_or_default(),
            checks,
            since: Instant::now(),
            timeout,
            pause: SHORTEST_PAUSE,
            status: status.clone(),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(run.key.clone(), begun.clone());
        begun
    }

    /// The wait that goes on, unless there is something newer to apply.
    pub(super) fn continues(
        &self,
        object: &Kustomization,
        revision: &str,
        run: &Run,
    ) -> Option<Begun> {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = waits.get_mut(&run.key)?;
        let generation = object.metadata.generation.unwrap_or_default();
        // An object that was made anew has applied nothing yet.
        if begun.uid != object.metadata.uid
            || begun.build.revision != revision
            || begun.generation != generation
            || run.requested_at.is_some()
        {
            waits.remove(&run.key);
            return None;
        }
        begun.pause = (begun.pause * 3 / 2).min(LONGEST_PAUSE);
        Some(begun.clone())
    }

    /// Ends the wait of an object, if there is one.
    pub(super) fn end(&self, key: &ObjectKey) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

/// What a look says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything is healthy.
    Healthy,
    /// Something is not healthy yet.
    NotYet,
    /// It will not become healthy in time, or at all: Flux's words.
    Failed(String),
}

/// Judges the states that were found, in the order of the checks.
pub(super) fn judge(begun: &Begun, states: &[(ObjectId, Health)]) -> Verdict {
    let elapsed = begun.since.elapsed();
    let named = |wanted: fn(&Health) -> bool| {
        let found = states.iter().filter(|(_, health)| wanted(health));
        found
            .map(|(id, health)| match health {
                Health::Undecided(why) => format!("{id} status: '{health}': {why}"),
                _ => format!("{id} status: '{health}'"),
            })
            .collect::<Vec<_>>()
    };
    let failed = named(Health::is_failed);
    if !failed.is_empty() {
        let after = crate::domain::duration::format_duration(elapsed);
        return Verdict::Failed(format!(
            "health check failed after {after}: failed early due to stalled resources: [{}]",
            failed.join(", ")
        ));
    }
    let pending = named(|health| !health.is_current());
    if pending.is_empty() {
        return Verdict::Healthy;
    }
    if elapsed >= begun.timeout {
        let after = crate::domain::duration::format_duration(begun.timeout);
        return Verdict::Failed(format!(
            "health check failed after {after}: timeout waiting for: [{}]",
            pending.join(", ")
        ));
    }
    Verdict::NotYet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(requested_at: Option<&str>) -> Run {
        Run {
            key: ObjectKey::new("apps", "fleet"),
            now: jiff::Timestamp::UNIX_EPOCH,
            requested_at: requested_at.map(str::to_owned),
        }
    }

    fn deployment(name: &str) -> ObjectId {
        ObjectId {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some("shop".to_owned()),
            name: name.to_owned(),
        }
    }

    fn begin(waiting: &Waiting) -> Begun {
        let build = Build {
            revision: "main@sha1:1".to_owned(),
            digest: "sha256:1".to_owned(),
            started: Instant::now(),
        };
        let status = KustomizationStatus::default();
        let checks = vec![deployment("web")];
        waiting.begin(
            &Kustomization::default(),
            build,
            checks,
            Duration::from_secs(30),
            &status,
            &run(None),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_goes_on_until_there_is_something_newer() {
        let waiting = Waiting::default();
        begin(&waiting);
        let mut object = Kustomization::default();
        assert!(
            waiting
                .continues(&object, "main@sha1:1", &run(None))
                .is_some()
        );
        assert!(
            waiting
                .continues(&object, "main@sha1:2", &run(None))
                .is_none()
        );
        begin(&waiting);
        assert!(
            waiting
                .continues(&object, "main@sha1:1", &run(Some("now")))
                .is_none()
        );
        begin(&waiting);
        object.metadata.generation = Some(2);
        assert!(
            waiting
                .continues(&object, "main@sha1:1", &run(None))
                .is_none()
        );
        begin(&waiting);
        object.metadata.generation = None;
        object.metadata.uid = Some("another".to_owned());
        assert!(
            waiting
                .continues(&object, "main@sha1:1", &run(None))
                .is_none()
        );
        object.metadata.uid = None;
        begin(&waiting);
        waiting.end(&run(None).key);
        object.metadata.generation = None;
        assert!(
            waiting
                .continues(&object, "main@sha1:1", &run(None))
                .is_none()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn looks_come_ever_more_seldom_up_to_the_pause_of_flux() {
        let waiting = Waiting::default();
        begin(&waiting);
        let pauses: Vec<_> = (0..12)
            .filter_map(|_| waiting.continues(&Kustomization::default(), "main@sha1:1", &run(None)))
            .map(|begun| begun.pause)
            .collect();
        assert!(pauses.is_sorted() && pauses.len() == 12);
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_verdict_names_what_is_not_healthy_in_the_words_of_flux() {
        let begun = begin(&Waiting::default());
        let states = |health| {
            vec![
                (deployment("web"), health),
                (deployment("db"), Health::Current(String::new())),
            ]
        };
        assert_eq!(
            judge(&begun, &states(Health::Current(String::new()))),
            Verdict::Healthy
        );
        let waiting = states(Health::InProgress("0 of 1".to_owned()));
        assert_eq!(judge(&begun, &waiting), Verdict::NotYet);
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(
            judge(&begun, &waiting),
            Verdict::Failed("health check failed after 30s: timeout waiting for: [Deployment/shop/web status: 'InProgress']".to_owned())
        );
        let Verdict::Failed(words) = judge(&begun, &states(Health::Failed("no".to_owned()))) else {
            panic!("a failure is final");
        };
        assert!(
            words.ends_with(
                "failed early due to stalled resources: [Deployment/shop/web status: 'Failed']"
            ),
            "{words}"
        );
    }
}
