//! Logins of Git servers that a cloud or a GitHub App gives: what is asked, and what comes of it.
//!
//! Invariant: a host that is not wholly CodeCommit's gets no signature; a password of CodeCommit's is
//! signed for one repository and good for minutes. What is absent: the requests.

use super::answer::{AnswerError, json, text};
use super::lifetime::Expiry;
use super::signature::{AccessKeys, Scope, amz_date, hex, hmac_sha256, sha256_hex, signing_key};
use crate::domain::redact::Secret;
use jiff::Timestamp;
use regex::Regex;
use std::sync::LazyLock;
use thiserror::Error;
use url::Url;

/// A login of a Git server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitLogin {
    /// A user name and a password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A bearer token.
    Bearer(Secret),
}

/// A URL that is not CodeCommit's. The words are Flux's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodeCommitError {
    /// It would carry the login in the open.
    #[error("AWS CodeCommit authentication requires an HTTPS Git URL")]
    NotHttps,
    /// Its host is somebody else's.
    #[error("invalid AWS CodeCommit Git URL: {0}")]
    Host(String),
}

/// A repository at CodeCommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeCommit {
    /// Where it is, such as `eu-west-1`.
    pub region: String,
    host: String,
    path: String,
}

impl CodeCommit {
    /// Reads the URL of a repository.
    ///
    /// # Errors
    /// [`CodeCommitError`] when it is not CodeCommit's.
    pub fn parse(url: &Url) -> Result<Self, CodeCommitError> {
        static HOST: LazyLock<Regex> = LazyLock::new(|| {
            let pattern = r"^git-codecommit(?:-fips)?\.([a-z0-9-]{1,40})\.amazonaws\.com(?:\.cn)?$";
            Regex::new(pattern).expect("the pattern is a constant that the tests compile")
        });
        if url.scheme() != "https" {
            return Err(CodeCommitError::NotHttps);
        }
        let host = url.host_str().unwrap_or_default();
        let parts = HOST.captures(host);
        let parts = parts.ok_or_else(|| CodeCommitError::Host(host.to_owned()))?;
        Ok(Self {
            region: parts[1].to_owned(),
            host: host.to_owned(),
            path: url.path().to_owned(),
        })
    }

    /// The login of whoever has these keys, signed at `now`. CodeCommit takes it for 15 minutes.
    pub fn login(&self, keys: &AccessKeys, now: Timestamp) -> GitLogin {
        // The form of the request is that of Amazon's own helper for Git: a method `GIT`, no body.
        let canonical = format!("GIT\n{}\n\nhost:{}\n\nhost\n", self.path, self.host);
        let date = amz_date(now);
        let stamp = date.trim_end_matches('Z');
        let day = &date[..8];
        let scope = Scope {
            region: &self.region,
            service: "codecommit",
            at: now,
        };
        let credential = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{stamp}\n{credential}\n{}",
            sha256_hex(canonical.as_bytes())
        );
        let key = signing_key(keys, day, scope);
        let signature = hex(&hmac_sha256(&key, to_sign.as_bytes()));
        let username = match &keys.session_token {
            Some(token) => format!("{}%{}", keys.id, token.expose()),
            None => keys.id.clone(),
        };
        GitLogin::Basic {
            username,
            password: Secret::new(format!("{stamp}Z{signature}")),
        }
    }
}

/// The number of an installation in GitHub's answer.
///
/// # Errors
/// [`AnswerError`] when there is none.
pub fn installation(body: &[u8]) -> Result<u64, AnswerError> {
    json(body)?["id"].as_u64().ok_or(AnswerError::Missing("id"))
}

/// The token of an installation in GitHub's answer.
///
/// # Errors
/// [`AnswerError`] when there is none, or when it does not tell its end.
pub fn installation_token(body: &[u8]) -> Result<(Secret, Expiry), AnswerError> {
    let answer = json(body)?;
    let token = Secret::new(text(&answer, "token")?.to_owned());
    let end = text(&answer, "expires_at")?.parse();
    let end = end.map_err(|_| AnswerError::Missing("expires_at"))?;
    Ok((token, Expiry::At(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<CodeCommit, String> {
        CodeCommit::parse(&Url::parse(url).expect("a URL")).map_err(|error| error.to_string())
    }

    #[test]
    fn codecommits_hosts_tell_their_region_and_others_get_nothing() {
        for (url, region) in [
            (
                "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/x",
                "us-east-1",
            ),
            (
                "https://git-codecommit-fips.us-west-2.amazonaws.com/v1/repos/x",
                "us-west-2",
            ),
            (
                "https://git-codecommit.cn-north-1.amazonaws.com.cn/v1/repos/x",
                "cn-north-1",
            ),
        ] {
            let found = parse(url).map(|place| place.region);
            assert_eq!(found.as_deref(), Ok(region));
        }
        let host = "git-codecommit.us-east-1.amazonaws.com";
        for (url, words) in [
            (
                format!("http://{host}/v1/repos/x"),
                "AWS CodeCommit authentication requires an HTTPS Git URL",
            ),
            (
                "https://github.com/o/r".to_owned(),
                "invalid AWS CodeCommit Git URL: github.com",
            ),
            (
                format!("https://{host}.example.org/x"),
                "invalid AWS CodeCommit Git URL: git-codecommit.us-east-1.amazonaws.com.example.org",
            ),
            (
                format!("https://x.{host}/x"),
                "invalid AWS CodeCommit Git URL: x.git-codecommit.us-east-1.amazonaws.com",
            ),
        ] {
            assert_eq!(parse(&url), Err(words.to_owned()));
        }
    }

    #[test]
    fn a_password_is_signed_as_amazons_helper_for_git_signs_it() {
        let place = parse("https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/fleet");
        let mut keys = AccessKeys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: None,
        };
        let now = "2015-08-30T12:36:00Z".parse().expect("a timestamp");
        let place = place.expect("it is CodeCommit's");
        // Computed with the algorithm of git-remote-codecommit, in Python.
        let password =
            "20150830T123600Zec53a032155aa1cf41ca4b73c4425bf1fef7b6a53bf53b539804b2dfc18acbec";
        let login = |username: &str| GitLogin::Basic {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        };
        assert_eq!(place.login(&keys, now), login("AKIDEXAMPLE"));
        keys.session_token = Some(Secret::new("token".to_owned()));
        assert_eq!(place.login(&keys, now), login("AKIDEXAMPLE%token"));
    }

    #[test]
    fn githubs_answers_are_read() {
        // After the examples of GitHub's reference.
        assert_eq!(
            installation(br#"{"id":1,"account":{"login":"octocat"}}"#),
            Ok(1)
        );
        assert_eq!(installation(b"{}"), Err(AnswerError::Missing("id")));
        let body = br#"{"token":"ghs_16C7e42F292c6912E7710c838347Ae178B4a","expires_at":"2016-07-11T22:14:10Z","permissions":{"contents":"read"}}"#;
        let (token, end) = installation_token(body).expect("the answer is whole");
        assert_eq!(token.expose(), "ghs_16C7e42F292c6912E7710c838347Ae178B4a");
        let at = "2016-07-11T22:14:10Z".parse().expect("a timestamp");
        assert_eq!(end, Expiry::At(at));
        for body in [
            r#"{"token":"t"}"#,
            r#"{"expires_at":"2016-07-11T22:14:10Z"}"#,
            r#"{"token":"t","expires_at":"soon"}"#,
        ] {
            assert!(installation_token(body.as_bytes()).is_err(), "{body}");
        }
    }
}
