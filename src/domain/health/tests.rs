use super::*;
use proptest::prelude::*;
use serde_json::json;

fn word(object: Value) -> &'static str {
    status(&object).word()
}

fn object(api_version: &str, kind: &str, spec: Value, status: Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "generation": 2}, "spec": spec, "status": status})
}

fn deployment(status: Value) -> Value {
    object("apps/v1", "Deployment", json!({"replicas": 2, "progressDeadlineSeconds": 600}), status)
}

fn rolled_out() -> Value {
    json!({
        "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2,
        "conditions": [
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}
        ]
    })
}

#[test]
fn a_deployment_is_current_when_its_rollout_is_over() {
    assert_eq!(word(deployment(rolled_out())), "Current");
    assert_eq!(word(deployment(json!({}))), "InProgress");
    for (field, value) in [
        ("observedGeneration", json!(1)),
        ("replicas", json!(1)),
        ("replicas", json!(3)),
        ("updatedReplicas", json!(1)),
        ("availableReplicas", json!(1)),
        ("readyReplicas", json!(1)),
        ("conditions", json!([{"type": "Available", "status": "True"}])),
        ("conditions", json!([{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}])),
    ] {
        let mut status = rolled_out();
        status[field] = value;
        assert_eq!(word(deployment(status.clone())), "InProgress", "{status}");
    }
}

#[test]
fn a_deployment_past_its_deadline_has_failed() {
    let mut status = rolled_out();
    status["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}]);
    assert_eq!(super::status(&deployment(status)), Health::Failed("too slow".to_owned()));
}

#[test]
fn a_deployment_of_no_replicas_is_current_once_it_was_looked_at() {
    let spec = json!({"replicas": 0, "progressDeadlineSeconds": 600});
    assert_eq!(word(object("apps/v1", "Deployment", spec.clone(), json!({}))), "InProgress");
    let mut status = json!({"observedGeneration": 2});
    status["conditions"] = rolled_out()["conditions"].clone();
    assert_eq!(word(object("apps/v1", "Deployment", spec, status)), "Current");
}

#[test]
fn a_stateful_set_is_current_when_every_pod_has_the_new_revision() {
    let spec = json!({"replicas": 2});
    let whole = json!({
        "observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "currentReplicas": 2,
        "currentRevision": "b", "updateRevision": "b"
    });
    assert_eq!(word(object("apps/v1", "StatefulSet", spec.clone(), whole.clone())), "Current");
    for (field, value) in [("replicas", json!(1)), ("readyReplicas", json!(1)), ("currentReplicas", json!(1)), ("currentRevision", json!("a"))] {
        let mut status = whole.clone();
        status[field] = value;
        assert_eq!(word(object("apps/v1", "StatefulSet", spec.clone(), status)), "InProgress", "{field}");
    }
    let held_back = json!({"replicas": 2, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}});
    let mut half = whole;
    half["updatedReplicas"] = json!(1);
    half["currentRevision"] = json!("a");
    assert_eq!(word(object("apps/v1", "StatefulSet", held_back, half)), "Current");
    assert_eq!(word(object("apps/v1", "StatefulSet", json!({"updateStrategy": {"type": "OnDelete"}}), json!({}))), "Current");
}

#[test]
fn a_daemon_set_is_current_when_it_runs_everywhere() {
    let whole = json!({
        "observedGeneration": 2, "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "updatedNumberScheduled": 3,
        "numberAvailable": 3, "numberReady": 3
    });
    assert_eq!(word(object("apps/v1", "DaemonSet", json!({}), whole.clone())), "Current");
    assert_eq!(word(object("apps/v1", "DaemonSet", json!({}), json!({}))), "InProgress");
    for field in ["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"] {
        let mut status = whole.clone();
        status[field] = json!(2);
        assert_eq!(word(object("apps/v1", "DaemonSet", json!({}), status)), "InProgress", "{field}");
    }
}

