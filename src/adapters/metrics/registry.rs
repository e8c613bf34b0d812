//! What registries are asked, and what they answer.
//!
//! Invariant: hosts are named by whoever may create an ImageRepository and codes come from the network, so only so many
//! of the first are told apart, and of the second only those that mean something. What is absent: names of images.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most registries that are told apart; all others are `other`.
const MOST_HOSTS: usize = 100;
/// Longest name of a registry that is taken for a label, in bytes.
const LONGEST_HOST: usize = 255;

/// A registry.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Host {
    host: String,
}

/// A registry, and what it was asked for.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HostKind {
    host: String,
    kind: &'static str,
}

/// A registry, what it was asked for, and what it answered.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    host: String,
    kind: &'static str,
    status: &'static str,
}

/// The metrics of registries.
#[derive(Debug, Default)]
pub(super) struct RegistryMetrics {
    requests: Family<Answer, Counter>,
    held_back: Family<HostKind, Counter>,
    received: Family<HostKind, Counter>,
    pauses: Family<Host, Counter>,
    pause_seconds: Family<Host, Counter>,
    shared: Family<Host, Counter>,
    hosts: Mutex<BTreeSet<String>>,
}

impl RegistryMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "highwater_registry_requests",
            "Requests to registries and their token servers by answer",
            self.requests.clone(),
        );
        registry.register(
            "highwater_registry_held_back_requests",
            "Requests that were not sent because of a pause or a spent budget",
            self.held_back.clone(),
        );
        registry.register(
            "highwater_registry_received_bytes",
            "Bytes of tag lists and manifests, unpacked",
            self.received.clone(),
        );
        registry.register(
            "highwater_registry_pauses",
            "Answers that asked for a pause",
            self.pauses.clone(),
        );
        registry.register(
            "highwater_registry_pause_seconds",
            "Seconds of pause that answers asked for",
            self.pause_seconds.clone(),
        );
        registry.register(
            "highwater_registry_shared_scans",
            "Scans that another object's scan answered",
            self.shared.clone(),
        );
    }

    pub(super) fn answered(&self, host: &str, kind: &'static str, status: Option<u16>) {
        let (host, status) = (self.host(host), status_word(status));
        let labels = Answer { host, kind, status };
        self.requests.get_or_create(&labels).inc();
    }

    pub(super) fn held_back(&self, host: &str, kind: &'static str) {
        let host = self.host(host);
        self.held_back.get_or_create(&HostKind { host, kind }).inc();
    }

    pub(super) fn received(&self, host: &str, kind: &'static str, bytes: u64) {
        let host = self.host(host);
        let labels = HostKind { host, kind };
        self.received.get_or_create(&labels).inc_by(bytes);
    }

    pub(super) fn paused(&self, host: &str, wait: Duration) {
        let labels = Host {
            host: self.host(host),
        };
        self.pauses.get_or_create(&labels).inc();
        let seconds = self.pause_seconds.get_or_create(&labels);
        seconds.inc_by(wait.as_secs());
    }

    pub(super) fn shared(&self, host: &str) {
        let host = self.host(host);
        self.shared.get_or_create(&Host { host }).inc();
    }

    /// The host as a label.
    fn host(&self, host: &str) -> String {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.contains(host) {
            return host.to_owned();
        }
        if hosts.len() >= MOST_HOSTS || host.len() > LONGEST_HOST {
            return "other".to_owned();
        }
        hosts.insert(host.to_owned());
        host.to_owned()
    }
}

/// The codes that mean something to who looks at a registry's traffic, and the class of all others.
fn status_word(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(200) => "200",
        Some(304) => "304",
        Some(401) => "401",
        Some(403) => "403",
        Some(404) => "404",
        Some(429) => "429",
        Some(503) => "503",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(500..=599) => "5xx",
        Some(_) => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn what_a_registry_is_asked_is_counted_by_host_kind_and_answer() {
        let metrics = Metrics::default();
        for status in [Some(200), Some(200), Some(304), Some(429), Some(418), None] {
            metrics.registry_answered("ghcr.io", "tags", status);
        }
        metrics.registry_received("ghcr.io", "tags", 1234);
        metrics.registry_paused("ghcr.io", Duration::from_secs(90));
        metrics.registry_held_back("ghcr.io", "manifest");
        metrics.registry_shared("ghcr.io");
        let text = metrics.render();
        for line in [
            r#"highwater_registry_requests_total{host="ghcr.io",kind="tags",status="200"} 2"#,
            r#"highwater_registry_requests_total{host="ghcr.io",kind="tags",status="304"} 1"#,
            r#"highwater_registry_requests_total{host="ghcr.io",kind="tags",status="429"} 1"#,
            r#"highwater_registry_requests_total{host="ghcr.io",kind="tags",status="4xx"} 1"#,
            r#"highwater_registry_requests_total{host="ghcr.io",kind="tags",status="none"} 1"#,
            r#"highwater_registry_received_bytes_total{host="ghcr.io",kind="tags"} 1234"#,
            r#"highwater_registry_pauses_total{host="ghcr.io"} 1"#,
            r#"highwater_registry_pause_seconds_total{host="ghcr.io"} 90"#,
            r#"highwater_registry_held_back_requests_total{host="ghcr.io",kind="manifest"} 1"#,
            r#"highwater_registry_shared_scans_total{host="ghcr.io"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn many_hosts_and_strange_codes_are_few_series() {
        let metrics = Metrics::default();
        for number in 0..5_000_u16 {
            let host = format!("registry-{number}.example");
            metrics.registry_answered(&host, "tags", Some(number));
        }
        let text = metrics.render();
        let series = text
            .lines()
            .filter(|line| line.contains("_requests_total{"));
        assert!(series.count() <= MOST_HOSTS + 13);
        assert!(
            text.contains(r#"host="other",kind="tags",status="other""#),
            "{text}"
        );
    }
}
