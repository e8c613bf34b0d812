//! What is done to pull requests.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What was done.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ActionLabels {
    action: &'static str,
}

/// How often what was done.
#[derive(Debug, Default)]
pub(super) struct PullRequestMetrics(Family<ActionLabels, Counter>);

impl PullRequestMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "highwater_pull_requests",
            "Pull requests that were opened, updated, rebuilt, closed, reopened or merged, by action, people's too",
            self.0.clone(),
        );
    }

    pub(super) fn count(&self, action: &'static str) {
        self.0.get_or_create(&ActionLabels { action }).inc();
    }
}
