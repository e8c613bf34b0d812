//! Which fields hold labels, label selectors and annotations: kustomize's tables.
//!
//! Invariant: each table is sorted as [`super::tables`] sorts. What is absent: fields of custom resources.

use super::field_spec::FieldSpec;

pub(super) const METADATA: FieldSpec = FieldSpec::new("", "", "", "metadata/labels", true);
pub(super) const ANNOTATED: &str = "metadata/annotations";

const PREFERRED_NEAR: &str = "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED_NEAR: &str = "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const PREFERRED_APART: &str = "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED_APART: &str = "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const SPREAD: &str = "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels";
const SELECTOR: &str = "spec/selector/matchLabels";
const TEMPLATE: &str = "spec/template/metadata/labels";
const CLAIM_TEMPLATE: &str = "spec/volumeClaimTemplates[]/metadata/labels";
const JOB: &str = "spec/jobTemplate/metadata/labels";
const JOB_SELECTOR: &str = "spec/jobTemplate/spec/selector/matchLabels";
const JOB_TEMPLATE: &str = "spec/jobTemplate/spec/template/metadata/labels";
const NOTED_TEMPLATE: &str = "spec/template/metadata/annotations";
const NOTED_JOB: &str = "spec/jobTemplate/metadata/annotations";
const NOTED_JOB_TEMPLATE: &str = "spec/jobTemplate/spec/template/metadata/annotations";

const fn made(group: &'static str, kind: &'static str, path: &'static str) -> FieldSpec {
    FieldSpec::new(group, "", kind, path, true)
}

const fn found(group: &'static str, kind: &'static str, path: &'static str) -> FieldSpec {
    FieldSpec::new(group, "", kind, path, false)
}

const fn network(path: &'static str) -> FieldSpec {
    found("networking.k8s.io", "NetworkPolicy", path)
}

/// The labels of objects and of the templates in them, and where pods of a workload are selected: by its own selector, affinities,
/// spread.
pub(super) const WITH_SELECTORS: &[FieldSpec] = &[
    FieldSpec::new("", "v1", "Service", "spec/selector", true),
    found("apps", "Deployment", PREFERRED_NEAR),
    found("apps", "Deployment", REQUIRED_NEAR),
    found("apps", "Deployment", PREFERRED_APART),
    found("apps", "Deployment", REQUIRED_APART),
    found("apps", "Deployment", SPREAD),
    made("", "Deployment", SELECTOR),
    made("", "Deployment", TEMPLATE),
    made("apps", "StatefulSet", SELECTOR),
    found("apps", "StatefulSet", PREFERRED_NEAR),
    found("apps", "StatefulSet", REQUIRED_NEAR),
    found("apps", "StatefulSet", PREFERRED_APART),
    found("apps", "StatefulSet", REQUIRED_APART),
    found("apps", "StatefulSet", SPREAD),
    made("apps", "StatefulSet", TEMPLATE),
    made("apps", "StatefulSet", CLAIM_TEMPLATE),
    found("batch", "CronJob", JOB_SELECTOR),
    made("batch", "CronJob", JOB),
    made("batch", "CronJob", JOB_TEMPLATE),
    found("policy", "PodDisruptionBudget", SELECTOR),
    found("batch", "Job", SELECTOR),
    made("batch", "Job", TEMPLATE),
    network("spec/podSelector/matchLabels"),
    network("spec/ingress/from/podSelector/matchLabels"),
    network("spec/egress/to/podSelector/matchLabels"),
    FieldSpec::new("", "v1", "ReplicationController", "spec/selector", true),
    FieldSpec::new("", "v1", "ReplicationController", TEMPLATE, true),
    made("", "DaemonSet", SELECTOR),
    made("", "DaemonSet", TEMPLATE),
    made("", "ReplicaSet", SELECTOR),
    made("", "ReplicaSet", TEMPLATE),
    METADATA,
];

/// The object's own labels and those of the templates in it.
pub(super) const WITH_TEMPLATES: &[FieldSpec] = &[
    made("", "Deployment", TEMPLATE),
    made("apps", "StatefulSet", TEMPLATE),
    made("apps", "StatefulSet", CLAIM_TEMPLATE),
    made("batch", "CronJob", JOB),
    made("batch", "CronJob", JOB_TEMPLATE),
    made("batch", "Job", TEMPLATE),
    FieldSpec::new("", "v1", "ReplicationController", TEMPLATE, true),
    made("", "DaemonSet", TEMPLATE),
    made("", "ReplicaSet", TEMPLATE),
    METADATA,
];

/// The object's own annotations and those of the templates in it.
pub(super) const ANNOTATIONS: &[FieldSpec] = &[
    made("", "Deployment", NOTED_TEMPLATE),
    made("", "StatefulSet", NOTED_TEMPLATE),
    made("batch", "CronJob", NOTED_JOB),
    made("batch", "CronJob", NOTED_JOB_TEMPLATE),
    made("batch", "Job", NOTED_TEMPLATE),
    FieldSpec::new("", "v1", "ReplicationController", NOTED_TEMPLATE, true),
    made("", "DaemonSet", NOTED_TEMPLATE),
    made("", "ReplicaSet", NOTED_TEMPLATE),
    made("", "", ANNOTATED),
];
