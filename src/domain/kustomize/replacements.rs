//! The `replacements` step: values copied from one object, or given, into fields of others.
//!
//! Invariant: a source is exactly one object, and every path of a target that is selected leads
//! somewhere. A string stays a string and a number a number, whatever is written over it. What is
//! absent: `encoding`, which kustomize v5.8.1 reads and does not use.

use super::context::Context;
use super::decode::{At, Fields, Located};
use super::error::BuildError;
use super::field_path::{self, Leaf, made};
use super::inner::{self, Refusal};
use super::resource::{Name, Resource};
use super::selector::{self, Selector};
use super::{PatchTarget, ties};
use crate::domain::manifest::{Node, Rules, Scalar, ScalarKind, Source, classify, documents};

const STEP: &str = "replacements";
/// How deep a value may lie.
const DEPTH: usize = 256;
const NAME: &str = "metadata.name";

/// One entry of `replacements`.
#[derive(Clone, Debug)]
pub(super) enum Replacement {
    /// Stands in the kustomization.
    Inline(Box<Copying>),
    /// Stands in a file, alone or in a list.
    File(String),
}

/// From where to where a value is copied.
#[derive(Clone, Debug)]
pub(super) struct Copying {
    from: From,
    to: Vec<Target>,
}

#[derive(Clone, Debug)]
enum From {
    Value(String),
    Object {
        object: PatchTarget,
        path: String,
        part: Part,
    },
}

#[derive(Clone, Debug)]
struct Target {
    select: PatchTarget,
    reject: Vec<PatchTarget>,
    paths: Vec<String>,
    part: Part,
    create: bool,
}

/// Which part of a string is meant; all of it without a delimiter.
#[derive(Clone, Debug, Default)]
struct Part {
    delimiter: String,
    index: i64,
}

/// Reads one entry.
pub(super) fn parse(at: &At<'_>) -> Result<Replacement, BuildError> {
    let fields = at.fields()?;
    fields.only(&["path", "source", "sourceValue", "targets"])?;
    let path = fields.text("path")?;
    if path.is_empty() {
        return copying(at, &fields).map(|copying| Replacement::Inline(Box::new(copying)));
    }
    if fields.get("source").is_some() || !fields.items("targets")?.is_empty() {
        return Err(at.error("`path` and a replacement in place cannot both be set"));
    }
    Ok(Replacement::File(path))
}

fn copying(at: &At<'_>, fields: &Fields<'_>) -> Result<Copying, BuildError> {
    let from = match (fields.get("source"), fields.get("sourceValue")) {
        (Some(_), Some(_)) => {
            return Err(at.error("`source` and `sourceValue` cannot both be set"));
        }
        (None, None) => return Err(at.error("expected `source` or `sourceValue`")),
        (None, Some(value)) => From::Value(value.text()?.to_owned()),
        (Some(source), None) => from_object(&source.fields()?)?,
    };
    let to: Vec<Target> = fields
        .items("targets")?
        .iter()
        .map(to_objects)
        .collect::<Result<_, _>>()?;
    if to.is_empty() {
        return Err(at.error("expected at least one entry in `targets`"));
    }
    Ok(Copying { from, to })
}

fn from_object(fields: &Fields<'_>) -> Result<From, BuildError> {
    fields.only(&[
        "group",
        "version",
        "kind",
        "name",
        "namespace",
        "fieldPath",
        "options",
    ])?;
    let path = fields.text("fieldPath")?;
    Ok(From::Object {
        object: PatchTarget {
            group: fields.text("group")?,
            version: fields.text("version")?,
            kind: fields.text("kind")?,
            name: fields.text("name")?,
            namespace: fields.text("namespace")?,
            ..PatchTarget::default()
        },
        path: if path.is_empty() {
            NAME.to_owned()
        } else {
            path
        },
        part: options(fields)?.0,
    })
}

fn to_objects(at: &At<'_>) -> Result<Target, BuildError> {
    let fields = at.fields()?;
    fields.only(&["select", "reject", "fieldPaths", "options"])?;
    let select = fields
        .get("select")
        .ok_or_else(|| at.error("expected `select`"))?;
    let mut reject = Vec::new();
    for at in fields.items("reject")? {
        reject.push(selector::parse(&at.fields()?)?);
    }
    let mut paths: Vec<String> = Vec::new();
    for path in fields.texts("fieldPaths")? {
        paths.push(path.value);
    }
    if paths.is_empty() {
        paths.push(NAME.to_owned());
    }
    let (part, create) = options(&fields)?;
    Ok(Target {
        select: selector::parse(&select.fields()?)?,
        reject,
        paths,
        part,
        create,
    })
}

