//! Lists in files: a `kind: …List` with `items` stands for its items.
//!
//! Invariant: after [`expand_lists`] no document is such a list; items come after the documents
//! that follow their list, as kustomize orders them. What is absent: lists of the API (paging).

use super::ManifestError;
use super::node::{Mapping, Node};
use super::parse::{Document, LIMITS};
use std::collections::VecDeque;

/// Whether `mapping` is a list object with items to take out.
pub fn is_list(mapping: &Mapping) -> bool {
    mapping
        .text("kind")
        .is_some_and(|kind| kind.ends_with("List"))
        && mapping.get("items").is_some()
}

/// Replaces lists by their items, lists inside lists too.
///
/// # Errors
/// [`ManifestError::Invalid`] when `items` is not a list, [`ManifestError::TooLarge`] when there
/// are more objects than a file may hold.
pub fn expand_lists(file: &str, documents: Vec<Document>) -> Result<Vec<Document>, ManifestError> {
    let mut queue: VecDeque<Document> = documents.into();
    let mut plain = Vec::with_capacity(queue.len());
    while let Some(document) = queue.pop_front() {
        if !document.root.as_mapping().is_some_and(is_list) {
            plain.push(document);
            continue;
        }
        queue.extend(items(file, document)?);
        if queue.len() > LIMITS.documents {
            return Err(ManifestError::TooLarge {
                file: file.to_owned(),
                line: 0,
                what: format!("more than {} objects", LIMITS.documents),
            });
        }
    }
    Ok(plain)
}

fn items(file: &str, document: Document) -> Result<Vec<Document>, ManifestError> {
    let line = document.line;
    let items = match document.root {
        Node::Mapping(mut mapping) => mapping.remove("items"),
        _ => None,
    };
    match items {
        Some(Node::Sequence(items)) => Ok(items
            .into_iter()
            .map(|root| Document {
                line: match root.line() {
                    0 => line,
                    known => known,
                },
                root,
            })
            .collect()),
        Some(items) if items.is_null() => Ok(Vec::new()),
        _ => Err(ManifestError::Invalid {
            file: file.to_owned(),
            line,
            reason: "`items` of a list must be a list of objects".to_owned(),
        }),
    }
}
