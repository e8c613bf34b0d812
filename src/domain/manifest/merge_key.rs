//! The merge key `<<`, and keys that occur twice.
//!
//! Invariant: a mapping's own keys win over merged ones; of several merged mappings the first wins.
//! What is absent: reading.

use super::node::{Entry, Mapping, Node};
use super::scalar::Rules;
use compact_str::CompactString;
use std::collections::HashSet;

/// What becomes of a key that occurs again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Refused,
    /// It takes the place of the one before.
    Replaces,
    /// It stays behind the first one.
    Stays,
}

impl Again {
    /// What `rules` say of it.
    pub(super) fn by(rules: Rules) -> Self {
        match rules {
            Rules::Kustomize => Self::Refused,
            Rules::Kubernetes => Self::Replaces,
        }
    }
}

/// Of entries with one key the last one counts.
pub(super) fn keep_last(entries: &mut Vec<Entry>) {
    let mut seen = HashSet::with_capacity(entries.len());
    if entries.iter().all(|entry| seen.insert(entry.key.as_str())) {
        return;
    }
    let mut seen = HashSet::new();
    entries.reverse();
    entries.retain(|entry| seen.insert(entry.key.clone()));
    entries.reverse();
}

/// Adds what `<<` names below the mapping's own keys.
///
/// # Errors
/// In words, when it names something else than mappings.
pub(super) fn apply(mut mapping: Mapping, merged: Option<Node>) -> Result<Mapping, &'static str> {
    const EXPECTED: &str = "`<<` takes a mapping or a list of mappings";
    let sources = match merged {
        None => return Ok(mapping),
        Some(Node::Mapping(source)) => vec![source],
        Some(Node::Sequence(items)) => items
            .into_iter()
            .map(|item| match item {
                Node::Mapping(source) => Ok(source),
                _ => Err(EXPECTED),
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(EXPECTED),
    };
    let mut seen: HashSet<CompactString> = mapping
        .entries
        .iter()
        .map(|entry| entry.key.clone())
        .collect();
    for entry in sources.into_iter().flat_map(|source| source.entries) {
        if seen.insert(entry.key.clone()) {
            mapping.entries.push(entry);
        }
    }
    Ok(mapping)
}
