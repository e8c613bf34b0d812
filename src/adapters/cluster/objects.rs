//! Reading the few objects that specifications refer to: secrets, maps, service accounts, namespaces.
//!
//! Invariant: what a Secret holds leaves this module only inside a type that cannot be printed;
//! "not there" and "could not be read" are different answers. What is absent: a cache. Secrets are
//! read when needed and not kept, as Flux does by default.

use super::ClusterError;
use crate::domain::object::ObjectKey;
use crate::domain::redact::Secret as Hidden;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client};
use std::collections::BTreeMap;

/// The data of a Secret: keys in the open, values hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretData {
    /// The `type` of the Secret, such as `kubernetes.io/dockerconfigjson`.
    pub kind: String,
    values: BTreeMap<String, Hidden<Vec<u8>>>,
}

impl SecretData {
    /// Data out of plain values, as tests and the command line have them.
    pub fn new(kind: &str, values: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let values = values
            .into_iter()
            .map(|(key, value)| (key, Hidden::new(value)))
            .collect();
        Self {
            kind: kind.to_owned(),
            values,
        }
    }

    /// The bytes under `key`.
    pub fn bytes(&self, key: &str) -> Option<&Hidden<Vec<u8>>> {
        self.values.get(key)
    }

    /// The text under `key`; `None` too when it is not UTF-8.
    pub fn text(&self, key: &str) -> Option<Hidden<String>> {
        let bytes = self.values.get(key)?;
        String::from_utf8(bytes.expose().clone())
            .ok()
            .map(Hidden::new)
    }

    /// The names of the keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

/// Reads a Secret.
///
/// # Errors
/// [`ClusterError::NotFound`] when there is none, others when the API server does not answer well.
pub async fn secret(client: &Client, key: &ObjectKey) -> Result<SecretData, ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &key.namespace);
    let secret = api
        .get(&key.name)
        .await
        .map_err(|error| ClusterError::of("Secret", key, error))?;
    let values = secret
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name, value.0));
    Ok(SecretData::new(
        secret.type_.as_deref().unwrap_or_default(),
        values,
    ))
}

/// Reads the texts of a ConfigMap.
///
/// # Errors
/// As [`secret`].
pub async fn config_map(
    client: &Client,
    key: &ObjectKey,
) -> Result<BTreeMap<String, String>, ClusterError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &key.namespace);
    let map = api
        .get(&key.name)
        .await
        .map_err(|error| ClusterError::of("ConfigMap", key, error))?;
    Ok(map.data.unwrap_or_default())
}

/// The names of a service account's image pull secrets.
///
/// # Errors
/// As [`secret`].
pub async fn image_pull_secrets(
    client: &Client,
    key: &ObjectKey,
) -> Result<Vec<String>, ClusterError> {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), &key.namespace);
    let account = api
        .get(&key.name)
        .await
        .map_err(|error| ClusterError::of("ServiceAccount", key, error))?;
    let names = account
        .image_pull_secrets
        .unwrap_or_default()
        .into_iter()
        .map(|reference| reference.name);
    Ok(names.filter(|name| !name.is_empty()).collect())
}

/// The annotations of a service account, which say who it is in a cloud.
///
/// # Errors
/// As [`secret`].
pub async fn account_annotations(
    client: &Client,
    key: &ObjectKey,
) -> Result<BTreeMap<String, String>, ClusterError> {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), &key.namespace);
    let account = api
        .get(&key.name)
        .await
        .map_err(|error| ClusterError::of("ServiceAccount", key, error))?;
    Ok(account.metadata.annotations.unwrap_or_default())
}

/// A token of a service account that one audience takes, for as long as the cluster gives by itself.
///
/// # Errors
/// As [`secret`].
pub async fn account_token(
    client: &Client,
    key: &ObjectKey,
    audience: &str,
) -> Result<Hidden, ClusterError> {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), &key.namespace);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: Some(vec![audience.to_owned()]),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = api
        .create_token_request(&key.name, &PostParams::default(), &request)
        .await
        .map_err(|error| ClusterError::of("ServiceAccount", key, error))?;
    let token = answer.status.and_then(|status| status.token);
    Ok(Hidden::new(token.unwrap_or_default()))
}

/// The labels of a namespace, which access lists are matched against.
///
/// # Errors
/// As [`secret`].
pub async fn namespace_labels(
    client: &Client,
    name: &str,
) -> Result<BTreeMap<String, String>, ClusterError> {
    let api: Api<Namespace> = Api::all(client.clone());
    let key = ObjectKey::new("", name);
    let namespace = api
        .get(name)
        .await
        .map_err(|error| ClusterError::of("Namespace", &key, error))?;
    Ok(namespace.metadata.labels.unwrap_or_default())
}

/// Whether a service account is there.
///
/// # Errors
/// As [`secret`]; [`ClusterError::NotFound`] when it is not there.
pub async fn require_service_account(client: &Client, key: &ObjectKey) -> Result<(), ClusterError> {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), &key.namespace);
    api.get(&key.name)
        .await
        .map(drop)
        .map_err(|error| ClusterError::of("ServiceAccount", key, error))
}
