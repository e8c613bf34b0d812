//! Where the tree of a build begins.
//!
//! kubectl reads whatever a path leads to. Here a build has a root that no path and no link leaves:
//! the Git work tree the folder is in, else the deepest folder that holds the folder and everything
//! that is named with `..` from it. Invariant: a link never widens the root. What is absent: reading.

use crate::adapters::folder::Folder;
use crate::cli::failure::Failure;
use crate::domain::kustomize::{BuildError, Options};
use crate::domain::tree::{FileTree, TreeError};
use std::error::Error;
use std::path::{Component, Path, PathBuf};

/// Runs `build` on the folder `dir`: in the tree it belongs to, at its path there.
pub(super) fn build<T>(
    dir: &Path,
    options: &Options,
    build: impl Fn(&dyn FileTree, &str) -> Result<T, BuildError>,
) -> Result<T, Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::new(format!(
            "cannot open the folder `{}`: {error}",
            dir.display()
        ))
    };
    let folder = Folder::open(dir).map_err(|error| cannot(&error))?.whole();
    let dir = folder.path();
    for root in roots(dir, options) {
        let below = dir.strip_prefix(&root).ok().and_then(Path::to_str);
        let path = below.ok_or_else(|| cannot(&"its name is not UTF-8"))?;
        let tree = folder.in_tree_of(&root);
        let tree = tree.ok_or_else(|| cannot(&"it does not lie below its root"))?;
        match build(&tree, path) {
            Ok(built) => return Ok(built),
            Err(error) if leads_above(&error) && !is_last(&root) => {}
            Err(error) => return Err(told(error, &root)),
        }
    }
    Err(cannot(&"it lies nowhere"))
}

/// The roots to try, deepest first.
fn roots(dir: &Path, options: &Options) -> Vec<PathBuf> {
    if let Some(work_tree) = dir.ancestors().find(|folder| is_work_tree(folder)) {
        return vec![work_tree.to_owned()];
    }
    // A component that may be missing must not seem to be because the tree is too small.
    let named = options.components.iter().map(|component| height(component));
    let above = dir.ancestors().skip(named.max().unwrap_or_default());
    let mut roots: Vec<PathBuf> = above.map(Path::to_owned).collect();
    if roots.is_empty() {
        roots.extend(dir.ancestors().last().map(Path::to_owned));
    }
    roots
}

fn is_work_tree(folder: &Path) -> bool {
    folder.join(".git").symlink_metadata().is_ok()
}

fn is_last(root: &Path) -> bool {
    root.parent().is_none() || is_work_tree(root)
}

/// How many folders a relative path leads up at most.
fn height(path: &str) -> usize {
    let (mut depth, mut highest) = (0_isize, 0_isize);
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            _ => {}
        }
        highest = highest.min(depth);
    }
    highest.unsigned_abs()
}

/// Whether a path with `..` leaves the tree. A link that does is no reason for a larger one.
fn leads_above(error: &BuildError) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(TreeError::OutsideTree(path)) = error.downcast_ref() {
            return path.split('/').any(|part| part == "..");
        }
        next = error.source();
    }
    false
}

fn told(error: BuildError, root: &Path) -> Failure {
    let failure = Failure::from(error);
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    match here.is_ok_and(|here| here == root) {
        true => failure,
        false => failure.with_hint(format!("paths are relative to `{}`", root.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_as_high_as_it_gets_on_its_way() {
        for (path, expected) in [("a/b", 0), ("../a", 1), ("a/../../../b", 2), (".", 0)] {
            assert_eq!(height(path), expected, "{path}");
        }
    }

    #[test]
    fn a_work_tree_is_the_root_and_else_the_folder_that_is_deep_enough() {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let base = temporary.path().canonicalize().expect("it is there");
        let dir = base.join("a/b");
        std::fs::create_dir_all(&dir).expect("a folder");
        let options = |components: &[&str]| Options {
            components: components.iter().map(|text| (*text).to_owned()).collect(),
            ..Options::flux()
        };
        assert_eq!(roots(&dir, &options(&[])).first(), Some(&dir));
        let first = roots(&dir, &options(&["../c", "../../d"]));
        assert_eq!(first.first(), Some(&base));
        std::fs::write(base.join("a/.git"), "gitdir: elsewhere").expect("a file");
        assert_eq!(roots(&dir, &options(&["../../d"])), [base.join("a")]);
    }
}
