//! The field tables: which fields of which kinds each step changes.
//!
//! A build starts with kustomize's own tables; `configurations` and `crds` add to them, and what a
//! directory adds goes along with its objects to the directories that include it. Invariant: two
//! entries for one field agree on whether it is made; each table is sorted by kind. What is absent:
//! the steps.

use super::field_spec::{FieldList, extend};
use super::order::KindKey;
use super::reference_fields::{REFERENCES, Reference};
use super::{images, label_fields, namespace, naming, replicas, variable_fields};
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

/// How many entries all tables together may have. kustomize's own are some 320.
const ENTRIES: usize = 2_500;

/// The fields of each step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldTables {
    pub(super) name_prefix: FieldList,
    pub(super) name_suffix: FieldList,
    pub(super) namespace: FieldList,
    pub(super) common_labels: FieldList,
    pub(super) labels: FieldList,
    pub(super) template_labels: FieldList,
    pub(super) common_annotations: FieldList,
    pub(super) name_references: Cow<'static, [Reference]>,
    pub(super) var_references: FieldList,
    pub(super) images: FieldList,
    pub(super) replicas: FieldList,
}

/// kustomize's own.
static OWN: FieldTables = FieldTables {
    name_prefix: Cow::Borrowed(naming::FIELDS),
    name_suffix: Cow::Borrowed(naming::FIELDS),
    namespace: Cow::Borrowed(namespace::FIELDS),
    common_labels: Cow::Borrowed(label_fields::WITH_SELECTORS),
    labels: Cow::Borrowed(&[]),
    template_labels: Cow::Borrowed(label_fields::WITH_TEMPLATES),
    common_annotations: Cow::Borrowed(label_fields::ANNOTATIONS),
    name_references: Cow::Borrowed(REFERENCES),
    var_references: Cow::Borrowed(variable_fields::FIELDS),
    images: Cow::Borrowed(images::FIELDS),
    replicas: Cow::Borrowed(replicas::FIELDS),
};

impl FieldTables {
    /// Adds the entries of `other` that are new. The error names the field two entries disagree on.
    pub(super) fn add(&mut self, other: &Self) -> Result<(), String> {
        for ((step, own), (_, other)) in self.steps_mut().into_iter().zip(other.steps()) {
            extend(own, other).map_err(|reason| format!("`{step}`: {reason}"))?;
        }
        for reference in &*other.name_references {
            let references = self.name_references.to_mut();
            let mut known = references.iter_mut();
            match known.find(|known| known.target == reference.target) {
                Some(known) => extend(&mut known.fields, &reference.fields)
                    .map_err(|reason| format!("`nameReference`: {reason}"))?,
                None => references.push(reference.clone()),
            }
        }
        if self.len() > ENTRIES {
            return Err(format!("more than {ENTRIES} fields"));
        }
        self.sort();
        Ok(())
    }

    /// Brings the entries into kustomize's order: which of two that overlap stays depends on it. Those that nobody added to are in it.
    pub(super) fn sort(&mut self) {
        for (_, specs) in self.steps_mut() {
            if let Cow::Owned(specs) = specs {
                specs.sort_by_cached_key(|spec| {
                    KindKey::new(spec.group.clone(), spec.version.clone(), spec.kind.clone())
                });
            }
        }
        if let Cow::Owned(references) = &mut self.name_references {
            references.sort_by_cached_key(|reference| {
                let target = &reference.target;
                KindKey::new(
                    target.group.clone(),
                    target.version.clone(),
                    target.kind.clone(),
                )
            });
        }
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

    fn steps(&self) -> [(&'static str, &FieldList); 10] {
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

    fn steps_mut(&mut self) -> [(&'static str, &mut FieldList); 10] {
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

/// Tables that are shared until one directory adds to them.
///
/// Every directory merges its own tables, which begin with kustomize's, into what its bases came
/// to, as kustomize does. That is not idle: an entry without a kind gives way to an entry for one
/// kind that stands before it, so each merge may drop one.
#[derive(Clone, Debug, Default)]
pub(super) enum Tables {
    /// Nothing was merged; what is asked for is answered from kustomize's own.
    #[default]
    None,
    /// kustomize's own, and no others.
    Own,
    /// Those of some directory too.
    Added(Arc<FieldTables>),
}

impl Deref for Tables {
    type Target = FieldTables;

    fn deref(&self) -> &FieldTables {
        match self {
            Self::None | Self::Own => &OWN,
            Self::Added(tables) => tables,
        }
    }
}

impl Tables {
    /// Adds the entries of `other` that are new. The error names the field two entries disagree on.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), String> {
        match (&*self, other) {
            (_, Self::None) | (Self::Own, Self::Own) => Ok(()),
            (Self::None, Self::Own) => {
                *self = Self::Own;
                Ok(())
            }
            (Self::None, Self::Added(other)) => {
                let mut tables = FieldTables::default();
                tables.add(other)?;
                *self = Self::Added(Arc::new(tables));
                Ok(())
            }
            _ => self.add(other),
        }
    }

    /// Adds kustomize's own entries together with `custom`, as every directory does once.
    pub(super) fn configure(&mut self, custom: &FieldTables) -> Result<(), String> {
        let mut own = Self::Own;
        own.add(custom)?;
        self.merge(&own)
    }

    /// Adds the entries of `other` alone.
    pub(super) fn add(&mut self, other: &FieldTables) -> Result<(), String> {
        if other.len() == 0 {
            return Ok(());
        }
        match self {
            Self::Added(tables) => Arc::make_mut(tables).add(other),
            Self::None | Self::Own => {
                let mut tables = OWN.clone();
                tables.add(other)?;
                *self = Self::Added(Arc::new(tables));
                Ok(())
            }
        }
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
    use super::super::field_spec::FieldSpec;
    use super::*;

    fn with_image(path: &'static str, create: bool) -> FieldTables {
        FieldTables {
            images: vec![FieldSpec::new("", "", "Widget", path, create)].into(),
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
            name_prefix: vec![FieldSpec::new("", "", "Widget", "metadata/name", false)].into(),
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
        assert!(matches!(tables, Tables::Own));
    }

    #[test]
    fn kustomizes_own_tables_stand_in_kustomizes_order() {
        let mut sorted = OWN.clone();
        for (_, specs) in sorted.steps_mut() {
            specs.to_mut();
        }
        sorted.name_references.to_mut();
        sorted.sort();
        assert_eq!(sorted, OWN);
    }
}
