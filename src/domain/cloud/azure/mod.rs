//! What Azure is asked, and what it answers: tokens of an identity, and logins of a registry.
//!
//! Invariant: tokens are asked for in the cloud that the registry belongs to. What is absent: the
//! requests.

pub mod chain;

use super::answer::{AnswerError, json, text};
use super::aws::Form;
use super::lifetime::Expiry;
use crate::domain::docker_config::Credentials;
use crate::domain::redact::Secret;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json as object};
use std::time::Duration;

/// The audience of the cluster's tokens that Azure takes.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";
/// The user name that goes with a registry's refresh token.
const REGISTRY_USER: &str = "00000000-0000-0000-0000-000000000000";
/// How long a signed assertion is good, in seconds.
const ASSERTION_LIFE: i64 = 600;
/// For whom a token is that a registry takes, in every cloud of Microsoft's own.
const REGISTRY_RESOURCE: &str = "https://containerregistry.azure.net";
/// For whom a token is that Azure DevOps takes, by its documentation of service principals.
const DEVOPS_RESOURCE: &str = "499b84ac-1321-427f-aa17-267ca6975798";

/// One of Azure's clouds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AzureCloud {
    /// The worldwide one.
    Public,
    /// China's, run by 21Vianet.
    China,
    /// The United States government's.
    Government,
    /// One that the environment describes, by its resource manager's address.
    Custom(String),
    /// The worldwide one, for its service Azure DevOps.
    DevOps,
}

/// What the file of `AZURE_ENVIRONMENT_FILEPATH` says of a cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureEnvironment {
    /// How the hosts of its registries end.
    pub registry_suffix: String,
    /// The address of its resource manager.
    pub resource_manager: String,
}

impl AzureEnvironment {
    /// Reads the file.
    ///
    /// # Errors
    /// [`AnswerError`] when a field that counts is not there.
    pub fn parse(bytes: &[u8]) -> Result<Self, AnswerError> {
        let file = json(bytes)?;
        text(&file, "tokenAudience")?;
        Ok(Self {
            registry_suffix: text(&file, "containerRegistryDNSSuffix")?.to_owned(),
            resource_manager: text(&file, "resourceManagerEndpoint")?.to_owned(),
        })
    }

    /// Whether a registry is one of this cloud's. A label must stand before the suffix.
    pub fn holds(&self, host: &str) -> bool {
        let suffix = self.registry_suffix.trim_start_matches('.');
        host.strip_suffix(suffix)
            .is_some_and(|name| name.len() > 1 && name.ends_with('.'))
    }
}

impl AzureCloud {
    /// Who vouches for identities when the environment names nobody.
    pub fn authority(&self) -> &'static str {
        match self {
            Self::Public | Self::Custom(_) | Self::DevOps => "https://login.microsoftonline.com/",
            Self::China => "https://login.chinacloudapi.cn/",
            Self::Government => "https://login.microsoftonline.us/",
        }
    }

    /// For whom the token is, as the instance metadata service wants it.
    pub fn resource(&self) -> &str {
        match self {
            Self::Custom(resource_manager) => resource_manager,
            Self::DevOps => DEVOPS_RESOURCE,
            _ => REGISTRY_RESOURCE,
        }
    }

    /// The same as a scope.
    pub fn scope(&self) -> String {
        format!("{}/.default", self.resource())
    }
}

