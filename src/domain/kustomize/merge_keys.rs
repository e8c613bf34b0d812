//! Which lists of the built-in kinds merge item by item, and by which keys.
//!
//! The table is generated from the Kubernetes 1.21.2 OpenAPI document (`x-kubernetes-patch-strategy`,
//! `x-kubernetes-patch-merge-key`, `x-kubernetes-list-map-keys`), the version that kustomize
//! v5.8.1 carries; only fields that lead to a merging list are kept, equal shapes are one row.
//! Invariant: a row names only rows before it. What is absent: types and validation. It is one
//! table, so the file is as long as the table is.

/// What the table knows of a place in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BuiltIn {
    /// Nothing, or nothing that matters: an object below may bring its own.
    Unknown,
    /// A mapping of a known kind; the row tells which fields merge (0: none).
    Known(u8),
    /// A list of a known kind: its merge keys, if it merges, and the row of its items.
    List {
        keys: Option<&'static [&'static str]>,
        items: u8,
    },
}

struct Field {
    name: &'static str,
    schema: BuiltIn,
}

const fn inner(name: &'static str, row: u8) -> Field {
    Field {
        name,
        schema: BuiltIn::Known(row),
    }
}

const fn list(name: &'static str, items: u8) -> Field {
    Field {
        name,
        schema: BuiltIn::List { keys: None, items },
    }
}

