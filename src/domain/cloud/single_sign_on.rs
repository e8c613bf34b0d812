//! Logins in Amazon's IAM Identity Center, which `aws sso login` leaves in a file.
//!
//! Invariant: a token that has ended is never sent; one of a session can be renewed, and what it is renewed with is never shown.
//! What is absent: logging in, which takes a person and a browser, and writing the file, which belongs to Amazon's command line.

use super::answer::{AnswerError, json, text};
use super::lifetime::Expiry;
use super::signature::{AccessKeys, hex};
use crate::domain::redact::Secret;
use jiff::Timestamp;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::json as object;
use std::time::Duration;

/// What a profile says of a login in IAM Identity Center.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleSignOn {
    /// The region of the login.
    pub region: String,
    /// The page on which people log in.
    pub start: String,
    /// The name of the session; without one the token cannot be renewed.
    pub session: Option<String>,
    /// The account whose keys are wanted.
    pub account: String,
    /// The role in it.
    pub role: String,
}

impl SingleSignOn {
    /// The name of the file that holds the token, in `~/.aws/sso/cache`.
    pub fn cache_file(&self) -> String {
        let key = self.session.as_ref().unwrap_or(&self.start);
        // The name is Amazon's choice; nothing hangs on the strength of the digest.
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
        format!("{}.json", hex(digest.as_ref()))
    }
}

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedToken {
    /// The token.
    pub token: Secret,
    /// When it ends.
    pub end: Timestamp,
    /// What it can be renewed with.
    pub renewal: Option<Renewal>,
}

/// What a token can be renewed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The program that the person logged in to.
    pub client_id: String,
    /// Its password.
    pub client_secret: Secret,
    /// The login.
    pub refresh_token: Secret,
}

impl CachedToken {
    /// Reads the file.
    ///
    /// # Errors
    /// [`AnswerError`] when it has no token, or does not say when it ends.
    pub fn parse(bytes: &[u8]) -> Result<Self, AnswerError> {
        let file = json(bytes)?;
        let owned = |field| text(&file, field).map(str::to_owned);
        // Old versions of Amazon's command line write `UTC` for `Z`.
        let end = owned("expiresAt")?.replace("UTC", "Z");
        let renewal = || {
            Some(Renewal {
                client_id: owned("clientId").ok()?,
                client_secret: owned("clientSecret").map(Secret::new).ok()?,
                refresh_token: owned("refreshToken").map(Secret::new).ok()?,
            })
        };
        Ok(Self {
            token: owned("accessToken").map(Secret::new)?,
            end: end.parse().map_err(|_| AnswerError::Missing("expiresAt"))?,
            renewal: renewal(),
        })
    }
}

impl Renewal {
    /// The body that asks for a new token (`CreateToken`). It holds secrets.
    pub fn body(&self) -> String {
        object!({
            "clientId": self.client_id, "clientSecret": self.client_secret.expose(),
            "grantType": "refresh_token", "refreshToken": self.refresh_token.expose(),
        })
        .to_string()
    }
}

/// The token in the answer to a [`Renewal`].
///
/// # Errors
/// [`AnswerError`] when there is none.
pub fn renewed(body: &[u8]) -> Result<(Secret, Expiry), AnswerError> {
    let answer = json(body)?;
    let token = text(&answer, "accessToken")?.to_owned();
    let seconds = answer["expiresIn"]
        .as_u64()
        .ok_or(AnswerError::Missing("expiresIn"))?;
    let life = Duration::from_secs(seconds.min(u64::from(u32::MAX)));
    Ok((Secret::new(token), Expiry::After(life)))
}

