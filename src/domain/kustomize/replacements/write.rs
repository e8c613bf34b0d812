//! Putting a value where a path leads.
//!
//! Invariant: a string stays a string and a number a number, whatever is written over it; what is
//! written is counted, so that copies of copies stay bounded. What is absent: finding objects.

use super::super::budget::nodes;
use super::super::context::Context;
use super::super::error::BuildError;
use super::super::field_path::{self, Element, Leaf};
use super::super::inner::{self, Refusal};
use super::super::resource::Resource;
use super::super::ties;
use super::{Part, STEP, Target, Value};
use crate::domain::manifest::{Node, Scalar};

/// How deep a value may lie.
const DEPTH: usize = 256;

/// Writes `value` where every path of a target leads.
pub(super) fn write(
    context: &Context<'_>,
    resource: &mut Resource,
    to: &Target,
    value: &Value,
) -> Result<(), BuildError> {
    for (path, elements) in &to.paths {
        write_path(context, &mut resource.root, to, (path, elements), value)
            .map_err(|reason| resource.error(STEP, path, reason))?;
    }
    if resource.ties > 0 {
        ties::settle(&mut resource.root);
    }
    Ok(())
}

fn write_path(
    context: &Context<'_>,
    root: &mut Node,
    to: &Target,
    (path, elements): (&str, &[Element]),
    value: &Value,
) -> Result<(), String> {
    let work = |nodes| {
        let allowed = context.budget.work(nodes);
        allowed.map_err(|error| error.to_string())
    };
    work(nodes(root) + 4 * path.len())?;
    if elements.len() + value.depth > DEPTH {
        return Err(format!(
            "what is written would be more than {DEPTH} levels deep"
        ));
    }
    let create = to.create.then(|| Leaf::like(&value.node));
    let spend = |bytes| {
        let allowed = context.budget.generate(bytes);
        allowed.map_err(|error| error.to_string())
    };
    let layout = || {
        let source = value.source.as_ref()?;
        let bytes = context.tree.read(&source.file).ok()?;
        work(bytes.len()).ok()?;
        inner::layout(std::str::from_utf8(&bytes).ok()?, source.line, &value.node)
    };
    if let Some((length, text)) = string_on_the_way(root, elements) {
        spend(value.bytes + text.len())?;
        match inner::write(text, &elements[length..], create, &value.node, &layout) {
            Ok(text) => {
                rewrite(root, &elements[..length], text);
                return Ok(());
            }
            Err(refusal @ Refusal::Unsupported(_)) => return Err(refusal.to_string()),
            // The path is tried once more, as one that does not end inside a string.
            Err(Refusal::Impossible(_)) => {}
        }
    }
    let mut set = |node: &mut Node| {
        spend(value.bytes)?;
        // A text that is divided is copied.
        work(4 * node.as_text().map_or(0, str::len))?;
        set(node, &value.node, &to.part)
    };
    match field_path::visit(root, elements, create, &mut set)? {
        0 => Err("there is no such field".to_owned()),
        _ => Ok(()),
    }
}

/// How many elements of a path lead to a string that holds a document, and the string.
fn string_on_the_way<'a>(root: &'a Node, elements: &[Element]) -> Option<(usize, &'a str)> {
    (1..elements.len()).find_map(|length| {
        let found = field_path::look_up(root, &elements[..length]).ok()??;
        let text = found.as_text().filter(|text| inner::is_document(text))?;
        Some((length, text))
    })
}

fn rewrite(root: &mut Node, path: &[Element], text: String) {
    if let Some(old) = field_path::scalar_mut(root, path) {
        *old = written(old, text);
    }
}

/// About how many bytes a value takes, and how deep it is.
pub(super) fn size(node: &Node) -> (usize, usize) {
    const EACH: usize = 64;
    let inner = |sizes: &mut dyn Iterator<Item = (usize, usize)>| {
        sizes.fold((EACH, 1), |(bytes, depth), (more, inner)| {
            (bytes + more, depth.max(inner + 1))
        })
    };
    match node {
        Node::Scalar(scalar) => (EACH + scalar.text.len(), 1),
        Node::Sequence(items) => inner(&mut items.iter().map(size)),
        Node::Mapping(mapping) => inner(&mut mapping.entries.iter().map(|entry| {
            let (bytes, depth) = size(&entry.value);
            (bytes + entry.key.len(), depth)
        })),
    }
}

