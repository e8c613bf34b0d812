//! From a kind to the path of its API, asked once and remembered.
//!
//! Invariant: an unknown kind is asked for again each time, since its CustomResourceDefinition may
//! have come meanwhile. What is absent: forgetting a kind that was served; its requests then fail
//! with the API server's own words.

use super::{ClusterError, REQUEST_TIMEOUT};
use crate::domain::object::ObjectId;
use crate::domain::outcome::with_causes;
use kube::core::GroupVersionKind;
use kube::discovery::{ApiResource, Scope, pinned_kind};
use kube::{Api, Client, core::DynamicObject};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// What is known of a kind.
#[derive(Clone, Debug)]
struct Known {
    resource: ApiResource,
    namespaced: bool,
}

/// The kinds of one cluster.
#[derive(Debug, Default)]
pub struct Discovery {
    known: RwLock<HashMap<GroupVersionKind, Known>>,
}

impl Discovery {
    /// The API that serves `object`, in its namespace.
    ///
    /// # Errors
    /// [`ClusterError::Request`] when the kind is unknown to the cluster, when a namespaced object has
    /// no namespace, or when the API server does not answer.
    pub async fn api(
        &self,
        client: &Client,
        object: &ObjectId,
    ) -> Result<Api<DynamicObject>, ClusterError> {
        let known = self.resolve(client, object).await?;
        match (known.namespaced, &object.namespace) {
            (false, _) => Ok(Api::all_with(client.clone(), &known.resource)),
            (true, Some(namespace)) => Ok(Api::namespaced_with(
                client.clone(),
                namespace,
                &known.resource,
            )),
            (true, None) => Err(refused(
                object,
                "namespace not specified, and the kind is namespaced".to_owned(),
                false,
            )),
        }
    }

    /// Whether objects of this kind live in namespaces.
    ///
    /// # Errors
    /// As [`api`](Self::api).
    pub async fn is_namespaced(
        &self,
        client: &Client,
        object: &ObjectId,
    ) -> Result<bool, ClusterError> {
        Ok(self.resolve(client, object).await?.namespaced)
    }

    async fn resolve(&self, client: &Client, object: &ObjectId) -> Result<Known, ClusterError> {
        let kind = GroupVersionKind::gvk(object.group(), object.version(), &object.kind);
        if let Some(known) = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&kind)
        {
            return Ok(known.clone());
        }
        let found = tokio::time::timeout(REQUEST_TIMEOUT, pinned_kind(client, &kind)).await;
        let found = found.map_err(|_| ClusterError::unanswered(object, REQUEST_TIMEOUT))?;
        let (resource, capabilities) = found.map_err(|error| unknown(object, &error))?;
        let known = Known {
            resource,
            namespaced: capabilities.scope == Scope::Namespaced,
        };
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(kind, known.clone());
        Ok(known)
    }
}

fn unknown(object: &ObjectId, error: &kube::Error) -> ClusterError {
    let no_match = match error {
        kube::Error::Discovery(_) => true,
        // What stands before an API server and cannot reach it may say that too, but not in these words.
        kube::Error::Api(status) => {
            let said = status.reason == "NotFound" || status.message.trim() == "404 page not found";
            status.code == 404 && !object.group().is_empty() && said
        }
        _ => false,
    };
    if no_match {
        let reason = format!(
            "no matches for kind \"{}\" in version \"{}\"",
            object.kind, object.api_version
        );
        return refused(object, reason, false);
    }
    refused(object, with_causes(error), true)
}

fn refused(object: &ObjectId, reason: String, transient: bool) -> ClusterError {
    let name = object
        .namespace
        .as_ref()
        .map_or(object.name.clone(), |namespace| {
            format!("{namespace}/{}", object.name)
        });
    ClusterError::Request {
        kind: object.kind.clone(),
        object: name,
        reason,
        transient,
        code: 0,
    }
}
