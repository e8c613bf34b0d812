//! The keys that a profile of the process gives: its source's, and with them those of its roles.
//!
//! Invariant: profiles are read from files of the process alone, so no object names a file, a role or a program here; each role is
//! asked for with a request that the keys before it sign. What is absent: which source and which roles, which
//! `domain::cloud::profile` decides.

use super::process::SESSION;
use super::{secrets, shown, signed};
use crate::adapters::cloud::error::CloudError;
use crate::adapters::cloud::http::Question;
use crate::adapters::cloud::program::Program;
use crate::adapters::cloud::{CloudLogins, Fresh};
use crate::domain::cloud::aws::{assume_role_with_keys, program_keys, role_keys};
use crate::domain::cloud::endpoint;
use crate::domain::cloud::lifetime::Expiry;
use crate::domain::cloud::profile::{AssumedRole, Chain, KeySource, ProfileError, Profiles};
use crate::domain::cloud::signature::{AccessKeys, Scope};
use crate::domain::redact::{SafeUrl, Secret};
use jiff::Timestamp;
use reqwest::Method;
use std::time::Duration;
use url::form_urlencoded::Serializer;

/// How long a program may take to print keys, as in Amazon's libraries.
const PROGRAM_TIME: Duration = Duration::from_secs(60);
/// What the body of a request to the Security Token Service is.
const FORM: &str = "application/x-www-form-urlencoded";

impl CloudLogins {
    /// The profile that is named, or the default one; where there is none, the process's surroundings count.
    pub(super) async fn profile(&self) -> Result<Chain, CloudError> {
        let variable = |name| self.environment.get(name);
        let named = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
        let credentials = self
            .environment
            .own_file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")
            .await?;
        let config = self
            .environment
            .own_file("AWS_CONFIG_FILE", ".aws/config")
            .await?;
        let found = Profiles::parse(&credentials, &config).chain(named.unwrap_or("default"));
        match (found, named) {
            (Err(ProfileError::Unknown(name)), Some(_)) => Err(CloudError::Setting {
                name: "AWS_PROFILE",
                reason: ProfileError::Unknown(name).to_string(),
            }),
            (Err(ProfileError::Unknown(_)), None) => Ok(Chain {
                source: KeySource::Surroundings,
                roles: Vec::new(),
            }),
            (found, _) => Ok(found?),
        }
    }

    /// The keys at the end of a chain.
    pub(super) async fn chain_keys(
        &self,
        region: &str,
        proxy: Option<&SafeUrl>,
        chain: Chain,
    ) -> Fresh<AccessKeys> {
        let mut found = self.source_keys(region, proxy, chain.source).await?;
        for role in &chain.roles {
            found = self.assumed(region, proxy, role, &found.0).await?;
        }
        Ok(found)
    }

    async fn source_keys(
        &self,
        region: &str,
        proxy: Option<&SafeUrl>,
        source: KeySource,
    ) -> Fresh<AccessKeys> {
        match source {
            KeySource::Keys(keys) => Ok((keys, Expiry::Never)),
            KeySource::WebIdentity {
                arn,
                token_file,
                session,
            } => {
                let token = self.environment.file("AWS_PROFILE", &token_file).await?;
                let token = Secret::new(token.trim().to_owned());
                let session = session.as_deref().unwrap_or(SESSION);
                self.role(region, proxy, &arn, session, &token).await
            }
            KeySource::SingleSignOn(login) => self.single_sign_on(&login, proxy).await,
            KeySource::Program { profile, command } => {
                self.program_keys(&profile, command.expose()).await
            }
            KeySource::Environment => {
                let keys = self.variable_keys().ok_or_else(|| CloudError::Setting {
                    name: "AWS_ACCESS_KEY_ID",
                    reason: "it is not set with `AWS_SECRET_ACCESS_KEY`, but the profile's `credential_source` is `Environment`".to_owned(),
                });
                Ok((keys?, Expiry::Never))
            }
            KeySource::Container => {
                let url = self.container_url()?.ok_or_else(|| CloudError::Setting {
                    name: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                    reason: "it is not set, nor is `AWS_CONTAINER_CREDENTIALS_FULL_URI`, but the profile's `credential_source` is `EcsContainer`".to_owned(),
                })?;
                self.container_keys(url).await
            }
            KeySource::Instance => self.metadata_keys().await,
            KeySource::Surroundings => self.surrounding_keys().await,
        }
    }

    /// The keys of a role, for somebody's keys.
    async fn assumed(
        &self,
        region: &str,
        proxy: Option<&SafeUrl>,
        role: &AssumedRole,
        keys: &AccessKeys,
    ) -> Fresh<AccessKeys> {
        let usual = endpoint::sts(region, self.variant());
        let url = self.endpoint("AWS_ENDPOINT_URL_STS", &usual)?;
        let client = self.clients.outward(&url, proxy)?;
        let place = format!("`{}` (keys of the role `{}`)", shown(&url), role.arn);
        let form = assume_role_with_keys(role, SESSION);
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let scope = Scope {
            region,
            service: "sts",
            at: Timestamp::now(),
        };
        let request = client.request(Method::POST, url.clone());
        let headers = [("content-type", FORM)];
        let question = Question {
            place: place.clone(),
            request: signed(request, &url, keys, &headers, &body, scope)?,
            secrets: secrets(keys),
        };
        role_keys(&question.ask().await?).map_err(|problem| CloudError::Answer { place, problem })
    }

    /// The keys that the program of a profile prints.
    async fn program_keys(&self, profile: &str, command: &[String]) -> Fresh<AccessKeys> {
        let program = Program {
            words: command,
            what: format!("the `credential_process` of the profile `{profile}`"),
            time: PROGRAM_TIME,
            variables: Vec::new(),
            folder: None,
        };
        let printed = self.environment.run(&program).await;
        let printed = printed.map_err(|problem| program.error(problem))?;
        let (keys, end) = program_keys(&printed).map_err(|problem| program.unusable(problem))?;
        if matches!(end, Expiry::At(end) if end <= Timestamp::now()) {
            return Err(CloudError::Ended {
                what: format!("{}: its keys have ended", program.place()),
                hint: "log in anew where the program takes them from",
            });
        }
        Ok((keys, end))
    }
}
