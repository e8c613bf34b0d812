//! Who a service account is in a cloud, as its annotations say.
//!
//! Invariant: what an annotation holds goes into URLs and requests only when it has the form that the
//! cloud gives to such names. What is absent: reading service accounts.

use super::{Provider, aws, azure};
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use thiserror::Error;

/// Amazon's role.
const ROLE: &str = "eks.amazonaws.com/role-arn";
const ROLE_PATTERN: &str = r"^arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}$";
/// Azure's directory and application.
const TENANT: &str = "azure.workload.identity/tenant-id";
const CLIENT: &str = "azure.workload.identity/client-id";
const AZURE_ID_PATTERN: &str = r"^[A-Za-z0-9][A-Za-z0-9.-]{0,127}$";
/// Google's service account, and the pool that knows the cluster where it is not Google's own.
const EMAIL: &str = "iam.gke.io/gcp-service-account";
const EMAIL_PATTERN: &str = r"^[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}\.iam\.gserviceaccount\.com$";
const POOL: &str = "gcp.auth.fluxcd.io/workload-identity-provider";
const POOL_PATTERN: &str = r"^projects/[0-9]{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}$";

/// Who somebody is in a cloud.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A role of Amazon's.
    Role {
        /// Its name, `arn:aws:iam::…:role/…`.
        arn: String,
    },
    /// An application in a directory of Azure's.
    Application {
        /// The directory.
        tenant: String,
        /// The application.
        client: String,
    },
    /// An account of Google's.
    Google {
        /// The service account to act as; the cluster's own identity when there is none.
        email: Option<String>,
        /// `//iam.googleapis.com/projects/…` of the pool that knows the cluster; GKE's own when there
        /// is none.
        pool: Option<String>,
    },
}

/// An annotation that is missing or has another form. The words are Flux's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// It does not look like what it should be.
    #[error("invalid {key} annotation: '{value}'. must match {pattern}")]
    Invalid {
        /// Which.
        key: &'static str,
        /// What it holds; empty when it is not there.
        value: String,
        /// What it should look like.
        pattern: &'static str,
    },
    /// One of Azure's is not there.
    #[error("azure {what} ID is not set in the service account annotation {key}")]
    NotSet {
        /// `tenant` or `client`.
        what: &'static str,
        /// Which.
        key: &'static str,
    },
}

impl Identity {
    /// Reads the annotations of a service account.
    ///
    /// # Errors
    /// [`IdentityError`] for the first that cannot be used.
    pub fn of_account(
        provider: Provider,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Self, IdentityError> {
        let value = |key: &str| annotations.get(key).map(String::as_str).unwrap_or_default();
        match provider {
            Provider::Aws => {
                static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(ROLE_PATTERN));
                let arn = checked(&PATTERN, ROLE, value(ROLE), ROLE_PATTERN)?;
                Ok(Self::Role { arn })
            }
            Provider::Azure => Ok(Self::Application {
                tenant: azure_id("tenant", TENANT, annotations)?,
                client: azure_id("client", CLIENT, annotations)?,
            }),
            Provider::Gcp => Ok(Self::Google {
                email: email(value(EMAIL))?,
                pool: pool(value(POOL))?,
            }),
        }
    }

    /// The audience of the cluster's token that the cloud takes; `None` for Google's own clusters,
    /// which have to be asked for theirs.
    pub fn audience(&self) -> Option<&str> {
        match self {
            Self::Role { .. } => Some(aws::AUDIENCE),
            Self::Application { .. } => Some(azure::AUDIENCE),
            Self::Google { pool, .. } => pool.as_deref(),
        }
    }
}

fn compiled(pattern: &'static str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant that the tests compile")
}

fn checked(
    compiled: &Regex,
    key: &'static str,
    value: &str,
    pattern: &'static str,
) -> Result<String, IdentityError> {
    if compiled.is_match(value) {
        return Ok(value.to_owned());
    }
    Err(IdentityError::Invalid {
        key,
        value: value.chars().take(300).collect(),
        pattern,
    })
}

