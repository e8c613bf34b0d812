//! The controllers: one folder per kind, one loop, one report, and who wakes whom.
//!
//! Invariant: work begins only when every watch has listed what there is, so that nothing is judged
//! by half the picture. What is absent: flags; [`Settings`] are values.

pub mod background;
pub mod caches;
pub mod cloud_access;
pub mod driver;
mod expressions;
mod failures;
mod finalizers;
mod git_login;
mod git_remote;
pub mod git_repository;
pub mod hints;
pub mod image_policy;
pub mod image_repository;
pub mod image_update;
mod known_tags;
pub mod kustomization;
mod queue;
pub mod receiver;
pub mod registry_access;
mod report;
pub mod secrets;
pub mod shared;
mod skips;
mod statuses;
mod telling;
pub mod triggers;
mod watches;

use crate::adapters::artifacts::ArtifactStore;
use crate::adapters::cluster::watch::Cache;
use crate::adapters::git::{GitCache, RemoteBases};
use crate::adapters::registry::RegistryClient;
use crate::adapters::tag_store::TagStore;
use crate::adapters::webhook;
use crate::domain::object::ObjectKey;
use crate::domain::registry_settings::RegistrySettings;
use crate::domain::stage::CustomKinds;
use background::Background;
use caches::Caches;
use driver::Driver;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use hints::Hints;
use queue::Queue;
use shared::Shared;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use triggers::Queues;

/// What is to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether ImageRepository and ImagePolicy run.
    pub image_reflector: bool,
    /// Whether ImageUpdateAutomation runs.
    pub image_automation: bool,
    /// Whether GitRepository runs.
    pub source: bool,
    /// Whether Kustomization runs.
    pub kustomize: bool,
    /// Where Google publishes the keys of its identity tokens, for Receivers.
    pub google_keys: String,
    /// How many objects of a kind are worked on at once.
    pub concurrent: usize,
    /// How long to wait for a dependency.
    pub requeue_dependency: Duration,
    /// Whether other namespaces are out of reach.
    pub no_cross_namespace_refs: bool,
    /// Whether a build reads only files of its source.
    pub no_remote_bases: bool,
    /// Whom a Kustomization applies as when it names nobody; empty for the process itself.
    pub default_service_account: String,
    /// Kinds that are applied in a stage of their own.
    pub custom_stage_kinds: CustomKinds,
    /// How the names of further field managers begin from whom Kustomizations take over.
    pub overridden_managers: Vec<String>,
    /// Whether a variable of a Kustomization that is not set is an error.
    pub strict_substitution: bool,
    /// Whether a dependency with an expression of its own must be ready besides.
    pub additive_ready_expressions: bool,
    /// How much each registry is asked.
    pub registries: RegistrySettings,
    /// Where tags, and what images say of themselves, outlive the process.
    pub storage: PathBuf,
    /// The only namespace that is watched; all when `None`.
    pub namespace: Option<String>,
    /// Flux's feature gates of Git.
    pub git_gates: image_update::Gates,
    /// The labels that watched objects have.
    pub label_selector: String,
    /// The labels of Secrets and ConfigMaps whose changes count at once; nothing is watched when `None`.
    pub configuration_selector: Option<String>,
}

/// Everything the controllers need.
pub struct Controllers {
    /// What all controllers share.
    pub shared: Arc<Shared>,
    /// What is to run.
    pub settings: Settings,
    /// The Git object caches.
    pub git: GitCache,
    /// The artifacts.
    pub artifacts: ArtifactStore,
    /// Where webhooks are called; Receiver runs when there is one.
    pub webhooks: Option<TcpListener>,
}

/// How many files of tags are written at once in the background, and how many wait for that.
const SAVED_AT_ONCE: usize = 1;
const TO_SAVE: u32 = 2_000;

type Task = BoxFuture<'static, ()>;

/// Starts watches and loops. The future ends when the process is to end and the loops are idle.
pub fn start(controllers: Controllers) -> impl Future<Output = ()> {
    let Controllers {
        shared,
        settings,
        git,
        artifacts,
        webhooks,
    } = controllers;
    let mut ending = shared.ending.clone();
    let telling = shared.telling.clone();
    let caches = Arc::new(Caches::default());
    let queues = Arc::new(Queues::default());
    let mut watches = watches::watches(&shared, &settings, &caches, &queues);
    if webhooks.is_some() {
        let (cache, queue) = (&caches.receivers, &queues.receivers);
        watches.push(watches::watch(&shared, &settings, cache, queue, |_| {}));
    }
    let mut complete: Vec<Task> = Vec::new();
    for (watch, listed) in watches {
        tokio::spawn(watch);
        complete.push(listed);
    }
    // Nobody waits for these: without the right to list Secrets all else works.
    for watch in watches::configuration_watches(&shared, &settings, &caches, &queues) {
        tokio::spawn(watch);
    }
    let saving = Background::behind(&shared.statuses, SAVED_AT_ONCE, TO_SAVE);
    let world = World {
        registry: Arc::new(registry(&shared, &settings)),
        saving: saving.clone(),
        shared,
        settings,
        caches,
        queues,
        hints: Arc::default(),
    };
    let mut loops = loops(&world, git, artifacts);
    if let Some(listener) = webhooks {
        loops.extend(receivers(&world, listener));
    }
    async move {
        tokio::select! {
            _ = join_all(complete) => {}
            // A cluster that does not answer is no reason to stay.
            _ = ending.wait_for(|ending| *ending) => return,
        }
        tracing::info!("every watch is complete, work begins");
        join_all(loops.into_iter().map(tokio::spawn)).await;
        telling.finish().await;
        saving.finish().await;
    }
}

