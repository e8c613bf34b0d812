//! Which objects a patch is for: regular expressions on identity, selectors on labels.
//!
//! Invariant: an expression matches the whole of a name; an empty one matches all. Name and
//! namespace match as they were read or as they are now. What is absent: fields of the spec.

use super::PatchTarget;
use super::decode::Fields;
use super::error::BuildError;
use super::label_selector::LabelSelector;
use super::resource::{Name, Resource};
use regex::Regex;

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
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
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
        let gvk = resource.gvk_ref();
        let (original, current) = (resource.original(), resource.current());
        let either = |pattern: &Option<Regex>, first: &str, second: &str| {
            fits(pattern, first) || fits(pattern, second)
        };
        either(&self.namespace, &original.namespace, &current.namespace)
            && either(&self.name, &original.name, &current.name)
            && fits(&self.group, gvk.group)
            && fits(&self.version, gvk.version)
            && fits(&self.kind, gvk.kind)
            && self.labels.matches(&resource.texts("labels"))
            && self.annotations.matches(&resource.texts("annotations"))
    }

    /// Whether one of the names it has or had is selected, as replacements select.
    pub(super) fn takes(&self, resource: &Resource) -> bool {
        self.labels.matches(&resource.texts("labels"))
            && self.annotations.matches(&resource.texts("annotations"))
            && self.names(resource)
    }

    /// Whether replacements leave it out: by its labels and annotations, or by one of its names.
    pub(super) fn drops(&self, resource: &Resource) -> bool {
        self.by_labels
            && self.labels.matches(&resource.texts("labels"))
            && self.annotations.matches(&resource.texts("annotations"))
            || self.by_name && self.names(resource)
    }

    fn names(&self, resource: &Resource) -> bool {
        let gvk = resource.gvk_ref();
        let named = |name: &Name| {
            fits(&self.kind, &name.kind)
                && fits(&self.name, &name.name)
                && fits(&self.namespace, &name.namespace)
        };
        let current = Name {
            namespace: resource.namespace().to_owned(),
            ..resource.current()
        };
        fits(&self.group, gvk.group)
            && fits(&self.version, gvk.version)
            && resource.previous.iter().chain([&current]).any(named)
    }
}

fn fits(pattern: &Option<Regex>, text: &str) -> bool {
    pattern
        .as_ref()
        .is_none_or(|pattern| pattern.is_match(text))
}

fn whole(field: &str, pattern: &str) -> Result<Option<Regex>, String> {
    if pattern.is_empty() {
        return Ok(None);
    }
    Regex::new(&format!("^(?:{pattern})$"))
        .map(Some)
        .map_err(|error| format!("{field}: not a regular expression: {error}"))
}
