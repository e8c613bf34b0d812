//! Paths into objects of certain kinds, and walking them.
//!
//! Invariant: a path element ending in `[]` only goes into what is there; sequences on the way are
//! walked item by item whether the path says so or not. What is absent: what is done at the end.

use super::decode::At;
use super::error::BuildError;
use super::field_path::made;
use super::resource::GvkRef;
use crate::domain::manifest::{Mapping, Node, Scalar, ScalarKind};
use std::borrow::Cow;

/// How many elements a path may have: what is made is as deep.
const DEPTH: usize = 256;

/// Which field of which kinds. An empty group, version or kind fits every object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSpec {
    pub(super) group: Cow<'static, str>,
    pub(super) version: Cow<'static, str>,
    pub(super) kind: Cow<'static, str>,
    /// Elements divided by `/`; `\/` is a `/` inside an element.
    pub(super) path: Cow<'static, str>,
    /// Whether missing elements are made.
    pub(super) create: bool,
}

/// A table of fields that are never made, as it stands in the program: `(group, version, kind) "begins/" ["one", "other"];` for
/// each kind. Nothing is joined or copied when a build begins.
macro_rules! fields {
    ($(($group:expr, $version:literal, $kind:literal) $begin:literal [$($end:literal),+ $(,)?];)*) => {
        &[$($($crate::domain::kustomize::field_spec::FieldSpec::new(
            $group,
            $version,
            $kind,
            concat!($begin, $end),
            false,
        )),+),*]
    };
}
pub(super) use fields;

/// Fields in their order. What stands in the program is not copied until somebody adds to it.
pub(super) type FieldList = Cow<'static, [FieldSpec]>;

/// What stands at the end of a path that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Create {
    Nothing,
    Text,
    Mapping,
}

/// What is done at the end of a path. The error says what is wrong there.
pub(super) type Set<'a> = dyn FnMut(&mut Node) -> Result<(), String> + 'a;

impl FieldSpec {
    pub(super) const fn new(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        path: &'static str,
        create: bool,
    ) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            kind: Cow::Borrowed(kind),
            path: Cow::Borrowed(path),
            create,
        }
    }

    /// Reads one entry of a table.
    pub(super) fn parse(at: &At<'_>) -> Result<Self, BuildError> {
        let fields = at.fields()?;
        fields.only(&["path", "create", "group", "version", "kind"])?;
        if fields.text("path")?.split('/').count() > DEPTH {
            return Err(at.error(format!("`path` has more than {DEPTH} elements")));
        }
        Ok(Self {
            group: fields.text("group")?.into(),
            version: fields.text("version")?.into(),
            kind: fields.text("kind")?.into(),
            path: fields.text("path")?.into(),
            create: fields.flag("create")?,
        })
    }

    pub(super) fn fits<'a>(&self, gvk: impl Into<GvkRef<'a>>) -> bool {
        let gvk = gvk.into();
        (self.kind.is_empty() || self.kind == gvk.kind)
            && (self.group.is_empty() || self.group == gvk.group)
            && (self.version.is_empty() || self.version == gvk.version)
    }

    /// Calls `set` for every node the path leads to.
    pub(super) fn visit(
        &self,
        root: &mut Node,
        create: Create,
        set: &mut Set<'_>,
    ) -> Result<(), String> {
        let create = if self.create { create } else { Create::Nothing };
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        walk(root, Some(path), create, set)
    }

    /// Whether an entry for `other` would be this one.
    fn covers(&self, other: &Self) -> bool {
        let selects = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        self.path == other.path
            && selects(&other.group, &self.group)
            && selects(&other.version, &self.version)
            && selects(&other.kind, &self.kind)
    }
}

/// Adds what is not there yet. The error names the path two entries disagree on.
pub(super) fn extend(specs: &mut FieldList, more: &[FieldSpec]) -> Result<(), String> {
    for spec in more {
        match specs.iter().find(|known| known.covers(spec)) {
            None => specs.to_mut().push(spec.clone()),
            Some(known) if known.create == spec.create => {}
            Some(_) => {
                return Err(format!(
                    "`{}` is there already with another `create`",
                    spec.path
                ));
            }
        }
    }
    Ok(())
}

