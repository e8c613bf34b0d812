//! Paths as written, made absolute: grouped, renamed, relative and imported ones too.

use std::collections::BTreeMap;

/// A path as it stands in the file.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) segments: Vec<String>,
    /// Whether it begins with `::`.
    pub(super) absolute: bool,
    /// The module it stands in, inline modules included.
    pub(super) module: Vec<String>,
    pub(super) line: usize,
    pub(super) test: bool,
    /// The name an import gives it.
    pub(super) alias: Option<String>,
}

/// A path that has been made absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) target: Target,
    pub(super) line: usize,
    pub(super) test: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// From the root of this crate: `["domain", "tags", "TagSet"]`.
    Inside(Vec<String>),
    /// From a crate, or from something local: `["std", "fs", "read"]`.
    Outside(Vec<String>),
}

/// How often an import may stand on another one.
const LONGEST_CHAIN: usize = 8;

/// Makes every path absolute; one that begins with an imported name is followed to the import.
pub(super) fn resolve(written: &[Written]) -> Vec<Reference> {
    let mut imports: BTreeMap<&str, Vec<&Written>> = BTreeMap::new();
    for path in written {
        if let Some(alias) = &path.alias {
            imports.entry(alias).or_default().push(path);
        }
    }
    let mut references = Vec::new();
    for path in written {
        for target in targets(path, &imports, LONGEST_CHAIN) {
            references.push(Reference {
                target,
                line: path.line,
                test: path.test,
            });
        }
    }
    references
}

fn targets(path: &Written, imports: &BTreeMap<&str, Vec<&Written>>, left: usize) -> Vec<Target> {
    let first = path.segments.first().map_or("", String::as_str);
    if path.absolute {
        return vec![Target::Outside(path.segments.clone())];
    }
    if let Some(inside) = inside(path) {
        return vec![Target::Inside(inside)];
    }
    if path.segments.len() < 2 || left == 0 {
        return vec![Target::Outside(path.segments.clone())];
    }
    let known = imports.get(first).into_iter().flatten();
    let known = known.filter(|import| import.segments != [first] && (path.test || !import.test));
    let mut found = Vec::new();
    for import in known {
        let mut longer = Written {
            segments: import.segments.clone(),
            alias: None,
            ..(*import).clone()
        };
        longer.segments.extend_from_slice(&path.segments[1..]);
        // An import that begins with its own name is a path from outside.
        if import.segments.first().is_some_and(|name| name == first) {
            found.push(Target::Outside(longer.segments));
        } else {
            found.extend(targets(&longer, imports, left - 1));
        }
    }
    if found.is_empty() {
        found.push(Target::Outside(path.segments.clone()));
    }
    found
}

/// A path that begins with `crate`, `self` or `super`.
fn inside(path: &Written) -> Option<Vec<String>> {
    let mut rest = path.segments.as_slice();
    let mut from = match rest.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => path.module.clone(),
        _ => return None,
    };
    while let Some(first) = rest.first() {
        match first.as_str() {
            "super" => {
                from.pop();
            }
            "crate" | "self" => {}
            _ => break,
        }
        rest = &rest[1..];
    }
    from.extend_from_slice(rest);
    Some(from)
}

#[cfg(test)]
mod tests {
    use super::super::facts::Facts;
    use super::*;

    fn targets_of(text: &str) -> Vec<String> {
        let references = Facts::planted("src/adapters/git/push.rs", text).references;
        let spelled = references
            .into_iter()
            .map(|reference| match reference.target {
                Target::Inside(path) => format!("crate::{}", path.join("::")),
                Target::Outside(path) => path.join("::"),
            });
        spelled.collect()
    }

    #[test]
    fn grouped_and_renamed_imports_are_taken_apart() {
        let found = targets_of(
            "use crate::{api::{self, words}, cli::run as start, domain::*}; use std::{fs, io};",
        );
        let expected = [
            "crate::api",
            "crate::api::words",
            "crate::cli::run",
            "crate::domain::*",
            "std::fs",
            "std::io",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn relative_paths_begin_at_their_module() {
        assert_eq!(
            targets_of("use super::pack; use super::super::tls; use self::inner::X;"),
            [
                "crate::adapters::git::pack",
                "crate::adapters::tls",
                "crate::adapters::git::push::inner::X"
            ]
        );
        assert_eq!(
            targets_of("mod tests { use super::super::refs; }"),
            ["crate::adapters::git::refs"]
        );
    }

    #[test]
    fn paths_in_types_expressions_macros_and_attributes_are_found() {
        let text = "fn a(x: crate::api::X) -> Vec<super::Y> { crate::cli::run(); format!(\"{}\", crate::domain::z()) }";
        let expected = [
            "crate::api::X",
            "crate::adapters::git::Y",
            "crate::cli::run",
            "crate::domain::z",
        ];
        assert_eq!(targets_of(text), expected);
        let text = "#[serde(with = \"crate::cli::time\")] struct A;";
        assert_eq!(targets_of(text), ["crate::cli::time"]);
    }

    #[test]
    fn a_path_is_followed_through_its_import() {
        assert_eq!(
            targets_of("use std::time; fn a() { time::Instant::now(); }"),
            ["std::time", "std::time::Instant::now"]
        );
        assert_eq!(
            targets_of("use crate as root; fn a() { root::cli::run(); }"),
            ["crate::", "crate::cli::run"]
        );
    }

    #[test]
    fn who_may_see_an_item_is_no_reference() {
        assert_eq!(
            targets_of("pub(in crate::cli) struct A; pub(super) fn b() {}"),
            Vec::<String>::new()
        );
    }
}
