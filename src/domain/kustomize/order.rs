//! The order objects come out in.
//!
//! Invariant: the legacy order is that of `kubectl kustomize`: by kind from two lists, then by
//! group, version, kind, then by name. What is absent: the order of applying; that is `stage`.

use super::decode::At;
use super::error::BuildError;
use super::resource::{Gvk, Resource};
use std::borrow::Cow;
use std::cmp::Ordering;

const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

const LAST: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// In which order the objects come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// As they were read.
    Listed,
    /// By kind. `None` takes kustomize's own lists.
    Legacy(Option<(Vec<String>, Vec<String>)>),
}

/// Reads `sortOptions`.
pub(super) fn parse(at: &At<'_>) -> Result<Sort, BuildError> {
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

struct Key {
    rank: i64,
    gvk: Gvk,
    kind_text: String,
    name_text: String,
}

/// Sorts `resources` as `sort` says.
pub(super) fn apply(resources: &mut [Resource], sort: &Sort) {
    match sort {
        Sort::Listed => {}
        Sort::Legacy(None) => legacy(resources, &FIRST, &LAST),
        Sort::Legacy(Some((first, last))) => {
            let first: Vec<&str> = first.iter().map(String::as_str).collect();
            let last: Vec<&str> = last.iter().map(String::as_str).collect();
            legacy(resources, &first, &last);
        }
    }
}

fn legacy(resources: &mut [Resource], first: &[&str], last: &[&str]) {
    resources.sort_by_cached_key(|resource| Ranked(key(resource, first, last)));
}

fn key(resource: &Resource, first: &[&str], last: &[&str]) -> Key {
    let gvk = resource.gvk();
    Key {
        rank: rank(&gvk.kind, first, last),
        kind_text: kind_text(&gvk.group, &gvk.version, &gvk.kind),
        name_text: format!(
            "{}|{}",
            or(resource.namespace(), "~X"),
            or(resource.name(), "~N")
        ),
        gvk,
    }
}

/// Where a kind of a field table stands among others: by kustomize's own lists, then by text.
///
/// The tables are sorted when the program starts, so this makes no text of its own.
#[derive(Clone, Debug)]
pub(super) struct KindKey {
    rank: i64,
    parts: [Cow<'static, str>; 3],
}

impl KindKey {
    pub(super) fn new(
        group: impl Into<Cow<'static, str>>,
        version: impl Into<Cow<'static, str>>,
        kind: impl Into<Cow<'static, str>>,
    ) -> Self {
        let kind = kind.into();
        Self {
            rank: rank(&kind, &FIRST, &LAST),
            parts: [group.into(), version.into(), kind],
        }
    }

    /// What [`kind_text`] prints.
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let [group, version, kind] = &self.parts;
        let parts = [or(group, "~G"), "_", or(version, "~V"), "_", or(kind, "~K")];
        parts.into_iter().flat_map(str::bytes)
    }
}

impl Ord for KindKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_rank = self.rank.cmp(&other.rank);
        by_rank.then_with(|| match (&self.parts, &other.parts) {
            // The texts begin alike, as nearly all do: the kinds decide.
            ([group, version, kind], [other_group, other_version, other_kind])
                if group == other_group && version == other_version =>
            {
                or(kind, "~K").cmp(or(other_kind, "~K"))
            }
            _ => self.bytes().cmp(other.bytes()),
        })
    }
}

impl PartialOrd for KindKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for KindKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for KindKey {}

fn rank(kind: &str, first: &[&str], last: &[&str]) -> i64 {
    let place = |names: &[&str]| {
        names
            .iter()
            .rposition(|name| *name == kind)
            .and_then(|place| i64::try_from(place).ok())
    };
    let length = i64::try_from(first.len()).unwrap_or(i64::MAX);
    match (place(last), place(first)) {
        (Some(place), _) => place + 1,
        (None, Some(place)) => place - length,
        (None, None) => 0,
    }
}

fn kind_text(group: &str, version: &str, kind: &str) -> String {
    format!(
        "{}_{}_{}",
        or(group, "~G"),
        or(version, "~V"),
        or(kind, "~K")
    )
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

struct Ranked(Key);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, other) = (&self.0, &other.0);
        if one.gvk == other.gvk {
            return one.name_text.cmp(&other.name_text);
        }
        let namespaces = one.gvk.kind == "Namespace"
            && other.gvk.kind == "Namespace"
            && (one.gvk.group.is_empty() || other.gvk.group.is_empty());
        let by_kind = one.kind_text.cmp(&other.kind_text);
        one.rank.cmp(&other.rank).then(if namespaces {
            by_kind.reverse()
        } else {
            by_kind
        })
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}
