//! ImageUpdateAutomation: writes the selected images into Git.
//!
//! Invariants: a commit is made on the tip it replaces and holds only marked scalars; what was
//! pushed is never pushed twice, also when the process dies in between, since the repository itself
//! says what is still to do. Automations of one branch that are due together are pushed together, and
//! each has its own commits, status and events.
//!
//! ```text
//! fetch, plan ─▶ turns ─▶ batch ─▶ commits ─▶ adapters::git, once for all ─▶ tell
//!                         recover: what a run pushed that did not live to tell
//! ```

mod batch;
mod collect;
mod commits;
mod execute;
mod fetch;
mod plan;
mod pull_requests;
mod recover;
mod signing;
mod tell;
mod turns;

use super::caches::Caches;
use super::caches::{by_url, of_source};
use super::driver::{Controller, Finalized, Run};
use super::git_remote;
use super::report::Report;
use super::shared::Shared;
use super::triggers::{Queues, pushed};
use crate::adapters::cluster::watch::key_of;
use crate::adapters::git::GitCache;
use crate::adapters::registry::RegistryClient;
use crate::api::ImageUpdateAutomation;
use crate::api::image_update_automation::ImageUpdateAutomationStatus;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::Outcome;
use fetch::Source;
use kube::ResourceExt;
use std::sync::Arc;
use turns::{Branch, Turns};

pub use execute::{Edits, rewrite_files};
pub use signing::Signers;

/// Flux's feature gates of Git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates {
    /// `GitForcePushBranch`: whether a push branch that is not the checkout may be made anew.
    pub force_push_branch: bool,
    /// `GitAllBranchReferences`: whether changes go on top of a push branch that is there already. If
    /// not, it is made anew every time.
    pub all_branch_references: bool,
    /// `GitShallowClone`: whether single commits are fetched, and not whole histories.
    pub shallow_clone: bool,
    /// `GitSparseCheckout`: whether nothing outside of `spec.update.path` is looked at, not even where
    /// links lead.
    pub sparse_checkout: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            force_push_branch: true,
            all_branch_references: true,
            shallow_clone: true,
            sparse_checkout: false,
        }
    }
}

/// What the controller goes by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Whether sources of other namespaces are out of reach: `--no-cross-namespace-refs`.
    pub no_cross_namespace_refs: bool,
    /// How many branches are pushed to at once.
    pub concurrent: usize,
    /// Flux's feature gates.
    pub gates: Gates,
}

/// The controller of ImageUpdateAutomation.
pub struct ImageUpdates {
    /// What all controllers share.
    pub shared: Arc<Shared>,
    /// The object caches of all repositories.
    pub git: GitCache,
    /// The policies and the sources.
    pub caches: Arc<Caches>,
    /// Whom to wake after a push.
    pub queues: Arc<Queues>,
    /// Where images say what they come from.
    pub registry: Arc<RegistryClient>,
    /// The keys that sign, kept open between runs.
    signers: Signers,
    settings: Settings,
    turns: Turns,
    /// Who asks which forge now.
    forges: pull_requests::Places,
}

impl Controller for ImageUpdates {
    type Kind = ImageUpdateAutomation;
    const NAME: &'static str = "image-automation-controller";

    async fn reconcile(
        &self,
        object: Arc<ImageUpdateAutomation>,
        run: Run,
    ) -> Report<ImageUpdateAutomationStatus> {
        let updated = self.update(&object, &run).await;
        self.turns.over(&run.key);
        match updated {
            Ok(report) => report,
            Err(outcome) => {
                self.shared.metrics.updated("error");
                Report::new(plan::started(&object, run.now), outcome)
            }
        }
    }

    async fn finalize(&self, object: Arc<ImageUpdateAutomation>) -> Result<Finalized, String> {
        let namespace = object.namespace().unwrap_or_default();
        self.signers
            .forget(&ObjectKey::new(namespace, object.name_any()));
        Ok(Finalized::Done)
    }
}

/// How many automations are looked at while others are pushed. They wait for their turn together.
pub const AT_ONCE: usize = 256;

