//! `ValueAddTransformer`: one text in fields of many objects, or inside the paths they hold.
//!
//! Invariant: a path makes what is missing on its way, except items of a list that are named by
//! their position; a list or a mapping is never replaced. What is absent: values that are no
//! texts.

use super::super::PatchTarget;
use super::super::context::Context;
use super::super::decode::{At, Located};
use super::super::error::BuildError;
use super::super::field_path::made;
use super::super::loose::{self, Bits};
use super::super::namespace::Move;
use super::super::resource::Resource;
use super::super::selector::{self, Selector};
use super::super::ties;
use super::config::Config;
use crate::domain::manifest::{Mapping, Node, Rules, documents};

/// The step's name.
const STEP: &str = "ValueAddTransformer";

/// How long a text may become, in bytes.
const TEXT: usize = 65_536;

/// A value and where it goes.
#[derive(Debug)]
pub(super) struct ValueAdd {
    value: String,
    pub(super) targets: Vec<Located<Target>>,
}

/// A field of some objects.
#[derive(Debug)]
pub(super) struct Target {
    select: Option<PatchTarget>,
    path: String,
    /// Which part of a file path the value becomes, counted from 1; 0 for all of it.
    position: usize,
}

impl ValueAdd {
    pub(super) fn read(context: &Context<'_>, config: &Config) -> Result<Self, BuildError> {
        let fields = config.fields()?;
        let mut value = fields.text("value")?.trim().to_owned();
        if value.is_empty() {
            let name = context.directory.rsplit('/').next().unwrap_or_default();
            value = name.to_owned();
        }
        if value.is_empty() {
            return Err(config.error(
                "expected a `value`; hint: only a directory below the root has a name to take",
            ));
        }
        let mut targets = Vec::new();
        for at in fields.items("targets")? {
            targets.push(target(&at)?);
        }
        let file = fields.text("targetFilePath")?;
        if !file.is_empty() {
            targets.extend(read_targets(context, &config.place(file))?);
        }
        if targets.is_empty() {
            return Err(config.error("expected at least one entry in `targets`"));
        }
        Ok(Self { value, targets })
    }

    pub(super) fn apply(
        &self,
        context: &Context<'_>,
        resources: &mut [Resource],
    ) -> Result<(), BuildError> {
        /// What an element that is made takes in memory, about.
        const ELEMENT: usize = 150;
        for target in &self.targets {
            let elements = target.value.path.matches('/').count() + 1;
            let each = elements * ELEMENT + target.value.path.len() + self.value.len();
            context.budget.keep(each.saturating_mul(resources.len()))?;
            if let Some(select) = &target.value.select {
                context.budget.select(select)?;
            }
            let select = target.value.select.as_ref().map(Selector::new).transpose();
            let select = select.map_err(|reason| target.error(format!("selector: {reason}")))?;
            for resource in resources.iter_mut() {
                if select
                    .as_ref()
                    .is_none_or(|select| select.selects(resource))
                {
                    self.change(resource, &target.value)?;
                }
            }
        }
        Ok(())
    }

    fn change(&self, resource: &mut Resource, target: &Target) -> Result<(), BuildError> {
        if target.path == "metadata/namespace" {
            let to = Move {
                namespace: self.value.clone(),
                ..Move::default()
            };
            return to.apply_to(resource, &[]);
        }
        self.set(&mut resource.root, target)
            .map_err(|reason| resource.error(STEP, &target.path, reason))?;
        if resource.ties > 0 {
            ties::settle(&mut resource.root);
        }
        Ok(())
    }

    fn set(&self, root: &mut Node, target: &Target) -> Result<(), String> {
        let elements = split(&target.path);
        match look_up(root, &elements)? {
            None => Ok(()),
            Some(Node::Scalar(scalar)) => {
                let text = match target.position {
                    0 => self.value.clone(),
                    position => insert(&scalar.text, position - 1, &self.value),
                };
                if text.len() > TEXT {
                    return Err(format!("a text of over {TEXT} bytes is not made"));
                }
                *scalar = ties::replace(scalar, made(text));
                Ok(())
            }
            Some(_) => Err("expected a text, a number or nothing".to_owned()),
        }
    }
}

fn target(at: &At<'_>) -> Result<Located<Target>, BuildError> {
    let missing = || at.error("expected a `fieldPath`");
    if at.node.is_null() {
        return Err(missing());
    }
    let fields = at.fields()?;
    let path = fields.text("fieldPath")?;
    if path.is_empty() {
        return Err(missing());
    }
    let position = match fields.get("filePathPosition") {
        Some(at) => usize::try_from(at.integer()?)
            .map_err(|_| at.error("expected a number that is not negative"))?,
        None => 0,
    };
    let select = match fields.get("selector") {
        Some(at) => Some(selector::parse(&at.fields()?)?),
        None => None,
    };
    Ok(at.locate(Target {
        select,
        path,
        position,
    }))
}

