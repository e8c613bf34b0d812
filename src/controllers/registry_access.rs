//! How a registry is reached, as an ImageRepository says: for scans and for digests alike.
//!
//! Invariant: where several Secrets hold a login, the kubelet's rules decide which is used.
//! What is absent: cloud logins.

use super::secrets::{SecretError, certificates, proxy};
use crate::adapters::cluster::objects::{SecretData, image_pull_secrets, secret};
use crate::adapters::metrics::Metrics;
use crate::adapters::registry::{
    Access, ClientCertificate, Occurrence, Proxy, RegistryClient, Tls,
};
use crate::api::image_repository::{ImageRepositorySpec, RegistryProvider};
use crate::domain::docker_config::{Credentials, DockerConfig};
use crate::domain::image::ImageName;
use crate::domain::object::ObjectKey;
use crate::domain::registry_settings::RegistrySettings;
use kube::Client;
use std::sync::Arc;
use std::time::Duration;

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

/// Reads everything `spec` refers to in `namespace`.
///
/// # Errors
/// [`SecretError`] for the first object that cannot be read or used.
pub async fn access(
    client: &Client,
    namespace: &str,
    spec: &ImageRepositorySpec,
    image: &ImageName,
    timeout: Duration,
) -> Result<Access, SecretError> {
    if spec.provider != RegistryProvider::Generic {
        let hint = "use `generic` with a `secretRef`";
        return Err(SecretError::Unsupported {
            field: "spec.provider",
            hint,
        });
    }
    let named = |name: &str| ObjectKey::new(namespace, name);
    let mut access = Access {
        insecure: spec.insecure,
        ..Access::anonymous(timeout)
    };
    if let Some(reference) = &spec.proxy_secret_ref {
        let proxy = proxy(client, &named(&reference.name)).await?;
        access.proxy = Some(Proxy {
            address: proxy.address,
            username: proxy.username,
            password: proxy.password,
        });
    }
    if let Some(reference) = &spec.cert_secret_ref {
        let key = named(&reference.name);
        let read = certificates(&key, &secret(client, &key).await?)?;
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
    access.credentials = credentials(client, namespace, spec, image).await?;
    Ok(access)
}

async fn credentials(
    client: &Client,
    namespace: &str,
    spec: &ImageRepositorySpec,
    image: &ImageName,
) -> Result<Credentials, SecretError> {
    let mut names: Vec<String> = spec
        .secret_ref
        .iter()
        .map(|reference| reference.name.clone())
        .collect();
    if let Some(account) = &spec.service_account_name {
        names.extend(image_pull_secrets(client, &ObjectKey::new(namespace, account)).await?);
    }
    let mut logins = DockerConfig::default();
    for name in names {
        let key = ObjectKey::new(namespace, name);
        logins.merge(docker_config(&key, &secret(client, &key).await?)?);
    }
    Ok(logins.credentials_for(&format!("{}/{}", image.registry(), image.repository())))
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
