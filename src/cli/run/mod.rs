//! `highwater run`: from flags to running controllers, and an orderly end.
//!
//! Invariant: losing the leader lease ends the process; a signal lets work that was begun finish.
//! What is absent: what the controllers do.

mod flags;
mod registries;

use super::configuration;
use super::failure::Failure;
use crate::adapters::artifacts::{self, ArtifactStore};
use crate::adapters::cloud::{CacheLimits, CloudLogins, Environment};
use crate::adapters::cluster::events::Recorder;
use crate::adapters::cluster::impersonate::Impersonator;
use crate::adapters::cluster::{self, lease};
use crate::adapters::git::{GitCache, SshAlgorithms};
use crate::adapters::metrics::Metrics;
use crate::adapters::notify::Notifier;
use crate::adapters::{probe, telemetry};
use crate::controllers::background::{Background, Foreground};
use crate::controllers::cloud_access::CloudAccess;
use crate::controllers::shared::{Shared, TO_TELL, TOLD_AT_ONCE};
use crate::controllers::{Controllers, Settings, start};
use crate::domain::backoff::Backoff;
use crate::domain::object::ObjectKey;
pub use flags::{Flags, Group};
use kube::Client;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The name of the lease that one of several replicas holds.
const LEASE: &str = "highwater-leader-election";
/// How long work that was begun may take to finish on the way out.
const DRAIN: Duration = Duration::from_secs(25);

/// Runs until a signal comes or the leader lease is lost.
///
/// # Errors
/// When an address, a folder or the cluster's configuration is unusable, or the lease is lost.
pub async fn run(flags: Flags) -> Result<(), Failure> {
    telemetry::start(flags.log_level, flags.log_encoding);
    for (flag, why) in flags.compatibility.set() {
        tracing::info!(flag, why, "the flag is accepted and has no effect");
    }
    let configuration = configuration(flags.kubeconfig.as_deref()).await?;
    let impersonator = Impersonator::new(configuration.clone());
    let client = cluster::client(configuration)?;
    let ready = Arc::new(AtomicBool::new(false));
    let metrics = Arc::new(Metrics::default());
    serve_probes(&flags, &metrics, &ready).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (end, ending) = watch::channel(false);
    let mut election = flags
        .election
        .enable_leader_election
        .then(|| election(&client, &flags));
    // Standing by is being ready: a roll-out must not wait for the lease.
    ready.store(true, Ordering::Relaxed);
    if let Some(election) = &mut election {
        tracing::info!("waiting for the leader lease");
        tokio::select! {
            () = election.acquire() => tracing::info!("the leader lease is ours"),
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        }
    }
    let mut running = tokio::spawn(start(
        controllers(&flags, client, impersonator, metrics, ending).await?,
    ));
    let lost = tokio::select! {
        () = hold(&mut election) => true,
        _ = &mut running => return Err(Failure::new("the controllers ended by themselves, please report this")),
        _ = interrupt.recv() => false,
        _ = terminate.recv() => false,
    };
    if lost {
        // Another replica may be at work already: whatever is under way here must stop at once.
        return Err(Failure::new("the leader lease is lost"));
    }
    tracing::info!("ending: work that was begun is finished first");
    end.send_replace(true);
    let again = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    if let Err(words) = drain(running, again).await {
        tracing::warn!("{words}");
    }
    match &mut election {
        Some(election) if flags.election.leader_election_release_on_cancel => {
            election.release().await
        }
        _ => {}
    }
    Ok(())
}

/// Waits for work that was begun, until it takes too long or somebody asks `again`.
async fn drain(running: impl Future, again: impl Future) -> Result<(), &'static str> {
    tokio::select! {
        drained = tokio::time::timeout(DRAIN, running) => match drained {
            Ok(_) => Ok(()),
            Err(_) => Err("work that was begun did not finish in time"),
        },
        _ = again => Err("asked twice to end: work that was begun is left unfinished"),
    }
}

