//! The `configMapGenerator` and `secretGenerator` steps.
//!
//! Invariant: an object that is made is new, or takes the place of the one object that is or was
//! called the same, as `behavior` says. What is absent: the suffix that comes from the content; it
//! waits for the end of the build.

use super::budget;
use super::build_metadata::{Notes, keep_origin};
use super::content_hash;
use super::context::Context;
use super::decode::{At, Fields, Located};
use super::error::BuildError;
use super::key_values::Sources;
use super::naming::rename;
use super::resource::Resource;
use crate::domain::manifest::{Entry, Mapping, Node, Scalar, ScalarKind, Source};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// How many letters of base64 stand in a line.
const LINE: usize = 70;
/// How many bytes of shared options the generators of one file may get.
const COPIED: usize = 16_000_000;

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ConfigMap,
    Secret,
}

/// What becomes of an object that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behavior {
    Create,
    Replace,
    Merge,
}

/// `generatorOptions`, or the `options` of one generator.
#[derive(Clone, Debug, Default)]
pub(super) struct GeneratorOptions {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    without_hash: bool,
    immutable: bool,
}

/// One entry of `configMapGenerator` or `secretGenerator`.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    kind: Kind,
    name: String,
    namespace: String,
    behavior: Behavior,
    secret_type: String,
    sources: Sources,
    options: GeneratorOptions,
}

/// Reads `configMapGenerator` and `secretGenerator`, with `generatorOptions` laid under each.
pub(super) fn parse(fields: &Fields<'_>) -> Result<Vec<Located<Generator>>, BuildError> {
    let shared = options(fields, "generatorOptions")?;
    let mut generators = Vec::new();
    let mut copied = 0;
    for (field, kind) in [
        ("configMapGenerator", Kind::ConfigMap),
        ("secretGenerator", Kind::Secret),
    ] {
        for at in fields.items(field)? {
            let mut generator = generator(&at, kind)?;
            copied += shared.bytes();
            if copied > COPIED {
                let what = format!("shared options of over {COPIED} bytes in all");
                return Err(BuildError::too_large(what));
            }
            generator.options.lay_over(&shared);
            generators.push(at.locate(generator));
        }
    }
    Ok(generators)
}

/// Reads a generator that is configured on its own: what it does not state its metadata does, no
/// `generatorOptions` are laid under it, and `env` is not known there.
pub(super) fn parse_alone(at: &At<'_>, kind: Kind) -> Result<Generator, BuildError> {
    let mut generator = generator(at, kind)?;
    let fields = at.fields()?;
    if let Some(single) = fields.get("env")
        && !single.text()?.is_empty()
    {
        generator.sources.envs.pop();
    }
    if let Some(metadata) = fields.get("metadata") {
        let metadata = metadata.fields()?;
        if generator.name.is_empty() {
            generator.name = metadata.text("name")?;
        }
        if generator.namespace.is_empty() {
            generator.namespace = metadata.text("namespace")?;
        }
    }
    Ok(generator)
}

fn generator(at: &At<'_>, kind: Kind) -> Result<Generator, BuildError> {
    const FIELDS: [&str; 9] = [
        "name",
        "namespace",
        "behavior",
        "literals",
        "files",
        "envs",
        "env",
        "options",
        "type",
    ];
    let fields = at.fields()?;
    fields.only(match kind {
        Kind::ConfigMap => &FIELDS[..8],
        Kind::Secret => &FIELDS,
    })?;
    let mut envs = fields.texts("envs")?;
    if let Some(at) = fields.get("env")
        && !at.text()?.is_empty()
    {
        envs.push(at.locate(at.text()?.to_owned()));
    }
    Ok(Generator {
        kind,
        name: fields.text("name")?,
        namespace: fields.text("namespace")?,
        behavior: match fields.text("behavior")?.as_str() {
            "replace" => Behavior::Replace,
            "merge" => Behavior::Merge,
            // As in kustomize, whatever else it says.
            _ => Behavior::Create,
        },
        secret_type: fields.text("type")?,
        sources: Sources {
            literals: fields.texts("literals")?,
            files: fields.texts("files")?,
            envs,
        },
        options: options(&fields, "options")?,
    })
}

