//! The `labels`, `commonLabels` and `commonAnnotations` steps.
//!
//! Invariant: without `includeSelectors` no selector changes. What is absent: removing labels.

use super::budget::Budget;
use super::decode::{At, Located};
use super::error::BuildError;
use super::field_spec::{Create, FieldSpec, extend};
use super::resource::Resource;
use super::tables::FieldTables;
use super::ties;
use std::collections::BTreeMap;

const METADATA: FieldSpec = FieldSpec::new("", "", "", "metadata/labels", true);

/// One entry of `labels`.
#[derive(Clone, Debug, Default)]
pub(super) struct Label {
    pairs: BTreeMap<String, String>,
    include_selectors: bool,
    include_templates: bool,
    fields: Vec<FieldSpec>,
}

/// Reads one entry of `labels`.
pub(super) fn parse(at: &At<'_>) -> Result<Label, BuildError> {
    let fields = at.fields()?;
    fields.only(&["pairs", "includeSelectors", "includeTemplates", "fields"])?;
    Ok(Label {
        pairs: fields.pairs("pairs")?,
        include_selectors: fields.flag("includeSelectors")?,
        include_templates: fields.flag("includeTemplates")?,
        fields: fields
            .items("fields")?
            .iter()
            .map(FieldSpec::parse)
            .collect::<Result<_, _>>()?,
    })
}

/// Carries out one entry of `labels`.
pub(super) fn apply(
    resources: &mut [Resource],
    label: &Located<Label>,
    tables: &FieldTables,
    budget: &Budget,
) -> Result<(), BuildError> {
    let mut specs = label.value.fields.clone();
    let mut add =
        |more: &[FieldSpec]| extend(&mut specs, more).map_err(|reason| label.error(reason));
    add(&tables.labels)?;
    if label.value.include_selectors {
        add(&tables.common_labels)?;
    } else {
        if label.value.include_templates {
            add(&tables.template_labels)?;
        }
        add(&[METADATA])?;
    }
    set(resources, "labels", &specs, &label.value.pairs, budget)
}

/// Sets `pairs` in the fields `specs`; `step` names the field of the kustomization.
pub(super) fn set(
    resources: &mut [Resource],
    step: &'static str,
    specs: &[FieldSpec],
    pairs: &BTreeMap<String, String>,
    budget: &Budget,
) -> Result<(), BuildError> {
    budget.look(pairs.len().saturating_mul(1 + specs.len() / 4), resources)?;
    // What kustomize remembers stands among the annotations, so they are there to be written to.
    let annotates = |spec: &FieldSpec| !spec.create && spec.path == ANNOTATED;
    let annotates = !pairs.is_empty() && specs.iter().any(annotates);
    for resource in resources.iter_mut() {
        let gvk = resource.gvk();
        if annotates && resource.remembers() {
            resource.expose_memory();
            resource.hide_memory();
        }
        for (key, value) in pairs {
            let mut changed = false;
            resource.ties += 1;
            let tie = resource.ties;
            for spec in specs.iter().filter(|spec| spec.fits(&gvk)) {
                budget.work(24 + resource.mapping().entries.len())?;
                spec.visit(&mut resource.root, Create::Mapping, &mut |node| {
                    let allowed = budget.add_entry(node, key, value);
                    allowed.map_err(|error| error.to_string())?;
                    changed |= ties::set_entry(node, key, value, tie)?;
                    Ok(())
                })
                .map_err(|reason| resource.error(step, &spec.path, reason))?;
            }
            if changed {
                ties::settle(&mut resource.root);
            }
        }
    }
    Ok(())
}

