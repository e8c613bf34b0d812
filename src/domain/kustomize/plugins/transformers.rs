//! Plugins that change objects: each of kustomize's own steps with its own fields, and `ValueAdd`.
//!
//! Invariant: a step does what it does for the field of the kustomization file, but in the fields
//! its config names and in no others; a step without fields does nothing unless its kind needs
//! some. What is absent: how each step works.

use super::super::context::Context;
use super::super::decode::{Fields, Located};
use super::super::error::BuildError;
use super::super::field_spec::FieldSpec;
use super::super::lines::Lines;
use super::super::namespace::{Move, Subjects};
use super::super::replacements::{self, Replacement};
use super::super::replicas::{self, Replica};
use super::super::resource::Resource;
use super::super::strategic_merges::{self, StrategicMerge};
use super::super::{Image, Patch, generators, images, labels, naming, patch, selector};
use super::config::Config;
use super::value_add::ValueAdd;
use std::collections::BTreeMap;

/// The kinds of config.
pub(super) const KINDS: [&str; 14] = [
    "AnnotationsTransformer",
    "HashTransformer",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "SuffixTransformer",
    "ValueAddTransformer",
];

/// About what a name gets from its content.
const HASH: &str = "-0123456789";

/// What is changed.
#[derive(Debug)]
pub(super) enum Transformer {
    Pairs {
        step: &'static str,
        pairs: BTreeMap<String, String>,
        specs: Vec<FieldSpec>,
    },
    Hash,
    Image(Located<Image>, Vec<FieldSpec>),
    Namespace(Move, Vec<FieldSpec>),
    JsonPatch(Located<Patch>),
    StrategicMerge(Vec<StrategicMerge>),
    Patch(Located<Patch>),
    Affix {
        prefix: Option<String>,
        suffix: Option<String>,
        specs: Vec<FieldSpec>,
    },
    Replacements(Vec<Located<Replacement>>),
    Replicas(Located<Replica>, Vec<FieldSpec>),
    ValueAdd(ValueAdd),
}

impl Transformer {
    pub(super) fn read(context: &Context<'_>, config: &Config) -> Result<Self, BuildError> {
        let fields = config.fields()?;
        let specs = || specs(&fields);
        Ok(match config.kind.as_str() {
            "AnnotationsTransformer" => pairs("AnnotationsTransformer", &fields, "annotations")?,
            "LabelTransformer" => pairs("LabelTransformer", &fields, "labels")?,
            "HashTransformer" => Self::Hash,
            "ImageTagTransformer" => Self::Image(image(config)?, specs()?),
            "NamespaceTransformer" => Self::Namespace(movement(&fields)?, specs()?),
            "PatchJson6902Transformer" => Self::JsonPatch(json_patch(config)?),
            "PatchStrategicMergeTransformer" => {
                Self::StrategicMerge(strategic_merge(context, config)?)
            }
            "PatchTransformer" => Self::Patch(config.place(patch::parse(&config.at())?)),
            "PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer" => affix(config)?,
            "ReplacementTransformer" => Self::Replacements(replacements(&fields)?),
            "ReplicaCountTransformer" => Self::Replicas(replica(config)?, specs()?),
            "ValueAddTransformer" => Self::ValueAdd(ValueAdd::read(context, config)?),
            _ => {
                return Err(config.error("it changes nothing; hint: name it under `generators`"));
            }
        })
    }

    /// How many times it goes through the objects, about.
    pub(super) fn passes(&self) -> usize {
        match self {
            Self::Image(_, specs)
            | Self::Namespace(_, specs)
            | Self::Affix { specs, .. }
            | Self::Replicas(_, specs) => 1 + specs.len(),
            Self::StrategicMerge(patches) => patches.len(),
            Self::Replacements(entries) => entries.len(),
            Self::ValueAdd(value_add) => value_add.targets.len(),
            Self::Pairs { .. } | Self::Hash | Self::JsonPatch(_) | Self::Patch(_) => 1,
        }
    }

    /// Changes `resources`.
    pub(super) fn apply(
        self,
        context: &Context<'_>,
        resources: &mut Vec<Resource>,
    ) -> Result<(), BuildError> {
        match self {
            Self::Pairs { step, pairs, specs } => {
                labels::set(resources, step, &specs, &pairs, context.budget)
            }
            Self::Hash => {
                context.budget.rename(resources, HASH)?;
                context.budget.walk(1, resources)?;
                generators::add_hashes(resources)
            }
            Self::Image(image, specs) => {
                context.budget.walk(1, resources)?;
                images::apply(resources, &image, &specs, context.budget)
            }
            Self::Namespace(to, _) if to.namespace.is_empty() => Ok(()),
            Self::Namespace(to, specs) => {
                context.budget.rename(resources, &to.namespace)?;
                to.apply(resources, &specs)
            }
            Self::JsonPatch(patch) => patch::apply_json6902(context, resources, &patch),
            Self::StrategicMerge(patches) => strategic_merges::merge(context, resources, patches),
            Self::Patch(patch) => patch::apply(context, resources, &patch),
            Self::Affix {
                prefix,
                suffix,
                specs,
            } => {
                for text in prefix.iter().chain(&suffix) {
                    context.budget.rename(resources, text)?;
                }
                if let Some(prefix) = prefix {
                    naming::prefix(resources, &prefix, &specs)?;
                }
                suffix.map_or(Ok(()), |suffix| naming::suffix(resources, &suffix, &specs))
            }
            Self::Replacements(entries) => entries
                .iter()
                .try_for_each(|entry| replacements::apply(context, resources, entry)),
            Self::Replicas(replica, specs) => replicas::apply(resources, &replica, &specs),
            Self::ValueAdd(value_add) => value_add.apply(context, resources),
        }
    }
}

