//! Collecting the objects a kustomization names, directory by directory, and running its steps.
//!
//! Invariant: a directory never includes itself or one above it; depth, directories and objects
//! are bounded; every read stays in the tree. What is absent: what has to wait for the top
//! (references, order).

use super::Options;
use super::budget::Budget;
use super::decode::Located;
use super::error::BuildError;
use super::file::{self, Kustomization};
use super::resource::{Identity, Resource, check_unique};
use super::{
    generate, generators, images, labels, namespace, naming, patch, replacements, replicas,
};
use crate::domain::manifest::{Document, ManifestError, Rules, Source, documents, expand_lists};
use crate::domain::tree::{EntryKind, FileTree, TreeError, join};
use std::collections::HashMap;

/// How many directories may include one another in a row.
const DEPTH: usize = 64;
/// How many objects one build may hold at once.
const OBJECTS: usize = 200_000;

/// One directory of a build.
pub(super) struct Context<'a> {
    pub(super) tree: &'a dyn FileTree,
    pub(super) options: &'a Options,
    pub(super) directory: String,
    /// The directories that led here, outermost first.
    pub(super) above: Vec<String>,
    pub(super) budget: &'a Budget,
}

impl<'a> Context<'a> {
    /// Reads the file that a field names. Gives its path in the tree.
    pub(super) fn read(&self, name: &Located<String>) -> Result<(String, Vec<u8>), BuildError> {
        refuse_remote(name)?;
        let path = self.resolve(name)?;
        self.restrict(name, &path)?;
        match self.tree.read(&path) {
            Ok(bytes) => Ok((path, bytes)),
            Err(error) => Err(tree_error(name, error)),
        }
    }

    fn resolve(&self, name: &Located<String>) -> Result<String, BuildError> {
        join(&self.directory, &name.value).map_err(|error| tree_error(name, error))
    }

    fn restrict(&self, name: &Located<String>, path: &str) -> Result<(), BuildError> {
        let inside = self.directory.is_empty() || holds(&self.directory, path);
        if self.options.only_below_root && !inside {
            return Err(name.error(format!(
                "`{path}` is not in or below `{}`; hint: only directories may lie elsewhere",
                self.directory
            )));
        }
        Ok(())
    }

    /// Whether a field names a directory of the tree.
    pub(super) fn has_directory(&self, name: &Located<String>) -> bool {
        self.resolve(name)
            .is_ok_and(|path| self.tree.entries(&path).is_ok())
    }

