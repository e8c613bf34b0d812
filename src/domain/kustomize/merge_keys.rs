//! Which lists of the built-in kinds merge item by item, and by which keys.
//!
//! The table is generated from the Kubernetes 1.21.2 OpenAPI document (`x-kubernetes-patch-strategy`,
//! `x-kubernetes-patch-merge-key`, `x-kubernetes-list-map-keys`), the version that kustomize
//! v5.8.1 carries; only fields that lead to a merging list are kept, equal shapes are one row.
//! Invariant: a row names only rows before it. What is absent: types and validation.

/// What is known of the schema at a place in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// Nothing: an object below may bring its own.
    Unknown,
    /// A mapping or a leaf of a known kind; the row tells which fields merge (0: none).
    Known(u8),
    /// A list of a known kind: its merge keys, if it merges, and the row of its items.
    List {
        keys: Option<&'static [&'static str]>,
        items: u8,
    },
}

struct Field {
    name: &'static str,
    schema: Schema,
}

const fn inner(name: &'static str, row: u8) -> Field {
    Field {
        name,
        schema: Schema::Known(row),
    }
}

const fn list(name: &'static str, items: u8) -> Field {
    Field {
        name,
        schema: Schema::List { keys: None, items },
    }
}

const fn merged(name: &'static str, keys: &'static [&'static str], items: u8) -> Field {
    Field {
        name,
        schema: Schema::List {
            keys: Some(keys),
            items,
        },
    }
}

impl Schema {
    /// The schema of a kind, if the table knows the kind.
    pub(super) fn of_kind(api_version: &str, kind: &str) -> Self {
        let mut found = KINDS
            .iter()
            .filter(|(name, _, kinds)| *name == api_version && kinds.contains(&kind));
        found
            .next()
            .map_or(Self::Unknown, |(_, row, _)| Self::Known(*row))
    }

    /// The schema of the field `name` of a mapping.
    pub(super) fn field(self, name: &str) -> Self {
        match self {
            Self::Known(row) => ROWS[usize::from(row)]
                .iter()
                .find(|field| field.name == name)
                .map_or(Self::Known(0), |field| field.schema),
            Self::List { .. } => Self::Known(0),
            Self::Unknown => Self::Unknown,
        }
    }

    /// The schema of the items of a list.
    pub(super) fn items(self) -> Self {
        match self {
            Self::List { items, .. } => Self::Known(items),
            other => other,
        }
    }

    /// The merge keys, if this is a list that merges; none at all for a list of plain values.
    pub(super) fn merge_keys(self) -> Option<&'static [&'static str]> {
        match self {
            Self::List { keys, .. } => keys,
            _ => None,
        }
    }
}

/// Row by number: the fields that merge or lead to a list that merges.
static ROWS: &[&[Field]] = &[
    &[],
    &[
        merged("finalizers", &[], 0),
        merged("ownerReferences", &["uid"], 0),
    ],
    &[inner("metadata", 1), merged("webhooks", &["name"], 0)],
    &[inner("metadata", 1)],
    &[merged("conditions", &["type"], 0)],
    &[inner("metadata", 1), inner("status", 4)],
    &[
        merged("env", &["name"], 0),
        merged("ports", &["containerPort", "protocol"], 0),
        merged("volumeDevices", &["devicePath"], 0),
        merged("volumeMounts", &["mountPath"], 0),
    ],
    &[
        merged("env", &["name"], 0),
        merged("volumeDevices", &["devicePath"], 0),
        merged("volumeMounts", &["mountPath"], 0),
    ],
    &[inner("volumeClaimTemplate", 3)],
    &[inner("ephemeral", 8)],
    &[
        merged("containers", &["name"], 6),
        merged("ephemeralContainers", &["name"], 7),
        merged("hostAliases", &["ip"], 0),
        merged("imagePullSecrets", &["name"], 0),
        merged("initContainers", &["name"], 6),
        merged(
            "topologySpreadConstraints",
            &["topologyKey", "whenUnsatisfiable"],
            0,
        ),
        merged("volumes", &["name"], 9),
    ],
    &[inner("metadata", 1), inner("spec", 10)],
    &[inner("template", 11)],
    &[inner("metadata", 1), inner("spec", 12), inner("status", 4)],
    &[inner("template", 11), list("volumeClaimTemplates", 5)],
    &[inner("metadata", 1), inner("spec", 14), inner("status", 4)],
    &[inner("metadata", 1), inner("spec", 12)],
    &[inner("jobTemplate", 16)],
    &[inner("metadata", 1), inner("spec", 17)],
    &[merged("drivers", &["name"], 0)],
    &[inner("metadata", 1), inner("spec", 19)],
    &[merged("conditions", &["type"], 0), inner("metadata", 1)],
    &[merged("podCIDRs", &[], 0)],
    &[
        merged("addresses", &["type"], 0),
        merged("conditions", &["type"], 0),
    ],
    &[inner("metadata", 1), inner("spec", 22), inner("status", 23)],
    &[
        merged("conditions", &["type"], 0),
        merged("podIPs", &["ip"], 0),
    ],
    &[inner("metadata", 1), inner("spec", 10), inner("status", 25)],
    &[inner("metadata", 1), inner("template", 11)],
    &[merged("ports", &["port", "protocol"], 0)],
    &[inner("metadata", 1), inner("spec", 28), inner("status", 4)],
    &[inner("metadata", 1), merged("secrets", &["name"], 0)],
];

