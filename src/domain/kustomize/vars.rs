//! The `vars` field: texts taken from one object and put into others as `$(NAME)`.
//!
//! A var is bound where it is defined: the object it names then is the one it reads from at the
//! top, whatever that is called by then. Invariant: every var of a build has another name, and all
//! of them have a value; only the fields of `varReference` change. What is absent: the syntax of a
//! text (`variables`) and the fields (`variable_fields`).

use super::decode::{At, Fields, Located};
use super::error::BuildError;
use super::field_path::{Element, look_up, split};
use super::field_spec::{Create, FieldSpec};
use super::resource::{Gvk, Resource};
use super::ties;
use super::variables::{Value, expand};
use crate::domain::manifest::{Node, Scalar, ScalarKind};
use compact_str::CompactString;
use std::collections::{BTreeMap, HashMap, HashSet};

const STEP: &str = "vars";

/// How many bytes all replaced texts together may have.
const REPLACED: usize = 32_000_000;

/// The field that is read where a var names none.
const DEFAULT_PATH: &str = "metadata.name";

/// One entry of `vars`.
#[derive(Clone, Debug)]
pub(super) struct Var {
    name: String,
    gvk: Gvk,
    object: String,
    /// Empty when any will do.
    namespace: String,
    path: String,
}

/// The vars of the directories so far, by name.
pub(super) type Vars = BTreeMap<String, Located<Var>>;

/// Reads one entry.
pub(super) fn parse(at: &At<'_>) -> Result<Var, BuildError> {
    let fields = at.fields()?;
    fields.only(&["name", "objref", "fieldref"])?;
    let object = inner(&fields, "objref")?;
    let field = inner(&fields, "fieldref")?;
    let text = |fields: &Option<Fields<'_>>, name| {
        fields
            .as_ref()
            .map_or_else(|| Ok(String::new()), |fields| fields.text(name))
    };
    if let Some(object) = &object {
        object.only(&[
            "apiVersion",
            "group",
            "version",
            "kind",
            "name",
            "namespace",
        ])?;
    }
    if let Some(field) = &field {
        field.only(&["fieldPath"])?;
    }
    let stated = Gvk {
        group: text(&object, "group")?.into(),
        version: text(&object, "version")?.into(),
        kind: text(&object, "kind")?.into(),
    };
    Ok(Var {
        name: fields.text("name")?,
        gvk: with_version(stated, &text(&object, "apiVersion")?),
        object: text(&object, "name")?,
        namespace: text(&object, "namespace")?,
        path: match text(&field, "fieldPath")? {
            path if path.is_empty() => DEFAULT_PATH.to_owned(),
            path => path,
        },
    })
}

fn inner<'a>(fields: &Fields<'a>, name: &str) -> Result<Option<Fields<'a>>, BuildError> {
    fields.get(name).map(|at| at.fields()).transpose()
}

/// `apiVersion` wins over `group` and `version`; without a group in it, the stated one stays.
fn with_version(stated: Gvk, api_version: &str) -> Gvk {
    match *api_version.split('/').collect::<Vec<_>>() {
        [""] => stated,
        [version] => Gvk {
            version: version.into(),
            ..stated
        },
        [group, version] => Gvk {
            group: group.into(),
            version: version.into(),
            ..stated
        },
        _ => stated,
    }
}

impl Var {
    /// Whether it names `resource`, by a name it has or had.
    fn names(&self, resource: &Resource) -> bool {
        let gvk = resource.gvk_ref();
        let object = |name: &super::resource::Name| {
            name.kind == self.gvk.kind
                && name.name == self.object
                && (self.namespace.is_empty() || name.namespace == self.namespace)
        };
        gvk.group == self.gvk.group
            && gvk.version == self.gvk.version
            && resource.names().any(|name| object(&name))
    }

    fn target(&self) -> String {
        let Gvk {
            group,
            version,
            kind,
        } = &self.gvk;
        let version = match group.as_str() {
            "" => version.to_string(),
            group => format!("{group}/{version}"),
        };
        let namespace = match self.namespace.as_str() {
            "" => String::new(),
            namespace => format!("{namespace}/"),
        };
        format!("{version} {kind} {namespace}{}", self.object)
    }
}

