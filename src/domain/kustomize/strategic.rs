//! Strategic merge: a partial object laid over a whole one, list items matched by their keys.
//!
//! Invariant: the answers are those of kustomize v5.8.1, also where they surprise: items of the
//! patch come first, `null` removes, an item whose key the patch lacks is matched by what it has.
//! What is absent: `$setElementOrder`, `$deleteFromPrimitiveList` and `$retainKeys`; kustomize
//! treats them as ordinary fields, and so does this.

use super::associative;
use super::schema::Schema;
use super::ties;
use crate::domain::manifest::{Entry, Mapping, Node, Rules, ScalarKind, classify};
use compact_str::CompactString;
use std::collections::{HashMap, HashSet};

const DIRECTIVE: &str = "$patch";

/// What a `$patch` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Merge,
    Replace,
    Delete,
}

/// What stands at a place after the merge.
#[derive(Debug)]
pub(super) enum Merged {
    /// Nothing: the field goes.
    Absent,
    /// This value. `null` goes like [`Merged::Absent`].
    Value(Node),
    /// A null that the object states and the patch does not mention: it stays.
    Null(Node),
}

impl Merged {
    fn from_option(node: Option<Node>) -> Self {
        node.map_or(Self::Absent, Self::Value)
    }

    /// The value, unless it is absent or null.
    pub(super) fn value(self) -> Option<Node> {
        match self {
            Self::Value(node) if !node.is_null() => Some(node),
            _ => None,
        }
    }
}

/// Merges `patch` into `object`. `None` when the patch deletes it.
///
/// # Errors
/// In words, with the path: two kinds of node at one place, or an unknown directive.
pub(super) fn merge(object: Node, patch: Node, schema: Schema<'_>) -> Result<Option<Node>, String> {
    // Replacing a whole object changes nothing in kustomize: its caller drops the new root.
    if patch.get(DIRECTIVE).and_then(Node::as_text) == Some("replace") {
        return Ok(Some(object));
    }
    let merged = at(Some(object), Some(patch), schema)?;
    Ok(merged.value().filter(|node| !node.is_empty()))
}

/// Merges what stands at one place.
pub(super) fn at(
    dest: Option<Node>,
    patch: Option<Node>,
    schema: Schema<'_>,
) -> Result<Merged, String> {
    let schema = known(known(schema, dest.as_ref()), patch.as_ref());
    let shape = [&dest, &patch]
        .into_iter()
        .flatten()
        .find(|node| !node.is_null())
        .map(shape_of);
    for node in [&dest, &patch].into_iter().flatten() {
        if !node.is_null() && Some(shape_of(node)) != shape {
            return Err(format!(
                "the object has {} where the patch has {}",
                dest.as_ref().map_or("nothing", shape_of),
                patch.as_ref().map_or("nothing", shape_of),
            ));
        }
    }
    match shape {
        None | Some("a mapping") => mapping(dest, patch, schema),
        Some("a list") => match schema.merge_keys() {
            Some(keys) => associative::merge(dest, patch, &keys, schema),
            None => Ok(Merged::from_option(patch.or(dest))),
        },
        Some(_) => Ok(Merged::from_option(match (dest, patch) {
            (Some(Node::Scalar(dest)), Some(Node::Scalar(patch)))
                if patch.kind != ScalarKind::Null && dest.kind != ScalarKind::Null =>
            {
                Some(Node::Scalar(ties::replace(&dest, patch)))
            }
            (dest, patch) => patch.or(dest),
        })),
    }
}

fn shape_of(node: &Node) -> &'static str {
    match node {
        Node::Scalar(_) => "a single value",
        Node::Sequence(_) => "a list",
        Node::Mapping(_) => "a mapping",
    }
}

