//! A tree without the files that stay out of a source's artifact.
//!
//! Invariant: what the rules leave out cannot be listed, found or read, as it cannot in the cluster.
//! What is absent: a source's own `spec.ignore`, which the Kustomization does not know.

use crate::domain::ignore::{IGNORE_FILE, IgnoreRules};
use crate::domain::tree::{EntryKind, FileTree, TreeEntry, TreeError};

/// How many entries are looked at for files with rules.
const ENTRIES: usize = 200_000;

/// The tree as the rules leave it.
pub(super) struct Ignoring<'a> {
    tree: &'a dyn FileTree,
    /// The folder the rules are for; empty for the root.
    base: &'a str,
    rules: IgnoreRules,
}

impl<'a> Ignoring<'a> {
    /// Reads the rules below `base`; `paths` are further ones. Without any, everything is there.
    pub(super) fn new(tree: &'a dyn FileTree, base: &'a str, paths: &[String]) -> Self {
        let mut files = Vec::new();
        let mut seen = 0;
        find(tree, base, "", &mut files, &mut seen);
        let text = paths.join("\n");
        let rules = match files.is_empty() && text.is_empty() {
            true => IgnoreRules::default(),
            false => IgnoreRules::for_source(&files, (!text.is_empty()).then_some(&text)),
        };
        Self { tree, base, rules }
    }

    fn excludes(&self, path: &str, is_directory: bool) -> bool {
        let below = match self.base {
            "" => Some(path),
            base => path
                .strip_prefix(base)
                .and_then(|rest| rest.strip_prefix('/')),
        };
        below.is_some_and(|path| !path.is_empty() && self.rules.excludes(path, is_directory))
    }

    fn is_directory(&self, path: &str) -> bool {
        self.tree.kind(path) == Some(EntryKind::Directory)
    }

    fn check(&self, path: &str) -> Result<(), TreeError> {
        match self.excludes(path, self.is_directory(path)) {
            true => Err(TreeError::Unreadable {
                path: path.to_owned(),
                reason: "`.sourceignore` or `--ignore-paths` leaves it out".to_owned(),
            }),
            false => Ok(()),
        }
    }
}

fn find(
    tree: &dyn FileTree,
    base: &str,
    folder: &str,
    files: &mut Vec<(String, String)>,
    seen: &mut usize,
) {
    let at = |name: &str| {
        let parts = [base, folder, name];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join("/")
    };
    if let Ok(bytes) = tree.read(&at(IGNORE_FILE)) {
        files.push((
            folder.to_owned(),
            String::from_utf8_lossy(&bytes).into_owned(),
        ));
    }
    for entry in tree.entries(&at("")).unwrap_or_default() {
        *seen += 1;
        if *seen > ENTRIES {
            return;
        }
        if entry.kind == EntryKind::Directory && entry.name != ".git" {
            let below = match folder {
                "" => entry.name,
                folder => format!("{folder}/{}", entry.name),
            };
            if below.matches('/').count() < 64 {
                find(tree, base, &below, files, seen);
            }
        }
    }
}

impl FileTree for Ignoring<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.check(path)?;
        self.tree.read(path)
    }

    fn entries(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        self.check(path)?;
        let mut entries = self.tree.entries(path)?;
        entries.retain(|entry| {
            let child = match path {
                "" => entry.name.clone(),
                path => format!("{path}/{}", entry.name),
            };
            !self.excludes(&child, entry.kind == EntryKind::Directory)
        });
        Ok(entries)
    }

    fn kind(&self, path: &str) -> Option<EntryKind> {
        let kind = self.tree.kind(path)?;
        (!self.excludes(path, kind == EntryKind::Directory)).then_some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tree::MapTree;

    fn listed(base: &str, paths: &[&str]) -> Vec<String> {
        let tree = MapTree::from_texts([
            ("apps/a.yaml", ""),
            ("apps/b.yaml", ""),
            ("apps/sub/.sourceignore", "c.yaml\n"),
            ("apps/sub/c.yaml", ""),
            ("b.yaml", ""),
        ]);
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let left = Ignoring::new(&tree, base, &paths);
        let all = tree.0.keys().filter(|path| left.read(path).is_ok());
        all.cloned().collect()
    }

    #[test]
    fn rules_count_from_their_folder_and_only_below_the_base() {
        assert_eq!(
            listed("apps", &["/b.yaml"]),
            ["apps/a.yaml", "apps/sub/.sourceignore", "b.yaml"]
        );
        let root = listed("", &["/b.yaml"]);
        assert!(root.contains(&"apps/b.yaml".to_owned()) && !root.contains(&"b.yaml".to_owned()));
    }

    #[test]
    fn what_is_left_out_is_not_listed() {
        let tree = MapTree::from_texts([("a/x.yaml", ""), ("a/y.yaml", "")]);
        let left = Ignoring::new(&tree, "a", &["x.yaml".to_owned()]);
        let names: Vec<_> = left
            .entries("a")
            .expect("it is a folder")
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert_eq!(names, ["y.yaml"]);
        assert_eq!(left.kind("a/x.yaml"), None);
    }
}
