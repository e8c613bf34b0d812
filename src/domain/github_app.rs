//! A GitHub App, as a Secret describes it: who it is, and for whom it acts.
//!
//! Invariant: a description is whole or refused, in Flux's words, and none of its values is shown. What
//! is absent: reading Secrets, and asking GitHub.

use super::object::ObjectKey;
use super::redact::Secret;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::json;
use thiserror::Error;
use url::Url;

/// The key that says that a Secret describes an App.
pub const APP_ID: &str = "githubAppID";
const OWNER: &str = "githubAppInstallationOwner";
const INSTALLATION: &str = "githubAppInstallationID";
const PRIVATE_KEY: &str = "githubAppPrivateKey";
const BASE_URL: &str = "githubAppBaseURL";
/// GitHub's own API.
const GITHUB: &str = "https://api.github.com/";
/// The user name that goes with a token of an installation.
pub const USER: &str = "x-access-token";
/// How far a clock may be ahead of GitHub's, in seconds.
const DRIFT: i64 = 30;
/// How long an assertion is good, in seconds: it is used at once.
const ASSERTION_LIFE: i64 = 120;

/// For whom an App acts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Installation {
    /// By number.
    Id(u64),
    /// By the name of an organization or a user.
    Owner(String),
}

/// A GitHub App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitHubApp {
    /// Its number.
    pub id: u64,
    /// For whom it acts.
    pub installation: Installation,
    /// Its RSA key, in PEM.
    pub private_key: Secret<String>,
    /// Where GitHub's API is; ends in a slash.
    pub base: Url,
}

/// Why a Secret does not describe an App. The words are Flux's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GitHubAppError {
    /// There is nothing of an App in it.
    #[error("secretRef with github app data must be specified when provider is set to github")]
    Absent,
    /// A key is missing.
    #[error("secret '{secret}': key '{key}' not found")]
    Missing {
        /// Its namespace and name.
        secret: ObjectKey,
        /// The key.
        key: &'static str,
    },
    /// For whom it acts is said twice, or not at all.
    #[error("secret '{0}' must contain exactly one of '{OWNER}' or '{INSTALLATION}'")]
    Installation(ObjectKey),
    /// A value is of no use.
    #[error("{0}")]
    Value(&'static str),
}

impl GitHubApp {
    /// Reads the values of a Secret, which `value` gives by key.
    ///
    /// # Errors
    /// [`GitHubAppError`] for the first thing that is wrong.
    pub fn parse(
        secret: &ObjectKey,
        value: impl Fn(&str) -> Option<Secret<Vec<u8>>>,
    ) -> Result<Self, GitHubAppError> {
        let text = |key| {
            let value = value(key)?;
            let text = String::from_utf8_lossy(value.expose()).trim().to_owned();
            Some(Secret::new(text))
        };
        let (id, private_key) = (text(APP_ID), text(PRIVATE_KEY));
        let (owner, installation) = (text(OWNER), text(INSTALLATION));
        if [&id, &private_key, &owner, &installation]
            .iter()
            .all(|value| value.is_none())
        {
            return Err(GitHubAppError::Absent);
        }
        let missing = |key| GitHubAppError::Missing {
            secret: secret.clone(),
            key,
        };
        let id = id.ok_or_else(|| missing(APP_ID))?;
        let private_key = private_key.ok_or_else(|| missing(PRIVATE_KEY))?;
        let installation = match (owner, installation) {
            (Some(owner), None) => by_owner(owner.expose())?,
            (None, Some(id)) => Installation::Id(number(id.expose()).ok_or(NOBODY)?),
            _ => return Err(GitHubAppError::Installation(secret.clone())),
        };
        let no_id = "app ID must be provided to use github app authentication";
        let no_key = "private key must be provided to use github app authentication";
        if private_key.expose().is_empty() {
            return Err(GitHubAppError::Value(no_key));
        }
        Ok(Self {
            id: number(id.expose()).ok_or(GitHubAppError::Value(no_id))?,
            installation,
            private_key,
            base: base(text(BASE_URL).as_ref())?,
        })
    }

    /// The part of an assertion that is signed: header and claims.
    pub fn assertion(&self, now: Timestamp) -> String {
        let issued = now.as_second() - DRIFT;
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let claims = json!({
            "iat": issued, "exp": issued + ASSERTION_LIFE, "iss": self.id.to_string(),
        });
        let encode = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", encode(header), encode(claims))
    }
}

