//! The kustomization Flux makes up for a directory that has none.
//!
//! Invariant: paths come in byte order, directory by directory; a directory with a kustomization
//! file is one resource and is not searched; links to directories are not followed.
//! What is absent: `.sourceignore`; what it excludes is not in the tree.

use super::error::BuildError;
use super::file::NAMES;
use crate::domain::tree::{EntryKind, FileTree, join};

/// How many files and directories are looked at.
const ENTRIES: usize = 200_000;

/// The resources below `directory`, as paths relative to it.
pub(super) fn resources(tree: &dyn FileTree, directory: &str) -> Result<Vec<String>, BuildError> {
    let mut found = Vec::new();
    let mut seen = 0;
    search(tree, directory, "", &mut found, &mut seen, 0)?;
    Ok(found)
}

fn search(
    tree: &dyn FileTree,
    root: &str,
    below: &str,
    found: &mut Vec<String>,
    seen: &mut usize,
    depth: usize,
) -> Result<(), BuildError> {
    let path = join(root, below).map_err(BuildError::Root)?;
    for entry in tree.entries(&path).map_err(BuildError::Root)? {
        *seen += 1;
        if *seen > ENTRIES || depth > 256 {
            let what = format!("more than {ENTRIES} files, or 256 directories in a row");
            return Err(BuildError::too_large(what));
        }
        let relative = if below.is_empty() {
            entry.name.clone()
        } else {
            format!("{below}/{}", entry.name)
        };
        match entry.kind {
            EntryKind::Submodule => {}
            EntryKind::Directory => {
                if has_kustomization(tree, root, &relative) {
                    found.push(relative);
                } else {
                    search(tree, root, &relative, found, seen, depth + 1)?;
                }
            }
            _ if is_yaml(&entry.name) => found.push(relative),
            _ => {}
        }
    }
    Ok(())
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

fn has_kustomization(tree: &dyn FileTree, root: &str, directory: &str) -> bool {
    NAMES.iter().any(|name| {
        join(root, &format!("{directory}/{name}"))
            .ok()
            .and_then(|path| tree.kind(&path))
            .is_some_and(|kind| !matches!(kind, EntryKind::Directory | EntryKind::Submodule))
    })
}
