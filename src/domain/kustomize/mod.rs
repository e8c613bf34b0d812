//! `kustomize build`, from a file tree to ordered objects, pure and without a lock.
//!
//! The behaviour is kustomize v5.8.1's. [`build`] loads the kustomization of a directory (or makes
//! one up as Flux does), collects its resources recursively (`accumulate`), adds what is generated
//! (`generators`) and what components do, carries out one step after the other, each in its own
//! file (`patch`, `namespace`, `naming`, `labels`, `replicas`, `images`, `replacements`; `plugins`
//! adds steps that are configured by objects), and finishes at the top with what concerns all
//! objects (`content_hash`, `references`, `order`; `finished`).
//! `context` reads the tree; `tables` says which fields a step changes (`crds` adds to them);
//! `schema` says how lists merge: by the table in `merge_keys`, by an `open_api` document, or both.
//! Objects are trees that keep the text of each scalar until the end, because kustomize compares
//! and copies texts.
//!
//! Invariant: a build either gives every object or an error that names file, field and line;
//! nothing is read outside the tree but what `remote` is given, and the work is bounded. What is
//! absent: charts, programs and functions; each of them is an error, never ignored.
//!
//! Each difference has a stored case or a test that asks both (`differs-*` in the golden cases and those
//! that are `ours alone`, `budget`, `build_hostile`, `build_command`, `remote_bases`, `vars`).
//!
//! | differs from v5.8.1 on purpose | why |
//! |---|---|
//! | an object without `apiVersion`, or with a name or kind that is no string, is an error | no API server takes it |
//! | a line of over 65,535 bytes in `envs` is an error | v5.8.1 drops it and the rest |
//! | a replacement inside a string of YAML with anchors, tags, equal or long keys, comments in odd places, or of a list or mapping that is not as in its file, is an error | its print is not known exactly |
//! | a replacement from all of `metadata` of a changed object is an error, and a JSON patch copies it without notes | v5.8.1 copies its own notes along |
//! | `ValueAddTransformer` without `value` at the root is an error | the root has no name here |
//! | an alias that refers to itself is an error | v5.8.1 crashes |
//! | over 16 MiB or 1,000,000 nodes in a file, 80 MB of objects, or as many steps as take a second, are an error | a build keeps within 200 MB |
//! | more than 256 remote bases and files are an error | the work is bounded |
//! | an `openapi` file that is none is an error | v5.8.1 crashes, once something asks it |
//! | a type of `crds` that leads to itself is an error | v5.8.1 crashes |
//! | a field that names another object and is malformed passes when nothing is renamed | the API server says it better |
//! | keys that YAML 1.1 reads as numbers or truth values, or that have a tag, are texts | v5.8.1 cannot print them |
//! | JSON with surrogate pairs or `\/`, `%YAML 1.2`, a document of comments before `...`, documents behind it or on the line of their `---`, an empty one before the kustomization's, a tab behind `-`, a `?` inside `{}`, and a merge of an empty list are read | v5.8.1 refuses valid JSON and YAML, or drops it |
//! | a lone `!`, a tag before a comma, and an anchor before a `:` mean what YAML says; `<<` in quotes is a key; U+0085, U+2028 and U+2029 end no line, and stay in a text | v5.8.1 makes other values of them, or drops them |
//! | a second JSON value in a file, and a file in UTF-16, are errors | v5.8.1 reads the first object and drops the others |
//! | an absolute path, and a link that leaves the tree or the folder, are errors | nothing outside is read |
//! | `null` in `buildMetadata`, and a tag that does not fit its text, are errors | they say nothing, or something wrong |
//! | what a patch with `$patch: replace` for the whole object would bring is not looked at | v5.8.1 does not use it either |
//! | a generated file with a delete character is built | v5.8.1 cannot read what it prints |
//! | an empty value and a time inside `{}` and `[]`, and what a replacement empties in a `List` beside other documents, keep their type | v5.8.1 prints them as strings |
//! | a `List` without `items` is an error | v5.8.1 prints an object without a name |
//! | a bare `-` inside `[]`, a `:` right before the end of `{}`, and a tab before what stands in brackets inside a block, are errors | it is no YAML, or the parser has it so |
//! | a `!!binary` annotation, or value that a generator merges into, is decoded | v5.8.1 leaves the base64 |
//! | a name that a prefix, or a kind that a patch, makes look like a number stays a text | v5.8.1 prints a number where only a name can stand |
//! | a key that an object has twice is an error, also when a patch takes one away | as without the patch |
//! | a list with comments that a patch empties is built | v5.8.1 cannot read what it prints |
//! | folded lines that are indented more, and lines that a patch writes over folded ones, stay as they are | v5.8.1 adds empty lines |
//! | a text that begins with a tab is built | v5.8.1 cannot read what it prints |
//! | annotations of kustomize's own that a file has are not taken for what it remembers | nobody else should write them |
//! | a generated object that a patch makes one of another kind is an error, unless its name gets no suffix | v5.8.1 takes the suffix from lines and columns |
//! | numbers in the selectors of a replacement file are texts | as in the rest of the file |
//! | a `$` before a letter beyond ASCII stays in a text with `vars` | v5.8.1 prints base64 |