fn options(fields: &Fields<'_>, name: &str) -> Result<GeneratorOptions, BuildError> {
    let Some(at) = fields.get(name) else {
        return Ok(GeneratorOptions::default());
    };
    let fields = at.fields()?;
    fields.only(&[
        "labels",
        "annotations",
        "disableNameSuffixHash",
        "immutable",
    ])?;
    Ok(GeneratorOptions {
        labels: fields.pairs("labels")?,
        annotations: fields.pairs("annotations")?,
        without_hash: fields.flag("disableNameSuffixHash")?,
        immutable: fields.flag("immutable")?,
    })
}

impl GeneratorOptions {
    fn bytes(&self) -> usize {
        let pairs = self.labels.iter().chain(&self.annotations);
        pairs.map(|(key, value)| key.len() + value.len()).sum()
    }

    fn lay_over(&mut self, shared: &Self) {
        for (own, shared) in [
            (&mut self.labels, &shared.labels),
            (&mut self.annotations, &shared.annotations),
        ] {
            for (key, value) in shared {
                own.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        self.without_hash |= shared.without_hash;
        self.immutable |= shared.immutable;
    }
}

/// Carries out one generator.
pub(super) fn apply(
    context: &Context<'_>,
    resources: &mut Vec<Resource>,
    generator: &Located<Generator>,
    notes: &Notes<'_>,
) -> Result<(), BuildError> {
    let note = |made: &mut Resource| notes.made(generator.value.kind.generator(), made);
    carry_out(context, resources, generator, note)
}

/// The same for a generator whose objects get another note.
pub(super) fn carry_out(
    context: &Context<'_>,
    resources: &mut Vec<Resource>,
    generator: &Located<Generator>,
    note: impl FnOnce(&mut Resource) -> Result<(), BuildError>,
) -> Result<(), BuildError> {
    let mut made = make(context, generator)?;
    note(&mut made)?;
    context.budget.keep(budget::bytes(&made.root))?;
    absorb(
        context,
        resources,
        generator,
        generator.value.behavior,
        made,
    )
}

fn make(context: &Context<'_>, generator: &Located<Generator>) -> Result<Resource, BuildError> {
    let value = &generator.value;
    if value.name.is_empty() {
        return Err(generator.error("expected a `name`"));
    }
    let mut metadata = Mapping::default();
    metadata.set("name", Node::text(value.name.as_str()));
    if !value.namespace.is_empty() {
        metadata.set("namespace", Node::text(value.namespace.as_str()));
    }
    for (field, pairs) in [
        ("labels", &value.options.labels),
        ("annotations", &value.options.annotations),
    ] {
        if !pairs.is_empty() {
            metadata.set(field, texts(pairs, true));
        }
    }
    let mut root = Mapping::default();
    root.set("apiVersion", Node::text("v1"));
    root.set("kind", Node::text(value.kind.name()));
    root.set("metadata", Node::Mapping(metadata));
    let content = value.sources.load(context)?;
    match value.kind {
        Kind::ConfigMap => config_map(&mut root, content),
        Kind::Secret => secret(&mut root, content, &value.secret_type),
    }
    if value.options.immutable {
        let flag = Scalar::new("true", ScalarKind::Bool, 0);
        root.set("immutable", Node::Scalar(flag));
    }
    let source = Source {
        file: generator.file.clone(),
        line: generator.line as usize,
    };
    let mut made = Resource::new(Node::Mapping(root), source);
    made.hashed = !value.options.without_hash;
    made.generated = true;
    Ok(made)
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    fn generator(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMapGenerator",
            Self::Secret => "SecretGenerator",
        }
    }
}

/// An entry of a mapping that does not have the key.
fn entry(key: &str, value: Node) -> Entry {
    Entry {
        key: key.into(),
        line: 0,
        value,
    }
}

fn texts(pairs: &BTreeMap<String, String>, quoted: bool) -> Node {
    let mut mapping = Mapping::default();
    for (key, value) in pairs {
        let mut scalar = Scalar::string(value.as_str());
        scalar.quoted |= quoted;
        mapping.entries.push(entry(key, Node::Scalar(scalar)));
    }
    Node::Mapping(mapping)
}

/// Text goes to `data`, everything else to `binaryData`.
fn config_map(root: &mut Mapping, content: BTreeMap<String, Vec<u8>>) {
    for (key, value) in content {
        let (field, text) = match String::from_utf8(value) {
            Ok(text) => ("data", text),
            Err(error) => ("binaryData", encode(error.as_bytes())),
        };
        if let Some(mapping) = root
            .get_or_insert_with(field, Node::mapping)
            .as_mapping_mut()
        {
            mapping.entries.push(entry(&key, block(text)));
        }
    }
}

fn secret(root: &mut Mapping, content: BTreeMap<String, Vec<u8>>, secret_type: &str) {
    let secret_type = match secret_type {
        "" => "Opaque",
        stated => stated,
    };
    root.set("type", Node::text(secret_type));
    let mut data = Mapping::default();
    for (key, value) in content {
        data.entries.push(entry(&key, block(encode(&value))));
    }
    root.set("data", Node::Mapping(data));
}

/// A string; one of several lines is written as a block.
fn block(text: String) -> Node {
    let mut scalar = Scalar::string(text);
    scalar.quoted |= scalar.text.contains('\n');
    Node::Scalar(scalar)
}

/// Base64, in lines when it is long.
fn encode(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    if text.len() < LINE {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    for (index, letter) in text.chars().enumerate() {
        if index > 0 && index % LINE == 0 {
            lines.push('\n');
        }
        lines.push(letter);
    }
    lines.push('\n');
    lines
}

/// Adds what was made, or lets it take the place of the object that is or was called the same.
pub(super) fn absorb<T>(
    context: &Context<'_>,
    resources: &mut Vec<Resource>,
    generator: &Located<T>,
    behavior: Behavior,
    mut made: Resource,
) -> Result<(), BuildError> {
    context.budget.look(1, resources)?;
    let identity = made.identity();
    let mut matching = (0..resources.len()).filter(|index| resources[*index].was(&identity));
    let index = match (matching.next(), matching.next()) {
        (None, _) if behavior == Behavior::Create => {
            resources.push(made);
            return Ok(());
        }
        (None, _) => {
            return Err(generator.error(format!(
                "no object is `{identity}`; hint: without `behavior` it is made"
            )));
        }
        (Some(_), Some(_)) => {
            return Err(generator.error(format!("several objects are or were `{identity}`")));
        }
        (Some(index), None) => index,
    };
    let old = &mut resources[index];
    context.budget.work(budget::nodes(&old.root) * 60)?;
    if behavior == Behavior::Create {
        return Err(generator.error(format!(
            "`{identity}` is already there, from {}; hint: `behavior: merge` or `replace`",
            old.source
        )));
    }
    made.take_metadata(old);
    if behavior == Behavior::Merge {
        for field in ["data", "binaryData"] {
            merge_data(&mut made, old, field);
        }
        keep_origin(old, &mut made)?;
    }
    if made.identity() != old.identity() {
        return Err(generator.error(format!("`{identity}` is of another kind by now")));
    }
    *old = made;
    Ok(())
}

fn merge_data(made: &mut Resource, old: &Resource, field: &str) {
    let mut pairs: BTreeMap<String, String> = BTreeMap::new();
    for resource in [old, &*made] {
        let data = resource.mapping().get(field).and_then(Node::as_mapping);
        for entry in data.map(|data| data.entries.as_slice()).unwrap_or_default() {
            let text = entry.value.text_or_empty();
            pairs.insert(entry.key.to_string(), text.to_owned());
        }
    }
    if let Some(root) = made.root.as_mapping_mut() {
        root.remove(field);
        if !pairs.is_empty() {
            let mut data = Mapping::default();
            for (key, text) in pairs {
                data.entries.push(entry(&key, block(text)));
            }
            root.set(field, Node::Mapping(data));
        }
    }
}

/// Puts the letters of their content behind the names of generated objects.
pub(super) fn add_hashes(resources: &mut [Resource]) -> Result<(), BuildError> {
    for resource in resources.iter_mut().filter(|resource| resource.hashed) {
        let suffix = content_hash::suffix(resource)
            .map_err(|reason| resource.error("name suffixes", "data", reason))?;
        let name = format!("{}-{suffix}", resource.name());
        rename(resource, name)?;
    }
    Ok(())
}
