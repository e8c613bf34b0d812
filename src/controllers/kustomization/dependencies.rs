//! Whether what a Kustomization depends on is ready.
//!
//! Invariant: a dependency that is there but was not looked at in its present generation is not ready. What is absent: who is
//! woken when one becomes ready; the index of the caches tells.

use super::Settings;
use super::conditions::{self, NotReady};
use crate::api::Kustomization;
use crate::api::git_repository::Artifact;
use crate::api::kustomization::KustomizationSpec;
use crate::controllers::caches::{Caches, within};
use crate::controllers::expressions::invalid;
use crate::domain::duration::format_duration;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason};

/// Whether everything `object` depends on is ready: as its expression says, or else observed, `Ready`, and of the same revision
/// when it has the same source. A dependency that becomes ready wakes the object; the interval is a safety net.
pub(super) async fn are_ready(
    caches: &Caches,
    object: &Kustomization,
    own: &ObjectKey,
    artifact: &Artifact,
    settings: &Settings,
) -> Result<(), Outcome> {
    let not_yet = |why: String| Outcome::Failed {
        reason: reason::DEPENDENCY_NOT_READY,
        message: format!(
            "{why}, retrying in {}",
            format_duration(settings.requeue_dependency)
        ),
        next: Some(settings.requeue_dependency),
    };
    for on in &object.spec.depends_on {
        let key = within(own, on.namespace.as_deref(), &on.name);
        let found = caches.kustomizations.get(&key);
        let expression = on.ready_expr.as_deref().filter(|text| !text.is_empty());
        if let (Some(expression), Some(found)) = (expression, &found) {
            match conditions::is_ready(expression, object, found).await {
                Ok(true) if !settings.additive_ready_expressions => continue,
                Ok(true) => {}
                Ok(false) => {
                    let words = "is not ready according to readyExpr eval";
                    return Err(not_yet(format!("dependency '{key}' {words}")));
                }
                Err(NotReady::Now(words)) => return Err(not_yet(words)),
                Err(NotReady::Ever(words)) => return Err(invalid(words)),
            }
        }
        dependency(found.as_deref(), &key, object, own, artifact).map_err(not_yet)?;
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

    #[tokio::test]
    async fn an_expression_stands_for_the_condition_unless_the_gate_wants_both() {
        let caches = Caches::default();
        let mut base = object();
        base.metadata.namespace = Some("apps".to_owned());
        base.metadata.name = Some("base".to_owned());
        caches.kustomizations.put(base);
        let own = ObjectKey::new("apps", "fleet");
        let judge = async |expression: &str, additive: bool| {
            let mut object = object();
            let on = json!([{"name": "base", "readyExpr": expression}]);
            object.spec.depends_on = serde_json::from_value(on).expect("Flux takes it");
            let settings = Settings {
                additive_ready_expressions: additive,
                ..Settings::for_tests()
            };
            let artifact = artifact("main@sha1:2");
            let judged = are_ready(&caches, &object, &own, &artifact, &settings).await;
            judged.map_err(|outcome| outcome.message().to_owned())
        };
        assert_eq!(judge("true", false).await, Ok(()));
        let not_yet = "dependency 'apps/base' is not ready, retrying in 30s";
        assert_eq!(judge("true", true).await, Err(not_yet.to_owned()));
        // Without a text there is no expression.
        assert_eq!(judge("", false).await, Err(not_yet.to_owned()));
        let never =
            "dependency 'apps/base' is not ready according to readyExpr eval, retrying in 30s";
        assert_eq!(judge("false", false).await, Err(never.to_owned()));
    }
}
