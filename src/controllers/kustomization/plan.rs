//! What to apply for a Kustomization, and what to say of it. Pure.

use super::execute::{Applied, ApplyFailure};
use super::history::{self, Ended};
use super::target::Target;
use super::wait::{Begun, Build, Verdict};
use crate::adapters::cluster::events::Told;
use crate::api::Kustomization;
use crate::api::kustomization::{
    Inventory as WrittenInventory, InventoryEntry, KustomizationSpec, KustomizationStatus,
};
use crate::controllers::driver::Run;
use crate::controllers::report::Report;
use crate::domain::conditions::Statement;
use crate::domain::duration::format_duration;
use crate::domain::inventory::{Entry, Inventory};
use crate::domain::object::{ObjectId, ObjectKey};
use crate::domain::outcome::{Outcome, reason};
use std::time::Duration;

/// Flux's condition for what is waited for.
const HEALTHY: &str = "Healthy";
/// Flux's prefix of what tools read in events.
const GROUP: &str = "kustomize.toolkit.fluxcd.io";

/// The status of a run that builds `revision`.
pub(super) fn attempted(object: &Kustomization, revision: &str) -> KustomizationStatus {
    KustomizationStatus {
        last_attempted_revision: Some(revision.to_owned()),
        ..object.status.clone()
    }
}

/// The inventory of the last run.
pub(super) fn inventory(object: &Kustomization) -> Inventory {
    let entries = object
        .status
        .inventory
        .iter()
        .flat_map(|inventory| &inventory.entries);
    let entries = entries.map(|entry| Entry {
        id: entry.id.clone(),
        version: entry.version.clone(),
    });
    Inventory {
        entries: entries.collect(),
    }
}

fn written(inventory: &Inventory) -> WrittenInventory {
    let entries = inventory.entries.iter();
    let entries = entries.map(|entry| InventoryEntry {
        id: entry.id.clone(),
        version: entry.version.clone(),
    });
    WrittenInventory {
        entries: entries.collect(),
    }
}

/// The report of objects that were applied, and pruned. It is not ready yet.
pub(super) fn applied(
    attempted: &KustomizationStatus,
    applied: &Applied,
) -> Report<KustomizationStatus> {
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
        lines => report.telling(event(
            reason::PROGRESSING,
            lines,
            applied_revision(attempted),
        )),
    }
}

fn applied_revision(status: &KustomizationStatus) -> &str {
    status
        .last_attempted_revision
        .as_deref()
        .unwrap_or_default()
}

fn event(reason: &str, message: String, revision: &str) -> Told {
    let metadata = [(format!("{GROUP}/revision"), revision.to_owned())];
    Told {
        warning: false,
        reason: reason.to_owned(),
        message,
        metadata: metadata.into(),
    }
}

/// The report of a run that could not apply everything: what was applied so far is in the inventory.
pub(super) fn apply_failed(
    attempted: &KustomizationStatus,
    failure: ApplyFailure,
    build: &Build,
    target: &Target,
    run: &Run,
) -> Report<KustomizationStatus> {
    let mut status = attempted.clone();
    if let Some(inventory) = &failure.inventory {
        status.inventory = Some(written(inventory));
    }
    history::record(&mut status.history, &ended(build, failure.reason, run));
    let told = (!failure.changes.is_empty())
        .then(|| event(reason::PROGRESSING, failure.changes, &build.revision));
    let outcome = Outcome::Failed {
        reason: failure.reason,
        message: failure.message,
        next: Some(target.retry_interval),
    };
    told.into_iter()
        .fold(Report::new(status, outcome), Report::telling)
}

fn ended<'a>(build: &'a Build, reason: &'a str, run: &Run) -> Ended<'a> {
    Ended {
        digest: &build.digest,
        revision: &build.revision,
        reason,
        took: build.started.elapsed(),
        now: run.now,
    }
}

