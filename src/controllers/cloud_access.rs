//! Logins that clouds give: to the process, or to a service account of the object's namespace.
//!
//! Invariant: a service account is asked for a token only when the feature gate is on, and only in the
//! object's own namespace. What is absent: how clouds are asked.

use super::registry_access::AccessError;
use crate::adapters::cloud::{Account, CacheLimits, CloudLogins, Environment, TokenSource, Who};
use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::objects::{account_annotations, account_token};
use crate::domain::cloud::git::GitLogin;
use crate::domain::cloud::{Identity, Provider};
use crate::domain::docker_config::Credentials;
use crate::domain::object::ObjectKey;
use crate::domain::redact::{SafeUrl, Secret};
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::Client;
use std::time::Duration;
use url::Url;

/// Flux's bounds when no flag says otherwise.
const USUAL: CacheLimits = CacheLimits {
    most: 100,
    longest: Duration::from_secs(60 * 60),
};
/// Flux's words for an object whose namespace lacks the account that a flag names.
const LOCKED_DOWN: &str = "the specified default service account does not exist in the object namespace. your cluster is subject to multi-tenant workload identity lockdown, reach out to your cluster administrator for help";

/// The clouds, and who may ask them.
pub struct CloudAccess {
    /// The clouds.
    pub logins: CloudLogins,
    /// Whether service accounts may: Flux's gate `ObjectLevelWorkloadIdentity`.
    pub object_level: bool,
    /// The service account of objects that name none; empty for the process itself. It counts only with
    /// the gate.
    pub default_service_account: String,
}

impl CloudAccess {
    /// For the command line: whoever runs it may do what the cluster lets them.
    pub fn of_person() -> Self {
        Self {
            logins: CloudLogins::new(Environment::of_process().of_a_person(), USUAL),
            object_level: true,
            default_service_account: String::new(),
        }
    }

    /// The service account that asks for an object of `namespace`; `None` for the process itself.
    fn account(&self, namespace: &str, named: Option<&str>) -> Option<Asking> {
        let default = Some(self.default_service_account.as_str());
        let default = default.filter(|name| self.object_level && !name.is_empty());
        let named = named.filter(|name| !name.is_empty());
        named.or(default).map(|name| Asking {
            account: ObjectKey::new(namespace, name),
            by_default: named.is_none(),
        })
    }
}

/// A service account that asks for an object.
#[derive(Debug, PartialEq, Eq)]
struct Asking {
    account: ObjectKey,
    /// Whether a flag chose it, and not the object.
    by_default: bool,
}

impl Asking {
    /// Why nothing can be read of it.
    fn unreadable(&self, error: &ClusterError) -> AccessError {
        let reason = match self.by_default && error.is_not_found() {
            true => LOCKED_DOWN.to_owned(),
            false => error.to_string(),
        };
        AccessError::Account {
            account: self.account.clone(),
            reason,
        }
    }
}

/// The login of a registry, for an object of `namespace` that perhaps names a service account.
///
/// # Errors
/// [`AccessError`] when nobody may ask, or the cloud gives none.
pub(super) async fn login(
    client: &Client,
    cloud: &CloudAccess,
    (provider, host): (Provider, &str),
    (namespace, account): (&str, Option<&str>),
    proxy: Option<&SafeUrl>,
) -> Result<Credentials, AccessError> {
    let registry = cloud.logins.registry(provider, host).await?;
    let Some((key, identity)) = identified(client, cloud, provider, (namespace, account)).await?
    else {
        return Ok(cloud.logins.login(&registry, Who::Process, proxy).await?);
    };
    let tokens: &TokenSource<'_> = &|audience| token(client, key.clone(), audience);
    let account = Account {
        key: key.clone(),
        identity,
        tokens,
    };
    let who = Who::Account(&account);
    Ok(cloud.logins.login(&registry, who, proxy).await?)
}

/// The login of a Git server, for an object of `namespace` and a GitRepository that perhaps names a
/// service account.
///
/// # Errors
/// As [`login`].
pub(super) async fn git_login(
    client: &Client,
    cloud: &CloudAccess,
    (provider, url): (Provider, &Url),
    asking: (&str, Option<&str>),
    proxy: Option<&SafeUrl>,
) -> Result<GitLogin, AccessError> {
    let Some((key, identity)) = identified(client, cloud, provider, asking).await? else {
        return Ok(cloud.logins.git(provider, url, Who::Process, proxy).await?);
    };
    let tokens: &TokenSource<'_> = &|audience| token(client, key.clone(), audience);
    let account = Account {
        key: key.clone(),
        identity,
        tokens,
    };
    let who = Who::Account(&account);
    Ok(cloud.logins.git(provider, url, who, proxy).await?)
}

/// The service account that asks, and who it is in the cloud; `None` for the process itself.
async fn identified(
    client: &Client,
    cloud: &CloudAccess,
    provider: Provider,
    (namespace, account): (&str, Option<&str>),
) -> Result<Option<(ObjectKey, Identity)>, AccessError> {
    let Some(asking) = cloud.account(namespace, account) else {
        return Ok(None);
    };
    let annotations = account_annotations(client, &asking.account)
        .await
        .map_err(|error| asking.unreadable(&error))?;
    match Identity::of_account(provider, &annotations) {
        Ok(identity) => Ok(Some((asking.account, identity))),
        Err(reason) => Err(AccessError::Identity {
            account: asking.account,
            reason,
        }),
    }
}

/// The cluster's token of a service account.
fn token(
    client: &Client,
    key: ObjectKey,
    audience: String,
) -> BoxFuture<'_, Result<Secret, String>> {
    async move {
        let token = account_token(client, &key, &audience).await;
        token.map_err(|error| error.to_string())
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_account_counts_only_with_the_gate() {
        let mut cloud = CloudAccess {
            object_level: false,
            default_service_account: "tenant".to_owned(),
            ..CloudAccess::of_person()
        };
        assert_eq!(cloud.account("apps", None), None);
        cloud.object_level = true;
        for (named, account, by_default) in [
            (None, "tenant", true),
            (Some(""), "tenant", true),
            (Some("own"), "own", false),
        ] {
            let expected = Asking {
                account: ObjectKey::new("apps", account),
                by_default,
            };
            assert_eq!(cloud.account("apps", named), Some(expected));
        }
    }

    #[test]
    fn a_default_account_that_is_not_there_is_told_in_the_words_of_flux() {
        let missing = ClusterError::NotFound {
            kind: "ServiceAccount".to_owned(),
            object: "apps/tenant".to_owned(),
        };
        for (by_default, words) in [
            (
                true,
                "failed to get service account 'apps/tenant': the specified default service account does not exist in the object namespace. ",
            ),
            (
                false,
                "failed to get service account 'apps/tenant': ServiceAccount 'apps/tenant' not found",
            ),
        ] {
            let asking = Asking {
                account: ObjectKey::new("apps", "tenant"),
                by_default,
            };
            let told = asking.unreadable(&missing).to_string();
            assert!(told.starts_with(words), "{told}");
        }
    }
}
