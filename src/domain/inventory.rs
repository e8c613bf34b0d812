//! What a Kustomization has applied, as its status records it.
//!
//! Invariant: an id is `<namespace>_<name>_<group>_<kind>`; colons in RBAC names are written `__`.
//! Two entries with one id are one object, whatever their versions. What is absent: the cluster.

use super::manifest::Manifest;
use super::native;
use super::object::ObjectId;
use super::stage::{self, CustomKinds, Stage};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// One applied object, in the shape of `status.inventory.entries`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// `<namespace>_<name>_<group>_<kind>`.
    pub id: String,
    /// The API version without its group.
    #[serde(rename = "v")]
    pub version: String,
}

/// A set of applied objects, in the shape of `status.inventory`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The objects.
    #[serde(default)]
    pub entries: Vec<Entry>,
}

/// Why an entry names no object.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not an inventory id; expected `<namespace>_<name>_<group>_<kind>`")]
pub struct EntryError(pub String);

const RBAC_KINDS: [&str; 4] = ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];

impl Entry {
    /// The entry of an object.
    pub fn new(id: &ObjectId) -> Self {
        let rbac =
            id.group() == "rbac.authorization.k8s.io" && RBAC_KINDS.contains(&id.kind.as_str());
        let name = if rbac {
            id.name.replace(':', "__")
        } else {
            id.name.clone()
        };
        let namespace = id.namespace.as_deref().unwrap_or_default();
        Self {
            id: format!("{namespace}_{name}_{}_{}", id.group(), id.kind),
            version: id.version().to_owned(),
        }
    }

    /// The object of this entry.
    ///
    /// # Errors
    /// [`EntryError`] when the id has not the four parts.
    pub fn object(&self) -> Result<ObjectId, EntryError> {
        let wrong = || EntryError(self.id.clone());
        let (namespace, rest) = self.id.split_once('_').ok_or_else(wrong)?;
        let (rest, kind) = rest.rsplit_once('_').ok_or_else(wrong)?;
        let (name, group) = rest.rsplit_once('_').ok_or_else(wrong)?;
        let name = name.replace("__", ":");
        if name.is_empty() || name.contains('_') || kind.is_empty() {
            return Err(wrong());
        }
        Ok(ObjectId {
            api_version: if group.is_empty() {
                self.version.clone()
            } else {
                format!("{group}/{}", self.version)
            },
            kind: kind.to_owned(),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name,
        })
    }
}

impl Inventory {
    /// The inventory of `objects`, each once, in the order given.
    pub fn new<'a>(objects: impl IntoIterator<Item = &'a ObjectId>) -> Self {
        let mut inventory = Self::default();
        let mut seen = BTreeSet::new();
        for object in objects {
            let entry = Entry::new(object);
            if seen.insert(entry.id.clone()) {
                inventory.entries.push(entry);
            }
        }
        inventory
    }

    /// What is in this inventory and not in `new`, in the order it should be deleted: the reverse
    /// of applying. Entries that name no object come as errors.
    pub fn stale(&self, new: &Self) -> (Vec<ObjectId>, Vec<EntryError>) {
        let kept: BTreeSet<&str> = new.entries.iter().map(|entry| entry.id.as_str()).collect();
        let mut errors = Vec::new();
        let mut stale = Vec::new();
        for entry in &self.entries {
            if !kept.contains(entry.id.as_str()) {
                match entry.object() {
                    Ok(object) => stale.push(object),
                    Err(error) => errors.push(error),
                }
            }
        }
        stale.sort_by(|one, other| stage::compare(other, one));
        (stale, errors)
    }

    /// Adds objects that should have gone and are still there, so that they are tried again.
    pub fn keep<'a>(&mut self, survivors: impl IntoIterator<Item = &'a ObjectId>) {
        let mut known: BTreeMap<String, ()> = self
            .entries
            .iter()
            .map(|entry| (entry.id.clone(), ()))
            .collect();
        for object in survivors {
            let entry = Entry::new(object);
            if known.insert(entry.id.clone(), ()).is_none() {
                self.entries.push(entry);
            }
        }
    }
}

/// What is to be done in a cluster: apply, stage by stage, then delete.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyPlan {
    /// The objects to apply, with owner labels.
    pub stages: Vec<Stage>,
    /// What the status records when all went well.
    pub inventory: Inventory,
    /// The objects to delete, in order. Whether they may be deleted shows the cluster.
    pub stale: Vec<ObjectId>,
    /// Entries of the old inventory that name no object.
    pub unreadable: Vec<EntryError>,
}