mod accumulate;
mod annotations;
mod associative;
mod budget;
mod build_metadata;
mod configurations;
mod content_hash;
mod context;
mod crds;
mod decode;
mod error;
mod expression;
mod field_path;
mod field_spec;
mod file;
mod finished;
mod generate;
mod generators;
mod go_yaml;
mod images;
mod inner;
mod json_patch;
mod key_values;
mod label_fields;
mod label_selector;
mod labels;
mod lines;
mod loose;
mod merge_keys;
mod namespace;
mod naming;
mod open_api;
mod order;
mod origin;
mod overrides;
mod patch;
mod plugins;
mod reference_fields;
mod references;
pub mod remote;
mod replacements;
mod replicas;
mod resource;
mod schema;
mod scope;
mod selector;
mod strategic;
mod strategic_merges;
mod tables;
mod ties;
mod variable_fields;
mod variables;
mod vars;

pub use error::BuildError;
pub use finished::{Built, build, build_repository, build_with, print_repository, print_with};
pub use lines::Lines;
pub use scope::is_cluster_wide;

use super::tree::{FileTree, join};
use accumulate::Accumulated;
use budget::Budget;
use build_metadata::Wanted;
use context::Context;
use finished::Finished;
use order::Sort;
use remote::{Fetches, RepositoryUrl};
use resource::{Resource, check_unique};
use schema::Schemas;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One entry of `images`: which image, and what becomes of it. Empty texts change nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Image {
    /// The image's name without tag and digest.
    pub name: String,
    /// The name it gets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub new_name: String,
    /// The tag it gets; a digest goes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub new_tag: String,
    /// What is added to its tag, unless it gets another one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tag_suffix: String,
    /// The digest it gets; the tag goes, unless `new_tag` is set too.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

/// Which objects a patch is for. Empty texts match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PatchTarget {
    /// A regular expression for the whole API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// A regular expression for the whole version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// A regular expression for the whole kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// A regular expression for the whole name, before or after renaming.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A regular expression for the whole namespace, before or after moving; an object without one
    /// is in `default`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// A label selector as `kubectl -l` takes it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label_selector: String,
    /// The same on annotations.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub annotation_selector: String,
}

/// One entry of `patches`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// The file that holds the patch, relative to the kustomization; empty when inline.
    pub path: String,
    /// The patch itself; empty when in a file.
    pub patch: String,
    /// Which lines of the kustomization file those of `patch` are.
    pub lines: Lines,
    /// Which objects it is for; `None` for a strategic merge that names its object.
    pub target: Option<PatchTarget>,
    /// Whether it may rename.
    pub allow_name_change: bool,
    /// Whether it may change the kind.
    pub allow_kind_change: bool,
    /// Whether the entry states `options` at all.
    pub has_options: bool,
}

/// The order of the built objects, where the kustomization does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they were read: what Flux applies.
    #[default]
    Listed,
    /// By kind and name: what `kubectl kustomize` prints.
    Legacy,
}