/// An object inside a place nothing is known of brings its own schema.
fn known<'a>(schema: Schema<'a>, node: Option<&Node>) -> Schema<'a> {
    let Some(mapping) = node.and_then(Node::as_mapping) else {
        return schema;
    };
    if !schema.is_unknown() {
        return schema;
    }
    let text = |key| mapping.text(key).filter(|text| !text.is_empty());
    match (text("apiVersion"), text("kind")) {
        (Some(api_version), Some(kind)) => schema.of_kind(api_version, kind),
        _ => schema,
    }
}

fn mapping(dest: Option<Node>, patch: Option<Node>, schema: Schema<'_>) -> Result<Merged, String> {
    let dest = match dest {
        Some(Node::Mapping(dest)) => dest,
        missing => return added_mapping(missing, patch, schema),
    };
    let mut patch = match patch {
        None => Mapping::default(),
        Some(Node::Mapping(patch)) => patch,
        Some(_) => return Ok(Merged::Absent),
    };
    match directive(&mut patch)? {
        Directive::Delete => Ok(Merged::Absent),
        Directive::Replace => fields_added(patch, schema),
        Directive::Merge => fields(dest, patch, schema),
    }
}

/// The object has nothing, or null, where the patch has a mapping or nothing.
fn added_mapping(
    dest: Option<Node>,
    patch: Option<Node>,
    schema: Schema<'_>,
) -> Result<Merged, String> {
    match patch {
        Some(Node::Mapping(mut patch)) => match directive(&mut patch) {
            Ok(Directive::Delete) => Ok(Merged::Absent),
            _ => fields_added(patch, schema),
        },
        Some(other) => Ok(Merged::Value(other)),
        // An explicit null stays, one that is only a missing value goes.
        None => Ok(match dest {
            Some(null) if null.as_text().is_some_and(|text| !text.is_empty()) => Merged::Null(null),
            _ => Merged::Absent,
        }),
    }
}

fn fields(mut dest: Mapping, patch: Mapping, schema: Schema<'_>) -> Result<Merged, String> {
    let stated: HashSet<&str> = dest
        .entries
        .iter()
        .map(|entry| entry.key.as_str())
        .collect();
    let (changes, additions): (Vec<Entry>, Vec<Entry>) = first_of_each_key(patch.entries)
        .into_iter()
        .partition(|entry| stated.contains(entry.key.as_str()));
    let mut changes: HashMap<CompactString, Node> = changes
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect();
    let mut entries = Vec::with_capacity(dest.entries.len() + additions.len());
    for mut entry in std::mem::take(&mut dest.entries) {
        let patch = changes.remove(&entry.key);
        let kept = patch.is_none();
        let merged = at(Some(entry.value), patch, schema.field(&entry.key))
            .map_err(|reason| below(&entry.key, &reason))?;
        match merged {
            Merged::Null(node) => entry.value = node,
            Merged::Value(node) if !node.is_null() => entry.value = node,
            _ => continue,
        }
        if kept {
            quote(&mut entry.value);
        }
        entries.push(entry);
    }
    dest.entries = entries;
    for mut entry in additions {
        let merged = at(None, Some(entry.value), schema.field(&entry.key))
            .map_err(|reason| below(&entry.key, &reason))?;
        if let Some(mut node) = merged.value() {
            quote(&mut node);
            entry.value = node;
            dest.entries.push(entry);
        }
    }
    Ok(Merged::Value(Node::Mapping(dest)))
}

/// What is laid over something has each key once.
fn first_of_each_key(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut first = are_first(&entries).into_iter();
    entries.retain(|_| first.next().unwrap_or(true));
    entries
}

/// Which entries are the first of their key.
fn are_first(entries: &[Entry]) -> Vec<bool> {
    let mut seen = HashSet::with_capacity(entries.len());
    let keys = entries.iter().map(|entry| entry.key.as_str());
    keys.map(|key| seen.insert(key)).collect()
}

