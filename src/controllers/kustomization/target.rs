//! What a Kustomization's specification asks for, as values.
//!
//! Invariant: a field that is accepted and would do nothing would be a lie, so those that come later
//! are refused by name.

use super::conditions;
use super::recipe::Recipe;
use crate::api::kustomization::KustomizationSpec;
use crate::domain::health::custom::Description;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::tree;
use std::time::Duration;

/// What is applied, and how often.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) recipe: Recipe,
    pub(super) interval: Duration,
    pub(super) retry_interval: Duration,
    pub(super) timeout: Duration,
    /// How the health of kinds shows.
    pub(super) descriptions: Vec<Description>,
}

/// Reads the specification, and looks whether its expressions are some.
pub(super) async fn checked(spec: &KustomizationSpec) -> Result<Target, Outcome> {
    let target = target(spec)?;
    conditions::check(&target.descriptions).await?;
    Ok(target)
}

pub(super) fn target(spec: &KustomizationSpec) -> Result<Target, Outcome> {
    refuse_unsupported(spec)?;
    let invalid = |error: &dyn std::fmt::Display| Outcome::stalled(reason::BUILD_FAILED, error);
    let path = tree::join(
        "",
        spec.path
            .as_deref()
            .unwrap_or_default()
            .trim_start_matches('/'),
    );
    Ok(Target {
        path: path.map_err(|error| invalid(&format!("`spec.path`: {error}")))?,
        recipe: Recipe::new(spec),
        interval: spec.interval().map_err(|error| invalid(&error))?,
        retry_interval: spec.retry_interval().map_err(|error| invalid(&error))?,
        timeout: spec.timeout().map_err(|error| invalid(&error))?,
        descriptions: conditions::descriptions(spec),
    })
}

fn refuse_unsupported(spec: &KustomizationSpec) -> Result<(), Outcome> {
    let fields = [
        ("spec.decryption", spec.decryption.is_some()),
        (
            "spec.kubeConfig.configMapRef",
            spec.kube_config
                .as_ref()
                .is_some_and(|reference| reference.secret_ref.is_none()),
        ),
        ("spec.ignore", !spec.ignore.is_empty()),
    ];
    match fields.into_iter().find(|(_, used)| *used) {
        Some((field, _)) => Err(Outcome::stalled(
            reason::UNSUPPORTED_FIELD,
            format!("`{field}` is not supported yet"),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_components_reach_the_build() {
        let written = json!({
            "interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "x"}, "path": "./apps/",
            "namePrefix": "a-", "nameSuffix": "-z", "targetNamespace": "shop", "components": ["../c"], "ignoreMissingComponents": true,
            "buildMetadata": ["transformerAnnotations", "originAnnotations"]
        });
        let spec: KustomizationSpec = serde_json::from_value(written).expect("Flux takes it");
        let target = target(&spec).expect("it is carried out");
        assert_eq!(target.path, "apps");
        let options = target.recipe.options;
        assert_eq!(
            (
                options.name_prefix.as_deref(),
                options.name_suffix.as_deref(),
                options.target_namespace.as_deref()
            ),
            (Some("a-"), Some("-z"), Some("shop"))
        );
        assert_eq!(
            (options.components, options.ignore_missing_components),
            (vec!["../c".to_owned()], true)
        );
        assert_eq!(
            options.build_metadata,
            ["transformerAnnotations", "originAnnotations"]
        );
        assert!(options.generate);
    }

    #[test]
    fn a_field_that_would_do_nothing_is_refused() {
        for field in [
            json!({"decryption": {"provider": "sops"}}),
            json!({"kubeConfig": {"configMapRef": {"name": "remote"}}}),
        ] {
            let mut written = json!({"interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "x"}});
            written
                .as_object_mut()
                .expect("it is an object")
                .extend(field.as_object().expect("it is an object").clone());
            let spec: KustomizationSpec = serde_json::from_value(written).expect("Flux takes it");
            let outcome = target(&spec).expect_err("it is refused");
            assert!(
                matches!(
                    outcome,
                    Outcome::Stalled {
                        reason: reason::UNSUPPORTED_FIELD,
                        ..
                    }
                ),
                "{outcome:?}"
            );
            let name = field
                .as_object()
                .and_then(|field| field.keys().next().cloned())
                .expect("it has a name");
            assert!(outcome.message().contains(&name), "{}", outcome.message());
        }
    }
}