async fn hold(election: &mut Option<lease::Election>) {
    match election {
        Some(election) => election.hold().await,
        None => std::future::pending().await,
    }
}

async fn serve_probes(
    flags: &Flags,
    metrics: &Arc<Metrics>,
    ready: &Arc<AtomicBool>,
) -> Result<(), Failure> {
    let metrics = Arc::clone(metrics);
    for (what, address, router) in [
        (
            "metrics",
            &flags.metrics_addr,
            probe::metrics_router(move || metrics.render()),
        ),
        (
            "health",
            &flags.health_addr,
            probe::health_router(Arc::clone(ready)),
        ),
    ] {
        // As in controller-runtime, `0` switches a server off.
        if address != "0" {
            let listener = probe::listen(address).await?;
            // With port 0, only this tells which one it became.
            tracing::info!(address = %listener.local_addr()?, "serving {what}");
            tokio::spawn(probe::serve(listener, router));
        }
    }
    Ok(())
}

fn election(client: &Client, flags: &Flags) -> lease::Election {
    lease::Election::new(
        client.clone(),
        lease::Settings {
            lease: ObjectKey::new(&flags.runtime_namespace, LEASE),
            identity: instance(),
            duration: flags.election.leader_election_lease_duration,
            renew_deadline: flags.election.leader_election_renew_deadline,
            retry_period: flags.election.leader_election_retry_period,
        },
    )
}

/// Who this process is: the pod's name, and something that differs even between two on one host.
fn instance() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "highwater".to_owned());
    let started = jiff::Timestamp::now().as_nanosecond();
    format!("{host}_{}-{started:x}", std::process::id())
}

async fn controllers(
    flags: &Flags,
    client: Client,
    impersonator: Impersonator,
    metrics: Arc<Metrics>,
    ending: watch::Receiver<bool>,
) -> Result<Controllers, Failure> {
    let runs = |group| flags.controllers.contains(&group);
    let artifacts_folder = flags.storage_path.join("artifacts");
    let git = git_cache(flags)?;
    let mut advertised = flags.storage_adv_addr.clone();
    if runs(Group::Source) {
        let listener = probe::listen(&flags.storage_addr).await?;
        if advertised.is_empty() {
            advertised = advertise(&listener)?;
        }
        tokio::spawn(artifacts::serve(
            listener,
            artifacts_folder.clone(),
            std::future::pending(),
        ));
    }
    let artifacts = ArtifactStore::open(&artifacts_folder, &advertised)?.with_retention(
        flags.artifact_retention_records,
        flags.artifact_retention_ttl,
    );
    let statuses = Foreground::default();
    let shared = Shared {
        telling: Background::behind(&statuses, TOLD_AT_ONCE, TO_TELL),
        statuses,
        events: Recorder::new(client.clone()),
        client,
        impersonator,
        cloud: cloud(flags),
        metrics,
        notifier: Notifier::start(&flags.events_addr),
        instance: instance(),
        backoff: Backoff {
            shortest: flags.min_retry_delay,
            longest: flags.max_retry_delay,
        },
        jitter_percent: flags.interval_jitter_percentage,
        ending,
    };
    Ok(Controllers {
        shared: Arc::new(shared),
        settings: settings(flags)?,
        git,
        artifacts,
        webhooks: webhooks(flags).await?,
    })
}

