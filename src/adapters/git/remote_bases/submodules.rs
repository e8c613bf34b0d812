//! The files of a commit together with those of its submodules, each in its place.
//!
//! As `git submodule update --init --recursive` does: every submodule is fetched at the commit that
//! is written down. Invariant: a submodule is never read from this machine, and there is a bounded
//! number of them. What is absent: links of one repository into another.

use super::{BuildRemotes, failed};
use crate::adapters::git::Snapshot;
use crate::adapters::git::refs::commit_id;
use crate::domain::git_ref::CommitId;
use crate::domain::kustomize::remote::{RemoteError, RepositoryUrl, without_secrets};
use crate::domain::tree::{EntryKind, FileTree, TreeEntry, TreeError, join};
use gix::config::File;
use gix::config::file::{Metadata, init};
use gix::objs::tree::EntryKind as Mode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many submodules one repository may have, theirs included.
const SUBMODULES: usize = 64;

/// One submodule as the file `.gitmodules` describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Module {
    path: String,
    url: String,
    update: String,
}

/// The files of a commit, with others at some of its paths.
struct Composed {
    own: Snapshot,
    parts: BTreeMap<String, Arc<dyn FileTree>>,
}

impl BuildRemotes {
    /// The files of `snapshot` with those of its submodules.
    pub(super) fn complete(
        &self,
        snapshot: Snapshot,
        repository: &RepositoryUrl,
    ) -> Result<Arc<dyn FileTree>, RemoteError> {
        let mut left = SUBMODULES;
        self.compose(snapshot, repository, &mut left)
    }

    fn compose(
        &self,
        own: Snapshot,
        repository: &RepositoryUrl,
        left: &mut usize,
    ) -> Result<Arc<dyn FileTree>, RemoteError> {
        let modules = match own.read(".gitmodules") {
            Ok(bytes) => modules(&bytes)?,
            Err(TreeError::NotFound(_)) => return Ok(Arc::new(own)),
            Err(error) => return Err(failed(error)),
        };
        let mut parts = BTreeMap::new();
        for module in modules {
            let Some((path, commit)) = pinned(&own, &module.path)? else {
                continue;
            };
            if module.update == "none" {
                continue;
            }
            *left = left.checked_sub(1).ok_or_else(|| {
                RemoteError::Failed(format!("it has more than {SUBMODULES} submodules"))
            })?;
            let part = self.submodule(&module, commit, repository, left);
            let part = part.map_err(|error| {
                RemoteError::Failed(format!("its submodule `{path}` cannot be fetched: {error}"))
            })?;
            parts.insert(path, part);
        }
        Ok(Arc::new(Composed { own, parts }))
    }

    fn submodule(
        &self,
        module: &Module,
        commit: CommitId,
        above: &RepositoryUrl,
        left: &mut usize,
    ) -> Result<Arc<dyn FileTree>, RemoteError> {
        let url = absolute(&above.clone_url, &module.url)?;
        let repository = RepositoryUrl {
            raw: url.clone(),
            clone_url: url,
            path: String::new(),
            reference: Some(commit.to_string()),
            ..above.clone()
        };
        if repository.is_local() {
            let words = "a submodule is never read from this machine";
            return Err(RemoteError::Failed(words.to_owned()));
        }
        let snapshot = self.snapshot(&repository)?;
        self.compose(snapshot, &repository, left)
    }
}

/// The commit of the submodule at `path`, and the path as it stands in the tree.
fn pinned(own: &Snapshot, path: &str) -> Result<Option<(String, CommitId)>, RemoteError> {
    let found = own.locate(path, false).map_err(failed)?;
    let submodule = found.filter(|(_, node)| node.mode == Mode::Commit);
    Ok(submodule.and_then(|(path, node)| Some((path, commit_id(&node.id)?))))
}

