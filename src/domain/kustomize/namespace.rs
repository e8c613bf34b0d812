//! The `namespace` step: where namespaced objects go, and the references that must go along.
//!
//! Invariant: no cluster-wide kind gets a namespace; kinds the table does not know do. A core
//! `Namespace` is renamed. Only subjects named `default` are touched here; subjects that name a
//! service account of the build follow by reference. What is absent: `unsetOnly`.

use super::error::BuildError;
use super::field_spec::{Create, FieldSpec};
use super::resource::{Resource, check_unique};
use crate::domain::manifest::Node;

const STEP: &str = "namespace";

static OWN: FieldSpec = FieldSpec::new("", "", "", "metadata/namespace", true);

/// The fields that are changed besides the object's own namespace.
pub(super) const FIELDS: [FieldSpec; 3] = [
    FieldSpec::new("", "", "Namespace", "metadata/name", true),
    FieldSpec::new(
        "apiregistration.k8s.io",
        "",
        "APIService",
        "spec/service/namespace",
        true,
    ),
    FieldSpec::new(
        "apiextensions.k8s.io",
        "",
        "CustomResourceDefinition",
        "spec/conversion/webhook/clientConfig/service/namespace",
        false,
    ),
];

/// Moves every object to `namespace`.
pub(super) fn apply(
    resources: &mut [Resource],
    namespace: &str,
    specs: &[FieldSpec],
) -> Result<(), BuildError> {
    for resource in resources.iter_mut() {
        resource.remember();
        if !resource.is_cluster_wide() {
            set(resource, &OWN, namespace)?;
        }
        let binding = matches!(resource.text("kind"), "RoleBinding" | "ClusterRoleBinding");
        if binding {
            subjects(resource, namespace)?;
        }
        for spec in specs {
            let done_elsewhere = spec.path == OWN.path
                || (spec.path == "metadata/name" && resource.text("apiVersion") != "v1")
                || (binding
                    && matches!(&*spec.kind, "RoleBinding" | "ClusterRoleBinding")
                    && spec.path == "subjects/namespace");
            if !done_elsewhere {
                set(resource, spec, namespace)?;
            }
        }
    }
    check_unique(resources)
}

fn set(resource: &mut Resource, spec: &FieldSpec, namespace: &str) -> Result<(), BuildError> {
    if !spec.fits(resource.gvk_ref()) {
        return Ok(());
    }
    let done = spec.visit(&mut resource.root, Create::Text, &mut |node| match node {
        Node::Scalar(_) => {
            *node = Node::text(namespace);
            Ok(())
        }
        _ => Err("expected a string".to_owned()),
    });
    done.map_err(|reason| resource.error(STEP, &spec.path, reason))
}

fn subjects(resource: &mut Resource, namespace: &str) -> Result<(), BuildError> {
    let Some(subjects) = resource
        .root
        .as_mapping_mut()
        .and_then(|root| root.get_mut("subjects"))
        .filter(|subjects| !subjects.is_null())
    else {
        return Ok(());
    };
    let Node::Sequence(subjects) = subjects else {
        return Err(resource.error(STEP, "subjects", "expected a list".to_owned()));
    };
    for subject in subjects.iter_mut().filter_map(Node::as_mapping_mut) {
        if subject.text("name") == Some("default") {
            subject.set("namespace", Node::text(namespace));
        }
    }
    Ok(())
}
