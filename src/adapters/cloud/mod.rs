//! The clouds that logins of registries and Git servers come from: Amazon, Azure and Google, each over its own HTTP API.
//!
//! Invariants: a login is kept for the one identity that it was given to, until shortly before it ends,
//! and many who want it at once cause one request; what only this machine may see (instance metadata,
//! container credentials) never goes through a proxy that an object names; no answer can exhaust memory
//! or time. What is absent: whose registry a host is (`domain::cloud`), and tokens of the cluster, which
//! the caller hands in.

mod aws;
mod azure;
mod cache;
mod environment;
mod error;
mod gcp;
mod git;
mod http;
mod program;
mod signing;

pub use cache::CacheLimits;
pub use environment::Environment;
pub use error::CloudError;
pub use git::AppWay;

use crate::domain::cloud::lifetime::Expiry;
use crate::domain::cloud::signature::AccessKeys;
use crate::domain::cloud::{CloudRegistry, Identity, LoginCounts, Provider};
use crate::domain::docker_config::Credentials;
use crate::domain::object::ObjectKey;
use crate::domain::redact::{SafeUrl, Secret};
use cache::{Cache, Key};
use futures::future::BoxFuture;
use http::Clients;
use std::fmt;

/// Gives a token of the cluster for an audience, or says in words why there is none.
pub type TokenSource<'a> =
    dyn Fn(String) -> BoxFuture<'a, Result<Secret, String>> + Send + Sync + 'a;

/// A service account of the cluster, and who it is in the cloud.
pub struct Account<'a> {
    /// Its namespace and name.
    pub key: ObjectKey,
    /// Who it is in the cloud.
    pub identity: Identity,
    /// Where its tokens come from.
    pub tokens: &'a TokenSource<'a>,
}

/// As whom a cloud is asked.
#[derive(Clone, Copy)]
pub enum Who<'a> {
    /// As this process: its environment, its Pod, its node.
    Process,
    /// As a service account.
    Account(&'a Account<'a>),
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process => formatter.write_str("the controller"),
            Self::Account(account) => write!(formatter, "service account '{}'", account.key),
        }
    }
}

/// Logins of registries. Share one per process.
pub struct CloudLogins {
    environment: Environment,
    clients: Clients,
    keys: Cache<AccessKeys>,
    tokens: Cache<Secret>,
    logins: Cache<Credentials>,
    cluster: gcp::Cluster,
}

impl CloudLogins {
    /// Logins for whoever `environment` says the process is.
    pub fn new(environment: Environment, limits: CacheLimits) -> Self {
        crate::adapters::tls::install_provider();
        Self {
            environment,
            clients: Clients::default(),
            keys: Cache::new(limits),
            tokens: Cache::new(limits),
            logins: Cache::new(limits),
            cluster: gcp::Cluster::default(),
        }
    }

    /// Reads a registry's host for a provider.
    ///
    /// # Errors
    /// [`CloudError::Host`] when it is not the provider's.
    pub async fn registry(
        &self,
        provider: Provider,
        host: &str,
    ) -> Result<CloudRegistry, CloudError> {
        let custom = match provider {
            Provider::Azure => azure::described(&self.environment).await?,
            Provider::Aws | Provider::Gcp => None,
        };
        Ok(CloudRegistry::parse(provider, host, custom.as_ref())?)
    }

    /// The login of a registry, by way of a proxy if one is given.
    ///
    /// # Errors
    /// [`CloudError`], in the words of the cloud where it has any.
    pub async fn login(
        &self,
        registry: &CloudRegistry,
        who: Who<'_>,
        proxy: Option<&SafeUrl>,
    ) -> Result<Credentials, CloudError> {
        match registry {
            CloudRegistry::Ecr { .. } | CloudRegistry::EcrPublic => {
                self.ecr(registry, who, proxy).await
            }
            CloudRegistry::Acr { host, cloud } => self.acr(host, cloud, who, proxy).await,
            CloudRegistry::Google => {
                let token = self.google_token(who, proxy).await?;
                Ok(crate::domain::cloud::gcp::registry_login(token))
            }
        }
    }

    /// Drops a login that a registry refused, so that the next who wants it gets another.
    pub fn refused(&self, login: &Credentials) {
        self.logins.forget(login);
        if let Credentials::Basic { password, .. } = login {
            // Google's logins are tokens.
            self.tokens.forget(password);
        }
    }

    /// What the caches hold and did.
    pub fn counts(&self) -> LoginCounts {
        self.keys.counts() + self.tokens.counts() + self.logins.counts()
    }

    /// The cluster's token of an account, for the audience that its cloud takes.
    async fn cluster_token(&self, account: &Account<'_>) -> Result<Secret, CloudError> {
        let audience = match account.identity.audience() {
            Some(audience) => audience.to_owned(),
            None => self.gke().await?.pool(),
        };
        (account.tokens)(audience)
            .await
            .map_err(|reason| CloudError::ClusterToken {
                account: account.key.to_string(),
                reason,
            })
    }
}

/// What a cached login depends on: who it was given to, by way of whom, and for what.
fn key(provider: Provider, who: Who<'_>, proxy: Option<&SafeUrl>, what: &[&str]) -> Key {
    let (account, identity) = match who {
        Who::Process => (String::new(), String::new()),
        Who::Account(account) => (account.key.to_string(), format!("{:?}", account.identity)),
    };
    let proxy = proxy.map_or("", |proxy| proxy.as_url().as_str());
    let parts = [provider.as_str(), &account, &identity, proxy];
    Key::of(parts.iter().chain(what))
}

/// A fresh login and when it ends.
type Fresh<T> = Result<(T, Expiry), CloudError>;