/// Binds `vars` to the objects they name, and adds them to `known`.
pub(super) fn define(
    vars: &[Located<Var>],
    resources: &mut [Resource],
    known: &mut Vars,
) -> Result<(), BuildError> {
    if vars.is_empty() {
        return Ok(());
    }
    let mut by_name: HashMap<CompactString, Vec<usize>> = HashMap::new();
    for (index, resource) in resources.iter().enumerate() {
        let names: HashSet<CompactString> = resource.names().map(|name| name.name).collect();
        for name in names {
            by_name.entry(name).or_default().push(index);
        }
    }
    for var in vars {
        let named = by_name
            .get(var.value.object.as_str())
            .map_or(&[][..], Vec::as_slice);
        let mut found = named
            .iter()
            .filter(|index| var.value.names(&resources[**index]));
        let first = found.next().copied();
        if found.next().is_some() {
            return Err(var.error(format!(
                "more than one object is or was `{}`; hint: name its `namespace`",
                var.value.target()
            )));
        }
        if let Some(index) = first {
            resources[index].vars.push(var.value.name.clone());
        }
        add(known, var.clone())?;
    }
    Ok(())
}

/// Adds the vars of an included directory.
pub(super) fn merge(known: &mut Vars, more: Vars) -> Result<(), BuildError> {
    more.into_values().try_for_each(|var| add(known, var))
}

fn add(known: &mut Vars, var: Located<Var>) -> Result<(), BuildError> {
    match known.get(&var.value.name) {
        Some(first) => Err(var.error(format!(
            "`{}` is defined already, at {}:{}",
            var.value.name, first.file, first.line
        ))),
        None => {
            known.insert(var.value.name.clone(), var);
            Ok(())
        }
    }
}

/// Replaces every var in the fields `specs`.
pub(super) fn resolve(
    resources: &mut [Resource],
    vars: &Vars,
    specs: &[FieldSpec],
    warnings: &mut Vec<String>,
) -> Result<(), BuildError> {
    if vars.is_empty() {
        return Ok(());
    }
    let values = values(resources, vars)?;
    let mut replacer = Replacer {
        values: &values,
        used: HashSet::new(),
        left: REPLACED,
    };
    for resource in resources.iter_mut() {
        let gvk = resource.gvk();
        for spec in specs.iter().filter(|spec| spec.fits(&gvk)) {
            replacer.replace(resource, spec)?;
        }
    }
    for (name, var) in vars {
        let reason = match values.get(name.as_str()) {
            Some(None) => "is a list or a mapping, which no text can hold",
            _ if !replacer.used.contains(name.as_str()) => "is never used",
            _ => continue,
        };
        warnings.push(format!(
            "{}:{}: `{}`: `$({name})` {reason}",
            var.file, var.line, var.field
        ));
    }
    Ok(())
}

/// The value of every var; `None` for a list or a mapping.
fn values<'a>(
    resources: &[Resource],
    vars: &'a Vars,
) -> Result<HashMap<&'a str, Option<Value>>, BuildError> {
    let mut bound: HashMap<&str, &Resource> = HashMap::new();
    for resource in resources {
        for name in &resource.vars {
            bound.entry(name).or_insert(resource);
        }
    }
    let value = |(name, var): (&'a String, &Located<Var>)| {
        let resource = bound.get(name.as_str()).ok_or_else(|| {
            var.error(format!(
                "no object is or was `{}`; hint: `objref` takes `apiVersion`, `kind` and the name before prefixes",
                var.value.target()
            ))
        })?;
        let path = &var.value.path;
        let missing = |reason| var.error(format!("`{path}` of {}: {reason}", resource.identity()));
        match look_up(&resource.root, &indices(&split(path))).map_err(missing)? {
            None => Err(missing("is not there".to_owned())),
            Some(Node::Scalar(scalar)) => match Value::read(scalar) {
                Some(value) => Ok((name.as_str(), Some(value))),
                None => Err(missing(format!("`{}` is no number here", scalar.text))),
            },
            Some(_) => Ok((name.as_str(), None)),
        }
    };
    vars.iter().map(value).collect()
}

/// Divides `ports[0]` into `ports` and `0`.
fn indices(elements: &[Element]) -> Vec<String> {
    let mut divided = Vec::with_capacity(elements.len());
    for element in elements {
        let index = element
            .strip_suffix(']')
            .and_then(|element| element.rsplit_once('['))
            .filter(|(_, index)| {
                !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit())
            });
        match index {
            Some(("", index)) => divided.push(index.to_owned()),
            Some((field, index)) => divided.extend([field.to_owned(), index.to_owned()]),
            None => divided.push(element.to_string()),
        }
    }
    divided
}