/// What has to become healthy; `None` when nothing is waited for. Neither the object itself, which is
/// not ready before the wait ends, nor what is left alone is waited for.
pub(super) fn health_checks(
    spec: &KustomizationSpec,
    own: &ObjectKey,
    applied: &Applied,
) -> Option<Vec<ObjectId>> {
    let is_own = |id: &ObjectId| {
        id.kind == "Kustomization"
            && id.group() == GROUP
            && id.name == own.name
            && id.namespace.as_ref() == Some(&own.namespace)
    };
    if spec.wait {
        let looked_after = applied.looked_after();
        return Some(looked_after.filter(|id| !is_own(id)).cloned().collect());
    }
    let named = spec.health_checks.iter().map(|check| ObjectId {
        api_version: check
            .api_version
            .clone()
            .unwrap_or_else(|| "apps/v1".to_owned()),
        kind: check.kind.clone(),
        namespace: Some(
            check
                .namespace
                .clone()
                .unwrap_or_else(|| own.namespace.clone()),
        ),
        name: check.name.clone(),
    });
    let named: Vec<ObjectId> = named.filter(|id| !is_own(id)).collect();
    (!named.is_empty()).then_some(named)
}

/// The report of a look at the health of what was applied.
pub(super) fn waited(
    object: &Kustomization,
    begun: Begun,
    verdict: Verdict,
    run: &Run,
) -> Report<KustomizationStatus> {
    let (interval, retry) = (
        object.spec.interval().unwrap_or(LONGEST),
        object.spec.retry_interval().unwrap_or(LONGEST),
    );
    let statement = |status, reason, message: &str| Statement {
        kind: HEALTHY,
        status,
        reason,
        message: message.to_owned(),
    };
    // Between two looks the conditions went on; the rest is as it was applied.
    let mut status = KustomizationStatus {
        conditions: object.status.conditions.clone(),
        ..begun.status
    };
    match verdict {
        Verdict::Healthy => {
            let message = format!(
                "Health check passed in {}",
                format_duration(rounded(begun.since.elapsed()))
            );
            let healthy = statement(Some(true), reason::SUCCEEDED, &message);
            finished(status, Vec::new(), &begun.build, interval, run).stating(healthy)
        }
        Verdict::NotYet => {
            let timeout = format_duration(begun.timeout);
            let message = format!(
                "Running health checks for revision {} with a timeout of {timeout}",
                begun.build.revision
            );
            let healthy = statement(None, reason::PROGRESSING, &message);
            Report::new(
                status,
                Outcome::InProgress {
                    reason: reason::PROGRESSING,
                    message,
                    next: begun.pause,
                },
            )
            .stating(healthy)
        }
        Verdict::Failed(message) => {
            history::record(
                &mut status.history,
                &ended(&begun.build, reason::HEALTH_CHECK_FAILED, run),
            );
            let unhealthy = statement(Some(false), reason::HEALTH_CHECK_FAILED, &message);
            let outcome = Outcome::Failed {
                reason: reason::HEALTH_CHECK_FAILED,
                message,
                next: Some(retry),
            };
            Report::new(status, outcome).stating(unhealthy)
        }
    }
}

/// An interval that cannot be read was refused before; this is never waited.
const LONGEST: Duration = Duration::from_secs(3_600);

fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// The report of a run after which nothing is left to do.
pub(super) fn ready(
    mut report: Report<KustomizationStatus>,
    build: &Build,
    target: &Target,
    run: &Run,
) -> Report<KustomizationStatus> {
    report
        .status
        .conditions
        .retain(|condition| condition.type_ != HEALTHY);
    finished(report.status, report.told, build, target.interval, run)
}

