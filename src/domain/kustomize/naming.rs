//! The `namePrefix` and `nameSuffix` steps.
//!
//! Invariant: what is named by others outside a build (custom resource definitions, API services,
//! namespaces) keeps its name, whatever kind it has become since it was read; the way each name
//! went is remembered, because references are resolved along it. What is absent: the references.

use super::error::BuildError;
use super::field_path::made;
use super::field_spec::{Create, FieldSpec};
use super::resource::{Gvk, Resource};
use super::ties;
use crate::domain::manifest::Node;

/// The field that is changed where `configurations` name no other.
pub(super) const FIELDS: &[FieldSpec] = &[FieldSpec::new("", "", "", NAMED, false)];

const NAMED: &str = "metadata/name";

/// How long a name may become, in bytes. Kubernetes takes 253.
const NAME: usize = 4096;

/// Puts `prefix` before every name.
pub(super) fn prefix(
    resources: &mut [Resource],
    prefix: &str,
    specs: &[FieldSpec],
) -> Result<(), BuildError> {
    let affix = Affix {
        step: "namePrefix",
        prefix,
        suffix: "",
    };
    affix.apply(resources, specs)
}

/// Puts `suffix` behind every name.
pub(super) fn suffix(
    resources: &mut [Resource],
    suffix: &str,
    specs: &[FieldSpec],
) -> Result<(), BuildError> {
    let affix = Affix {
        step: "nameSuffix",
        prefix: "",
        suffix,
    };
    affix.apply(resources, specs)
}

struct Affix<'a> {
    step: &'static str,
    prefix: &'a str,
    suffix: &'a str,
}

impl Affix<'_> {
    fn apply(&self, resources: &mut [Resource], specs: &[FieldSpec]) -> Result<(), BuildError> {
        for resource in resources.iter_mut().filter(|resource| is_renamed(resource)) {
            let original = Gvk {
                kind: resource.original().kind,
                ..resource.gvk()
            };
            for spec in specs.iter().filter(|spec| spec.fits(&original)) {
                self.change(resource, spec)?;
            }
        }
        Ok(())
    }

    fn change(&self, resource: &mut Resource, spec: &FieldSpec) -> Result<(), BuildError> {
        if spec.path == NAMED {
            return self.change_name(resource);
        }
        let done = spec.visit(&mut resource.root, Create::Text, &mut |node| match node {
            Node::Scalar(scalar) if scalar.text.len() <= NAME => {
                let text = self.around(&scalar.text);
                *scalar = ties::replace(scalar, made(text));
                Ok(())
            }
            Node::Scalar(_) => Err(format!("a text of over {NAME} bytes is not a name")),
            _ => Err("expected a string".to_owned()),
        });
        done.map_err(|reason| resource.error(self.step, &spec.path, reason))?;
        if resource.ties > 0 {
            ties::settle(&mut resource.root);
        }
        Ok(())
    }

    /// An empty text changes nothing, and there is nothing to remember then.
    fn change_name(&self, resource: &mut Resource) -> Result<(), BuildError> {
        let metadata = resource.mapping().get("metadata");
        let node = metadata.and_then(|metadata| metadata.get("name"));
        if node.is_some_and(|node| node.as_scalar().is_none()) {
            return Err(resource.error(self.step, NAMED, "expected a string".to_owned()));
        }
        let name = self.around(resource.name());
        if self.prefix.is_empty() && self.suffix.is_empty() {
            return set_name(resource, name);
        }
        if !self.prefix.is_empty() {
            resource.prefixes.push(self.prefix.to_owned());
        }
        if !self.suffix.is_empty() {
            resource.suffixes.push(self.suffix.to_owned());
        }
        rename(resource, name)
    }

    fn around(&self, name: &str) -> String {
        format!("{}{name}{}", self.prefix, self.suffix)
    }
}

fn is_renamed(resource: &Resource) -> bool {
    match resource.original().kind.as_str() {
        "CustomResourceDefinition" | "Namespace" => false,
        "APIService" => resource.gvk_ref().group != "apiregistration.k8s.io",
        _ => true,
    }
}

/// Gives a resource another name and remembers the present one.
pub(super) fn rename(resource: &mut Resource, name: String) -> Result<(), BuildError> {
    resource.remember();
    set_name(resource, name)
}

fn set_name(resource: &mut Resource, name: String) -> Result<(), BuildError> {
    if name.len() > NAME {
        let what = format!("a name of {} bytes", name.len());
        return Err(BuildError::too_large(what));
    }
    if let Some(metadata) = resource.metadata_mut() {
        metadata.set("name", Node::text(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::{Rules, Source, documents};

    fn resource(version: &str, kind: &str) -> Resource {
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: web}}\n");
        let mut parsed = documents("a.yaml", text.as_bytes(), Rules::Kustomize).expect("it parses");
        let source = Source {
            file: "a.yaml".to_owned(),
            line: 1,
        };
        Resource::new(parsed.remove(0).root, source)
    }

    #[test]
    fn what_others_name_from_outside_keeps_its_name() {
        for (version, kind, name) in [
            ("v1", "ConfigMap", "a-web-z"),
            ("v1", "Namespace", "web"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "web"),
            ("apiregistration.k8s.io/v1", "APIService", "web"),
            ("example.com/v1", "APIService", "a-web-z"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", "a-web-z"),
        ] {
            let mut resources = [resource(version, kind)];
            prefix(&mut resources, "a-", FIELDS).expect("it is short");
            suffix(&mut resources, "-z", FIELDS).expect("it is short");
            assert_eq!(resources[0].name(), name, "{kind}");
        }
    }

    #[test]
    fn each_layer_is_remembered() {
        let mut resources = [resource("v1", "ConfigMap")];
        for layer in ["a-", "b-"] {
            prefix(&mut resources, layer, FIELDS).expect("it is short");
        }
        let [resource] = resources;
        assert_eq!(resource.name(), "b-a-web");
        assert_eq!(resource.prefixes, ["a-", "b-"]);
        assert!(resource.suffixes.is_empty());
        let names: Vec<&str> = resource
            .previous
            .iter()
            .map(|name| name.name.as_str())
            .collect();
        assert_eq!(names, ["web", "a-web"]);
    }

    #[test]
    fn a_name_does_not_grow_without_end() {
        let mut resources = [resource("v1", "ConfigMap")];
        let error = prefix(&mut resources, &"x".repeat(5000), FIELDS).expect_err("it is refused");
        assert!(
            error.to_string().starts_with("a name of 5003 bytes"),
            "{error}"
        );
    }
}
