//! Collecting the objects a kustomization names, directory by directory, and running its steps.
//!
//! Invariant: the steps run in kustomize's order, each on everything collected so far; directories
//! and objects are bounded. What is absent: what has to wait for the top (references, order).

use super::budget::{self, Budget};
use super::build_metadata::Notes;
use super::context::{Context, tree_error};
use super::decode::Located;
use super::error::BuildError;
use super::file::Kustomization;
use super::remote::{RemoteError, RepositoryUrl, remote_error, without_secrets};
use super::resource::{Resource, check_unique};
use super::tables::Tables;
use super::vars::{self, Vars};
use super::{configurations, generators, images, labels, namespace, naming};
use super::{patch, replacements, replicas, strategic_merges};
use crate::domain::manifest::{
    Document, Lack, ManifestError, Rules, Source, documents, expand_lists,
};
use crate::domain::tree::{EntryKind, TreeError};

/// How many objects one build may hold at once.
const OBJECTS: usize = 200_000;

/// What directories have come to so far.
#[derive(Debug, Default)]
pub(super) struct Accumulated {
    pub(super) resources: Vec<Resource>,
    /// The fields that steps change, with what these directories add.
    pub(super) tables: Tables,
    pub(super) vars: Vars,
    pub(super) warnings: Vec<String>,
}

