//! Which fields name objects of which kinds: kustomize's table, folded by the shape of pod specs.
//!
//! Invariant: a path never makes what is missing. What is absent: fields of custom resources.

use super::field_spec::{FieldList, FieldSpec, fields};
use std::borrow::Cow;

/// The fields that name objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) target: Target,
    pub(super) fields: FieldList,
}

/// What kind of object is named. An empty group or version fits every one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: Cow<'static, str>,
    pub(super) version: Cow<'static, str>,
    pub(super) kind: Cow<'static, str>,
}

/// The given fields of all pods but those of a `ReplicationController`, then other fields.
macro_rules! configured {
    ($paths:tt $($others:tt)*) => {
        fields! {
            ("", "", "Pod") "spec/" $paths;
            ("", "", "PodTemplate") "template/spec/" $paths;
            ("", "", "Deployment") "spec/template/spec/" $paths;
            ("", "", "ReplicaSet") "spec/template/spec/" $paths;
            ("", "", "DaemonSet") "spec/template/spec/" $paths;
            ("", "", "StatefulSet") "spec/template/spec/" $paths;
            ("", "", "Job") "spec/template/spec/" $paths;
            ("", "", "CronJob") "spec/jobTemplate/spec/template/spec/" $paths;
            $($others)*
        }
    };
}

/// The given fields of all pods but those of a `PodTemplate` and a `ReplicaSet`, then other fields.
macro_rules! running {
    ($paths:tt $($others:tt)*) => {
        fields! {
            ("", "", "Pod") "spec/" $paths;
            ("", "", "Deployment") "spec/template/spec/" $paths;
            ("", "", "ReplicationController") "spec/template/spec/" $paths;
            ("", "", "DaemonSet") "spec/template/spec/" $paths;
            ("", "", "StatefulSet") "spec/template/spec/" $paths;
            ("", "", "Job") "spec/template/spec/" $paths;
            ("", "", "CronJob") "spec/jobTemplate/spec/template/spec/" $paths;
            $($others)*
        }
    };
}

