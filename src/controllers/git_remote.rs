//! How a Git server is reached, as a GitRepository says: for fetching and for pushing alike.
//!
//! Invariant: an error names the Secret and the key, never a value; a service account that logs in at a
//! cloud is one of the namespace of the object that asks, as in Flux. What is absent: the rules for what
//! a Secret holds; `git_login` has them.

use super::cloud_access::{CloudAccess, git_login};
use super::git_login::{LoginError, Named, equipped};
use super::registry_access::AccessError;
use super::secrets::{Certificates, Proxy as ProxySecret, SecretError, certificates, proxy};
use crate::adapters::cloud::{AppWay, CloudError};
use crate::adapters::cluster::objects::{SecretData, secret};
use crate::adapters::git::{Auth, GitError, Proxy, Remote};
use crate::api::common::GitReference as WrittenReference;
use crate::api::git_repository::{GitProvider, GitRepositorySpec};
use crate::domain::cloud::Provider;
use crate::domain::cloud::git::GitLogin;
use crate::domain::duration::DurationError;
use crate::domain::git_ref::GitReference;
use crate::domain::github_app::{APP_ID, GitHubApp, GitHubAppError};
use crate::domain::object::ObjectKey;
use crate::domain::redact::SafeUrl;
use kube::Client;
use thiserror::Error;

/// Why a Git server cannot be reached as the specification says. Where Flux has words, they are Flux's.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The URL is none.
    #[error("invalid URL in `spec.url`: {0}")]
    Url(String),
    /// The timeout is none.
    #[error(transparent)]
    Timeout(#[from] DurationError),
    /// The transport is not spoken, or the URL is unusable.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A Secret is of no use.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The login in a Secret is of no use.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// A GitHub App is wanted, and no Secret is named.
    #[error("secretRef with github app data must be specified when provider is set to github")]
    AppWithoutSecret,
    /// A Secret describes no GitHub App, or not all of one.
    #[error(transparent)]
    App(#[from] GitHubAppError),
    /// A Secret describes a GitHub App, and nobody asked for one.
    #[error("secretRef '{0}' has github app data but provider is not set to github")]
    AppWithoutProvider(ObjectKey),
    /// A service account would have to ask the cloud, and that is switched off.
    #[error(
        "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller"
    )]
    GateDisabled,
    /// The cloud gave no login.
    #[error("failed to configure authentication options: {0}")]
    Cloud(Box<AccessError>),
    /// The work was abandoned, since the program ends.
    #[error("the login was not read: {0}")]
    Abandoned(#[from] tokio::task::JoinError),
}

/// What sort of fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The specification itself cannot work.
    Specification,
    /// The provider is configured wrongly: in the specification alone, or in the Secret too.
    Provider {
        /// Whether only a change of the specification can help.
        stalls: bool,
    },
    /// A gate is shut.
    Gate,
    /// The login cannot be had.
    Login,
}

impl RemoteError {
    /// What sort of fault this is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Url(_) | Self::Timeout(_) | Self::Git(_) => Fault::Specification,
            Self::Secret(error) if error.is_unsupported() => Fault::Specification,
            Self::AppWithoutSecret => Fault::Provider { stalls: true },
            Self::App(GitHubAppError::Absent) | Self::AppWithoutProvider(_) => {
                Fault::Provider { stalls: false }
            }
            Self::GateDisabled => Fault::Gate,
            Self::Secret(_)
            | Self::Login(_)
            | Self::App(_)
            | Self::Cloud(_)
            | Self::Abandoned(_) => Fault::Login,
        }
    }
}

impl From<AccessError> for RemoteError {
    fn from(error: AccessError) -> Self {
        Self::Cloud(Box::new(error))
    }
}

impl From<CloudError> for RemoteError {
    fn from(error: CloudError) -> Self {
        AccessError::from(error).into()
    }
}

