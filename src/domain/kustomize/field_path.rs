//! Paths of replacements: `spec.containers.[name=web].image`, `data.*`, `args.0`.
//!
//! Invariant: an entry of a list is looked up by equality where a value is read, and by a regular
//! expression that need not match the whole where one is written, as in kustomize v5.8.1. What is
//! absent: writing inside a string that holds YAML or JSON (`inner` does); what is written there by
//! way of a wildcard is lost, as it is there.

use super::expression::compile;
use super::inner;
use crate::domain::manifest::{Mapping, Node, Scalar, ScalarKind};
use crate::domain::pattern::Pattern;
use compact_str::CompactString;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::ops::Deref;

/// One element of a path.
#[derive(Clone, Debug)]
pub(super) struct Element {
    text: String,
    /// What entries of a list are found by, once it was asked for: a path leads into many objects.
    expression: OnceCell<Result<Pattern, String>>,
}

impl Element {
    fn new(text: String) -> Self {
        Self {
            text,
            expression: OnceCell::new(),
        }
    }

    /// The expression behind the `=` of `[field=value]`.
    pub(super) fn expression(&self) -> Result<&Pattern, String> {
        let compiled = self.expression.get_or_init(|| {
            let value = self.value().unwrap_or_default();
            compile(value).map_err(|error| format!("`{value}`: {error}"))
        });
        compiled.as_ref().map_err(String::clone)
    }

    /// The value of `[field=value]`.
    pub(super) fn value(&self) -> Option<&str> {
        let inner = self.text.strip_prefix('[')?.strip_suffix(']')?;
        inner.split_once('=').map(|(_, value)| value)
    }
}

impl Deref for Element {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl AsRef<str> for Element {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// The elements of a path; what stands in brackets is one element, and `\.` is no border.
pub(super) fn split(path: &str) -> Vec<Element> {
    let mut parts: Vec<String> = Vec::new();
    let mut pieces = path.split('.').peekable();
    if path.starts_with('.') && path.len() > 1 {
        pieces.next();
    }
    for piece in pieces {
        match parts.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push('.');
                last.push_str(piece);
            }
            _ => parts.push(piece.to_owned()),
        }
    }
    let elements = join_brackets(parts).into_iter();
    elements.map(Element::new).collect()
}

fn join_brackets(parts: Vec<String>) -> Vec<String> {
    let mut elements = Vec::new();
    let mut parts = parts.into_iter();
    while let Some(mut element) = parts.next() {
        if element.starts_with('[') && !element.ends_with(']') {
            for part in parts.by_ref() {
                element.push('.');
                element.push_str(&part);
                if part.ends_with(']') {
                    break;
                }
            }
            if !element.contains('=') {
                element = element.trim_matches(['[', ']']).to_owned();
            }
        }
        elements.push(element);
    }
    elements
}

/// The field and the value of `[field=value]`; the error names an element without `=`.
fn entry(element: &str) -> Option<Result<(&str, &str), String>> {
    let inner = element.strip_prefix('[')?.strip_suffix(']')?;
    Some(
        inner
            .split_once('=')
            .ok_or_else(|| format!("expected `[field=value]`, found `{element}`")),
    )
}

/// The index of what `element` names in `node`, among its items or its entries.
fn child(node: &Node, element: &str) -> Result<Option<usize>, String> {
    let items = || {
        node.as_sequence()
            .ok_or_else(|| format!("expected a list where `{element}` is looked for"))
    };
    if let Ok(index) = element.parse::<usize>() {
        let length = items()?.len();
        return Ok((index < length).then_some(index));
    }
    if element == "-" {
        return Ok(items()?.len().checked_sub(1));
    }
    if element == "*" {
        return Err("`*` cannot be read from".to_owned());
    }
    if let Some(entry) = entry(element) {
        let (field, value) = entry?;
        let found = |item: &Node| match field {
            "" => item.as_text() == Some(value),
            field => item.get(field).and_then(Node::as_text) == Some(value),
        };
        return Ok(items()?.iter().position(found));
    }
    let Some(mapping) = node.as_mapping() else {
        return Err(format!(
            "expected a mapping where `{element}` is looked for"
        ));
    };
    let mut entries = mapping.entries.iter();
    Ok(entries.position(|entry| entry.key == element))
}

