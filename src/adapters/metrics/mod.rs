//! What is counted and measured, under Flux's names where Flux has one.
//!
//! Invariant: labels have few values; names of objects appear only where Flux has them, and go when
//! the object goes. What is absent: the server; `probe` is it.

mod pull_requests;
mod registry;
mod write_back;

use crate::domain::cloud::LoginCounts;
use crate::domain::object::ObjectKey;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use pull_requests::PullRequestMetrics;
use registry::RegistryMetrics;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use write_back::WriteBack;

/// The labels of Flux's reconcile histogram.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ObjectLabels {
    kind: String,
    name: String,
    namespace: String,
}

/// A kind and how the work on it ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabels {
    controller: &'static str,
    result: &'static str,
}

/// Only how something ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    result: &'static str,
}

/// How a question to the cache of logins ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

/// Whether a login was in the cache.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabels {
    event_type: &'static str,
}

/// The cache of logins that clouds gave.
#[derive(Debug, Default)]
struct Logins {
    events: Family<EventLabels, Counter>,
    items: Gauge<u64, AtomicU64>,
    requests: Family<StatusLabels, Counter>,
    evictions: Counter,
}

impl Logins {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "gotk_token_cache_events",
            "Questions to the cache of cloud logins by what was there",
            self.events.clone(),
        );
        registry.register(
            "gotk_token_cached_items",
            "Cloud logins in the cache",
            self.items.clone(),
        );
        registry.register(
            "gotk_token_cache_requests",
            "Questions to the cache of cloud logins by how they ended",
            self.requests.clone(),
        );
        registry.register(
            "gotk_token_cache_evictions",
            "Cloud logins that had to go for others",
            self.evictions.clone(),
        );
    }

    fn set(&self, counts: LoginCounts) {
        let set = |counter: &Counter, value| counter.inner().store(value, Ordering::Relaxed);
        for (event_type, value) in [
            ("cache_hit", counts.hits),
            ("cache_miss", counts.granted + counts.failed),
        ] {
            set(
                &self.events.get_or_create(&EventLabels { event_type }),
                value,
            );
        }
        for (status, value) in [
            ("success", counts.hits + counts.granted),
            ("failure", counts.failed),
        ] {
            set(
                &self.requests.get_or_create(&StatusLabels { status }),
                value,
            );
        }
        set(&self.evictions, counts.evicted);
        self.items.set(counts.items);
    }
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconcile_duration: Family<ObjectLabels, Histogram>,
    reconcile_total: Family<ResultLabels, Counter>,
    scans: Family<OutcomeLabels, Counter>,
    write_back: WriteBack,
    applied: Family<OutcomeLabels, Counter>,
    registries: RegistryMetrics,
    logins: Logins,
    webhooks: Family<OutcomeLabels, Counter>,
    pull_requests: PullRequestMetrics,
}

