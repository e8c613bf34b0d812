//! What makes a kind: its names, its object type, and what the one driver reads from any of them.
//!
//! Invariant: the object as written is `apiVersion`, `kind`, `metadata`, `spec` and, when there is
//! one, `status`. An object without a spec reads too (Flux's schema allows it) as an empty one. That
//! is why the types are made here and not by kube's derive, whose `spec` is mandatory: one such
//! object would break the list of all the others. What is absent: the fields of any kind.

use std::fmt::Debug;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use k8s_openapi::{Metadata, NamespaceResourceScope};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A column that `kubectl get` prints.
pub(super) struct Column {
    /// The heading.
    pub(super) name: &'static str,
    /// Its type: `string` or `date`.
    pub(super) kind: &'static str,
    /// Where in the object its value stands.
    pub(super) path: &'static str,
    /// `0` is always shown, `1` only in wide output.
    pub(super) priority: i32,
}

/// The names of a kind, and how `kubectl get` prints it.
pub(super) struct Names {
    pub(super) group: &'static str,
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    pub(super) singular: &'static str,
    pub(super) short: &'static [&'static str],
    /// The category beside `all` and `fluxcd`.
    pub(super) category: &'static str,
    pub(super) columns: &'static [Column],
    /// One sentence on the kind.
    pub(super) about: &'static str,
}

/// A column of text.
pub(super) const fn column(name: &'static str, path: &'static str) -> Column {
    Column {
        name,
        kind: "string",
        path,
        priority: 0,
    }
}

/// A column of text that only wide output shows.
pub(super) const fn wide(name: &'static str, path: &'static str) -> Column {
    Column {
        name,
        kind: "string",
        path,
        priority: 1,
    }
}

/// Whether the object is ready, in one word.
pub(super) const READY: Column =
    column("Ready", r#".status.conditions[?(@.type=="Ready")].status"#);

/// The words of the condition `Ready`.
pub(super) const STATUS: Column = column(
    "Status",
    r#".status.conditions[?(@.type=="Ready")].message"#,
);

/// How long the object has existed.
pub(super) const AGE: Column = Column {
    name: "Age",
    kind: "date",
    path: ".metadata.creationTimestamp",
    priority: 0,
};

/// What every custom resource of highwater has in common.
///
/// `kube::Resource` comes with it, so `kube::Api<K>` works on each.
pub trait CustomObject:
    k8s_openapi::Resource<Scope = NamespaceResourceScope>
    + Metadata<Ty = ObjectMeta>
    + Clone
    + Debug
    + Default
    + PartialEq
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// What the user wants.
    type Spec;
    /// What a controller observed; the default is what an object without status has.
    type Status: Clone + Debug + Default + PartialEq + DeserializeOwned + Serialize + Send + Sync;

    /// An object with a spec and no status.
    fn new(namespace: &str, name: &str, spec: Self::Spec) -> Self;
    /// The definition that makes an API server know the kind.
    fn definition() -> CustomResourceDefinition;
    /// What the user wants.
    fn spec(&self) -> &Self::Spec;
    /// What a controller observed.
    fn status(&self) -> &Self::Status;
    /// The status, to be changed in place.
    fn status_mut(&mut self) -> &mut Self::Status;
    /// Whether the user asked that nothing be done.
    fn suspended(&self) -> bool;
    /// The conditions of the status.
    fn conditions(&self) -> &[Condition];
    /// The generation that the status speaks of; `-1` or `0` when there was none yet.
    fn observed_generation(&self) -> i64;
    /// The request that was handled last, see [`requested_at`](super::requested_at).
    fn last_handled_reconcile_at(&self) -> Option<&str>;
}

/// An object as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written<'a, S, T> {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) metadata: &'a ObjectMeta,
    pub(super) spec: &'a S,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<&'a T>,
}

/// Declares the object type of a kind and gives it [`CustomObject`].
macro_rules! custom_resource {
    (
        $(#[$about:meta])*
        $name:ident { $spec:ident, $status:ident }
        group: $group:literal,
        plural: $plural:literal,
        singular: $singular:literal,
        short: [$($short:literal),*],
        category: $category:literal,
        columns: [$($column:expr),* $(,)?],
        about: $sentence:literal $(,)?
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        pub struct $name {
            /// Name, namespace, labels, annotations and the like.
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            /// What the user wants.
            #[serde(default)]
            pub spec: $spec,
            /// What the controller observed.
            #[serde(default)]
            pub status: $status,
        }

        impl k8s_openapi::Resource for $name {
            const API_VERSION: &'static str = concat!($group, "/v1");
            const GROUP: &'static str = $group;
            const KIND: &'static str = stringify!($name);
            const VERSION: &'static str = "v1";
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = k8s_openapi::NamespaceResourceScope;
        }

        impl k8s_openapi::Metadata for $name {
            type Ty = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

            fn metadata(&self) -> &Self::Ty {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut Self::Ty {
                &mut self.metadata
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::api::resource::Written {
                    api_version: concat!($group, "/v1"),
                    kind: stringify!($name),
                    metadata: &self.metadata,
                    spec: &self.spec,
                    status: (self.status != $status::default()).then_some(&self.status),
                }
                .serialize(serializer)
            }
        }

        impl $crate::api::resource::CustomObject for $name {
            type Spec = $spec;
            type Status = $status;

            fn new(namespace: &str, name: &str, spec: $spec) -> Self {
                let mut object = Self { spec, ..Self::default() };
                object.metadata.namespace = Some(namespace.to_owned());
                object.metadata.name = Some(name.to_owned());
                object
            }

            fn definition() -> $crate::api::schema::CustomResourceDefinition {
                const NAMES: $crate::api::resource::Names = $crate::api::resource::Names {
                    group: $group,
                    kind: stringify!($name),
                    plural: $plural,
                    singular: $singular,
                    short: &[$($short),*],
                    category: $category,
                    columns: &[$($column),*],
                    about: $sentence,
                };
                let spec = $crate::api::schema::of::<$spec>();
                let status = $crate::api::schema::of::<$status>();
                $crate::api::schema::definition(&NAMES, spec, status)
            }

            fn spec(&self) -> &$spec {
                &self.spec
            }

            fn status(&self) -> &$status {
                &self.status
            }

            fn status_mut(&mut self) -> &mut $status {
                &mut self.status
            }

            fn suspended(&self) -> bool {
                self.spec.suspend
            }

            fn conditions(&self) -> &[$crate::api::common::Condition] {
                &self.status.conditions
            }

            fn observed_generation(&self) -> i64 {
                self.status.observed_generation
            }

            fn last_handled_reconcile_at(&self) -> Option<&str> {
                self.status.last_handled_reconcile_at.as_deref()
            }
        }
    };
}
pub(super) use custom_resource;
