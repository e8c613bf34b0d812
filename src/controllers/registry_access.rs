//! How a registry is reached, as an ImageRepository says: for scans and for digests alike.
//!
//! Invariant: where several Secrets hold a login, the kubelet's rules decide which is used; where a cloud
//! gives the login, Secrets are not asked. What is absent: keeping any of it.

use super::cloud_access::{CloudAccess, login};
use super::secrets::{SecretError, proxy, required_certificates};
use crate::adapters::cloud::CloudError;
use crate::adapters::cluster::objects::{SecretData, image_pull_secrets, secret};
use crate::adapters::metrics::Metrics;
use crate::adapters::registry::{
    Access, ClientCertificate, Occurrence, Proxy, RegistryClient, Tls,
};
use crate::api::image_repository::{ImageRepositorySpec, RegistryProvider};
use crate::domain::cloud::{IdentityError, Provider};
use crate::domain::docker_config::{Credentials, DockerConfig};
use crate::domain::image::ImageName;
use crate::domain::object::ObjectKey;
use crate::domain::registry_settings::RegistrySettings;
use kube::Client;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The keys of Secrets that hold logins.
const DOCKER_KEYS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];

/// Why a registry cannot be reached as the specification says. Where Flux has words, they are Flux's.
#[derive(Debug, Error)]
pub enum AccessError {
    /// A Secret, or a service account with image pull secrets, is of no use.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// One of the image pull secrets of a service account is of no use.
    #[error("failed to get image pull secret for serviceaccount '{account}': {reason}")]
    PullSecret {
        /// Its namespace and name.
        account: ObjectKey,
        /// Why.
        reason: SecretError,
    },
    /// A service account would have to ask the cloud, and that is switched off.
    #[error(
        "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller"
    )]
    GateDisabled,
    /// The service account that would have to ask the cloud cannot be read.
    #[error("failed to get service account '{account}': {reason}")]
    Account {
        /// Its namespace and name.
        account: ObjectKey,
        /// Why.
        reason: String,
    },
    /// The service account is nobody in the cloud.
    #[error(
        "failed to get provider identity from service account '{account}' annotations: {reason}"
    )]
    Identity {
        /// Its namespace and name.
        account: ObjectKey,
        /// Why.
        reason: IdentityError,
    },
    /// The cloud gave no login.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// All of it took too long.
    #[error("no login within {0:?}")]
    Timeout(Duration),
}

/// The client of every registry, whose requests are counted.
pub fn client(settings: RegistrySettings, metrics: &Arc<Metrics>) -> RegistryClient {
    let metrics = Arc::clone(metrics);
    let count = move |occurrence: Occurrence<'_>| match occurrence {
        Occurrence::Answer { host, kind, status } => {
            metrics.registry_answered(host, kind, Some(status));
        }
        Occurrence::NoAnswer { host, kind } => metrics.registry_answered(host, kind, None),
        Occurrence::HeldBack { host, kind } => metrics.registry_held_back(host, kind),
        Occurrence::Pause { host, wait } => metrics.registry_paused(host, wait),
        Occurrence::Received { host, kind, bytes } => metrics.registry_received(host, kind, bytes),
        Occurrence::Shared { host } => metrics.registry_shared(host),
    };
    RegistryClient::new()
        .with_settings(settings)
        .with_observer(Arc::new(count))
}

/// Reads everything `spec` refers to in `namespace`, and asks `cloud` for the login where one is named.
///
/// # Errors
/// [`AccessError`] for the first thing that cannot be read or used.
pub async fn access(
    client: &Client,
    cloud: &CloudAccess,
    namespace: &str,
    spec: &ImageRepositorySpec,
    image: &ImageName,
    timeout: Duration,
) -> Result<Access, AccessError> {
    let named = |name: &str| ObjectKey::new(namespace, name);
    let mut access = Access {
        insecure: spec.insecure,
        ..Access::anonymous(timeout)
    };
    let provider = provider(spec)?;
    if provider.is_some() && spec.service_account_name.is_some() && !cloud.object_level {
        return Err(AccessError::GateDisabled);
    }
    let mut way = None;
    if let Some(reference) = &spec.proxy_secret_ref {
        let proxy = proxy(client, &named(&reference.name)).await?;
        way = Some(proxy.with_login());
        access.proxy = Some(Proxy {
            address: proxy.address,
            username: proxy.username,
            password: proxy.password,
        });
    }
    if let Some(reference) = &spec.cert_secret_ref {
        let key = named(&reference.name);
        let read = required_certificates(&key, &read(client, &key).await?)?;
        let client = read
            .client
            .map(|(certificate_pem, key_pem)| ClientCertificate {
                certificate_pem,
                key_pem,
            });
        access.tls = Tls {
            ca_pem: read.authorities,
            client,
        };
    }
    access.credentials = match provider {
        None => credentials(client, namespace, spec, image).await?,
        Some(provider) => {
            let account = spec.service_account_name.as_deref();
            let asking = login(
                client,
                cloud,
                (provider, image.registry()),
                (namespace, account),
                way.as_ref(),
            );
            let begun = tokio::time::Instant::now();
            let login = tokio::time::timeout(timeout, asking).await;
            // One time for all of it, as in Flux. Fractions of seconds would only make odd messages.
            let spent = Duration::from_secs(begun.elapsed().as_secs());
            access.timeout = timeout.saturating_sub(spent);
            login.map_err(|_| AccessError::Timeout(timeout))??
        }
    };
    Ok(access)
}

