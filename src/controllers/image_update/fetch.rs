//! Finds the source and the policies of an automation.

use crate::adapters::git::Remote;
use crate::api::common::{ImageReference, LabelSelector};
use crate::api::{GitRepository, ImagePolicy, ImageUpdateAutomation};
use crate::controllers::caches::{Caches, in_namespace, within};
use crate::controllers::git_remote::{self, Fault};
use crate::controllers::shared::Shared;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason};
use kube::ResourceExt;
use kube::core::{Selector, SelectorExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The GitRepository of an automation.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) key: ObjectKey,
    pub(super) object: Arc<GitRepository>,
}

/// The source `update` refers to, if it may.
pub(super) fn source(
    caches: &Caches,
    update: &ImageUpdateAutomation,
    own: &ObjectKey,
    no_cross_namespace_refs: bool,
) -> Result<Source, Outcome> {
    let reference = &update.spec.source_ref;
    let key = within(own, reference.namespace.as_deref(), &reference.name);
    if no_cross_namespace_refs && key.namespace != own.namespace {
        let message = format!(
            "can't access 'GitRepository/{key}', cross-namespace references have been disabled"
        );
        return Err(Outcome::stalled(reason::ACCESS_DENIED, message));
    }
    match caches.git_repositories.get(&key) {
        Some(object) => Ok(Source { key, object }),
        None => {
            let message = format!("failed to get source: GitRepository '{key}' not found");
            Err(Outcome::failed(reason::SOURCE_MANAGER_FAILED, message))
        }
    }
}

/// How to reach the source, for an automation of the namespace `own`.
pub(super) async fn remote(shared: &Shared, source: &Source, own: &str) -> Result<Remote, Outcome> {
    let namespaces = (own, source.key.namespace.as_str());
    git_remote::remote(
        &shared.client,
        &shared.cloud,
        namespaces,
        &source.object.spec,
    )
    .await
    .map_err(|error| match error.fault() {
        Fault::Specification => Outcome::stalled(reason::INVALID_SOURCE_CONFIGURATION, error),
        Fault::Provider { .. } => Outcome::stalled(
            reason::INVALID_SOURCE_CONFIGURATION,
            format!("{error}: invalid source configuration"),
        ),
        Fault::Gate => Outcome::stalled(reason::FEATURE_GATE_DISABLED, error),
        Fault::Login => Outcome::failed(
            reason::SOURCE_MANAGER_FAILED,
            format!("failed configuring source manager: {error}"),
        ),
    })
}

/// What the policies of the namespace select, by the name of the policy. A policy that is suspended
/// or failing keeps its last selection, and that is applied.
pub(super) fn policies(
    caches: &Caches,
    update: &ImageUpdateAutomation,
    own: &ObjectKey,
) -> Result<BTreeMap<String, ImageReference>, Outcome> {
    let selector = selector(update.spec.policy_selector.as_ref())?;
    let all = caches.image_policies.find(&in_namespace(&own.namespace));
    let selected = all
        .iter()
        .filter(|policy| selector.matches(policy.labels()));
    Ok(selected
        .filter_map(|policy| Some((policy.name_any(), latest(policy)?)))
        .collect())
}

fn latest(policy: &ImagePolicy) -> Option<ImageReference> {
    policy.status.latest_ref.clone()
}

fn selector(written: Option<&LabelSelector>) -> Result<Selector, Outcome> {
    let Some(written) = written else {
        return Ok(Selector::default());
    };
    written
        .clone()
        .try_into()
        .map_err(|error: kube::core::ParseExpressionError| {
            Outcome::stalled(
                reason::INVALID_POLICY_SELECTOR,
                format!("failed to parse policy selector: {error}"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(selector_text: serde_json::Value) -> Result<Selector, Outcome> {
        let written: LabelSelector =
            serde_json::from_value(selector_text).expect("it has the form of a selector");
        selector(Some(&written))
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn without_a_selector_every_policy_counts() {
        assert!(
            selector(None).is_ok_and(|selector| selector.matches(&labels(&[("team", "shop")])))
        );
    }

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let selector = read(json!({
            "matchLabels": {"team": "shop"},
            "matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["prod"]}]
        }))
        .expect("the selector is valid");
        assert!(selector.matches(&labels(&[("team", "shop"), ("stage", "dev")])));
        assert!(!selector.matches(&labels(&[("team", "shop"), ("stage", "prod")])));
        assert!(!selector.matches(&labels(&[("stage", "dev")])));
    }

    #[test]
    fn an_unknown_operator_stalls() {
        let outcome = read(json!({"matchExpressions": [{"key": "a", "operator": "Like"}]}))
            .expect_err("it is unknown");
        assert!(
            matches!(
                outcome,
                Outcome::Stalled {
                    reason: reason::INVALID_POLICY_SELECTOR,
                    ..
                }
            ),
            "{outcome:?}"
        );
    }
}
