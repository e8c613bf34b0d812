//! The `labels`, `commonLabels` and `commonAnnotations` steps.
//!
//! Invariant: without `includeSelectors` no selector changes. What is absent: removing labels.

use super::budget::Budget;
use super::decode::{At, Located};
use super::error::BuildError;
use super::field_spec::{Create, FieldList, FieldSpec, extend};
use super::label_fields::{ANNOTATED, METADATA};
use super::resource::Resource;
use super::tables::FieldTables;
use super::ties;
use std::collections::BTreeMap;

/// One entry of `labels`.
#[derive(Clone, Debug, Default)]
pub(super) struct Label {
    pairs: BTreeMap<String, String>,
    include_selectors: bool,
    include_templates: bool,
    fields: FieldList,
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
            .collect::<Result<Vec<_>, _>>()?
            .into(),
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
    let annotates = |spec: &FieldSpec| spec.path == ANNOTATED;
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
