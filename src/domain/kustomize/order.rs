//! The order objects come out in.
//!
//! Invariant: the legacy order is that of `kubectl kustomize`: by kind from two lists, then by
//! group, version, kind, then by name. What is absent: the order of applying; that is `stage`.

use super::decode::At;
use super::error::BuildError;
use super::resource::{GvkRef, Resource};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

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
        _ => {
            let at = fields.get("order").unwrap_or_else(|| at.clone());
            Err(at.error("expected `order` to be `fifo` or `legacy`"))
        }
    }
}

/// Sorts `resources` as `sort` says.
pub(super) fn apply(resources: &mut Vec<Resource>, sort: &Sort) {
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

/// Kinds are compared once each, not with every pair of objects.
fn legacy(resources: &mut Vec<Resource>, first: &[&str], last: &[&str]) {
    let places = places(resources, first, last);
    let names: Vec<String> = resources.iter().map(name_text).collect();
    let mut order: Vec<usize> = (0..resources.len()).collect();
    order.sort_by(|&one, &other| {
        let by_kind = places[one].cmp(&places[other]);
        by_kind.then_with(|| names[one].cmp(&names[other]))
    });
    let mut unsorted: Vec<Option<Resource>> = resources.drain(..).map(Some).collect();
    resources.extend(order.into_iter().filter_map(|index| unsorted[index].take()));
}

/// For each object the place of its kind among all kinds there are.
fn places(resources: &[Resource], first: &[&str], last: &[&str]) -> Vec<usize> {
    let mut numbers: HashMap<GvkRef<'_>, usize> = HashMap::new();
    let of_objects: Vec<usize> = resources
        .iter()
        .map(|resource| {
            let next = numbers.len();
            *numbers.entry(resource.gvk_ref()).or_insert(next)
        })
        .collect();
    let mut kinds: Vec<_> = numbers
        .into_iter()
        .map(|(gvk, number)| {
            let text = kind_text(gvk.group, gvk.version, gvk.kind);
            (rank(gvk.kind, first, last), text, number, gvk)
        })
        .collect();
    kinds.sort_by(
        |(rank, text, number, gvk), (other_rank, other_text, other_number, other)| {
            let namespaces = gvk.kind == "Namespace"
                && other.kind == "Namespace"
                && (gvk.group.is_empty() || other.group.is_empty());
            let by_text = text.cmp(other_text);
            let by_text = if namespaces {
                by_text.reverse()
            } else {
                by_text
            };
            let by_kind = rank.cmp(other_rank).then(by_text);
            by_kind.then(number.cmp(other_number))
        },
    );
    let mut places = vec![0; kinds.len()];
    for (place, (_, _, number, _)) in kinds.iter().enumerate() {
        places[*number] = place;
    }
    of_objects
        .into_iter()
        .map(|number| places[number])
        .collect()
}

fn name_text(resource: &Resource) -> String {
    let namespace = or(resource.namespace(), "~X");
    [namespace, "|", or(resource.name(), "~N")].concat()
}

/// Where a kind of a field table stands among others: by kustomize's own lists, then by text.
///
/// Tables may have thousands of entries and are sorted by this, so it makes no text of its own.
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