/// The targets of a file that several configs may share.
fn read_targets(
    context: &Context<'_>,
    place: &Located<String>,
) -> Result<Vec<Located<Target>>, BuildError> {
    let (file, bytes) = context.read(place)?;
    let mut documents = documents(&file, &bytes, Rules::Kubernetes)?;
    context.budget.parse(&documents)?;
    let Some(document) = documents.first_mut() else {
        return Ok(Vec::new());
    };
    let texts = [
        "targets/fieldPath",
        "targets/selector/labelSelector",
        "targets/selector/annotationSelector",
    ];
    loose::texts(&mut document.root, &texts, Bits::Single);
    let at = At {
        file: &file,
        field: ".".to_owned(),
        line: document.line,
        node: &document.root,
        open: true,
    };
    if at.node.is_null() {
        return Ok(Vec::new());
    }
    at.fields()?.items("targets")?.iter().map(target).collect()
}

/// The elements of a path: divided by `/`, without spaces around them and without empty ones.
fn split(path: &str) -> Vec<String> {
    let mut elements: Vec<String> = Vec::new();
    for part in path.split('/') {
        match elements.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push('/');
                last.push_str(part);
            }
            _ => elements.push(part.to_owned()),
        }
    }
    elements
        .iter()
        .map(|element| element.trim().to_owned())
        .filter(|element| !element.is_empty())
        .collect()
}

/// One element of a path.
enum Element<'a> {
    Index(usize),
    Last,
    Item(&'a str, &'a str),
    Key(&'a str),
}

impl<'a> Element<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        if let Ok(index) = text.parse::<i64>() {
            return usize::try_from(index)
                .map(Self::Index)
                .map_err(|_| format!("`{index}` is no position in a list"));
        }
        let item = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        match (text, item) {
            ("-", _) => Ok(Self::Last),
            ("*", _) => Err("`*` is not known here; hint: name one item".to_owned()),
            (_, Some(item)) => item
                .split_once('=')
                .map(|(field, value)| Self::Item(field, value))
                .ok_or_else(|| format!("expected `[field=value]`, found `{text}`")),
            _ => Ok(Self::Key(text)),
        }
    }
}

/// The node a path leads to, with what is missing made on the way; `None` where the way ends at a
/// null or at a position that a list does not have.
fn look_up<'a>(root: &'a mut Node, path: &[String]) -> Result<Option<&'a mut Node>, String> {
    let mut node = root;
    for (index, text) in path.iter().enumerate() {
        if node.is_null() {
            return Ok(None);
        }
        let next = path.get(index + 1).map(String::as_str);
        let element = Element::parse(text)?;
        if let Element::Key(key) = element {
            let Node::Mapping(mapping) = node else {
                return Err(format!("expected a mapping where `{text}` is looked for"));
            };
            node = mapping.get_or_insert_with(key, || before(next));
            continue;
        }
        let Node::Sequence(items) = node else {
            return Err(format!("expected a list where `{text}` is looked for"));
        };
        let item = match element {
            Element::Index(index) => items.get_mut(index),
            Element::Item(field, value) => Some(find_or_add(items, field, value)),
            _ => items.last_mut(),
        };
        match item {
            None => return Ok(None),
            Some(item) => node = item,
        }
    }
    Ok(Some(node))
}

/// What is made for a key that `next` follows.
fn before(next: Option<&str>) -> Node {
    let list = |next: &str| {
        next.parse::<i64>().is_ok_and(|index| index >= 0)
            || (next.starts_with('[') && next.ends_with(']'))
    };
    match next {
        None => Node::Scalar(made(String::new())),
        Some(next) if list(next) => Node::Sequence(Vec::new()),
        Some(_) => Node::mapping(),
    }
}

/// The item whose field says `value`; without a field the item that is `value`.
fn find_or_add<'a>(items: &'a mut Vec<Node>, field: &str, value: &str) -> &'a mut Node {
    let is = |item: &Node| match field {
        "" => item.as_text() == Some(value),
        field => item.get(field).and_then(Node::as_text) == Some(value),
    };
    let index = items.iter().position(is).unwrap_or_else(|| {
        let text = Node::Scalar(made(value.to_owned()));
        items.push(if field.is_empty() {
            text
        } else {
            let mut mapping = Mapping::default();
            mapping.set(field, text);
            Node::Mapping(mapping)
        });
        items.len() - 1
    });
    &mut items[index]
}

/// Puts `part` into a file path as its part `position`, counted from 0, or as its last one.
fn insert(path: &str, position: usize, part: &str) -> String {
    let path = match path.strip_prefix('/') {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    };
    let mut parts: Vec<&str> = match path {
        "" => Vec::new(),
        "/" => vec![""],
        path => path.split('/').collect(),
    };
    let absolute = parts.first().is_some_and(|first| first.is_empty());
    let mut position = position.min(parts.len());
    if absolute && position < parts.len() {
        position += 1;
    }
    parts.insert(position, part);
    match parts.split_first() {
        Some((&"", rest)) => format!("/{}", join(rest)),
        _ => join(&parts),
    }
}

