//! Taking over what `kubectl` and other managers own of an object, so that applying decides about all
//! of it: what they added and Git does not name goes, what Git gives up goes although they had it too.
//!
//! Invariants: what is taken over is owned afterwards, never forgotten; somebody else's ownership of a
//! subresource, such as a scale, stays theirs; after a takeover there is nothing to take over. What is
//! absent: sending the patch, and removing fields, which applying does.

use super::drift;
use serde_json::{Map, Value, json};

/// Annotations that `kubectl apply` and old versions of Flux leave behind.
const ANNOTATIONS: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
];
/// A label that old versions of Flux leave behind.
const LABELS: [&str; 1] = ["fluxcd.io/sync-gc-mark"];
const APPLY: &str = "Apply";
const UPDATE: &str = "Update";

/// Who takes over from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    own: String,
    /// How their names begin, and what they did.
    others: Vec<(String, &'static str)>,
}

impl Takeover {
    /// `own` takes over from whatever is called `kubectl` or `kubectl-…`, from what stood there before
    /// anybody applied, from its own updates, and from everybody whose name begins like one of
    /// `overridden`. An empty name is nobody's.
    pub fn new(own: &str, overridden: &[String]) -> Self {
        let mut others = vec![
            ("kubectl".to_owned(), APPLY),
            ("kubectl".to_owned(), UPDATE),
            ("before-first-apply".to_owned(), UPDATE),
            (own.to_owned(), UPDATE),
        ];
        for name in overridden.iter().filter(|name| !name.is_empty()) {
            others.extend([APPLY, UPDATE].map(|operation| (name.clone(), operation)));
        }
        Self {
            own: own.to_owned(),
            others,
        }
    }

    /// The merge patch that takes over in `live`, in exactly the version that it has; `None` when there
    /// is nothing to take, or `ssa: Merge` says that everybody keeps theirs. An annotation that
    /// `desired` has itself stays, or each run would take away what it applies.
    pub fn patch(&self, live: &Value, desired: &Value) -> Option<Value> {
        if drift::is_merged(desired, live) {
            return None;
        }
        let metadata = live.get("metadata")?;
        let mut patch = Map::new();
        for (field, keys) in [("annotations", &ANNOTATIONS[..]), ("labels", &LABELS[..])] {
            let has = |object: &Value, key: &str| {
                let texts = object
                    .get("metadata")
                    .and_then(|metadata| metadata.get(field));
                texts.is_some_and(|texts| texts.get(key).is_some())
            };
            let left = keys
                .iter()
                .filter(|key| has(live, key) && !has(desired, key));
            let removed: Map<String, Value> =
                left.map(|key| ((*key).to_owned(), Value::Null)).collect();
            if !removed.is_empty() {
                patch.insert(field.to_owned(), Value::Object(removed));
            }
        }
        if let Some(managers) = self.managers(metadata.get("managedFields")?.as_array()?) {
            patch.insert("managedFields".to_owned(), Value::Array(managers));
        }
        if patch.is_empty() {
            return None;
        }
        // Otherwise an entry that somebody writes meanwhile would be lost.
        let version = metadata.get("resourceVersion")?;
        patch.insert("resourceVersion".to_owned(), version.clone());
        Some(json!({"metadata": patch}))
    }

    /// The entries with everything that is taken over in one of our own.
    fn managers(&self, entries: &[Value]) -> Option<Vec<Value>> {
        let (taken, mut kept): (Vec<&Value>, Vec<&Value>) =
            entries.iter().partition(|entry| self.takes(entry));
        let first = taken.first()?;
        let own = kept.iter().position(|entry| self.is_own(entry));
        let mut own = own.map_or(*first, |at| kept.remove(at)).clone();
        own["manager"] = json!(self.own);
        own["operation"] = json!(APPLY);
        for entry in taken {
            unite(&mut own["fieldsV1"], &entry["fieldsV1"]);
        }
        Some(kept.into_iter().cloned().chain([own]).collect())
    }

    fn is_own(&self, entry: &Value) -> bool {
        of_the_object_itself(entry) && done_by(entry) == Some((&self.own, APPLY))
    }

    fn takes(&self, entry: &Value) -> bool {
        let is_others = |(name, operation): (&str, &str)| {
            let mut others = self.others.iter();
            others.any(|(prefix, does)| name.starts_with(prefix) && operation == *does)
        };
        of_the_object_itself(entry) && !self.is_own(entry) && done_by(entry).is_some_and(is_others)
    }
}

/// Whether an entry is about no subresource.
fn of_the_object_itself(entry: &Value) -> bool {
    let subresource = entry.get("subresource").and_then(Value::as_str);
    subresource.is_none_or(str::is_empty)
}

/// The manager of an entry, and its operation.
fn done_by(entry: &Value) -> Option<(&str, &str)> {
    Some((
        entry.get("manager")?.as_str()?,
        entry.get("operation")?.as_str()?,
    ))
}