#[test]
fn a_replica_set_a_pod_and_a_job_have_rules_of_their_own() {
    let replicas = json!({"observedGeneration": 2, "replicas": 1, "fullyLabeledReplicas": 1, "availableReplicas": 1, "readyReplicas": 1});
    assert_eq!(word(object("apps/v1", "ReplicaSet", json!({}), replicas)), "Current");
    let failure = json!({"conditions": [{"type": "ReplicaFailure", "status": "True"}]});
    assert_eq!(word(object("apps/v1", "ReplicaSet", json!({}), failure)), "InProgress");
    let condition = |kind: &str| json!({"conditions": [{"type": kind, "status": "True"}]});
    assert_eq!(word(object("batch/v1", "Job", json!({}), condition("Complete"))), "Current");
    assert_eq!(word(object("batch/v1", "Job", json!({}), condition("Failed"))), "Failed");
    assert_eq!(word(object("batch/v1", "Job", json!({}), json!({"active": 1, "startTime": "now"}))), "InProgress");
    let pod = |status: Value| word(object("v1", "Pod", json!({}), status));
    assert_eq!(pod(json!({"phase": "Succeeded"})), "Current");
    assert_eq!(pod(json!({"phase": "Failed"})), "Failed");
    assert_eq!(pod(json!({"phase": "Pending"})), "InProgress");
    assert_eq!(pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})), "Current");
    let crashing = json!([{"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    assert_eq!(pod(json!({"phase": "Running", "containerStatuses": crashing})), "Failed");
    assert_eq!(pod(json!({"phase": "Running"})), "InProgress");
}

#[test]
fn storage_network_and_definitions_have_rules_of_their_own() {
    let of = |api_version: &str, kind: &str, spec: Value, status: Value| word(object(api_version, kind, spec, status));
    assert_eq!(of("v1", "PersistentVolumeClaim", json!({}), json!({"phase": "Bound"})), "Current");
    assert_eq!(of("v1", "PersistentVolumeClaim", json!({}), json!({"phase": "Pending"})), "InProgress");
    assert_eq!(of("v1", "Service", json!({"type": "ClusterIP"}), json!({})), "Current");
    assert_eq!(of("v1", "Service", json!({"type": "LoadBalancer"}), json!({})), "InProgress");
    let address = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    assert_eq!(of("v1", "Service", json!({"type": "LoadBalancer"}), address), "Current");
    let budget = |healthy: i64| json!({"observedGeneration": 2, "currentHealthy": healthy, "desiredHealthy": 2});
    assert_eq!(of("policy/v1", "PodDisruptionBudget", json!({}), budget(2)), "Current");
    assert_eq!(of("policy/v1", "PodDisruptionBudget", json!({}), budget(1)), "InProgress");
    let definition = |conditions: Value| of("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({}), json!({"conditions": conditions}));
    assert_eq!(definition(json!([{"type": "Established", "status": "True"}])), "Current");
    assert_eq!(definition(json!([{"type": "Established", "status": "False", "reason": "Installing"}])), "InProgress");
    assert_eq!(definition(json!([{"type": "NamesAccepted", "status": "False"}])), "Failed");
    assert_eq!(definition(json!([])), "InProgress");
}

#[test]
fn any_other_kind_is_judged_by_the_conditions_of_kstatus() {
    let of = |status: Value| word(object("example.com/v1", "Widget", json!({}), status));
    let condition = |kind: &str, status: &str| json!({"conditions": [{"type": kind, "status": status}]});
    assert_eq!(of(json!({})), "Current");
    assert_eq!(of(json!({"observedGeneration": 1})), "InProgress");
    assert_eq!(of(condition("Reconciling", "True")), "InProgress");
    assert_eq!(of(condition("Stalled", "True")), "Failed");
    assert_eq!(of(condition("Ready", "False")), "InProgress");
    assert_eq!(of(condition("Ready", "Unknown")), "InProgress");
    assert_eq!(of(condition("Ready", "True")), "Current");
    let going = json!({"kind": "ConfigMap", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert_eq!(word(going), "Terminating");
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), "[A-Za-z]{0,6}".prop_map(Value::from)];
    leaf.prop_recursive(4, 30, 4, |inner| {
        let keys = "metadata|status|spec|conditions|replicas|type|phase";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(keys, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_object_makes_it_panic(status in anything(), spec in anything(), kind in "Deployment|StatefulSet|DaemonSet|Job|Pod|Service") {
        for api_version in ["v1", "apps/v1", "batch/v1"] {
            let _ = super::status(&object(api_version, &kind, spec.clone(), status.clone()));
        }
    }
}