/// How to build: whose habits, and what a Flux `Kustomization` object adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether a directory without a kustomization file gets one made up, and an empty one is fine.
    pub generate: bool,
    /// The order of the objects.
    pub order: Order,
    /// Whether files (not directories) must lie in or below the kustomization that names them.
    pub only_below_root: bool,
    /// `spec.targetNamespace`: replaces the kustomization's `namespace`.
    pub target_namespace: Option<String>,
    /// `spec.namePrefix`: replaces the kustomization's `namePrefix`.
    pub name_prefix: Option<String>,
    /// `spec.nameSuffix`: replaces the kustomization's `nameSuffix`.
    pub name_suffix: Option<String>,
    /// `spec.patches`: come after the kustomization's own.
    pub patches: Vec<Patch>,
    /// `spec.images`: merged into the kustomization's entries of the same name.
    pub images: Vec<Image>,
    /// `spec.components`: local paths of components that come after the kustomization's own.
    pub components: Vec<String>,
    /// `spec.ignoreMissingComponents`: whether those of them that are no directory are left out.
    pub ignore_missing_components: bool,
    /// `spec.buildMetadata`: replaces the kustomization's own list.
    pub build_metadata: Vec<String>,
    /// `spec.commonMetadata.labels`: set on every object after the build.
    pub common_labels: BTreeMap<String, String>,
    /// `spec.commonMetadata.annotations`: set on every object after the build.
    pub common_annotations: BTreeMap<String, String>,
}

impl Options {
    /// The habits of Flux's kustomize-controller.
    pub fn flux() -> Self {
        Self {
            generate: true,
            ..Self::default()
        }
    }

    /// The habits of `kubectl kustomize`.
    pub fn kubectl() -> Self {
        Self {
            order: Order::Legacy,
            only_below_root: true,
            ..Self::default()
        }
    }
}

fn run(
    tree: &dyn FileTree,
    path: &str,
    options: &Options,
    fetches: &Fetches<'_>,
    clones: Vec<RepositoryUrl>,
) -> Result<Finished, BuildError> {
    let budget = Budget::default();
    let schemas = Schemas::default();
    let mut context = Context {
        tree,
        options,
        directory: join("", path).map_err(BuildError::Root)?,
        above: Vec::new(),
        depth: 0,
        clones,
        origin: None,
        budget: &budget,
        fetches,
        schemas: &schemas,
    };
    let (file, mut kustomization) = match context.find()? {
        Some((path, bytes)) => {
            let file = context.called(&path);
            let mut parsed = file::parse(&path, &file, &bytes)?;
            if parsed.empty && !options.generate {
                return Err(BuildError::Empty { file });
            }
            overrides::fill(options, &mut parsed);
            (file, parsed)
        }
        None if options.generate => (context.called(&context.directory), context.generate()?),
        None => {
            // A folder that is not there is told first.
            tree.entries(&context.directory).map_err(BuildError::Root)?;
            return Err(BuildError::NoKustomization {
                directory: context.called(&context.directory),
            });
        }
    };
    overrides::apply(&context, &file, &mut kustomization)?;
    let wanted = Wanted::new(&kustomization.build_metadata);
    context.origin = wanted.root();
    let here = |error: BuildError| error.in_kustomization(&file);
    let accumulated = context.run(&kustomization, Accumulated::default());
    let accumulated = accumulated.map_err(here)?;
    let sort = kustomization.sort.unwrap_or(match options.order {
        Order::Listed => Sort::Listed,
        Order::Legacy => Sort::Legacy(None),
    });
    finish(accumulated, &sort, wanted, options, &budget).map_err(here)
}

/// What has to wait until all objects are there.
fn finish(
    accumulated: Accumulated,
    sort: &Sort,
    wanted: Wanted,
    options: &Options,
    budget: &Budget,
) -> Result<Finished, BuildError> {
    let Accumulated {
        mut resources,
        tables,
        vars,
        mut warnings,
    } = accumulated;
    generators::add_hashes(&mut resources)?;
    references::fix(&mut resources, &tables.name_references, budget)?;
    vars::resolve(&mut resources, &vars, &tables.var_references, &mut warnings)?;
    resources.retain(|resource| !is_local(resource));
    check_unique(&resources)?;
    order::apply(&mut resources, sort);
    wanted.finish(&mut resources, budget)?;
    for pairs in [&options.common_labels, &options.common_annotations] {
        let texts: usize = pairs
            .iter()
            .map(|(key, value)| key.len() + value.len() + 150)
            .sum();
        budget.keep(texts.saturating_mul(resources.len()))?;
    }
    for resource in &mut resources {
        if !resource.texts_only("annotations") {
            let reason = "expected a mapping, found a list".to_owned();
            return Err(resource.error("the result", "metadata.annotations", reason));
        }
        overrides::set_common(resource, options);
    }
    Ok(Finished {
        resources,
        warnings,
    })
}

/// Whether an object is only there for the build.
fn is_local(resource: &Resource) -> bool {
    resource
        .texts("annotations")
        .iter()
        .any(|(key, value)| *key == "config.kubernetes.io/local-config" && *value != "false")
}

#[cfg(test)]
mod tests;