const fn reference(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    fields: &'static [FieldSpec],
) -> Reference {
    Reference {
        target: Target {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            kind: Cow::Borrowed(kind),
        },
        fields: Cow::Borrowed(fields),
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// The whole table.
pub(super) const REFERENCES: &[Reference] = &[
    reference("storage.k8s.io", "v1", "StorageClass", STORAGE_CLASSES),
    reference("", "v1", "ServiceAccount", SERVICE_ACCOUNTS),
    reference(RBAC, "", "Role", ROLES),
    reference(RBAC, "", "ClusterRole", CLUSTER_ROLES),
    reference("", "v1", "ConfigMap", CONFIG_MAPS),
    reference("", "v1", "Secret", SECRETS),
    reference("", "v1", "Service", SERVICES),
    reference("scheduling.k8s.io", "v1", "PriorityClass", PRIORITY_CLASSES),
    reference("", "v1", "PersistentVolume", VOLUMES),
    reference("", "v1", "PersistentVolumeClaim", CLAIMS),
    reference("", "", "Deployment", SCALED),
    reference("", "", "StatefulSet", SCALED),
    reference(ADMISSION, "", "ValidatingAdmissionPolicy", POLICIES),
    reference("", "", "ReplicaSet", SCALED),
    reference("", "", "ReplicationController", SCALED),
];

const SCALED: &[FieldSpec] = fields! {
    ("", "", "HorizontalPodAutoscaler") "spec/" ["scaleTargetRef/name"];
};

const CONFIG_MAPS: &[FieldSpec] = configured! {
    [
        "volumes/configMap/name",
        "containers/env/valueFrom/configMapKeyRef/name",
        "initContainers/env/valueFrom/configMapKeyRef/name",
        "containers/envFrom/configMapRef/name",
        "initContainers/envFrom/configMapRef/name",
        "volumes/projected/sources/configMap/name",
    ]
    ("", "", "Node") "spec/" ["configSource/configMap"];
    ("", "", "Role") "rules/" ["resourceNames"];
    ("", "", "ClusterRole") "rules/" ["resourceNames"];
    ("", "", "Ingress") "metadata/annotations/nginx.ingress.kubernetes.io\\/" ["fastcgi-params-configmap"];
};

const SECRETS: &[FieldSpec] = configured! {
    [
        "volumes/secret/secretName",
        "containers/env/valueFrom/secretKeyRef/name",
        "initContainers/env/valueFrom/secretKeyRef/name",
        "containers/envFrom/secretRef/name",
        "initContainers/envFrom/secretRef/name",
        "imagePullSecrets/name",
        "volumes/projected/sources/secret/name",
    ]
    ("", "", "Ingress") "spec/" ["tls/secretName"];
    ("", "", "Ingress") "metadata/annotations/" [
        "ingress.kubernetes.io\\/auth-secret",
        "nginx.ingress.kubernetes.io\\/auth-secret",
        "nginx.ingress.kubernetes.io\\/auth-tls-secret",
    ];
    ("", "", "ServiceAccount") "imagePullSecrets/" ["name"];
    ("", "", "StorageClass") "parameters/" [
        "secretName",
        "adminSecretName",
        "userSecretName",
        "secretRef",
    ];
    ("", "", "Role") "rules/" ["resourceNames"];
    ("", "", "ClusterRole") "rules/" ["resourceNames"];
    ("serving.knative.dev", "", "Service") "spec/template/spec/" [
        "containers/env/valueFrom/secretKeyRef/name",
    ];
    ("", "", "PersistentVolume") "spec/" ["azureFile/secretName"];
};

const SERVICES: &[FieldSpec] = fields! {
    ("apps", "", "StatefulSet") "spec/" ["serviceName"];
    ("", "", "Ingress") "spec/" [
        "rules/http/paths/backend/serviceName",
        "backend/serviceName",
        "rules/http/paths/backend/service/name",
        "defaultBackend/service/name",
    ];
    ("apiregistration.k8s.io", "", "APIService") "spec/" ["service/name"];
    (ADMISSION, "", "ValidatingWebhookConfiguration") "webhooks/" ["clientConfig/service"];
    (ADMISSION, "", "MutatingWebhookConfiguration") "webhooks/" ["clientConfig/service"];
};

const ROLES: &[FieldSpec] = fields! {
    (RBAC, "", "RoleBinding") "roleRef/" ["name"];
};

const CLUSTER_ROLES: &[FieldSpec] = fields! {
    (RBAC, "", "RoleBinding") "roleRef/" ["name"];
    (RBAC, "", "ClusterRoleBinding") "roleRef/" ["name"];
};

const SERVICE_ACCOUNTS: &[FieldSpec] = running! {
    ["serviceAccountName"]
    (RBAC, "", "RoleBinding") "" ["subjects"];
    (RBAC, "", "ClusterRoleBinding") "" ["subjects"];
};

const CLAIMS: &[FieldSpec] = running! { ["volumes/persistentVolumeClaim/claimName"] };

const PRIORITY_CLASSES: &[FieldSpec] = running! { ["priorityClassName"] };

const VOLUMES: &[FieldSpec] = fields! {
    ("", "", "PersistentVolumeClaim") "spec/" ["volumeName"];
    ("", "", "ClusterRole") "rules/" ["resourceNames"];
};

const STORAGE_CLASSES: &[FieldSpec] = fields! {
    ("", "", "PersistentVolume") "spec/" ["storageClassName"];
    ("", "", "PersistentVolumeClaim") "spec/" ["storageClassName"];
    ("", "", "StatefulSet") "spec/" ["volumeClaimTemplates/spec/storageClassName"];
};

const POLICIES: &[FieldSpec] = fields! {
    (ADMISSION, "", "ValidatingAdmissionPolicyBinding") "spec/" ["policyName"];
};
