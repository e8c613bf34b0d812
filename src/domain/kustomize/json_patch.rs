//! JSON patches (RFC 6902) as kustomize carries them out.
//!
//! Invariant: the answers are those of the library kustomize v5.8.1 uses: `replace` of a missing
//! key of an object adds it, negative indices count from the end, `null` on the way is missing.
//! What is absent: merge patches (RFC 7396).

use super::annotations::MEMORY;
use super::budget::Budget;
use super::go_yaml;
use super::lines::Lines;
use crate::domain::manifest::{Node, Rules, ScalarKind, classify, documents, from_f64};
use serde_json::Value;

/// How deep a value may lie.
const DEPTH: usize = 256;

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operation {
    op: String,
    path: Option<String>,
    from: Option<String>,
    value: Option<Value>,
}

/// Reads a patch: JSON when it starts with `[`, YAML otherwise. `None` when it holds nothing.
///
/// # Errors
/// In words, when it is not a list of operations.
pub(super) fn parse(
    file: &str,
    text: &str,
    lines: Lines,
) -> Result<Option<Vec<Operation>>, String> {
    let value: Value = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|error| not_json(file, &error, lines))?
    } else {
        let documents = documents(file, text.as_bytes(), Rules::Kubernetes)
            .map_err(|error| lines.error(error).to_string())?;
        match documents.first() {
            None => return Ok(None),
            Some(document) => document.root.to_json().map_err(|error| {
                let line = lines.line(error.line());
                format!("{file}:{line}: {}", error.reason())
            })?,
        }
    };
    match value {
        Value::Null => Ok(None),
        Value::Array(items) => items
            .into_iter()
            .map(operation)
            .collect::<Result<_, _>>()
            .map(Some),
        _ => Err("expected a list of operations".to_owned()),
    }
}

/// What is wrong with a text that begins as JSON, and where.
fn not_json(file: &str, error: &serde_json::Error, lines: Lines) -> String {
    let words = error.to_string();
    let reason = words.split(" at line ").next().unwrap_or_default();
    let line = lines.line(u32::try_from(error.line()).unwrap_or(u32::MAX));
    format!("{file}:{line}: not valid JSON: {reason}")
}

fn operation(value: Value) -> Result<Operation, String> {
    let Value::Object(mut fields) = value else {
        return Err("expected every operation to be a mapping".to_owned());
    };
    let mut text = |name: &str| match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("`{name}` is `{other}`, expected a string")),
    };
    Ok(Operation {
        op: text("op")?.unwrap_or_default(),
        path: text("path")?,
        from: text("from")?,
        value: fields.remove("value"),
    })
}

/// Applies `operations` in order.
///
/// # Errors
/// In words, with the path of the first operation that does not apply.
pub(super) fn apply(
    document: &mut Value,
    operations: &[Operation],
    budget: &Budget,
) -> Result<(), String> {
    for (index, operation) in operations.iter().enumerate() {
        step(document, operation, budget).map_err(|reason| {
            format!(
                "operation {index}, `{}` of `{}`: {reason}",
                operation.op,
                operation.path.as_deref().unwrap_or_default()
            )
        })?;
    }
    round_numbers(document);
    Ok(())
}

/// The object that a patch leaves, with its numbers written as the floats they have passed through.
pub(super) fn node(object: &Value) -> Node {
    let mut node = Node::from_json(object);
    write_numbers(&mut node);
    node
}

fn write_numbers(node: &mut Node) {
    match node {
        Node::Scalar(scalar) if matches!(scalar.kind, ScalarKind::Integer | ScalarKind::Float) => {
            if let Ok(number) = scalar.text.parse() {
                scalar.text = go_yaml::float(number).into();
                scalar.kind = classify(&scalar.text, Rules::Kustomize);
            }
        }
        Node::Scalar(_) => {}
        Node::Sequence(items) => items.iter_mut().for_each(write_numbers),
        Node::Mapping(mapping) => {
            let values = mapping.entries.iter_mut().map(|entry| &mut entry.value);
            values.for_each(write_numbers);
        }
    }
}

/// Numbers pass through 64-bit floats on the way, as they do in kustomize.
fn round_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(rounded) = number.as_f64().and_then(from_f64) {
                *number = rounded;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(round_numbers),
        Value::Object(object) => object.values_mut().for_each(round_numbers),
        _ => {}
    }
}

