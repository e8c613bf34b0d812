//! `buildMetadata`: notes on the objects of where they come from and what changed them.
//!
//! Like kustomize, the build keeps its notes among the annotations of the objects, where selectors,
//! patches and replacements meet them, as soon as the list holds any word; those that were not
//! asked for go at the end. Invariant: only the list of the directory that is built counts, and
//! without one nothing is noted. What is absent: the text of a note; that is `origin`.

use super::budget::Budget;
use super::context::Context;
use super::decode::Located;
use super::error::BuildError;
use super::field_spec::FieldSpec;
use super::file::Kustomization;
use super::labels;
use super::origin::{self, Origin};
use super::resource::Resource;
use crate::domain::manifest::{Node, Scalar, ScalarKind};
use std::collections::{BTreeMap, HashSet};

const STEP: &str = "buildMetadata";
const ORIGIN: &str = "config.kubernetes.io/origin";
const STEPS: &str = "alpha.config.kubernetes.io/transformations";

/// What kubectl, which is built with this version of kustomize, writes into the label.
const BUILDER: &str = "kustomize-v5.8.1";

static LABELS: FieldSpec = FieldSpec::new("", "", "", "metadata/labels", true);
static ANNOTATIONS: FieldSpec = FieldSpec::new("", "", "", "metadata/annotations", true);

/// Where kustomize keeps what it remembers of an object, besides its notes, until it is built.
const MEMORY: &str = "internal.config.kubernetes.io/";
const REMEMBERED: [&str; 16] = [
    "previousKinds",
    "previousNames",
    "previousNamespaces",
    "prefixes",
    "suffixes",
    "allowNameChange",
    "allowKindChange",
    "refBy",
    "generatorBehavior",
    "needsHashSuffix",
    "path",
    "index",
    "seqindent",
    "id",
    "annotations-migration-resource-id",
    "helm-generated",
];
const FORMERLY: [&str; 3] = [
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
];

/// What the directory that is built asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    any: bool,
    managed_by: bool,
    origins: bool,
    steps: bool,
}

impl Wanted {
    /// Reads `buildMetadata`. As in kustomize, a word that is none of its own does nothing.
    pub(super) fn new(words: &[Located<String>]) -> Self {
        let has = |word: &str| words.iter().any(|written| written.value == word);
        Self {
            any: !words.is_empty(),
            managed_by: has("managedByLabel"),
            origins: has("originAnnotations"),
            steps: has("transformerAnnotations"),
        }
    }

    /// The origin of the directory that is built, if anything is noted at all.
    pub(super) fn root(self) -> Option<Origin> {
        self.any.then(Origin::default)
    }

    /// Labels the finished objects, and takes away the notes nobody asked for.
    pub(super) fn finish(
        self,
        resources: &mut [Resource],
        budget: &Budget,
    ) -> Result<(), BuildError> {
        if self.managed_by {
            set(
                resources,
                &LABELS,
                "app.kubernetes.io/managed-by",
                BUILDER,
                budget,
            )?;
        }
        let goes = |key: &str| match key {
            ORIGIN => !self.origins,
            STEPS => !self.steps,
            _ => match key.strip_prefix(MEMORY) {
                Some(name) => REMEMBERED.contains(&name),
                None => FORMERLY.contains(&key),
            },
        };
        for annotations in resources.iter_mut().filter_map(Resource::annotations_mut) {
            annotations.entries.retain(|entry| !goes(&entry.key));
        }
        Ok(())
    }
}

/// Writes down who makes and who changes the objects of one directory.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    /// The origin of the directory and the name of its kustomization file, if notes are taken.
    place: Option<(Origin, &'a str)>,
    budget: &'a Budget,
    /// Origins, and lists of steps, that are known to be what kustomize would write.
    known: HashSet<String>,
}

impl<'a> Notes<'a> {
    pub(super) fn new<'b: 'a>(context: &Context<'b>, kustomization: &'a Kustomization) -> Self {
        let path = &kustomization.path;
        let name = path
            .rsplit_once('/')
            .map_or(path.as_str(), |(_, name)| name);
        Self {
            place: context.origin.clone().map(|origin| (origin, name)),
            budget: context.budget,
            known: HashSet::new(),
        }
    }

    /// The generator `kind` of this directory has made `resource`.
    pub(super) fn made(&self, kind: &str, resource: &mut Resource) -> Result<(), BuildError> {
        match &self.place {
            None => Ok(()),
            Some((place, file)) => self.made_by(&place.of_builtin(file, kind), resource),
        }
    }

