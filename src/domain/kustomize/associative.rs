//! Lists whose items are matched by keys, or by themselves when they are plain values.
//!
//! Invariant: items come in the order of the patch, then of the object; the exact result follows
//! kustomize v5.8.1 also for items that lack a key. What is absent: which lists these are.

use super::schema::Schema;
use super::strategic::{self, Directive, Merged};
use crate::domain::manifest::Node;

/// How many items may be matched: the work grows with their square.
const ITEMS: usize = 10_000;

const NOT_A_MAPPING: &str = "expected every item of the list to be a mapping";

/// Merges two lists of which one may be missing or null.
pub(super) fn merge(
    dest: Option<Node>,
    patch: Option<Node>,
    keys: &[&str],
    schema: Schema<'_>,
) -> Result<Merged, String> {
    let dest = match dest {
        Some(Node::Sequence(items)) => items,
        _ => match patch {
            Some(Node::Sequence(items)) => return itself(items, keys, schema),
            _ => return Ok(Merged::Absent),
        },
    };
    let mut patch = match patch {
        Some(Node::Sequence(items)) => Some(items),
        None => None,
        Some(_) => return Ok(Merged::Absent),
    };
    let directive = match &mut patch {
        Some(items) => strategic::list_directive(items)?,
        None => Directive::Merge,
    };
    match (directive, patch) {
        (Directive::Delete, _) => Ok(Merged::Absent),
        (Directive::Replace, Some(items)) => itself(items, keys, schema),
        (_, patch) => items(dest, patch.unwrap_or_default(), keys, schema, false),
    }
}

/// A list inside something that only the patch has.
pub(super) fn merge_with_itself(
    mut list: Vec<Node>,
    keys: &[&str],
    schema: Schema<'_>,
) -> Result<Merged, String> {
    match strategic::list_directive(&mut list)? {
        Directive::Delete => Ok(Merged::Absent),
        _ => itself(list, keys, schema),
    }
}

fn itself(list: Vec<Node>, keys: &[&str], schema: Schema<'_>) -> Result<Merged, String> {
    items(list, Vec::new(), keys, schema, true)
}

