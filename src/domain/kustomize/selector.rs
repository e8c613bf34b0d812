//! Which objects a patch is for: regular expressions on identity, selectors on labels.
//!
//! Invariant: an expression matches the whole of a name; an empty one matches all. Name and
//! namespace match as they were read or as they are now. What is absent: fields of the spec.

use super::PatchTarget;
use super::decode::Fields;
use super::error::BuildError;
use super::expression::Whole;
use super::label_selector::LabelSelector;
use super::resource::Resource;

/// Reads a selector.
pub(super) fn parse(fields: &Fields<'_>) -> Result<PatchTarget, BuildError> {
    fields.only(&[
        "group",
        "version",
        "kind",
        "name",
        "namespace",
        "labelSelector",
        "annotationSelector",
    ])?;
    Ok(PatchTarget {
        group: fields.text("group")?,
        version: fields.text("version")?,
        kind: fields.text("kind")?,
        name: fields.text("name")?,
        namespace: fields.text("namespace")?,
        label_selector: fields.text("labelSelector")?,
        annotation_selector: fields.text("annotationSelector")?,
    })
}

/// A parsed [`PatchTarget`].
pub(super) struct Selector {
    group: Option<Whole>,
    version: Option<Whole>,
    kind: Option<Whole>,
    name: Option<Whole>,
    namespace: Option<Whole>,
    labels: LabelSelector,
    annotations: LabelSelector,
    by_name: bool,
    by_labels: bool,
}

impl Selector {
    /// Parses `target`. The error names the field and what is wrong with it.
    pub(super) fn new(target: &PatchTarget) -> Result<Self, String> {
        Ok(Self {
            group: whole("group", &target.group)?,
            version: whole("version", &target.version)?,
            kind: whole("kind", &target.kind)?,
            name: whole("name", &target.name)?,
            namespace: whole("namespace", &target.namespace)?,
            labels: LabelSelector::parse(&target.label_selector)
                .map_err(|reason| format!("labelSelector: {reason}"))?,
            annotations: LabelSelector::parse(&target.annotation_selector)
                .map_err(|reason| format!("annotationSelector: {reason}"))?,
            by_name: [
                &target.group,
                &target.version,
                &target.kind,
                &target.name,
                &target.namespace,
            ]
            .iter()
            .any(|text| !text.is_empty()),
            by_labels: !target.label_selector.is_empty() || !target.annotation_selector.is_empty(),
        })
    }

    pub(super) fn selects(&self, resource: &Resource) -> bool {
        let (namespace, name) = (resource.effective_namespace(), resource.name());
        let (first_namespace, first_name) = match resource.previous.first() {
            Some(first) => (first.namespace.as_str(), first.name.as_str()),
            None => (namespace, name),
        };
        let gvk = resource.gvk_ref();
        let either = |pattern: &Option<Whole>, first: &str, second: &str| {
            fits(pattern, first) || fits(pattern, second)
        };
        either(&self.namespace, first_namespace, namespace)
            && either(&self.name, first_name, name)
            && fits(&self.group, gvk.group)
            && fits(&self.version, gvk.version)
            && fits(&self.kind, gvk.kind)
            && self.has_labels(resource)
    }

    fn has_labels(&self, resource: &Resource) -> bool {
        !self.by_labels
            || self.labels.matches(&resource.texts("labels"))
                && self.annotations.matches(&resource.texts("annotations"))
    }

    /// Whether one of the names it has or had is selected, as replacements select.
    pub(super) fn takes(&self, resource: &Resource) -> bool {
        self.names(resource) && self.has_labels(resource)
    }

    /// Whether replacements leave it out: by its labels and annotations, or by one of its names.
    pub(super) fn drops(&self, resource: &Resource) -> bool {
        self.by_labels && self.has_labels(resource) || self.by_name && self.names(resource)
    }

    fn names(&self, resource: &Resource) -> bool {
        let gvk = resource.gvk_ref();
        let named = |kind: &str, namespace: &str, name: &str| {
            fits(&self.kind, kind) && fits(&self.name, name) && fits(&self.namespace, namespace)
        };
        let mut previous = resource.previous.iter();
        fits(&self.group, gvk.group)
            && fits(&self.version, gvk.version)
            && (named(gvk.kind, resource.namespace(), resource.name())
                || previous.any(|name| named(&name.kind, &name.namespace, &name.name)))
    }
}

fn fits(pattern: &Option<Whole>, text: &str) -> bool {
    pattern.as_ref().is_none_or(|pattern| pattern.fits(text))
}

fn whole(field: &str, pattern: &str) -> Result<Option<Whole>, String> {
    if pattern.is_empty() {
        return Ok(None);
    }
    Whole::new(pattern)
        .map(Some)
        .map_err(|error| format!("{field}: not a regular expression: {error}"))
}
