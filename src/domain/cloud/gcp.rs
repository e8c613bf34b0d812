//! What Google is asked, and what it answers: tokens of an identity. A token is a registry's password.
//!
//! Invariant: a file with credentials is read as one of the kinds that are known, or refused by its
//! kind. What is absent: signing, which takes a key, and the requests.

use super::answer::{AnswerError, json, text};
use super::aws::Form;
use super::external_account::ExternalAccount;
use super::lifetime::Expiry;
use crate::domain::docker_config::Credentials;
use crate::domain::redact::Secret;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json as object};

/// What tokens are good for, as Flux asks.
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
];
/// The user name that goes with a token.
const REGISTRY_USER: &str = "oauth2accesstoken";
/// How long a signed assertion is good, in seconds: the most that Google takes.
const ASSERTION_LIFE: i64 = 3_600;
/// A token of the cluster's.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// The scopes, as a query of the metadata server wants them.
pub fn scopes() -> String {
    SCOPES.join(",")
}

/// What Google's metadata server says of the cluster that we are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GkeCluster {
    /// Its project.
    pub project: String,
    /// Its region or zone.
    pub location: String,
    /// Its name.
    pub name: String,
}

impl GkeCluster {
    /// The pool of the project's identities: the audience of the cluster's tokens.
    pub fn pool(&self) -> String {
        format!("{}.svc.id.goog", self.project)
    }

    /// The audience by which the token service knows the cluster.
    pub fn audience(&self) -> String {
        let Self {
            project,
            location,
            name,
        } = self;
        let provider = format!(
            "https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}"
        );
        format!("identitynamespace:{}:{provider}", self.pool())
    }
}

/// Credentials in a file, `GOOGLE_APPLICATION_CREDENTIALS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialFile {
    /// The key of a service account.
    ServiceAccount {
        /// Whose.
        email: String,
        /// The key in PEM (PKCS#8).
        key: Secret,
        /// The key's own name.
        key_id: String,
        /// Who takes its assertions.
        token_uri: String,
    },
    /// A person's login.
    AuthorizedUser {
        /// The program that the person logged in to.
        client_id: String,
        /// Its password.
        client_secret: Secret,
        /// The login.
        refresh_token: Secret,
    },
    /// Somebody whom another identity provider vouches for.
    External(ExternalAccount),
}

impl CredentialFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`AnswerError`] when it is of another kind, or lacks something.
    pub fn parse(bytes: &[u8]) -> Result<Self, AnswerError> {
        let file = json(bytes)?;
        let owned = |field| text(&file, field).map(str::to_owned);
        match file["type"].as_str().unwrap_or_default() {
            "service_account" => Ok(Self::ServiceAccount {
                email: owned("client_email")?,
                key: Secret::new(owned("private_key")?),
                key_id: owned("private_key_id").unwrap_or_default(),
                token_uri: owned("token_uri")
                    .unwrap_or_else(|_| "https://oauth2.googleapis.com/token".to_owned()),
            }),
            "authorized_user" => Ok(Self::AuthorizedUser {
                client_id: owned("client_id")?,
                client_secret: Secret::new(owned("client_secret")?),
                refresh_token: Secret::new(owned("refresh_token")?),
            }),
            "external_account" => ExternalAccount::parse(&file).map(Self::External),
            _ => Err(AnswerError::NotA(
                "the key of a service account, a person's login or an external account",
            )),
        }
    }
}

/// The part of an assertion that is signed: header and claims.
pub fn assertion(email: &str, key_id: &str, token_uri: &str, now: Timestamp) -> String {
    let header = object!({"alg": "RS256", "typ": "JWT", "kid": key_id});
    let issued = now.as_second();
    let claims = object!({
        "iss": email, "scope": SCOPES.join(" "), "aud": token_uri,
        "iat": issued, "exp": issued + ASSERTION_LIFE,
    });
    let encode = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// The whole assertion.
pub fn signed(assertion: &str, signature: &[u8]) -> Secret {
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
    Secret::new(format!("{assertion}.{signature}"))
}

/// Asks for a token in exchange for an assertion.
pub fn assertion_form(assertion: &Secret) -> Form {
    vec![
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
        ),
        ("assertion", assertion.expose().clone()),
    ]
}

/// Asks for a token in exchange for a person's login.
pub fn refresh_form(client_id: &str, client_secret: &Secret, refresh_token: &Secret) -> Form {
    vec![
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", client_id.to_owned()),
        ("client_secret", client_secret.expose().clone()),
        ("refresh_token", refresh_token.expose().clone()),
    ]
}

