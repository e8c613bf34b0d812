use super::*;
use serde_json::json;

fn current(message: &str) -> Health {
    Health::Current(message.to_owned())
}

fn progress(message: &str) -> Health {
    Health::InProgress(message.to_owned())
}

fn failed(message: &str) -> Health {
    Health::Failed(message.to_owned())
}

fn of(api_version: &str, kind: &str, spec: Value, state: Value) -> Health {
    status(&json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": "a", "generation": 1}, "spec": spec, "status": state
    }))
}

#[test]
fn a_deployment_is_followed_step_by_step() {
    let with = |changes: Value| {
        let mut state = json!({
            "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
            "availableReplicas": 2, "conditions": [
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
                {"type": "Available", "status": "True"}
            ]
        });
        for (key, value) in changes.as_object().expect("changes are fields") {
            state[key] = value.clone();
        }
        let spec = json!({"replicas": 2, "progressDeadlineSeconds": 600});
        of("apps/v1", "Deployment", spec, state)
    };
    let exceeded =
        json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    let unavailable = json!([
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        {"type": "Available", "status": "False"}
    ]);
    for (changes, expected) in [
        (json!({}), current("Deployment is available. Replicas: 2")),
        (json!({"replicas": 1}), progress("Replicas: 1/2")),
        (json!({"updatedReplicas": 1}), progress("Updated: 1/2")),
        (json!({"replicas": 3}), progress("Pending termination: 1")),
        (json!({"availableReplicas": 1}), progress("Available: 1/2")),
        (json!({"readyReplicas": 0}), progress("Ready: 0/2")),
        (
            json!({"conditions": []}),
            progress("ReplicaSet not Available"),
        ),
        (
            json!({"conditions": unavailable}),
            progress("Deployment not Available"),
        ),
        (
            json!({"conditions": exceeded}),
            failed("Progress deadline exceeded"),
        ),
        (
            json!({"observedGeneration": 0}),
            progress("Deployment generation is 1, but latest observed generation is 0"),
        ),
    ] {
        assert_eq!(with(changes.clone()), expected, "{changes}");
    }
}

#[test]
fn a_deployment_without_status_has_no_replicas_yet() {
    assert_eq!(
        of("apps/v1", "Deployment", json!({}), json!({})),
        progress("Replicas: 0/1")
    );
    assert_eq!(
        of(
            "apps/v1",
            "Deployment",
            json!({"replicas": 0}),
            json!({"conditions": [{"type": "Available", "status": "True"}]})
        ),
        current("Deployment is available. Replicas: 0")
    );
}

#[test]
fn a_stateful_set_rolls_out_whole_or_in_part() {
    let state = json!({"replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "updatedReplicas": 1,
                       "currentRevision": "a", "updateRevision": "a"});
    let with = |spec: Value, key: &str, value: Value| {
        let mut state = state.clone();
        state[key] = value;
        of("apps/v1", "StatefulSet", spec, state)
    };
    let three = || json!({"replicas": 3});
    let partition = |from: i64| json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": from}}});
    let all = "All replicas scheduled as expected. Replicas: 3";
    assert_eq!(with(three(), "x", json!(1)), current(all));
    assert_eq!(
        with(three(), "replicas", json!(2)),
        progress("Replicas: 2/3")
    );
    assert_eq!(
        with(three(), "readyReplicas", json!(2)),
        progress("Ready: 2/3")
    );
    assert_eq!(
        with(three(), "replicas", json!(4)),
        progress("Pending termination: 1")
    );
    assert_eq!(
        with(three(), "currentReplicas", json!(1)),
        progress("current: 1/3")
    );
    assert_eq!(
        with(three(), "updateRevision", json!("b")),
        progress("Waiting for updated revision to match current")
    );
    assert_eq!(with(partition(1), "x", json!(1)), progress("updated: 1/2"));
    assert_eq!(
        with(partition(2), "x", json!(1)),
        current("Partition rollout complete. updated: 1")
    );
    assert_eq!(
        with(
            json!({"updateStrategy": {"type": "OnDelete"}}),
            "replicas",
            json!(0)
        ),
        current("StatefulSet is using the ondelete update strategy")
    );
}

