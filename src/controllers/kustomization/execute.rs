//! Applies and looks at health.
//!
//! Invariant: within a stage every dry run passes before anything is applied; an error says what was
//! applied until then, so that nothing is forgotten. What is absent: retries; the object's are enough.

use super::conditions::{self, Seen};
use super::prune::prune;
use super::recreate;
use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::apply::Applier;
use crate::adapters::cluster::watch::key_of;
use crate::adapters::metrics::Metrics;
use crate::api::Kustomization;
use crate::domain::drift::{self, Action};
use crate::domain::health::custom::{self, Description};
use crate::domain::health::{self, Health};
use crate::domain::inventory::{ApplyPlan, Inventory};
use crate::domain::manifest::Manifest;
use crate::domain::object::ObjectId;
use crate::domain::outcome::reason;
use crate::domain::stage::Stage;
use crate::domain::takeover::Takeover;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// How many requests of one object's run are under way at once: Flux's `--concurrent-ssa`.
const PARALLEL: usize = 4;
/// How long definitions and namespaces may take until the API server serves them.
const DEFINITIONS: Duration = Duration::from_secs(60);

/// How often a takeover is tried on an object that somebody else writes meanwhile.
const TAKEOVERS: usize = 5;

/// What applying is done with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hands<'a> {
    pub(super) applier: &'a Applier,
    pub(super) takeover: &'a Takeover,
    pub(super) metrics: &'a Metrics,
    /// Whether every object that cannot be changed is deleted and created anew.
    pub(super) force: bool,
}

/// What was done to the objects of a Kustomization.
#[derive(Debug)]
pub(super) struct Applied {
    /// Every object that belongs to it now, in the order of applying.
    pub(super) objects: Vec<ObjectId>,
    /// The same, as the status keeps it, with what could not be removed.
    pub(super) inventory: Inventory,
    /// What changed.
    pub(super) actions: Vec<(ObjectId, Action)>,
}

impl Applied {
    /// The objects that are not left alone, in the order of applying.
    pub(super) fn looked_after(&self) -> impl Iterator<Item = &ObjectId> {
        let left_alone: HashSet<&ObjectId> = self
            .actions
            .iter()
            .filter(|(_, action)| *action == Action::Skipped)
            .map(|(id, _)| id)
            .collect();
        let objects = self.objects.iter();
        objects.filter(move |id| !left_alone.contains(id))
    }

    /// Flux's lines: `Deployment/apps/web created`.
    pub(super) fn change_lines(&self) -> String {
        let changed = self.actions.iter().filter(|(_, action)| is_change(*action));
        changed
            .map(|(id, action)| format!("{id} {}", action.as_str()))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Whether the cluster is other than before.
fn is_change(action: Action) -> bool {
    matches!(
        action,
        Action::Created | Action::Configured | Action::Deleted
    )
}

/// Why not everything was done, and what was done before.
#[derive(Debug)]
pub(super) struct ApplyFailure {
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// The inventory so far; `None` when nothing was written.
    pub(super) inventory: Option<Inventory>,
    /// What was changed before, in Flux's lines.
    pub(super) changes: String,
}

/// Applies the objects of `plan` stage by stage, then removes what went.
pub(super) async fn apply(
    hands: Hands<'_>,
    plan: ApplyPlan,
    object: &Kustomization,
) -> Result<Applied, ApplyFailure> {
    let mut applied = Applied {
        objects: Vec::new(),
        inventory: plan.inventory,
        actions: Vec::new(),
    };
    for stage in &plan.stages {
        if let Err(message) = apply_stage(hands, stage, &mut applied).await {
            count(hands.metrics, &applied.actions);
            let mut inventory = super::plan::inventory(object);
            inventory.keep(&applied.objects);
            return Err(ApplyFailure {
                reason: reason::RECONCILIATION_FAILED,
                message,
                inventory: Some(inventory),
                changes: applied.change_lines(),
            });
        }
    }
    count(hands.metrics, &applied.actions);
    for error in plan.unreadable {
        tracing::warn!(%error, "an entry of the inventory names no object and is dropped");
    }
    if object.spec.prune {
        remove_stale(hands, &plan.stale, object, &mut applied).await?;
    }
    Ok(applied)
}

/// Removes what was applied before and is not any more. What cannot be removed stays in the inventory.
async fn remove_stale(
    hands: Hands<'_>,
    stale: &[ObjectId],
    object: &Kustomization,
    applied: &mut Applied,
) -> Result<(), ApplyFailure> {
    let owner = key_of(object);
    match prune(
        hands.applier,
        stale,
        &applied.objects,
        &owner,
        hands.metrics,
    )
    .await
    {
        Ok(pruned) => {
            applied
                .actions
                .extend(pruned.deleted.into_iter().map(|id| (id, Action::Deleted)));
            Ok(())
        }
        Err(failure) => {
            applied.inventory.keep(&failure.left);
            Err(ApplyFailure {
                reason: reason::PRUNE_FAILED,
                message: failure.message,
                inventory: Some(applied.inventory.clone()),
                changes: applied.change_lines(),
            })
        }
    }
}

/// One object with what is to be done to it.
struct Planned<'a> {
    id: ObjectId,
    manifest: &'a Manifest,
    action: Action,
    /// What has to be done before.
    first: First,
}

/// What stands in the way of applying.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Nothing,
    /// Something of others is to be taken over.
    TakesOver,
    /// The object that is there never becomes this one.
    Deletes,
}

