//! Writing the statuses of one kind.
//!
//! Invariant: what waits in the background gives way as long as one is being written, and what came of it is known at once. What is
//! absent: what a status says; see `report`.

use super::background::Foreground;
use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::status::patch_status;
use crate::adapters::cluster::watch::Cache;
use crate::api::CustomObject;
use kube::Client;
use serde_json::Value;
use std::sync::Arc;

/// Who writes the statuses.
pub(super) struct Statuses<K: CustomObject> {
    client: Client,
    cache: Arc<Cache<K>>,
    controller: &'static str,
    foreground: Foreground,
}

impl<K: CustomObject> Statuses<K> {
    /// Those of the kind in `cache`, in the name of `controller`, before all that is behind `foreground`.
    pub(super) fn new(
        client: Client,
        cache: Arc<Cache<K>>,
        controller: &'static str,
        foreground: Foreground,
    ) -> Self {
        Self {
            client,
            cache,
            controller,
            foreground,
        }
    }

    /// Turns the status `before` of an object into `after`: whether there was anything to write.
    ///
    /// # Errors
    /// What the API server says against it.
    pub(super) async fn write(
        &self,
        object: &K,
        before: &Value,
        after: &Value,
    ) -> Result<bool, ClusterError> {
        let _busy = self.foreground.busy();
        let patched = patch_status(&self.client, object, self.controller, before, after).await?;
        let written = patched.map(|patched| self.cache.wrote(patched));
        Ok(written.is_some())
    }
}

/// The status of an object, as the API server has it.
pub(super) fn status_of<K: CustomObject>(object: &K) -> Value {
    serde_json::to_value(object.status()).unwrap_or_default()
}

/// The object with another status.
pub(super) fn with_status<K: CustomObject>(object: &Arc<K>, status: &Value) -> Arc<K> {
    let mut changed = K::clone(object);
    match serde_json::from_value(status.clone()) {
        Ok(status) => *changed.status_mut() = status,
        Err(error) => tracing::error!(kind = K::KIND, %error, "a status of our own cannot be read"),
    }
    Arc::new(changed)
}
