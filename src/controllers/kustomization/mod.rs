//! Kustomization: applies a folder of a source to the cluster, removes what went, waits for health.
//!
//! Invariants: what was applied is in the inventory before anything else can fail; waiting for health holds no
//! worker; nothing is deleted that does not carry this object's owner labels. What is absent: what
//! `plan` refuses by name.

mod conditions;
mod dependencies;
mod execute;
mod fetch;
mod history;
mod make;
mod place;
mod plan;
mod prune;
pub mod recipe;
mod recreate;
mod removal;
mod target;
mod wait;

use super::Settings as AllSettings;
use super::caches::Caches;
use super::driver::{Controller, Finalized, Run};
use super::report::Report;
use super::shared::Shared;
use super::telling::tell;
use crate::adapters::artifacts::ArtifactStore;
use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::apply::Applier;
use crate::adapters::git::RemoteBases;
use crate::api::Kustomization;
use crate::api::kustomization::KustomizationStatus;
use crate::domain::inventory::{ApplyPlan, Inventory};
use crate::domain::object::{ObjectId, ObjectKey};
use crate::domain::outcome::{Outcome, reason};
use crate::domain::stage::CustomKinds;
use crate::domain::takeover::Takeover;
use jiff::Timestamp;
use place::Places;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use target::Target;
use tokio::time::Instant;
use wait::{Build, Waiting};

/// The controller of Kustomization.
pub struct Kustomizations {
    shared: Arc<Shared>,
    caches: Arc<Caches>,
    sources: fetch::Sources,
    remotes: Option<RemoteBases>,
    places: Places,
    waiting: Waiting,
    /// The removed objects that wait until everything is gone, which was deleted in full.
    removing: Mutex<HashSet<ObjectKey>>,
    settings: Settings,
}

/// What flags decide for Kustomizations.
#[derive(Clone, Debug)]
struct Settings {
    no_cross_namespace_refs: bool,
    requeue_dependency: Duration,
    default_service_account: String,
    custom_kinds: CustomKinds,
    strict_substitution: bool,
    additive_ready_expressions: bool,
    takeover: Takeover,
}

impl Kustomizations {
    /// A controller that reads artifacts from `local`, if they are made in this process, and over
    /// HTTP otherwise; and remote bases from `remotes`, if they are allowed.
    pub fn new(
        shared: &Arc<Shared>,
        caches: &Arc<Caches>,
        local: Option<ArtifactStore>,
        remotes: Option<RemoteBases>,
        settings: &AllSettings,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            caches: Arc::clone(caches),
            sources: fetch::Sources::new(local),
            remotes,
            places: Places::default(),
            waiting: Waiting::default(),
            removing: Mutex::default(),
            settings: Settings {
                no_cross_namespace_refs: settings.no_cross_namespace_refs,
                requeue_dependency: settings.requeue_dependency,
                default_service_account: settings.default_service_account.clone(),
                custom_kinds: settings.custom_stage_kinds.clone(),
                strict_substitution: settings.strict_substitution,
                additive_ready_expressions: settings.additive_ready_expressions,
                takeover: Takeover::new(Self::NAME, &settings.overridden_managers),
            },
        }
    }

    async fn apply(
        &self,
        object: &Kustomization,
        run: &Run,
    ) -> Result<Report<KustomizationStatus>, Report<KustomizationStatus>> {
        let unchanged = |outcome| Report::new(object.status.clone(), outcome);
        let target = target::checked(&object.spec).await.map_err(unchanged)?;
        let artifact = fetch::artifact(&self.caches, object, &run.key, &self.settings, &target)
            .map_err(unchanged)?;
        let (caches, settings) = (&self.caches, &self.settings);
        let ready = dependencies::are_ready(caches, object, &run.key, &artifact, settings).await;
        ready.map_err(unchanged)?;
        let applier = self.applier(object, &run.key).await;
        let applier = applier
            .map_err(|error| unchanged(Outcome::failed(reason::RECONCILIATION_FAILED, error)))?;
        if let Some(begun) = self.waiting.continues(object, &artifact.revision, run) {
            return Ok(self.look(object, &target, &applier, begun, run).await);
        }
        let attempted = plan::attempted(object, &artifact.revision);
        let failed = |outcome| Report::new(attempted.clone(), outcome);
        let started = Instant::now();
        let tree = self
            .sources
            .tree(&artifact, &target, &self.settings)
            .await
            .map_err(failed)?;
        let manifests = make::build(tree, &target, self.remotes.as_ref())
            .await
            .map_err(failed)?;
        let (client, strict) = (&self.shared.client, self.settings.strict_substitution);
        let finished = make::finish(manifests, &target, client, &run.key, strict).await;
        let manifests = finished.map_err(failed)?;
        let build = Build {
            revision: artifact.revision,
            digest: history::digest(&manifests),
            started,
        };
        let owner = (run.key.namespace.as_str(), run.key.name.as_str());
        let steps = ApplyPlan::new(
            manifests,
            &plan::inventory(object),
            owner,
            &self.settings.custom_kinds,
        );
        let hands = execute::Hands {
            applier: &applier,
            takeover: &self.settings.takeover,
            metrics: &self.shared.metrics,
            force: object.spec.force,
        };
        let applied = execute::apply(hands, steps, object).await;
        let applied = applied
            .map_err(|failure| plan::apply_failed(&attempted, failure, &build, &target, run))?;
        let report = plan::applied(&attempted, &applied);
        let Some(checks) = plan::health_checks(&object.spec, &run.key, &applied) else {
            return Ok(plan::ready(report, &build, &target, run));
        };
        let begun = self
            .waiting
            .begin(object, build, checks, target.timeout, &report.status, run);
        let mut looked = self.look(object, &target, &applier, begun, run).await;
        // What was applied is told before what came of it.
        looked.told.splice(0..0, report.told);
        Ok(looked)
    }

    /// Looks at the health of what was applied, once. Whoever is not healthy yet is looked at again.
    async fn look(
        &self,
        object: &Kustomization,
        target: &Target,
        applier: &Applier,
        begun: wait::Begun,
        run: &Run,
    ) -> Report<KustomizationStatus> {
        let states = execute::health(applier, &begun.checks, &target.descriptions).await;
        let verdict = wait::judge(&begun, &states);
        let report = plan::waited(object, begun, verdict, run);
        if !matches!(report.outcome, Outcome::InProgress { .. }) {
            self.waiting.end(&run.key);
        }
        report
    }

    /// Who applies it, and where.
    async fn applier(
        &self,
        object: &Kustomization,
        key: &ObjectKey,
    ) -> Result<Applier, ClusterError> {
        let account = &self.settings.default_service_account;
        let places = &self.places;
        places
            .applier(&self.shared, object, key, account, Self::NAME)
            .await
    }
}