/// The first element of a path, and what follows it.
fn divide(path: &str) -> (Cow<'_, str>, Option<&str>) {
    let (mut last, mut escaped) = (0, false);
    let mut border = None;
    for (at, byte) in path.bytes().enumerate() {
        match (byte, last) {
            (b'/', b'\\') => escaped = true,
            (b'/', _) => {
                border = Some(at);
                break;
            }
            _ => {}
        }
        last = byte;
    }
    let (element, rest) = match border {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path.strip_suffix('\\').unwrap_or(path), None),
    };
    if escaped {
        return (element.replace("\\/", "/").into(), rest);
    }
    (element.into(), rest)
}

fn walk(
    node: &mut Node,
    path: Option<&str>,
    create: Create,
    set: &mut Set<'_>,
) -> Result<(), String> {
    let Some(remaining) = path else {
        return set(node);
    };
    if node.is_null() {
        return Ok(());
    }
    match node {
        Node::Sequence(items) => items
            .iter_mut()
            .try_for_each(|item| walk(item, path, create, set)),
        Node::Mapping(mapping) => {
            let (first, rest) = divide(remaining);
            enter(mapping, &first, rest, create, set)
        }
        Node::Scalar(_) => Err(format!(
            "expected a mapping or a list where `{}` is looked for",
            divide(remaining).0
        )),
    }
}

/// Whether kustomize takes an element for an item of a list: `0`, `-`, `*`, `[name=web]`.
fn is_of_a_list(element: &str) -> bool {
    match element.as_bytes() {
        [b'-' | b'*'] => true,
        [b'[', .., b']'] => true,
        [b'+' | b'-' | b'0'..=b'9', ..] => element.parse::<i64>().is_ok(),
        _ => false,
    }
}

fn enter(
    mapping: &mut Mapping,
    element: &str,
    rest: Option<&str>,
    create: Create,
    set: &mut Set<'_>,
) -> Result<(), String> {
    let (field, list) = match element.strip_suffix("[]") {
        Some(field) => (field, true),
        None => (element, false),
    };
    if field.is_empty() {
        return Err("a path cannot have an empty element".to_owned());
    }
    if is_of_a_list(field) {
        return Err(format!("expected a list where `{field}` is looked for"));
    }
    let make = || match create {
        Create::Text if rest.is_none() => Node::Scalar(made("")),
        _ => Node::mapping(),
    };
    let node = if create == Create::Nothing || list {
        match mapping.get_mut(field) {
            None => return Ok(()),
            Some(node) => {
                if list && node.is_null() {
                    *node = Node::Sequence(Vec::new());
                }
                node
            }
        }
    } else {
        let node = mapping.get_or_insert_with(field, make);
        if node.is_null() {
            *node = match (make(), node.as_text()) {
                // What `null` was written as, kustomize goes on with.
                (Node::Scalar(_), Some(written)) => {
                    Node::Scalar(Scalar::new(written, ScalarKind::Text, 0))
                }
                (made, _) => made,
            };
        }
        node
    };
    walk(node, rest, create, set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_slash_is_no_border() {
        let elements = |path: &str| {
            let mut elements = Vec::new();
            let mut rest = Some(path.to_owned());
            while let Some(path) = rest {
                let (first, more) = divide(&path);
                elements.push(first.into_owned());
                rest = more.map(str::to_owned);
            }
            elements
        };
        for (path, expected) in [
            (
                "spec/containers[]/image",
                vec!["spec", "containers[]", "image"],
            ),
            (
                "metadata/annotations/a.io\\/x\\/y",
                vec!["metadata", "annotations", "a.io/x/y"],
            ),
            ("a//b/", vec!["a", "", "b", ""]),
            ("a\\", vec!["a"]),
            ("", vec![""]),
        ] {
            assert_eq!(elements(path), expected, "{path}");
        }
    }
}
