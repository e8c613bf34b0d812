//! Who the process is for Amazon: its variables, its profile, its Pod, its node.
//!
//! Invariant: places are tried in the order of Amazon's library for Go: variables, a web identity (IRSA), a
//! profile in a file, and where that says nothing of keys the container's endpoint (EKS Pod Identity, ECS) and
//! the instance's metadata. What is absent: those places themselves, and codes of a second factor.

use crate::adapters::cloud::{CloudLogins, Fresh};
use crate::domain::cloud::lifetime::Expiry;
use crate::domain::cloud::signature::AccessKeys;
use crate::domain::redact::{SafeUrl, Secret};

/// The name of the process's sessions when none is given.
pub(super) const SESSION: &str = "highwater";

impl CloudLogins {
    /// The keys of the process.
    pub(super) async fn process_keys(
        &self,
        region: &str,
        proxy: Option<&SafeUrl>,
    ) -> Fresh<AccessKeys> {
        if let Some(keys) = self.variable_keys() {
            return Ok((keys, Expiry::Never));
        }
        let variable = |name| self.environment.get(name);
        if let (Some(file), Some(arn)) = (
            variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
            variable("AWS_ROLE_ARN"),
        ) {
            let token = self
                .environment
                .file("AWS_WEB_IDENTITY_TOKEN_FILE", file)
                .await?;
            let token = Secret::new(token.trim().to_owned());
            let session = variable("AWS_ROLE_SESSION_NAME").unwrap_or(SESSION);
            return self.role(region, proxy, arn, session, &token).await;
        }
        let chain = self.profile().await?;
        self.chain_keys(region, proxy, chain).await
    }

    /// The keys that variables hold.
    pub(in crate::adapters::cloud) fn variable_keys(&self) -> Option<AccessKeys> {
        let variable = |name| self.environment.get(name).map(str::to_owned);
        Some(AccessKeys {
            id: variable("AWS_ACCESS_KEY_ID")?,
            secret: Secret::new(variable("AWS_SECRET_ACCESS_KEY")?),
            session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
        })
    }
}
