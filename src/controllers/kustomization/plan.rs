//! What to apply for a Kustomization, and what to say of it. Pure.

use super::Settings;
use super::execute::{Applied, ApplyFailure};
use super::wait::{Begun, Verdict};
use crate::adapters::cluster::events::Told;
use crate::api::Kustomization;
use crate::api::git_repository::Artifact;
use crate::api::kustomization::{
    Inventory as WrittenInventory, InventoryEntry, KustomizationSpec, KustomizationStatus, ObjectSelector, DeletionPolicy,
};
use crate::controllers::driver::Run;
use crate::controllers::report::Report;
use crate::controllers::triggers::{Caches, within};
use crate::domain::conditions::Statement;
use crate::domain::duration::format_duration;
use crate::domain::inventory::{Entry, Inventory};
use crate::domain::kustomize::{Image, Options, Patch, PatchTarget};
use crate::domain::object::{ObjectId, ObjectKey};
use crate::domain::outcome::{Outcome, reason};
use crate::domain::tree;
use std::time::Duration;

/// Flux's condition for what is waited for.
const HEALTHY: &str = "Healthy";
/// Flux's prefix of what tools read in events.
const GROUP: &str = "kustomize.toolkit.fluxcd.io";

/// What is applied, and how often.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) options: Options,
    pub(super) interval: Duration,
    pub(super) retry_interval: Duration,
    pub(super) timeout: Duration,
}

/// Reads the specification.
pub(super) fn target(spec: &KustomizationSpec) -> Result<Target, Outcome> {
    refuse_unsupported(spec)?;
    let invalid = |error: &dyn std::fmt::Display| Outcome::stalled(reason::BUILD_FAILED, error);
    let path = tree::join("", spec.path.as_deref().unwrap_or_default().trim_start_matches('/'));
    Ok(Target {
        path: path.map_err(|error| invalid(&format!("`spec.path`: {error}")))?,
        options: options(spec),
        interval: spec.interval().map_err(|error| invalid(&error))?,
        retry_interval: spec.retry_interval().map_err(|error| invalid(&error))?,
        timeout: spec.timeout().map_err(|error| invalid(&error))?,
    })
}

/// A field that is accepted and does nothing would be a lie: those that come later are refused.
fn refuse_unsupported(spec: &KustomizationSpec) -> Result<(), Outcome> {
    let unsupported = [
        ("spec.namePrefix", spec.name_prefix.is_some()),
        ("spec.nameSuffix", spec.name_suffix.is_some()),
        ("spec.components", !spec.components.is_empty()),
        ("spec.buildMetadata", !spec.build_metadata.is_empty()),
        ("spec.postBuild", spec.post_build.is_some()),
        ("spec.decryption", spec.decryption.is_some()),
        ("spec.healthCheckExprs", !spec.health_check_exprs.is_empty()),
        ("spec.force", spec.force),
        ("spec.kubeConfig", spec.kube_config.is_some()),
        ("spec.ignore", !spec.ignore.is_empty()),
        ("spec.dependsOn.readyExpr", spec.depends_on.iter().any(|on| on.ready_expr.is_some())),
        ("spec.deletionPolicy: WaitForTermination", spec.deletion_policy == DeletionPolicy::WaitForTermination),
    ];
    match unsupported.into_iter().find(|(_, used)| *used) {
        Some((field, _)) => Err(Outcome::stalled(reason::UNSUPPORTED_FIELD, format!("`{field}` is not supported yet"))),
        None => Ok(()),
    }
}

fn options(spec: &KustomizationSpec) -> Options {
    let text = |written: &Option<String>| written.clone().unwrap_or_default();
    let images = spec.images.iter().map(|image| Image {
        name: image.name.clone(),
        new_name: text(&image.new_name),
        new_tag: text(&image.new_tag),
        digest: text(&image.digest),
        tag_suffix: String::new(),
    });
    let patches = spec.patches.iter().map(|written| Patch {
        patch: written.patch.clone(),
        target: written.target.as_ref().map(patch_target),
        ..Patch::default()
    });
    let metadata = spec.common_metadata.clone().unwrap_or_default();
    Options {
        target_namespace: spec.target_namespace.clone(),
        images: images.collect(),
        patches: patches.collect(),
        common_labels: metadata.labels,
        common_annotations: metadata.annotations,
        ..Options::flux()
    }
}

