//! Which kinds are certainly cluster-wide, as kustomize v5.8.1 knows it.
//!
//! Invariant: a kind that is not in the table counts as namespaced, custom resources included.
//! What is absent: what a cluster says.

/// Whether the kind of that `apiVersion` is known to have no namespace.
pub(super) fn is_cluster_wide(group: &str, version: &str, kind: &str) -> bool {
    CLUSTER_WIDE.iter().any(|(table_group, versions, kinds)| {
        *table_group == group && versions.contains(&version) && kinds.contains(&kind)
    })
}

type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// Group, versions, kinds.
const CLUSTER_WIDE: &[Row] = &[
    (
        "",
        &["v1"],
        &[
            "ComponentStatus",
            "Namespace",
            "Node",
            "NodeProxyOptions",
            "PersistentVolume",
        ],
    ),
    (
        "admissionregistration.k8s.io",
        &["v1", "v1beta1"],
        &[
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ],
    ),
    (
        "apiextensions.k8s.io",
        &["v1", "v1beta1"],
        &["CustomResourceDefinition"],
    ),
    (
        "apiregistration.k8s.io",
        &["v1", "v1beta1"],
        &["APIService"],
    ),
    (
        "certificates.k8s.io",
        &["v1", "v1beta1"],
        &["CertificateSigningRequest"],
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        &["v1beta1"],
        &["FlowSchema", "PriorityLevelConfiguration"],
    ),
    ("networking.k8s.io", &["v1", "v1beta1"], &["IngressClass"]),
    ("node.k8s.io", &["v1", "v1beta1"], &["RuntimeClass"]),
    ("policy", &["v1beta1"], &["PodSecurityPolicy"]),
    (
        "rbac.authorization.k8s.io",
        &["v1", "v1beta1"],
        &["ClusterRole", "ClusterRoleBinding"],
    ),
    ("scheduling.k8s.io", &["v1", "v1beta1"], &["PriorityClass"]),
    (
        "storage.k8s.io",
        &["v1", "v1beta1"],
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
    ),
];