/// A mapping that only the patch has: its directives are carried out, its nulls go.
fn fields_added(mut patch: Mapping, schema: Schema<'_>) -> Result<Merged, String> {
    let schema = if schema.is_unknown() {
        known_mapping(schema, &patch)
    } else {
        schema
    };
    let mut entries = Vec::with_capacity(patch.entries.len());
    let are_first = are_first(&patch.entries);
    for (mut entry, is_first) in std::mem::take(&mut patch.entries)
        .into_iter()
        .zip(are_first)
    {
        // A key that occurs again stays as it is.
        if !is_first {
            entries.push(entry);
            continue;
        }
        let merged = added(entry.value, schema.field(&entry.key))
            .map_err(|reason| below(&entry.key, &reason))?;
        if let Some(mut node) = merged.value() {
            quote(&mut node);
            entry.value = node;
            entries.push(entry);
        }
    }
    patch.entries = entries;
    Ok(Merged::Value(Node::Mapping(patch)))
}

fn known_mapping<'a>(schema: Schema<'a>, mapping: &Mapping) -> Schema<'a> {
    let text = |key| mapping.text(key).unwrap_or_default();
    schema.of_kind(text("apiVersion"), text("kind"))
}

/// A node that only the patch has, merged with itself.
pub(super) fn added(node: Node, schema: Schema<'_>) -> Result<Merged, String> {
    match node {
        Node::Mapping(mut mapping) => match directive(&mut mapping)? {
            Directive::Delete => Ok(Merged::Absent),
            _ => fields_added(mapping, schema),
        },
        Node::Sequence(items) => match schema.merge_keys() {
            Some(keys) => associative::merge_with_itself(items, &keys, schema),
            None => Ok(Merged::Value(Node::Sequence(items))),
        },
        scalar => Ok(Merged::Value(scalar)),
    }
}

/// A string, or what was made without a type, gets quotes where an older reader takes it for something
/// else; so what was made without a type is a string from then on.
fn quote(node: &mut Node) {
    let Node::Scalar(scalar) = node else { return };
    if scalar.quoted || scalar.text.is_empty() {
        return;
    }
    let old = classify(&scalar.text, Rules::Kubernetes);
    let misread = !matches!(old, ScalarKind::Text | ScalarKind::Timestamp);
    let has_tag = || classify(&scalar.text, Rules::Kustomize) != ScalarKind::Text;
    scalar.quoted = match scalar.kind {
        ScalarKind::Untagged => misread,
        ScalarKind::Text => misread && !has_tag(),
        _ => false,
    };
    if scalar.quoted {
        scalar.kind = ScalarKind::Text;
    }
}

fn below(key: &str, reason: &str) -> String {
    format!("{key}: {reason}")
}

/// Takes the directive out of a mapping of the patch.
fn directive(patch: &mut Mapping) -> Result<Directive, String> {
    let Some(node) = patch.get(DIRECTIVE) else {
        return Ok(Directive::Merge);
    };
    let directive = parse_directive(node)?;
    patch.remove(DIRECTIVE);
    Ok(directive)
}

fn parse_directive(node: &Node) -> Result<Directive, String> {
    match node.as_text() {
        Some("merge") => Ok(Directive::Merge),
        Some("replace") => Ok(Directive::Replace),
        Some("delete") => Ok(Directive::Delete),
        other => Err(format!(
            "`{DIRECTIVE}` is `{}`, expected `merge`, `replace` or `delete`",
            other.unwrap_or("a collection")
        )),
    }
}

/// Takes the directive for a whole list out of a list of the patch: an item with nothing else.
pub(super) fn list_directive(items: &mut Vec<Node>) -> Result<Directive, String> {
    let found = items
        .iter()
        .filter_map(Node::as_mapping)
        .find_map(|item| item.get(DIRECTIVE).map(|value| (item.entries.len(), value)));
    let Some((1, value)) = found else {
        return Ok(Directive::Merge);
    };
    let directive = parse_directive(value)?;
    let text = value.as_text().unwrap_or_default().to_owned();
    items.retain(|item| {
        !item.is_empty() && item.get(DIRECTIVE).and_then(Node::as_text) != Some(text.as_str())
    });
    Ok(directive)
}
