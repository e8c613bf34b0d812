//! The flags of `highwater run`, by Flux's names.
//!
//! Invariant: a Deployment of Flux needs only another image and command, so every flag of its four
//! controllers is taken. A flag that has nothing to do here is in [`Compatibility`], and setting it is
//! said in the log. What is absent: what the flags do.

use crate::adapters::issuer::GOOGLE_KEYS;
use crate::adapters::telemetry::{Encoding, Level};
use crate::controllers::image_update::Gates;
use crate::domain::duration::parse_duration;
use crate::domain::stage::CustomKinds;
use clap::{ArgAction, Args};
use std::path::PathBuf;
use std::time::Duration;

/// One group of controllers: one of Flux's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Group {
    /// ImageRepository and ImagePolicy.
    ImageReflector,
    /// ImageUpdateAutomation.
    ImageAutomation,
    /// GitRepository.
    Source,
    /// Kustomization.
    Kustomize,
}

/// What `highwater run` takes.
#[derive(Clone, Debug, Args)]
pub struct Flags {
    /// which controllers to run, named as Flux's
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["image-reflector", "image-automation", "source", "kustomize"])]
    pub controllers: Vec<Group>,
    /// use this kubeconfig file instead of the service account or kubectl's own choice
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// serve metrics at this address
    #[arg(long, value_name = "ADDRESS", default_value = ":8080")]
    pub metrics_addr: String,
    /// serve /healthz and /readyz at this address
    #[arg(long, value_name = "ADDRESS", default_value = ":9440")]
    pub health_addr: String,
    /// post events to this URL, such as Flux's notification-controller
    #[arg(long, value_name = "URL", default_value = "", value_parser = events_address)]
    pub events_addr: String,
    /// look after Receivers and serve their webhooks
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = ArgAction::Set)]
    pub receivers: bool,
    /// serve webhooks at this address
    #[arg(
        long,
        value_name = "ADDRESS",
        alias = "receiverAddr",
        default_value = ":9292"
    )]
    pub receiver_addr: String,
    /// where Google publishes the keys of its identity tokens, for receivers of type gcr
    #[arg(long, value_name = "URL", default_value = GOOGLE_KEYS, hide = true)]
    pub receiver_google_keys: String,
    /// keep artifacts, the Git object cache and the tags of the last scans in this folder
    #[arg(long, value_name = "DIR", default_value = "/data")]
    pub storage_path: PathBuf,
    /// serve artifacts at this address
    #[arg(long, value_name = "ADDRESS", default_value = ":9090")]
    pub storage_addr: String,
    /// the host that artifact URLs name [default: the address served at]
    #[arg(long, value_name = "HOST", default_value = "")]
    pub storage_adv_addr: String,
    /// how many older artifacts of a source are kept
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    pub artifact_retention_records: usize,
    /// how long older artifacts are kept at least
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration)]
    pub artifact_retention_ttl: Duration,
    /// how many objects of a kind are worked on at once
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    pub concurrent: usize,
    /// how long to wait for a dependency that is not ready
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub requeue_dependency: Duration,
    /// how many requests to one registry are in progress at once
    #[arg(long, value_name = "NUMBER", default_value_t = 16)]
    pub registry_max_requests: usize,
    /// how many requests a second one registry gets at most; 0 for as many as it takes
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    pub registry_qps: f64,
    /// say more of single registries in this file
    #[arg(long, value_name = "FILE")]
    pub registry_config: Option<PathBuf>,
    /// how far intervals are spread, in percent either way
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub interval_jitter_percentage: u8,
    /// the wait after a first failure
    #[arg(long, value_name = "DURATION", default_value = "750ms", value_parser = parse_duration)]
    pub min_retry_delay: Duration,
    /// the longest wait after failures in a row
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = parse_duration)]
    pub max_retry_delay: Duration,
    /// refuse references to objects of other namespaces
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = ArgAction::Set)]
    pub no_cross_namespace_refs: bool,
    /// refuse remote bases and files in kustomization files
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = ArgAction::Set)]
    pub no_remote_bases: bool,
    /// the service account Kustomizations apply as when they name none
    #[arg(long, value_name = "NAME", default_value = "")]
    pub default_service_account: String,
    /// kinds that are applied in a stage of their own, as group/Kind
    #[arg(long, value_name = "KINDS", default_value = "", value_parser = CustomKinds::parse)]
    pub custom_apply_stage_kinds: CustomKinds,
    /// undo the changes of field managers whose names begin so; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub override_manager: Vec<String>,
    /// watch all namespaces, or else only that of RUNTIME_NAMESPACE
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = ArgAction::Set)]
    pub watch_all_namespaces: bool,
    /// watch only objects with these labels
    #[arg(long, value_name = "SELECTOR", default_value = "")]
    pub watch_label_selector: String,
    /// watch Secrets and ConfigMaps with these labels, and act at once when one changes
    #[arg(
        long,
        value_name = "SELECTOR",
        default_value = "reconcile.fluxcd.io/watch=Enabled"
    )]
    pub watch_configs_label_selector: String,
    /// how many logins of clouds are kept; 0 for none
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub token_cache_max_size: usize,
    /// how long a login of a cloud is kept at most, and never longer than an hour
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    pub token_cache_max_duration: Duration,
    /// the key exchanges that ssh servers are offered, the best first [default: what is thought safe]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub ssh_kex_algos: Vec<String>,
    /// the algorithms of host keys that ssh servers are asked for [default: those of known_hosts]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub ssh_hostkey_algos: Vec<String>,
    /// the namespace this process runs in
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "RUNTIME_NAMESPACE",
        default_value = "highwater-system"
    )]
    pub runtime_namespace: String,
    /// debug, info or error
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = |text: &str| text.parse::<Level>())]
    pub log_level: Level,
    /// json or console
    #[arg(long, value_name = "ENCODING", default_value = "json", value_parser = |text: &str| text.parse::<Encoding>())]
    pub log_encoding: Encoding,
    /// How leaders are elected.
    #[command(flatten)]
    pub election: Election,
    /// Flags of Flux that have nothing to do here.
    #[command(flatten)]
    pub compatibility: Compatibility,
}

