//! Which kinds are certainly cluster-wide, as kustomize v5.8.1 knows it.
//!
//! Invariant: a kind that neither the table nor the `openapi` of the build knows counts as
//! namespaced. What is absent: what a cluster says.

use super::open_api::TypeName;
use super::resource::GvkRef;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Which kinds the `openapi` of a build says to have a namespace, once there is one. All objects of
/// a build share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scopes(Option<Arc<OnceLock<HashMap<TypeName, bool>>>>);

impl Scopes {
    /// Of a build that has no `openapi` yet.
    pub(super) fn of_a_build() -> Self {
        Self(Some(Arc::default()))
    }

    pub(super) fn set(&self, namespaced: HashMap<TypeName, bool>) {
        if let Some(shared) = &self.0 {
            let _ = shared.set(namespaced);
        }
    }

    /// Whether the kind is known to have no namespace.
    pub(super) fn is_cluster_wide(&self, gvk: GvkRef<'_>) -> bool {
        if is_in(CLUSTER_WIDE, gvk) {
            return true;
        }
        let Some(namespaced) = self.0.as_ref().and_then(|shared| shared.get()) else {
            return false;
        };
        let name = (gvk.api_version(), gvk.kind.to_owned());
        namespaced.get(&name) == Some(&false) && !is_in(NAMESPACED, gvk)
    }
}

/// Whether the kind of that group and version is known to have no namespace, without any `openapi`.
pub fn is_cluster_wide(group: &str, version: &str, kind: &str) -> bool {
    let gvk = GvkRef {
        group,
        version,
        kind,
    };
    is_in(CLUSTER_WIDE, gvk)
}

/// Whether the kind is known without any `openapi`.
pub(super) fn is_built_in(gvk: GvkRef<'_>) -> bool {
    is_in(NAMESPACED, gvk) || is_in(CLUSTER_WIDE, gvk)
}

fn is_in(table: &[Row], gvk: GvkRef<'_>) -> bool {
    table.iter().any(|(group, versions, kinds)| {
        *group == gvk.group && versions.contains(&gvk.version) && kinds.contains(&gvk.kind)
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

/// The same for kinds with a namespace.
const NAMESPACED: &[Row] = &[
    (
        "",
        &["v1"],
        &[
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PersistentVolumeClaim",
            "Pod",
            "PodAttachOptions",
            "PodExecOptions",
            "PodPortForwardOptions",
            "PodProxyOptions",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
            "ServiceProxyOptions",
        ],
    ),
    (
        "apps",
        &["v1"],
        &[
            "ControllerRevision",
            "DaemonSet",
            "Deployment",
            "ReplicaSet",
            "StatefulSet",
        ],
    ),
    ("autoscaling", &["v1"], &["Scale"]),
    (
        "autoscaling",
        &["v1", "v2beta1", "v2beta2"],
        &["HorizontalPodAutoscaler"],
    ),
    ("batch", &["v1"], &["Job"]),
    ("batch", &["v1", "v1beta1"], &["CronJob"]),
    ("coordination.k8s.io", &["v1", "v1beta1"], &["Lease"]),
    ("discovery.k8s.io", &["v1", "v1beta1"], &["EndpointSlice"]),
    ("events.k8s.io", &["v1", "v1beta1"], &["Event"]),
    ("extensions", &["v1beta1"], &["Ingress"]),
    ("networking.k8s.io", &["v1"], &["NetworkPolicy"]),
    ("networking.k8s.io", &["v1", "v1beta1"], &["Ingress"]),
    ("policy", &["v1", "v1beta1"], &["PodDisruptionBudget"]),
    (
        "rbac.authorization.k8s.io",
        &["v1", "v1beta1"],
        &["Role", "RoleBinding"],
    ),
    ("storage.k8s.io", &["v1beta1"], &["CSIStorageCapacity"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_openapi_speaks_of_kinds_that_are_not_built_in() {
        let scopes = Scopes::of_a_build();
        let rota = GvkRef::new("example.com/v1", "Rota");
        let deployment = GvkRef::new("apps/v1", "Deployment");
        assert!(!scopes.is_cluster_wide(rota));
        let name = |gvk: GvkRef<'_>| (gvk.api_version(), gvk.kind.to_owned());
        scopes.set(HashMap::from([
            (name(rota), false),
            (name(deployment), false),
        ]));
        assert!(scopes.clone().is_cluster_wide(rota));
        assert!(!scopes.is_cluster_wide(deployment));
        assert!(scopes.is_cluster_wide(GvkRef::new("v1", "Namespace")));
        assert!(!Scopes::default().is_cluster_wide(rota));
    }

    #[test]
    fn no_kind_is_in_both_tables() {
        for (group, versions, kinds) in NAMESPACED {
            for (version, kind) in versions
                .iter()
                .flat_map(|version| kinds.iter().map(move |kind| (*version, *kind)))
            {
                assert!(
                    !is_in(
                        CLUSTER_WIDE,
                        GvkRef {
                            group,
                            version,
                            kind
                        }
                    ),
                    "{kind}"
                );
            }
        }
    }
}
