//! The Kubernetes API server: watching, reading, status, events, server-side apply, the leader lease.
//!
//! Invariant: each call has a bound in time; an error names the object it is about. What is absent:
//! any decision; these functions do what they are told.

pub mod apply;
pub mod discovery;
pub mod events;
pub mod impersonate;
pub mod lease;
pub mod objects;
pub mod remote;
pub mod requests;
pub mod status;
pub mod versions;
pub mod watch;

use crate::domain::object::{ObjectId, ObjectKey};
use crate::domain::outcome::with_causes;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::Path;
use std::time::Duration;
use thiserror::Error;

/// What went wrong with the API server.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The object is not there.
    #[error("{kind} '{object}' not found")]
    NotFound {
        /// Its kind.
        kind: String,
        /// Its namespace and name.
        object: String,
    },
    /// The API server refused, or did not answer.
    #[error("{kind} '{object}': {reason}")]
    Request {
        /// The kind asked about.
        kind: String,
        /// The namespace and name asked about.
        object: String,
        /// What the API server, or the way to it, said.
        reason: String,
        /// Whether the same request can pass later.
        transient: bool,
        /// The HTTP status, `0` when there was no answer.
        code: u16,
    },
    /// The configuration of the client is unusable.
    #[error("the cluster's configuration is unusable: {0}")]
    Configuration(String),
}

impl ClusterError {
    /// Says which object an error of the client is about.
    pub fn of(kind: &str, key: &ObjectKey, error: kube::Error) -> Self {
        let object = if key.namespace.is_empty() {
            key.name.clone()
        } else {
            key.to_string()
        };
        let kind = kind.to_owned();
        match error {
            kube::Error::Api(status) if status.code == 404 && status.reason == "NotFound" => {
                Self::NotFound { kind, object }
            }
            kube::Error::Api(status) => {
                let transient = status.code == 429 || status.code >= 500 || status.code == 409;
                Self::Request {
                    kind,
                    object,
                    reason: status.message.clone(),
                    transient,
                    code: status.code,
                }
            }
            other => Self::Request {
                kind,
                object,
                reason: with_causes(&other),
                transient: true,
                code: 0,
            },
        }
    }

    /// Whether the object is of another version than the request was about.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Request { code: 409, .. })
    }

    /// There was no answer in full within this time.
    fn unanswered(id: &ObjectId, limit: Duration) -> Self {
        let namespace = id.namespace.clone().unwrap_or_default();
        Self::Request {
            kind: id.kind.clone(),
            object: ObjectKey::new(namespace, id.name.clone()).to_string(),
            reason: format!("no answer in full within {} s", limit.as_secs()),
            transient: true,
            code: 0,
        }
    }

    /// Whether the API server judged the object, and finds it wrong.
    pub fn is_invalid(&self) -> bool {
        matches!(self, Self::Request { code: 422, .. })
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Request { code: 404, .. }
        )
    }
}

/// How long one request may take; watches have a bound of their own.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The configuration of the cluster: of the given file, or as `kubectl` would find it.
///
/// # Errors
/// [`ClusterError::Configuration`] when no usable configuration is found.
pub async fn configuration(kubeconfig: Option<&Path>) -> Result<Config, ClusterError> {
    let unusable = |error: &dyn std::error::Error| ClusterError::Configuration(with_causes(error));
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| unusable(&error))?
        }
        None => Config::infer().await.map_err(|error| unusable(&error))?,
    };
    config.connect_timeout = Some(Duration::from_secs(10));
    config.write_timeout = Some(REQUEST_TIMEOUT);
    Ok(config)
}

/// A client for a configuration.
///
/// # Errors
/// [`ClusterError::Configuration`] when, say, its certificates cannot be read.
pub fn client(config: Config) -> Result<Client, ClusterError> {
    crate::adapters::tls::install_provider();
    Client::try_from(config).map_err(|error| ClusterError::Configuration(with_causes(&error)))
}
