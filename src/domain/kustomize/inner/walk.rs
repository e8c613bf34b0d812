//! Finding the nodes of a document inside a string that a path leads to.
//!
//! Invariant: like kustomize v5.8.1, entries of a list are found by a regular expression on their
//! print, so quotes belong to it; what lies in a string inside the string is found, and what is
//! written there is lost. A null takes what is made in it, and forgets it. What is absent:
//! printing.

use super::super::field_path::Element;
use super::tree::{Document, Inner, Kind, parse};
use super::{Refusal, print};

/// What is done with every node that is found.
pub(super) type Visit<'a> = dyn FnMut(&mut Inner) -> Result<(), Refusal> + 'a;

/// Calls `set` for every node of `document` that `path` leads to, and gives their number. What is
/// missing is made of the kind `create`.
pub(super) fn visit(
    document: &mut Document,
    path: &[Element],
    create: Option<Kind>,
    set: &mut Visit<'_>,
) -> Result<usize, Refusal> {
    match &mut document.root {
        None => Err(Refusal::impossible("the string says nothing")),
        Some(root) => step(root, path, create, set),
    }
}

fn step(
    node: &mut Inner,
    path: &[Element],
    create: Option<Kind>,
    set: &mut Visit<'_>,
) -> Result<usize, Refusal> {
    let Some((element, rest)) = path.split_first() else {
        set(node)?;
        return Ok(1);
    };
    if let Ok(index) = element.parse::<usize>() {
        return step_index(node, index, rest, create, set);
    }
    if element.starts_with('[') && element.ends_with(']') {
        let inner = &element[1..element.len().max(2) - 1];
        let Some((field, value)) = inner.split_once('=') else {
            let reason = format!("expected `[field=value]`, found `{element}`");
            return Err(Refusal::Impossible(reason));
        };
        return step_entries(node, (field, value), element, rest, create, set);
    }
    if &**element == "*" {
        let mut found = 0;
        for item in list(node, element)? {
            found += step(item, rest, create, set)?;
        }
        return Ok(found);
    }
    step_field(node, element, rest, create, set)
}

fn list<'a>(node: &'a mut Inner, element: &str) -> Result<&'a mut Vec<Inner>, Refusal> {
    if node.kind == Kind::Sequence || node.is_null() {
        return Ok(&mut node.items);
    }
    let reason = format!("expected a list where `{element}` is looked for");
    Err(Refusal::Impossible(reason))
}

/// The kind of what is made for the first element of `rest` to lie in.
fn kind_for(rest: &[Element], leaf: Kind) -> Kind {
    match rest.first() {
        None => leaf,
        Some(next) if next.is_empty() => leaf,
        Some(next) if next.parse::<usize>().is_ok() => Kind::Sequence,
        Some(next) if next.starts_with('[') && next.ends_with(']') => Kind::Sequence,
        Some(_) => Kind::Mapping,
    }
}

fn step_index(
    node: &mut Inner,
    index: usize,
    rest: &[Element],
    create: Option<Kind>,
    set: &mut Visit<'_>,
) -> Result<usize, Refusal> {
    let items = list(node, "an index")?;
    if index == items.len()
        && let Some(leaf) = create
    {
        items.push(Inner::made(kind_for(rest, leaf)));
    }
    match items.get_mut(index) {
        Some(item) => step(item, rest, create, set),
        None => Err(Refusal::Impossible(format!(
            "`{index}` is not an index of a list of {}",
            items.len()
        ))),
    }
}

fn step_field(
    node: &mut Inner,
    name: &str,
    rest: &[Element],
    create: Option<Kind>,
    set: &mut Visit<'_>,
) -> Result<usize, Refusal> {
    if node.kind != Kind::Mapping && !node.is_null() {
        let reason = format!("expected a mapping where `{name}` is looked for");
        return Err(Refusal::Impossible(reason));
    }
    let index = match (node.position(name), create) {
        (Some(index), _) => index,
        (None, None) => return Ok(0),
        (None, Some(leaf)) => {
            node.items.push(Inner::text(name));
            node.items.push(Inner::made(kind_for(rest, leaf)));
            node.items.len() - 1
        }
    };
    let value = &mut node.items[index];
    if value.kind == Kind::Scalar && !rest.is_empty() {
        return lost(&value.text, rest, create, set);
    }
    step(value, rest, create, set)
}

/// A string in which the path goes on: found, but nothing that is written there stays.
pub(super) fn lost(
    text: &str,
    rest: &[Element],
    create: Option<Kind>,
    set: &mut Visit<'_>,
) -> Result<usize, Refusal> {
    visit(&mut parse(text)?, rest, create, set)
}

fn step_entries(
    node: &mut Inner,
    (field, value): (&str, &str),
    element: &Element,
    rest: &[Element],
    create: Option<Kind>,
    set: &mut Visit<'_>,
) -> Result<usize, Refusal> {
    let items = list(node, "an entry")?;
    let pattern = element.expression().map_err(Refusal::Impossible)?;
    for attempt in 0..2 {
        let mut found = 0;
        for item in items.iter_mut() {
            let compared = match field {
                "" => Some(&*item),
                field => item.get(field),
            };
            let matches = match compared {
                None => false,
                Some(compared) => pattern.matches(print::node(compared)?.trim()),
            };
            if matches {
                let rest: &[Element] = if field.is_empty() { &[] } else { rest };
                found += step(item, rest, create, set)?;
            }
        }
        if found > 0 || create.is_none() || attempt > 0 {
            return Ok(found);
        }
        items.push(entry(field, value));
    }
    Ok(0)
}

fn entry(field: &str, value: &str) -> Inner {
    if field.is_empty() {
        return Inner::text(value);
    }
    Inner {
        items: vec![Inner::text(field), Inner::text(value)],
        ..Inner::made(Kind::Mapping)
    }
}
