//! What a Kustomization says in CEL: when what it depends on is ready, and how the health of kinds shows.
//!
//! Invariant: an expression is compiled and evaluated on the stack that it may need, and nowhere else. What is absent: the
//! language ([`cel`](crate::domain::cel)), and looking at the cluster.

use crate::api::Kustomization;
use crate::api::kustomization::{HealthExpression, KustomizationSpec};
use crate::controllers::expressions::{invalid, on_stack};
use crate::domain::cel::{CelError, Expression};
use crate::domain::health::Health;
use crate::domain::health::custom::{self, Description};
use crate::domain::object::ObjectId;
use crate::domain::outcome::{Outcome, reason};
use serde_json::Value;

/// The variables of a dependency's expression.
const VARIABLES: [&str; 2] = ["self", "dep"];

/// How a specification describes the health of kinds.
pub(super) fn descriptions(spec: &KustomizationSpec) -> Vec<Description> {
    spec.health_check_exprs.iter().map(description).collect()
}

fn description(written: &HealthExpression) -> Description {
    let group = written.api_version.split_once('/');
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Description {
        group: group.map_or("", |(group, _)| group).to_owned(),
        kind: some(&written.kind),
        in_progress: some(&written.in_progress),
        failed: some(&written.failed),
        current: written.current.clone(),
    }
}

/// Looks whether every expression about health can be read.
pub(super) async fn check(descriptions: &[Description]) -> Result<(), Outcome> {
    if descriptions.is_empty() {
        return Ok(());
    }
    let descriptions = descriptions.to_vec();
    match on_stack(move || custom::check(&descriptions)).await {
        Ok(checked) => checked.map_err(invalid),
        Err(words) => Err(Outcome::failed(reason::RECONCILIATION_FAILED, words)),
    }
}

/// What a look found.
pub(super) enum Seen {
    /// Its health.
    Judged(Health),
    /// The object, whose health has to be judged by this.
    Described(Box<(Description, Value)>),
}

/// Judges what is described in CEL.
pub(super) async fn judge(seen: Vec<(ObjectId, Seen)>) -> Vec<(ObjectId, Health)> {
    let finished = |(id, seen)| match seen {
        Seen::Judged(health) => (id, health),
        Seen::Described(described) => (id, custom::judge(&described.0, &described.1)),
    };
    let described = |(_, seen): &(ObjectId, Seen)| matches!(seen, Seen::Described(_));
    if !seen.iter().any(described) {
        return seen.into_iter().map(finished).collect();
    }
    let ids: Vec<ObjectId> = seen.iter().map(|(id, _)| id.clone()).collect();
    let judged = on_stack(move || seen.into_iter().map(finished).collect()).await;
    judged.unwrap_or_else(|words| {
        let undecided = |id| (id, Health::Undecided(words.clone()));
        ids.into_iter().map(undecided).collect()
    })
}

/// Why an expression does not say that a dependency is ready.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotReady {
    /// It does not hold, or has no value now.
    Now(String),
    /// It is no expression.
    Ever(String),
}

/// Whether `object` takes `dependency`, which is called `key`, for ready.
pub(super) async fn is_ready(
    expression: &str,
    object: &Kustomization,
    dependency: &Kustomization,
) -> Result<bool, NotReady> {
    let values = [object, dependency].map(serde_json::to_value);
    let [Ok(own), Ok(dep)] = values else {
        return Err(NotReady::Now("an object has no JSON".to_owned()));
    };
    let expression = expression.to_owned();
    let name = dependency.metadata.name.clone().unwrap_or_default();
    let answer = on_stack(move || {
        let compiled = Expression::compile_condition(&expression, &VARIABLES);
        let compiled = compiled.map_err(|error: CelError| {
            NotReady::Ever(format!("failed to evaluate dependency {name}: {error}"))
        })?;
        let holds = compiled.holds(&[("self", &own), ("dep", &dep)]);
        holds.map_err(|error| NotReady::Now(error.to_string()))
    });
    answer
        .await
        .unwrap_or_else(|words| Err(NotReady::Now(words)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kustomization(name: &str, label: &str) -> Kustomization {
        let object = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": name, "namespace": "apps", "generation": 2, "labels": {"stage": label}},
            "spec": {"interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "x"}},
            "status": {"observedGeneration": 2, "conditions": [{
                "type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"
            }]}
        });
        serde_json::from_value(object).expect("Flux takes it")
    }

    #[tokio::test]
    async fn an_expression_sees_both_objects_and_decides_alone() {
        let (own, dep) = (
            kustomization("front", "live"),
            kustomization("back", "live"),
        );
        for (expression, ready) in [
            ("true", true),
            (
                "self.metadata.labels.stage == dep.metadata.labels['stage']",
                true,
            ),
            ("self.metadata.name == dep.metadata.name", false),
            (
                "dep.status.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True') && \
                 dep.metadata.generation - 1 == dep.status.observedGeneration - 1",
                true,
            ),
        ] {
            assert_eq!(
                is_ready(expression, &own, &dep).await,
                Ok(ready),
                "{expression}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_condition_stalls_and_what_has_no_value_waits() {
        let (own, dep) = (
            kustomization("front", "live"),
            kustomization("back", "live"),
        );
        for (expression, words) in [
            (
                "dep.",
                "failed to evaluate dependency back: failed to parse the CEL expression 'dep.'",
            ),
            (
                "other.x == 1",
                "failed to evaluate dependency back: failed to parse the CEL expression",
            ),
            (
                "'text'",
                "failed to evaluate dependency back: failed to parse the CEL expression",
            ),
        ] {
            match is_ready(expression, &own, &dep).await {
                Err(NotReady::Ever(said)) => assert!(said.starts_with(words), "{said}"),
                other => panic!("{expression}: {other:?}"),
            }
        }
        match is_ready("dep.metadata.name", &own, &dep).await {
            Err(NotReady::Ever(said)) => assert!(said.contains("expected bool"), "{said}"),
            other => panic!("a text is no condition: {other:?}"),
        }
        let answer = is_ready("dep.status.missing == 1", &own, &dep).await;
        assert!(matches!(answer, Err(NotReady::Now(_))), "{answer:?}");
    }
}