/// The keys in the answer of `GetRoleCredentials`, whose end is in milliseconds since 1970.
///
/// # Errors
/// [`AnswerError`] when there are none.
pub fn role_keys(body: &[u8]) -> Result<(AccessKeys, Expiry), AnswerError> {
    let answer = json(body)?;
    let keys = &answer["roleCredentials"];
    let end = keys["expiration"]
        .as_i64()
        .and_then(|end| Timestamp::from_millisecond(end).ok())
        .ok_or(AnswerError::Missing("expiration"))?;
    let keys = AccessKeys {
        id: text(keys, "accessKeyId")?.to_owned(),
        secret: Secret::new(text(keys, "secretAccessKey")?.to_owned()),
        session_token: Some(Secret::new(text(keys, "sessionToken")?.to_owned())),
    };
    Ok((keys, Expiry::At(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_on(session: Option<&str>) -> SingleSignOn {
        SingleSignOn {
            region: "eu-west-1".to_owned(),
            start: "https://acme.awsapps.com/start".to_owned(),
            session: session.map(str::to_owned),
            account: "123456789012".to_owned(),
            role: "reader".to_owned(),
        }
    }

    #[test]
    fn the_file_is_named_for_the_session_or_else_for_the_page() {
        // sha1sum of each text.
        assert_eq!(
            sign_on(Some("my-sso")).cache_file(),
            "0ad374308c5a4e22f723adf10145eafad7c4031c.json"
        );
        assert_eq!(
            sign_on(None).cache_file(),
            "40169cea58ca6cbf23fb27b2542923fb5f524af0.json"
        );
    }

    #[test]
    fn a_token_is_read_with_what_it_can_be_renewed_with() {
        let whole = br#"{"startUrl":"https://acme.awsapps.com/start","region":"eu-west-1","accessToken":"planted-token","expiresAt":"2026-11-23T03:00:00Z","clientId":"c","clientSecret":"planted-client","refreshToken":"planted-refresh","registrationExpiresAt":"2027-01-01T00:00:00Z"}"#;
        let found = CachedToken::parse(whole).expect("it is whole");
        assert_eq!(found.token.expose(), "planted-token");
        assert_eq!(found.end.to_string(), "2026-11-23T03:00:00Z");
        let body: serde_json::Value =
            serde_json::from_str(&found.renewal.as_ref().expect("there is one").body())
                .expect("JSON");
        assert_eq!(
            body,
            object!({"clientId": "c", "clientSecret": "planted-client", "grantType": "refresh_token", "refreshToken": "planted-refresh"})
        );
        assert!(!format!("{found:?}").contains("planted"));

        let legacy = br#"{"accessToken":"t","expiresAt":"2020-06-17T10:02:08UTC"}"#;
        let found = CachedToken::parse(legacy).expect("it is whole");
        assert_eq!(found.end.to_string(), "2020-06-17T10:02:08Z");
        assert_eq!(found.renewal, None);
        for (file, problem) in [
            ("", AnswerError::NotA("JSON")),
            (
                r#"{"expiresAt":"2026-11-23T03:00:00Z"}"#,
                AnswerError::Missing("accessToken"),
            ),
            (r#"{"accessToken":"t"}"#, AnswerError::Missing("expiresAt")),
            (
                r#"{"accessToken":"t","expiresAt":"soon"}"#,
                AnswerError::Missing("expiresAt"),
            ),
        ] {
            assert_eq!(CachedToken::parse(file.as_bytes()), Err(problem), "{file}");
        }
    }

    #[test]
    fn the_answers_of_both_services_are_read_as_documented() {
        let body = br#"{"roleCredentials":{"accessKeyId":"ASIA1","expiration":1700000000000,"secretAccessKey":"s","sessionToken":"t"}}"#;
        let (keys, end) = role_keys(body).expect("the answer is whole");
        assert_eq!(
            (keys.id.as_str(), keys.secret.expose().as_str()),
            ("ASIA1", "s")
        );
        let at = Timestamp::from_second(1_700_000_000).expect("a timestamp");
        assert_eq!(end, Expiry::At(at));
        assert_eq!(role_keys(b"{}"), Err(AnswerError::Missing("expiration")));
        let body =
            br#"{"accessToken":"new","expiresIn":28800,"tokenType":"Bearer","refreshToken":"r"}"#;
        let expected = (
            Secret::new("new".to_owned()),
            Expiry::After(Duration::from_secs(28_800)),
        );
        assert_eq!(renewed(body), Ok(expected));
        assert_eq!(renewed(b"{}"), Err(AnswerError::Missing("accessToken")));
    }
}
