//! The configs of plugins: objects of `apiVersion: builtin` that say what one more step does.
//!
//! Invariant: a [`Config`] is of a kind that kustomize v5.8.1 has built in and this build carries
//! out; the kinds that would start a program are refused with what to do instead. Its fields read
//! as they read there: what nobody knows passes, and numbers are texts where kustomize's reader
//! makes texts of them. What is absent: what each kind does.

use super::super::accumulate::{Accumulated, objects};
use super::super::build_metadata;
use super::super::context::Context;
use super::super::decode::{At, Fields, Located};
use super::super::error::BuildError;
use super::super::file::CHARTS;
use super::super::lines::Lines;
use super::super::loose::{self, Bits};
use super::super::origin::Origin;
use super::super::resource::{Resource, check_unique};
use super::{generators, transformers};
use crate::domain::manifest::{Mapping, Node};
use crate::domain::nearest::nearest;

/// What marks a config of a function.
const FUNCTIONS: [&str; 2] = ["config.kubernetes.io/function", "config.k8s.io/function"];

const INSTEAD: &str = "hint: use one of kustomize's own plugins (`apiVersion: builtin`), or commit what the program prints";

/// One config.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) kind: String,
    file: String,
    line: u32,
    root: Node,
    /// What objects are noted to come from that it makes or changes.
    pub(super) origin: Option<Origin>,
}

/// Reads the configs that `entries` name: documents in place, files, and directories with a
/// kustomization, whose build gives configs. Those in place come first.
pub(super) fn load(
    context: &Context<'_>,
    entries: &[(Located<String>, Lines)],
    accumulated: &mut Accumulated,
) -> Result<Vec<Config>, BuildError> {
    let (mut inline, mut named) = (Vec::new(), Vec::new());
    for (entry, lines) in entries {
        match objects(&entry.file, entry.value.as_bytes(), context.budget) {
            Ok(found) => {
                let mut found = context.schemas.meet(found);
                let file = entry.file.rsplit('/').next().unwrap_or_default();
                context.note_origin(file, &mut found)?;
                inline.extend(found.into_iter().map(|found| moved(found, *lines)));
            }
            Err(error) if entry.value.contains(['\n', '{']) => {
                let error = match error {
                    BuildError::Manifest(error) => BuildError::Manifest(lines.error(error)),
                    other => other,
                };
                return Err(entry.error(format!("expected a path, or a config: {error}")));
            }
            Err(_) => {
                let found = context.resource(entry)?;
                accumulated.warnings.extend(found.warnings);
                named.extend(found.resources);
            }
        }
    }
    inline.extend(named);
    check_unique(&inline)?;
    inline.into_iter().map(Config::new).collect()
}

/// An object from a text in place, with the lines of the file the text stands in.
fn moved(mut resource: Resource, lines: Lines) -> Resource {
    let line = u32::try_from(resource.source.line).unwrap_or(u32::MAX);
    resource.source.line = lines.line(line) as usize;
    move_lines(&mut resource.root, lines);
    resource
}

fn move_lines(node: &mut Node, lines: Lines) {
    match node {
        Node::Scalar(scalar) => scalar.line = lines.line(scalar.line),
        Node::Sequence(items) => items.iter_mut().for_each(|item| move_lines(item, lines)),
        Node::Mapping(Mapping { entries }) => {
            for entry in entries {
                entry.line = lines.line(entry.line);
                move_lines(&mut entry.value, lines);
            }
        }
    }
}

impl Config {
    fn new(resource: Resource) -> Result<Self, BuildError> {
        let config = Self {
            kind: resource.text("kind").to_owned(),
            file: resource.source.file.clone(),
            line: u32::try_from(resource.source.line).unwrap_or(u32::MAX),
            root: resource.root.clone(),
            origin: build_metadata::of_plugin(&resource)?,
        };
        config.check(&resource)?;
        config.loosened()
    }

