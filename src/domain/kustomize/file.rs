//! The kustomization file: its fields, parsed, each with its place.
//!
//! Invariant: a [`Kustomization`] holds what this build carries out, which is all of kustomize but
//! charts; every other name is [`BuildError::UnknownField`]. What is absent: reading what the fields
//! refer to.

use super::decode::{At, Fields, Located};
use super::error::BuildError;
use super::generators::{self, Generator};
use super::labels::{self, Label};
use super::lines::Lines;
use super::order::{self, Sort};
use super::plugins::Plugins;
use super::replacements::{self, Replacement};
use super::replicas::{self, Replica};
use super::schema::{self, OpenApi};
use super::vars::{self, Var};
use super::{Image, Patch, images, patch};
use crate::domain::manifest::{Mapping, Rules, documents};
use std::collections::BTreeMap;

/// The names a kustomization file can have.
pub(super) const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

const KUSTOMIZATION_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

/// What kustomize has, and this build carries out or refuses with what to do instead.
const SUPPORTED: [&str; 34] = [
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "components",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "generators",
    "transformers",
    "validators",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "images",
    "imageTags",
    "labels",
    "commonAnnotations",
    "commonLabels",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "replicas",
    "replacements",
    "vars",
    "configurations",
    "sortOptions",
    "openapi",
    "crds",
    "buildMetadata",
    "helmGlobals",
    "helmCharts",
    "helmChartInflationGenerator",
];

/// What still works and has a successor.
const DEPRECATED: [(&str, &str); 6] = [
    ("bases", "resources"),
    ("commonLabels", "labels"),
    ("imageTags", "images"),
    ("patchesJson6902", "patches"),
    ("patchesStrategicMerge", "patches"),
    ("vars", "replacements"),
];

/// A parsed kustomization file.
#[derive(Clone, Debug, Default)]
pub(super) struct Kustomization {
    /// Its path in its tree.
    pub(super) path: String,
    pub(super) component: bool,
    pub(super) resources: Vec<Located<String>>,
    pub(super) components: Vec<Located<String>>,
    pub(super) generators: Vec<Located<Generator>>,
    pub(super) plugins: Plugins,
    pub(super) namespace: String,
    pub(super) name_prefix: String,
    pub(super) name_suffix: String,
    pub(super) images: Vec<Located<Image>>,
    pub(super) labels: Vec<Located<Label>>,
    pub(super) common_labels: BTreeMap<String, String>,
    pub(super) common_annotations: BTreeMap<String, String>,
    pub(super) patches: Vec<Located<Patch>>,
    pub(super) patches_strategic_merge: Vec<(Located<String>, Lines)>,
    pub(super) patches_json6902: Vec<Located<Patch>>,
    pub(super) replicas: Vec<Located<Replica>>,
    pub(super) replacements: Vec<Located<Replacement>>,
    pub(super) vars: Vec<Located<Var>>,
    pub(super) configurations: Vec<Located<String>>,
    pub(super) sort: Option<Sort>,
    pub(super) open_api: OpenApi,
    pub(super) crds: Vec<Located<String>>,
    pub(super) build_metadata: Vec<Located<String>>,
    /// What should be written otherwise, each with its place.
    pub(super) warnings: Vec<String>,
    /// Whether the file says nothing but what it is.
    pub(super) empty: bool,
}

/// Parses the kustomization file at `path` of its tree, which messages call `file`.
pub(super) fn parse(path: &str, file: &str, bytes: &[u8]) -> Result<Kustomization, BuildError> {
    let documents = documents(file, bytes, Rules::Kubernetes)?;
    let empty = Mapping::default();
    let mapping = match documents.first() {
        None => &empty,
        Some(document) => document
            .root
            .as_mapping()
            .ok_or_else(|| BuildError::Field {
                file: file.to_owned(),
                line: document.line,
                field: ".".to_owned(),
                reason: "expected a mapping of fields".to_owned(),
            })?,
    };
    let fields = Fields {
        file,
        path: String::new(),
        mapping,
        open: false,
    };
    fields.only(&SUPPORTED)?;
    let component = check_type(&fields)?;
    refuse_charts(&fields)?;
    check_metadata(&fields)?;
    Ok(Kustomization {
        path: path.to_owned(),
        component,
        resources: both(fields.texts("resources")?, fields.texts("bases")?),
        components: fields.texts("components")?,
        generators: generators::parse(&fields)?,
        plugins: Plugins::parse(&fields)?,
        namespace: fields.text("namespace")?,
        name_prefix: fields.text("namePrefix")?,
        name_suffix: fields.text("nameSuffix")?,
        images: both(
            stated(&fields, "images", images::parse)?,
            stated(&fields, "imageTags", images::parse)?,
        ),
        labels: stated(&fields, "labels", labels::parse)?,
        common_labels: fields.pairs("commonLabels")?,
        common_annotations: fields.pairs("commonAnnotations")?,
        patches: located(&fields, "patches", patch::parse)?,
        patches_strategic_merge: Lines::texts(&fields, "patchesStrategicMerge")?,
        patches_json6902: located(&fields, "patchesJson6902", patch::parse_json6902)?,
        replicas: located(&fields, "replicas", replicas::parse)?,
        replacements: located(&fields, "replacements", replacements::parse)?,
        vars: located(&fields, "vars", vars::parse)?,
        configurations: fields.texts("configurations")?,
        sort: fields
            .get("sortOptions")
            .map(|at| order::parse(&at))
            .transpose()?,
        open_api: schema::parse(&fields)?,
        crds: fields.texts("crds")?,
        build_metadata: fields.texts("buildMetadata")?,
        warnings: warnings(&fields),
        empty: says_nothing(&fields),
    })
}

