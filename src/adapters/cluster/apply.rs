//! Server-side apply: dry run, apply, merge, delete, read.
//!
//! Invariant: every write carries the field manager; a dry run changes nothing. What is absent: the
//! decision whether to write, which `domain::drift` takes from a dry run and the live object.

use super::discovery::Discovery;
use super::{ClusterError, REQUEST_TIMEOUT};
use crate::domain::object::{ObjectId, ObjectKey};
use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams, PropagationPolicy};
use serde_json::Value;
use std::sync::Arc;

/// Applies objects to one cluster, as one field manager.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    discovery: Arc<Discovery>,
    manager: &'static str,
}

impl std::fmt::Debug for Applier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Applier")
            .field("manager", &self.manager)
            .finish_non_exhaustive()
    }
}

impl Applier {
    /// An applier that owns fields as `manager`.
    pub fn new(client: Client, discovery: Arc<Discovery>, manager: &'static str) -> Self {
        Self {
            client,
            discovery,
            manager,
        }
    }

    /// The live object, if it is there.
    ///
    /// # Errors
    /// Whatever the API server answers, but not that the object is missing.
    pub async fn get(&self, id: &ObjectId) -> Result<Option<Value>, ClusterError> {
        let api = self.discovery.api(&self.client, id).await?;
        let found = within(id, api.get_opt(&id.name)).await?;
        Ok(found.and_then(|object| serde_json::to_value(object).ok()))
    }

    /// What the object would become, without changing it.
    ///
    /// # Errors
    /// What the API server says against it: a conflict, an immutable field, an unknown kind.
    pub async fn dry_run(&self, id: &ObjectId, object: &Value) -> Result<Value, ClusterError> {
        let mut parameters = self.applying();
        parameters.dry_run = true;
        self.send(id, &parameters, &Patch::Apply(object)).await
    }

    /// Applies the object and takes over the fields it names.
    ///
    /// # Errors
    /// As [`dry_run`](Self::dry_run).
    pub async fn apply(&self, id: &ObjectId, object: &Value) -> Result<Value, ClusterError> {
        self.send(id, &self.applying(), &Patch::Apply(object)).await
    }

    /// Changes an object by a merge patch. With a `resourceVersion` in it, that version and no other.
    ///
    /// # Errors
    /// What the API server says against it: that the object is gone, or of another version meanwhile.
    pub async fn merge(&self, id: &ObjectId, patch: &Value) -> Result<Value, ClusterError> {
        let parameters = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        };
        self.send(id, &parameters, &Patch::Merge(patch)).await
    }

    fn applying(&self) -> PatchParams {
        PatchParams::apply(self.manager).force()
    }

    async fn send(
        &self,
        id: &ObjectId,
        parameters: &PatchParams,
        patch: &Patch<&Value>,
    ) -> Result<Value, ClusterError> {
        let api = self.discovery.api(&self.client, id).await?;
        let patched = within(id, api.patch(&id.name, parameters, patch)).await?;
        serde_json::to_value(patched)
            .map_err(|error| ClusterError::Configuration(error.to_string()))
    }

    /// Deletes the object in the background. One that is gone already is no error.
    ///
    /// # Errors
    /// What the API server says against it.
    pub async fn delete(&self, id: &ObjectId) -> Result<bool, ClusterError> {
        let api = self.discovery.api(&self.client, id).await?;
        let parameters = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        match within(id, api.delete(&id.name, &parameters)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether objects of this kind live in namespaces.
    ///
    /// # Errors
    /// When the kind is unknown, or the API server does not answer.
    pub async fn is_namespaced(&self, id: &ObjectId) -> Result<bool, ClusterError> {
        self.discovery.is_namespaced(&self.client, id).await
    }
}

/// Ends a request that is not answered in full in time, however often a byte comes.
async fn within<T>(
    id: &ObjectId,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ClusterError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| about(id, error)),
        Err(_) => Err(ClusterError::unanswered(id, REQUEST_TIMEOUT)),
    }
}

fn about(id: &ObjectId, error: kube::Error) -> ClusterError {
    ClusterError::of(
        &id.kind,
        &ObjectKey::new(id.namespace.clone().unwrap_or_default(), id.name.clone()),
        error,
    )
}
