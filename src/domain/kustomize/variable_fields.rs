//! Where `$(VAR)` is looked for: kustomize's table, folded by the shape of pod specs.
//!
//! Invariant: a path never makes what is missing; what looks like a slip (the volumes of a
//! `CronJob`, those of a `StatefulSet`) is kustomize's. What is absent: fields of custom resources.

use super::field_spec::FieldSpec;
use super::reference_fields::PODS;

/// Kinds of [`PODS`] that are left out.
const NO_PODS: [&str; 2] = ["PodTemplate", "ReplicationController"];

/// The fields of each container.
const CONTAINER: [&str; 4] = ["args", "command", "env/value", "volumeMounts/mountPath"];

const OTHERS: [FieldSpec; 11] = [
    field(
        "CronJob",
        "spec/jobTemplate/spec/template/volumes/nfs/server",
    ),
    field("StatefulSet", "spec/volumeClaimTemplates/spec/nfs/server"),
    field("Deployment", "spec/template/metadata/annotations"),
    field("Ingress", "spec/rules/host"),
    field("Ingress", "spec/tls/hosts"),
    field("Ingress", "spec/tls/secretName"),
    field("Service", "spec/ports/port"),
    field("Service", "spec/ports/targetPort"),
    field("PersistentVolume", "spec/nfs/server"),
    field("", "metadata/labels"),
    field("", "metadata/annotations"),
];

const fn field(kind: &'static str, path: &'static str) -> FieldSpec {
    FieldSpec::new("", "", kind, path, false)
}

/// The whole table.
pub(super) fn table() -> Vec<FieldSpec> {
    let pods = PODS.iter().filter(|(kind, _)| !NO_PODS.contains(kind));
    pods.flat_map(|(kind, pod)| paths(kind, pod))
        .chain(OTHERS)
        .collect()
}

fn paths(kind: &'static str, pod: &str) -> Vec<FieldSpec> {
    let mut paths = Vec::new();
    for containers in ["containers", "initContainers"] {
        for path in CONTAINER {
            paths.push([pod, containers, path].join("/"));
        }
    }
    if !matches!(kind, "CronJob" | "StatefulSet") {
        paths.push([pod, "volumes/nfs/server"].join("/"));
    }
    paths
        .into_iter()
        .map(|path| FieldSpec {
            kind: kind.into(),
            path: path.into(),
            ..FieldSpec::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted in kustomize's table.
    #[test]
    fn every_field_is_there_once() {
        let mut fields: Vec<(String, String)> = table()
            .into_iter()
            .map(|spec| (spec.kind.into_owned(), spec.path.into_owned()))
            .collect();
        let all = fields.len();
        fields.sort();
        fields.dedup();
        assert_eq!((all, fields.len()), (72, 72));
    }
}