impl Flags {
    /// Whether a variable of a build that is not set is an error: unless Flux's feature gate says no.
    pub fn substitutes_strictly(&self) -> bool {
        self.gate("StrictPostBuildSubstitutions") != Some(false)
    }

    /// What Flux's feature gate of that name is set to, if it is.
    pub fn gate(&self, name: &str) -> Option<bool> {
        let gates = self.compatibility.feature_gates.iter().flatten();
        let set = gates.flat_map(|gates| gates.split(','));
        set.filter_map(|gate| gate.trim().split_once('='))
            .filter(|(known, _)| *known == name)
            .filter_map(|(_, value)| value.parse().ok())
            .next_back()
    }

    /// Flux's feature gates of Git.
    pub fn git_gates(&self) -> Gates {
        let default = Gates::default();
        let gate = |name, default| self.gate(name).unwrap_or(default);
        Gates {
            force_push_branch: gate("GitForcePushBranch", default.force_push_branch),
            all_branch_references: gate("GitAllBranchReferences", default.all_branch_references),
            shallow_clone: gate("GitShallowClone", default.shallow_clone),
            sparse_checkout: gate("GitSparseCheckout", default.sparse_checkout),
        }
    }
}

/// An address that events can be posted to; empty for nobody.
fn events_address(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(text.to_owned()),
        other => Err(format!("expected a URL of http or https, not of `{other}`")),
    }
}

