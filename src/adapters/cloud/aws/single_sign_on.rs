//! Keys of a role in IAM Identity Center, for the token that `aws sso login` left.
//!
//! Invariant: the token's file is read and never written; one that has ended is renewed for this process alone. What is absent:
//! logging in.

use super::shown;
use crate::adapters::cloud::error::CloudError;
use crate::adapters::cloud::http::{Question, joined};
use crate::adapters::cloud::{CloudLogins, Fresh, Who, key};
use crate::domain::cloud::signature::AccessKeys;
use crate::domain::cloud::single_sign_on::{
    CachedToken, Renewal, SingleSignOn, renewed, role_keys,
};
use crate::domain::cloud::{Provider, endpoint};
use crate::domain::redact::{SafeUrl, Secret};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use std::path::Path;

/// Where the token is named in messages.
const PROFILE: &str = "AWS_PROFILE";
/// How a person logs in again.
const HINT: &str = "run `aws sso login`";

impl CloudLogins {
    /// The keys of the role that a login in IAM Identity Center is good for.
    pub(super) async fn single_sign_on(
        &self,
        login: &SingleSignOn,
        proxy: Option<&SafeUrl>,
    ) -> Fresh<AccessKeys> {
        let token = self.sign_on_token(login, proxy).await?;
        let name = "AWS_ENDPOINT_URL_SSO";
        let usual = endpoint::single_sign_on(&login.region, self.variant());
        let base = self.endpoint(name, &usual)?;
        let mut at = joined(name, &base, "federation/credentials")?;
        at.query_pairs_mut()
            .append_pair("account_id", &login.account)
            .append_pair("role_name", &login.role);
        let place = format!("`{}` (keys of the role `{}`)", shown(&at), login.role);
        let unusable = |_| CloudError::Setting {
            name: PROFILE,
            reason: "the token of `aws sso login` cannot stand in a request".to_owned(),
        };
        let mut value = HeaderValue::from_str(token.expose()).map_err(unusable)?;
        value.set_sensitive(true);
        let client = self.clients.outward(&at, proxy)?;
        let question = Question {
            place: place.clone(),
            request: client.get(at).header("x-amz-sso_bearer_token", value),
            secrets: vec![token.expose()],
        };
        let body = question.ask().await.map_err(|error| match error {
            CloudError::Refused { status: 401, .. } => {
                self.tokens.forget(&token);
                ended(error.to_string())
            }
            other => other,
        })?;
        role_keys(&body).map_err(|problem| CloudError::Answer { place, problem })
    }

    /// The token, renewed if it has ended.
    async fn sign_on_token(
        &self,
        login: &SingleSignOn,
        proxy: Option<&SafeUrl>,
    ) -> Result<Secret, CloudError> {
        let home = self.environment.get("HOME").unwrap_or_default();
        let path = format!("{home}/.aws/sso/cache/{}", login.cache_file());
        if !Path::new(&path).is_file() {
            return Err(ended(format!("nobody is logged in: `{path}` is not there")));
        }
        let content = self.environment.file(PROFILE, &path).await?;
        let found = CachedToken::parse(content.as_bytes());
        let found = found.map_err(|problem| CloudError::Setting {
            name: PROFILE,
            reason: format!("`{path}`: {problem}"),
        })?;
        if found.end > Timestamp::now() {
            return Ok(found.token);
        }
        let over = format!("the login of `{path}` ended at {}", found.end);
        // Without a session Amazon gives nothing to renew it with.
        let renewal = found.renewal.filter(|_| login.session.is_some());
        let Some(renewal) = renewal else {
            return Err(ended(over));
        };
        let place = key(Provider::Aws, Who::Process, proxy, &["sso", &path]);
        let renewed = self.tokens.get(place, self.renew(login, &renewal, proxy));
        renewed.await.map_err(|error| match error.is_refused() {
            true => ended(format!("{over} and cannot be renewed: {error}")),
            false => error,
        })
    }

    async fn renew(
        &self,
        login: &SingleSignOn,
        renewal: &Renewal,
        proxy: Option<&SafeUrl>,
    ) -> Fresh<Secret> {
        let name = "AWS_ENDPOINT_URL_SSO_OIDC";
        let usual = endpoint::single_sign_on_tokens(&login.region, self.variant());
        let at = joined(name, &self.endpoint(name, &usual)?, "token")?;
        let place = format!("`{}` (a new token)", shown(&at));
        let client = self.clients.outward(&at, proxy)?;
        let question = Question {
            place: place.clone(),
            request: client
                .post(at)
                .header(CONTENT_TYPE, "application/json")
                .body(renewal.body()),
            secrets: vec![
                renewal.client_secret.expose(),
                renewal.refresh_token.expose(),
            ],
        };
        renewed(&question.ask().await?).map_err(|problem| CloudError::Answer { place, problem })
    }
}

fn ended(what: String) -> CloudError {
    CloudError::Ended { what, hint: HINT }
}
