//! Scalars that change as one.
//!
//! kustomize v5.8.1 puts one and the same node into every place it adds a label to; a later step
//! that changes the label in one of these places changes it in all of them. Selectors in clusters
//! depend on that, so this build does the same.
//!
//! Invariant: scalars with equal [`Scalar::tie`], 0 apart, have equal text between two steps.
//! What is absent: ties between objects.

use crate::domain::manifest::{Mapping, Node, Scalar, ScalarKind};
use std::collections::HashMap;

/// Marks a scalar that the running step has changed.
const CHANGED: u32 = 1 << 31;

/// Writes `key: value` into a mapping; a key that is new there gets `tie`. Gives whether others have
/// to follow.
pub(super) fn set_entry(node: &mut Node, key: &str, value: &str, tie: u32) -> Result<bool, String> {
    let Node::Mapping(mapping) = node else {
        return if node.is_null() {
            Ok(false)
        } else {
            Err("expected a mapping".to_owned())
        };
    };
    let mut scalar = Scalar::string(value);
    match mapping.get(key) {
        None => scalar.tie = tie,
        Some(Node::Scalar(old)) => scalar = replace(old, scalar),
        Some(_) => {}
    }
    let changed = scalar.tie & CHANGED != 0;
    mapping.set(key, Node::Scalar(scalar));
    Ok(changed)
}

/// `new` in the place of `old`: it keeps the quotes, so a number that replaces a quoted string is a
/// string; what is tied to the old one follows.
pub(super) fn replace(old: &Scalar, mut new: Scalar) -> Scalar {
    new.quoted = old.quoted;
    if old.quoted {
        new.kind = ScalarKind::Text;
    }
    change(old, new)
}

/// `new` in the place of `old`, quotes and all; what is tied to the old one follows.
pub(super) fn change(old: &Scalar, mut new: Scalar) -> Scalar {
    new.tie = changed(old.tie);
    new
}

fn changed(tie: u32) -> u32 {
    if tie == 0 { 0 } else { tie | CHANGED }
}

/// Makes tied scalars equal again: the last changed one in the order of sorted keys wins.
pub(super) fn settle(root: &mut Node) {
    if !is_changed(root) {
        return;
    }
    let mut last = HashMap::new();
    gather(root, &mut last);
    spread(root, &last);
}

fn is_changed(node: &Node) -> bool {
    match node {
        Node::Scalar(scalar) => scalar.tie & CHANGED != 0,
        Node::Sequence(items) => items.iter().any(is_changed),
        Node::Mapping(mapping) => mapping.entries.iter().any(|entry| is_changed(&entry.value)),
    }
}

fn gather(node: &Node, last: &mut HashMap<u32, Scalar>) {
    match node {
        Node::Scalar(scalar) if scalar.tie & CHANGED != 0 => {
            let mut scalar = scalar.clone();
            scalar.tie &= !CHANGED;
            last.insert(scalar.tie, scalar);
        }
        Node::Scalar(_) => {}
        Node::Sequence(items) => items.iter().for_each(|item| gather(item, last)),
        Node::Mapping(mapping) => {
            let mut entries: Vec<_> = mapping.entries.iter().collect();
            entries.sort_by(|one, other| one.key.cmp(&other.key));
            entries.iter().for_each(|entry| gather(&entry.value, last));
        }
    }
}

fn spread(node: &mut Node, last: &HashMap<u32, Scalar>) {
    match node {
        Node::Scalar(scalar) => {
            if let Some(new) = last.get(&(scalar.tie & !CHANGED)) {
                *scalar = new.clone();
            }
        }
        Node::Sequence(items) => items.iter_mut().for_each(|item| spread(item, last)),
        Node::Mapping(Mapping { entries }) => {
            for entry in entries {
                spread(&mut entry.value, last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(node: &Node) -> Option<&str> {
        node.get("app").and_then(Node::as_text)
    }

    #[test]
    fn what_was_added_as_one_changes_as_one() {
        let (mut own, mut selector, mut other) =
            (Node::mapping(), Node::mapping(), Node::mapping());
        for node in [&mut own, &mut selector] {
            set_entry(node, "app", "web", 1).expect("it is a mapping");
        }
        set_entry(&mut other, "app", "web", 2).expect("it is a mapping");
        set_entry(&mut own, "app", "shop", 3).expect("it is a mapping");
        let mut root = Node::Sequence(vec![own, selector, other]);
        settle(&mut root);
        let items = root.as_sequence().expect("it is a list");
        assert_eq!(
            items.iter().map(label).collect::<Vec<_>>(),
            [Some("shop"), Some("shop"), Some("web")]
        );
    }

    #[test]
    fn a_label_is_only_written_into_a_mapping() {
        assert!(set_entry(&mut Node::text("x"), "a", "b", 0).is_err());
        let mut null = Node::null();
        assert_eq!(set_entry(&mut null, "a", "b", 0), Ok(false));
        assert!(null.is_null());
    }
}