#[test]
fn a_daemon_set_must_have_been_seen() {
    let state = json!({"observedGeneration": 1, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
                       "updatedNumberScheduled": 2, "numberAvailable": 2, "numberReady": 2});
    let with = |key: &str, value: Value| {
        let mut state = state.clone();
        state[key] = value;
        of("apps/v1", "DaemonSet", json!({}), state)
    };
    for (key, value, expected) in [
        (
            "x",
            json!(1),
            current("All replicas scheduled as expected. Replicas: 2"),
        ),
        (
            "observedGeneration",
            Value::Null,
            progress("DaemonSet status.observedGeneration not found"),
        ),
        (
            "desiredNumberScheduled",
            Value::Null,
            progress("Missing .status.desiredNumberScheduled"),
        ),
        ("currentNumberScheduled", json!(1), progress("Current: 1/2")),
        ("updatedNumberScheduled", json!(1), progress("Updated: 1/2")),
        ("numberAvailable", json!(0), progress("Available: 0/2")),
        ("numberReady", json!(1), progress("Ready: 1/2")),
    ] {
        assert_eq!(with(key, value), expected, "{key}");
    }
}

#[test]
fn a_replica_set_counts_labelled_available_and_ready_pods() {
    let state = json!({"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "fullyLabeledReplicas": 1});
    let with = |key: &str, value: Value| {
        let mut state = state.clone();
        state[key] = value;
        of("apps/v1", "ReplicaSet", json!({}), state)
    };
    let failure = json!([{"type": "ReplicaFailure", "status": "True"}]);
    for (key, value, expected) in [
        (
            "x",
            json!(1),
            current("ReplicaSet is available. Replicas: 1"),
        ),
        ("fullyLabeledReplicas", json!(0), progress("Labelled: 0/1")),
        ("availableReplicas", json!(0), progress("Available: 0/1")),
        ("readyReplicas", json!(0), progress("Ready: 0/1")),
        ("replicas", json!(2), progress("Pending termination: 1")),
        (
            "conditions",
            failure,
            progress("Replica Failure condition. Check Pods"),
        ),
    ] {
        assert_eq!(with(key, value), expected, "{key}");
    }
}

#[test]
fn a_job_is_in_progress_until_it_is_complete() {
    let job = |spec: Value, state: Value| of("batch/v1", "Job", spec, state);
    let is = |kind: &str| json!({"conditions": [{"type": kind, "status": "True"}], "succeeded": 1, "failed": 2});
    assert_eq!(job(json!({}), json!({})), progress("Job not started"));
    assert_eq!(
        job(
            json!({}),
            json!({"startTime": "2026-01-01T00:00:00Z", "active": 1})
        ),
        progress("Job in progress. success:0, active: 1, failed: 0")
    );
    assert_eq!(
        job(json!({"completions": 3}), is("Complete")),
        current("Job Completed. succeeded: 1/3")
    );
    assert_eq!(
        job(json!({"parallelism": 2}), is("Failed")),
        failed("Job Failed. failed: 2/2")
    );
    assert_eq!(
        job(json!({"suspend": true}), is("Suspended")),
        current("Job is suspended")
    );
    assert_eq!(job(json!({}), is("Suspended")), progress("Job not started"));
}

#[test]
fn a_pod_is_judged_by_phase_and_containers() {
    let pod = |state: Value| of("v1", "Pod", json!({}), state);
    let crash = json!({"phase": "Running", "containerStatuses": [
        {"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
        {"name": "b", "state": {"running": {}}}]});
    for (state, expected) in [
        (json!({}), progress("Pod phase not available")),
        (
            json!({"phase": "Succeeded"}),
            current("Pod has completed successfully"),
        ),
        (
            json!({"phase": "Failed"}),
            current("Pod has completed, but not successfully"),
        ),
        (
            json!({"phase": "Running"}),
            progress("Pod is running but is not Ready"),
        ),
        (
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
            current("Pod is Ready"),
        ),
        (crash, failed("Containers in CrashLoop state: a")),
        (
            json!({"phase": "Pending"}),
            progress("Pod is in the Pending phase"),
        ),
        (json!({"phase": "Strange"}), Health::Unknown),
    ] {
        assert_eq!(pod(state.clone()), expected, "{state}");
    }
}

#[test]
fn a_pod_without_a_node_fails_after_fifteen_seconds() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}
    });
    let at = |second: &str| {
        let now = format!("2026-01-01T00:00:{second}Z")
            .parse()
            .expect("it is a time");
        status_at(&pod, now)
    };
    assert_eq!(at("14"), progress("Pod has not been scheduled"));
    assert_eq!(at("15"), failed("Pod could not be scheduled"));
    assert_eq!(status(&pod), progress("Pod has not been scheduled"));
}