struct Replacer<'a> {
    values: &'a HashMap<&'a str, Option<Value>>,
    used: HashSet<&'a str>,
    /// How many bytes may still be written.
    left: usize,
}

impl Replacer<'_> {
    fn replace(&mut self, resource: &mut Resource, spec: &FieldSpec) -> Result<(), BuildError> {
        let mut tied = false;
        let mut full = false;
        let done = spec.visit(
            &mut resource.root,
            Create::Nothing,
            &mut |node| match node {
                Node::Sequence(items) => items.iter_mut().try_for_each(|item| match item {
                    Node::Scalar(scalar) if is_string(scalar) => {
                        full |= self.text(scalar, &mut tied).is_none();
                        Ok(())
                    }
                    _ => Err("expected a list of strings".to_owned()),
                }),
                Node::Mapping(mapping) => {
                    for entry in &mut mapping.entries {
                        if let Node::Scalar(scalar) = &mut entry.value {
                            full |= self.text(scalar, &mut tied).is_none();
                        }
                    }
                    Ok(())
                }
                Node::Scalar(scalar) => {
                    full |= self.text(scalar, &mut tied).is_none();
                    Ok(())
                }
            },
        );
        done.map_err(|reason| resource.error(STEP, &spec.path, reason))?;
        if full {
            return Err(BuildError::too_large(format!(
                "more than {REPLACED} bytes of texts with vars in them"
            )));
        }
        if tied {
            ties::settle(&mut resource.root);
        }
        Ok(())
    }

    /// Replaces the vars in a string; `None` when that is too long.
    fn text(&mut self, scalar: &mut Scalar, tied: &mut bool) -> Option<()> {
        if !is_string(scalar) || !scalar.text.contains('$') {
            return Some(());
        }
        let values = self.values;
        let used = &mut self.used;
        let expanded = expand(&scalar.text, self.left, |name| {
            let (name, value) = values.get_key_value(name)?;
            let value = value.as_ref()?;
            used.insert(name);
            Some(value)
        })?;
        self.left -= expanded.text.len();
        *tied |= scalar.tie != 0;
        *scalar = ties::change(scalar, expanded);
        Some(())
    }
}

/// Whether it is a string, or was made without a type.
fn is_string(scalar: &Scalar) -> bool {
    matches!(scalar.kind, ScalarKind::Text | ScalarKind::Untagged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gvk(group: &str, version: &str) -> Gvk {
        Gvk {
            group: group.into(),
            version: version.into(),
            kind: "Widget".into(),
        }
    }

    #[test]
    fn a_version_in_one_word_wins_over_group_and_version() {
        for (api_version, group, version) in [
            ("", "a.com", "v1"),
            ("v2", "a.com", "v2"),
            ("b.com/v2", "b.com", "v2"),
            ("b.com/v2/x", "a.com", "v1"),
        ] {
            assert_eq!(
                with_version(gvk("a.com", "v1"), api_version),
                gvk(group, version),
                "{api_version}"
            );
        }
    }

    #[test]
    fn an_index_behind_a_field_is_an_element_of_its_own() {
        for (path, elements) in [
            ("spec.ports[0].port", vec!["spec", "ports", "0", "port"]),
            ("spec.ports.[12]", vec!["spec", "ports", "12"]),
            ("spec.ports.0", vec!["spec", "ports", "0"]),
            ("a[0][1]", vec!["a[0]", "1"]),
            ("a[]", vec!["a[]"]),
            ("a[x]", vec!["a[x]"]),
            ("spec.[name=a[0]]", vec!["spec", "[name=a[0]]"]),
            ("data.[a.b/c]", vec!["data", "a.b/c"]),
        ] {
            assert_eq!(indices(&split(path)), elements, "{path}");
        }
    }

    #[test]
    fn a_var_names_its_object_and_reads_its_name_unless_it_says_more() {
        let text = "vars: [{name: A, objref: {kind: Widget, name: wheel, namespace: shop, apiVersion: a.com/v1}}]";
        let name = "kustomization.yaml";
        let parsed = super::super::file::parse(name, name, text.as_bytes());
        let var = parsed.expect("it parses").vars.remove(0).value;
        assert_eq!((var.name.as_str(), var.path.as_str()), ("A", DEFAULT_PATH));
        assert_eq!(var.target(), "a.com/v1 Widget shop/wheel");
    }
}