/// Asks the token service to exchange a token; `acts` says that the result is only used to act as
/// somebody else.
pub fn exchange_form(audience: &str, token_type: Option<&str>, token: &Secret, acts: bool) -> Form {
    let scope = if acts {
        SCOPES[0].to_owned()
    } else {
        SCOPES.join(" ")
    };
    vec![
        ("audience", audience.to_owned()),
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange".to_owned(),
        ),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token".to_owned(),
        ),
        ("subject_token_type", token_type.unwrap_or(JWT).to_owned()),
        ("subject_token", token.expose().clone()),
        ("scope", scope),
    ]
}

/// The body that asks to act as a service account for some seconds.
pub fn impersonation_body(lifetime: u32) -> String {
    object!({"lifetime": format!("{lifetime}s"), "scope": SCOPES}).to_string()
}

/// The path that asks to act as a service account.
pub fn impersonation_path(email: &str) -> String {
    format!("v1/projects/-/serviceAccounts/{email}:generateAccessToken")
}

/// The token of a service account that we act as.
///
/// # Errors
/// [`AnswerError`] when there is none.
pub fn impersonated_token(body: &[u8]) -> Result<(Secret, Expiry), AnswerError> {
    let answer = json(body)?;
    let token = text(&answer, "accessToken")?.to_owned();
    let end = text(&answer, "expireTime")?
        .parse()
        .map_err(|_| AnswerError::Missing("expireTime"))?;
    Ok((Secret::new(token), Expiry::At(end)))
}

/// A token as a registry's login.
pub fn registry_login(token: Secret) -> Credentials {
    Credentials::Basic {
        username: REGISTRY_USER.to_owned(),
        password: token,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_google_cluster_are_those_of_its_documentation() {
        let cluster = GkeCluster {
            project: "acme".to_owned(),
            location: "europe-west1".to_owned(),
            name: "main".to_owned(),
        };
        assert_eq!(cluster.pool(), "acme.svc.id.goog");
        assert_eq!(
            cluster.audience(),
            "identitynamespace:acme.svc.id.goog:https://container.googleapis.com/v1/projects/acme/locations/europe-west1/clusters/main"
        );
    }

    #[test]
    fn files_with_credentials_are_told_apart() {
        let key = br#"{"type":"service_account","client_email":"a@b","private_key":"planted-secret","private_key_id":"1","token_uri":"https://t.example"}"#;
        let found = CredentialFile::parse(key).expect("a key");
        assert!(
            matches!(&found, CredentialFile::ServiceAccount { token_uri, .. } if token_uri == "https://t.example")
        );
        assert!(!format!("{found:?}").contains("planted"));
        let person = br#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}"#;
        assert!(matches!(
            CredentialFile::parse(person),
            Ok(CredentialFile::AuthorizedUser { .. })
        ));
        for (file, problem) in [
            (
                r#"{"type":"service_account"}"#,
                AnswerError::Missing("client_email"),
            ),
            (
                r#"{"type":"external_account","audience":"a","subject_token_type":"t","token_url":"u","credential_source":{}}"#,
                AnswerError::Missing("credential_source"),
            ),
            ("", AnswerError::NotA("JSON")),
        ] {
            assert_eq!(
                CredentialFile::parse(file.as_bytes()),
                Err(problem),
                "{file}"
            );
        }
        assert!(CredentialFile::parse(br#"{"type":"gdch_service_account"}"#).is_err());
    }

    #[test]
    fn an_assertion_says_who_wants_what_of_whom_and_until_when() {
        let now = Timestamp::from_second(1_700_000_000).expect("a timestamp");
        let assertion = assertion("a@b", "k1", "https://t.example", now);
        let parts: Vec<Value> = assertion
            .split('.')
            .map(|part| {
                let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64");
                serde_json::from_slice(&bytes).expect("JSON")
            })
            .collect();
        assert_eq!(
            parts,
            [
                object!({"alg": "RS256", "typ": "JWT", "kid": "k1"}),
                object!({
                    "iss": "a@b", "aud": "https://t.example", "iat": 1_700_000_000, "exp": 1_700_003_600,
                    "scope": "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email",
                }),
            ]
        );
        assert!(signed(&assertion, b"\xff\xfe").expose().ends_with(".__4"));
    }

    #[test]
    fn the_token_of_an_account_that_is_acted_as_is_read() {
        let body = br#"{"accessToken":"t","expireTime":"2014-10-02T15:01:23Z"}"#;
        let (token, end) = impersonated_token(body).expect("the answer is whole");
        assert_eq!(token.expose(), "t");
        let at = "2014-10-02T15:01:23Z".parse().expect("a timestamp");
        assert_eq!(end, Expiry::At(at));
        assert!(impersonated_token(br#"{"accessToken":"t"}"#).is_err());
    }
}