fn specs(fields: &Fields<'_>) -> Result<Vec<FieldSpec>, BuildError> {
    let mut specs = Vec::new();
    for at in fields.items("fieldSpecs")? {
        specs.push(if at.node.is_null() {
            FieldSpec::default()
        } else {
            FieldSpec::parse(&at)?
        });
    }
    Ok(specs)
}

fn pairs(step: &'static str, fields: &Fields<'_>, name: &str) -> Result<Transformer, BuildError> {
    Ok(Transformer::Pairs {
        step,
        pairs: fields.pairs(name)?,
        specs: specs(fields)?,
    })
}

fn image(config: &Config) -> Result<Located<Image>, BuildError> {
    match config.fields()?.get("imageTag") {
        Some(at) => Ok(at.locate(images::parse(&at)?)),
        None => Ok(config.place(Image::default())),
    }
}

fn replica(config: &Config) -> Result<Located<Replica>, BuildError> {
    match config.fields()?.get("replica") {
        Some(at) => Ok(at.locate(replicas::parse(&at)?)),
        None => Err(config.error("expected a `replica` with `name` and `count`")),
    }
}

fn movement(fields: &Fields<'_>) -> Result<Move, BuildError> {
    let namespace = match fields.get("metadata") {
        Some(metadata) => metadata.fields()?.text("namespace")?,
        None => String::new(),
    };
    let mode = fields.text("setRoleBindingSubjects")?;
    let subjects = match mode.as_str() {
        "" | "defaultOnly" => Subjects::NamedDefault,
        "allServiceAccounts" => Subjects::ServiceAccounts,
        "none" => Subjects::Untouched,
        _ => {
            let at = fields.get("setRoleBindingSubjects");
            let error = at.map(|at| {
                at.error(format!(
                    "expected `defaultOnly`, `allServiceAccounts` or `none`, found `{mode}`"
                ))
            });
            return error.map_or_else(|| Ok(Move::default()), Err);
        }
    };
    Ok(Move {
        namespace,
        unset_only: fields.flag("unsetOnly")?,
        subjects,
    })
}

fn json_patch(config: &Config) -> Result<Located<Patch>, BuildError> {
    let fields = config.fields()?;
    let target = match fields.get("target") {
        Some(at) => selector::parse(&at.fields()?)?,
        None => Default::default(),
    };
    if target.name.is_empty() {
        return Err(config.error("expected a `target` with a `name`"));
    }
    let (path, patch) = (fields.text("path")?, fields.text("jsonOp")?);
    if path.is_empty() == patch.is_empty() {
        return Err(config.error("expected either `path` or `jsonOp`"));
    }
    let lines = fields.get("jsonOp").filter(|_| path.is_empty());
    let lines = lines.map_or(Lines::Own, |at| Lines::of(&at, &patch));
    Ok(config.place(Patch {
        path,
        patch,
        lines,
        target: Some(target),
        ..Patch::default()
    }))
}

fn strategic_merge(
    context: &Context<'_>,
    config: &Config,
) -> Result<Vec<StrategicMerge>, BuildError> {
    let fields = config.fields()?;
    let mut patches = Vec::new();
    for path in fields.texts("paths")? {
        patches.extend(strategic_merges::load(
            context,
            &path,
            Lines::All(path.line),
        )?);
    }
    if let Some(at) = fields.get("patches") {
        let text = at.locate(at.text()?.to_owned());
        let lines = Lines::of(&at, &text.value);
        patches.extend(strategic_merges::read(context, &text, lines)?);
    }
    if patches.is_empty() {
        return Err(config.error("no patch is in it; hint: `paths` or `patches`"));
    }
    Ok(patches)
}

fn affix(config: &Config) -> Result<Transformer, BuildError> {
    let fields = config.fields()?;
    if fields.get("fieldSpecs").is_none() {
        return Err(config.error(
            "expected `fieldSpecs`; hint: `[{path: metadata/name}]` changes the names of objects",
        ));
    }
    let (prefix, suffix) = (fields.text("prefix")?, fields.text("suffix")?);
    let mut specs = specs(&fields)?;
    // The reader of these kinds leaves nulls out of lists.
    specs.retain(|spec| *spec != FieldSpec::default());
    Ok(Transformer::Affix {
        prefix: (config.kind != "SuffixTransformer").then_some(prefix),
        suffix: (config.kind != "PrefixTransformer").then_some(suffix),
        specs,
    })
}

fn replacements(fields: &Fields<'_>) -> Result<Vec<Located<Replacement>>, BuildError> {
    fields
        .items("replacements")?
        .into_iter()
        .map(|at| replacements::parse(&at).map(|entry| at.locate(entry)))
        .collect()
}