async fn apply_stage(hands: Hands<'_>, stage: &Stage, applied: &mut Applied) -> Result<(), String> {
    let planning: Vec<_> = stage
        .manifests
        .iter()
        .map(|manifest| plan_one(hands, manifest))
        .collect();
    let planned: Vec<Planned<'_>> = stream::iter(planning)
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    let mut served = Vec::new();
    for planned in planned {
        if planned.action != Action::Skipped {
            served.push(planned.id.clone());
        }
        match planned.first {
            First::Nothing => {}
            First::TakesOver => take_over(hands, &planned.id, planned.manifest).await?,
            First::Deletes => recreate::delete(hands, &planned.id).await?,
        }
        if is_change(planned.action) {
            let applying = hands.applier.apply(&planned.id, &planned.manifest.object);
            let applying = applying.await;
            applying.map_err(|error| format!("{} apply failed: {}", planned.id, words(&error)))?;
        }
        applied.objects.push(planned.id.clone());
        applied.actions.push((planned.id, planned.action));
    }
    if stage.kind.waits() {
        wait_until_served(hands.applier, &served).await
    } else {
        Ok(())
    }
}

/// Compares one object with what is there.
async fn plan_one<'a>(hands: Hands<'_>, manifest: &'a Manifest) -> Result<Planned<'a>, String> {
    let id = manifest.id();
    let failed = |error| format!("{id} dry-run failed: {}", words(&error));
    let live = hands.applier.get(&id).await.map_err(failed)?;
    if drift::is_skipped(&manifest.object, live.as_ref()) {
        return Ok(Planned {
            id,
            manifest,
            action: Action::Skipped,
            first: First::Nothing,
        });
    }
    let takes_over = live
        .as_ref()
        .is_some_and(|live| hands.takeover.patch(live, &manifest.object).is_some());
    let mut dry_run = hands.applier.dry_run(&id, &manifest.object).await;
    // A field that somebody else owns can contradict what is applied now; nothing but the takeover,
    // which changes no field, gets it out of the way.
    if takes_over && dry_run.as_ref().is_err_and(ClusterError::is_invalid) {
        take_over(hands, &id, manifest).await?;
        dry_run = hands.applier.dry_run(&id, &manifest.object).await;
    }
    if let (Some(live), Err(error)) = (&live, &dry_run)
        && recreate::is_immutable(error)
        && (hands.force || drift::is_replaced(&manifest.object, live))
    {
        recreate::trial(hands, manifest, error).await?;
        return Ok(Planned {
            id,
            manifest,
            action: Action::Created,
            first: First::Deletes,
        });
    }
    // The dry run does not know yet what goes with the takeover.
    let action = match drift::action(live.as_ref(), &dry_run.map_err(failed)?) {
        Action::Unchanged if takes_over => Action::Configured,
        action => action,
    };
    Ok(Planned {
        id,
        manifest,
        action,
        first: match takes_over {
            true => First::TakesOver,
            false => First::Nothing,
        },
    })
}