impl Controller for Kustomizations {
    type Kind = Kustomization;
    const NAME: &'static str = "kustomize-controller";

    async fn reconcile(&self, object: Arc<Kustomization>, run: Run) -> Report<KustomizationStatus> {
        match self.apply(&object, &run).await {
            Ok(report) => report,
            Err(report) => {
                self.waiting.end(&run.key);
                report
            }
        }
    }

    async fn finalize(&self, object: Arc<Kustomization>) -> Result<Finalized, String> {
        let metadata = &object.metadata;
        let key = ObjectKey::new(
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        );
        self.waiting.end(&key);
        if !removal::deletes_on_removal(&object) {
            return Ok(Finalized::Done);
        }
        let (everything, _) = plan::inventory(&object).stale(&Inventory::default());
        let pruned = match self.remove(&object, &key, &everything).await {
            Ok(pruned) => pruned,
            // All of it was deleted before. What it took may be among that, such as the account's rights.
            Err(_) if self.is_removing(&key) => prune::Pruned {
                going: everything,
                ..prune::Pruned::default()
            },
            Err(message) => return Err(message),
        };
        let now = Timestamp::now();
        for (notice, told) in removal::removed(&object, &pruned, now) {
            tell(&self.shared, Self::NAME, &*object, notice, &told).await;
        }
        let finalized = removal::finalized(&object, &pruned, now);
        let mut removing = self.removing();
        match finalized {
            Finalized::Waits(_) => removing.insert(key),
            Finalized::Done => removing.remove(&key),
        };
        Ok(finalized)
    }
}

impl Kustomizations {
    /// Removes everything that was applied.
    async fn remove(
        &self,
        object: &Kustomization,
        key: &ObjectKey,
        everything: &[ObjectId],
    ) -> Result<prune::Pruned, String> {
        let applier = match self.applier(object, key).await {
            Ok(applier) => applier,
            // As in Flux: when the account is gone, so is the right to delete; the object must still go.
            Err(error) if error.is_not_found() => {
                tracing::error!(object = %key, %error, "the applied objects stay");
                return Ok(prune::Pruned::default());
            }
            // An API server that does not answer now is no reason to leave them behind.
            Err(error) => return Err(error.to_string()),
        };
        let pruned = prune::prune(&applier, everything, &[], key, &self.shared.metrics).await;
        pruned.map_err(|failure| failure.message)
    }

    fn is_removing(&self, key: &ObjectKey) -> bool {
        self.removing().contains(key)
    }

    fn removing(&self) -> MutexGuard<'_, HashSet<ObjectKey>> {
        self.removing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Settings {
    fn for_tests() -> Self {
        Self {
            no_cross_namespace_refs: false,
            requeue_dependency: Duration::from_secs(30),
            default_service_account: String::new(),
            custom_kinds: CustomKinds::default(),
            strict_substitution: true,
            additive_ready_expressions: false,
            takeover: Takeover::new(Kustomizations::NAME, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn finalized(code: u16) -> Result<Finalized, String> {
        let object = json!({
            "metadata": {"namespace": "apps", "name": "fleet"},
            "spec": {
                "interval": "1m", "prune": true, "serviceAccountName": "team",
                "sourceRef": {"kind": "GitRepository", "name": "fleet"}
            },
            "status": {"inventory": {"entries": [{"id": "apps_a__ConfigMap", "v": "v1"}]}}
        });
        let object: Kustomization = serde_json::from_value(object).expect("Flux takes it");
        let controller = Kustomizations {
            shared: Arc::new(Shared::answered_with(code)),
            caches: Arc::default(),
            sources: fetch::Sources::new(None),
            remotes: None,
            places: Places::default(),
            waiting: Waiting::default(),
            removing: Mutex::default(),
            settings: Settings::for_tests(),
        };
        controller.finalize(Arc::new(object)).await
    }

    #[tokio::test]
    async fn what_was_applied_is_left_behind_only_when_the_account_is_gone() {
        assert_eq!(finalized(404).await, Ok(Finalized::Done));
        assert!(finalized(500).await.is_err());
    }
}