/// Adds `more` to a set of fields, both written as Kubernetes writes them: a path is in the set when
/// nothing is below it, or `.` is.
fn unite(fields: &mut Value, more: &Value) {
    let Value::Object(fields) = fields else {
        *fields = more.clone();
        return;
    };
    let Value::Object(more) = more else { return };
    if fields.is_empty() != more.is_empty() {
        fields.insert(".".to_owned(), json!({}));
    }
    for (path, below) in more {
        match fields.get_mut(path) {
            Some(known) => unite(known, below),
            None => {
                fields.insert(path.clone(), below.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const OWN: &str = "kustomize-controller";

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({
            "manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1",
            "time": "2026-01-02T03:04:05Z", "fieldsV1": fields
        })
    }

    fn data(key: &str) -> Value {
        json!({"f:data": {format!("f:{key}"): {}}})
    }

    fn live(entries: &[Value]) -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "settings", "resourceVersion": "7", "managedFields": entries}
        })
    }

    fn desired() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}})
    }

    fn patch(entries: &[Value], overridden: &[&str]) -> Option<Value> {
        let overridden: Vec<String> = overridden.iter().map(|&name| name.to_owned()).collect();
        Takeover::new(OWN, &overridden).patch(&live(entries), &desired())
    }

    #[test]
    fn it_is_taken_from_those_that_flux_takes_it_from() {
        for (manager, operation, overridden, taken) in [
            ("kubectl", "Apply", &[][..], true),
            ("kubectl", "Update", &[], true),
            ("kubectl-client-side-apply", "Update", &[], true),
            ("kubectl-edit", "Update", &[], true),
            ("kubectl-rollout", "Update", &[], true),
            ("before-first-apply", "Update", &[], true),
            ("before-first-apply", "Apply", &[], false),
            (OWN, "Update", &[], true),
            (OWN, "Apply", &[], false),
            ("flux-client-side-apply", "Update", &[], false),
            ("kube-controller-manager", "Update", &[], false),
            ("helm", "Update", &[], false),
            ("helm", "Update", &["helm"], true),
            ("helm-controller", "Apply", &["argocd", "helm"], true),
            ("a-helm", "Apply", &["helm"], false),
            ("kube-controller-manager", "Update", &[""], false),
            (OWN, "Apply", &["kustomize"], false),
        ] {
            let entries = [entry(manager, operation, data("a"))];
            let found = patch(&entries, overridden).is_some();
            assert_eq!(found, taken, "{manager} {operation} {overridden:?}");
        }
    }

    #[test]
    fn a_subresource_is_left_to_whoever_changed_it() {
        let mut scaled = entry("kubectl", "Update", json!({"f:spec": {"f:replicas": {}}}));
        scaled["subresource"] = json!("scale");
        assert_eq!(patch(&[scaled.clone()], &[]), None);
        let edited = entry("kubectl-edit", "Update", data("a"));
        let patched = patch(&[scaled.clone(), edited], &[]).expect("one is taken");
        assert_eq!(patched["metadata"]["managedFields"][0], scaled);
    }

    #[test]
    fn what_is_taken_is_added_to_our_own_and_everybody_elses_stays() {
        let own = entry(OWN, "Apply", data("a"));
        let other = entry("helm", "Apply", data("b"));
        let entries = [
            entry("kubectl-edit", "Update", data("c")),
            own,
            other.clone(),
            entry(
                "kubectl-label",
                "Update",
                json!({"f:metadata": {"f:labels": {"f:x": {}}}}),
            ),
        ];
        let patched = patch(&entries, &[]).expect("two are taken");
        let all = json!({
            "f:data": {"f:a": {}, "f:c": {}}, "f:metadata": {"f:labels": {"f:x": {}}}
        });
        let expected = json!({"metadata": {
            "resourceVersion": "7", "managedFields": [other, entry(OWN, "Apply", all)]
        }});
        assert_eq!(patched, expected);
    }

    #[test]
    fn the_first_that_is_taken_becomes_ours_when_we_have_none() {
        let entries = [
            entry("kubectl-create", "Update", data("a")),
            entry("kubectl-edit", "Update", data("b")),
        ];
        let patched = patch(&entries, &[]).expect("both are taken");
        let both = json!({"f:data": {"f:a": {}, "f:b": {}}});
        let expected = json!([entry(OWN, "Apply", both)]);
        assert_eq!(patched["metadata"]["managedFields"], expected);
    }

    #[test]
    fn leftover_annotations_and_labels_go_unless_git_has_them() {
        let metadata = json!({
            "annotations": {
                ANNOTATIONS[0]: "{}", ANNOTATIONS[1]: "x", ANNOTATIONS[2]: "x", "kept": "x"
            },
            "labels": {LABELS[0]: "x", "kept": "x"},
            "resourceVersion": "7", "managedFields": []
        });
        let (live, takeover) = (json!({"metadata": metadata}), Takeover::new(OWN, &[]));
        let removed = json!({"metadata": {
            "annotations": {ANNOTATIONS[0]: null, ANNOTATIONS[1]: null, ANNOTATIONS[2]: null},
            "labels": {LABELS[0]: null}, "resourceVersion": "7"
        }});
        assert_eq!(takeover.patch(&live, &desired()), Some(removed));
        let same = json!({"metadata": {"annotations": metadata["annotations"], "labels": metadata["labels"]}});
        assert_eq!(takeover.patch(&live, &same), None);
    }

    #[test]
    fn where_either_side_says_merge_everybody_keeps_theirs() {
        let takeover = Takeover::new(OWN, &[]);
        let plain = live(&[entry("kubectl", "Apply", data("a"))]);
        assert!(takeover.patch(&plain, &desired()).is_some());
        for field in ["labels", "annotations"] {
            let says = json!({"kustomize.toolkit.fluxcd.io/ssa": "merge"});
            let (mut there, mut wanted) = (plain.clone(), desired());
            there["metadata"][field] = says.clone();
            wanted["metadata"][field] = says;
            assert_eq!(takeover.patch(&there, &desired()), None);
            assert_eq!(takeover.patch(&plain, &wanted), None);
        }
    }

    #[test]
    fn an_object_without_traces_or_of_another_shape_is_left_alone() {
        let takeover = Takeover::new(OWN, &[]);
        let odd = |entries: Value| json!({"metadata": {"resourceVersion": "7", "managedFields": entries}});
        for live in [
            json!({}),
            json!({"metadata": {}}),
            odd(json!([])),
            odd(json!("x")),
            odd(json!([null, 1, {}, {"manager": "kubectl"}, {"manager": 1, "operation": "Apply"}])),
        ] {
            assert_eq!(takeover.patch(&live, &desired()), None, "{live}");
        }
        let bare = json!({"manager": "kubectl", "operation": "Apply"});
        assert!(takeover.patch(&odd(json!([bare])), &desired()).is_some());
    }

    /// The paths of a set of fields.
    fn paths(fields: &Value, at: &str, found: &mut BTreeSet<String>) {
        for (path, below) in fields.as_object().into_iter().flatten() {
            if path == "." {
                found.insert(at.to_owned());
                continue;
            }
            let here = format!("{at}/{path}");
            if below.as_object().is_some_and(Map::is_empty) {
                found.insert(here.clone());
            }
            paths(below, &here, found);
        }
    }

    fn all_paths(fields: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        paths(fields, "", &mut found);
        found
    }

    /// A set of fields of a few names, in which paths may be in the set that have others below.
    fn sets() -> impl Strategy<Value = Value> {
        let names =
            || proptest::sample::select(vec!["f:a", "f:b", "k:{\"name\":\"a\"}", "v:\"a\""]);
        let below = Just(json!({})).prop_recursive(3, 24, 3, move |inner| {
            (
                proptest::collection::btree_map(names(), inner, 1..4),
                any::<bool>(),
            )
                .prop_map(|(fields, itself)| {
                    let mut fields = json!(fields);
                    if itself {
                        fields["."] = json!({});
                    }
                    fields
                })
        });
        proptest::collection::btree_map(names(), below, 1..4).prop_map(|fields| json!(fields))
    }

    proptest! {
        #[test]
        fn a_union_has_the_paths_of_both_and_no_other(one in sets(), other in sets()) {
            let mut both = one.clone();
            unite(&mut both, &other);
            let expected: BTreeSet<String> = all_paths(&one).union(&all_paths(&other)).cloned().collect();
            prop_assert_eq!(all_paths(&both), expected);
        }

        #[test]
        fn after_a_takeover_there_is_nothing_to_take_and_nobodys_field_is_lost(
            managers in proptest::collection::vec(
                (
                    proptest::sample::select(vec![OWN, "kubectl", "kubectl-edit", "helm", "before-first-apply"]),
                    proptest::sample::select(vec![APPLY, UPDATE]),
                    sets(),
                ),
                0..6,
            )
        ) {
            let entries: Vec<Value> = managers.into_iter().map(|(name, does, fields)| entry(name, does, fields)).collect();
            let takeover = Takeover::new(OWN, &[]);
            let Some(after) = takeover.managers(&entries) else {
                prop_assert!(!entries.iter().any(|entry| takeover.takes(entry)));
                return Ok(());
            };
            prop_assert_eq!(takeover.managers(&after), None);
            let owned = |entries: &[Value]| -> BTreeSet<String> {
                entries.iter().flat_map(|entry| all_paths(&entry["fieldsV1"])).collect()
            };
            prop_assert_eq!(owned(&after), owned(&entries));
        }
    }
}
