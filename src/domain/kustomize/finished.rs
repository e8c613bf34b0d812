//! What a build is asked for, and what it gives: objects to go on with, or their print.
//!
//! Invariant: both give the same objects and refuse the same builds. What is absent: the build.

use super::error::BuildError;
use super::remote::{Fetches, NoRemotes, Remotes, RepositoryUrl};
use super::resource::Resource;
use super::{Options, run};
use crate::domain::manifest::{Manifest, ManifestError, Printed};
use crate::domain::tree::FileTree;

/// What a build gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Built<Object = Manifest> {
    /// The objects, in order.
    pub manifests: Vec<Object>,
    /// What should be written otherwise, such as deprecated fields: `file:line: words`.
    pub warnings: Vec<String>,
}

/// A build that is done.
pub(super) struct Finished {
    pub(super) resources: Vec<Resource>,
    pub(super) warnings: Vec<String>,
}

impl Finished {
    fn objects(self) -> Result<Built, BuildError> {
        let objects = self.resources.into_iter().map(|resource| {
            let Resource { root, source, .. } = resource;
            let object = root.to_json();
            let object = object.map_err(|error| ManifestError::unfit(&source, &root, &error))?;
            Manifest::new(object, Some(source))
        });
        Ok(Built {
            manifests: objects.collect::<Result<_, _>>()?,
            warnings: self.warnings,
        })
    }

    /// Straight from the trees, which takes a third of what making objects first would.
    fn print(self) -> Result<Built<Printed>, BuildError> {
        let resources = self.resources.iter();
        let printed = resources.map(|resource| Printed::new(&resource.root, &resource.source));
        let built = Built {
            manifests: printed.collect::<Result<_, _>>()?,
            warnings: self.warnings,
        };
        Ok(built)
    }
}

/// Builds the directory `path` of `tree`. Remote bases are refused: see [`build_with`].
///
/// # Errors
/// [`BuildError`] for everything that kustomize refuses, and for fields not carried out yet.
pub fn build(tree: &dyn FileTree, path: &str, options: &Options) -> Result<Built, BuildError> {
    build_with(tree, path, options, &NoRemotes)
}

/// As [`build`], with remote bases and files from `remotes`, which is asked while this runs.
///
/// # Errors
/// As [`build`]; [`BuildError::Remote`] when a base or file cannot be fetched.
pub fn build_with(
    tree: &dyn FileTree,
    path: &str,
    options: &Options,
    remotes: &dyn Remotes,
) -> Result<Built, BuildError> {
    run(tree, path, options, &Fetches::new(remotes), Vec::new())?.objects()
}

/// As [`build_with`], for who wants to read the objects only.
///
/// # Errors
/// As [`build_with`].
pub fn print_with(
    tree: &dyn FileTree,
    path: &str,
    options: &Options,
    remotes: &dyn Remotes,
) -> Result<Built<Printed>, BuildError> {
    run(tree, path, options, &Fetches::new(remotes), Vec::new())?.print()
}

/// Builds what a URL names, as `kubectl kustomize URL` does.
///
/// # Errors
/// As [`build_with`]; [`BuildError::RemoteRoot`] when the repository cannot be fetched.
pub fn build_repository(
    repository: &RepositoryUrl,
    options: &Options,
    remotes: &dyn Remotes,
) -> Result<Built, BuildError> {
    run_repository(repository, options, remotes)?.objects()
}

/// As [`build_repository`], for who wants to read the objects only.
///
/// # Errors
/// As [`build_repository`].
pub fn print_repository(
    repository: &RepositoryUrl,
    options: &Options,
    remotes: &dyn Remotes,
) -> Result<Built<Printed>, BuildError> {
    run_repository(repository, options, remotes)?.print()
}

fn run_repository(
    repository: &RepositoryUrl,
    options: &Options,
    remotes: &dyn Remotes,
) -> Result<Finished, BuildError> {
    let fetches = Fetches::new(remotes);
    let fetched = fetches.tree(repository);
    let tree = fetched.map_err(|source| BuildError::RemoteRoot {
        url: repository.to_string(),
        source: Box::new(source),
    })?;
    let path = repository.path.trim_start_matches('/');
    run(&*tree, path, options, &fetches, vec![repository.clone()])
}