fn options(fields: &Fields<'_>) -> Result<(Part, bool), BuildError> {
    let Some(at) = fields.get("options") else {
        return Ok((Part::default(), false));
    };
    let fields = at.fields()?;
    fields.only(&["delimiter", "index", "encoding", "create"])?;
    fields.text("encoding")?;
    let part = Part {
        delimiter: fields.text("delimiter")?,
        index: fields.get("index").map_or(Ok(0), |at| at.integer())?,
    };
    Ok((part, fields.flag("create")?))
}

/// Carries out one entry.
pub(super) fn apply(
    context: &Context<'_>,
    resources: &mut [Resource],
    entry: &Located<Replacement>,
) -> Result<(), BuildError> {
    match &entry.value {
        Replacement::Inline(copying) => copy(context, resources, entry, copying),
        Replacement::File(path) => read(context, entry, path)?
            .iter()
            .try_for_each(|copying| copy(context, resources, entry, copying)),
    }
}

fn read(
    context: &Context<'_>,
    entry: &Located<Replacement>,
    path: &str,
) -> Result<Vec<Copying>, BuildError> {
    let place = Located {
        file: entry.file.clone(),
        field: format!("{}.path", entry.field),
        line: entry.line,
        value: path.to_owned(),
    };
    let (file, bytes) = context.read(&place)?;
    let documents = documents(&file, &bytes, Rules::Kubernetes)?;
    let Some(document) = documents.first() else {
        return Err(place.error(format!("{file} says nothing")));
    };
    let at = At {
        file: &file,
        field: "replacements".to_owned(),
        line: document.line,
        node: &document.root,
    };
    let entries = match at.node {
        Node::Sequence(_) => at.items()?,
        _ => vec![at],
    };
    entries
        .iter()
        .map(|at| copying(at, &at.fields()?))
        .collect()
}

fn copy(
    context: &Context<'_>,
    resources: &mut [Resource],
    entry: &Located<Replacement>,
    copying: &Copying,
) -> Result<(), BuildError> {
    let value = match &copying.from {
        From::Value(text) => Value::new(Node::Scalar(made(text.clone())), None),
        From::Object { object, path, part } => {
            value_of(resources, object, path, part).map_err(|reason| entry.error(reason))?
        }
    };
    for to in &copying.to {
        let selector =
            |target: &PatchTarget| Selector::new(target).map_err(|reason| entry.error(reason));
        let select = selector(&to.select)?;
        let reject = to
            .reject
            .iter()
            .map(selector)
            .collect::<Result<Vec<_>, _>>()?;
        for resource in resources.iter_mut() {
            if select.takes(resource) && !reject.iter().any(|reject| reject.drops(resource)) {
                write(context, resource, to, &value)?;
            }
        }
    }
    Ok(())
}

/// What is copied.
struct Value {
    node: Node,
    /// Where its object was read, if the value is as it was there.
    source: Option<Source>,
    /// About how many bytes it takes.
    bytes: usize,
    depth: usize,
}

impl Value {
    fn new(node: Node, source: Option<Source>) -> Self {
        let (bytes, depth) = size(&node);
        Self {
            node,
            source,
            bytes,
            depth,
        }
    }
}

fn value_of(
    resources: &[Resource],
    object: &PatchTarget,
    path: &str,
    part: &Part,
) -> Result<Value, String> {
    let mut matching = resources.iter().filter(|resource| is(resource, object));
    let source = match (matching.next(), matching.next()) {
        (Some(source), None) => source,
        (None, _) => return Err(format!("no object is {}", shown(object))),
        (Some(_), Some(_)) => return Err(format!("several objects are {}", shown(object))),
    };
    let elements = field_path::split(path);
    let texts: Vec<&str> = elements.iter().map(String::as_str).collect();
    // kustomize would copy along what it remembers there about the object.
    if source.remembers() && ["metadata", "annotations"].starts_with(&texts) {
        return Err(format!(
            "the whole of `{path}` cannot be copied from an object that was changed"
        ));
    }
    let found = field_path::look_up(&source.root, &elements)?;
    let found = found.filter(|node| !node.is_empty());
    let missing = || format!("{} has no `{path}`", source.identity());
    let value = found.ok_or_else(missing)?.clone();
    if part.delimiter.is_empty() {
        return Ok(Value::new(value, Some(source.source.clone())));
    }
    let Node::Scalar(mut scalar) = value else {
        return Err("`delimiter` only divides strings".to_owned());
    };
    let index = usize::try_from(part.index).ok();
    let piece = index.and_then(|index| scalar.text.split(&part.delimiter).nth(index));
    let outside = || format!("`{}` has no part {}", scalar.text, part.index);
    scalar.text = piece.ok_or_else(outside)?.to_owned();
    Ok(Value::new(Node::Scalar(scalar), None))
}

