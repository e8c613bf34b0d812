//! The field tables: which fields of which kinds each step changes.
//!
//! A build starts with kustomize's own tables; `configurations` and `crds` add to them, and what a
//! directory adds goes along with its objects to the directories that include it. Invariant: two
//! entries for one field agree on whether it is made. What is absent: the steps.

use super::field_spec::{FieldSpec, extend};
use super::reference_fields::{REFERENCES, Reference};
use super::{images, labels, namespace, naming, replicas};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// The fields of each step.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldTables {
    pub(super) name_prefix: Vec<FieldSpec>,
    pub(super) name_suffix: Vec<FieldSpec>,
    pub(super) namespace: Vec<FieldSpec>,
    pub(super) common_labels: Vec<FieldSpec>,
    pub(super) labels: Vec<FieldSpec>,
    pub(super) template_labels: Vec<FieldSpec>,
    pub(super) common_annotations: Vec<FieldSpec>,
    pub(super) name_references: Vec<Reference>,
    pub(super) images: Vec<FieldSpec>,
    pub(super) replicas: Vec<FieldSpec>,
}

/// Tables that are shared until one directory adds to them.
#[derive(Clone, Debug)]
pub(super) struct Tables(Arc<FieldTables>);

static OWN: LazyLock<Arc<FieldTables>> = LazyLock::new(|| {
    Arc::new(FieldTables {
        name_prefix: vec![naming::FIELD],
        name_suffix: vec![naming::FIELD],
        namespace: namespace::FIELDS.to_vec(),
        common_labels: labels::SELECTORS
            .iter()
            .chain(labels::TEMPLATES)
            .cloned()
            .collect(),
        labels: Vec::new(),
        template_labels: labels::TEMPLATES.to_vec(),
        common_annotations: labels::ANNOTATIONS.to_vec(),
        name_references: REFERENCES.clone(),
        images: images::FIELDS.to_vec(),
        replicas: replicas::FIELDS.to_vec(),
    })
});

impl Default for Tables {
    fn default() -> Self {
        Self(Arc::clone(&OWN))
    }
}

impl Deref for Tables {
    type Target = FieldTables;

    fn deref(&self) -> &FieldTables {
        &self.0
    }
}

impl Tables {
    /// Adds the entries of `other` that are new. The error names the field two entries disagree on.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), String> {
        if Arc::ptr_eq(&self.0, &other.0) || Arc::ptr_eq(&OWN, &other.0) {
            return Ok(());
        }
        if Arc::ptr_eq(&OWN, &self.0) {
            self.0 = Arc::clone(&other.0);
            return Ok(());
        }
        self.add(other)
    }

    /// The same for entries that do not hold kustomize's own.
    pub(super) fn add(&mut self, other: &FieldTables) -> Result<(), String> {
        let own = Arc::make_mut(&mut self.0);
        for (own, other) in [
            (&mut own.name_prefix, &other.name_prefix),
            (&mut own.name_suffix, &other.name_suffix),
            (&mut own.namespace, &other.namespace),
            (&mut own.common_labels, &other.common_labels),
            (&mut own.labels, &other.labels),
            (&mut own.template_labels, &other.template_labels),
            (&mut own.common_annotations, &other.common_annotations),
            (&mut own.images, &other.images),
            (&mut own.replicas, &other.replicas),
        ] {
            extend(own, other)?;
        }
        for reference in &other.name_references {
            let known = own
                .name_references
                .iter_mut()
                .find(|known| known.target == reference.target);
            match known {
                Some(known) => extend(&mut known.fields, &reference.fields)?,
                None => own.name_references.push(reference.clone()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_image(path: &'static str, create: bool) -> FieldTables {
        FieldTables {
            images: vec![FieldSpec::new("", "", "Widget", path, create)],
            ..FieldTables::default()
        }
    }

    #[test]
    fn an_entry_is_added_once_and_the_shared_tables_stay_as_they_are() {
        let mut tables = Tables::default();
        let before = tables.images.len();
        for _ in 0..2 {
            tables
                .add(&with_image("spec/image", true))
                .expect("it is new, or the same");
        }
        assert_eq!(tables.images.len(), before + 1);
        assert_eq!(Tables::default().images.len(), before);
        let mut other = Tables::default();
        other.merge(&tables).expect("nothing is in the way");
        assert_eq!(other.images.len(), before + 1);
    }

    #[test]
    fn entries_that_disagree_are_an_error() {
        let mut tables = Tables::default();
        tables
            .add(&with_image("spec/image", true))
            .expect("it is new");
        let error = tables
            .add(&with_image("spec/image", false))
            .expect_err("they disagree");
        assert_eq!(error, "`spec/image` is there already with another `create`");
    }
}