fn set(node: &mut Node, value: &Node, part: &Part) -> Result<(), String> {
    let Node::Scalar(old) = node else {
        if !part.delimiter.is_empty() {
            return Err("`delimiter` only divides strings".to_owned());
        }
        *node = value.clone();
        return Ok(());
    };
    let text = value.as_text().unwrap_or_default();
    let text = if part.delimiter.is_empty() {
        text.to_owned()
    } else {
        let mut parts: Vec<&str> = old.text.split(&part.delimiter).collect();
        match usize::try_from(part.index) {
            Err(_) => parts.insert(0, text),
            Ok(index) => match parts.get_mut(index) {
                None => parts.push(text),
                Some(part) => *part = text,
            },
        }
        parts.join(&part.delimiter)
    };
    *node = Node::Scalar(written(old, text));
    Ok(())
}

/// What has a type keeps it. A text that is nothing of that type is refused where its value is asked
/// for, unless something else is written over it by then.
fn written(old: &Scalar, text: String) -> Scalar {
    ties::replace(old, Scalar::new(text, old.kind, old.line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::{Rules, documents};

    fn scalar(text: &str) -> Scalar {
        let documents = documents("a.yaml", text.as_bytes(), Rules::Kustomize);
        let root = documents.expect("it is YAML").remove(0).root;
        root.as_scalar().expect("it is a scalar").clone()
    }

    fn part(delimiter: &str, index: i64) -> Part {
        Part {
            delimiter: delimiter.to_owned(),
            index,
        }
    }

    fn after(old: &str, new: &str, part: &Part) -> Result<serde_json::Value, String> {
        let mut node = Node::Scalar(scalar(old));
        set(&mut node, &Node::text(new), part)?;
        node.to_json().map_err(|error| error.to_string())
    }

    #[test]
    fn a_type_stays_whatever_is_written() {
        let whole = Part::default();
        assert_eq!(after("'a'", "5", &whole), Ok("5".into()));
        assert_eq!(after("a", "5", &whole), Ok("5".into()));
        assert_eq!(after("1", "5", &whole), Ok(5.into()));
        assert_eq!(after("1.5", "5", &whole), Ok(5.into()));
        for (old, new, refused) in [
            ("1", "five", "line 1: `five` cannot be read as `!!int`"),
            ("1.5", "five", "line 1: `five` cannot be read as `!!float`"),
            ("true", "5", "line 1: `5` cannot be read as `!!bool`"),
            (
                "2024-01-01",
                "5",
                "line 1: `5` cannot be read as `!!timestamp`",
            ),
        ] {
            assert_eq!(after(old, new, &whole), Err(refused.to_owned()));
        }
    }

    #[test]
    fn what_was_made_without_a_type_takes_that_of_what_is_written() {
        for (new, read) in [
            ("5", 5.into()),
            ("true", true.into()),
            ("", serde_json::Value::Null),
            ("a", "a".into()),
        ] {
            let mut node = Node::Scalar(field_path::made("x".to_owned()));
            set(&mut node, &Node::text(new), &Part::default()).expect("it is written");
            assert_eq!(node.to_json(), Ok(read));
        }
    }

    #[test]
    fn a_part_before_between_or_after_is_written() {
        for (index, expected) in [
            (-1, "N-a-b"),
            (0, "N-b"),
            (1, "a-N"),
            (2, "a-b-N"),
            (9, "a-b-N"),
        ] {
            assert_eq!(after("a-b", "N", &part("-", index)), Ok(expected.into()));
        }
        assert_eq!(after("a-b", "N", &part("/", 0)), Ok("N".into()));
    }

    #[test]
    fn a_list_is_replaced_as_a_whole_and_never_divided() {
        let mut list = Node::Sequence(vec![Node::null()]);
        assert!(set(&mut list, &Node::text("x"), &part("-", 0)).is_err());
        set(&mut list, &Node::text("x"), &Part::default()).expect("it is replaced");
        assert_eq!(list.as_text(), Some("x"));
    }

    #[test]
    fn the_string_a_path_runs_into_is_found() {
        let text = "data: {file: 'a: 1', other: {b: 2}, bad: 'a: [', words: x}";
        let root = documents("a.yaml", text.as_bytes(), Rules::Kustomize);
        let root = root.expect("it is YAML").remove(0).root;
        let found = |path: &str| string_on_the_way(&root, &field_path::split(path));
        assert_eq!(found("data.file.a"), Some((2, "a: 1")));
        assert_eq!(found("data.words.a"), Some((2, "x")));
        for path in [
            "data.file",
            "data.other.b",
            "data.bad.a",
            "data.*.a",
            "none.a",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn a_value_is_as_deep_as_its_deepest_leaf() {
        let deep = Node::Sequence(vec![Node::null(), Node::Sequence(vec![Node::null()])]);
        assert_eq!(size(&deep).1, 3);
        assert!(size(&deep).0 > size(&Node::null()).0);
    }
}
