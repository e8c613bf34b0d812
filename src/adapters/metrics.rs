//! What is counted and measured, under Flux's names where Flux has one.
//!
//! Invariant: labels have few values; names of objects appear only where Flux has them, and go when
//! the object goes. What is absent: the server; `probe` is it.

use crate::domain::object::ObjectKey;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

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

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconcile_duration: Family<ObjectLabels, Histogram>,
    reconcile_total: Family<ResultLabels, Counter>,
    scans: Family<OutcomeLabels, Counter>,
    updates: Family<OutcomeLabels, Counter>,
    pushes: Family<OutcomeLabels, Counter>,
    applied: Family<OutcomeLabels, Counter>,
    webhooks: Family<OutcomeLabels, Counter>,
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
            updates: Family::default(),
            pushes: Family::default(),
            applied: Family::default(),
            webhooks: Family::default(),
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
        registry.register(
            "highwater_updates",
            "Rewrites of Git repositories by result",
            metrics.updates.clone(),
        );
        registry.register(
            "highwater_pushes",
            "Pushes to Git repositories by result",
            metrics.pushes.clone(),
        );
        registry.register(
            "highwater_applied_objects",
            "Objects applied or pruned, by action",
            metrics.applied.clone(),
        );
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

    /// A rewrite ended. `result` is `changed`, `unchanged` or `error`.
    pub fn updated(&self, result: &'static str) {
        self.updates.get_or_create(&OutcomeLabels { result }).inc();
    }

    /// A push ended. `result` is `success` or `error`.
    pub fn pushed(&self, result: &'static str) {
        self.pushes.get_or_create(&OutcomeLabels { result }).inc();
    }

    /// Objects were written. `action` is `created`, `configured`, `unchanged` or `deleted`.
    pub fn applied(&self, action: &'static str, count: u64) {
        self.applied
            .get_or_create(&OutcomeLabels { result: action })
            .inc_by(count);
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