/// A path of these parts, without empty parts, `.`, and `..` behind a name.
fn join(parts: &[&str]) -> String {
    let stated: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    let path = stated.join("/");
    let rooted = path.starts_with('/');
    let mut clean: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match (part, clean.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => {
                clean.pop();
            }
            ("..", None) if rooted => {}
            (part, _) => clean.push(part),
        }
    }
    match (rooted, clean.join("/")) {
        (true, clean) => format!("/{clean}"),
        (false, clean) if clean.is_empty() && !path.is_empty() => ".".to_owned(),
        (false, clean) => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Node {
        documents("a.yaml", text.as_bytes(), Rules::Kustomize)
            .expect("it parses")
            .remove(0)
            .root
    }

    /// What `text` becomes when `value` goes to `path`.
    fn added(text: &str, path: &str, value: &str) -> Result<Node, String> {
        let mut root = parsed(text);
        let value_add = ValueAdd {
            value: value.to_owned(),
            targets: Vec::new(),
        };
        let target = Target {
            select: None,
            path: path.to_owned(),
            position: 0,
        };
        value_add.set(&mut root, &target).map(|()| root)
    }

    #[test]
    fn a_part_of_a_file_path_is_counted_without_its_leading_slash() {
        // As documented by kustomize, and asked of kubectl kustomize.
        for (path, position, result) in [
            ("", 3, "v"),
            ("/", 1, "/v"),
            ("pie", 1, "v/pie"),
            ("/pie", 1, "/v/pie"),
            ("raw", 2, "raw/v"),
            ("/raw", 2, "/raw/v"),
            ("a/nice/warm/pie", 4, "a/nice/warm/v/pie"),
            ("/a/nice/warm/pie", 4, "/a/nice/warm/v/pie"),
            ("a//b/", 99, "a/b/v"),
            ("a//b/", 2, "a/v/b"),
            ("/a/", 3, "/a/v"),
            ("./x/../y", 1, "v/y"),
            ("../y/.", 2, "../v/y"),
        ] {
            assert_eq!(insert(path, position - 1, "v"), result, "{path}");
        }
        assert_eq!(insert("x", 1, ".."), ".");
        assert_eq!(insert("x", 0, "/a"), "/a/x");
    }

    #[test]
    fn what_is_missing_on_the_way_is_made() {
        for (before, path, after) in [
            ("{}", "spec/a/b", "{spec: {a: {b: v}}}"),
            ("{}", "/spec//a/", "{spec: {a: v}}"),
            ("{}", " spec / a ", "{spec: {a: v}}"),
            ("{}", "a\\/b/c", "{a/b: {c: v}}"),
            ("{}", "spec/[name=x]/y", "{spec: [{name: x, y: v}]}"),
            ("{}", "spec/[=x]", "{spec: [v]}"),
            ("{}", "spec/0", "{spec: []}"),
            ("{l: [a, b]}", "l/-", "{l: [a, v]}"),
            ("{l: [a, b]}", "l/+0", "{l: [v, b]}"),
            ("{l: [a, b]}", "l/2", "{l: [a, b]}"),
            ("{l: [{n: 5}]}", "l/[n=5]/m", "{l: [{n: 5, m: v}]}"),
            ("{a: null}", "a", "{a: v}"),
            ("{a: null}", "a/b", "{a: null}"),
            ("{a: 5}", "a", "{a: v}"),
        ] {
            let node = added(before, path, "v").unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(node.to_json(), parsed(after).to_json(), "{path}");
        }
    }

    #[test]
    fn a_value_means_what_it_looks_like_unless_the_old_one_is_quoted() {
        for (before, after) in [
            ("{}", "{a: 5}"),
            ("{a: x}", "{a: 5}"),
            ("{a: 'x'}", "{a: '5'}"),
        ] {
            let node = added(before, "a", "5").expect("it is written");
            assert_eq!(node.to_json(), parsed(after).to_json(), "{before}");
        }
    }

    #[test]
    fn a_path_that_does_not_fit_is_an_error() {
        for (before, path) in [
            ("{a: [b]}", "a"),
            ("{a: {b: c}}", "a"),
            ("{a: b}", "a/c"),
            ("{a: b}", "0"),
            ("{a: [b]}", "a/b"),
            ("{a: [b]}", "a/*"),
            ("{a: [b]}", "a/-1"),
            ("{a: [{n: b}]}", "a/[n:b]/c"),
        ] {
            assert!(added(before, path, "v").is_err(), "{path}");
        }
    }
}
