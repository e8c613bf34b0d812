//! Logins that clouds give: to the process, or to a service account of the object's namespace.
//!
//! Invariant: a service account is asked for a token only when the feature gate is on, and only in the
//! object's own namespace. What is absent: how clouds are asked.

use super::registry_access::AccessError;
use crate::adapters::cloud::{Account, CacheLimits, CloudLogins, Environment, TokenSource, Who};
use crate::adapters::cluster::objects::{account_annotations, account_token};
use crate::domain::cloud::{Identity, Provider};
use crate::domain::docker_config::Credentials;
use crate::domain::object::ObjectKey;
use crate::domain::redact::SafeUrl;
use futures::FutureExt;
use kube::Client;
use std::time::Duration;

/// Flux's bounds when no flag says otherwise.
const USUAL: CacheLimits = CacheLimits {
    most: 100,
    longest: Duration::from_secs(60 * 60),
};

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
            logins: CloudLogins::new(Environment::of_process(), USUAL),
            object_level: true,
            default_service_account: String::new(),
        }
    }

    /// The service account that asks for an object of `namespace`; `None` for the process itself.
    fn account(&self, namespace: &str, named: Option<&str>) -> Option<ObjectKey> {
        let default = Some(self.default_service_account.as_str());
        let default = default.filter(|name| self.object_level && !name.is_empty());
        named
            .filter(|name| !name.is_empty())
            .or(default)
            .map(|name| ObjectKey::new(namespace, name))
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
    let Some(key) = cloud.account(namespace, account) else {
        return Ok(cloud.logins.login(&registry, Who::Process, proxy).await?);
    };
    let annotations =
        account_annotations(client, &key)
            .await
            .map_err(|reason| AccessError::Account {
                account: key.clone(),
                reason,
            })?;
    let identity = Identity::of_account(provider, &annotations);
    let identity = identity.map_err(|reason| AccessError::Identity {
        account: key.clone(),
        reason,
    })?;
    let tokens: &TokenSource<'_> = &|audience: String| {
        let key = key.clone();
        async move {
            let token = account_token(client, &key, &audience).await;
            token.map_err(|error| error.to_string())
        }
        .boxed()
    };
    let account = Account {
        key: key.clone(),
        identity,
        tokens,
    };
    let who = Who::Account(&account);
    Ok(cloud.logins.login(&registry, who, proxy).await?)
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
        let account = |named| cloud.account("apps", named);
        assert_eq!(account(None), Some(ObjectKey::new("apps", "tenant")));
        assert_eq!(account(Some("")), Some(ObjectKey::new("apps", "tenant")));
        assert_eq!(account(Some("own")), Some(ObjectKey::new("apps", "own")));
    }
}