    /// The generator `step` has made `resource`; what it says itself stays.
    pub(super) fn made_by(&self, step: &Origin, resource: &mut Resource) -> Result<(), BuildError> {
        resource.texts_only("annotations");
        if resource.annotation(ORIGIN).is_some() {
            return Ok(());
        }
        self.write(resource, ORIGIN, step.to_text())
    }

    /// The transformer `kind` of this directory has seen `resources`.
    pub(super) fn ran(&mut self, kind: &str, resources: &mut [Resource]) -> Result<(), BuildError> {
        match &self.place {
            None => Ok(()),
            Some((place, file)) => {
                let step = place.of_builtin(file, kind);
                self.ran_by(&step, resources)
            }
        }
    }

    /// The transformer `step` has seen `resources`; what is of unknown origin counts as made by it.
    pub(super) fn ran_by(
        &mut self,
        step: &Origin,
        resources: &mut [Resource],
    ) -> Result<(), BuildError> {
        let (text, item) = (step.to_text(), step.to_item());
        // Objects that stand side by side mostly have the same list.
        let mut last: Option<(String, String)> = None;
        for resource in resources {
            resource.texts_only("annotations");
            let Some(origin) = resource.annotation(ORIGIN) else {
                self.write(resource, ORIGIN, text.clone())?;
                continue;
            };
            if !self.known.contains(origin) {
                read(resource)?;
                self.known.insert(origin.to_owned());
            }
            let steps = resource.annotation(STEPS).unwrap_or_default();
            let new = match &last {
                Some((old, new)) if old == steps => new.clone(),
                _ => {
                    let new = self.listed(resource, steps)? + &item;
                    self.known.insert(new.clone());
                    last = Some((steps.to_owned(), new.clone()));
                    new
                }
            };
            self.write(resource, STEPS, new)?;
        }
        Ok(())
    }

    /// A list of steps as kustomize would write it.
    fn listed(&self, resource: &Resource, steps: &str) -> Result<String, BuildError> {
        if self.known.contains(steps) {
            return Ok(steps.to_owned());
        }
        origin::parse_steps(steps).map_err(|reason| wrong(resource, STEPS, reason))
    }

    fn write(&self, resource: &mut Resource, key: &str, note: String) -> Result<(), BuildError> {
        let before = resource.annotation(key).map_or(0, str::len);
        self.budget
            .note(note.len().saturating_sub(before), note.len())?;
        resource.set_annotation(key, lines(note));
        Ok(())
    }
}

impl Context<'_> {
    /// Notes that `resources` are what `name` leads to.
    pub(super) fn note_origin(
        &self,
        name: &str,
        resources: &mut [Resource],
    ) -> Result<(), BuildError> {
        let Some(origin) = &self.origin else {
            return Ok(());
        };
        let text = origin.append(name).to_text();
        let bytes = text.len().saturating_mul(resources.len());
        self.budget.note(bytes, bytes)?;
        set(resources, &ANNOTATIONS, ORIGIN, &text, self.budget)
    }
}

/// The step that the object `config` configures, if it is known where `config` comes from.
pub(super) fn of_plugin(config: &Resource) -> Result<Option<Origin>, BuildError> {
    Ok(read(config)?.map(|origin| origin.of_plugin(config)))
}

/// What is merged into an object has the origin of the object.
pub(super) fn keep_origin(old: &Resource, merged: &mut Resource) -> Result<(), BuildError> {
    if let Some(origin) = read(old)? {
        merged.set_annotation(ORIGIN, lines(origin.to_text()));
    }
    Ok(())
}

/// A note as a value: lines are only a string where they are quoted.
fn lines(note: String) -> Node {
    let mut scalar = Scalar::new(note, ScalarKind::Text, 0);
    scalar.quoted = true;
    Node::Scalar(scalar)
}

/// The origin noted on an object.
fn read(resource: &Resource) -> Result<Option<Origin>, BuildError> {
    resource
        .annotation(ORIGIN)
        .map(|text| Origin::parse(text).map_err(|reason| wrong(resource, ORIGIN, reason)))
        .transpose()
}

fn wrong(resource: &Resource, key: &str, reason: String) -> BuildError {
    resource.error(STEP, &format!("metadata.annotations.{key}"), reason)
}

fn set(
    resources: &mut [Resource],
    field: &FieldSpec,
    key: &str,
    value: &str,
    budget: &Budget,
) -> Result<(), BuildError> {
    let pairs = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    labels::set(resources, STEP, std::slice::from_ref(field), &pairs, budget)
}
