//! The `replicas` step: how many pods a workload runs.
//!
//! Invariant: an entry counts for every workload that has or had its name, of any of four kinds,
//! and must find one. What is absent: scale subresources.

use super::decode::{At, Located};
use super::error::BuildError;
use super::field_spec::{Create, FieldSpec};
use super::resource::{Name, Resource};
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
pub(super) const FIELDS: [FieldSpec; 4] = [
    FieldSpec::new("", "", "Deployment", "spec/replicas", true),
    FieldSpec::new("", "", "ReplicationController", "spec/replicas", true),
    FieldSpec::new("", "", "ReplicaSet", "spec/replicas", true),
    FieldSpec::new("", "", "StatefulSet", "spec/replicas", true),
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
            let named = |known: Name| {
                known.name == *name && (spec.kind.is_empty() || known.kind == spec.kind)
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