fn patch_target(selector: &ObjectSelector) -> PatchTarget {
    let text = |written: &Option<String>| written.clone().unwrap_or_default();
    PatchTarget {
        group: text(&selector.group),
        version: text(&selector.version),
        kind: text(&selector.kind),
        name: text(&selector.name),
        namespace: text(&selector.namespace),
        label_selector: text(&selector.label_selector),
        annotation_selector: text(&selector.annotation_selector),
    }
}

/// Whether everything `object` depends on is ready: observed, `Ready`, and of the same revision when it
/// has the same source. A dependency that becomes ready wakes the object; the interval is a safety net.
pub(super) fn dependencies(
    caches: &Caches,
    object: &Kustomization,
    own: &ObjectKey,
    artifact: &Artifact,
    settings: &Settings,
) -> Result<(), Outcome> {
    for on in &object.spec.depends_on {
        let key = within(own, on.namespace.as_deref(), &on.name);
        let found = caches.kustomizations.get(&key);
        dependency(found.as_deref(), &key, object, own, artifact).map_err(|why| Outcome::Failed {
            reason: reason::DEPENDENCY_NOT_READY,
            message: format!("{why}, retrying in {}", format_duration(settings.requeue_dependency)),
            next: Some(settings.requeue_dependency),
        })?;
    }
    Ok(())
}

fn dependency(
    found: Option<&Kustomization>,
    key: &ObjectKey,
    object: &Kustomization,
    own: &ObjectKey,
    artifact: &Artifact,
) -> Result<(), String> {
    let found = found.ok_or_else(|| format!("dependency '{key}' not found"))?;
    let observed = Some(found.status.observed_generation) == found.metadata.generation;
    let ready = found.status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    if !observed || !ready {
        return Err(format!("dependency '{key}' is not ready"));
    }
    let source = |spec: &KustomizationSpec, key: &ObjectKey| {
        let reference = &spec.source_ref;
        (reference.kind.clone(), within(key, reference.namespace.as_deref(), &reference.name))
    };
    let same_source = source(&found.spec, key) == source(&object.spec, own);
    if same_source && found.status.last_applied_revision.as_ref() != Some(&artifact.revision) {
        return Err(format!("dependency '{key}' revision is not up to date"));
    }
    Ok(())
}

/// The status of a run that builds `revision`.
pub(super) fn attempted(object: &Kustomization, revision: &str) -> KustomizationStatus {
    KustomizationStatus { last_attempted_revision: Some(revision.to_owned()), ..object.status.clone() }
}

/// The inventory of the last run.
pub(super) fn inventory(object: &Kustomization) -> Inventory {
    let entries = object.status.inventory.iter().flat_map(|inventory| &inventory.entries);
    let entries = entries.map(|entry| Entry { id: entry.id.clone(), version: entry.version.clone() });
    Inventory { entries: entries.collect() }
}

fn written(inventory: &Inventory) -> WrittenInventory {
    let entries = inventory.entries.iter();
    let entries = entries.map(|entry| InventoryEntry { id: entry.id.clone(), version: entry.version.clone() });
    WrittenInventory { entries: entries.collect() }
}

/// Whether the removal of `object` removes what it applied.
pub(super) fn deletes_on_removal(object: &Kustomization) -> bool {
    let spec = &object.spec;
    !spec.suspend
        && match spec.deletion_policy {
            DeletionPolicy::Delete | DeletionPolicy::WaitForTermination => true,
            DeletionPolicy::Orphan => false,
            DeletionPolicy::MirrorPrune | DeletionPolicy::Other(_) => spec.prune,
        }
}

/// The report of objects that were applied, and pruned. It is not ready yet.
pub(super) fn applied(attempted: &KustomizationStatus, applied: &Applied, run: &Run) -> Report<KustomizationStatus> {
    let mut status = attempted.clone();
    status.inventory = Some(written(&applied.inventory));
    let outcome = Outcome::InProgress {
        reason: reason::PROGRESSING,
        message: "Reconciliation in progress".to_owned(),
        next: Duration::ZERO,
    };
    let report = Report::new(status, outcome);
    match applied.change_lines() {
        lines if lines.is_empty() => report,
        lines => report.telling(event(reason::PROGRESSING, lines, applied_revision(attempted), run)),
    }
}

fn applied_revision(status: &KustomizationStatus) -> &str {
    status.last_attempted_revision.as_deref().unwrap_or_default()
}