/// The elements of a path that are looked up.
fn stated<E: AsRef<str>>(path: &[E]) -> impl Iterator<Item = &str> {
    path.iter()
        .map(|element| element.as_ref().trim())
        .filter(|element| !element.is_empty())
}

/// The node a path leads to, if it is there.
pub(super) fn look_up<'a, E: AsRef<str>>(
    root: &'a Node,
    path: &[E],
) -> Result<Option<&'a Node>, String> {
    let mut node = root;
    for element in stated(path) {
        if node.is_null() {
            return Ok(None);
        }
        let Some(index) = child(node, element)? else {
            return Ok(None);
        };
        let next = match node {
            Node::Scalar(_) => None,
            Node::Sequence(items) => items.get(index),
            Node::Mapping(mapping) => mapping.entries.get(index).map(|entry| &entry.value),
        };
        match next {
            None => return Ok(None),
            Some(next) => node = next,
        }
    }
    Ok(Some(node))
}

/// The scalar a path leads to, to change it.
pub(super) fn scalar_mut<'a>(root: &'a mut Node, path: &[Element]) -> Option<&'a mut Scalar> {
    let mut node = root;
    for element in stated(path) {
        let index = child(node, element).ok()??;
        node = match node {
            Node::Scalar(_) => return None,
            Node::Sequence(items) => items.get_mut(index)?,
            Node::Mapping(mapping) => &mut mapping.entries.get_mut(index)?.value,
        };
    }
    match node {
        Node::Scalar(scalar) => Some(scalar),
        _ => None,
    }
}

/// What is made where a path ends at nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Scalar,
    Sequence,
    Mapping,
}

impl Leaf {
    pub(super) fn like(node: &Node) -> Self {
        match node {
            Node::Scalar(_) => Self::Scalar,
            Node::Sequence(_) => Self::Sequence,
            Node::Mapping(_) => Self::Mapping,
        }
    }

    fn make(self, next: Option<&Element>) -> Node {
        let list = |next: &Element| next.parse::<usize>().is_ok() || entry(next).is_some();
        match (next, self) {
            (Some(next), _) if list(next) => Node::Sequence(Vec::new()),
            (Some(_), _) | (None, Self::Mapping) => Node::mapping(),
            (None, Self::Sequence) => Node::Sequence(Vec::new()),
            (None, Self::Scalar) => Node::Scalar(made("")),
        }
    }
}

/// A scalar that means what its text looks like.
pub(super) fn made(text: impl Into<CompactString>) -> Scalar {
    Scalar::new(text, ScalarKind::Untagged, 0)
}

/// What is done at the end of a path. The error says what is wrong there.
pub(super) type Set<'a> = dyn FnMut(&mut Node) -> Result<(), String> + 'a;

/// Calls `set` for every node the path leads to, and gives their number. What is missing is made
/// when `create` says of what kind.
pub(super) fn visit(
    node: &mut Node,
    path: &[Element],
    create: Option<Leaf>,
    set: &mut Set<'_>,
) -> Result<usize, String> {
    let Some((element, rest)) = path.split_first() else {
        set(node)?;
        return Ok(1);
    };
    if let Ok(index) = element.parse::<usize>() {
        let items = list(node, element)?;
        if index == items.len()
            && let Some(leaf) = create
        {
            items.push(leaf.make(rest.first()));
        }
        let length = items.len();
        let item = items
            .get_mut(index)
            .ok_or_else(|| format!("`{element}` is not an index of a list of {length}"))?;
        return visit(item, rest, create, set);
    }
    if let Some(entry) = entry(element) {
        let (field, _) = entry?;
        return visit_entries(list(node, element)?, (field, element), rest, create, set);
    }
    if &**element == "*" {
        let mut found = 0;
        for item in list(node, element)? {
            found += visit(item, rest, create, set)?;
        }
        return Ok(found);
    }
    let Node::Mapping(mapping) = node else {
        return Err(format!(
            "expected a mapping where `{element}` is looked for"
        ));
    };
    visit_field(mapping, element, rest, create, set)
}

