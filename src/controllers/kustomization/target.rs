//! What a Kustomization's specification asks for, as values. Pure.
//!
//! Invariant: a field that is accepted and would do nothing would be a lie, so those that come later
//! are refused by name.

use crate::api::kustomization::{DeletionPolicy, KustomizationSpec, ObjectSelector};
use crate::domain::kustomize::{Image, Options, Patch, PatchTarget};
use crate::domain::outcome::{Outcome, reason};
use crate::domain::tree;
use std::time::Duration;

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
    let path = tree::join(
        "",
        spec.path
            .as_deref()
            .unwrap_or_default()
            .trim_start_matches('/'),
    );
    Ok(Target {
        path: path.map_err(|error| invalid(&format!("`spec.path`: {error}")))?,
        options: options(spec),
        interval: spec.interval().map_err(|error| invalid(&error))?,
        retry_interval: spec.retry_interval().map_err(|error| invalid(&error))?,
        timeout: spec.timeout().map_err(|error| invalid(&error))?,
    })
}

fn refuse_unsupported(spec: &KustomizationSpec) -> Result<(), Outcome> {
    let unsupported = [
        ("spec.postBuild", spec.post_build.is_some()),
        ("spec.decryption", spec.decryption.is_some()),
        ("spec.healthCheckExprs", !spec.health_check_exprs.is_empty()),
        ("spec.force", spec.force),
        ("spec.kubeConfig", spec.kube_config.is_some()),
        ("spec.ignore", !spec.ignore.is_empty()),
        (
            "spec.dependsOn.readyExpr",
            spec.depends_on.iter().any(|on| on.ready_expr.is_some()),
        ),
        (
            "spec.deletionPolicy: WaitForTermination",
            spec.deletion_policy == DeletionPolicy::WaitForTermination,
        ),
    ];
    match unsupported.into_iter().find(|(_, used)| *used) {
        Some((field, _)) => Err(Outcome::stalled(
            reason::UNSUPPORTED_FIELD,
            format!("`{field}` is not supported yet"),
        )),
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
        name_prefix: spec.name_prefix.clone(),
        name_suffix: spec.name_suffix.clone(),
        components: spec.components.clone(),
        ignore_missing_components: spec.ignore_missing_components,
        images: images.collect(),
        patches: patches.collect(),
        build_metadata: spec
            .build_metadata
            .iter()
            .map(|word| word.as_str().to_owned())
            .collect(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_components_and_metadata_reach_the_build() {
        let written = json!({
            "interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "x"}, "path": "./apps/",
            "namePrefix": "a-", "nameSuffix": "-z", "targetNamespace": "shop", "components": ["../c"], "ignoreMissingComponents": true,
            "buildMetadata": ["transformerAnnotations", "originAnnotations"],
            "commonMetadata": {"labels": {"team": "shop"}}
        });
        let spec: KustomizationSpec = serde_json::from_value(written).expect("Flux takes it");
        let target = target(&spec).expect("it is carried out");
        assert_eq!(target.path, "apps");
        let options = target.options;
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
        assert_eq!(options.common_labels["team"], "shop");
        assert!(options.generate);
    }

    #[test]
    fn a_field_that_would_do_nothing_is_refused() {
        for field in [
            json!({"postBuild": {"substitute": {"a": "b"}}}),
            json!({"decryption": {"provider": "sops"}}),
            json!({"force": true}),
            json!({"kubeConfig": {"secretRef": {"name": "remote"}}}),
            json!({"deletionPolicy": "WaitForTermination"}),
            json!({"dependsOn": [{"name": "x", "readyExpr": "true"}]}),
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
