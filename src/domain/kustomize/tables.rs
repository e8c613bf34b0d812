//! The field tables: which fields of which kinds each step changes.
//!
//! A build starts with kustomize's own tables; `configurations` and `crds` add to them, and what a
//! directory adds goes along with its objects to the directories that include it. Invariant: two
//! entries for one field agree on whether it is made; each table is sorted by kind. What is absent:
//! the steps.

use super::field_spec::{FieldSpec, extend};
use super::order::KindKey;
use super::reference_fields::{Reference, references};
use super::{images, labels, namespace, naming, replicas, variable_fields};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// How many entries all tables together may have. kustomize's own are some 320.
const ENTRIES: usize = 2_500;

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
    pub(super) var_references: Vec<FieldSpec>,
    pub(super) images: Vec<FieldSpec>,
    pub(super) replicas: Vec<FieldSpec>,
}

static OWN: LazyLock<Arc<FieldTables>> = LazyLock::new(|| {
    let mut own = FieldTables {
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
        name_references: references(),
        var_references: variable_fields::table(),
        images: images::FIELDS.to_vec(),
        replicas: replicas::FIELDS.to_vec(),
    };
    own.sort();
    Arc::new(own)
});

impl FieldTables {
    /// Adds the entries of `other` that are new. The error names the field two entries disagree on.
    pub(super) fn add(&mut self, other: &Self) -> Result<(), String> {
        for ((step, own), (_, other)) in self.steps_mut().into_iter().zip(other.steps()) {
            extend(own, other).map_err(|reason| format!("`{step}`: {reason}"))?;
        }
        for reference in &other.name_references {
            let known = self
                .name_references
                .iter_mut()
                .find(|known| known.target == reference.target);
            match known {
                Some(known) => extend(&mut known.fields, &reference.fields)
                    .map_err(|reason| format!("`nameReference`: {reason}"))?,
                None => self.name_references.push(reference.clone()),
            }
        }
        if self.len() > ENTRIES {
            return Err(format!("more than {ENTRIES} fields"));
        }
        self.sort();
        Ok(())
    }

    /// Brings the entries into kustomize's order: which of two that overlap stays depends on it.
    pub(super) fn sort(&mut self) {
        for (_, specs) in self.steps_mut() {
            specs.sort_by_cached_key(|spec| {
                KindKey::new(spec.group.clone(), spec.version.clone(), spec.kind.clone())
            });
        }
        self.name_references.sort_by_cached_key(|reference| {
            let target = &reference.target;
            KindKey::new(
                target.group.clone(),
                target.version.clone(),
                target.kind.clone(),
            )
        });
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        let references = self.name_references.iter();
        let steps = self.steps().into_iter();
        steps.map(|(_, specs)| specs.len()).sum::<usize>()
            + references
                .map(|reference| 1 + reference.fields.len())
                .sum::<usize>()
    }

    fn steps(&self) -> [(&'static str, &Vec<FieldSpec>); 10] {
        [
            ("namePrefix", &self.name_prefix),
            ("nameSuffix", &self.name_suffix),
            ("namespace", &self.namespace),
            ("commonLabels", &self.common_labels),
            ("labels", &self.labels),
            ("templateLabels", &self.template_labels),
            ("commonAnnotations", &self.common_annotations),
            ("varReference", &self.var_references),
            ("images", &self.images),
            ("replicas", &self.replicas),
        ]
    }

    fn steps_mut(&mut self) -> [(&'static str, &mut Vec<FieldSpec>); 10] {
        [
            ("namePrefix", &mut self.name_prefix),
            ("nameSuffix", &mut self.name_suffix),
            ("namespace", &mut self.namespace),
            ("commonLabels", &mut self.common_labels),
            ("labels", &mut self.labels),
            ("templateLabels", &mut self.template_labels),
            ("commonAnnotations", &mut self.common_annotations),
            ("varReference", &mut self.var_references),
            ("images", &mut self.images),
            ("replicas", &mut self.replicas),
        ]
    }
}

/// Tables that are shared until one directory adds to them; kustomize's own until something is
/// merged in.
///
/// Every directory merges its own tables, which begin with kustomize's, into what its bases came
/// to, as kustomize does. That is not idle: an entry without a kind gives way to an entry for one
/// kind that stands before it, so each merge may drop one.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables(Option<Arc<FieldTables>>);

impl Deref for Tables {
    type Target = FieldTables;

    fn deref(&self) -> &FieldTables {
        self.0.as_ref().unwrap_or(&OWN)
    }
}

impl Tables {
    /// Adds the entries of `other` that are new. The error names the field two entries disagree on.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), String> {
        let Some(other) = &other.0 else {
            return Ok(());
        };
        match &mut self.0 {
            Some(own) if Arc::ptr_eq(own, other) && Arc::ptr_eq(own, &OWN) => Ok(()),
            Some(_) => self.add(other),
            None if Arc::ptr_eq(other, &OWN) => {
                self.0 = Some(Arc::clone(&OWN));
                Ok(())
            }
            None => {
                let mut own = FieldTables::default();
                own.add(other)?;
                self.0 = Some(Arc::new(own));
                Ok(())
            }
        }
    }

    /// Adds kustomize's own entries together with `custom`, as every directory does once.
    pub(super) fn configure(&mut self, custom: &FieldTables) -> Result<(), String> {
        let mut own = Arc::clone(&OWN);
        if custom.len() > 0 {
            Arc::make_mut(&mut own).add(custom)?;
        }
        self.merge(&Self(Some(own)))
    }

    /// Adds the entries of `other` alone.
    pub(super) fn add(&mut self, other: &FieldTables) -> Result<(), String> {
        if other.len() == 0 {
            return Ok(());
        }
        let own = self.0.get_or_insert_with(|| Arc::clone(&OWN));
        Arc::make_mut(own).add(other)
    }

    /// How many entries there are besides kustomize's own.
    pub(super) fn added(&self) -> usize {
        self.len().saturating_sub(OWN.len())
    }

    /// How many times the work of kustomize's own tables these make for each object.
    pub(super) fn weight(&self) -> usize {
        1 + self.added() / OWN.len().max(1)
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
        assert_eq!(
            error,
            "`images`: `spec/image` is there already with another `create`"
        );
    }

    #[test]
    fn an_entry_for_every_kind_gives_way_to_one_for_a_kind() {
        let mut tables = Tables::default();
        let custom = FieldTables {
            name_prefix: vec![FieldSpec::new("", "", "Widget", "metadata/name", false)],
            ..FieldTables::default()
        };
        tables.configure(&custom).expect("they agree");
        let kinds: Vec<&str> = tables.name_prefix.iter().map(|spec| &*spec.kind).collect();
        assert_eq!(kinds, ["Widget"]);
    }

    #[test]
    fn kustomizes_own_tables_are_merged_into_themselves_without_a_change() {
        let mut again = FieldTables::default();
        for _ in 0..2 {
            again.add(&OWN).expect("they agree with themselves");
        }
        assert_eq!(again.len(), OWN.len());
        let mut tables = Tables::default();
        tables
            .configure(&FieldTables::default())
            .expect("nothing is in the way");
        assert!(tables.0.is_some_and(|own| Arc::ptr_eq(&own, &OWN)));
    }
}