const NOBODY: GitHubAppError = GitHubAppError::Value(
    "app installation owner or ID must be provided to use github app authentication",
);

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number != 0)
}

/// An owner becomes part of a path, so it may hold nothing but what GitHub's names hold.
fn by_owner(name: &str) -> Result<Installation, GitHubAppError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match name {
        "" => Err(NOBODY),
        name if name.bytes().all(plain) && !name.starts_with('.') => {
            Ok(Installation::Owner(name.to_owned()))
        }
        _ => Err(GitHubAppError::Value(
            "app installation owner is not the name of an organization or a user",
        )),
    }
}

fn base(written: Option<&Secret<String>>) -> Result<Url, GitHubAppError> {
    let text = written.map_or("", |url| url.expose().as_str());
    let text = if text.is_empty() { GITHUB } else { text };
    let url = Url::parse(&format!("{}/", text.trim_end_matches('/')));
    match url {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(GitHubAppError::Value(
            "invalid API URL: expected a URL of http or https",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[(&str, &str)]) -> Result<GitHubApp, String> {
        let value = |key: &str| {
            let found = values.iter().find(|(name, _)| *name == key)?;
            Some(Secret::new(found.1.as_bytes().to_vec()))
        };
        GitHubApp::parse(&ObjectKey::new("apps", "app"), value).map_err(|error| error.to_string())
    }

    #[test]
    fn an_app_acts_for_an_installation_or_an_owner_at_githubs_api_or_another() {
        let app = parse(&[(APP_ID, "7\n"), (INSTALLATION, "9"), (PRIVATE_KEY, "pem")]);
        let app = app.expect("it is whole");
        assert_eq!((app.id, app.installation), (7, Installation::Id(9)));
        assert_eq!(app.base.as_str(), GITHUB);
        let app = parse(&[
            (APP_ID, "7"),
            (OWNER, "acme-inc"),
            (PRIVATE_KEY, "pem"),
            (BASE_URL, "https://ghe.example.com/api/v3"),
        ]);
        let app = app.expect("it is whole");
        assert_eq!(app.installation, Installation::Owner("acme-inc".to_owned()));
        assert_eq!(app.base.as_str(), "https://ghe.example.com/api/v3/");
        assert!(!format!("{app:?}").contains("pem"));
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_flux() {
        let exactly = "secret 'apps/app' must contain exactly one of 'githubAppInstallationOwner' or 'githubAppInstallationID'";
        let nobody =
            "app installation owner or ID must be provided to use github app authentication";
        let (id, key) = ((APP_ID, "7"), (PRIVATE_KEY, "planted"));
        for (values, words) in [
            (
                &[("username", "x")][..],
                "secretRef with github app data must be specified when provider is set to github",
            ),
            (&[key], "secret 'apps/app': key 'githubAppID' not found"),
            (
                &[id],
                "secret 'apps/app': key 'githubAppPrivateKey' not found",
            ),
            (&[id, key], exactly),
            (&[id, key, (OWNER, "acme"), (INSTALLATION, "9")], exactly),
            (&[id, key, (INSTALLATION, "planted")], nobody),
            (&[id, key, (OWNER, "")], nobody),
            (
                &[id, key, (OWNER, "../planted")],
                "app installation owner is not the name of an organization or a user",
            ),
            (
                &[(APP_ID, "planted"), key, (OWNER, "acme")],
                "app ID must be provided to use github app authentication",
            ),
            (
                &[id, (PRIVATE_KEY, " "), (OWNER, "acme")],
                "private key must be provided to use github app authentication",
            ),
            (
                &[id, key, (OWNER, "acme"), (BASE_URL, "planted")],
                "invalid API URL: expected a URL of http or https",
            ),
        ] {
            assert_eq!(parse(values).map(|_| ()), Err(words.to_owned()));
        }
    }

    #[test]
    fn an_assertion_is_short_and_begins_a_little_in_the_past() {
        let app = parse(&[(APP_ID, "7"), (OWNER, "acme"), (PRIVATE_KEY, "pem")]);
        let now = Timestamp::from_second(1_800_000_000).expect("a timestamp");
        let assertion = app.expect("it is whole").assertion(now);
        let decode = |part: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64");
            String::from_utf8(bytes).expect("text")
        };
        let (header, claims) = assertion.split_once('.').expect("two parts");
        assert_eq!(decode(header), r#"{"alg":"RS256","typ":"JWT"}"#);
        assert_eq!(
            decode(claims),
            r#"{"iat":1799999970,"exp":1800000090,"iss":"7"}"#
        );
    }
}