/// Flux's ten exponential buckets, 0.01 to 1800 seconds.
const BUCKETS: [f64; 10] = [
    0.01, 0.0384, 0.1473, 0.5655, 2.1715, 8.3388, 32.0215, 122.9652, 472.1936, 1800.0,
];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let reconcile_duration =
            Family::<ObjectLabels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let metrics = Self {
            reconcile_duration: reconcile_duration.clone(),
            reconcile_total: Family::default(),
            scans: Family::default(),
            write_back: WriteBack::default(),
            applied: Family::default(),
            registries: RegistryMetrics::default(),
            logins: Logins::default(),
            webhooks: Family::default(),
            pull_requests: PullRequestMetrics::default(),
            registry: Registry::default(),
        };
        registry.register(
            "gotk_reconcile_duration_seconds",
            "The duration in seconds of a reconciliation",
            reconcile_duration,
        );
        registry.register(
            "controller_runtime_reconcile",
            "Reconciliations by controller and result",
            metrics.reconcile_total.clone(),
        );
        registry.register(
            "highwater_scans",
            "Scans of image repositories by result",
            metrics.scans.clone(),
        );
        metrics.write_back.register(&mut registry);
        registry.register(
            "highwater_applied_objects",
            "Objects applied or pruned, by action",
            metrics.applied.clone(),
        );
        metrics.registries.register(&mut registry);
        metrics.logins.register(&mut registry);
        metrics.pull_requests.register(&mut registry);
        registry.register(
            "highwater_webhooks",
            "Calls of webhooks by result",
            metrics.webhooks.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// One reconciliation ended. `result` is `success`, `error` or `stalled`.
    pub fn reconciled(
        &self,
        kind: &str,
        controller: &'static str,
        object: &ObjectKey,
        duration: Duration,
        result: &'static str,
    ) {
        self.reconcile_duration
            .get_or_create(&labels(kind, object))
            .observe(duration.as_secs_f64());
        self.reconcile_total
            .get_or_create(&ResultLabels { controller, result })
            .inc();
    }

    /// The object is gone; so are its series.
    pub fn forget(&self, kind: &str, object: &ObjectKey) {
        self.reconcile_duration.remove(&labels(kind, object));
    }

    /// A scan ended. `result` is `success` or `error`.
    pub fn scanned(&self, result: &'static str) {
        self.scans.get_or_create(&OutcomeLabels { result }).inc();
    }

    /// A rewrite ended. `result` is `changed`, `unchanged`, `pending` or `error`.
    pub fn updated(&self, result: &'static str) {
        self.write_back
            .updates
            .get_or_create(&OutcomeLabels { result })
            .inc();
    }

    /// Something was done to a pull request, by highwater or by a person: `opened`, `updated`, `rebuilt`, `closed`, `reopened` or
    /// `merged`.
    pub fn pull_request(&self, action: &'static str) {
        self.pull_requests.count(action);
    }

    /// Pushes ended. `result` is `success` or `error`. One push may hold commits of several automations.
    pub fn pushed(&self, result: &'static str, count: u32) {
        if count > 0 {
            let pushes = self
                .write_back
                .pushes
                .get_or_create(&OutcomeLabels { result });
            pushes.inc_by(u64::from(count));
        }
    }

    /// Races for a branch were lost, and run again.
    pub fn raced(&self, count: u32) {
        self.write_back.races.inc_by(u64::from(count));
    }

    /// Commits were pushed.
    pub fn committed(&self, commits: usize) {
        self.write_back.commits.inc_by(commits as u64);
    }

    /// Objects were written. `action` is `created`, `configured`, `unchanged` or `deleted`.
    pub fn applied(&self, action: &'static str, count: u64) {
        self.applied
            .get_or_create(&OutcomeLabels { result: action })
            .inc_by(count);
    }

    /// A registry was asked for `tags`, a `manifest` or a `token`, and answered with a status code, or not at all.
    pub fn registry_answered(&self, host: &str, kind: &'static str, status: Option<u16>) {
        self.registries.answered(host, kind, status);
    }

    /// A request to a registry was not sent, because of a pause or a spent budget.
    pub fn registry_held_back(&self, host: &str, kind: &'static str) {
        self.registries.held_back(host, kind);
    }

    /// A registry asked for a pause.
    pub fn registry_paused(&self, host: &str, wait: Duration) {
        self.registries.paused(host, wait);
    }

    /// A registry's answer was read.
    pub fn registry_received(&self, host: &str, kind: &'static str, bytes: u64) {
        self.registries.received(host, kind, bytes);
    }

    /// A scan was answered by another object's.
    pub fn registry_shared(&self, host: &str) {
        self.registries.shared(host);
    }

    /// The state of the cache of cloud logins.
    pub fn cloud_logins(&self, counts: LoginCounts) {
        self.logins.set(counts);
    }

    /// A webhook was called. `result` is `accepted`, `replayed`, `refused`, `limited`, `unready`, `unknown` or `failed`.
    pub fn webhook(&self, result: &'static str) {
        self.webhooks.get_or_create(&OutcomeLabels { result }).inc();
    }

    /// All of it, in the text format of OpenMetrics.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn labels(kind: &str, object: &ObjectKey) -> ObjectLabels {
    ObjectLabels {
        kind: kind.to_owned(),
        name: object.name.clone(),
        namespace: object.namespace.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reconciliation_is_counted_under_the_names_of_flux() {
        let metrics = Metrics::default();
        let object = ObjectKey::new("apps", "fleet");
        metrics.reconciled(
            "GitRepository",
            "gitrepository",
            &object,
            Duration::from_millis(20),
            "success",
        );
        let text = metrics.render();
        let series = r#"gotk_reconcile_duration_seconds_count{kind="GitRepository",name="fleet",namespace="apps"} 1"#;
        assert!(text.contains(series), "{text}");
        assert!(text.contains(r#"controller_runtime_reconcile_total{controller="gitrepository",result="success"} 1"#), "{text}");
    }

    #[test]
    fn the_cache_of_logins_is_told_under_the_names_of_flux() {
        let metrics = Metrics::default();
        let counts = LoginCounts {
            items: 2,
            hits: 5,
            granted: 3,
            failed: 1,
            evicted: 1,
        };
        metrics.cloud_logins(counts);
        metrics.cloud_logins(counts);
        let text = metrics.render();
        for line in [
            r#"gotk_token_cache_events_total{event_type="cache_hit"} 5"#,
            r#"gotk_token_cache_events_total{event_type="cache_miss"} 4"#,
            r#"gotk_token_cache_requests_total{status="success"} 8"#,
            r#"gotk_token_cache_requests_total{status="failure"} 1"#,
            "gotk_token_cached_items 2",
            "gotk_token_cache_evictions_total 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_series_of_an_object_go_with_it() {
        let metrics = Metrics::default();
        let object = ObjectKey::new("apps", "fleet");
        metrics.reconciled(
            "GitRepository",
            "gitrepository",
            &object,
            Duration::ZERO,
            "success",
        );
        metrics.forget("GitRepository", &object);
        assert!(!metrics.render().contains("fleet"));
    }
}
