//! Whether a validator has left the objects alone.
//!
//! kustomize compares trees with their layout: a value that is written anew counts as changed,
//! even when it is the same text, because the new one stands on no line of a file.
//!
//! Invariant: only the label a validator may leave behind is overlooked. What is absent: order.

use super::super::resource::{Identity, Resource};
use crate::domain::manifest::{Mapping, Node, Scalar};
use std::collections::HashMap;

/// The label that says who has validated an object.
const MARK: &str = "validated-by";

/// The first object that is not as it was.
pub(super) fn changed(before: &[Resource], after: &[Resource]) -> Option<Identity> {
    let mut now: HashMap<Identity, &Resource> = after
        .iter()
        .map(|resource| (resource.identity(), resource))
        .collect();
    for resource in before {
        let identity = resource.identity();
        match now.remove(&identity) {
            Some(other) if same(resource, other) => {}
            _ => return Some(identity),
        }
    }
    now.into_keys().next()
}

fn same(before: &Resource, after: &Resource) -> bool {
    let unmarked = without_mark(after);
    let after = unmarked.as_ref().unwrap_or(after);
    before.previous == after.previous
        && before.prefixes == after.prefixes
        && before.suffixes == after.suffixes
        && before.hashed == after.hashed
        && before.generated == after.generated
        && same_node(&before.root, &after.root)
}

/// A copy without the label, if it has it; the other labels are then written anew, in order.
fn without_mark(resource: &Resource) -> Option<Resource> {
    let labels = resource.texts("labels");
    if !labels.iter().any(|(key, _)| *key == MARK) {
        return None;
    }
    let mut copy = resource.clone();
    let mut others: Vec<_> = labels.iter().filter(|(key, _)| *key != MARK).collect();
    others.sort_unstable();
    let mut written = Mapping::default();
    for (key, value) in &others {
        written.set(key, Node::text(*value));
    }
    let metadata = copy.metadata_mut()?;
    if others.is_empty() {
        metadata.remove("labels");
    } else {
        metadata.set("labels", Node::Mapping(written));
    }
    Some(copy)
}

/// Whether two trees are the same with their layout; what is tied to what does not count.
fn same_node(one: &Node, other: &Node) -> bool {
    let untied = |scalar: &Scalar| Scalar {
        tie: 0,
        ..scalar.clone()
    };
    match (one, other) {
        (Node::Scalar(one), Node::Scalar(other)) => untied(one) == untied(other),
        (Node::Sequence(one), Node::Sequence(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| same_node(one, other))
        }
        (Node::Mapping(one), Node::Mapping(other)) => {
            one.entries.len() == other.entries.len()
                && one.entries.iter().zip(&other.entries).all(|(one, other)| {
                    one.key == other.key
                        && one.line == other.line
                        && same_node(&one.value, &other.value)
                })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::{Rules, Source, documents};
    use std::slice::from_ref;

    fn resource(labels: &str) -> Resource {
        let text = format!("kind: Thing\nmetadata:\n  name: a\n  labels: {labels}\n");
        let mut parsed = documents("a.yaml", text.as_bytes(), Rules::Kustomize).expect("it parses");
        let source = Source {
            file: "a.yaml".to_owned(),
            line: 1,
        };
        Resource::new(parsed.remove(0).root, source)
    }

    /// The same with a label a step has written.
    fn with(mut resource: Resource, key: &str, value: &str) -> Resource {
        let metadata = resource.metadata_mut().expect("it has metadata");
        let labels = metadata.get_mut("labels").and_then(Node::as_mapping_mut);
        labels.expect("it has labels").set(key, Node::text(value));
        resource
    }

    fn is_changed(before: &Resource, after: &Resource) -> bool {
        changed(from_ref(before), from_ref(after)).is_some()
    }

    #[test]
    fn the_same_text_written_anew_is_a_change_once() {
        let read = resource("{a: b}");
        let written = with(read.clone(), "a", "b");
        assert!(!is_changed(&read, &read));
        assert!(is_changed(&read, &written));
        assert!(!is_changed(&written, &with(written.clone(), "a", "b")));
        assert!(is_changed(&written, &with(written.clone(), "a", "c")));
    }

    #[test]
    fn the_mark_is_overlooked_and_the_labels_beside_it_count_as_written() {
        let bare = resource("{}");
        let labelled = with(bare.clone(), "b", "c");
        assert!(!is_changed(&labelled, &with(labelled.clone(), MARK, "me")));
        let read = resource("{b: c}");
        assert!(is_changed(&read, &with(read.clone(), MARK, "me")));
    }

    #[test]
    fn one_more_and_one_less_are_changes() {
        let one = resource("{a: b}");
        assert!(changed(&[], from_ref(&one)).is_some());
        assert!(changed(from_ref(&one), &[]).is_some());
        let mut other = one.clone();
        other.remember();
        assert!(is_changed(&one, &other));
    }
}