/// The texts of an item's keys; empty where it has none. Of a plain value, the value.
fn values_of(item: &Node, keys: &[&str]) -> Vec<String> {
    if keys == [""] {
        return vec![item.as_text().unwrap_or_default().to_owned()];
    }
    keys.iter()
        .map(|key| {
            item.get(key)
                .filter(|value| !value.is_empty())
                .and_then(Node::as_text)
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

fn items(
    mut dest: Vec<Node>,
    mut patch: Vec<Node>,
    keys: &[&str],
    schema: Schema<'_>,
    alone: bool,
) -> Result<Merged, String> {
    if dest.len() + patch.len() > ITEMS {
        return Err(format!(
            "a list of more than {ITEMS} items is not merged by keys"
        ));
    }
    let keys: &[&str] = if keys.is_empty() { &[""] } else { keys };
    let mut wanted: Vec<Vec<String>> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for item in patch.iter().chain(&dest) {
        let values = values_of(item, keys);
        if seen.insert(values.clone()) {
            wanted.push(values);
        }
    }
    complete(&mut wanted);
    let used: Vec<usize> = used_keys(&wanted, keys);
    let names: Vec<&str> = used.iter().map(|index| keys[*index]).collect();
    let mut result = List::default();
    for values in &wanted {
        let values: Vec<&str> = used.iter().map(|index| values[*index].as_str()).collect();
        let merged = one(&mut dest, &mut patch, &names, &values, schema, alone)?;
        match merged {
            None => List::remove_from(&mut dest, &names, &values)?,
            Some(item) => result.set(item, &names, &values)?,
        }
    }
    if !wanted.is_empty() {
        result.append(dest, &names)?;
    } else {
        result.items = dest;
    }
    Ok(Merged::Value(Node::Sequence(result.items)))
}

/// Merges the items of both lists that have `values`. What came from the object also changes there,
/// and a directive counts once.
fn one(
    dest: &mut [Node],
    patch: &mut [Node],
    names: &[&str],
    values: &[&str],
    schema: Schema<'_>,
    alone: bool,
) -> Result<Option<Node>, String> {
    let (keys, texts) = stated(names, values);
    let in_dest = find(dest, &keys, &texts);
    let in_patch = find(patch, &keys, &texts);
    let from_dest = in_dest.map(|index| dest[index].clone());
    let from_patch = in_patch.map(|index| patch[index].clone());
    let replaces = from_dest.is_some()
        && from_patch
            .as_ref()
            .and_then(|item| item.get("$patch"))
            .and_then(Node::as_text)
            == Some("replace");
    if let (true, Some(index)) = (alone, in_dest) {
        strip(&mut dest[index]);
    }
    if let Some(index) = in_patch {
        strip(&mut patch[index]);
    }
    let merged = match from_dest {
        Some(item) if alone => strategic::added(item, schema.items())?,
        from_dest => strategic::at(from_dest, from_patch, schema.items())?,
    };
    let Some(mut item) = merged.value() else {
        return Ok(None);
    };
    if let Some(mapping) = item.as_mapping_mut()
        && !mapping.entries.is_empty()
    {
        for (name, value) in names.iter().zip(values) {
            if mapping.get(name).is_none() && !value.is_empty() {
                mapping.set(name, Node::text(*value));
            }
        }
    }
    if let Some(index) = in_dest
        && !replaces
        && dest[index].as_mapping().is_some()
    {
        dest[index] = item.clone();
    }
    Ok(Some(item).filter(|item| !is_empty_mapping(item)))
}

fn strip(item: &mut Node) {
    if let Some(mapping) = item.as_mapping_mut() {
        mapping.remove("$patch");
    }
}

fn is_empty_mapping(node: &Node) -> bool {
    node.as_mapping()
        .is_some_and(|mapping| mapping.entries.is_empty())
}

/// The keys that have a value, or all when none has.
fn stated<'a>(names: &[&'a str], values: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let stated: (Vec<&str>, Vec<&str>) = names
        .iter()
        .zip(values)
        .filter(|(_, value)| !value.is_empty())
        .unzip();
    if stated.0.is_empty() {
        (names.to_vec(), values.to_vec())
    } else {
        stated
    }
}

/// The first item whose fields have exactly these texts, the empty text included.
fn find(items: &[Node], keys: &[&str], values: &[&str]) -> Option<usize> {
    let is = |node: &Node, text: &str| node.as_text().unwrap_or_default() == text;
    items.iter().position(|item| match item.as_mapping() {
        _ if keys == [""] => is(item, values[0]),
        None => false,
        Some(mapping) => keys
            .iter()
            .zip(values)
            .all(|(key, value)| mapping.get(key).is_some_and(|field| is(field, value))),
    })
}

/// Whether an item's field has that text; the empty text fits any value.
fn has(item: &Node, key: &str, value: &str) -> Result<bool, String> {
    match item {
        Node::Mapping(mapping) if !key.is_empty() => Ok(mapping
            .get(key)
            .is_some_and(|field| value.is_empty() || field.as_text().unwrap_or_default() == value)),
        Node::Scalar(scalar) if key.is_empty() => Ok(scalar.text == value),
        _ if key.is_empty() => {
            Err("expected every item of the list to be a plain value".to_owned())
        }
        _ => Err(NOT_A_MAPPING.to_owned()),
    }
}

/// Fills gaps: of two items that agree where both state a key, the emptier one gets the fuller.
fn complete(wanted: &mut [Vec<String>]) {
    if wanted.first().is_none_or(|values| values.len() < 2) {
        return;
    }
    for left in 0..wanted.len() {
        // What it had at first is compared, whatever it gets on the way.
        let first = wanted[left].clone();
        for right in 0..wanted.len() {
            if let Some(values) = joined(&first, &wanted[right]) {
                wanted[left].clone_from(&values);
                wanted[right] = values;
            }
        }
    }
}

fn joined(left: &[String], right: &[String]) -> Option<Vec<String>> {
    let mut common = false;
    let mut values = Vec::with_capacity(left.len());
    for (left, right) in left.iter().zip(right) {
        if left == right {
            common = true;
        } else if !left.is_empty() && !right.is_empty() {
            return None;
        }
        values.push(if left.is_empty() { right } else { left }.clone());
    }
    common.then_some(values)
}

/// The positions of the keys that some item states, or all when none does.
fn used_keys(wanted: &[Vec<String>], keys: &[&str]) -> Vec<usize> {
    let used: Vec<usize> = (0..keys.len())
        .filter(|index| wanted.iter().any(|values| !values[*index].is_empty()))
        .collect();
    if used.is_empty() {
        (0..keys.len()).collect()
    } else {
        used
    }
}

/// A list that is put together by keys.
#[derive(Default)]
struct List {
    items: Vec<Node>,
}

impl List {
    /// Puts `item` in the place of the items that have `values`, or at the end.
    fn set(&mut self, item: Node, keys: &[&str], values: &[&str]) -> Result<(), String> {
        Self::put(&mut self.items, Some(item), keys, values)
    }

    fn remove_from(items: &mut Vec<Node>, keys: &[&str], values: &[&str]) -> Result<(), String> {
        Self::put(items, None, keys, values)
    }

    fn put(
        items: &mut Vec<Node>,
        item: Option<Node>,
        keys: &[&str],
        values: &[&str],
    ) -> Result<(), String> {
        let by_mapping = keys.first().is_some_and(|key| !key.is_empty())
            && values.first().is_some_and(|value| !value.is_empty());
        let mut placed = false;
        let mut kept = Vec::with_capacity(items.len() + 1);
        for old in items.drain(..) {
            if old.is_null() || is_empty_mapping(&old) {
                continue;
            }
            let foreign = old.as_mapping().is_none() && by_mapping;
            if foreign {
                kept.push(old);
            } else if has_all(&old, keys, values)? {
                placed = true;
                kept.extend(item.clone());
            } else if !values.is_empty() {
                kept.push(old);
            }
        }
        if let Some(item) = item
            && !placed
            && !item.is_null()
        {
            kept.push(item);
        }
        *items = kept;
        Ok(())
    }

    /// Lays the items of the object, merged by now, over the result.
    fn append(&mut self, dest: Vec<Node>, keys: &[&str]) -> Result<(), String> {
        for item in dest {
            if keys == [""] {
                let text = item.as_text().unwrap_or_default().to_owned();
                self.set(item, keys, &[&text])?;
                continue;
            }
            if item.as_mapping().is_none() && !item.is_null() {
                return Err(NOT_A_MAPPING.to_owned());
            }
            let mut values: Vec<String> = Vec::new();
            for key in keys {
                match item.get(key) {
                    Some(value) => values.push(value.as_text().unwrap_or_default().to_owned()),
                    None => self.items.push(item.clone()),
                }
            }
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            if keys.len() > 1 {
                Self::remove_from(&mut self.items, keys, &values)?;
            }
            self.set(item, keys, &values)?;
        }
        Ok(())
    }
}

/// Whether an item has all of `values`; none at all is not enough.
fn has_all(item: &Node, keys: &[&str], values: &[&str]) -> Result<bool, String> {
    for (key, value) in keys.iter().zip(values) {
        if !has(item, key, value)? {
            return Ok(false);
        }
    }
    Ok(!values.is_empty())
}