    fn check(&self, resource: &Resource) -> Result<(), BuildError> {
        let gvk = resource.gvk_ref();
        if !gvk.group.is_empty() || gvk.version != "builtin" {
            let function = resource
                .texts("annotations")
                .iter()
                .any(|(key, _)| FUNCTIONS.contains(key));
            let what = if function {
                "a function (a container, a program or Starlark)"
            } else {
                "a program"
            };
            return Err(self.error(format!(
                "`apiVersion: {}` names {what}, and a build starts none; {INSTEAD}",
                resource.text("apiVersion")
            )));
        }
        if self.kind == "HelmChartInflationGenerator" {
            return Err(self.error(CHARTS));
        }
        let known: Vec<&str> = generators::KINDS
            .iter()
            .chain(&transformers::KINDS)
            .copied()
            .collect();
        if known.contains(&self.kind.as_str()) {
            return Ok(());
        }
        Err(self.error(match nearest(&self.kind, &known) {
            Some(near) => format!("kustomize has no such plugin; hint: did you mean `{near}`?"),
            None => format!("kustomize has no such plugin; it has {}", known.join(", ")),
        }))
    }

    /// The same as kustomize's reader sees it.
    fn loosened(mut self) -> Result<Self, BuildError> {
        if let Err(error) = self.root.to_json() {
            return Err(self.error(error.to_string()));
        }
        loose::times(&mut self.root);
        let affix = [
            "PrefixTransformer",
            "SuffixTransformer",
            "PrefixSuffixTransformer",
        ];
        let bits = if affix.contains(&self.kind.as_str()) {
            loose::exact(&mut self.root, &AFFIX_NAMES);
            Bits::Double
        } else {
            Bits::Single
        };
        loose::texts(&mut self.root, texts(&self.kind), bits);
        Ok(self)
    }

    /// All of it as one value.
    pub(super) fn at(&self) -> At<'_> {
        At {
            file: &self.file,
            field: self.kind.clone(),
            line: self.line,
            node: &self.root,
            open: true,
        }
    }

    pub(super) fn fields(&self) -> Result<Fields<'_>, BuildError> {
        self.at().fields()
    }

    /// Where it stands.
    pub(super) fn place<T>(&self, value: T) -> Located<T> {
        self.at().locate(value)
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> BuildError {
        self.place(()).error(reason)
    }
}

const AFFIX_NAMES: [&str; 8] = [
    "prefix",
    "suffix",
    "fieldSpecs",
    "path",
    "create",
    "group",
    "version",
    "kind",
];

/// Where the config of a kind may say a number for a text.
fn texts(kind: &str) -> &'static [&'static str] {
    match kind {
        "AnnotationsTransformer" => &["annotations/*", "fieldSpecs/path"],
        "ConfigMapGenerator" | "SecretGenerator" => &["metadata/name", "metadata/namespace"],
        "ImageTagTransformer" => &["imageTag/*", "fieldSpecs/path"],
        "LabelTransformer" => &["labels/*", "fieldSpecs/path"],
        "NamespaceTransformer" => &[
            "metadata/namespace",
            "setRoleBindingSubjects",
            "fieldSpecs/path",
        ],
        "PatchJson6902Transformer" => &[
            "path",
            "jsonOp",
            "target/labelSelector",
            "target/annotationSelector",
        ],
        "PatchStrategicMergeTransformer" => &["paths", "patches"],
        "PatchTransformer" => &[
            "path",
            "patch",
            "target/labelSelector",
            "target/annotationSelector",
        ],
        "PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer" => &[
            "prefix",
            "suffix",
            "fieldSpecs/path",
            "fieldSpecs/group",
            "fieldSpecs/version",
            "fieldSpecs/kind",
        ],
        "ReplacementTransformer" => &["replacements/path"],
        "ReplicaCountTransformer" => &["replica/name", "fieldSpecs/path"],
        "ValueAddTransformer" => &[
            "value",
            "targetFilePath",
            "targets/fieldPath",
            "targets/selector/labelSelector",
            "targets/selector/annotationSelector",
        ],
        _ => &[],
    }
}
