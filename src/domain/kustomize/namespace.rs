//! The `namespace` step: where namespaced objects go, and the references that must go along.
//!
//! Invariant: no cluster-wide kind gets a namespace; kinds the table does not know do. A core
//! `Namespace` is renamed. Unless a plugin says otherwise only subjects named `default` are touched
//! here; subjects that name a service account of the build follow by reference. What is absent:
//! objects that come from charts.

use super::error::BuildError;
use super::field_path::made;
use super::field_spec::{Create, FieldSpec};
use super::resource::{Resource, check_unique};
use crate::domain::manifest::{Node, Scalar, ScalarKind};

const STEP: &str = "namespace";

static OWN: FieldSpec = FieldSpec::new("", "", "", "metadata/namespace", true);

/// The fields that are changed besides the object's own namespace.
pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::new("", "", "Namespace", "metadata/name", true),
    FieldSpec::new(
        "apiextensions.k8s.io",
        "",
        "CustomResourceDefinition",
        "spec/conversion/webhook/clientConfig/service/namespace",
        false,
    ),
    FieldSpec::new(
        "apiregistration.k8s.io",
        "",
        "APIService",
        "spec/service/namespace",
        true,
    ),
];

/// Which subjects of bindings go along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Subjects {
    /// Those named `default`, of whatever kind.
    #[default]
    NamedDefault,
    /// Every service account.
    ServiceAccounts,
    /// None.
    Untouched,
}

/// Where objects go, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct Move {
    pub(super) namespace: String,
    /// Whether a namespace that is stated stays.
    pub(super) unset_only: bool,
    pub(super) subjects: Subjects,
}

/// Moves every object to `namespace`.
pub(super) fn apply(
    resources: &mut [Resource],
    namespace: &str,
    specs: &[FieldSpec],
) -> Result<(), BuildError> {
    let to = Move {
        namespace: namespace.to_owned(),
        ..Move::default()
    };
    to.apply(resources, specs)
}

impl Move {
    /// Moves every object.
    pub(super) fn apply(
        &self,
        resources: &mut [Resource],
        specs: &[FieldSpec],
    ) -> Result<(), BuildError> {
        for resource in resources.iter_mut() {
            resource.remember();
            self.apply_to(resource, specs)?;
        }
        check_unique(resources)
    }

    /// Moves one object, which does not remember where it was.
    pub(super) fn apply_to(
        &self,
        resource: &mut Resource,
        specs: &[FieldSpec],
    ) -> Result<(), BuildError> {
        if !resource.is_cluster_wide() {
            self.set(resource, &OWN)?;
        }
        let binding = matches!(resource.text("kind"), "RoleBinding" | "ClusterRoleBinding");
        if binding {
            self.set_subjects(resource)?;
        }
        for spec in specs {
            let done_elsewhere = spec.path == OWN.path
                || (spec.path == "metadata/name" && resource.text("apiVersion") != "v1")
                || (binding
                    && matches!(&*spec.kind, "RoleBinding" | "ClusterRoleBinding")
                    && spec.path == "subjects/namespace");
            if !done_elsewhere {
                self.set(resource, spec)?;
            }
        }
        Ok(())
    }

    fn set(&self, resource: &mut Resource, spec: &FieldSpec) -> Result<(), BuildError> {
        if !spec.fits(resource.gvk_ref()) {
            return Ok(());
        }
        let done = spec.visit(&mut resource.root, Create::Text, &mut |node| match node {
            Node::Scalar(scalar) if self.keeps(scalar) => {
                // What is made of a null reads as a null again in the object's own namespace.
                if scalar.line == 0 && !scalar.quoted && spec.path == OWN.path {
                    *scalar = made(scalar.text.clone());
                }
                Ok(())
            }
            Node::Scalar(_) => {
                *node = Node::text(self.namespace.as_str());
                Ok(())
            }
            _ => Err("expected a string".to_owned()),
        });
        done.map_err(|reason| resource.error(STEP, &spec.path, reason))
    }

    /// Whether a scalar counts as set and stays.
    fn keeps(&self, scalar: &Scalar) -> bool {
        self.unset_only && !scalar.text.is_empty() && scalar.kind != ScalarKind::Null
    }

    fn set_subjects(&self, resource: &mut Resource) -> Result<(), BuildError> {
        if self.subjects == Subjects::Untouched {
            return Ok(());
        }
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
            let meant = match self.subjects {
                Subjects::ServiceAccounts => subject.text("kind") == Some("ServiceAccount"),
                _ => subject.text("name") == Some("default"),
            };
            let stated = subject.get("namespace").and_then(Node::as_scalar);
            if meant && !stated.is_some_and(|stated| self.keeps(stated)) {
                subject.set("namespace", Node::text(self.namespace.as_str()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::{Rules, Source, documents};
    use serde_json::{Value, json};

    fn moved(text: &str, to: &Move, specs: &[FieldSpec]) -> Value {
        let mut parsed = documents("a.yaml", text.as_bytes(), Rules::Kustomize).expect("it parses");
        let source = Source {
            file: "a.yaml".to_owned(),
            line: 1,
        };
        let mut resources = [Resource::new(parsed.remove(0).root, source)];
        to.apply(&mut resources, specs).expect("it moves");
        resources[0].root.to_json().expect("it is JSON")
    }

    fn to(unset_only: bool, subjects: Subjects) -> Move {
        Move {
            namespace: "shop".to_owned(),
            unset_only,
            subjects,
        }
    }

    #[test]
    fn subjects_go_along_as_the_mode_says() {
        let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nsubjects:\n- {kind: ServiceAccount, name: bot, namespace: given}\n- {kind: ServiceAccount, name: other}\n- {kind: User, name: default}\n";
        let (given, shop, none) = (json!("given"), json!("shop"), Value::Null);
        for (unset_only, subjects, expected) in [
            (false, Subjects::NamedDefault, [&given, &none, &shop]),
            (false, Subjects::ServiceAccounts, [&shop, &shop, &none]),
            (true, Subjects::ServiceAccounts, [&given, &shop, &none]),
            (false, Subjects::Untouched, [&given, &none, &none]),
        ] {
            let object = moved(binding, &to(unset_only, subjects), &[]);
            let subjects_now = object["subjects"].as_array().expect("it is a list");
            let spaces: Vec<&Value> = subjects_now
                .iter()
                .map(|subject| &subject["namespace"])
                .collect();
            assert_eq!(spaces, expected, "{subjects:?} {unset_only}");
        }
    }

    #[test]
    fn what_is_stated_stays_where_only_the_unset_is_set() {
        let specs = [FieldSpec::new("", "", "", "data/space", true)];
        for (before, after) in [
            ("{space: given}", json!("given")),
            ("{space: ''}", json!("shop")),
            ("{}", json!("shop")),
            // A null that could be made counts as the text it is written as.
            ("{space: null}", json!("null")),
        ] {
            let text =
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {before}\n");
            let object = moved(&text, &to(true, Subjects::NamedDefault), &specs);
            assert_eq!(object["data"]["space"], after, "{before}");
            assert_eq!(object["metadata"]["namespace"], "shop");
        }
    }
}
