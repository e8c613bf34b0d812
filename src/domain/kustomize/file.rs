//! The kustomization file: its fields, parsed, each with its place.
//!
//! Invariant: a [`Kustomization`] holds only what this build carries out; every other field of
//! kustomize is [`BuildError::Unsupported`], every other name [`BuildError::UnknownField`].
//! What is absent: reading what the fields refer to.

use super::decode::{At, Fields, Located};
use super::error::BuildError;
use super::field_spec::FieldSpec;
use super::generators::{self, Generator};
use super::replacements::{self, Replacement};
use super::replicas::{self, Replica};
use super::{Image, Patch, PatchTarget};
use crate::domain::manifest::{Mapping, Rules, documents};
use std::collections::BTreeMap;

/// The names a kustomization file can have.
pub(super) const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

const KUSTOMIZATION_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

/// What this build carries out.
const SUPPORTED: [&str; 19] = [
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "components",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "images",
    "labels",
    "commonAnnotations",
    "commonLabels",
    "patches",
    "replicas",
    "replacements",
    "sortOptions",
];

/// What kustomize has besides.
const NOT_YET: [&str; 15] = [
    "openapi",
    "patchesStrategicMerge",
    "patchesJson6902",
    "imageTags",
    "vars",
    "crds",
    "bases",
    "helmGlobals",
    "helmCharts",
    "helmChartInflationGenerator",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "buildMetadata",
];

/// One entry of `labels`.
#[derive(Clone, Debug, Default)]
pub(super) struct Label {
    pub(super) pairs: BTreeMap<String, String>,
    pub(super) include_selectors: bool,
    pub(super) include_templates: bool,
    pub(super) fields: Vec<FieldSpec>,
}

/// In which order the objects come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// As they were read.
    Listed,
    /// By kind. `None` takes kustomize's own lists.
    Legacy(Option<(Vec<String>, Vec<String>)>),
}

/// A parsed kustomization file.
#[derive(Clone, Debug, Default)]
pub(super) struct Kustomization {
    pub(super) component: bool,
    pub(super) resources: Vec<Located<String>>,
    pub(super) components: Vec<Located<String>>,
    pub(super) generators: Vec<Located<Generator>>,
    pub(super) namespace: String,
    pub(super) name_prefix: String,
    pub(super) name_suffix: String,
    pub(super) images: Vec<Located<Image>>,
    pub(super) labels: Vec<Located<Label>>,
    pub(super) common_labels: BTreeMap<String, String>,
    pub(super) common_annotations: BTreeMap<String, String>,
    pub(super) patches: Vec<Located<Patch>>,
    pub(super) replicas: Vec<Located<Replica>>,
    pub(super) replacements: Vec<Located<Replacement>>,
    pub(super) sort: Option<Sort>,
    /// Whether the file says nothing but what it is.
    pub(super) empty: bool,
}

/// Parses the kustomization file `file`.
pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Kustomization, BuildError> {
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
    };
    check_names(&fields)?;
    let component = check_type(&fields)?;
    Ok(Kustomization {
        component,
        resources: fields.texts("resources")?,
        components: fields.texts("components")?,
        generators: generators::parse(&fields)?,
        namespace: fields.text("namespace")?,
        name_prefix: fields.text("namePrefix")?,
        name_suffix: fields.text("nameSuffix")?,
        images: located(&fields, "images", image)?,
        labels: located(&fields, "labels", label)?,
        common_labels: fields.pairs("commonLabels")?,
        common_annotations: fields.pairs("commonAnnotations")?,
        patches: located(&fields, "patches", patch)?,
        replicas: located(&fields, "replicas", replicas::parse)?,
        replacements: located(&fields, "replacements", replacements::parse)?,
        sort: fields.get("sortOptions").map(|at| sort(&at)).transpose()?,
        empty: says_nothing(&fields),
    })
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