    /// The directory that a field names.
    fn enter(&self, name: &Located<String>, path: String) -> Result<Context<'a>, BuildError> {
        let visited = self.above.iter().chain([&self.directory]);
        if visited
            .into_iter()
            .any(|above| path == *above || holds(&path, above))
        {
            return Err(BuildError::Cycle {
                file: name.file.clone(),
                line: name.line,
                field: name.field.clone(),
                directory: shown(&path),
            });
        }
        if self.above.len() >= DEPTH {
            return Err(too_large(format!("more than {DEPTH} directories in a row")));
        }
        let mut above = self.above.clone();
        above.push(self.directory.clone());
        Ok(Context {
            directory: path,
            above,
            ..*self
        })
    }

    /// The kustomization file of this directory: its path and bytes.
    pub(super) fn find(&self) -> Result<Option<(String, Vec<u8>)>, BuildError> {
        let mut found: Vec<(String, Vec<u8>)> = Vec::new();
        for name in file::NAMES {
            let path = join(&self.directory, name).map_err(BuildError::Root)?;
            match self.tree.kind(&path) {
                None | Some(EntryKind::Directory | EntryKind::Submodule) => {}
                Some(_) => match self.tree.read(&path) {
                    Ok(bytes) => found.push((path, bytes)),
                    Err(TreeError::NotAFile(_) | TreeError::NotFound(_)) => {}
                    Err(error) => return Err(BuildError::Root(error)),
                },
            }
        }
        if found.len() > 1 {
            return Err(BuildError::SeveralKustomizations {
                directory: shown(&self.directory),
                names: found.into_iter().map(|(path, _)| path).collect(),
            });
        }
        Ok(found.pop())
    }

    /// The kustomization of this directory and the file it stands in.
    fn load(&self) -> Result<(String, Kustomization), BuildError> {
        let Some((path, bytes)) = self.find()? else {
            return Err(BuildError::NoKustomization {
                directory: shown(&self.directory),
            });
        };
        let kustomization = file::parse(&path, &bytes)?;
        if kustomization.empty {
            return Err(BuildError::Empty { file: path });
        }
        Ok((path, kustomization))
    }

    /// Builds the kustomization in the directory `path`, which `name` names.
    fn base(&self, name: &Located<String>, path: String) -> Result<Vec<Resource>, BuildError> {
        let base = self.enter(name, path)?;
        let (file, kustomization) = base.load()?;
        if kustomization.component {
            return Err(name.error(format!(
                "{file} is a `Component`; hint: name it under `components`"
            )));
        }
        base.run(&kustomization, Vec::new())
    }

    /// Runs the component that `name` names on everything collected so far.
    fn component(
        &self,
        name: &Located<String>,
        resources: Vec<Resource>,
    ) -> Result<Vec<Resource>, BuildError> {
        if name.value.is_empty() {
            return Err(name.error("expected a path"));
        }
        refuse_remote(name)?;
        let path = self.resolve(name)?;
        self.tree
            .entries(&path)
            .map_err(|error| tree_error(name, error))?;
        let component = self.enter(name, path)?;
        let (file, kustomization) = component.load()?;
        if !kustomization.component {
            return Err(name.error(format!("expected {file} to be of kind `Component`")));
        }
        let resources = component.run(&kustomization, resources)?;
        check_unique(&resources)?;
        Ok(resources)
    }

    /// Adds the resources of `kustomization` to those of the directory that includes it as a
    /// component, if one does, and carries out its steps on all of them, in kustomize's order.
    pub(super) fn run(
        &self,
        kustomization: &Kustomization,
        mut resources: Vec<Resource>,
    ) -> Result<Vec<Resource>, BuildError> {
        self.budget.load()?;
        self.collect(kustomization, &mut resources)?;
        for generator in &kustomization.generators {
            generators::apply(self, &mut resources, generator)?;
        }
        for name in &kustomization.components {
            resources = self.component(name, resources)?;
        }
        self.budget.change(resources.len())?;
        for entry in &kustomization.patches {
            patch::apply(self, &mut resources, entry)?;
        }
        namespace::apply(&mut resources, &kustomization.namespace)?;
        naming::prefix(&mut resources, &kustomization.name_prefix)?;
        naming::suffix(&mut resources, &kustomization.name_suffix)?;
        for label in &kustomization.labels {
            labels::apply(&mut resources, label)?;
        }
        labels::apply_common(&mut resources, &kustomization.common_labels)?;
        labels::apply_annotations(&mut resources, &kustomization.common_annotations)?;
        for replica in &kustomization.replicas {
            replicas::apply(&mut resources, replica)?;
        }
        for image in &kustomization.images {
            images::apply(&mut resources, image)?;
        }
        for replacement in &kustomization.replacements {
            replacements::apply(self, &mut resources, replacement)?;
        }
        Ok(resources)
    }

    fn collect(
        &self,
        kustomization: &Kustomization,
        resources: &mut Vec<Resource>,
    ) -> Result<(), BuildError> {
        let mut seen: HashMap<Identity, Source> = resources
            .iter()
            .map(|resource| (resource.identity(), resource.source.clone()))
            .collect();
        for name in &kustomization.resources {
            for resource in self.resource(name)? {
                let id = resource.identity();
                if let Some(first) = seen.get(&id) {
                    return Err(BuildError::Duplicate {
                        id: id.to_string(),
                        first: first.clone(),
                        second: resource.source,
                    });
                }
                seen.insert(id, resource.source.clone());
                resources.push(resource);
            }
            if resources.len() > OBJECTS {
                return Err(too_large(format!("more than {OBJECTS} objects")));
            }
        }
        Ok(())
    }

    /// The objects of a file, or of the kustomization in a directory.
    fn resource(&self, name: &Located<String>) -> Result<Vec<Resource>, BuildError> {
        if name.value.is_empty() {
            return Err(name.error("expected a path"));
        }
        let path = match self.resolve(name) {
            Ok(path) => path,
            Err(error) => {
                refuse_remote(name)?;
                return Err(error);
            }
        };
        if self.tree.kind(&path) == Some(EntryKind::Directory) {
            return self.base(name, path);
        }
        match self.tree.read(&path) {
            Ok(bytes) => {
                self.restrict(name, &path)?;
                objects(&path, &bytes)
            }
            Err(TreeError::NotAFile(_)) => self.base(name, path),
            Err(error) => {
                refuse_remote(name)?;
                Err(tree_error(name, error))
            }
        }
    }

    /// What Flux generates for a directory without a kustomization file.
    pub(super) fn generate(&self) -> Result<Kustomization, BuildError> {
        let paths = generate::resources(self.tree, &self.directory)?;
        Ok(Kustomization {
            resources: paths
                .into_iter()
                .enumerate()
                .map(|(index, value)| Located {
                    file: shown(&self.directory),
                    field: format!("resources[{index}]"),
                    line: 0,
                    value,
                })
                .collect(),
            ..Kustomization::default()
        })
    }
}

pub(super) fn shown(directory: &str) -> String {
    if directory.is_empty() {
        ".".to_owned()
    } else {
        directory.to_owned()
    }
}

fn too_large(what: String) -> BuildError {
    BuildError::TooLarge { what }
}

/// Whether `directory` is above `path`.
fn holds(directory: &str, path: &str) -> bool {
    directory.is_empty()
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}

fn tree_error(name: &Located<String>, source: TreeError) -> BuildError {
    BuildError::Tree {
        file: name.file.clone(),
        line: name.line,
        field: name.field.clone(),
        source,
    }
}

fn refuse_remote(name: &Located<String>) -> Result<(), BuildError> {
    let value = name.value.as_str();
    let remote = value.contains("://")
        || value.contains("?ref=")
        || [
            "git@",
            "git::",
            "github.com/",
            "gitlab.com/",
            "bitbucket.org/",
        ]
        .iter()
        .any(|prefix| value.starts_with(prefix));
    if remote {
        return Err(name.error(format!(
            "`{value}` is remote, and only files of the tree are read; hint: add it as a source of its own, or keep a copy"
        )));
    }
    Ok(())
}

/// The objects of one file.
fn objects(path: &str, bytes: &[u8]) -> Result<Vec<Resource>, BuildError> {
    let documents = expand_lists(path, documents(path, bytes, Rules::Kustomize)?)?;
    documents
        .into_iter()
        .filter(|document| !document.root.is_empty())
        .map(|document| object(path, document))
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
        }
        .into()),
    }
}