/// The loops of the controllers that run.
fn loops(world: &World, git: GitCache, artifacts: ArtifactStore) -> Vec<Task> {
    let settings = &world.settings;
    let mut loops: Vec<Task> = Vec::new();
    if settings.image_reflector {
        loops.extend(reflector(world));
    }
    let (caches, queues) = (&world.caches, &world.queues);
    if settings.image_automation {
        let updates = image_update::ImageUpdates::new(
            Arc::clone(&world.shared),
            git.clone(),
            Arc::clone(caches),
            Arc::clone(queues),
            Arc::clone(&world.registry),
            image_update::Settings {
                no_cross_namespace_refs: settings.no_cross_namespace_refs,
                concurrent: settings.concurrent,
                gates: settings.git_gates,
            },
        );
        let (cache, queue) = (&caches.image_updates, &queues.image_updates);
        loops.push(world.drive_many(updates, cache, queue, image_update::AT_ONCE));
    }
    if settings.source {
        let sources = git_repository::GitRepositories {
            shared: Arc::clone(&world.shared),
            git: git.clone(),
            artifacts: artifacts.clone(),
        };
        loops.push(world.drive(sources, &caches.git_repositories, &queues.git_repositories));
    }
    if settings.kustomize {
        // Artifacts that this process makes are read from its own folder.
        let local = settings.source.then_some(artifacts);
        let remotes = (!settings.no_remote_bases).then(|| RemoteBases::new(git));
        let kustomizations =
            kustomization::Kustomizations::new(&world.shared, caches, local, remotes, settings);
        loops.push(world.drive(
            kustomizations,
            &caches.kustomizations,
            &queues.kustomizations,
        ));
    }
    loops
}

/// The registries. Without a file images are read again after a restart, which is no reason not to run.
fn registry(shared: &Shared, settings: &Settings) -> RegistryClient {
    let client = || registry_access::client(settings.registries.clone(), &shared.metrics);
    client()
        .with_memory(&settings.storage)
        .unwrap_or_else(|error| {
            tracing::warn!(%error, "what images say cannot be kept in the storage folder");
            client()
        })
}

/// The loops of ImageRepository and ImagePolicy, which share the tags.
fn reflector(world: &World) -> [Task; 3] {
    let (registry, tags) = (
        Arc::clone(&world.registry),
        Arc::new(TagStore::in_folder(world.settings.storage.join("tags"))),
    );
    let (caches, queues) = (&world.caches, &world.queues);
    let repositories = image_repository::ImageRepositories {
        shared: Arc::clone(&world.shared),
        registry: Arc::clone(&registry),
        tags: Arc::clone(&tags),
        saving: world.saving.clone(),
        queues: Arc::clone(queues),
        caches: Arc::clone(caches),
        hints: Arc::clone(&world.hints),
        reached: image_repository::Reached::default(),
    };
    let (known, swept) = (Arc::clone(caches), Arc::clone(&tags));
    let is_known = move |key: &ObjectKey| known.image_repositories.get(key).is_some();
    let sweep = async move {
        // Files that cannot be removed now are tried again at the next start.
        let _ = tokio::task::spawn_blocking(move || swept.sweep(is_known)).await;
    };
    let policies = image_policy::ImagePolicies {
        shared: Arc::clone(&world.shared),
        registry,
        tags,
        caches: Arc::clone(caches),
        facts: image_policy::KnownFacts::default(),
        settings: image_policy::Settings {
            no_cross_namespace_refs: world.settings.no_cross_namespace_refs,
            requeue_dependency: world.settings.requeue_dependency,
        },
    };
    [
        world.drive(
            repositories,
            &caches.image_repositories,
            &queues.image_repositories,
        ),
        world.drive(policies, &caches.image_policies, &queues.image_policies),
        sweep.boxed(),
    ]
}

/// The loop of Receiver, and the server of the paths that it makes.
fn receivers(world: &World, listener: TcpListener) -> [Task; 2] {
    let gates = Arc::new(receiver::Gates::default());
    let settings = receiver::Settings {
        image_reflector: world.settings.image_reflector,
        no_cross_namespace_refs: world.settings.no_cross_namespace_refs,
        google_keys: world.settings.google_keys.clone(),
    };
    let (caches, queues) = (&world.caches, &world.queues);
    let webhooks = receiver::Webhooks::new(
        &world.shared,
        (caches, queues),
        &world.hints,
        &gates,
        settings,
    );
    let receivers = receiver::Receivers {
        shared: Arc::clone(&world.shared),
        gates,
    };
    let mut ending = world.shared.ending.clone();
    let end = async move {
        // Without whoever says so, it does not end.
        if ending.wait_for(|ending| *ending).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    [
        world.drive(receivers, &caches.receivers, &queues.receivers),
        webhook::serve(listener, webhooks, end).boxed(),
    ]
}

/// What every loop is made of.
struct World {
    registry: Arc<RegistryClient>,
    saving: Background,
    shared: Arc<Shared>,
    settings: Settings,
    caches: Arc<Caches>,
    queues: Arc<Queues>,
    hints: Arc<Hints>,
}

impl World {
    fn drive<C: driver::Controller>(
        &self,
        controller: C,
        cache: &Arc<Cache<C::Kind>>,
        queue: &Arc<Queue<ObjectKey>>,
    ) -> Task {
        self.drive_many(controller, cache, queue, self.settings.concurrent)
    }

    /// As [`World::drive`], on this many objects at once at the most.
    fn drive_many<C: driver::Controller>(
        &self,
        controller: C,
        cache: &Arc<Cache<C::Kind>>,
        queue: &Arc<Queue<ObjectKey>>,
        at_once: usize,
    ) -> Task {
        let driver = Driver::new(
            controller,
            Arc::clone(cache),
            Arc::clone(queue),
            Arc::clone(&self.shared),
        );
        driver.run(at_once).boxed()
    }
}