/// `apiVersion`, row, kinds.
static KINDS: &[(&str, u8, &[&str])] = &[
    (
        "admissionregistration.k8s.io/v1",
        2,
        &[
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ],
    ),
    (
        "admissionregistration.k8s.io/v1beta1",
        2,
        &[
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io/v1", 3, &["CustomResourceDefinition"]),
    (
        "apiextensions.k8s.io/v1beta1",
        3,
        &["CustomResourceDefinition"],
    ),
    ("apiregistration.k8s.io/v1", 5, &["APIService"]),
    ("apiregistration.k8s.io/v1beta1", 5, &["APIService"]),
    ("apps/v1", 3, &["ControllerRevision"]),
    ("apps/v1", 13, &["DaemonSet", "Deployment", "ReplicaSet"]),
    ("apps/v1", 15, &["StatefulSet"]),
    (
        "authentication.k8s.io/v1",
        3,
        &["TokenRequest", "TokenReview"],
    ),
    ("authentication.k8s.io/v1beta1", 3, &["TokenReview"]),
    (
        "authorization.k8s.io/v1",
        3,
        &[
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        ],
    ),
    (
        "authorization.k8s.io/v1beta1",
        3,
        &[
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        ],
    ),
    ("autoscaling/v1", 3, &["HorizontalPodAutoscaler", "Scale"]),
    ("autoscaling/v2beta1", 3, &["HorizontalPodAutoscaler"]),
    ("autoscaling/v2beta2", 3, &["HorizontalPodAutoscaler"]),
    ("batch/v1", 13, &["Job"]),
    ("batch/v1", 18, &["CronJob"]),
    ("batch/v1beta1", 18, &["CronJob"]),
    ("certificates.k8s.io/v1", 3, &["CertificateSigningRequest"]),
    (
        "certificates.k8s.io/v1beta1",
        3,
        &["CertificateSigningRequest"],
    ),
    ("coordination.k8s.io/v1", 3, &["Lease"]),
    ("coordination.k8s.io/v1beta1", 3, &["Lease"]),
    ("discovery.k8s.io/v1", 3, &["EndpointSlice"]),
    ("discovery.k8s.io/v1beta1", 3, &["EndpointSlice"]),
    ("events.k8s.io/v1", 3, &["Event"]),
    ("events.k8s.io/v1beta1", 3, &["Event"]),
    ("extensions/v1beta1", 3, &["Ingress"]),
    (
        "flowcontrol.apiserver.k8s.io/v1beta1",
        3,
        &["FlowSchema", "PriorityLevelConfiguration"],
    ),
    (
        "networking.k8s.io/v1",
        3,
        &["Ingress", "IngressClass", "NetworkPolicy"],
    ),
    ("networking.k8s.io/v1beta1", 3, &["Ingress", "IngressClass"]),
    ("node.k8s.io/v1", 3, &["RuntimeClass"]),
    ("node.k8s.io/v1beta1", 3, &["RuntimeClass"]),
    ("policy/v1", 5, &["PodDisruptionBudget"]),
    ("policy/v1beta1", 3, &["Eviction", "PodSecurityPolicy"]),
    ("policy/v1beta1", 5, &["PodDisruptionBudget"]),
    (
        "rbac.authorization.k8s.io/v1",
        3,
        &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
    ),
    (
        "rbac.authorization.k8s.io/v1beta1",
        3,
        &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
    ),
    ("scheduling.k8s.io/v1", 3, &["PriorityClass"]),
    ("scheduling.k8s.io/v1beta1", 3, &["PriorityClass"]),
    (
        "storage.k8s.io/v1",
        3,
        &["CSIDriver", "StorageClass", "VolumeAttachment"],
    ),
    ("storage.k8s.io/v1", 20, &["CSINode"]),
    (
        "storage.k8s.io/v1beta1",
        3,
        &[
            "CSIDriver",
            "CSIStorageCapacity",
            "StorageClass",
            "VolumeAttachment",
        ],
    ),
    ("storage.k8s.io/v1beta1", 20, &["CSINode"]),
    ("v1", 0, &["APIGroup", "APIVersions", "Status"]),
    (
        "v1",
        3,
        &[
            "Binding",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PersistentVolume",
            "ResourceQuota",
            "Secret",
        ],
    ),
    ("v1", 5, &["Namespace", "PersistentVolumeClaim"]),
    ("v1", 13, &["ReplicationController"]),
    ("v1", 21, &["ComponentStatus"]),
    ("v1", 24, &["Node"]),
    ("v1", 26, &["Pod"]),
    ("v1", 27, &["PodTemplate"]),
    ("v1", 29, &["Service"]),
    ("v1", 30, &["ServiceAccount"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_of_a_deployment_merge_by_name_and_their_ports_by_two_keys() {
        let containers = ["spec", "template", "spec", "containers"]
            .iter()
            .fold(Schema::of_kind("apps/v1", "Deployment"), |schema, field| {
                schema.field(field)
            });
        assert_eq!(containers.merge_keys(), Some(&["name"][..]));
        let ports = containers.items().field("ports");
        assert_eq!(ports.merge_keys(), Some(&["containerPort", "protocol"][..]));
        assert_eq!(containers.items().field("args").merge_keys(), None);
    }

    #[test]
    fn a_row_names_only_rows_before_it() {
        for (index, fields) in ROWS.iter().enumerate() {
            for field in *fields {
                let (Schema::Known(row) | Schema::List { items: row, .. }) = field.schema else {
                    panic!("a field of a known kind is known");
                };
                assert!(usize::from(row) < index, "{} in row {index}", field.name);
            }
        }
    }

    #[test]
    fn a_custom_resource_is_unknown() {
        assert_eq!(
            Schema::of_kind("example.com/v1", "Deployment"),
            Schema::Unknown
        );
        assert_eq!(Schema::Unknown.field("spec"), Schema::Unknown);
    }
}