fn azure_id(
    what: &'static str,
    key: &'static str,
    annotations: &BTreeMap<String, String>,
) -> Result<String, IdentityError> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(AZURE_ID_PATTERN));
    let value = annotations
        .get(key)
        .ok_or(IdentityError::NotSet { what, key })?;
    checked(&PATTERN, key, value, AZURE_ID_PATTERN)
}

fn email(value: &str) -> Result<Option<String>, IdentityError> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(EMAIL_PATTERN));
    if value.is_empty() {
        return Ok(None);
    }
    checked(&PATTERN, EMAIL, value, EMAIL_PATTERN).map(Some)
}

fn pool(value: &str) -> Result<Option<String>, IdentityError> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(POOL_PATTERN));
    if value.is_empty() {
        return Ok(None);
    }
    let name = checked(&PATTERN, POOL, value, POOL_PATTERN)?;
    Ok(Some(format!("//iam.googleapis.com/{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(provider: Provider, pairs: &[(&str, &str)]) -> Result<Identity, IdentityError> {
        let annotations = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Identity::of_account(provider, &annotations)
    }

    #[test]
    fn annotations_name_who_an_account_is() {
        let arn = "arn:aws-cn:iam::123456789012:role/path/reader";
        let found = identity(Provider::Aws, &[(ROLE, arn)]);
        assert_eq!(
            found,
            Ok(Identity::Role {
                arn: arn.to_owned()
            })
        );
        let found = identity(Provider::Azure, &[(TENANT, "t-1"), (CLIENT, "c-1")]);
        let expected = Identity::Application {
            tenant: "t-1".to_owned(),
            client: "c-1".to_owned(),
        };
        assert_eq!(found, Ok(expected));
        let name = "projects/1/locations/global/workloadIdentityPools/p/providers/q";
        let found = identity(
            Provider::Gcp,
            &[(EMAIL, "me@acme.iam.gserviceaccount.com"), (POOL, name)],
        )
        .expect("both are well-formed");
        assert_eq!(
            found.audience(),
            Some(&*format!("//iam.googleapis.com/{name}"))
        );
        let own = identity(Provider::Gcp, &[]).expect("nothing is needed on Google's clusters");
        assert_eq!(own.audience(), None);
    }

    #[test]
    fn an_annotation_that_is_missing_or_malformed_is_told_in_fluxs_words() {
        for (provider, pairs, expected) in [
            (
                Provider::Aws,
                &[][..],
                r"invalid eks.amazonaws.com/role-arn annotation: ''. must match ^arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}$",
            ),
            (
                Provider::Azure,
                &[(CLIENT, "c")],
                "azure tenant ID is not set in the service account annotation azure.workload.identity/tenant-id",
            ),
            (
                Provider::Azure,
                &[(TENANT, "t")],
                "azure client ID is not set in the service account annotation azure.workload.identity/client-id",
            ),
            (
                Provider::Azure,
                &[(TENANT, "../evil"), (CLIENT, "c")],
                "invalid azure.workload.identity/tenant-id annotation: '../evil'. must match ^[A-Za-z0-9][A-Za-z0-9.-]{0,127}$",
            ),
            (
                Provider::Gcp,
                &[(EMAIL, "me@evil.example")],
                r"invalid iam.gke.io/gcp-service-account annotation: 'me@evil.example'. must match ^[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}\.iam\.gserviceaccount\.com$",
            ),
            (
                Provider::Gcp,
                &[(POOL, "projects/x")],
                "invalid gcp.auth.fluxcd.io/workload-identity-provider annotation: 'projects/x'. must match ^projects/[0-9]{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}$",
            ),
        ] {
            let error = identity(provider, pairs).expect_err(expected);
            assert_eq!(error.to_string(), expected);
        }
    }
}
