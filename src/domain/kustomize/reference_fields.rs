//! Which fields name objects of which kinds: kustomize's table, folded by the shape of pod specs.
//!
//! Invariant: a path never makes what is missing. What is absent: fields of custom resources.

use super::field_spec::FieldSpec;
use super::resource::Gvk;

/// The fields that name objects of one kind.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) target: Gvk,
    pub(super) fields: Vec<FieldSpec>,
}

/// Kinds with a pod in them, and where it is.
pub(super) const PODS: [(&str, &str); 9] = [
    ("Pod", "spec"),
    ("PodTemplate", "template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicaSet", "spec/template/spec"),
    ("ReplicationController", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
];

/// Which of [`PODS`] a reference is looked for in.
#[derive(Clone, Copy)]
enum Among {
    /// All but `ReplicationController`.
    Configured,
    /// All but `PodTemplate` and `ReplicaSet`.
    Running,
}

fn in_pods(among: Among, paths: &[&str]) -> Vec<FieldSpec> {
    let left_out: &[&str] = match among {
        Among::Configured => &["ReplicationController"],
        Among::Running => &["PodTemplate", "ReplicaSet"],
    };
    PODS.iter()
        .filter(|(kind, _)| !left_out.contains(kind))
        .flat_map(|(kind, pod)| {
            paths.iter().map(move |path| FieldSpec {
                kind: (*kind).into(),
                path: [*pod, *path].join("/").into(),
                ..FieldSpec::default()
            })
        })
        .collect()
}

fn reference(
    (group, version, kind): (&str, &str, &str),
    mut pods: Vec<FieldSpec>,
    others: &[(&'static str, &'static str, &'static str)],
) -> Reference {
    pods.extend(
        others
            .iter()
            .map(|(group, kind, path)| FieldSpec::new(group, "", kind, path, false)),
    );
    Reference {
        target: Gvk {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        },
        fields: pods,
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// The whole table.
pub(super) fn references() -> Vec<Reference> {
    let mut all = scaled();
    all.extend([
        config_maps(),
        secrets(),
        services(),
        service_accounts(),
        claims(),
        priority_classes(),
    ]);
    all.extend(roles());
    all.extend(volumes());
    all.push(reference(
        (ADMISSION, "", "ValidatingAdmissionPolicy"),
        Vec::new(),
        &[(
            ADMISSION,
            "ValidatingAdmissionPolicyBinding",
            "spec/policyName",
        )],
    ));
    all
}

fn scaled() -> Vec<Reference> {
    [
        "Deployment",
        "StatefulSet",
        "ReplicaSet",
        "ReplicationController",
    ]
    .into_iter()
    .map(|kind| {
        let scaler = [("", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name")];
        reference(("", "", kind), Vec::new(), &scaler)
    })
    .collect()
}

fn config_maps() -> Reference {
    reference(
        ("", "v1", "ConfigMap"),
        in_pods(
            Among::Configured,
            &[
                "volumes/configMap/name",
                "containers/env/valueFrom/configMapKeyRef/name",
                "initContainers/env/valueFrom/configMapKeyRef/name",
                "containers/envFrom/configMapRef/name",
                "initContainers/envFrom/configMapRef/name",
                "volumes/projected/sources/configMap/name",
            ],
        ),
        &[
            ("", "Node", "spec/configSource/configMap"),
            ("", "Role", "rules/resourceNames"),
            ("", "ClusterRole", "rules/resourceNames"),
            (
                "",
                "Ingress",
                "metadata/annotations/nginx.ingress.kubernetes.io\\/fastcgi-params-configmap",
            ),
        ],
    )
}

fn secrets() -> Reference {
    reference(
        ("", "v1", "Secret"),
        in_pods(
            Among::Configured,
            &[
                "volumes/secret/secretName",
                "containers/env/valueFrom/secretKeyRef/name",
                "initContainers/env/valueFrom/secretKeyRef/name",
                "containers/envFrom/secretRef/name",
                "initContainers/envFrom/secretRef/name",
                "imagePullSecrets/name",
                "volumes/projected/sources/secret/name",
            ],
        ),
        &[
            ("", "Ingress", "spec/tls/secretName"),
            (
                "",
                "Ingress",
                "metadata/annotations/ingress.kubernetes.io\\/auth-secret",
            ),
            (
                "",
                "Ingress",
                "metadata/annotations/nginx.ingress.kubernetes.io\\/auth-secret",
            ),
            (
                "",
                "Ingress",
                "metadata/annotations/nginx.ingress.kubernetes.io\\/auth-tls-secret",
            ),
            ("", "ServiceAccount", "imagePullSecrets/name"),
            ("", "StorageClass", "parameters/secretName"),
            ("", "StorageClass", "parameters/adminSecretName"),
            ("", "StorageClass", "parameters/userSecretName"),
            ("", "StorageClass", "parameters/secretRef"),
            ("", "Role", "rules/resourceNames"),
            ("", "ClusterRole", "rules/resourceNames"),
            (
                "serving.knative.dev",
                "Service",
                "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
            ),
            ("", "PersistentVolume", "spec/azureFile/secretName"),
        ],
    )
}

fn services() -> Reference {
    reference(
        ("", "v1", "Service"),
        Vec::new(),
        &[
            ("apps", "StatefulSet", "spec/serviceName"),
            ("", "Ingress", "spec/rules/http/paths/backend/serviceName"),
            ("", "Ingress", "spec/backend/serviceName"),
            ("", "Ingress", "spec/rules/http/paths/backend/service/name"),
            ("", "Ingress", "spec/defaultBackend/service/name"),
            ("apiregistration.k8s.io", "APIService", "spec/service/name"),
            (
                ADMISSION,
                "ValidatingWebhookConfiguration",
                "webhooks/clientConfig/service",
            ),
            (
                ADMISSION,
                "MutatingWebhookConfiguration",
                "webhooks/clientConfig/service",
            ),
        ],
    )
}

fn roles() -> [Reference; 2] {
    [
        reference(
            (RBAC, "", "Role"),
            Vec::new(),
            &[(RBAC, "RoleBinding", "roleRef/name")],
        ),
        reference(
            (RBAC, "", "ClusterRole"),
            Vec::new(),
            &[
                (RBAC, "RoleBinding", "roleRef/name"),
                (RBAC, "ClusterRoleBinding", "roleRef/name"),
            ],
        ),
    ]
}

fn service_accounts() -> Reference {
    reference(
        ("", "v1", "ServiceAccount"),
        in_pods(Among::Running, &["serviceAccountName"]),
        &[
            (RBAC, "RoleBinding", "subjects"),
            (RBAC, "ClusterRoleBinding", "subjects"),
        ],
    )
}

fn claims() -> Reference {
    let paths = ["volumes/persistentVolumeClaim/claimName"];
    reference(
        ("", "v1", "PersistentVolumeClaim"),
        in_pods(Among::Running, &paths),
        &[],
    )
}

fn priority_classes() -> Reference {
    reference(
        ("scheduling.k8s.io", "v1", "PriorityClass"),
        in_pods(Among::Running, &["priorityClassName"]),
        &[],
    )
}

fn volumes() -> [Reference; 2] {
    [
        reference(
            ("", "v1", "PersistentVolume"),
            Vec::new(),
            &[
                ("", "PersistentVolumeClaim", "spec/volumeName"),
                ("", "ClusterRole", "rules/resourceNames"),
            ],
        ),
        reference(
            ("storage.k8s.io", "v1", "StorageClass"),
            Vec::new(),
            &[
                ("", "PersistentVolume", "spec/storageClassName"),
                ("", "PersistentVolumeClaim", "spec/storageClassName"),
                (
                    "",
                    "StatefulSet",
                    "spec/volumeClaimTemplates/spec/storageClassName",
                ),
            ],
        ),
    ]
}
