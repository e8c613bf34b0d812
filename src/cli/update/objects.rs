//! Finds the objects and the marked files of a tree. Pure.
//!
//! Invariant: an object that two places define differently is not used: nothing is guessed. What is
//! absent: building kustomizations. Of those only `namespace` is read, for objects that state none.

use super::trouble::Trouble;
use crate::api::{self, CustomObject, ImagePolicy, ImageRepository, ImageUpdateAutomation};
use crate::domain::manifest::{Rules, Source, documents};
use crate::domain::marker::TOKEN;
use crate::domain::object::{ObjectId, ObjectKey};
use crate::domain::tree::{FileTree, TreeError, parent};
use memchr::memmem;
use serde_json::Value;
use std::collections::BTreeMap;

/// The group of all three kinds.
const GROUP: &str = "image.toolkit.fluxcd.io";
/// What every file with one of their objects holds, but no definition of the kinds does.
const GROUP_VERSION: &str = "image.toolkit.fluxcd.io/";
/// The files that say how their folder is built.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What a tree holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The image repositories.
    pub(super) repositories: Kept<ImageRepository>,
    /// The image policies.
    pub(super) policies: Kept<ImagePolicy>,
    /// The update automations.
    pub(super) updates: Kept<ImageUpdateAutomation>,
    /// The files that hold a marker, by path.
    pub(super) marked: BTreeMap<String, Vec<u8>>,
    /// What could not be read.
    pub(super) troubles: Vec<Trouble>,
}

/// The objects of one kind.
#[derive(Debug)]
pub(super) struct Kept<K> {
    objects: BTreeMap<ObjectKey, Placed<K>>,
}

#[derive(Debug)]
struct Placed<K> {
    /// `None` when another place defines it differently.
    object: Option<K>,
    written: Value,
    place: Source,
}

impl<K> Default for Kept<K> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
        }
    }
}

impl<K: CustomObject> Kept<K> {
    /// The object of this name, if there is exactly one.
    pub(super) fn get(&self, key: &ObjectKey) -> Option<&K> {
        self.objects.get(key)?.object.as_ref()
    }

    /// Whether the name is defined, even if differently in several places.
    pub(super) fn defines(&self, key: &ObjectKey) -> bool {
        self.objects.contains_key(key)
    }

    /// The objects by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &K)> {
        self.objects
            .iter()
            .filter_map(|(key, placed)| Some((key, placed.object.as_ref()?)))
    }

    /// The names that several places define differently.
    pub(super) fn ambiguous(&self) -> impl Iterator<Item = &ObjectKey> {
        self.objects
            .iter()
            .filter(|(_, placed)| placed.object.is_none())
            .map(|(key, _)| key)
    }

    /// Whether no object of the kind is defined.
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    fn add(&mut self, key: ObjectKey, mut value: Value, place: Source) -> Result<(), Trouble> {
        let subject = format!("{}/{key}", K::KIND);
        let written = essence(&value);
        if let Some(known) = self.objects.get_mut(&key) {
            if known.written == written || known.object.take().is_none() {
                return Ok(());
            }
            let message = format!(
                "{} and {place} define it differently, so it is not used\nhint: give the folder of one cluster",
                known.place
            );
            return Err(Trouble::failure(subject, message));
        }
        value["metadata"]["namespace"] = Value::String(key.namespace.clone());
        let object = api::read(value)
            .map_err(|error| Trouble::failure(&place, format!("{subject}: {error}")))?;
        self.objects.insert(
            key,
            Placed {
                object: Some(object),
                written,
                place,
            },
        );
        Ok(())
    }
}

/// What of an object decides what is done.
fn essence(value: &Value) -> Value {
    let labels = value.pointer("/metadata/labels").cloned();
    serde_json::json!([value.get("spec"), labels])
}

/// Reads the files at `paths`. Objects that state no namespace get that of the nearest kustomization
/// which states one, or else `namespace`.
pub(super) fn find<'a>(
    tree: &dyn FileTree,
    paths: impl IntoIterator<Item = &'a String>,
    namespace: &str,
) -> Found {
    let mut found = Found::default();
    for path in paths {
        match tree.read(path) {
            Ok(bytes) => found.read(tree, path, bytes, namespace),
            Err(error) => found.troubles.push(unread(error)),
        }
    }
    found
}

/// What to say of a file that was not read. One that is too large has hardly been written by hand.
pub(super) fn unread(error: TreeError) -> Trouble {
    let note = matches!(
        error,
        TreeError::TooLarge { .. } | TreeError::OutsideTree(_)
    );
    Trouble {
        failed: !note,
        ..Trouble::failure("not read", error)
    }
}

