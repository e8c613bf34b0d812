//! Whether the cluster differs from what applying would give, and which objects are to be left alone.
//!
//! Invariant: fields the cluster owns (`status`, `metadata` but labels and annotations) never count
//! as a difference. What is absent: the dry run that gives the one side, and ignore rules.

use serde_json::{Map, Value};

const GROUP: &str = "kustomize.toolkit.fluxcd.io";

/// What applying does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is not in the cluster yet.
    Created,
    /// It is in the cluster and differs.
    Configured,
    /// It is in the cluster as it should be.
    Unchanged,
    /// It is left alone.
    Skipped,
    /// It is taken away.
    Deleted,
}

impl Action {
    /// The word events and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Deleted => "deleted",
        }
    }
}

/// Compares the object in the cluster, if there is one, with the result of the dry run.
pub fn action(live: Option<&Value>, dry_run: &Value) -> Action {
    match live {
        None => Action::Created,
        Some(live) if differs(live, dry_run) => Action::Configured,
        Some(_) => Action::Unchanged,
    }
}

/// Whether labels, annotations, or anything but `metadata` and `status` differ.
fn differs(live: &Value, dry_run: &Value) -> bool {
    let texts = |object: &Value, field: &str| {
        object
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
            .cloned()
            .unwrap_or(Value::Null)
    };
    let empty = |set: &Value| set.as_object().is_some_and(Map::is_empty);
    let other = |field: &&str| {
        let (one, other) = (texts(live, field), texts(dry_run, field));
        // No labels and an empty set of labels are the same; anywhere else a selector of nothing
        // and a missing selector are not.
        one != other && !(one.is_null() && empty(&other) || other.is_null() && empty(&one))
    };
    ["labels", "annotations"].iter().any(other) || body(live) != body(dry_run)
}

fn body(object: &Value) -> Value {
    let fields = object.as_object().into_iter().flatten();
    let kept: Map<String, Value> = fields
        .filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Value::Object(kept)
}

/// Whether `desired` is not to be applied, seeing what is in the cluster.
pub fn is_skipped(desired: &Value, live: Option<&Value>) -> bool {
    let left_alone =
        |object: &Value| states(object, "reconcile", "disabled") || states(object, "ssa", "Ignore");
    left_alone(desired)
        || live.is_some_and(left_alone)
        || (live.is_some() && states(desired, "ssa", "IfNotPresent"))
}

/// Whether other managers of the object keep what they own, because either side says so.
pub fn is_merged(desired: &Value, live: &Value) -> bool {
    [desired, live]
        .iter()
        .any(|object| states(object, "ssa", "Merge"))
}

/// Whether an object that cannot become what is desired may be deleted and created anew.
pub fn is_replaced(desired: &Value, live: &Value) -> bool {
    [desired, live]
        .iter()
        .any(|object| states(object, "force", "Enabled"))
}

/// Whether an object of the cluster is not to be deleted when it has gone from the build.
pub fn is_kept(live: &Value) -> bool {
    states(live, "prune", "Disabled")
        || states(live, "reconcile", "disabled")
        || states(live, "ssa", "Ignore")
}

/// Whether a label or annotation `kustomize.toolkit.fluxcd.io/<key>` says `word`, in any case.
fn states(object: &Value, key: &str, word: &str) -> bool {
    let key = format!("{GROUP}/{key}");
    ["labels", "annotations"].iter().any(|field| {
        object
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
            .and_then(|texts| texts.get(&key))
            .and_then(Value::as_str)
            .is_some_and(|text| text.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web"}, "resourceVersion": "7", "managedFields": []},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "a", "args": []}]}}},
            "status": {"replicas": 2}
        })
    }

    #[test]
    fn what_the_cluster_owns_is_no_difference() {
        let mut dry_run = live();
        dry_run["metadata"]["resourceVersion"] = "8".into();
        dry_run["metadata"]["generation"] = 9.into();
        dry_run["metadata"]["annotations"] = json!({});
        dry_run["status"] = json!({"replicas": 1});
        assert_eq!(action(Some(&live()), &dry_run), Action::Unchanged);
        assert_eq!(action(None, &dry_run), Action::Created);
    }

    #[test]
    fn labels_annotations_and_every_other_field_count() {
        for (pointer, value) in [
            ("/metadata/labels", json!({"app": "shop"})),
            ("/metadata/labels", json!({})),
            ("/spec/replicas", json!(3)),
            ("/spec/replicas", json!("2")),
            ("/spec/template/spec/containers", json!([])),
            ("/spec", Value::Null),
        ] {
            let mut dry_run = live();
            *dry_run.pointer_mut(pointer).expect("the field is there") = value;
            assert_eq!(
                action(Some(&live()), &dry_run),
                Action::Configured,
                "{pointer}"
            );
        }
        let mut dry_run = live();
        dry_run["metadata"]["annotations"] = json!({"a": "b"});
        assert_eq!(action(Some(&live()), &dry_run), Action::Configured);
        let mut dry_run = live();
        dry_run["data"] = json!({"a": "b"});
        assert_eq!(action(Some(&live()), &dry_run), Action::Configured);
    }

    #[test]
    fn a_selector_of_everything_is_not_a_missing_one() {
        let policy = |from: Value| json!({"kind": "NetworkPolicy", "metadata": {"name": "a"}, "spec": {"ingress": [{"from": [from]}]}});
        let (everywhere, here) = (
            json!({"podSelector": {}, "namespaceSelector": {}}),
            json!({"podSelector": {}}),
        );
        assert_eq!(
            action(Some(&policy(everywhere)), &policy(here)),
            Action::Configured
        );
    }

    fn stating(field: &str, key: &str, word: &str) -> Value {
        json!({"metadata": {field: {format!("kustomize.toolkit.fluxcd.io/{key}"): word}}})
    }

    #[test]
    fn words_count_in_labels_and_annotations_and_in_any_case() {
        for field in ["labels", "annotations"] {
            for word in ["disabled", "Disabled", "DISABLED"] {
                assert!(is_kept(&stating(field, "prune", word)), "{field} {word}");
                assert!(is_skipped(&stating(field, "reconcile", word), None));
            }
        }
        let nothing = json!({"metadata": {"name": "a"}});
        assert!(!is_kept(&nothing) && !is_skipped(&nothing, Some(&nothing)));
        assert!(!is_kept(&stating("labels", "prune", "enabled")));
    }

    #[test]
    fn both_sides_can_forbid() {
        let nothing = json!({"metadata": {"name": "a"}});
        assert!(is_skipped(
            &nothing,
            Some(&stating("labels", "reconcile", "disabled"))
        ));
        assert!(is_skipped(
            &nothing,
            Some(&stating("labels", "ssa", "ignore"))
        ));
    }

    #[test]
    fn an_object_only_for_a_first_time_is_skipped_once_it_is_there() {
        let desired = stating("annotations", "ssa", "IfNotPresent");
        assert!(!is_skipped(&desired, None));
        assert!(is_skipped(&desired, Some(&json!({}))));
    }

    #[test]
    fn actions_have_fluxs_words() {
        let words = [
            Action::Created,
            Action::Configured,
            Action::Unchanged,
            Action::Skipped,
            Action::Deleted,
        ]
        .map(Action::as_str);
        assert_eq!(
            words,
            ["created", "configured", "unchanged", "skipped", "deleted"]
        );
    }
}
