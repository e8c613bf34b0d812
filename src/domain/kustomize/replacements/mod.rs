//! The `replacements` step: values copied from one object, or given, into fields of others.
//!
//! Invariant: a source is exactly one object, and every path of a target that is selected leads
//! somewhere. A string stays a string and a number a number, whatever is written over it. What is
//! absent: `encoding`, which kustomize v5.8.1 reads and does not use.

mod lenient;
mod write;

use super::PatchTarget;
use super::context::Context;
use super::decode::{At, Fields, Located};
use super::error::BuildError;
use super::field_path::{self, Element, made};
use super::resource::{Name, Resource};
use super::selector::{self, Selector};
use crate::domain::manifest::{Node, Rules, Source, documents};
use write::{size, write};

const STEP: &str = "replacements";
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
    /// As written, and divided.
    paths: Vec<(String, Vec<Element>)>,
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
        let copying = copying(at, &fields, Targets::Some)?;
        return Ok(Replacement::Inline(Box::new(copying)));
    }
    if fields.get("source").is_some() || !fields.items("targets")?.is_empty() {
        return Err(at.error("`path` and a replacement in place cannot both be set"));
    }
    Ok(Replacement::File(path))
}

/// How many targets a replacement has to name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Targets {
    Some,
    /// As few as it wants, if it says so, as in a file.
    Any,
}

fn copying(at: &At<'_>, fields: &Fields<'_>, needs: Targets) -> Result<Copying, BuildError> {
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
    let stated = needs == Targets::Any && fields.get("targets").is_some();
    if to.is_empty() && !stated {
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

fn divided(path: String) -> (String, Vec<Element>) {
    let elements = field_path::split(&path);
    (path, elements)
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
    let mut paths = Vec::new();
    for path in fields.texts("fieldPaths")? {
        paths.push(divided(path.value));
    }
    if paths.is_empty() {
        paths.push(divided(NAME.to_owned()));
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
    let mut documents = documents(&file, &bytes, Rules::Kubernetes)?;
    let Some(document) = documents.first_mut() else {
        return Err(place.error(format!("{file} says nothing")));
    };
    match &mut document.root {
        Node::Sequence(items) => items.iter_mut().for_each(lenient::tidy),
        entry => lenient::tidy(entry),
    }
    let at = At {
        file: &file,
        field: "replacements".to_owned(),
        line: document.line,
        node: &document.root,
        open: true,
    };
    let entries = match at.node {
        Node::Sequence(_) => at.items()?,
        _ => vec![at],
    };
    entries
        .iter()
        .map(|at| copying(at, &at.fields()?, Targets::Any))
        .collect()
}

fn copy(
    context: &Context<'_>,
    resources: &mut [Resource],
    entry: &Located<Replacement>,
    copying: &Copying,
) -> Result<(), BuildError> {
    context.budget.look(1, resources)?;
    if let Some(resource) = resources.iter().find(|resource| resource.was_nameless()) {
        let object = resource.identity();
        return Err(entry.error(format!(
            "{object} had no name for a while; what it is called is not known"
        )));
    }
    let value = match &copying.from {
        From::Value(text) => Value::new(Node::Scalar(made(text.clone())), None),
        From::Object { object, path, part } => {
            value_of(resources, object, path, part).map_err(|reason| entry.error(reason))?
        }
    };
    for to in &copying.to {
        let selector =
            |target: &PatchTarget| Selector::new(target).map_err(|reason| entry.error(reason));
        context.budget.look(1 + to.reject.len(), resources)?;
        for target in to.reject.iter().chain([&to.select]) {
            context.budget.select(target)?;
        }
        for (_, elements) in &to.paths {
            let mut values = elements.iter().filter_map(Element::value);
            values.try_for_each(|value| context.budget.compile(value))?;
        }
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
    let texts: Vec<&str> = elements.iter().map(|element| &**element).collect();
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
    scalar.text = piece.ok_or_else(outside)?.into();
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