fn finished(
    mut status: KustomizationStatus,
    mut told: Vec<Told>,
    build: &Build,
    interval: Duration,
    run: &Run,
) -> Report<KustomizationStatus> {
    let revision = &build.revision;
    if status.last_applied_revision.as_ref() != Some(revision) {
        let took = format_duration(rounded(build.started.elapsed()));
        let words = format!(
            "Reconciliation finished in {took}, next run in {}",
            format_duration(interval)
        );
        let mut finished = event(reason::RECONCILIATION_SUCCEEDED, words, revision);
        finished
            .metadata
            .insert(format!("{GROUP}/commit_status"), "update".to_owned());
        told.push(finished);
    }
    status.last_applied_revision = Some(revision.clone());
    history::record(
        &mut status.history,
        &ended(build, reason::RECONCILIATION_SUCCEEDED, run),
    );
    let message = format!("Applied revision: {revision}");
    let outcome = Outcome::Ready {
        reason: reason::RECONCILIATION_SUCCEEDED,
        message,
        next: Some(interval),
    };
    Report {
        told,
        ..Report::new(status, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::super::target::target;
    use super::*;
    use crate::api::kustomization::SourceKind;
    use crate::domain::drift::Action;
    use jiff::Timestamp;
    use tokio::time::Instant;

    fn object() -> Kustomization {
        let mut object = Kustomization::default();
        object.metadata.namespace = Some("apps".to_owned());
        object.metadata.name = Some("fleet".to_owned());
        object.metadata.generation = Some(1);
        object.spec.interval = "10m".to_owned();
        object.spec.source_ref.kind = SourceKind::GitRepository;
        object.spec.source_ref.name = "fleet".to_owned();
        object
    }

    fn run() -> Run {
        let now = Timestamp::from_second(1_000).expect("a small number is a time");
        Run {
            key: ObjectKey::new("apps", "fleet"),
            now,
            requested_at: None,
        }
    }

    fn build() -> Build {
        Build {
            revision: "main@sha1:1".to_owned(),
            digest: "sha256:1".to_owned(),
            started: Instant::now(),
        }
    }

    fn deployment() -> ObjectId {
        ObjectId {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "web".to_owned(),
        }
    }

    fn done(action: Action) -> Applied {
        let inventory = Inventory::new(&[deployment()]);
        Applied {
            objects: vec![deployment()],
            inventory,
            actions: vec![(deployment(), action)],
        }
    }

    #[tokio::test]
    async fn what_was_applied_is_told_in_the_words_of_flux_and_kept_in_the_inventory() {
        let object = object();
        let target = target(&object.spec).expect("the specification is whole");
        let report = applied(
            &attempted(&object, "main@sha1:1"),
            &done(Action::Configured),
        );
        let report = ready(report, &build(), &target, &run());
        assert_eq!(report.outcome.message(), "Applied revision: main@sha1:1");
        assert_eq!(report.told[0].message, "Deployment/shop/web configured");
        assert!(
            report.told[1]
                .message
                .starts_with("Reconciliation finished in "),
            "{}",
            report.told[1].message
        );
        let entries = report
            .status
            .inventory
            .expect("there is an inventory")
            .entries;
        assert_eq!(
            (entries[0].id.as_str(), entries[0].version.as_str()),
            ("shop_web_apps_Deployment", "v1")
        );
        assert_eq!(
            report.status.last_attempted_revision,
            report.status.last_applied_revision
        );
    }

    #[test]
    fn neither_the_object_itself_nor_what_is_left_alone_is_waited_for() {
        let mut spec = object().spec;
        spec.wait = true;
        let own = ObjectId {
            api_version: "kustomize.toolkit.fluxcd.io/v1".to_owned(),
            kind: "Kustomization".to_owned(),
            namespace: Some("apps".to_owned()),
            name: "fleet".to_owned(),
        };
        let mut applied = done(Action::Created);
        applied.objects.push(own.clone());
        applied.actions.push((own, Action::Configured));
        let checks = |applied: &Applied| health_checks(&spec, &run().key, applied);
        assert_eq!(checks(&applied), Some(vec![deployment()]));
        applied.actions[0].1 = Action::Skipped;
        assert_eq!(checks(&applied), Some(Vec::new()));
    }

    #[tokio::test]
    async fn what_was_changed_before_a_failure_is_told_too() {
        let object = object();
        let target = target(&object.spec).expect("the specification is whole");
        let failure = ApplyFailure {
            reason: reason::RECONCILIATION_FAILED,
            message: "Deployment/shop/api dry-run failed: no".to_owned(),
            inventory: Some(Inventory::new(&[deployment()])),
            changes: done(Action::Created).change_lines(),
        };
        let attempted = attempted(&object, "main@sha1:1");
        let report = apply_failed(&attempted, failure, &build(), &target, &run());
        assert_eq!(report.told[0].message, "Deployment/shop/web created");
        assert_eq!(
            report.outcome.message(),
            "Deployment/shop/api dry-run failed: no"
        );
        assert_eq!(
            report.status.inventory.map(|kept| kept.entries.len()),
            Some(1)
        );
    }

    #[tokio::test]
    async fn nothing_new_is_not_told() {
        let mut object = object();
        let target = target(&object.spec).expect("the specification is whole");
        object.status.last_applied_revision = Some("main@sha1:1".to_owned());
        let report = applied(&attempted(&object, "main@sha1:1"), &done(Action::Unchanged));
        assert!(ready(report, &build(), &target, &run()).told.is_empty());
    }
}
