//! What becomes of what was applied when its Kustomization is removed, and what is told of that. Pure.
//!
//! Invariant: the object goes in the end, also when what it applied does not. What is absent: deleting.

use super::prune::Pruned;
use crate::adapters::cluster::events::Told;
use crate::api::Kustomization;
use crate::api::kustomization::DeletionPolicy;
use crate::controllers::driver::Finalized;
use crate::domain::conditions::Notice;
use crate::domain::outcome::reason;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// How often it is looked whether what was deleted is gone, as in Flux.
const GOING: Duration = Duration::from_secs(2);

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

/// Whether the removed `object` can go: with `WaitForTermination` only when what it applied is gone, or
/// its time is up.
pub(super) fn finalized(object: &Kustomization, pruned: &Pruned, now: Timestamp) -> Finalized {
    match is_awaited(object, pruned) && !is_late(object, now) {
        true => Finalized::Waits(GOING),
        false => Finalized::Done,
    }
}

/// What is told of the removal of `object`.
pub(super) fn removed(
    object: &Kustomization,
    pruned: &Pruned,
    now: Timestamp,
) -> Vec<(Notice, Told)> {
    let told = |warning, message| Told {
        warning,
        reason: reason::RECONCILIATION_SUCCEEDED.to_owned(),
        message,
        metadata: Default::default(),
    };
    let mut all = Vec::new();
    if !pruned.deleted.is_empty() {
        let lines = pruned.deleted.iter().map(|id| format!("{id} deleted"));
        let lines: Vec<String> = lines.collect();
        all.push((Notice::Info, told(false, lines.join("\n"))));
    }
    if is_awaited(object, pruned) && is_late(object, now) {
        let left = pruned.deleted.iter().chain(&pruned.going);
        let left: Vec<String> = left.map(ToString::to_string).collect();
        let message = format!(
            "failed to wait for resources termination: {}",
            left.join(", ")
        );
        all.push((Notice::Error, told(true, message)));
    }
    all
}

fn is_awaited(object: &Kustomization, pruned: &Pruned) -> bool {
    object.spec.deletion_policy == DeletionPolicy::WaitForTermination
        && !(pruned.deleted.is_empty() && pruned.going.is_empty())
}

/// Whether the removal has taken longer than the timeout. One that cannot be read is no reason to wait.
fn is_late(object: &Kustomization, now: Timestamp) -> bool {
    let since = object.metadata.deletion_timestamp.as_ref();
    let deadline = since
        .zip(object.spec.timeout().ok())
        .and_then(|(since, timeout)| {
            let timeout = SignedDuration::try_from(timeout).ok()?;
            since.0.checked_add(timeout).ok()
        });
    deadline.is_none_or(|deadline| now >= deadline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::object::ObjectId;
    use serde_json::json;

    #[test]
    fn removal_removes_what_was_applied_as_the_deletion_policy_says() {
        let removes = |policy: DeletionPolicy, prune: bool, suspend: bool| {
            let mut object = Kustomization::default();
            (
                object.spec.deletion_policy,
                object.spec.prune,
                object.spec.suspend,
            ) = (policy, prune, suspend);
            deletes_on_removal(&object)
        };
        assert!(removes(DeletionPolicy::MirrorPrune, true, false));
        assert!(!removes(DeletionPolicy::MirrorPrune, false, false));
        assert!(removes(DeletionPolicy::Delete, false, false));
        assert!(!removes(DeletionPolicy::Orphan, true, false));
        assert!(!removes(DeletionPolicy::Delete, true, true));
    }

    #[test]
    fn the_object_waits_until_everything_is_gone_or_its_time_is_up() {
        let object = |policy: &str, after: &str| -> Kustomization {
            let object = json!({
                "metadata": {"namespace": "apps", "name": "fleet", "deletionTimestamp": after},
                "spec": {"interval": "1m", "timeout": "30s", "prune": true, "deletionPolicy": policy,
                    "sourceRef": {"kind": "GitRepository", "name": "fleet"}}
            });
            serde_json::from_value(object).expect("Flux takes it")
        };
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().expect("a time");
        let map = || ObjectId {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespace: Some("apps".to_owned()),
            name: "a".to_owned(),
        };
        let deleted = Pruned {
            deleted: vec![map()],
            going: Vec::new(),
        };
        let going = Pruned {
            deleted: Vec::new(),
            going: vec![map()],
        };
        let (early, late) = ("2026-01-01T00:00:40Z", "2026-01-01T00:00:30Z");
        let wait = "WaitForTermination";
        for (policy, after, pruned, waits) in [
            (wait, early, &deleted, true),
            (wait, early, &going, true),
            (wait, early, &Pruned::default(), false),
            (wait, late, &going, false),
            ("Delete", early, &deleted, false),
            ("MirrorPrune", early, &going, false),
        ] {
            let finalized = finalized(&object(policy, after), pruned, now);
            assert_eq!(
                finalized == Finalized::Waits(GOING),
                waits,
                "{policy} {after} {pruned:?}"
            );
        }
        let told = |after, pruned| {
            let told = removed(&object(wait, after), pruned, now);
            told.into_iter()
                .map(|(_, told)| told.message)
                .collect::<Vec<_>>()
        };
        assert_eq!(told(early, &deleted), ["ConfigMap/apps/a deleted"]);
        assert_eq!(told(early, &going), [""; 0]);
        let words = "failed to wait for resources termination: ConfigMap/apps/a";
        assert_eq!(told(late, &going), [words]);
    }
}