fn both<T>(mut first: Vec<T>, second: Vec<T>) -> Vec<T> {
    first.extend(second);
    first
}

fn warnings(fields: &Fields<'_>) -> Vec<String> {
    let warning = |(old, new): &(&str, &str)| {
        let at = fields.get(old)?;
        Some(format!(
            "{}:{}: `{old}` is deprecated; hint: use `{new}`",
            at.file, at.line
        ))
    };
    DEPRECATED.iter().filter_map(warning).collect()
}

/// Inflating a chart means running `helm`, which a build never does.
pub(super) const CHARTS: &str = "charts are not inflated; hint: commit the output of `helm template`, or let a `HelmRelease` install the chart";

/// Nothing is made of a kustomization's own metadata, but it has to be some.
fn check_metadata(fields: &Fields<'_>) -> Result<(), BuildError> {
    let Some(metadata) = fields.get("metadata") else {
        return Ok(());
    };
    let metadata = metadata.fields()?;
    metadata.only(&["name", "namespace", "labels", "annotations"])?;
    metadata.text("name")?;
    metadata.text("namespace")?;
    metadata.pairs("labels")?;
    metadata.pairs("annotations").map(drop)
}

fn refuse_charts(fields: &Fields<'_>) -> Result<(), BuildError> {
    if let Some(globals) = fields.get("helmGlobals") {
        let globals = globals.fields()?;
        globals.only(&["chartHome", "configHome"])?;
        globals.text("chartHome")?;
        globals.text("configHome")?;
    }
    for name in ["helmCharts", "helmChartInflationGenerator"] {
        if let Some(chart) = fields.items(name)?.first() {
            return Err(chart.error(CHARTS));
        }
    }
    Ok(())
}

fn says_nothing(fields: &Fields<'_>) -> bool {
    fields.mapping.entries.iter().all(|entry| {
        entry.value.is_null()
            || entry.value.as_text() == Some("")
            || ["apiVersion", "kind"]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&entry.key))
    })
}

/// Whether it is a component.
fn check_type(fields: &Fields<'_>) -> Result<bool, BuildError> {
    let kind = fields.text("kind")?;
    let component = kind == "Component";
    if let Some(at) = fields.get("kind")
        && !matches!(kind.as_str(), "" | "Kustomization" | "Component")
    {
        return Err(at.error("expected `Kustomization` or `Component`"));
    }
    let wanted = if component {
        COMPONENT_VERSION
    } else {
        KUSTOMIZATION_VERSION
    };
    match fields.get("apiVersion") {
        Some(at) if !at.text()?.is_empty() && at.text()? != wanted => {
            Err(at.error(format!("expected `{wanted}`")))
        }
        _ => Ok(component),
    }
}

/// As [`located`], but a null is an entry that does nothing.
fn stated<T>(
    fields: &Fields<'_>,
    name: &str,
    read: fn(&At<'_>) -> Result<T, BuildError>,
) -> Result<Vec<Located<T>>, BuildError> {
    let items = fields.items(name)?.into_iter();
    items
        .filter(|at| !at.node.is_null())
        .map(|at| read(&at).map(|value| at.locate(value)))
        .collect()
}

fn located<T>(
    fields: &Fields<'_>,
    name: &str,
    read: fn(&At<'_>) -> Result<T, BuildError>,
) -> Result<Vec<Located<T>>, BuildError> {
    fields
        .items(name)?
        .into_iter()
        .map(|at| read(&at).map(|value| at.locate(value)))
        .collect()
}
