//! Clients that act as a service account: what a team may apply is what its account may do.
//!
//! Invariant: a client made here sends every request as that account, never as this process.
//! What is absent: checking that the account exists; the API server refuses an unknown one's rights.

use super::ClusterError;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::with_causes;
use http::{HeaderName, HeaderValue, Request};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tower::util::MapRequestLayer;

/// How many accounts' clients are kept; when there are more, all are made anew.
const KEPT: usize = 1_000;

/// Makes and keeps one client for each service account.
pub struct Impersonator {
    config: Config,
    clients: Mutex<HashMap<ObjectKey, Client>>,
}

impl std::fmt::Debug for Impersonator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Impersonator")
    }
}

impl Impersonator {
    /// Acts on the cluster of `config`.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            clients: Mutex::new(HashMap::new()),
        }
    }

    /// The client that acts as `account`.
    ///
    /// # Errors
    /// [`ClusterError::Configuration`] when no client can be made of the configuration, or the
    /// account's name cannot stand in a header.
    pub fn client(&self, account: &ObjectKey) -> Result<Client, ClusterError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(account) {
            return Ok(client.clone());
        }
        if clients.len() >= KEPT {
            clients.clear();
        }
        let client = self.make(account)?;
        clients.insert(account.clone(), client.clone());
        Ok(client)
    }

    fn make(&self, account: &ObjectKey) -> Result<Client, ClusterError> {
        let user = format!(
            "system:serviceaccount:{}:{}",
            account.namespace, account.name
        );
        let user = HeaderValue::from_str(&user)
            .map_err(|error| ClusterError::Configuration(error.to_string()))?;
        let builder = ClientBuilder::try_from(self.config.clone());
        let builder = builder.map_err(|error| ClusterError::Configuration(with_causes(&error)))?;
        let act_as = MapRequestLayer::new(move |mut request: Request<Body>| {
            request
                .headers_mut()
                .insert(HeaderName::from_static("impersonate-user"), user.clone());
            request
        });
        Ok(builder.with_layer(&act_as).build())
    }
}
