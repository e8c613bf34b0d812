//! The `replicas` step: how many pods a workload runs.
//!
//! Invariant: an entry counts for every workload that has or had its name, of any of four kinds,
//! and must find one. What is absent: scale subresources.

use super::decode::{At, Located};
use super::error::BuildError;
use super::field_spec::{Create, FieldSpec};
use super::resource::{GvkRef, Name, Resource};
use super::ties;
use crate::domain::manifest::{Node, Scalar, ScalarKind};

const STEP: &str = "replicas";

/// One entry of `replicas`.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    name: String,
    count: i64,
}

/// The fields of the built-in kinds.
pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::new("", "", "Deployment", "spec/replicas", true),
    FieldSpec::new("", "", "StatefulSet", "spec/replicas", true),
    FieldSpec::new("", "", "ReplicaSet", "spec/replicas", true),
    FieldSpec::new("", "", "ReplicationController", "spec/replicas", true),
];

/// Reads one entry.
pub(super) fn parse(at: &At<'_>) -> Result<Replica, BuildError> {
    let fields = at.fields()?;
    fields.only(&["name", "count"])?;
    Ok(Replica {
        name: fields.text("name")?,
        count: fields.get("count").map_or(Ok(0), |at| at.integer())?,
    })
}

/// Carries out one entry.
pub(super) fn apply(
    resources: &mut [Resource],
    replica: &Located<Replica>,
    specs: &[FieldSpec],
) -> Result<(), BuildError> {
    let name = &replica.value.name;
    let mut found = false;
    for spec in specs {
        for resource in resources.iter_mut() {
            let gvk = resource.gvk_ref();
            let named = |known: Name| {
                let kind = &known.kind;
                known.name == *name && spec.fits(GvkRef { kind, ..gvk })
            };
            if resource.names().any(named) {
                found = true;
                set(resource, spec, replica.value.count)?;
            }
        }
    }
    if found {
        return Ok(());
    }
    Err(replica.error(format!("no {} is `{name}`", alternatives(specs))))
}

fn alternatives(specs: &[FieldSpec]) -> String {
    let kinds: Vec<&str> = specs.iter().map(|spec| &*spec.kind).collect();
    match kinds.as_slice() {
        [] => "object".to_owned(),
        [only] => (*only).to_owned(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

fn set(resource: &mut Resource, spec: &FieldSpec, count: i64) -> Result<(), BuildError> {
    if !spec.fits(resource.gvk_ref()) {
        return Ok(());
    }
    let done = spec.visit(&mut resource.root, Create::Text, &mut |node| match node {
        Node::Scalar(old) => {
            let count = Scalar::new(count.to_string(), ScalarKind::Integer, 0);
            *node = Node::Scalar(if old.text.is_empty() {
                count
            } else {
                ties::replace(old, count)
            });
            Ok(())
        }
        _ => Err("expected a number".to_owned()),
    });
    done.map_err(|reason| resource.error(STEP, &spec.path, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::{Rules, Source, documents};

    fn workload(text: &str) -> Vec<Resource> {
        let documents = documents("w.yaml", text.as_bytes(), Rules::Kustomize);
        let source = Source {
            file: "w.yaml".to_owned(),
            line: 1,
        };
        let documents = documents.expect("the workloads are YAML");
        documents
            .into_iter()
            .map(|document| Resource::new(document.root, source.clone()))
            .collect()
    }

    fn scale(resources: &mut [Resource], name: &str, count: i64) -> Result<(), BuildError> {
        let replica = Located {
            file: "kustomization.yaml".to_owned(),
            field: "replicas[0]".to_owned(),
            line: 7,
            value: Replica {
                name: name.to_owned(),
                count,
            },
        };
        apply(resources, &replica, FIELDS)
    }

    fn count(resource: &Resource) -> Option<&str> {
        resource.mapping().get("spec")?.get("replicas")?.as_text()
    }

    const TWO: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n---\n\
        apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: web}\n";

    #[test]
    fn every_workload_of_a_name_is_scaled_and_the_field_is_made() {
        let mut resources = workload(TWO);
        scale(&mut resources, "web", 3).expect("two are named so");
        assert!(
            resources
                .iter()
                .all(|resource| count(resource) == Some("3"))
        );
    }

    #[test]
    fn a_name_that_was_counts_too() {
        let mut resources = workload(TWO);
        resources[0].remember();
        if let Some(metadata) = resources[0].metadata_mut() {
            metadata.set("name", Node::text("new"));
        }
        scale(&mut resources[..1], "web", 0).expect("it once had that name");
        assert_eq!(count(&resources[0]), Some("0"));
    }

    #[test]
    fn other_kinds_do_not_count() {
        let mut resources =
            workload("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: web}\n");
        let error = scale(&mut resources, "web", 3).expect_err("it cannot be scaled");
        assert!(
            error.to_string().starts_with("kustomization.yaml:7: "),
            "{error}"
        );
        assert_eq!(count(&resources[0]), None);
    }

    #[test]
    fn a_count_is_only_written_over_a_scalar() {
        let mut resources = workload(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: []}\n",
        );
        assert!(scale(&mut resources, "web", 3).is_err());
    }
}