/// Reads everything `spec` refers to in `namespace`, and asks for the login where a provider gives it:
/// as an object of the namespace `asking`.
///
/// # Errors
/// [`RemoteError`] for the first thing that cannot be read or used.
pub async fn remote(
    client: &Client,
    cloud: &CloudAccess,
    (asking, namespace): (&str, &str),
    spec: &GitRepositorySpec,
) -> Result<Remote, RemoteError> {
    if let GitProvider::Other(_) = spec.provider {
        let hint = "use `generic`, `aws`, `azure` or `github`";
        return Err(SecretError::Unsupported {
            field: "spec.provider",
            hint,
        }
        .into());
    }
    let url = SafeUrl::parse(&spec.url).map_err(|error| RemoteError::Url(error.to_string()))?;
    let mut remote = Remote::new(&url)?.with_timeout(spec.timeout()?);
    let named = |name: &str| ObjectKey::new(namespace, name);
    let mut way = None;
    if let Some(reference) = &spec.proxy_secret_ref {
        let proxy = proxy(client, &named(&reference.name)).await?;
        way = Some(proxy.with_login());
        remote = remote.with_proxy(Some(told(proxy)));
    }
    let login = match &spec.secret_ref {
        None => None,
        Some(reference) => {
            let key = named(&reference.name);
            let data = secret(client, &key).await.map_err(SecretError::from)?;
            Some((key, data))
        }
    };
    let given = match provider(&spec.provider) {
        Some(provider) => {
            let account = spec.service_account_name.as_deref();
            if account.is_some() && !cloud.object_level {
                return Err(RemoteError::GateDisabled);
            }
            let place = (provider, url.as_url());
            Some(git_login(client, cloud, place, (asking, account), way.as_ref()).await?)
        }
        None if spec.provider == GitProvider::GitHub => {
            Some(app_login(cloud, login.as_ref(), way.as_ref()).await?)
        }
        None => {
            no_app(login.as_ref())?;
            None
        }
    };
    // Opening a key with its passphrase takes long enough to hold others up.
    let remote = tokio::task::spawn_blocking(move || {
        let named = login.as_ref().map(|(key, data)| Named { key, data });
        equipped(remote, url.as_url(), named.as_ref())
    })
    .await??;
    Ok(match given {
        Some(login) if !remote.is_ssh() => remote
            .known_as(spec.provider.as_str())
            .with_auth(auth(login)),
        _ => remote,
    })
}

/// Drops a login that a server refused, if somebody gave it, so that the next look gets another.
pub fn refused(cloud: &CloudAccess, remote: &Remote) {
    if let Auth::Basic {
        password: secret, ..
    }
    | Auth::Bearer(secret) = remote.auth()
    {
        cloud.logins.refused_token(secret);
    }
}

/// The cloud that gives the login; `None` where it comes from elsewhere.
fn provider(named: &GitProvider) -> Option<Provider> {
    match named {
        GitProvider::Aws => Some(Provider::Aws),
        GitProvider::Azure => Some(Provider::Azure),
        GitProvider::Generic | GitProvider::GitHub | GitProvider::Other(_) => None,
    }
}

fn told(proxy: ProxySecret) -> Proxy {
    let credentials = proxy
        .username
        .map(|user| (user, proxy.password.unwrap_or_default()));
    Proxy {
        url: proxy.address,
        credentials,
    }
}

fn auth(login: GitLogin) -> Auth {
    match login {
        GitLogin::Basic { username, password } => Auth::Basic {
            user: username,
            password,
        },
        GitLogin::Bearer(token) => Auth::Bearer(token),
    }
}

/// The login of the GitHub App that a Secret describes.
async fn app_login(
    cloud: &CloudAccess,
    login: Option<&(ObjectKey, SecretData)>,
    proxy: Option<&SafeUrl>,
) -> Result<GitLogin, RemoteError> {
    let (key, data) = login.ok_or(RemoteError::AppWithoutSecret)?;
    let app = GitHubApp::parse(key, |name| data.bytes(name).cloned())?;
    let Certificates {
        authorities,
        client,
    } = certificates(key, data)?;
    let way = AppWay {
        proxy,
        authorities: authorities.as_deref(),
        certificate: client
            .as_ref()
            .map(|(certificate, key)| (certificate.as_slice(), key)),
    };
    Ok(cloud.logins.app(&app, way).await?)
}

/// Refuses a Secret that describes a GitHub App where none is asked for.
fn no_app(login: Option<&(ObjectKey, SecretData)>) -> Result<(), RemoteError> {
    match login {
        Some((key, data)) if data.bytes(APP_ID).is_some_and(|id| !id.expose().is_empty()) => {
            Err(RemoteError::AppWithoutProvider(key.clone()))
        }
        _ => Ok(()),
    }
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
