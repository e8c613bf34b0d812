//! The labels and annotations of an object, as texts.
//!
//! Invariant: what is set is a string; what is read of something else is its text. What is absent:
//! which of them mean something.

use super::resource::Resource;
use crate::domain::manifest::{Entry, Mapping, Node, ScalarKind};

/// The annotation that stands for what kustomize remembers among the annotations.
pub(super) const MEMORY: &str = "internal.config.kubernetes.io/previousNames";

impl Resource {
    /// The texts of `metadata.labels` or `metadata.annotations`.
    pub(super) fn texts(&self, field: &str) -> Vec<(&str, &str)> {
        let node = self
            .mapping()
            .get("metadata")
            .and_then(|metadata| metadata.get(field));
        let Some(mapping) = node.and_then(Node::as_mapping) else {
            return Vec::new();
        };
        mapping
            .entries
            .iter()
            .map(|entry| {
                let text = entry.value.as_text().unwrap_or_default();
                (entry.key.as_str(), text)
            })
            .collect()
    }

    /// Makes every value of `metadata.labels` or `metadata.annotations` a string, the last one of
    /// a key that a patch has twice; drops the field when nothing is in it. Gives `false`, and changes
    /// nothing, where it is a list of something.
    pub(super) fn texts_only(&mut self, field: &str) -> bool {
        let Some(Node::Mapping(metadata)) = self
            .root
            .as_mapping_mut()
            .and_then(|root| root.get_mut("metadata"))
        else {
            return true;
        };
        match metadata.get_mut(field) {
            None => {}
            Some(Node::Sequence(items)) if !items.is_empty() => return false,
            Some(Node::Mapping(mapping)) if !mapping.entries.is_empty() => {
                mapping.keep_last_of_each_key();
                for entry in mapping.entries.iter_mut().filter(|entry| !is_lines(entry)) {
                    let text = entry.value.as_text().unwrap_or_default().to_owned();
                    entry.value = Node::text(text);
                }
            }
            Some(_) => {
                metadata.remove(field);
            }
        }
        true
    }

    /// Puts what is remembered where kustomize keeps it, among the annotations, for a patch to see.
    pub(super) fn expose_memory(&mut self) {
        self.set_annotation(MEMORY, Node::text("here"));
    }

    /// Takes it back. Gives whether it was still there.
    pub(super) fn hide_memory(&mut self) -> bool {
        self.annotations_mut()
            .and_then(|annotations| annotations.remove(MEMORY))
            .is_some()
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.mapping().get("metadata")?.get("annotations")?;
        annotations
            .get(key)
            .map(|value| value.as_text().unwrap_or_default())
    }

    /// The annotations, if there are any.
    pub(super) fn annotations_mut(&mut self) -> Option<&mut Mapping> {
        let root = self.root.as_mapping_mut()?;
        let metadata = root.get_mut("metadata")?.as_mapping_mut()?;
        metadata.get_mut("annotations")?.as_mapping_mut()
    }

    /// Sets an annotation, unless the annotations are no mapping.
    pub(super) fn set_annotation(&mut self, key: &str, value: Node) {
        let Some(metadata) = self.metadata_mut() else {
            return;
        };
        let annotations = metadata.get_or_insert_with("annotations", Node::mapping);
        // Whatever else it is, but a list of something, counts as none, as it does in the end.
        if matches!(annotations, Node::Scalar(_)) || annotations.is_empty() {
            *annotations = Node::mapping();
        }
        if let Some(annotations) = annotations.as_mapping_mut() {
            annotations.set(key, value);
        }
    }
}

/// Whether it is a text of lines, which is a string already and can be long.
fn is_lines(entry: &Entry) -> bool {
    let scalar = entry.value.as_scalar();
    scalar.is_some_and(|scalar| {
        scalar.kind == ScalarKind::Text
            && scalar.quoted
            && scalar.tie == 0
            && scalar.text.ends_with('\n')
    })
}