impl Found {
    fn read(&mut self, tree: &dyn FileTree, path: &str, bytes: Vec<u8>, namespace: &str) {
        if memmem::find(&bytes, GROUP_VERSION.as_bytes()).is_some() {
            self.objects_in(tree, path, &bytes, namespace);
        }
        if memmem::find(&bytes, TOKEN.as_bytes()).is_some() {
            self.marked.insert(path.to_owned(), bytes);
        }
    }

    fn objects_in(&mut self, tree: &dyn FileTree, path: &str, bytes: &[u8], namespace: &str) {
        let documents = match documents(path, bytes, Rules::Kubernetes) {
            Ok(documents) => documents,
            // A template of a chart may well mention our kinds.
            Err(error) => return self.troubles.push(Trouble::note("not read", error)),
        };
        for document in documents {
            let place = Source {
                file: path.to_owned(),
                line: document.line as usize,
            };
            let Ok(value) = document.root.to_json() else {
                self.troubles
                    .push(Trouble::note(place, "it is not an object"));
                continue;
            };
            for value in items(value) {
                let fallback =
                    || nearest_namespace(tree, path).unwrap_or_else(|| namespace.to_owned());
                if let Err(trouble) = self.keep(value, place.clone(), fallback) {
                    self.troubles.push(trouble);
                }
            }
        }
    }

    fn keep(
        &mut self,
        value: Value,
        place: Source,
        namespace: impl FnOnce() -> String,
    ) -> Result<(), Trouble> {
        let Some(id) = ObjectId::from_value(&value) else {
            return nameless(&value, &place).map_or(Ok(()), Err);
        };
        if id.group() != GROUP {
            return Ok(());
        }
        let key = |id: ObjectId| ObjectKey::new(id.namespace.unwrap_or_else(namespace), id.name);
        match id.kind.as_str() {
            "ImageRepository" => self.repositories.add(key(id), value, place),
            "ImagePolicy" => self.policies.add(key(id), value, place),
            "ImageUpdateAutomation" => self.updates.add(key(id), value, place),
            _ => Ok(()),
        }
    }
}

/// What to say of an object of the group that cannot be used, since it has no name.
fn nameless(value: &Value, place: &Source) -> Option<Trouble> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    let kind = text("kind")?;
    let ours = text("apiVersion")?.starts_with(GROUP_VERSION);
    // A file of kustomize's own kinds, and a patch, may well have no name: so this is no failure.
    ours.then(|| {
        let message = format!("`metadata.name` of this {kind} is not a text, so it is not used");
        Trouble::note(place, message)
    })
}

/// The object itself, or what a list holds.
fn items(value: Value) -> Vec<Value> {
    let is_list = value
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    match value {
        Value::Object(mut list) if is_list => match list.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        other => vec![other],
    }
}

fn nearest_namespace(tree: &dyn FileTree, path: &str) -> Option<String> {
    let mut folder = parent(path);
    loop {
        for name in KUSTOMIZATIONS {
            let file = if folder.is_empty() {
                name.to_owned()
            } else {
                format!("{folder}/{name}")
            };
            if let Some(namespace) = namespace_in(tree, &file) {
                return Some(namespace);
            }
        }
        if folder.is_empty() {
            return None;
        }
        folder = parent(folder);
    }
}