impl ImageUpdates {
    /// A controller on what all share.
    pub fn new(
        shared: Arc<Shared>,
        git: GitCache,
        caches: Arc<Caches>,
        queues: Arc<Queues>,
        registry: Arc<RegistryClient>,
        settings: Settings,
    ) -> Self {
        let metrics = Arc::clone(&shared.metrics);
        let (known, due) = (Arc::clone(&caches), Arc::clone(&queues));
        let expected = move |(url, branch): &Branch| {
            let updates = writers(&known, url).into_iter();
            let keys = updates.filter(|(source, update)| {
                plan::target(update, source).is_ok_and(|target| target.push_branch == *branch)
            });
            let keys = keys.map(|(_, update)| key_of(&*update));
            keys.filter(|key| due.image_updates.is_active(key))
                .collect()
        };
        Self {
            shared,
            git,
            caches,
            queues,
            registry,
            signers: Signers::default(),
            settings,
            turns: Turns::new(settings.concurrent, metrics, expected),
            forges: pull_requests::Places::default(),
        }
    }

    async fn update(
        &self,
        object: &ImageUpdateAutomation,
        run: &Run,
    ) -> Result<Report<ImageUpdateAutomationStatus>, Outcome> {
        let no_cross_namespace_refs = self.settings.no_cross_namespace_refs;
        let source = fetch::source(&self.caches, object, &run.key, no_cross_namespace_refs)?;
        let mut target = plan::target(object, &source)?;
        let policies = fetch::policies(&self.caches, object, &run.key)?;
        let url = source.object.spec.url.clone();
        let coming = self.turns.announce(&run.key, &url, &target.push_branch);
        target.gates = self.settings.gates;
        let authors = writers(&self.caches, &url).into_iter();
        let authors = authors.filter_map(|(_, update)| {
            let git = update.spec.git.as_ref()?;
            Some(git.commit.author.email.clone())
        });
        target.own_authors.extend(authors);
        target.told_until = plan::told_until(object, &policies);
        let remote = fetch::remote(&self.shared, &source, &run.key.namespace).await?;
        let remote = remote.with_whole_history(!target.gates.shallow_clone);
        let client = &self.shared.client;
        let signer = self.signers.signer(client, &run.key, object, run.now);
        target.signer = signer.await?;
        let job = execute::Job {
            key: run.key.clone(),
            git: self.git.clone(),
            remote: remote.clone(),
            selections: plan::selections(&run.key.namespace, &policies),
            unchanged_since: plan::unchanged_since(object, &target, &policies),
            target: target.clone(),
            now: run.now,
        };
        let git = object.spec.git.as_ref();
        if let Some(spec) = git.and_then(|git| git.pull_request.as_ref()) {
            // It pushes to branches of its own, so nobody waits for its turn.
            drop(coming);
            return pull_requests::propose(self, object, run, job, &source, spec).await;
        }
        let done = coming.run(job).await.inspect_err(|error| {
            if error.is_refused() {
                git_remote::refused(&self.shared.cloud, &remote);
            }
        });
        let done = done.map_err(|error| plan::failure(&error))?;
        self.count(&done);
        if matches!(done, execute::Done::Pushed { .. }) {
            pushed(&self.caches, &self.queues, &url);
        }
        let report = tell::report(object, &target, &policies, done, run.now);
        Ok(pull_requests::forget(report))
    }

    fn count(&self, done: &execute::Done) {
        let metrics = &self.shared.metrics;
        match done {
            execute::Done::Pushed { commits, found, .. } => {
                metrics.updated("changed");
                if !found {
                    metrics.committed(commits.len());
                }
            }
            execute::Done::Pending { .. } => metrics.updated("pending"),
            _ => metrics.updated("unchanged"),
        }
    }
}

/// All automations that write to this URL, with the sources they do it by.
fn writers(caches: &Caches, url: &str) -> Vec<(Source, Arc<ImageUpdateAutomation>)> {
    let sources = caches.git_repositories.find(&by_url(url));
    let writers = sources.into_iter().flat_map(|object| {
        let key = key_of(&*object);
        let updates = caches.image_updates.find(&of_source("GitRepository", &key));
        updates.into_iter().map(move |update| {
            let (key, object) = (key.clone(), Arc::clone(&object));
            (Source { key, object }, update)
        })
    });
    writers.collect()
}