/// What of the flags the controllers go by.
fn settings(flags: &Flags) -> Result<Settings, Failure> {
    let runs = |group| flags.controllers.contains(&group);
    Ok(Settings {
        image_reflector: runs(Group::ImageReflector),
        image_automation: runs(Group::ImageAutomation),
        source: runs(Group::Source),
        kustomize: runs(Group::Kustomize),
        concurrent: flags.concurrent,
        requeue_dependency: flags.requeue_dependency,
        no_cross_namespace_refs: flags.no_cross_namespace_refs,
        no_remote_bases: flags.no_remote_bases,
        default_service_account: flags.default_service_account.clone(),
        custom_stage_kinds: flags.custom_apply_stage_kinds.clone(),
        overridden_managers: flags.override_manager.clone(),
        strict_substitution: flags.substitutes_strictly(),
        additive_ready_expressions: flags.gate("AdditiveCELDependencyCheck") == Some(true),
        google_keys: flags.receiver_google_keys.clone(),
        registries: registries::settings(flags)?,
        storage: flags.storage_path.clone(),
        namespace: (!flags.watch_all_namespaces).then(|| flags.runtime_namespace.clone()),
        git_gates: flags.git_gates(),
        label_selector: flags.watch_label_selector.clone(),
        configuration_selector: (flags.gate("DisableConfigWatchers") != Some(true))
            .then(|| flags.watch_configs_label_selector.clone()),
    })
}

/// Where webhooks are called, if Receivers are looked after.
async fn webhooks(flags: &Flags) -> Result<Option<TcpListener>, Failure> {
    if !flags.receivers {
        return Ok(None);
    }
    let listener = probe::listen(&flags.receiver_addr).await?;
    // With port 0, only this tells which one it became.
    tracing::info!(address = %listener.local_addr()?, "serving webhooks");
    Ok(Some(listener))
}

/// The clouds, asked as whoever the environment says this process is.
fn cloud(flags: &Flags) -> CloudAccess {
    const LONGEST: Duration = Duration::from_secs(60 * 60);
    let limits = CacheLimits {
        most: flags.token_cache_max_size,
        longest: flags.token_cache_max_duration.min(LONGEST),
    };
    CloudAccess {
        logins: CloudLogins::new(Environment::of_process(), limits),
        object_level: flags.gate("ObjectLevelWorkloadIdentity") == Some(true),
        default_service_account: flags.default_service_account.clone(),
    }
}

/// The Git objects below the folder of `--storage-path`, with what the flags say of ssh.
fn git_cache(flags: &Flags) -> Result<GitCache, Failure> {
    let (algorithms, unknown) =
        SshAlgorithms::named(&flags.ssh_kex_algos, &flags.ssh_hostkey_algos)?;
    if !unknown.is_empty() {
        tracing::warn!(
            ?unknown,
            "algorithms of ssh that are not spoken here are left out"
        );
    }
    opened(&flags.storage_path, algorithms)
}

fn opened(storage: &Path, algorithms: SshAlgorithms) -> Result<GitCache, Failure> {
    GitCache::open_with(&storage.join("git"), algorithms).map_err(|error| {
        let hint = "name a folder that may be written to with `--storage-path`";
        Failure::from(error).with_hint(hint)
    })
}

/// The host of artifact URLs when none is given: where the server listens, as this host is called.
fn advertise(listener: &tokio::net::TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr()?;
    if !address.ip().is_unspecified() {
        return Ok(address.to_string());
    }
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
    Ok(format!("{host}:{}", address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test(start_paused = true)]
    async fn who_asks_twice_to_end_does_not_wait() {
        let begun = tokio::time::Instant::now();
        assert_eq!(drain(ready(()), pending::<()>()).await, Ok(()));
        let twice = drain(pending::<()>(), ready(())).await;
        assert!(twice.is_err_and(|words| words.starts_with("asked twice to end")));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let slow = drain(pending::<()>(), pending::<()>()).await;
        assert_eq!(slow, Err("work that was begun did not finish in time"));
        assert_eq!(begun.elapsed(), DRAIN);
    }

    #[test]
    fn a_storage_folder_that_cannot_be_used_is_named_with_its_flag() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let failure = opened(file.path(), SshAlgorithms::default());
        let failure = failure.expect_err("a file is no folder");
        let path = file.path().display().to_string();
        assert!(failure.message.contains(&path), "{}", failure.message);
        assert!(
            failure
                .hint
                .is_some_and(|hint| hint.contains("`--storage-path`"))
        );
    }
}