fn check_names(fields: &Fields<'_>) -> Result<(), BuildError> {
    let not_yet = fields.mapping.entries.iter().find_map(|entry| {
        NOT_YET
            .iter()
            .find(|name| name.eq_ignore_ascii_case(&entry.key))
            .map(|name| (entry.line, *name))
    });
    if let Some((line, name)) = not_yet {
        return Err(BuildError::Unsupported {
            file: fields.file.to_owned(),
            line,
            field: name.to_owned(),
        });
    }
    let all: Vec<&str> = SUPPORTED.iter().chain(&NOT_YET).copied().collect();
    fields.only(&all)
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

fn image(at: &At<'_>) -> Result<Image, BuildError> {
    let fields = at.fields()?;
    fields.only(&["name", "newName", "newTag", "tagSuffix", "digest"])?;
    Ok(Image {
        name: fields.text("name")?,
        new_name: fields.text("newName")?,
        new_tag: fields.text("newTag")?,
        tag_suffix: fields.text("tagSuffix")?,
        digest: fields.text("digest")?,
    })
}

fn label(at: &At<'_>) -> Result<Label, BuildError> {
    let fields = at.fields()?;
    fields.only(&["pairs", "includeSelectors", "includeTemplates", "fields"])?;
    Ok(Label {
        pairs: fields.pairs("pairs")?,
        include_selectors: fields.flag("includeSelectors")?,
        include_templates: fields.flag("includeTemplates")?,
        fields: fields
            .items("fields")?
            .iter()
            .map(field_spec)
            .collect::<Result<_, _>>()?,
    })
}

fn field_spec(at: &At<'_>) -> Result<FieldSpec, BuildError> {
    let fields = at.fields()?;
    fields.only(&["path", "create", "group", "version", "kind"])?;
    Ok(FieldSpec {
        group: fields.text("group")?.into(),
        version: fields.text("version")?.into(),
        kind: fields.text("kind")?.into(),
        path: fields.text("path")?.into(),
        create: fields.flag("create")?,
    })
}

fn patch(at: &At<'_>) -> Result<Patch, BuildError> {
    let fields = at.fields()?;
    fields.only(&["path", "patch", "target", "options"])?;
    let mut patch = Patch {
        path: fields.text("path")?,
        patch: fields.text("patch")?.trim().to_owned(),
        ..Patch::default()
    };
    if let Some(at) = fields.get("target") {
        patch.target = Some(target(&at.fields()?)?);
    }
    if let Some(at) = fields.get("options") {
        let options = at.fields()?;
        options.only(&["allowNameChange", "allowKindChange"])?;
        patch.allow_name_change = options.flag("allowNameChange")?;
        patch.allow_kind_change = options.flag("allowKindChange")?;
        patch.has_options = true;
    }
    match (patch.path.is_empty(), patch.patch.is_empty()) {
        (true, true) => Err(at.error("expected `patch` or `path`")),
        (false, false) => Err(at.error("`patch` and `path` cannot both be set")),
        _ => Ok(patch),
    }
}

/// Reads a selector.
pub(super) fn target(fields: &Fields<'_>) -> Result<PatchTarget, BuildError> {
    fields.only(&[
        "group",
        "version",
        "kind",
        "name",
        "namespace",
        "labelSelector",
        "annotationSelector",
    ])?;
    Ok(PatchTarget {
        group: fields.text("group")?,
        version: fields.text("version")?,
        kind: fields.text("kind")?,
        name: fields.text("name")?,
        namespace: fields.text("namespace")?,
        label_selector: fields.text("labelSelector")?,
        annotation_selector: fields.text("annotationSelector")?,
    })
}

fn sort(at: &At<'_>) -> Result<Sort, BuildError> {
    let fields = at.fields()?;
    fields.only(&["order", "legacySortOptions"])?;
    let order = fields.text("order")?;
    let lists = fields.get("legacySortOptions");
    match (order.as_str(), lists) {
        ("fifo", None) => Ok(Sort::Listed),
        ("fifo", Some(at)) => Err(at.error("expected only with `order: legacy`")),
        ("legacy", None) => Ok(Sort::Legacy(None)),
        ("legacy", Some(at)) => {
            let fields = at.fields()?;
            fields.only(&["orderFirst", "orderLast"])?;
            let names = |name| -> Result<Vec<String>, BuildError> {
                let texts = fields.texts(name)?;
                Ok(texts.into_iter().map(|text| text.value).collect())
            };
            Ok(Sort::Legacy(Some((
                names("orderFirst")?,
                names("orderLast")?,
            ))))
        }
        _ => Err(at.error("expected `order` to be `fifo` or `legacy`")),
    }
}