/// The part of an assertion that is signed with the key of a certificate: header and claims.
///
/// `thumbprint` is the SHA-256 of the certificate in DER, `id` something that differs each time.
pub fn assertion(
    client: &str,
    audience: &str,
    thumbprint: &[u8],
    id: &str,
    now: Timestamp,
) -> String {
    let header = object!({
        "alg": "PS256", "typ": "JWT", "x5t#S256": BASE64_URL_SAFE_NO_PAD.encode(thumbprint),
    });
    let issued = now.as_second();
    let claims = object!({
        "aud": audience, "iss": client, "sub": client, "jti": id, "nbf": issued, "iat": issued,
        "exp": issued + ASSERTION_LIFE,
    });
    let encode = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// How an application proves that it is itself.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// By a token that the cluster signed.
    Assertion(&'a Secret),
    /// By a password.
    Password(&'a Secret),
}

/// Asks for a token of an application.
pub fn token_form(client: &str, scope: &str, proof: Proof<'_>) -> Form {
    let mut form = vec![
        ("client_id", client.to_owned()),
        ("scope", scope.to_owned()),
        ("grant_type", "client_credentials".to_owned()),
    ];
    match proof {
        Proof::Assertion(token) => form.extend([
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
            ("client_assertion", token.expose().clone()),
        ]),
        Proof::Password(password) => form.push(("client_secret", password.expose().clone())),
    }
    form
}

/// Asks a registry for a refresh token in exchange for one of Azure's.
pub fn exchange_form(registry: &str, token: &Secret) -> Form {
    vec![
        ("grant_type", "access_token".to_owned()),
        ("service", registry.to_owned()),
        ("access_token", token.expose().clone()),
    ]
}

/// The token in an answer of OAuth2. Azure's metadata service writes numbers as texts.
///
/// # Errors
/// [`AnswerError`] when there is none.
pub fn access_token(body: &[u8]) -> Result<(Secret, Expiry), AnswerError> {
    let answer = json(body)?;
    let token = text(&answer, "access_token")?.to_owned();
    let life = &answer["expires_in"];
    let seconds = life
        .as_u64()
        .or_else(|| life.as_str()?.parse().ok())
        .ok_or(AnswerError::Missing("expires_in"))?;
    let life = Duration::from_secs(seconds.min(u64::from(u32::MAX)));
    Ok((Secret::new(token), Expiry::After(life)))
}

/// The login in a registry's answer. It ends when the token in it says so.
///
/// # Errors
/// [`AnswerError`] when there is none, or when it does not tell its end.
pub fn registry_login(body: &[u8]) -> Result<(Credentials, Expiry), AnswerError> {
    let answer = json(body)?;
    let token = text(&answer, "refresh_token")?;
    let end = token_end(token).ok_or(AnswerError::Missing("refresh_token"))?;
    let credentials = Credentials::Basic {
        username: REGISTRY_USER.to_owned(),
        password: Secret::new(token.to_owned()),
    };
    Ok((credentials, Expiry::At(end)))
}

/// The `exp` claim of a JSON web token. Nothing is verified: the registry will.
fn token_end(token: &str) -> Option<Timestamp> {
    let claims = token.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(claims.trim_end_matches('='))
        .ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims["exp"].as_i64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn each_cloud_has_its_own_authority() {
        for (cloud, authority, scope) in [
            (
                AzureCloud::Public,
                "https://login.microsoftonline.com/",
                "https://containerregistry.azure.net/.default",
            ),
            (
                AzureCloud::China,
                "https://login.chinacloudapi.cn/",
                "https://containerregistry.azure.net/.default",
            ),
            (
                AzureCloud::Government,
                "https://login.microsoftonline.us/",
                "https://containerregistry.azure.net/.default",
            ),
            (
                AzureCloud::Custom("https://management.stack.example".to_owned()),
                "https://login.microsoftonline.com/",
                "https://management.stack.example/.default",
            ),
        ] {
            assert_eq!(cloud.authority(), authority);
            assert_eq!(cloud.scope(), scope);
        }
    }

    #[test]
    fn the_environments_file_is_read() {
        let file = br#"{"name":"stack","containerRegistryDNSSuffix":"registry.stack.example","resourceManagerEndpoint":"https://management.stack.example","tokenAudience":"https://management.stack.example/x"}"#;
        let own = AzureEnvironment::parse(file).expect("the file is whole");
        assert!(own.holds("acme.registry.stack.example"));
        assert!(!own.holds("registry.stack.example") && !own.holds("evilregistry.stack.example"));
        assert_eq!(
            AzureEnvironment::parse(br#"{"tokenAudience":"x"}"#),
            Err(AnswerError::Missing("containerRegistryDNSSuffix"))
        );
    }

    #[test]
    fn a_token_is_read_with_its_life_as_number_or_text() {
        for (body, seconds) in [
            (r#"{"access_token":"t","expires_in":3599}"#, 3_599),
            (r#"{"access_token":"t","expires_in":"86400"}"#, 86_400),
        ] {
            let (token, end) = access_token(body.as_bytes()).expect("the answer is whole");
            assert_eq!(token.expose(), "t");
            assert_eq!(end, Expiry::After(Duration::from_secs(seconds)));
        }
        for (body, missing) in [
            (r#"{"expires_in":1}"#, "access_token"),
            (r#"{"access_token":"","expires_in":1}"#, "access_token"),
            (r#"{"access_token":"t"}"#, "expires_in"),
            (r#"{"access_token":"t","expires_in":-1}"#, "expires_in"),
        ] {
            let found = access_token(body.as_bytes()).expect_err("something is missing");
            assert_eq!(found, AnswerError::Missing(missing));
        }
    }

    #[test]
    fn a_registrys_login_ends_with_its_token() {
        let refresh = token(r#"{"exp":1448875853}"#);
        let body = format!(r#"{{"refresh_token":"{refresh}"}}"#);
        let (login, end) = registry_login(body.as_bytes()).expect("the answer is whole");
        let expected = Credentials::Basic {
            username: "00000000-0000-0000-0000-000000000000".to_owned(),
            password: Secret::new(refresh),
        };
        assert_eq!(login, expected);
        let at = "2015-11-30T09:30:53Z".parse().expect("a timestamp");
        assert_eq!(end, Expiry::At(at));
        for body in [
            r#"{"refresh_token":"opaque"}"#.to_owned(),
            format!(r#"{{"refresh_token":"{}"}}"#, token("{}")),
            format!(r#"{{"refresh_token":"{}"}}"#, token("no json")),
        ] {
            assert!(registry_login(body.as_bytes()).is_err(), "{body}");
        }
    }
}