fn namespace_in(tree: &dyn FileTree, file: &str) -> Option<String> {
    let bytes = tree.read(file).ok()?;
    let first = documents(file, &bytes, Rules::Kubernetes)
        .ok()?
        .into_iter()
        .next()?;
    let namespace = first.root.get("namespace")?.as_text()?;
    (!namespace.is_empty()).then(|| namespace.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tree::MapTree;

    fn policy(header: &str, range: &str) -> String {
        format!(
            "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata:\n  {header}\nspec:\n  \
             imageRepositoryRef: {{name: web}}\n  policy: {{semver: {{range: {range}}}}}\n"
        )
    }

    fn found(files: &[(&str, &str)]) -> Found {
        let tree = MapTree::from_texts(files.iter().copied());
        let paths: Vec<String> = tree.0.keys().cloned().collect();
        find(&tree, &paths, "flux-system")
    }

    fn names(found: &Found) -> Vec<String> {
        found
            .policies
            .iter()
            .map(|(key, _)| key.to_string())
            .collect()
    }

    #[test]
    fn an_object_whose_name_is_not_a_text_is_told_with_its_place() {
        let named = policy("name: web", "1.x");
        let number = policy("name: 5", "1.x");
        let stranger = "kind: Deployment\nmetadata: {}\n# image.toolkit.fluxcd.io/\n";
        let found = found(&[
            ("all.yaml", &format!("{named}---\n{number}")),
            ("stranger.yaml", stranger),
        ]);
        assert_eq!(names(&found), ["flux-system/web"]);
        let [trouble] = found.troubles.as_slice() else {
            panic!("{:?}", found.troubles)
        };
        assert_eq!(
            trouble.to_string(),
            "all.yaml:9: `metadata.name` of this ImagePolicy is not a text, so it is not used"
        );
        assert!(!trouble.failed);
    }

    #[test]
    fn objects_are_found_in_documents_and_lists_beside_others() {
        let values = "image: x # {\"$imagepolicy\": \"apps:web\"}\n";
        let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: image.toolkit.fluxcd.io/v1beta2\n  kind: ImageRepository\n  \
                    metadata: {name: web, namespace: apps}\n  spec: {image: ghcr.io/acme/web, interval: 1m}\n";
        let stream = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: apps}}\n---\n{}---\nanswer: 42\n",
            policy("{name: web, namespace: apps}", "1.x")
        );
        let stream = stream.replace("metadata:\n  {name", "metadata: {name");
        let found = found(&[
            ("all.yaml", &stream),
            ("list.yaml", list),
            ("values.yaml", values),
        ]);
        assert_eq!(found.troubles, []);
        assert_eq!(names(&found), ["apps/web"]);
        let repository = found
            .repositories
            .get(&ObjectKey::new("apps", "web"))
            .expect("it is in the list");
        assert_eq!(repository.spec.image, "ghcr.io/acme/web");
        assert_eq!(found.marked.keys().collect::<Vec<_>>(), ["values.yaml"]);
    }

    #[test]
    fn a_namespace_comes_from_the_object_then_the_nearest_kustomization_then_the_flag() {
        let plain = policy("name: web", "1.x");
        let stated = policy("name: web\n  namespace: own", "1.x");
        let found = found(&[
            ("a/kustomization.yaml", "namespace: team\nresources: [b]\n"),
            ("a/b/kustomization.yml", "resources: [web.yaml]\n"),
            ("a/b/web.yaml", &plain),
            ("a/own.yaml", &stated),
            ("c/web.yaml", &plain),
        ]);
        assert_eq!(names(&found), ["flux-system/web", "own/web", "team/web"]);
    }

    #[test]
    fn the_same_object_twice_is_one_and_a_different_one_is_none() {
        let one = policy("name: web", "1.x");
        let other = policy("name: web", "2.x");
        let same = found(&[("a.yaml", &one), ("b.yaml", &one)]);
        assert_eq!(
            (names(&same), same.troubles),
            (vec!["flux-system/web".to_owned()], vec![])
        );
        let different = found(&[("a.yaml", &one), ("b.yaml", &other), ("c.yaml", &one)]);
        assert_eq!(names(&different), [""; 0]);
        assert!(
            different
                .policies
                .defines(&ObjectKey::new("flux-system", "web"))
        );
        let told: Vec<String> = different.troubles.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "ImagePolicy/flux-system/web: a.yaml:1 and b.yaml:1 define it differently, so it is not used\n\
              hint: give the folder of one cluster"
            ]
        );
        assert!(different.troubles[0].failed);
    }

    #[test]
    fn what_cannot_be_read_does_not_hold_up_the_rest() {
        let broken = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: bad}\nspec: {policy: 7}\n";
        let template = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: {{ .Values.kind }}\n  x: [\n";
        let good = policy("name: web", "1.x");
        let found = found(&[
            ("bad.yaml", broken),
            ("chart.yaml", template),
            ("good.yaml", &good),
        ]);
        assert_eq!(names(&found), ["flux-system/web"]);
        assert_eq!(
            found
                .troubles
                .iter()
                .map(|trouble| trouble.failed)
                .collect::<Vec<_>>(),
            [true, false]
        );
        assert!(
            found.troubles[0]
                .to_string()
                .starts_with("bad.yaml:1: ImagePolicy/flux-system/bad: "),
            "{:?}",
            found.troubles
        );
    }

    #[test]
    fn definitions_of_the_kinds_and_rights_to_them_are_no_objects() {
        let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: imagepolicies.image.toolkit.fluxcd.io}\n\
                          spec: {group: image.toolkit.fluxcd.io}\n";
        let found = found(&[("crd.yaml", definition)]);
        assert_eq!((names(&found), found.troubles), (vec![], vec![]));
    }
}
