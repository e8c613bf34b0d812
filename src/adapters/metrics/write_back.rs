//! What is written back to Git.
//!
//! What is absent: names of repositories, of which there may be many.

use super::OutcomeLabels;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The metrics of commits and pushes.
#[derive(Debug, Default)]
pub(super) struct WriteBack {
    pub(super) updates: Family<OutcomeLabels, Counter>,
    pub(super) pushes: Family<OutcomeLabels, Counter>,
    pub(super) commits: Counter,
    pub(super) races: Counter,
}

impl WriteBack {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "highwater_updates",
            "Rewrites of Git repositories by result",
            self.updates.clone(),
        );
        registry.register(
            "highwater_pushes",
            "Pushes to Git repositories by result",
            self.pushes.clone(),
        );
        registry.register(
            "highwater_commits",
            "Commits that were pushed",
            self.commits.clone(),
        );
        registry.register(
            "highwater_push_races",
            "Pushes that somebody else was faster than, and that were made again",
            self.races.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;

    #[test]
    fn one_push_may_hold_several_commits_and_none_is_counted_for_nothing() {
        let metrics = Metrics::default();
        metrics.pushed("success", 1);
        metrics.pushed("error", 0);
        metrics.committed(20);
        metrics.raced(2);
        metrics.updated("pending");
        let text = metrics.render();
        for line in [
            r#"highwater_pushes_total{result="success"} 1"#,
            "highwater_commits_total 20",
            "highwater_push_races_total 2",
            r#"highwater_updates_total{result="pending"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(
            !text.contains(r#"highwater_pushes_total{result="error"}"#),
            "{text}"
        );
    }
}