/// Whether an object is or was what a source names.
fn is(resource: &Resource, object: &PatchTarget) -> bool {
    let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    let gvk = resource.gvk_ref();
    let named = |name: Name| {
        fits(&object.kind, &name.kind)
            && fits(&object.name, &name.name)
            && fits(&object.namespace, &name.namespace)
    };
    fits(&object.group, gvk.group)
        && fits(&object.version, gvk.version)
        && resource.names().any(named)
}

fn shown(object: &PatchTarget) -> String {
    let fields = [
        ("group", &object.group),
        ("version", &object.version),
        ("kind", &object.kind),
        ("name", &object.name),
        ("namespace", &object.namespace),
    ];
    let stated = fields.iter().filter(|(_, text)| !text.is_empty());
    let stated: Vec<String> = stated
        .map(|(key, text)| format!("{key} `{text}`"))
        .collect();
    stated.join(", ")
}

fn write(
    context: &Context<'_>,
    resource: &mut Resource,
    to: &Target,
    value: &Value,
) -> Result<(), BuildError> {
    for path in &to.paths {
        write_path(context, &mut resource.root, to, path, value)
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
    path: &str,
    value: &Value,
) -> Result<(), String> {
    let elements = field_path::split(path);
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
        inner::layout(std::str::from_utf8(&bytes).ok()?, source.line, &value.node)
    };
    if let Some((length, text)) = string_on_the_way(root, &elements) {
        spend(value.bytes + text.len())?;
        match inner::write(text, &elements[length..], create, &value.node, &layout) {
            Ok(text) => return rewrite(root, &elements[..length], text),
            Err(refusal @ Refusal::Unsupported(_)) => return Err(refusal.to_string()),
            // The path is tried once more, as one that does not end inside a string.
            Err(Refusal::Impossible(_)) => {}
        }
    }
    let mut set = |node: &mut Node| {
        spend(value.bytes)?;
        set(node, &value.node, &to.part)
    };
    match field_path::visit(root, &elements, create, &mut set)? {
        0 => Err("there is no such field".to_owned()),
        _ => Ok(()),
    }
}

/// How many elements of a path lead to a string that holds a document, and the string.
fn string_on_the_way<'a>(root: &'a Node, elements: &[String]) -> Option<(usize, &'a str)> {
    (1..elements.len()).find_map(|length| {
        let found = field_path::look_up(root, &elements[..length]).ok()??;
        let text = found.as_text().filter(|text| inner::is_document(text))?;
        Some((length, text))
    })
}

fn rewrite(root: &mut Node, path: &[String], text: String) -> Result<(), String> {
    if let Some(old) = field_path::scalar_mut(root, path) {
        let kind = written_kind(old, &text)?;
        *old = ties::replace(old, Scalar::new(text, kind, 0));
    }
    Ok(())
}

/// About how many bytes a value takes, and how deep it is.
fn size(node: &Node) -> (usize, usize) {
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
    let kind = written_kind(old, &text)?;
    *node = Node::Scalar(ties::replace(old, Scalar::new(text, kind, 0)));
    Ok(())
}

/// A text keeps its type; a field that was just made takes that of what is written.
fn written_kind(old: &Scalar, text: &str) -> Result<ScalarKind, String> {
    let kind = classify(text, Rules::Kustomize);
    match (old.kind, kind) {
        (ScalarKind::Text, _) => Ok(ScalarKind::Text),
        (ScalarKind::Null, _) if old.text.is_empty() && old.line == 0 => Ok(kind),
        (ScalarKind::Float, ScalarKind::Integer) => Ok(ScalarKind::Float),
        (old, new) if old == new => Ok(old),
        _ => Err(format!("`{text}` is not of the type of `{}`", old.text)),
    }
}