fn step(document: &mut Value, operation: &Operation, budget: &Budget) -> Result<(), String> {
    let path = operation.path.as_deref().ok_or("`path` is missing")?;
    let spent = budget.work(16 + path.len() / 2);
    spent.map_err(|error| error.to_string())?;
    let value = || operation.value.clone().unwrap_or_default();
    let from = || operation.from.as_deref().ok_or("`from` is missing");
    match operation.op.as_str() {
        "add" => add(document, path, kept(value(), budget)?, budget),
        "remove" => remove(document, path, budget).map(drop),
        "replace" => replace(document, path, kept(value(), budget)?),
        "move" => {
            let mut moved = remove(document, from()?, budget)?;
            leave_memory(&mut moved);
            add(document, path, moved, budget)
        }
        "copy" => {
            let found = get(document, from()?)?;
            let bytes = found.map_or(0, |found| size(found).0);
            budget.keep(bytes).map_err(|error| error.to_string())?;
            let mut value = found.cloned().unwrap_or_default();
            leave_memory(&mut value);
            add(document, path, value, budget)
        }
        "test" => test(document, path, &value()),
        _ => Err("expected `add`, `remove`, `replace`, `move`, `copy` or `test`".to_owned()),
    }
}

/// Takes what stands among annotations for what is remembered out of a value that goes elsewhere.
fn leave_memory(value: &mut Value) {
    for annotations in ["", "/annotations", "/metadata/annotations"] {
        if let Some(Value::Object(annotations)) = value.pointer_mut(annotations) {
            annotations.shift_remove(MEMORY);
        }
    }
}

/// About how many bytes a value takes in memory, and how deep it is.
fn size(value: &Value) -> (usize, usize) {
    const EACH: usize = 128;
    let inner = |sizes: &mut dyn Iterator<Item = (usize, usize)>| {
        sizes.fold((EACH, 1), |(bytes, depth), (more, inner)| {
            (bytes + more, depth.max(inner + 1))
        })
    };
    match value {
        Value::Array(items) => inner(&mut items.iter().map(size)),
        Value::Object(object) => inner(&mut object.iter().map(|(key, value)| {
            let (bytes, depth) = size(value);
            (bytes + key.len(), depth)
        })),
        Value::String(text) => (EACH + text.len(), 1),
        _ => (EACH, 1),
    }
}

/// Counts what a patch adds.
fn kept(value: Value, budget: &Budget) -> Result<Value, String> {
    let kept = budget.keep(size(&value).0);
    kept.map_err(|error| error.to_string()).map(|()| value)
}

/// Counts the neighbours that may have to move.
fn moved(container: &Value, budget: &Budget) -> Result<(), String> {
    let neighbours = match container {
        Value::Array(items) => items.len(),
        Value::Object(object) => object.len(),
        _ => 0,
    };
    let spent = budget.work(1 + neighbours);
    spent.map_err(|error| error.to_string())
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn index(key: &str, length: usize, slots: usize) -> Result<usize, String> {
    let wrong = || format!("`{key}` is not an index of a list of {length}");
    let number: i64 = key.parse().map_err(|_| wrong())?;
    let slots = i64::try_from(slots).map_err(|_| wrong())?;
    let number = if number < 0 { number + slots } else { number };
    if (0..slots).contains(&number) {
        usize::try_from(number).map_err(|_| wrong())
    } else {
        Err(wrong())
    }
}

/// The container the last part of `path` is looked up in, and that part.
fn container<'a>(document: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.len() < 2 {
        return Err("the path leads to nothing; it must start with `/`".to_owned());
    }
    let key = unescape(parts.pop().unwrap_or_default());
    let mut at = document;
    for part in &parts[1..] {
        let part = unescape(part);
        let missing = format!("`{part}` is missing on the way");
        at = match at {
            Value::Object(object) => object.get_mut(&part).ok_or(missing)?,
            Value::Array(items) => {
                let index = index(&part, items.len(), items.len())?;
                &mut items[index]
            }
            _ => return Err(missing),
        };
    }
    match at {
        Value::Object(_) | Value::Array(_) => Ok((at, key)),
        _ => Err(format!("there is nothing that could hold `{key}`")),
    }
}

fn add(document: &mut Value, path: &str, value: Value, budget: &Budget) -> Result<(), String> {
    if path.split('/').count() + size(&value).1 > DEPTH {
        return Err(format!("the value would be more than {DEPTH} levels deep"));
    }
    let (container, key) = container(document, path)?;
    match container {
        Value::Object(object) => {
            object.insert(key, value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let spent = budget.work(1 + items.len());
            spent.map_err(|error| error.to_string())?;
            let index = index(&key, items.len(), items.len() + 1)?;
            items.insert(index, value);
        }
        _ => {}
    }
    Ok(())
}

fn remove(document: &mut Value, path: &str, budget: &Budget) -> Result<Value, String> {
    let (container, key) = container(document, path)?;
    moved(container, budget)?;
    match container {
        Value::Object(object) => object
            .shift_remove(&key)
            .ok_or_else(|| format!("`{key}` does not exist")),
        Value::Array(items) => {
            let index = index(&key, items.len(), items.len())?;
            Ok(items.remove(index))
        }
        _ => Err(format!("`{key}` does not exist")),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("an object can only be replaced by an object".to_owned());
        }
        *document = value;
        return Ok(());
    }
    let (container, key) = container(document, path)?;
    match container {
        Value::Object(object) => {
            object.insert(key, value);
        }
        Value::Array(items) => {
            let index = index(&key, items.len(), items.len())?;
            items[index] = value;
        }
        _ => {}
    }
    Ok(())
}

