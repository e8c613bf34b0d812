//! Whether what a Kustomization depends on is ready. Pure.
//!
//! Invariant: a dependency that is there but was not looked at in its present generation is not ready. What is absent: who is
//! woken when one becomes ready; the index of the caches tells.

use super::Settings;
use crate::api::Kustomization;
use crate::api::git_repository::Artifact;
use crate::api::kustomization::KustomizationSpec;
use crate::controllers::caches::{Caches, within};
use crate::domain::duration::format_duration;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason};

/// Whether everything `object` depends on is ready: observed, `Ready`, and of the same revision when it
/// has the same source. A dependency that becomes ready wakes the object; the interval is a safety net.
pub(super) fn are_ready(
    caches: &Caches,
    object: &Kustomization,
    own: &ObjectKey,
    artifact: &Artifact,
    settings: &Settings,
) -> Result<(), Outcome> {
    for on in &object.spec.depends_on {
        let key = within(own, on.namespace.as_deref(), &on.name);
        let found = caches.kustomizations.get(&key);
        dependency(found.as_deref(), &key, object, own, artifact).map_err(|why| {
            Outcome::Failed {
                reason: reason::DEPENDENCY_NOT_READY,
                message: format!(
                    "{why}, retrying in {}",
                    format_duration(settings.requeue_dependency)
                ),
                next: Some(settings.requeue_dependency),
            }
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
    let ready = found
        .status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    if !observed || !ready {
        return Err(format!("dependency '{key}' is not ready"));
    }
    let source = |spec: &KustomizationSpec, key: &ObjectKey| {
        let reference = &spec.source_ref;
        (
            reference.kind.clone(),
            within(key, reference.namespace.as_deref(), &reference.name),
        )
    };
    let same_source = source(&found.spec, key) == source(&object.spec, own);
    if same_source && found.status.last_applied_revision.as_ref() != Some(&artifact.revision) {
        return Err(format!("dependency '{key}' revision is not up to date"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kustomization::SourceKind;
    use serde_json::json;

    fn object() -> Kustomization {
        let mut object = Kustomization::default();
        object.metadata.generation = Some(1);
        object.spec.source_ref.kind = SourceKind::GitRepository;
        object.spec.source_ref.name = "fleet".to_owned();
        object
    }

    fn artifact(revision: &str) -> Artifact {
        serde_json::from_value(json!({
            "path": "p", "url": "http://x/p", "revision": revision, "digest": "sha256:0", "lastUpdateTime": "2026-01-01T00:00:00Z"
        }))
        .expect("the artifact is whole")
    }

    #[test]
    fn a_dependency_must_be_observed_ready_and_of_the_same_revision() {
        let object = object();
        let (key, own) = (
            ObjectKey::new("apps", "base"),
            ObjectKey::new("apps", "fleet"),
        );
        let judge = |found: Option<&Kustomization>| {
            dependency(found, &key, &object, &own, &artifact("main@sha1:2"))
        };
        assert_eq!(
            judge(None),
            Err("dependency 'apps/base' not found".to_owned())
        );
        let mut base = self::object();
        assert_eq!(
            judge(Some(&base)),
            Err("dependency 'apps/base' is not ready".to_owned())
        );
        base.status.observed_generation = 1;
        base.status.conditions = serde_json::from_value(json!([{
            "type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        }]))
        .expect("the condition is whole");
        base.status.last_applied_revision = Some("main@sha1:1".to_owned());
        assert_eq!(
            judge(Some(&base)),
            Err("dependency 'apps/base' revision is not up to date".to_owned())
        );
        base.status.last_applied_revision = Some("main@sha1:2".to_owned());
        assert_eq!(judge(Some(&base)), Ok(()));
        base.spec.source_ref.name = "other".to_owned();
        base.status.last_applied_revision = None;
        assert_eq!(judge(Some(&base)), Ok(()));
    }
}