/// How leaders are elected.
#[derive(Clone, Debug, Args)]
pub struct Election {
    /// work only while holding the leader lease
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = ArgAction::Set)]
    pub enable_leader_election: bool,
    /// give the lease back on the way out
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = ArgAction::Set)]
    pub leader_election_release_on_cancel: bool,
    /// how long others wait after the last renewal
    #[arg(long, value_name = "DURATION", default_value = "35s", value_parser = parse_duration)]
    pub leader_election_lease_duration: Duration,
    /// how long the leader tries to renew
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub leader_election_renew_deadline: Duration,
    /// the pause between tries
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub leader_election_retry_period: Duration,
}

/// Declares flags that are taken and do nothing, with the reason that the log gives.
macro_rules! without_effect {
    ($($field:ident: $reason:literal,)+) => {
        /// Flags of Flux's controllers that have nothing to do here.
        #[derive(Clone, Debug, Default, Args)]
        pub struct Compatibility {
            $(
                #[doc = $reason]
                #[arg(long, hide = true, num_args = 0..=1, value_name = "VALUE")]
                pub $field: Option<Option<String>>,
            )+
        }

        impl Compatibility {
            /// The flags that were set, each with the reason why it does nothing.
            pub fn set(&self) -> Vec<(String, &'static str)> {
                let all = [$((stringify!($field), self.$field.is_some(), $reason),)+];
                let set = all.into_iter().filter(|(_, set, _)| *set);
                set.map(|(field, _, reason)| (format!("--{}", field.replace('_', "-")), reason)).collect()
            }
        }
    };
}

