//! ImageUpdateAutomation: writes the selected images into Git.
//!
//! Invariants: a commit is made on the tip it replaces and holds only marked scalars; what was
//! pushed is never pushed twice, also when the process dies in between, since the repository itself
//! says what is still to do.

mod execute;
mod fetch;
mod plan;
mod pull_requests;
mod signing;

use super::driver::{Controller, Run, Shared};
use super::git_remote;
use super::report::Report;
use super::triggers::{Caches, Queues, pushed};
use crate::adapters::git::GitCache;
use crate::adapters::registry::RegistryClient;
use crate::api::ImageUpdateAutomation;
use crate::api::image_update_automation::ImageUpdateAutomationStatus;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason};
use kube::ResourceExt;
use std::sync::Arc;

pub use execute::{Edits, rewrite_files};
pub use signing::Signers;

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
    pub signers: Signers,
    /// Whether sources of other namespaces are out of reach: `--no-cross-namespace-refs`.
    pub no_cross_namespace_refs: bool,
}

impl Controller for ImageUpdates {
    type Kind = ImageUpdateAutomation;
    const NAME: &'static str = "image-automation-controller";

    async fn reconcile(
        &self,
        object: Arc<ImageUpdateAutomation>,
        run: Run,
    ) -> Report<ImageUpdateAutomationStatus> {
        match self.update(&object, &run).await {
            Ok(report) => report,
            Err(outcome) => {
                self.shared.metrics.updated("error");
                Report::new(plan::started(&object, run.now), outcome)
            }
        }
    }

    async fn finalize(&self, object: Arc<ImageUpdateAutomation>) -> Result<(), String> {
        let namespace = object.namespace().unwrap_or_default();
        self.signers
            .forget(&ObjectKey::new(namespace, object.name_any()));
        Ok(())
    }
}

impl ImageUpdates {
    async fn update(
        &self,
        object: &ImageUpdateAutomation,
        run: &Run,
    ) -> Result<Report<ImageUpdateAutomationStatus>, Outcome> {
        let source = fetch::source(&self.caches, object, &run.key, self.no_cross_namespace_refs)?;
        let mut target = plan::target(object, &source)?;
        let policies = fetch::policies(&self.caches, object, &run.key)?;
        let remote = fetch::remote(&self.shared, &source, &run.key.namespace).await?;
        let (client, now) = (&self.shared.client, run.now);
        target.signer = self.signers.signer(client, &run.key, object, now).await?;
        let url = source.object.spec.url.clone();
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
            return pull_requests::propose(self, object, run, job, &source, spec).await;
        }
        let done = tokio::task::spawn_blocking(move || job.run()).await;
        let done = done.map_err(|error| Outcome::failed(reason::FAILED, error))?;
        let done = done.inspect_err(|error| {
            if error.is_push() {
                self.shared.metrics.pushed("error");
            }
            if error.is_refused() {
                git_remote::refused(&self.shared.cloud, &remote);
            }
        });
        let done = done.map_err(|error| plan::failure(&error))?;
        if matches!(done, execute::Done::Pushed { .. }) {
            self.shared.metrics.pushed("success");
            pushed(&self.caches, &self.queues, &url);
        }
        self.shared
            .metrics
            .updated(if matches!(done, execute::Done::Pushed { .. }) {
                "changed"
            } else {
                "unchanged"
            });
        let report = plan::report(object, &target, &policies, done, run.now);
        Ok(pull_requests::forget(report))
    }
}