/// Where pods of a workload are selected: its own selector, affinities, spread.
pub(super) const SELECTORS: &[FieldSpec] = &[
    FieldSpec::new("", "v1", "Service", "spec/selector", true),
    FieldSpec::new("", "v1", "ReplicationController", "spec/selector", true),
    FieldSpec::new("", "", "Deployment", "spec/selector/matchLabels", true),
    scheduling("Deployment", PREFERRED_NEAR),
    scheduling("Deployment", REQUIRED_NEAR),
    scheduling("Deployment", PREFERRED_APART),
    scheduling("Deployment", REQUIRED_APART),
    scheduling("Deployment", SPREAD),
    FieldSpec::new("", "", "ReplicaSet", "spec/selector/matchLabels", true),
    FieldSpec::new("", "", "DaemonSet", "spec/selector/matchLabels", true),
    FieldSpec::new("apps", "", "StatefulSet", "spec/selector/matchLabels", true),
    scheduling("StatefulSet", PREFERRED_NEAR),
    scheduling("StatefulSet", REQUIRED_NEAR),
    scheduling("StatefulSet", PREFERRED_APART),
    scheduling("StatefulSet", REQUIRED_APART),
    scheduling("StatefulSet", SPREAD),
    FieldSpec::new("batch", "", "Job", "spec/selector/matchLabels", false),
    FieldSpec::new(
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/spec/selector/matchLabels",
        false,
    ),
    FieldSpec::new(
        "policy",
        "",
        "PodDisruptionBudget",
        "spec/selector/matchLabels",
        false,
    ),
    network("spec/podSelector/matchLabels"),
    network("spec/ingress/from/podSelector/matchLabels"),
    network("spec/egress/to/podSelector/matchLabels"),
];

const PREFERRED_NEAR: &str = "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED_NEAR: &str = "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const PREFERRED_APART: &str = "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED_APART: &str = "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const SPREAD: &str = "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels";

const fn scheduling(kind: &'static str, path: &'static str) -> FieldSpec {
    FieldSpec::new("apps", "", kind, path, false)
}

const fn network(path: &'static str) -> FieldSpec {
    FieldSpec::new("networking.k8s.io", "", "NetworkPolicy", path, false)
}

const TEMPLATE: &str = "spec/template/metadata/labels";

/// The object's own labels and those of the templates in it.
pub(super) const TEMPLATES: &[FieldSpec] = &[
    METADATA,
    FieldSpec::new("", "v1", "ReplicationController", TEMPLATE, true),
    FieldSpec::new("", "", "Deployment", TEMPLATE, true),
    FieldSpec::new("", "", "ReplicaSet", TEMPLATE, true),
    FieldSpec::new("", "", "DaemonSet", TEMPLATE, true),
    FieldSpec::new("apps", "", "StatefulSet", TEMPLATE, true),
    FieldSpec::new(
        "apps",
        "",
        "StatefulSet",
        "spec/volumeClaimTemplates[]/metadata/labels",
        true,
    ),
    FieldSpec::new("batch", "", "Job", TEMPLATE, true),
    FieldSpec::new(
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/metadata/labels",
        true,
    ),
    FieldSpec::new(
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/spec/template/metadata/labels",
        true,
    ),
];

const ANNOTATED: &str = "metadata/annotations";
const NOTED_TEMPLATE: &str = "spec/template/metadata/annotations";

/// The object's own annotations and those of the templates in it.
pub(super) const ANNOTATIONS: &[FieldSpec] = &[
    FieldSpec::new("", "", "", ANNOTATED, true),
    FieldSpec::new("", "v1", "ReplicationController", NOTED_TEMPLATE, true),
    FieldSpec::new("", "", "Deployment", NOTED_TEMPLATE, true),
    FieldSpec::new("", "", "ReplicaSet", NOTED_TEMPLATE, true),
    FieldSpec::new("", "", "DaemonSet", NOTED_TEMPLATE, true),
    FieldSpec::new("", "", "StatefulSet", NOTED_TEMPLATE, true),
    FieldSpec::new("batch", "", "Job", NOTED_TEMPLATE, true),
    FieldSpec::new(
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/metadata/annotations",
        true,
    ),
    FieldSpec::new(
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/spec/template/metadata/annotations",
        true,
    ),
];