#[test]
fn a_service_and_a_claim_wait_for_what_the_cluster_gives() {
    let service = |spec: Value| of("v1", "Service", spec, json!({}));
    let balanced = |ip: &str| json!({"type": "LoadBalancer", "clusterIP": ip});
    let claim = |state: Value| of("v1", "PersistentVolumeClaim", json!({}), state);
    for (health, expected) in [
        (service(json!({})), current("Service is ready")),
        (
            service(balanced("")),
            progress("ClusterIP not set. Service type: LoadBalancer"),
        ),
        (service(balanced("10.0.0.1")), current("Service is ready")),
        (
            claim(json!({"phase": "Pending"})),
            progress("PVC is not Bound. phase: Pending"),
        ),
        (
            claim(json!({})),
            progress("PVC is not Bound. phase: unknown"),
        ),
        (claim(json!({"phase": "Bound"})), current("PVC is Bound")),
    ] {
        assert_eq!(health, expected);
    }
}

#[test]
fn a_definition_is_current_once_it_is_established() {
    let definition = |state: Value| {
        let version = "apiextensions.k8s.io/v1";
        of(version, "CustomResourceDefinition", json!({}), state)
    };
    let with = |kind: &str, status: &str, reason: &str| {
        definition(json!({"conditions": [
            {"type": kind, "status": status, "reason": reason, "message": "words"}]}))
    };
    for (health, expected) in [
        (definition(json!({})), progress("Install in progress")),
        (
            with("Established", "True", ""),
            current("CRD is established"),
        ),
        (
            with("Established", "False", "Installing"),
            progress("Install in progress"),
        ),
        (with("Established", "False", "Other"), failed("words")),
        (with("NamesAccepted", "False", "Conflict"), failed("words")),
    ] {
        assert_eq!(health, expected);
    }
}

#[test]
fn some_kinds_are_always_ready() {
    let ready = "Resource is always ready";
    for (version, kind, message) in [
        ("v1", "ConfigMap", ready),
        ("v1", "Secret", ready),
        ("batch/v1", "CronJob", ready),
        (
            "policy/v1",
            "PodDisruptionBudget",
            "AllowedDisruptions has been computed.",
        ),
    ] {
        assert_eq!(of(version, kind, json!({}), json!({})), current(message));
    }
}

#[test]
fn other_kinds_are_judged_by_standard_conditions() {
    let gadget = |kind: &str, status: &str| {
        of(
            "example.com/v1",
            "Gadget",
            json!({}),
            json!({"conditions": [
            {"type": kind, "status": status, "message": "words"}]}),
        )
    };
    assert_eq!(gadget("Ready", "True"), current("Resource is Ready"));
    assert_eq!(gadget("Ready", "False"), progress("words"));
    assert_eq!(gadget("Ready", "Unknown"), progress("words"));
    assert_eq!(gadget("Ready", "strange"), current("Resource is current"));
    assert_eq!(gadget("Reconciling", "True"), progress("words"));
    assert_eq!(gadget("Stalled", "True"), failed("words"));
    assert_eq!(gadget("Stalled", "False"), current("Resource is current"));
    assert_eq!(
        of("example.com/v1", "Gadget", json!({}), json!(null)),
        current("Resource is current")
    );
}

#[test]
fn deletion_and_emptiness_come_first() {
    let going = json!({"kind": "Pod", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert_eq!(status(&going), Health::Terminating);
    assert_eq!(status(&json!({})), Health::Unknown);
    assert_eq!(status(&Value::Null), Health::Unknown);
}