impl ApplyPlan {
    /// Plans the step from `old` to `manifests`, owned by the Kustomization `namespace/name`.
    pub fn new(
        mut manifests: Vec<Manifest>,
        old: &Inventory,
        (namespace, name): (&str, &str),
        custom: &CustomKinds,
    ) -> Self {
        for manifest in &mut manifests {
            native::own_texts(&mut manifest.object);
            stage::set_owner(&mut manifest.object, namespace, name);
        }
        let stages = stage::stages(manifests, custom);
        let ids: Vec<ObjectId> = stages
            .iter()
            .flat_map(|stage| stage.manifests.iter().map(Manifest::id))
            .collect();
        let inventory = Inventory::new(&ids);
        let (stale, unreadable) = old.stale(&inventory);
        Self {
            stages,
            inventory,
            stale,
            unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectId {
        ObjectId {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    #[test]
    fn ids_are_written_as_flux_writes_them() {
        for (object, id, version) in [
            (
                object("apps/v1", "Deployment", Some("shop"), "web"),
                "shop_web_apps_Deployment",
                "v1",
            ),
            (
                object("v1", "Namespace", None, "shop"),
                "_shop__Namespace",
                "v1",
            ),
            (
                object(
                    "rbac.authorization.k8s.io/v1",
                    "ClusterRole",
                    None,
                    "system:reader",
                ),
                "_system__reader_rbac.authorization.k8s.io_ClusterRole",
                "v1",
            ),
        ] {
            let entry = Entry::new(&object);
            assert_eq!((entry.id.as_str(), entry.version.as_str()), (id, version));
            assert_eq!(entry.object(), Ok(object));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for id in ["", "a", "a_b", "a_b_c", "a_b_c_d_e", "a__apps_Deployment"] {
            let entry = Entry {
                id: id.to_owned(),
                version: "v1".to_owned(),
            };
            assert_eq!(entry.object(), Err(EntryError(id.to_owned())), "{id}");
        }
    }

    #[test]
    fn the_status_form_is_fluxs() {
        let inventory = Inventory::new(&[object("v1", "ConfigMap", Some("a"), "b")]);
        let form = json!({"entries": [{"id": "a_b__ConfigMap", "v": "v1"}]});
        assert_eq!(serde_json::to_value(&inventory).ok(), Some(form.clone()));
        assert_eq!(serde_json::from_value(form).ok(), Some(inventory));
    }

    #[test]
    fn what_is_gone_from_the_build_is_deleted_in_reverse_order() {
        let namespace = object("v1", "Namespace", None, "shop");
        let settings = object("v1", "ConfigMap", Some("shop"), "settings");
        let web = object("apps/v1", "Deployment", Some("shop"), "web");
        let old = Inventory::new([&namespace, &settings, &web]);
        assert_eq!(
            old.stale(&Inventory::default()).0,
            [web.clone(), settings.clone(), namespace.clone()]
        );
        let other_version = object("apps/v2", "Deployment", Some("shop"), "web");
        let new = Inventory::new([&namespace, &other_version]);
        assert_eq!(old.stale(&new), (vec![settings], Vec::new()));
    }

    #[test]
    fn a_plan_applies_with_owner_labels_and_deletes_what_is_left() {
        let manifest = |kind: &str, name: &str| {
            let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
            Manifest::new(object, None).expect("it is an object")
        };
        let gone = object("v1", "Secret", None, "gone");
        let plan = ApplyPlan::new(
            vec![manifest("ConfigMap", "b"), manifest("Namespace", "a")],
            &Inventory::new([&gone]),
            ("flux-system", "apps"),
            &CustomKinds::default(),
        );
        assert_eq!(plan.stages.len(), 2);
        assert!(
            plan.stages
                .iter()
                .flat_map(|stage| &stage.manifests)
                .all(|manifest| { stage::is_owned_by(&manifest.object, "flux-system", "apps") })
        );
        let ids: Vec<&str> = plan
            .inventory
            .entries
            .iter()
            .map(|entry| entry.id.as_str())
            .collect();
        assert_eq!(ids, ["_a__Namespace", "_b__ConfigMap"]);
        assert_eq!((plan.stale, plan.unreadable), (vec![gone], Vec::new()));
    }

    #[test]
    fn survivors_stay_in_the_inventory_once() {
        let web = object("apps/v1", "Deployment", Some("shop"), "web");
        let mut inventory = Inventory::default();
        inventory.keep([&web]);
        inventory.keep([&web]);
        assert_eq!(inventory, Inventory::new([&web]));
    }

    #[test]
    fn an_entry_that_names_nothing_is_reported_and_not_deleted() {
        let old = Inventory {
            entries: vec![Entry {
                id: "broken".to_owned(),
                version: "v1".to_owned(),
            }],
        };
        assert_eq!(
            old.stale(&Inventory::default()),
            (Vec::new(), vec![EntryError("broken".to_owned())])
        );
    }

    proptest! {
        #[test]
        fn every_object_survives_the_id(
            group in "([a-z]{1,8}(\\.[a-z]{1,5}){0,2})?", version in "v[1-9](beta1)?",
            kind in "[A-Z][A-Za-z]{0,12}", namespace in proptest::option::of("[a-z][a-z0-9-]{0,8}"),
            name in "[a-z][a-z0-9.-]{0,12}",
        ) {
            let api_version = if group.is_empty() { version } else { format!("{group}/{version}") };
            let object = ObjectId { api_version, kind, namespace, name };
            prop_assert_eq!(Entry::new(&object).object(), Ok(object));
        }
    }
}
