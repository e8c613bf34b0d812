//! The built objects on standard output, in a file, or one file each.
//!
//! Invariant: files have the names that kubectl gives them, lie in the folder itself, and no object
//! replaces another. What is absent: removing files of an earlier build.

use crate::cli::failure::Failure;
use crate::cli::output::Printer;
use crate::domain::kustomize::is_cluster_wide;
use crate::domain::manifest::{Manifest, to_yaml};
use crate::domain::object::ObjectId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Prints or writes the objects.
pub(super) fn write(
    manifests: &[Manifest],
    output: Option<&Path>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let cannot =
        |path: &Path, error| Failure::new(format!("cannot write `{}`: {error}", path.display()));
    match output {
        None => Ok(printer.data(&to_yaml(manifests))?),
        Some(folder) if folder.is_dir() => {
            for (name, manifest) in files(manifests)? {
                let path = folder.join(name);
                let text = to_yaml(std::slice::from_ref(manifest));
                std::fs::write(&path, text).map_err(|error| cannot(&path, error))?;
            }
            Ok(())
        }
        Some(file) => std::fs::write(file, to_yaml(manifests)).map_err(|error| cannot(file, error)),
    }
}

/// The objects by the names of their files.
fn files(manifests: &[Manifest]) -> Result<BTreeMap<String, &Manifest>, Failure> {
    let namespaces: BTreeSet<String> = manifests
        .iter()
        .filter_map(|manifest| namespace(&manifest.id()))
        .collect();
    let mut files = BTreeMap::new();
    for manifest in manifests {
        let id = manifest.id();
        let mut name = file_name(&id);
        if let Some(namespace) = namespace(&id).filter(|_| namespaces.len() > 1) {
            name = format!("{}_{name}", namespace.to_lowercase());
        }
        if name.contains('/') {
            return Err(Failure::new(format!(
                "{id}: no file can have the name `{name}`"
            )));
        }
        if let Some(other) = files.insert(name.clone(), manifest) {
            let message = format!("{id} and {} both go to the file `{name}`", other.id());
            return Err(Failure::new(message).with_hint("write all objects into one file"));
        }
    }
    Ok(files)
}

/// The namespace an object is in; none for a kind that certainly has none.
fn namespace(id: &ObjectId) -> Option<String> {
    let namespaced = !is_cluster_wide(id.group(), id.version(), &id.kind);
    namespaced.then(|| id.namespace.clone().unwrap_or_else(|| "default".to_owned()))
}

fn file_name(id: &ObjectId) -> String {
    let parts = [id.group(), id.version(), &id.kind, &id.name];
    let parts = parts.iter().filter(|part| !part.is_empty());
    let name = parts.map(|part| part.to_lowercase()).collect::<Vec<_>>();
    name.join("_") + ".yaml"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(api_version: &str, kind: &str, name: &str, namespace: Option<&str>) -> Manifest {
        let metadata = json!({"name": name, "namespace": namespace});
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
        Manifest::new(object, None).expect("it is an object")
    }

    fn names(manifests: &[Manifest]) -> Vec<String> {
        files(manifests)
            .expect("all have names")
            .into_keys()
            .collect()
    }

    #[test]
    fn the_namespace_is_in_the_name_when_there_are_several() {
        let map = object("v1", "ConfigMap", "a", None);
        let web = object("apps/v1", "Deployment", "Web", Some("shop"));
        let role = object("v1", "Namespace", "shop", None);
        assert_eq!(
            names(&[map.clone(), role.clone()]),
            ["v1_configmap_a.yaml", "v1_namespace_shop.yaml"]
        );
        assert_eq!(
            names(&[map, web, role]),
            [
                "default_v1_configmap_a.yaml",
                "shop_apps_v1_deployment_web.yaml",
                "v1_namespace_shop.yaml"
            ]
        );
    }

    #[test]
    fn no_object_is_written_elsewhere_or_over_another() {
        let outside = object("v1", "ConfigMap", "../../a", None);
        assert!(files(&[outside]).is_err());
        let same = [
            object("v1", "ConfigMap", "a", None),
            object("v1", "ConfigMap", "A", None),
        ];
        assert!(files(&same).is_err());
    }
}