fn list<'a>(node: &'a mut Node, element: &str) -> Result<&'a mut Vec<Node>, String> {
    match node {
        Node::Sequence(items) => Ok(items),
        _ => Err(format!("expected a list where `{element}` is looked for")),
    }
}

fn visit_field(
    mapping: &mut Mapping,
    element: &str,
    rest: &[Element],
    create: Option<Leaf>,
    set: &mut Set<'_>,
) -> Result<usize, String> {
    if element.is_empty() {
        return Err("the path has an empty element".to_owned());
    }
    if mapping.get(element).is_none() {
        match create {
            None => return Ok(0),
            Some(leaf) => mapping.set(element, leaf.make(rest.first())),
        }
    }
    match mapping.get_mut(element) {
        None => Ok(0),
        Some(Node::Scalar(scalar)) if !rest.is_empty() => {
            let found = inner::look(&scalar.text, rest, create, set);
            found.map_err(|refusal| format!("inside the string `{element}`: {refusal}"))
        }
        Some(node) => visit(node, rest, create, set),
    }
}

fn visit_entries(
    items: &mut Vec<Node>,
    (field, element): (&str, &Element),
    rest: &[Element],
    create: Option<Leaf>,
    set: &mut Set<'_>,
) -> Result<usize, String> {
    let pattern = element.expression()?;
    let value = element.value().unwrap_or_default();
    for attempt in 0..2 {
        let mut found = 0;
        for item in items.iter_mut() {
            let compared = match field {
                "" => item.as_scalar(),
                field => item.get(field).and_then(Node::as_scalar),
            };
            if !compared.is_some_and(|scalar| pattern.matches(&printed(scalar))) {
                continue;
            }
            found += match field {
                "" => visit(item, &[], create, set)?,
                _ => visit(item, rest, create, set)?,
            };
        }
        if found > 0 || create.is_none() || attempt > 0 {
            return Ok(found);
        }
        items.push(if field.is_empty() {
            Node::Scalar(made(value))
        } else {
            let mut mapping = Mapping::default();
            mapping.set(field, Node::Scalar(made(value)));
            Node::Mapping(mapping)
        });
    }
    Ok(0)
}

/// What the expression for an entry is held against: quotes are part of it.
fn printed(scalar: &Scalar) -> Cow<'_, str> {
    if scalar.quoted {
        Cow::Owned(format!("\"{}\"", scalar.text))
    } else {
        Cow::Borrowed(scalar.text.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_split_at_dots_outside_of_brackets() {
        for (path, elements) in [
            ("metadata.name", vec!["metadata", "name"]),
            (".metadata.name", vec!["metadata", "name"]),
            (
                "metadata.annotations.a\\.b/c",
                vec!["metadata", "annotations", "a.b/c"],
            ),
            (
                "metadata.annotations.[a.b/c]",
                vec!["metadata", "annotations", "a.b/c"],
            ),
            ("spec.[name=a.b].image", vec!["spec", "[name=a.b]", "image"]),
            ("spec.[name=a].x", vec!["spec", "[name=a]", "x"]),
            ("spec.*.0", vec!["spec", "*", "0"]),
        ] {
            let split = split(path);
            let split: Vec<&str> = split.iter().map(|element| &**element).collect();
            assert_eq!(split, elements, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "[a-z0-9.*=\\[\\]\\\\-]{0,24}", create: bool) {
            let mut node = Node::mapping();
            let path = split(&path);
            let _ = look_up(&node, &path);
            let _ = visit(&mut node, &path, create.then_some(Leaf::Scalar), &mut |_| Ok(()));
        }
    }
}