/// The cloud that gives the login; `None` where Secrets do.
///
/// # Errors
/// [`SecretError::Unsupported`] for a provider that nobody knows.
pub fn provider(spec: &ImageRepositorySpec) -> Result<Option<Provider>, SecretError> {
    match &spec.provider {
        RegistryProvider::Generic => Ok(None),
        RegistryProvider::Aws => Ok(Some(Provider::Aws)),
        RegistryProvider::Azure => Ok(Some(Provider::Azure)),
        RegistryProvider::Gcp => Ok(Some(Provider::Gcp)),
        RegistryProvider::Other(_) => Err(SecretError::Unsupported {
            field: "spec.provider",
            hint: "use `generic`, `aws`, `azure` or `gcp`",
        }),
    }
}

async fn read(client: &Client, key: &ObjectKey) -> Result<SecretData, SecretError> {
    Ok(secret(client, key).await?)
}

async fn credentials(
    client: &Client,
    namespace: &str,
    spec: &ImageRepositorySpec,
    image: &ImageName,
) -> Result<Credentials, AccessError> {
    let mut logins = DockerConfig::default();
    if let Some(reference) = &spec.secret_ref {
        let key = ObjectKey::new(namespace, &reference.name);
        logins.merge(docker_config(&key, &read(client, &key).await?)?);
    }
    if let Some(name) = &spec.service_account_name {
        let account = ObjectKey::new(namespace, name);
        for name in image_pull_secrets(client, &account)
            .await
            .map_err(SecretError::from)?
        {
            let key = ObjectKey::new(namespace, name);
            let pull = pull_secret(client, &key).await;
            logins.merge(pull.map_err(|reason| AccessError::PullSecret {
                account: account.clone(),
                reason,
            })?);
        }
    }
    Ok(logins.credentials_for(&format!("{}/{}", image.registry(), image.repository())))
}

/// The logins in a Secret that a service account names. One that holds none is passed over, as the
/// kubelet does: accounts have Secrets for other things too.
async fn pull_secret(client: &Client, key: &ObjectKey) -> Result<DockerConfig, SecretError> {
    let data = read(client, key).await?;
    match data.keys().any(|name| DOCKER_KEYS.contains(&name)) {
        true => docker_config(key, &data),
        false => Ok(DockerConfig::default()),
    }
}

/// The logins in a Secret of either type that the kubelet knows.
fn docker_config(key: &ObjectKey, data: &SecretData) -> Result<DockerConfig, SecretError> {
    let parsed = match (data.bytes(".dockerconfigjson"), data.bytes(".dockercfg")) {
        (Some(bytes), _) => DockerConfig::parse(bytes.expose()),
        (None, Some(bytes)) => DockerConfig::parse_legacy(bytes.expose()),
        (None, None) => {
            return Err(SecretError::content(
                key,
                "neither `.dockerconfigjson` nor `.dockercfg` is there",
            ));
        }
    };
    parsed.map_err(|error| SecretError::content(key, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_without_a_login_is_refused_by_its_keys() {
        let key = ObjectKey::new("apps", "login");
        let data = SecretData::new("Opaque", [("token".to_owned(), b"planted-secret".to_vec())]);
        let error = docker_config(&key, &data).expect_err("there is no login");
        assert_eq!(
            error.to_string(),
            "secret 'apps/login': neither `.dockerconfigjson` nor `.dockercfg` is there"
        );
    }

    #[test]
    fn an_invalid_login_is_refused_without_its_content() {
        let key = ObjectKey::new("apps", "login");
        let data = SecretData::new(
            "kubernetes.io/dockerconfigjson",
            [(".dockerconfigjson".to_owned(), b"planted-secret".to_vec())],
        );
        let error = docker_config(&key, &data)
            .expect_err("it is not JSON")
            .to_string();
        assert!(
            error.starts_with("secret 'apps/login': ") && !error.contains("planted"),
            "{error}"
        );
    }
}