impl Context<'_> {
    /// Builds the kustomization in the directory that `name` names.
    fn base(&self, name: &Located<String>) -> Result<Accumulated, BuildError> {
        self.inside(name, |base| {
            let (file, kustomization) = base.load(name)?;
            if kustomization.component {
                return Err(name.error(format!(
                    "{file} is a `Component`; hint: name it under `components`"
                )));
            }
            let built = base.run(&kustomization, Accumulated::default());
            built.map_err(|error| error.in_kustomization(&file))
        })
    }

    /// Runs the component that `name` names on everything collected so far.
    fn component(
        &self,
        name: &Located<String>,
        accumulated: Accumulated,
    ) -> Result<Accumulated, BuildError> {
        if name.value.is_empty() {
            return Err(name.error("expected a path"));
        }
        let mut accumulated = self.inside(name, |component| {
            let (file, kustomization) = component.load(name)?;
            if !kustomization.component {
                return Err(name.error(format!("expected {file} to be of kind `Component`")));
            }
            let built = component.run(&kustomization, accumulated);
            built.map_err(|error| error.in_kustomization(&file))
        })?;
        let tables = std::mem::take(&mut accumulated.tables);
        accumulated
            .tables
            .merge(&tables)
            .map_err(|reason| name.error(reason))?;
        check_unique(&accumulated.resources)?;
        Ok(accumulated)
    }

    /// Adds the resources of `kustomization` to those of the directory that includes it as a
    /// component, if one does, and carries out its steps on all of them, in kustomize's order.
    pub(super) fn run(
        &self,
        kustomization: &Kustomization,
        mut accumulated: Accumulated,
    ) -> Result<Accumulated, BuildError> {
        self.budget.load()?;
        self.set_schema(&kustomization.open_api)?;
        accumulated
            .warnings
            .extend_from_slice(&kustomization.warnings);
        self.collect(kustomization, &mut accumulated)?;
        configurations::apply(self, &kustomization.configurations, &mut accumulated.tables)?;
        self.add_crds(&kustomization.crds, &mut accumulated.tables)?;
        let mut notes = Notes::new(self, kustomization);
        for generator in &kustomization.generators {
            generators::apply(self, &mut accumulated.resources, generator, &notes)?;
        }
        kustomization
            .plugins
            .generate(self, &mut accumulated, &notes)?;
        for name in &kustomization.components {
            accumulated = self.component(name, accumulated)?;
        }
        self.change(kustomization, &mut accumulated, &mut notes)?;
        Ok(accumulated)
    }

    /// Carries out the steps that change objects. On its own, since [`Self::run`] runs in itself and has
    /// to be small on the stack.
    fn change(
        &self,
        kustomization: &Kustomization,
        accumulated: &mut Accumulated,
        notes: &mut Notes<'_>,
    ) -> Result<(), BuildError> {
        let Accumulated {
            resources, tables, ..
        } = accumulated;
        self.budget
            .look(tables.weight().saturating_mul(4), resources)?;
        self.patch(kustomization, resources, notes)?;
        name(kustomization, resources, tables, self.budget, notes)?;
        label(kustomization, resources, tables, self.budget, notes)?;
        for entry in &kustomization.patches_json6902 {
            patch::apply_json6902(self, resources, entry)?;
            notes.ran("PatchJson6902Transformer", resources)?;
        }
        self.budget.look(kustomization.replicas.len(), resources)?;
        for replica in &kustomization.replicas {
            let changed = replicas::apply(resources, replica, &tables.replicas);
            changed.map_err(|error| error.of_entry(replica))?;
            notes.ran("ReplicaCountTransformer", resources)?;
        }
        self.budget.walk(kustomization.images.len(), resources)?;
        for image in &kustomization.images {
            let changed = images::apply(resources, image, &tables.images, self.budget);
            changed.map_err(|error| error.of_entry(image))?;
            notes.ran("ImageTagTransformer", resources)?;
        }
        for replacement in &kustomization.replacements {
            let changed = replacements::apply(self, resources, replacement);
            changed.map_err(|error| error.of_entry(replacement))?;
        }
        if !kustomization.replacements.is_empty() {
            notes.ran("ReplacementTransformer", resources)?;
        }
        let plugins = &kustomization.plugins;
        plugins.transform(self, accumulated, notes)?;
        plugins.validate(self, accumulated)?;
        let Accumulated {
            resources, vars, ..
        } = accumulated;
        vars::define(&kustomization.vars, resources, vars)
    }

    fn patch(
        &self,
        kustomization: &Kustomization,
        resources: &mut Vec<Resource>,
        notes: &mut Notes<'_>,
    ) -> Result<(), BuildError> {
        strategic_merges::apply(self, resources, &kustomization.patches_strategic_merge)?;
        if !kustomization.patches_strategic_merge.is_empty() {
            notes.ran("PatchStrategicMergeTransformer", resources)?;
        }
        for entry in &kustomization.patches {
            patch::apply(self, resources, entry)?;
            notes.ran("PatchTransformer", resources)?;
        }
        Ok(())
    }

    fn collect(
        &self,
        kustomization: &Kustomization,
        accumulated: &mut Accumulated,
    ) -> Result<(), BuildError> {
        for name in &kustomization.resources {
            let more = self.resource(name)?;
            accumulated.resources.extend(more.resources);
            if accumulated.resources.len() > OBJECTS {
                return Err(BuildError::too_large(format!(
                    "more than {OBJECTS} objects"
                )));
            }
            accumulated.warnings.extend(more.warnings);
            accumulated
                .tables
                .merge(&more.tables)
                .map_err(|reason| name.error(reason))?;
            vars::merge(&mut accumulated.vars, more.vars)?;
        }
        check_unique(&accumulated.resources)
    }

    /// The objects of a file, or of the kustomization in a directory or repository.
    pub(super) fn resource(&self, name: &Located<String>) -> Result<Accumulated, BuildError> {
        if name.value.is_empty() {
            return Err(name.error("expected a path"));
        }
        if let Some(fetched) = self.remote_file(name) {
            return self.remote_resource(name, fetched);
        }
        let path = match self.resolve(name) {
            Ok(path) => path,
            Err(_) if RepositoryUrl::parse(&name.value).is_some() => return self.base(name),
            Err(error) => return Err(error),
        };
        if self.tree.kind(&path) == Some(EntryKind::Directory) {
            return self.base(name);
        }
        match self.tree.read(&path) {
            Ok(bytes) => {
                self.restrict(name, &path)?;
                self.objects(name, &self.called(&path), &bytes)
            }
            Err(TreeError::NotAFile(_)) => self.base(name),
            Err(_) if RepositoryUrl::parse(&name.value).is_some() => self.base(name),
            Err(error) => Err(tree_error(name, error)),
        }
    }

    /// The objects of one file.
    fn objects(
        &self,
        name: &Located<String>,
        path: &str,
        bytes: &[u8],
    ) -> Result<Accumulated, BuildError> {
        let mut resources = self.schemas.meet(objects(path, bytes, self.budget)?);
        self.note_origin(&name.value, &mut resources)?;
        Ok(Accumulated {
            resources,
            ..Accumulated::default()
        })
    }

    /// The objects behind a URL that may be a file's or a repository's: whichever it turns out to be.
    fn remote_resource(
        &self,
        name: &Located<String>,
        fetched: Result<Vec<u8>, RemoteError>,
    ) -> Result<Accumulated, BuildError> {
        let no_file = match fetched.map_err(|error| remote_error(name, error)) {
            Ok(bytes) => match self.objects(name, &without_secrets(&name.value), &bytes) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let Some(repository) = RepositoryUrl::parse(&name.value) else {
            return Err(no_file);
        };
        self.refuse_cycle(name, &repository)?;
        let Err(repository) = self.fetches.tree(&repository) else {
            return self.base(name);
        };
        let file = match no_file {
            BuildError::Remote { source, .. } if *source == repository => {
                return Err(remote_error(name, *source));
            }
            BuildError::Remote { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        let neither = RemoteError::Neither {
            file,
            repository: repository.to_string(),
        };
        Err(remote_error(name, neither))
    }
}

/// Namespace, prefix and suffix.
fn name(
    kustomization: &Kustomization,
    resources: &mut [Resource],
    tables: &Tables,
    budget: &Budget,
    notes: &mut Notes<'_>,
) -> Result<(), BuildError> {
    let Kustomization {
        namespace,
        name_prefix,
        name_suffix,
        ..
    } = kustomization;
    if !namespace.is_empty() {
        budget.rename(resources, namespace)?;
        namespace::apply(resources, namespace, &tables.namespace)?;
        notes.ran("NamespaceTransformer", resources)?;
    }
    if !name_prefix.is_empty() {
        budget.rename(resources, name_prefix)?;
        naming::prefix(resources, name_prefix, &tables.name_prefix)?;
        notes.ran("PrefixTransformer", resources)?;
    }
    if !name_suffix.is_empty() {
        budget.rename(resources, name_suffix)?;
        naming::suffix(resources, name_suffix, &tables.name_suffix)?;
        notes.ran("SuffixTransformer", resources)?;
    }
    Ok(())
}

/// Labels and annotations.
fn label(
    kustomization: &Kustomization,
    resources: &mut [Resource],
    tables: &Tables,
    budget: &Budget,
    notes: &mut Notes<'_>,
) -> Result<(), BuildError> {
    for label in &kustomization.labels {
        let changed = labels::apply(resources, label, tables, budget);
        changed.map_err(|error| error.of_entry(label))?;
        notes.ran("LabelTransformer", resources)?;
    }
    let (labels, annotations) = (
        &kustomization.common_labels,
        &kustomization.common_annotations,
    );
    let specs = &tables.common_labels;
    labels::set(resources, "commonLabels", specs, labels, budget)?;
    // As in kustomize, `labels` bring one more step even when there are no common ones.
    if !labels.is_empty() || !kustomization.labels.is_empty() {
        notes.ran("LabelTransformer", resources)?;
    }
    if !annotations.is_empty() {
        let specs = &tables.common_annotations;
        labels::set(resources, "commonAnnotations", specs, annotations, budget)?;
        notes.ran("AnnotationsTransformer", resources)?;
    }
    Ok(())
}

/// The objects in the text of one file.
pub(super) fn objects(
    path: &str,
    bytes: &[u8],
    budget: &Budget,
) -> Result<Vec<Resource>, BuildError> {
    let documents = documents(path, bytes, Rules::Kustomize)?;
    budget.read(bytes)?;
    budget.parse(&documents)?;
    let documents = expand_lists(path, documents)?;
    documents
        .into_iter()
        .filter(|document| !document.root.is_empty())
        .map(|document| {
            budget.keep(budget::bytes(&document.root))?;
            object(path, document)
        })
        .collect()
}

fn object(path: &str, document: Document) -> Result<Resource, BuildError> {
    let source = Source {
        file: path.to_owned(),
        line: document.line as usize,
    };
    let resource = Resource::new(document.root, source);
    let fields = [
        ("apiVersion", resource.text("apiVersion")),
        ("kind", resource.text("kind")),
        ("metadata.name", resource.name()),
    ];
    let missing = fields.into_iter().find(|(_, text)| text.is_empty());
    match missing.map(|(field, _)| field) {
        None => Ok(resource),
        Some(field) => Err(ManifestError::NotAnObject {
            file: path.to_owned(),
            line: document.line,
            field,
            lack: Lack::Missing,
        }
        .into()),
    }
}