without_effect! {
    kube_api_qps: "the API server's own priority and fairness limits requests",
    kube_api_burst: "the API server's own priority and fairness limits requests",
    concurrent_ssa: "four requests of one object's run are under way at once, which is Flux's default",
    feature_gates: "of Flux's gates only AdditiveCELDependencyCheck, ObjectLevelWorkloadIdentity, DisableConfigWatchers, StrictPostBuildSubstitutions and the four of Git are gates here; what differs from Flux's defaults is in the README",
    gc_interval: "tags are kept in memory",
    storage_value_log_file_size: "tags are kept in memory",
    storage_compression_threshold: "tags are kept in memory",
    artifact_digest_algo: "digests are always sha256",
    http_retry: "an artifact that cannot be fetched is tried again with the object",
    insecure_kubeconfig_exec: "no program is started for a kubeconfig; one that asks for it is refused by name",
    insecure_kubeconfig_tls: "the certificate of another cluster is always verified; a kubeconfig that says otherwise is refused by name",
    default_kubeconfig_service_account: "logins of clouds for remote clusters are not supported yet",
    default_decryption_service_account: "decryption is not supported yet",
    sops_age_secret: "decryption is not supported yet",
    helm_cache_max_size: "there are no Helm kinds here",
    helm_cache_ttl: "there are no Helm kinds here",
    helm_cache_purge_interval: "there are no Helm kinds here",
    helm_index_max_size: "there are no Helm kinds here",
    helm_chart_max_size: "there are no Helm kinds here",
    helm_chart_file_max_size: "there are no Helm kinds here",
    git_repositories_per_namespace: "it has no effect in Flux either",
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        flags: Flags,
    }

    fn parse(arguments: &[&str]) -> Flags {
        Command::try_parse_from([&["run"], arguments].concat())
            .expect("the flags are known")
            .flags
    }

    #[test]
    fn the_arguments_of_fluxs_own_deployments_are_taken() {
        let flags = parse(&[
            "--events-addr=http://notification-controller.flux-system.svc.cluster.local./",
            "--watch-all-namespaces=true",
            "--log-level=info",
            "--log-encoding=json",
            "--enable-leader-election",
            "--storage-path=/data",
            "--storage-adv-addr=source-controller.$(RUNTIME_NAMESPACE).svc.cluster.local.",
            "--feature-gates=GitShallowClone=true",
            "--kube-api-qps=100",
        ]);
        assert!(flags.election.enable_leader_election && flags.watch_all_namespaces);
        let set: Vec<_> = flags
            .compatibility
            .set()
            .into_iter()
            .map(|(flag, _)| flag)
            .collect();
        assert_eq!(set, ["--kube-api-qps", "--feature-gates"]);
    }

    #[test]
    fn feature_gates_of_flux_are_read() {
        for (gates, strict) in [
            ("GitShallowClone=true", true),
            ("StrictPostBuildSubstitutions=true", true),
            ("A=true,StrictPostBuildSubstitutions=false", false),
        ] {
            let flags = parse(&[&format!("--feature-gates={gates}")]);
            assert_eq!(flags.substitutes_strictly(), strict, "{gates}");
        }
        assert!(parse(&[]).substitutes_strictly());
        let flags = parse(&["--feature-gates=A=false, ObjectLevelWorkloadIdentity=true,A=true"]);
        assert_eq!(flags.gate("ObjectLevelWorkloadIdentity"), Some(true));
        assert_eq!((flags.gate("A"), flags.gate("B")), (Some(true), None));
    }

    #[test]
    fn the_gates_of_git_have_fluxs_names_and_defaults() {
        let flux = Gates {
            force_push_branch: true,
            all_branch_references: true,
            shallow_clone: true,
            sparse_checkout: false,
        };
        assert_eq!(parse(&[]).git_gates(), flux);
        let other = "--feature-gates=GitForcePushBranch=false,GitAllBranchReferences=false,GitShallowClone=false,GitSparseCheckout=true";
        let opposite = Gates {
            force_push_branch: false,
            all_branch_references: false,
            shallow_clone: false,
            sparse_checkout: true,
        };
        assert_eq!(parse(&[other]).git_gates(), opposite);
    }

    #[test]
    fn the_defaults_are_those_of_flux() {
        let flags = parse(&[]);
        assert_eq!(
            (
                flags.metrics_addr.as_str(),
                flags.health_addr.as_str(),
                flags.storage_addr.as_str()
            ),
            (":8080", ":9440", ":9090")
        );
        assert_eq!(
            (flags.concurrent, flags.requeue_dependency),
            (4, Duration::from_secs(30))
        );
        assert_eq!(
            (flags.min_retry_delay, flags.max_retry_delay),
            (Duration::from_millis(750), Duration::from_secs(900))
        );
        assert!(flags.watch_all_namespaces && !flags.no_cross_namespace_refs);
        assert!(!flags.no_remote_bases && parse(&["--no-remote-bases"]).no_remote_bases);
        assert_eq!(flags.controllers.len(), 4);
        assert_eq!(
            (flags.token_cache_max_size, flags.token_cache_max_duration),
            (100, Duration::from_secs(3_600))
        );
        assert_eq!(
            flags.watch_configs_label_selector,
            "reconcile.fluxcd.io/watch=Enabled"
        );
        assert_eq!(
            (flags.receivers, flags.receiver_addr.as_str()),
            (false, ":9292")
        );
        assert_eq!(parse(&["--receiverAddr=:1"]).receiver_addr, ":1");
        let overriding = ["--override-manager=helm", "--override-manager=argocd"];
        assert_eq!(parse(&overriding).override_manager, ["helm", "argocd"]);
    }

    #[test]
    fn an_address_for_events_that_nothing_can_be_posted_to_is_refused() {
        let parsed =
            |address: &str| Command::try_parse_from(["run", "--events-addr", address]).is_ok();
        assert!(
            parsed("") && parsed("http://notification-controller.flux-system.svc.cluster.local./")
        );
        assert!(!parsed("nonsense") && !parsed("ftp://somewhere"));
    }

    #[test]
    fn controllers_are_picked_by_the_names_of_flux() {
        assert_eq!(
            parse(&["--controllers=source,kustomize"]).controllers,
            [Group::Source, Group::Kustomize]
        );
    }
}