fn get<'a>(document: &'a mut Value, path: &str) -> Result<Option<&'a Value>, String> {
    let (container, key) = container(document, path)?;
    match container {
        Value::Object(object) => Ok(object.get(&key)),
        Value::Array(items) => {
            let index = index(&key, items.len(), items.len())?;
            Ok(items.get(index))
        }
        _ => Ok(None),
    }
}

fn test(document: &mut Value, path: &str, expected: &Value) -> Result<(), String> {
    let found = if path.is_empty() {
        Some(&*document)
    } else {
        get(document, path)?
    };
    let found = found.unwrap_or(&Value::Null);
    if found == expected {
        Ok(())
    } else {
        Err(format!("the value is `{found}`, not `{expected}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(document: Value, patch: &str) -> Result<Value, String> {
        let operations = parse("patch.yaml", patch, Lines::Own)?.unwrap_or_default();
        let mut document = document;
        apply(&mut document, &operations, &Budget::default())?;
        Ok(document)
    }

    #[test]
    fn every_operation_does_what_the_rfc_says() {
        let before = || json!({"a": [1, 2], "b": {"c/d": "x", "e~f": "y"}});
        for (patch, after) in [
            (
                "[{op: add, path: /a/0, value: 0}]",
                json!({"a": [0, 1, 2], "b": {"c/d": "x", "e~f": "y"}}),
            ),
            (
                "- {op: add, path: /a/-, value: 3}",
                json!({"a": [1, 2, 3], "b": {"c/d": "x", "e~f": "y"}}),
            ),
            (
                "- {op: remove, path: /b/c~1d}",
                json!({"a": [1, 2], "b": {"e~f": "y"}}),
            ),
            (
                "- {op: replace, path: /b/e~0f, value: z}",
                json!({"a": [1, 2], "b": {"c/d": "x", "e~f": "z"}}),
            ),
            (
                "- {op: move, from: /a/0, path: /x}",
                json!({"a": [2], "b": {"c/d": "x", "e~f": "y"}, "x": 1}),
            ),
            (
                "- {op: copy, from: /a, path: /x}",
                json!({"a": [1, 2], "b": {"c/d": "x", "e~f": "y"}, "x": [1, 2]}),
            ),
            ("- {op: test, path: /a/1, value: 2}", before()),
        ] {
            let patch = patch.strip_prefix('[').map_or(patch.to_owned(), |rest| {
                format!("- {}", rest.trim_end_matches(']'))
            });
            assert_eq!(patched(before(), &patch), Ok(after), "{patch}");
        }
    }

    #[test]
    fn copies_that_double_are_stopped() {
        let patch: String = (0..64)
            .map(|index| format!("- {{op: copy, from: /a, path: /a/x{index}}}\n"))
            .collect();
        let refusal = patched(json!({"a": {}}), &patch);
        assert!(refusal.is_err_and(|reason| reason.contains("more than 80000000 bytes")));
    }

    #[test]
    fn what_nests_without_end_is_stopped() {
        let patch: String = (1..300)
            .map(|depth| format!("- {{op: add, path: {}, value: {{}}}}\n", "/a".repeat(depth)))
            .collect();
        let refusal = patched(json!({}), &patch);
        assert!(refusal.is_err_and(|reason| reason.contains("more than 256 levels deep")));
    }

    #[test]
    fn what_does_not_apply_is_refused_with_its_path() {
        for patch in [
            "- {op: remove, path: /x}",
            "- {op: remove, path: /a/7}",
            "- {op: replace, path: /x/y, value: 1}",
            "- {op: add, path: /a/7, value: 1}",
            "- {op: add, path: '', value: 1}",
            "- {op: test, path: /a/0, value: 9}",
            "- {op: jump, path: /a}",
            "- {op: add, value: 1}",
            "- {op: move, path: /a}",
        ] {
            assert!(patched(json!({"a": [1, 2]}), patch).is_err(), "{patch}");
        }
        assert!(parse("p", "op: add", Lines::Own).is_err());
        assert!(parse("p", "- 1", Lines::Own).is_err());
        assert_eq!(parse("p", "# nothing\n", Lines::Own), Ok(None));
    }
}
