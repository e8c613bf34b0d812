//! The built objects on standard output, in a file, or one file each.
//!
//! Invariant: files have the names that kubectl gives them, lie in the folder itself, and no object
//! replaces another. What is absent: removing files of an earlier build.

use crate::cli::failure::Failure;
use crate::cli::output::Printer;
use crate::domain::kustomize::is_cluster_wide;
use crate::domain::manifest::{DIVISION, Printed};
use crate::domain::object::ObjectId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Prints or writes the objects.
pub(super) fn write(
    objects: &[Printed],
    output: Option<&Path>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let cannot =
        |path: &Path, error| Failure::new(format!("cannot write `{}`: {error}", path.display()));
    match output {
        None => Ok(printer.data(&stream(objects))?),
        Some(folder) if folder.is_dir() => {
            for (name, object) in files(objects)? {
                let path = folder.join(name);
                std::fs::write(&path, &object.yaml).map_err(|error| cannot(&path, error))?;
            }
            Ok(())
        }
        Some(file) => std::fs::write(file, stream(objects)).map_err(|error| cannot(file, error)),
    }
}

/// All objects in one text.
fn stream(objects: &[Printed]) -> String {
    let texts: Vec<&str> = objects.iter().map(|object| object.yaml.as_str()).collect();
    texts.join(DIVISION)
}

/// The objects by the names of their files.
fn files(objects: &[Printed]) -> Result<BTreeMap<String, &Printed>, Failure> {
    let namespaces: BTreeSet<String> = objects
        .iter()
        .filter_map(|object| namespace(&object.id))
        .collect();
    let mut files = BTreeMap::new();
    for object in objects {
        let id = &object.id;
        let mut name = file_name(id);
        if let Some(namespace) = namespace(id).filter(|_| namespaces.len() > 1) {
            name = format!("{}_{name}", namespace.to_lowercase());
        }
        if name.contains('/') {
            return Err(Failure::new(format!(
                "{id}: no file can have the name `{name}`"
            )));
        }
        if let Some(other) = files.insert(name.clone(), object) {
            let message = format!("{id} and {} both go to the file `{name}`", other.id);
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

    fn object(api_version: &str, kind: &str, name: &str, namespace: Option<&str>) -> Printed {
        Printed {
            id: ObjectId {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.map(str::to_owned),
                name: name.to_owned(),
            },
            yaml: String::new(),
        }
    }

    fn names(objects: &[Printed]) -> Vec<String> {
        files(objects)
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
