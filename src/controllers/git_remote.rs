//! How a Git server is reached, as a GitRepository says: for fetching and for pushing alike.
//!
//! Invariant: an error names the Secret and the key, never a value. What is absent: ssh and the
//! logins of forges and clouds.

use super::secrets::{SecretError, certificates, proxy};
use crate::adapters::cluster::objects::{SecretData, secret};
use crate::adapters::git::{Auth, ClientCertificate, GitError, Proxy, Remote};
use crate::api::common::GitReference as WrittenReference;
use crate::api::git_repository::{GitProvider, GitRepositorySpec};
use crate::domain::duration::DurationError;
use crate::domain::git_ref::GitReference;
use crate::domain::object::ObjectKey;
use crate::domain::redact::SafeUrl;
use kube::Client;
use thiserror::Error;

/// Why a Git server cannot be reached as the specification says.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The URL is none.
    #[error("invalid URL in `spec.url`: {0}")]
    Url(String),
    /// The timeout is none.
    #[error(transparent)]
    Timeout(#[from] DurationError),
    /// The transport is not there yet, or the URL is unusable.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A Secret is of no use.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl RemoteError {
    /// Whether only a change of the specification can help.
    pub fn is_stalling(&self) -> bool {
        match self {
            Self::Url(_) | Self::Timeout(_) | Self::Git(_) => true,
            Self::Secret(error) => error.is_unsupported(),
        }
    }
}

/// Reads everything `spec` refers to in `namespace`.
///
/// # Errors
/// [`RemoteError`] for the first thing that cannot be read or used.
pub async fn remote(
    client: &Client,
    namespace: &str,
    spec: &GitRepositorySpec,
) -> Result<Remote, RemoteError> {
    if spec.provider != GitProvider::Generic {
        let hint = "use `generic` with a `secretRef`";
        return Err(SecretError::Unsupported {
            field: "spec.provider",
            hint,
        }
        .into());
    }
    let url = SafeUrl::parse(&spec.url).map_err(|error| RemoteError::Url(error.to_string()))?;
    let mut remote = Remote::new(&url)?.with_timeout(spec.timeout()?);
    let named = |name: &str| ObjectKey::new(namespace, name);
    if let Some(reference) = &spec.secret_ref {
        let key = named(&reference.name);
        let data = secret(client, &key).await.map_err(SecretError::from)?;
        if let Some(auth) = login(&key, &data)? {
            remote = remote.with_auth(auth);
        }
        let read = certificates(&key, &data)?;
        if let Some(pem) = read.authorities {
            remote = remote.with_ca(pem);
        }
        if let Some((certificate_pem, key_pem)) = read.client {
            remote = remote.with_client_certificate(ClientCertificate {
                certificate_pem,
                key_pem,
            });
        }
    }
    if let Some(reference) = &spec.proxy_secret_ref {
        let proxy = proxy(client, &named(&reference.name)).await?;
        let credentials = proxy
            .username
            .map(|user| (user, proxy.password.unwrap_or_default()));
        remote = remote.with_proxy(Some(Proxy {
            url: proxy.address,
            credentials,
        }));
    }
    Ok(remote)
}

/// A reference as a specification writes it, for the domain to check.
pub fn reference(written: Option<&WrittenReference>) -> GitReference {
    let Some(written) = written.cloned() else {
        return GitReference::default();
    };
    GitReference {
        branch: written.branch,
        tag: written.tag,
        semver: written.semver,
        name: written.name,
        commit: written.commit,
    }
}

/// The login in a Secret, `bearerToken` before `username` and `password`, as Flux has it.
fn login(key: &ObjectKey, data: &SecretData) -> Result<Option<Auth>, SecretError> {
    let present = |name| data.text(name).filter(|value| !value.expose().is_empty());
    if let Some(token) = present("bearerToken") {
        return Ok(Some(Auth::Bearer(token)));
    }
    match (present("username"), present("password")) {
        (Some(user), Some(password)) => Ok(Some(Auth::Basic {
            user: user.expose().clone(),
            password,
        })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(SecretError::content(
            key,
            "`username` comes without `password`",
        )),
        (None, Some(_)) => Err(SecretError::content(
            key,
            "`password` comes without `username`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<Option<Auth>, String> {
        let values = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        login(
            &ObjectKey::new("apps", "git"),
            &SecretData::new("Opaque", values),
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn a_bearer_token_is_used_before_a_password() {
        assert!(matches!(
            read(&[("bearerToken", "t"), ("username", "u"), ("password", "p")]),
            Ok(Some(Auth::Bearer(_)))
        ));
        assert!(matches!(
            read(&[("username", "u"), ("password", "p")]),
            Ok(Some(Auth::Basic { .. }))
        ));
        assert!(matches!(read(&[("ca.crt", "pem")]), Ok(None)));
    }

    #[test]
    fn half_a_login_is_refused_without_its_value() {
        let error = read(&[("password", "planted-secret")]).expect_err("the user is missing");
        assert_eq!(
            error,
            "secret 'apps/git': `password` comes without `username`"
        );
    }
}