fn event(reason: &str, message: String, revision: &str, _: &Run) -> Told {
    let metadata = [(format!("{GROUP}/revision"), revision.to_owned())];
    Told { warning: false, reason: reason.to_owned(), message, metadata: metadata.into() }
}

/// The report of a run that could not apply everything: what was applied so far is in the inventory.
pub(super) fn apply_failed(attempted: &KustomizationStatus, failure: ApplyFailure, target: &Target) -> Report<KustomizationStatus> {
    let mut status = attempted.clone();
    if let Some(inventory) = &failure.inventory {
        status.inventory = Some(written(inventory));
    }
    Report::new(status, Outcome::Failed { reason: failure.reason, message: failure.message, next: Some(target.retry_interval) })
}

/// What has to become healthy; `None` when nothing is waited for.
pub(super) fn health_checks(spec: &KustomizationSpec, own: &ObjectKey, applied: &Applied) -> Option<Vec<ObjectId>> {
    if spec.wait {
        return Some(applied.objects.clone());
    }
    let named = spec.health_checks.iter().map(|check| ObjectId {
        api_version: check.api_version.clone().unwrap_or_else(|| "apps/v1".to_owned()),
        kind: check.kind.clone(),
        namespace: Some(check.namespace.clone().unwrap_or_else(|| own.namespace.clone())),
        name: check.name.clone(),
    });
    let named: Vec<ObjectId> = named.collect();
    (!named.is_empty()).then_some(named)
}

/// The report of a look at the health of what was applied.
pub(super) fn waited(object: &Kustomization, begun: Begun, verdict: Verdict, run: &Run) -> Report<KustomizationStatus> {
    let revision = begun.revision.clone();
    let (interval, retry) = (object.spec.interval().unwrap_or(LONGEST), object.spec.retry_interval().unwrap_or(LONGEST));
    match verdict {
        Verdict::Healthy => {
            let message = format!("Health check passed in {}", format_duration(rounded(begun.since.elapsed())));
            let healthy = Statement { kind: HEALTHY, status: Some(true), reason: reason::SUCCEEDED, message };
            let report = Report::new(begun.status, Outcome::Ready { reason: "", message: String::new(), next: None });
            finished(report, &revision, interval, run).stating(healthy)
        }
        Verdict::NotYet => {
            let timeout = format_duration(begun.timeout);
            let message = format!("Running health checks for revision {revision} with a timeout of {timeout}");
            let healthy = Statement { kind: HEALTHY, status: None, reason: reason::PROGRESSING, message: message.clone() };
            let outcome = Outcome::InProgress { reason: reason::PROGRESSING, message, next: begun.pause };
            Report::new(begun.status, outcome).stating(healthy)
        }
        Verdict::Failed(message) => {
            let healthy =
                Statement { kind: HEALTHY, status: Some(false), reason: reason::HEALTH_CHECK_FAILED, message: message.clone() };
            let outcome = Outcome::Failed { reason: reason::HEALTH_CHECK_FAILED, message, next: Some(retry) };
            Report::new(begun.status, outcome).stating(healthy)
        }
    }
}

/// An interval that cannot be read was refused before; this is never waited.
const LONGEST: Duration = Duration::from_secs(3_600);

fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// The report of a run after which nothing is left to do.
pub(super) fn ready(mut report: Report<KustomizationStatus>, revision: &str, target: &Target, run: &Run) -> Report<KustomizationStatus> {
    report.status.conditions.retain(|condition| condition.type_ != HEALTHY);
    finished(report, revision, target.interval, run)
}

fn finished(mut report: Report<KustomizationStatus>, revision: &str, interval: Duration, run: &Run) -> Report<KustomizationStatus> {
    let news = report.status.last_applied_revision.as_deref() != Some(revision);
    report.status.last_applied_revision = Some(revision.to_owned());
    let message = format!("Applied revision: {revision}");
    report.outcome = Outcome::Ready { reason: reason::RECONCILIATION_SUCCEEDED, message, next: Some(interval) };
    if news {
        let words = format!("Reconciliation finished, next run in {}", format_duration(interval));
        let mut told = event(reason::RECONCILIATION_SUCCEEDED, words, revision, run);
        told.metadata.insert(format!("{GROUP}/commit_status"), "update".to_owned());
        report.told.push(told);
    }
    report
}