/// Takes over what others own of an object, as it is now.
async fn take_over(hands: Hands<'_>, id: &ObjectId, manifest: &Manifest) -> Result<(), String> {
    let failed = |error| {
        format!(
            "{id} metadata.managedFields cleanup failed: {}",
            words(&error)
        )
    };
    for left in (0..TAKEOVERS).rev() {
        let Some(live) = hands.applier.get(id).await.map_err(failed)? else {
            return Ok(());
        };
        let Some(patch) = hands.takeover.patch(&live, &manifest.object) else {
            return Ok(());
        };
        match hands.applier.merge(id, &patch).await {
            Err(error) if error.is_conflict() && left > 0 => {}
            done => return done.map(drop).map_err(failed),
        }
    }
    Ok(())
}

/// What the API server said, without naming the object again. What it quotes of a Secret is left out.
pub(super) fn words(error: &ClusterError) -> String {
    match error {
        ClusterError::Request { kind, reason, .. }
            if kind == "Secret" && reason.contains("valueUnstructured") =>
        {
            "invalid, data values must be of type string".to_owned()
        }
        ClusterError::Request { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

/// Waits until what the next stage needs is there: definitions are served, namespaces are active.
async fn wait_until_served(applier: &Applier, objects: &[ObjectId]) -> Result<(), String> {
    let deadline = Instant::now() + DEFINITIONS;
    for id in objects {
        let mut pause = Duration::from_millis(50);
        while !look(applier, id)
            .await
            .is_ok_and(|health| health.is_current())
        {
            if Instant::now() >= deadline {
                return Err(format!(
                    "{id} is not ready after {} s",
                    DEFINITIONS.as_secs()
                ));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
    Ok(())
}

fn count(metrics: &Metrics, actions: &[(ObjectId, Action)]) {
    for (_, action) in actions {
        metrics.applied(action.as_str(), 1);
    }
}

/// The health of each object, in order. One that is missing is not healthy yet.
pub(super) async fn health(
    applier: &Applier,
    checks: &[ObjectId],
    descriptions: &[Description],
) -> Vec<(ObjectId, Health)> {
    let looks = checks.iter().map(|id| {
        let description = custom::of_kind(descriptions, id.group(), &id.kind);
        look_or_wait(applier, id, description)
    });
    let looks: Vec<_> = looks.collect();
    let seen: Vec<_> = stream::iter(looks).buffered(PARALLEL).collect().await;
    conditions::judge(seen).await
}

/// An API server that does not answer now is no reason to call an object unhealthy.
async fn look_or_wait(
    applier: &Applier,
    id: &ObjectId,
    description: Option<&Description>,
) -> (ObjectId, Seen) {
    let seen = match description {
        None => look(applier, id).await.map(Seen::Judged),
        Some(description) => applier.get(id).await.map(|live: Option<Value>| {
            let described = |live| Seen::Described(Box::new((description.clone(), live)));
            live.map_or(Seen::Judged(Health::Unknown), described)
        }),
    };
    let unanswered = |error: ClusterError| Seen::Judged(Health::InProgress(error.to_string()));
    (id.clone(), seen.unwrap_or_else(unanswered))
}

async fn look(applier: &Applier, id: &ObjectId) -> Result<Health, ClusterError> {
    let live: Option<Value> = applier.get(id).await?;
    Ok(live.map_or(Health::Unknown, |live| {
        health::status_at(&live, Timestamp::now())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_the_api_server_quotes_of_a_secret_is_not_told() {
        let quoted = "failed to create typed patch object: .data.pin: expected string, got &value.valueUnstructured{Value:4711}";
        let said = |kind: &str| {
            words(&ClusterError::Request {
                kind: kind.to_owned(),
                object: "apps/x".to_owned(),
                reason: quoted.to_owned(),
                transient: false,
                code: 500,
            })
        };
        assert!(!said("Secret").contains("4711"));
        assert_eq!(said("ConfigMap"), quoted);
    }
}