/// The submodules that a `.gitmodules` file describes.
fn modules(bytes: &[u8]) -> Result<Vec<Module>, RemoteError> {
    let wrong = |error: gix::Error| {
        RemoteError::Failed(format!("its `.gitmodules` cannot be read: {error}"))
    };
    let file = File::from_bytes_no_includes(bytes, Metadata::api(), init::Options::default())
        .map_err(wrong)?;
    let mut modules: BTreeMap<String, Module> = BTreeMap::new();
    for section in file.sections_by_name("submodule").into_iter().flatten() {
        let Some(name) = section.header().subsection_name() else {
            continue;
        };
        let module = modules.entry(name.to_string()).or_default();
        for (key, field) in [
            ("path", &mut module.path),
            ("url", &mut module.url),
            ("update", &mut module.update),
        ] {
            if let Some(value) = section.value(key) {
                *field = value.to_string();
            }
        }
    }
    Ok(modules.into_values().collect())
}

/// The URL of a submodule, which may be relative to that of the repository it is in.
fn absolute(base: &str, url: &str) -> Result<String, RemoteError> {
    if !url.starts_with("./") && !url.starts_with("../") {
        return Ok(url.to_owned());
    }
    let wrong = || {
        let base = without_secrets(base);
        RemoteError::Failed(format!("`{url}` leads out of the host of `{base}`"))
    };
    let (scheme, rest) = base.split_once("://").ok_or_else(wrong)?;
    let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
    let path = join(path, url).map_err(|_| wrong())?;
    Ok(format!("{scheme}://{host}/{path}"))
}

impl Composed {
    /// The part that holds `path`, and the path in it.
    fn part(&self, path: &str) -> Result<Option<(&dyn FileTree, String)>, TreeError> {
        let path = join("", path)?;
        let found = self.parts.iter().find_map(|(place, part)| {
            let rest = path.strip_prefix(place.as_str())?;
            let inside = rest.is_empty() || rest.starts_with('/');
            inside.then(|| (&**part, rest.trim_start_matches('/').to_owned()))
        });
        Ok(found)
    }
}

impl FileTree for Composed {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        match self.part(path)? {
            Some((part, rest)) => part.read(&rest),
            None => self.own.read(path),
        }
    }

    fn entries(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        if let Some((part, rest)) = self.part(path)? {
            return part.entries(&rest);
        }
        let mut entries = self.own.entries(path)?;
        for entry in &mut entries {
            let place = join(path, &entry.name)?;
            if self.parts.contains_key(&place) {
                entry.kind = EntryKind::Directory;
            }
        }
        Ok(entries)
    }

    fn kind(&self, path: &str) -> Option<EntryKind> {
        match self.part(path).ok()? {
            Some((_, rest)) if rest.is_empty() => Some(EntryKind::Directory),
            Some((part, rest)) => part.kind(&rest),
            None => self.own.kind(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_url_starts_at_the_repository_and_stays_at_its_host() {
        let base = "https://host:8443/org/repo.git";
        for (url, expected) in [
            ("../other.git", "https://host:8443/org/other.git"),
            ("./inner.git", "https://host:8443/org/repo.git/inner.git"),
            ("../../team/x", "https://host:8443/team/x"),
            ("https://else/o/r", "https://else/o/r"),
            ("git@else:o/r", "git@else:o/r"),
        ] {
            assert_eq!(absolute(base, url), Ok(expected.to_owned()), "{url}");
        }
        assert!(absolute(base, "../../../else/x").is_err());
        assert!(absolute("git@host:o/r", "../x").is_err());
        let told = absolute("https://bot:hunter2@host/o/r", "../../../x");
        assert!(!told.expect_err("it leaves").to_string().contains("hunter2"));
    }

    #[test]
    fn the_file_of_submodules_is_read_as_git_reads_it() {
        let text =
            b"[core]\n\tx = y\n[submodule \"a\"]\n\tpath = libs/a ; words\n\turl = ../a.git\n\
            [submodule]\n\tpath = nameless\n[Submodule \"b\"]\n\tpath = \"b b\"\n\turl = x\n\
            [submodule \"a\"]\n\turl = ../new.git\n\tupdate = none\n";
        let module = |path: &str, url: &str, update: &str| Module {
            path: path.to_owned(),
            url: url.to_owned(),
            update: update.to_owned(),
        };
        assert_eq!(
            modules(text),
            Ok(vec![
                module("libs/a", "../new.git", "none"),
                module("b b", "x", "")
            ])
        );
        assert!(modules(b"[submodule \"a\n").is_err());
    }
}
