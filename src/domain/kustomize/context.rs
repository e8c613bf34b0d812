//! One directory of a build: reading what its kustomization names.
//!
//! Invariant: every read stays in the tree, and in or below the directory where the options say
//! so; a directory never includes itself or one above it. What is absent: what is done with it.

use super::Options;
use super::budget::Budget;
use super::decode::Located;
use super::error::BuildError;
use super::file::{self, Kustomization};
use super::generate;
use super::origin::Origin;
use super::remote::{Fetches, RepositoryUrl, remote_error, without_secrets};
use super::schema::Schemas;
use crate::domain::tree::{EntryKind, FileTree, TreeError, join};

/// One directory of a build.
pub(super) struct Context<'a> {
    pub(super) tree: &'a dyn FileTree,
    pub(super) options: &'a Options,
    pub(super) directory: String,
    /// The directories of this tree that led here, outermost first.
    pub(super) above: Vec<String>,
    /// How many directories led here, those of other trees included.
    pub(super) depth: usize,
    /// The repositories that led here, outermost first; the tree is the last one's.
    pub(super) clones: Vec<RepositoryUrl>,
    /// Where this directory lies, if that is noted on objects.
    pub(super) origin: Option<Origin>,
    pub(super) budget: &'a Budget,
    pub(super) fetches: &'a Fetches<'a>,
    pub(super) schemas: &'a Schemas,
}

impl<'a> Context<'a> {
    /// Reads the file that a field names, a path or a URL. Gives what it is called in messages.
    pub(super) fn read(&self, name: &Located<String>) -> Result<(String, Vec<u8>), BuildError> {
        if let Some(fetched) = self.remote_file(name) {
            let bytes = fetched.map_err(|error| remote_error(name, error))?;
            return Ok((without_secrets(&name.value), bytes));
        }
        let path = self.resolve(name)?;
        self.restrict(name, &path)?;
        match self.tree.read(&path) {
            Ok(bytes) => {
                self.budget.read(&bytes)?;
                Ok((self.called(&path), bytes))
            }
            Err(error) => Err(tree_error(name, error)),
        }
    }

    pub(super) fn resolve(&self, name: &Located<String>) -> Result<String, BuildError> {
        join(&self.directory, &name.value).map_err(|error| tree_error(name, error))
    }

    pub(super) fn restrict(&self, name: &Located<String>, path: &str) -> Result<(), BuildError> {
        let inside = self.directory.is_empty() || holds(&self.directory, path);
        // As in kustomize, what is fetched is never trusted to look around.
        let only_below = self.options.only_below_root || !self.clones.is_empty();
        if only_below && !inside {
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
    pub(super) fn enter(
        &self,
        name: &Located<String>,
        path: String,
    ) -> Result<Context<'a>, BuildError> {
        let visited = self.above.iter().chain([&self.directory]);
        if visited
            .into_iter()
            .any(|above| path == *above || holds(&path, above))
        {
            return Err(BuildError::Cycle {
                file: name.file.clone(),
                line: name.line,
                field: name.field.clone(),
                directory: self.called(&path),
            });
        }
        let mut above = self.above.clone();
        above.push(self.directory.clone());
        Ok(Context {
            directory: path,
            above,
            depth: self.deeper()?,
            clones: self.clones.clone(),
            origin: self
                .origin
                .as_ref()
                .map(|origin| origin.append(&name.value)),
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
                    Ok(bytes) => {
                        self.budget.read(&bytes)?;
                        found.push((path, bytes));
                    }
                    Err(TreeError::NotAFile(_) | TreeError::NotFound(_)) => {}
                    Err(error) => return Err(BuildError::Root(error)),
                },
            }
        }
        if found.len() > 1 {
            return Err(BuildError::SeveralKustomizations {
                directory: self.called(&self.directory),
                names: found.into_iter().map(|(path, _)| path).collect(),
            });
        }
        Ok(found.pop())
    }

    /// The kustomization of this directory, which `name` named, and the file it stands in.
    pub(super) fn load(
        &self,
        name: &Located<String>,
    ) -> Result<(String, Box<Kustomization>), BuildError> {
        let found = self.find().map_err(|error| match error {
            BuildError::SeveralKustomizations { .. } => name.error(error.to_string()),
            other => other,
        });
        let Some((path, bytes)) = found? else {
            let directory = self.called(&self.directory);
            let error = BuildError::NoKustomization { directory };
            return Err(name.error(error.to_string()));
        };
        let file = self.called(&path);
        let kustomization = file::parse(&path, &file, &bytes)?;
        if kustomization.empty {
            return Err(BuildError::Empty { file });
        }
        // Whoever calls this calls itself, and has to be small on the stack.
        Ok((file, Box::new(kustomization)))
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
            path: file::NAMES[0].to_owned(),
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

/// Whether `directory` is above `path`.
pub(super) fn holds(directory: &str, path: &str) -> bool {
    directory.is_empty()
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn tree_error(name: &Located<String>, source: TreeError) -> BuildError {
    BuildError::Tree {
        file: name.file.clone(),
        line: name.line,
        field: name.field.clone(),
        source,
    }
}