const fn merged(name: &'static str, keys: &'static [&'static str], items: u8) -> Field {
    Field {
        name,
        schema: BuiltIn::List {
            keys: Some(keys),
            items,
        },
    }
}

impl BuiltIn {
    /// The schema of a kind, if the table knows the kind.
    pub(super) fn of_kind(api_version: &str, kind: &str) -> Self {
        let mut found = KINDS
            .iter()
            .filter(|(name, _, kinds)| *name == api_version && kinds.contains(&kind));
        found
            .next()
            .map_or(Self::Unknown, |(_, row, _)| Self::Known(*row))
    }

    /// The schema of a definition such as `io.k8s.api.core.v1.PodSpec`.
    pub(super) fn of_definition(name: &str) -> Option<Self> {
        let mut words = name.strip_prefix("io.k8s.")?.rsplit('.');
        let (name, version, group) = (words.next()?, words.next()?, words.next()?);
        let part = PARTS
            .iter()
            .filter(|(package, _)| package.split_once('.') == Some((group, version)))
            .flat_map(|(_, parts)| parts.iter())
            .find(|(part, _)| *part == name)
            .map(|(_, row)| *row);
        let of_group = |api_version: &str| match api_version.split_once('/') {
            None => group == "core" && api_version == version,
            Some((of, at)) => of.split('.').next() == Some(group) && at == version,
        };
        let kind = || {
            let mut kinds = KINDS.iter();
            kinds
                .find(|(api_version, _, kinds)| of_group(api_version) && kinds.contains(&name))
                .map(|(_, row, _)| *row)
        };
        Some(Self::Known(part.or_else(kind).unwrap_or(0)))
    }

    /// The schema of the field `name` of a mapping.
    pub(super) fn field(self, name: &str) -> Self {
        match self {
            Self::Known(row) => ROWS[usize::from(row)]
                .iter()
                .find(|field| field.name == name)
                .map_or(Self::Unknown, |field| field.schema),
            Self::List { .. } | Self::Unknown => Self::Unknown,
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
    &[inner("data", 0), inner("metadata", 1)],
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
    &[inner("ephemeral", 9)],
    &[
        merged("containers", &["name"], 7),
        merged("ephemeralContainers", &["name"], 8),
        merged("hostAliases", &["ip"], 0),
        merged("imagePullSecrets", &["name"], 0),
        merged("initContainers", &["name"], 7),
        merged(
            "topologySpreadConstraints",
            &["topologyKey", "whenUnsatisfiable"],
            0,
        ),
        merged("volumes", &["name"], 10),
    ],
    &[inner("metadata", 1), inner("spec", 11)],
    &[inner("template", 12)],
    &[inner("metadata", 1), inner("spec", 13), inner("status", 4)],
    &[inner("template", 12), list("volumeClaimTemplates", 5)],
    &[inner("metadata", 1), inner("spec", 15), inner("status", 4)],
    &[inner("metadata", 1), inner("spec", 13)],
    &[inner("jobTemplate", 17)],
    &[inner("metadata", 1), inner("spec", 18)],
    &[
        merged("configMapGenerator", &["name"], 0),
        merged("secretGenerator", &["name"], 0),
    ],
    &[merged("drivers", &["name"], 0)],
    &[inner("metadata", 1), inner("spec", 21)],
    &[merged("conditions", &["type"], 0), inner("metadata", 1)],
    &[merged("podCIDRs", &[], 0)],
    &[
        merged("addresses", &["type"], 0),
        merged("conditions", &["type"], 0),
    ],
    &[inner("metadata", 1), inner("spec", 24), inner("status", 25)],
    &[
        merged("conditions", &["type"], 0),
        merged("podIPs", &["ip"], 0),
    ],
    &[inner("metadata", 1), inner("spec", 11), inner("status", 27)],
    &[inner("metadata", 1), inner("template", 12)],
    &[merged("ports", &["port", "protocol"], 0)],
    &[inner("metadata", 1), inner("spec", 30), inner("status", 4)],
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
    ("apps/v1", 6, &["ControllerRevision"]),
    ("apps/v1", 14, &["DaemonSet", "Deployment", "ReplicaSet"]),
    ("apps/v1", 16, &["StatefulSet"]),
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
    ("batch/v1", 14, &["Job"]),
    ("batch/v1", 19, &["CronJob"]),
    ("batch/v1beta1", 19, &["CronJob"]),
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
    ("kustomize.config.k8s.io/v1beta1", 20, &["Kustomization"]),
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
    ("storage.k8s.io/v1", 22, &["CSINode"]),
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
    ("storage.k8s.io/v1beta1", 22, &["CSINode"]),
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
    ("v1", 14, &["ReplicationController"]),
    ("v1", 23, &["ComponentStatus"]),
    ("v1", 26, &["Node"]),
    ("v1", 28, &["Pod"]),
    ("v1", 29, &["PodTemplate"]),
    ("v1", 31, &["Service"]),
    ("v1", 32, &["ServiceAccount"]),
];

/// Group and version, the definitions that are part of kinds, their rows.
static PARTS: &[(&str, &[(&str, u8)])] = &[
    ("apiregistration.v1", &[("APIServiceStatus", 4)]),
    ("apiregistration.v1beta1", &[("APIServiceStatus", 4)]),
    (
        "apps.v1",
        &[
            ("DaemonSetSpec", 13),
            ("DaemonSetStatus", 4),
            ("DeploymentSpec", 13),
            ("DeploymentStatus", 4),
            ("ReplicaSetSpec", 13),
            ("ReplicaSetStatus", 4),
            ("StatefulSetSpec", 15),
            ("StatefulSetStatus", 4),
        ],
    ),
    (
        "batch.v1",
        &[
            ("CronJobSpec", 18),
            ("JobSpec", 13),
            ("JobStatus", 4),
            ("JobTemplateSpec", 17),
        ],
    ),
    (
        "batch.v1beta1",
        &[("CronJobSpec", 18), ("JobTemplateSpec", 17)],
    ),
    (
        "core.v1",
        &[
            ("Container", 7),
            ("EphemeralContainer", 8),
            ("EphemeralVolumeSource", 9),
            ("NamespaceStatus", 4),
            ("NodeSpec", 24),
            ("NodeStatus", 25),
            ("PersistentVolumeClaimStatus", 4),
            ("PersistentVolumeClaimTemplate", 3),
            ("PodSpec", 11),
            ("PodStatus", 27),
            ("PodTemplateSpec", 12),
            ("ReplicationControllerSpec", 13),
            ("ReplicationControllerStatus", 4),
            ("ServiceSpec", 30),
            ("ServiceStatus", 4),
            ("Volume", 10),
        ],
    ),
    ("meta.v1", &[("ObjectMeta", 1)]),
    ("policy.v1", &[("PodDisruptionBudgetStatus", 4)]),
    ("policy.v1beta1", &[("PodDisruptionBudgetStatus", 4)]),
    ("storage.v1", &[("CSINodeSpec", 21)]),
    ("storage.v1beta1", &[("CSINodeSpec", 21)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_of_a_deployment_merge_by_name_and_their_ports_by_two_keys() {
        let containers = ["spec", "template", "spec", "containers"].iter().fold(
            BuiltIn::of_kind("apps/v1", "Deployment"),
            |schema, field| schema.field(field),
        );
        assert_eq!(containers.merge_keys(), Some(&["name"][..]));
        let ports = containers.items().field("ports");
        assert_eq!(ports.merge_keys(), Some(&["containerPort", "protocol"][..]));
        assert_eq!(containers.items().field("args").merge_keys(), None);
    }

    #[test]
    fn a_definition_is_the_shape_that_a_kind_has_there() {
        let of = |name| BuiltIn::of_definition(name);
        let deployment = BuiltIn::of_kind("apps/v1", "Deployment");
        assert_eq!(of("io.k8s.api.apps.v1.Deployment"), Some(deployment));
        assert_eq!(
            of("io.k8s.api.core.v1.PodTemplateSpec"),
            Some(deployment.field("spec").field("template"))
        );
        assert_eq!(
            of("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
            Some(deployment.field("metadata"))
        );
        assert_eq!(of("io.k8s.api.core.v1.Toleration"), Some(BuiltIn::Known(0)));
        assert_eq!(of("example.v1.Rota"), None);
    }

    #[test]
    fn a_row_names_only_rows_before_it() {
        for (index, fields) in ROWS.iter().enumerate() {
            for field in *fields {
                let (BuiltIn::Known(row) | BuiltIn::List { items: row, .. }) = field.schema else {
                    panic!("a field of a known kind is known");
                };
                assert!(usize::from(row) < index, "{} in row {index}", field.name);
            }
        }
    }

    #[test]
    fn a_custom_resource_is_unknown() {
        assert_eq!(
            BuiltIn::of_kind("example.com/v1", "Deployment"),
            BuiltIn::Unknown
        );
        assert_eq!(BuiltIn::Unknown.field("spec"), BuiltIn::Unknown);
    }
}
