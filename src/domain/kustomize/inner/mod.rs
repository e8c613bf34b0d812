//! Documents inside strings: what `replacements` does where a path goes on in one.
//!
//! kustomize v5.8.1 reads the string as YAML, sets what the path leads to, and prints the first
//! document again: as JSON when the text starts with a bracket, as YAML otherwise. [`write`] gives
//! the same text. Invariant: never another text than kustomize's; what cannot be printed exactly as
//! kustomize prints it is an error that says so. What is absent: what the path means outside.

mod comments;
mod json;
mod print;
mod scalar;
mod tree;
mod walk;
mod writer;

use super::field_path::{Element, Leaf, Set};
use crate::domain::manifest::{Node, Rules, ScalarKind, classify};

use std::fmt;
use tree::{Inner, Kind, Style};

/// Why nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// kustomize cannot do it either.
    Impossible(String),
    /// kustomize can.
    Unsupported(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Impossible(reason) | Self::Unsupported(reason)) = self;
        formatter.write_str(reason)
    }
}

impl Refusal {
    fn impossible(reason: &str) -> Self {
        Self::Impossible(reason.to_owned())
    }

    fn unsupported(what: &str) -> Self {
        Self::Unsupported(format!("{what} is not supported"))
    }
}

/// Whether a string can be read as YAML at all.
pub(super) fn is_document(text: &str) -> bool {
    !matches!(tree::parse(text), Err(Refusal::Impossible(_)))
}

/// The text of the string `text` after `value` is written where `path` leads inside it. `layout`
/// gives the value as it stands in its file, where that is known.
///
/// # Errors
/// [`Refusal`]: what is wrong with the text, the path or the value.
pub(super) fn write(
    text: &str,
    path: &[Element],
    create: Option<Leaf>,
    value: &Node,
    layout: &dyn Fn() -> Option<Layout>,
) -> Result<String, Refusal> {
    let mut document = tree::parse(text)?;
    let as_json = text.trim_start().starts_with(['{', '[']);
    let found = walk::visit(&mut document, path, create.map(kind_of), &mut |node| {
        if node.kind == Kind::Scalar {
            node.text = value.as_text().unwrap_or_default().to_owned();
        } else {
            *node = match value {
                _ if as_json => inner(value),
                Node::Scalar(scalar) if scalar.line == 0 && !scalar.quoted => inner(value),
                _ => layout().ok_or_else(unknown_layout)?.0,
            };
        }
        Ok(())
    })?;
    if found == 0 {
        return Err(Refusal::impossible("there is no such field"));
    }
    let root = document.root.as_ref();
    match root.filter(|_| as_json) {
        Some(root) => json::print(root, text.contains('\n') && text.contains("  ")),
        None => Ok(print::document(&document)?.trim().to_owned()),
    }
}

fn unknown_layout() -> Refusal {
    Refusal::unsupported("writing a value that was changed over a list or a mapping in a string")
}

/// A value with its quotes, brackets and comments.
pub(super) struct Layout(Inner);

/// The layout of `value` in the text of its file, whose document starts on line `start`; `None`
/// when it does not stand there as it is.
pub(super) fn layout(text: &str, start: usize, value: &Node) -> Option<Layout> {
    let above = start.checked_sub(1)?;
    let lines = text.lines().skip(above);
    let document: Vec<&str> = lines
        .enumerate()
        .take_while(|(index, line)| *index == 0 || !line.starts_with("---"))
        .map(|(_, line)| line)
        .collect();
    let document = tree::parse(&(document.join("\n") + "\n")).ok()?;
    let mut found = Vec::new();
    gather(document.root.as_ref()?, value, above, &mut found);
    match found.as_slice() {
        [one] => Some(Layout((*one).clone())),
        _ => None,
    }
}

/// The nodes that stand where `value` does and say the same.
fn gather<'a>(node: &'a Inner, value: &Node, above: usize, found: &mut Vec<&'a Inner>) {
    if agree(node, value, above) {
        found.push(node);
    }
    for item in &node.items {
        gather(item, value, above, found);
    }
}

fn agree(node: &Inner, value: &Node, above: usize) -> bool {
    let here = |line: u32| node.start.0 + above + 1 == line as usize;
    match value {
        Node::Scalar(scalar) => {
            node.kind == Kind::Scalar
                && here(scalar.line)
                && node.text == scalar.text
                && node.meaning == Some(scalar.kind)
        }
        Node::Sequence(items) => {
            let mut pairs = node.items.iter().zip(items);
            node.kind == Kind::Sequence
                && node.items.len() == items.len()
                && pairs.all(|(node, value)| agree(node, value, above))
        }
        Node::Mapping(mapping) => {
            let mut pairs = node.items.chunks_exact(2).zip(&mapping.entries);
            node.kind == Kind::Mapping
                && node.items.len() == 2 * mapping.entries.len()
                && pairs.all(|(pair, entry)| {
                    pair[0].text == entry.key
                        && pair[0].start.0 + above + 1 == entry.line as usize
                        && agree(&pair[1], &entry.value, above)
                })
        }
    }
}

/// How many nodes a path leads to inside the string `text`. `set` is called with what looks like
/// each of them from outside, and what it writes is lost, as in kustomize v5.8.1.
///
/// # Errors
/// [`Refusal`]: what is wrong with the text or the path, or what `set` says.
pub(super) fn look(
    text: &str,
    path: &[Element],
    create: Option<Leaf>,
    set: &mut Set<'_>,
) -> Result<usize, Refusal> {
    walk::lost(text, path, create.map(kind_of), &mut |node| {
        let mut seen = match node.kind {
            Kind::Scalar => Node::text(node.text.clone()),
            Kind::Sequence => Node::Sequence(Vec::new()),
            Kind::Mapping => Node::mapping(),
        };
        set(&mut seen).map_err(Refusal::Impossible)
    })
}

fn kind_of(leaf: Leaf) -> Kind {
    match leaf {
        Leaf::Scalar => Kind::Scalar,
        Leaf::Sequence => Kind::Sequence,
        Leaf::Mapping => Kind::Mapping,
    }
}

/// A value from outside, without its layout.
fn inner(value: &Node) -> Inner {
    match value {
        Node::Scalar(scalar) => Inner {
            style: if scalar.quoted {
                Style::Double
            } else {
                Style::Plain
            },
            meaning: (classify(&scalar.text, Rules::Kustomize) != scalar.meaning())
                .then_some(scalar.kind),
            ..Inner::text(scalar.text.clone())
        },
        Node::Sequence(items) => Inner {
            items: items.iter().map(inner).collect(),
            ..Inner::made(Kind::Sequence)
        },
        Node::Mapping(mapping) => {
            let mut all = Inner::made(Kind::Mapping);
            for entry in &mapping.entries {
                all.items.push(Inner {
                    meaning: Some(ScalarKind::Text),
                    ..Inner::text(entry.key.clone())
                });
                all.items.push(inner(&entry.value));
            }
            all
        }
    }
}

#[cfg(test)]
mod tests;
