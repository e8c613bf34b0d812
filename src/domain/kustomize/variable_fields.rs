//! Where `$(VAR)` is looked for: kustomize's table, folded by the shape of pod specs.
//!
//! Invariant: a path never makes what is missing; what looks like a slip (the volumes of a
//! `CronJob`, those of a `StatefulSet`) is kustomize's. What is absent: fields of custom resources.

use super::field_spec::{FieldSpec, fields};

/// The table, of the fields that each pod has.
macro_rules! looked_at {
    ($containers:tt) => {
        fields! {
            ("", "", "Service") "spec/ports/" ["port", "targetPort"];
            ("", "", "PersistentVolume") "spec/" ["nfs/server"];
            ("", "", "Deployment") "spec/template/spec/" $containers;
            ("", "", "Deployment") "spec/template/" ["spec/volumes/nfs/server", "metadata/annotations"];
            ("", "", "StatefulSet") "spec/template/spec/" $containers;
            ("", "", "StatefulSet") "spec/" ["volumeClaimTemplates/spec/nfs/server"];
            ("", "", "CronJob") "spec/jobTemplate/spec/template/spec/" $containers;
            ("", "", "CronJob") "spec/jobTemplate/spec/" ["template/volumes/nfs/server"];
            ("", "", "DaemonSet") "spec/template/spec/" $containers;
            ("", "", "DaemonSet") "spec/template/spec/" ["volumes/nfs/server"];
            ("", "", "Ingress") "spec/" ["rules/host", "tls/hosts", "tls/secretName"];
            ("", "", "Job") "spec/template/spec/" $containers;
            ("", "", "Job") "spec/template/spec/" ["volumes/nfs/server"];
            ("", "", "Pod") "spec/" $containers;
            ("", "", "Pod") "spec/" ["volumes/nfs/server"];
            ("", "", "ReplicaSet") "spec/template/spec/" $containers;
            ("", "", "ReplicaSet") "spec/template/spec/" ["volumes/nfs/server"];
            ("", "", "") "metadata/" ["labels", "annotations"];
        }
    };
}

/// The whole table.
pub(super) const FIELDS: &[FieldSpec] = looked_at! {[
    "containers/args",
    "containers/command",
    "containers/env/value",
    "containers/volumeMounts/mountPath",
    "initContainers/args",
    "initContainers/command",
    "initContainers/env/value",
    "initContainers/volumeMounts/mountPath",
]};

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted in kustomize's table.
    #[test]
    fn every_field_is_there_once() {
        let mut fields: Vec<(&str, &str)> = FIELDS
            .iter()
            .map(|spec| (&*spec.kind, &*spec.path))
            .collect();
        let all = fields.len();
        fields.sort_unstable();
        fields.dedup();
        assert_eq!((all, fields.len()), (72, 72));
    }
}
