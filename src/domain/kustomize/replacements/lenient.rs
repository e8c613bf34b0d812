//! Replacements in files of their own, which kustomize v5.8.1 reads less strictly.
//!
//! Invariant: after [`tidy`] nothing unknown is left, and a number or a boolean where a string
//! belongs is its text. What is absent: what the fields mean.

use crate::domain::manifest::{Node, Scalar};

const OBJECT: [&str; 5] = ["group", "version", "kind", "name", "namespace"];

/// Makes an entry one that the strict reader takes.
pub(super) fn tidy(entry: &mut Node) {
    keep(entry, &["source", "sourceValue", "targets"]);
    text(entry, "sourceValue");
    with(entry, "source", |source| {
        keep(source, &[&OBJECT[..], &["fieldPath", "options"]].concat());
        texts(source, &[&OBJECT[..], &["fieldPath"]].concat());
        with(source, "options", tidy_options);
    });
    with(entry, "targets", |targets| each(targets, tidy_target));
}

fn tidy_target(target: &mut Node) {
    keep(target, &["select", "reject", "fieldPaths", "options"]);
    with(target, "select", tidy_selector);
    with(target, "reject", |reject| each(reject, tidy_selector));
    with(target, "fieldPaths", |paths| each(paths, as_text));
    with(target, "options", tidy_options);
}

fn tidy_selector(selector: &mut Node) {
    let known = [&OBJECT[..], &["labelSelector", "annotationSelector"]].concat();
    keep(selector, &known);
    texts(selector, &known);
}

fn tidy_options(options: &mut Node) {
    keep(options, &["delimiter", "index", "encoding", "create"]);
    texts(options, &["delimiter", "encoding"]);
}

fn keep(node: &mut Node, known: &[&str]) {
    if let Some(mapping) = node.as_mapping_mut() {
        mapping
            .entries
            .retain(|entry| known.iter().any(|key| key.eq_ignore_ascii_case(&entry.key)));
    }
}

fn with(node: &mut Node, key: &str, change: impl FnOnce(&mut Node)) {
    let mapping = node.as_mapping_mut();
    if let Some(value) = mapping.and_then(|mapping| mapping.get_mut(key)) {
        change(value);
    }
}

fn each(node: &mut Node, change: impl Fn(&mut Node)) {
    if let Node::Sequence(items) = node {
        items.iter_mut().for_each(change);
    }
}

fn texts(node: &mut Node, keys: &[&str]) {
    for key in keys {
        text(node, key);
    }
}

fn text(node: &mut Node, key: &str) {
    with(node, key, as_text);
}

fn as_text(node: &mut Node) {
    if node.is_null() || node.as_scalar().is_none() {
        return;
    }
    match node.to_json() {
        Ok(serde_json::Value::String(_)) | Err(_) => {}
        Ok(value) => {
            let line = node.line();
            let scalar = Scalar::string(value.to_string());
            *node = Node::Scalar(Scalar { line, ..scalar });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::{Rules, documents};

    #[test]
    fn strangers_go_and_numbers_become_texts() {
        let text = "a: 1\nsourceValue: 5\ntargets:\n- b: 1\n  select: {kind: Job, name: true, c: 1}\n  reject: [{d: 1}]\n  fieldPaths: [1, a]\n  options: {index: 1, delimiter: 2, e: 3}\n";
        let documents = documents("a.yaml", text.as_bytes(), Rules::Kubernetes);
        let mut root = documents.expect("it is YAML").remove(0).root;
        tidy(&mut root);
        let expected = serde_json::json!({"sourceValue": "5", "targets": [{
            "select": {"kind": "Job", "name": "true"},
            "reject": [{}],
            "fieldPaths": ["1", "a"],
            "options": {"index": 1, "delimiter": "2"},
        }]});
        assert_eq!(root.to_json(), Ok(expected));
    }

    #[test]
    fn what_is_no_entry_stays() {
        let mut node = Node::text("words");
        tidy(&mut node);
        assert_eq!(node.as_text(), Some("words"));
    }
}
