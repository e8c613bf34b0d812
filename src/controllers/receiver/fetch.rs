//! Reads what a Receiver refers to: its Secret.

use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::objects::{SecretData, secret};
use crate::api::Receiver;
use crate::domain::object::ObjectKey;
use crate::domain::redact::Secret;
use kube::Client;
use thiserror::Error;

/// Why there is no token. The words are Flux's.
#[derive(Debug, Error)]
pub(super) enum TokenError {
    /// The Secret cannot be read.
    #[error("unable to read token from secret '{secret}' error: {source}")]
    Unreadable {
        secret: ObjectKey,
        source: ClusterError,
    },
    /// The Secret has no token, or an empty one, which everybody would know.
    #[error("invalid '{0}' secret data: required fields 'token'")]
    Missing(ObjectKey),
}

/// The token of a Receiver and all that stands beside it; nothing for a type that needs no Secret.
pub(super) async fn token(
    client: &Client,
    object: &Receiver,
) -> Result<(Secret<Vec<u8>>, SecretData), TokenError> {
    let Some(reference) = &object.spec.secret_ref else {
        return Ok((Secret::default(), SecretData::default()));
    };
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let key = ObjectKey::new(namespace, &reference.name);
    let data = match secret(client, &key).await {
        Ok(data) => data,
        Err(source) => {
            return Err(TokenError::Unreadable {
                secret: key,
                source,
            });
        }
    };
    let token = data
        .bytes("token")
        .filter(|token| !token.expose().is_empty())
        .cloned();
    token
        .map(|token| (token, data))
        .ok_or(TokenError::Missing(key))
}
