//! What a Kustomization applied, and how it went.
//!
//! Invariant: an inventory entry names one object for good; only its version may change. What is
//! absent: comparing inventories.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::common::{Condition, Time, is_zero};
use crate::api::schema;

/// What was applied, and how it went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizationStatus {
    /// The state in conditions, `Ready` first of all.
    #[schemars(schema_with = "schema::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that was reconciled last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// The revision that was applied last with success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<String>,
    /// What that revision was made from, as its source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied_origin_revision: Option<String>,
    /// The revision of the last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempted_revision: Option<String>,
    /// The objects that belong to this Kustomization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// How the last tries went, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Snapshot>,
    /// The value of the reconcile request that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

/// The objects that belong to a Kustomization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// One entry for each object.
    pub entries: Vec<InventoryEntry>,
}

/// One object that belongs to a Kustomization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InventoryEntry {
    /// The object as `namespace_name_group_kind`.
    pub id: String,
    /// The version of its group.
    #[serde(rename = "v")]
    pub version: String,
}

/// How it went with one state of the built objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The checksum of the built objects, `sha256:...`.
    pub digest: String,
    /// When this state was first reconciled.
    pub first_reconciled: Time,
    /// When it was last.
    pub last_reconciled: Time,
    /// How long that took.
    pub last_reconciled_duration: String,
    /// How that went: the reason of `Ready`.
    pub last_reconciled_status: String,
    /// How often it was reconciled.
    pub total_reconciliations: i64,
    /// What else is known, such as the revision.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}
