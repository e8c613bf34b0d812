//! Going from one directory of a build into another, or into a repository.
//!
//! Invariant: inside a repository everything is read from that repository; one never leads back
//! into itself, nor into one that led to it, as far as their URLs tell. What is absent: fetching.

use super::{RemoteError, RepositoryUrl, is_file_url, without_secrets};
use crate::domain::kustomize::context::{Context, shown, tree_error};
use crate::domain::kustomize::decode::Located;
use crate::domain::kustomize::error::BuildError;
use crate::domain::tree::{EntryKind, FileTree, join};

impl<'a> Context<'a> {
    /// Does something in the directory that `name` names: one of the tree, or of a repository.
    pub(in crate::domain::kustomize) fn inside<T>(
        &self,
        name: &Located<String>,
        then: impl FnOnce(&Context<'_>) -> Result<T, BuildError>,
    ) -> Result<T, BuildError> {
        let Some(repository) = RepositoryUrl::parse(&name.value) else {
            let path = self.resolve(name)?;
            // Listing is for what may be a link to a directory: it can cost much.
            if self.tree.kind(&path) != Some(EntryKind::Directory) {
                self.tree
                    .entries(&path)
                    .map_err(|error| tree_error(name, error))?;
            }
            return then(&self.enter(name, path)?);
        };
        self.refuse_cycle(name, &repository)?;
        let fetched = self.fetches.tree(&repository);
        let tree = fetched.map_err(|error| remote_error(name, error))?;
        then(&self.enter_repository(name, repository, &*tree)?)
    }

    /// Refuses a repository that led here, by the text of its URL as kustomize does.
    pub(in crate::domain::kustomize) fn refuse_cycle(
        &self,
        name: &Located<String>,
        repository: &RepositoryUrl,
    ) -> Result<(), BuildError> {
        let mut clones = self.clones.iter();
        if clones.any(|clone| clone.raw.starts_with(&repository.raw)) {
            return Err(BuildError::Cycle {
                file: name.file.clone(),
                line: name.line,
                field: name.field.clone(),
                directory: repository.to_string(),
            });
        }
        Ok(())
    }

    fn enter_repository<'b>(
        &self,
        name: &Located<String>,
        repository: RepositoryUrl,
        tree: &'b dyn FileTree,
    ) -> Result<Context<'b>, BuildError>
    where
        'a: 'b,
    {
        let directory = join("", repository.path.trim_start_matches('/'))
            .and_then(|path| tree.entries(&path).map(|_| path))
            .map_err(|error| BuildError::Remote {
                file: name.file.clone(),
                line: name.line,
                field: name.field.clone(),
                url: repository.to_string(),
                source: Box::new(RemoteError::Failed(error.to_string())),
            })?;
        let mut clones = self.clones.clone();
        clones.push(repository);
        Ok(Context {
            tree,
            directory,
            above: Vec::new(),
            depth: self.deeper()?,
            clones,
            origin: self
                .origin
                .as_ref()
                .map(|origin| origin.append(&name.value)),
            options: self.options,
            budget: self.budget,
            fetches: self.fetches,
            schemas: self.schemas,
        })
    }

    /// The depth of a directory below this one.
    pub(in crate::domain::kustomize) fn deeper(&self) -> Result<usize, BuildError> {
        /// How many directories may include one another in a row.
        const DEPTH: usize = 64;
        if self.depth >= DEPTH {
            return Err(BuildError::too_large(format!(
                "more than {DEPTH} directories in a row"
            )));
        }
        Ok(self.depth + 1)
    }

    /// What a path of this tree is called in messages: in a repository, its URL stands before it.
    pub(in crate::domain::kustomize) fn called(&self, path: &str) -> String {
        match self.clones.last() {
            None => shown(path),
            Some(clone) => RepositoryUrl {
                path: path.to_owned(),
                ..clone.clone()
            }
            .to_string(),
        }
    }

    /// The file at the URL that `name` holds; `None` when it is no URL of a file.
    pub(in crate::domain::kustomize) fn remote_file(
        &self,
        name: &Located<String>,
    ) -> Option<Result<Vec<u8>, RemoteError>> {
        is_file_url(&name.value).then(|| self.fetches.file(&name.value))
    }
}

pub(in crate::domain::kustomize) fn remote_error(
    name: &Located<String>,
    source: RemoteError,
) -> BuildError {
    BuildError::Remote {
        file: name.file.clone(),
        line: name.line,
        field: name.field.clone(),
        url: without_secrets(&name.value),
        source: Box::new(source),
    }
}
