//! Somebody whom another identity provider vouches for, as Google's files with credentials say it.
//!
//! Invariant: a file names exactly one source of tokens, and one of a kind that is known; what it says of the source is checked
//! before anything is asked or started. What is absent: getting the token.

mod aws;
mod executable;

use super::answer::{AnswerError, json, text};
use crate::domain::redact::Secret;
use serde_json::Value;

pub use aws::{AwsSource, region_of_zone};
pub use executable::{Executable, ExecutableError};

/// How long a token of a service account that is acted as is wanted when nothing is said, in seconds.
pub const USUAL_LIFETIME: u32 = 3_600;

/// Somebody whom another identity provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The pool that knows the provider.
    pub audience: String,
    /// What kind of token it is.
    pub token_type: String,
    /// Who exchanges it.
    pub token_url: String,
    /// The URL by which to act as a service account, if that is wanted.
    pub impersonation_url: Option<String>,
    /// How long a token of that service account is wanted, in seconds.
    pub lifetime: u32,
    /// As which program Google is asked, and its password.
    pub client: Option<(String, Secret)>,
    /// The project that pays for a workforce pool's requests.
    pub user_project: Option<String>,
    /// Where the token comes from.
    pub source: TokenSource,
}

/// Where the token of an external account comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A file.
    File {
        /// Its path.
        path: String,
        /// What it holds.
        format: Format,
    },
    /// A server.
    Url {
        /// Its URL.
        url: String,
        /// The header fields that it wants, which may be secret.
        headers: Vec<(String, Secret)>,
        /// What it answers.
        format: Format,
    },
    /// A program.
    Executable(Executable),
    /// A request that Amazon's keys sign.
    Aws(AwsSource),
}

/// In what a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The token alone.
    Text,
    /// A field of this name.
    Json(String),
}

impl Format {
    /// The token in a content.
    ///
    /// # Errors
    /// [`AnswerError`] when there is none.
    pub fn token(&self, content: &[u8]) -> Result<Secret, AnswerError> {
        let token = match self {
            Self::Text => String::from_utf8_lossy(content).trim().to_owned(),
            Self::Json(field) => {
                let content = json(content)?;
                content[field.as_str()]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            }
        };
        match token.is_empty() {
            true => Err(AnswerError::Missing("subject token")),
            false => Ok(Secret::new(token)),
        }
    }

    fn parse(source: &Value) -> Result<Self, AnswerError> {
        let format = &source["format"];
        match &format["type"] {
            Value::Null => Ok(Self::Text),
            Value::String(kind) if kind == "text" => Ok(Self::Text),
            Value::String(kind) if kind == "json" => {
                text(format, "subject_token_field_name").map(|field| Self::Json(field.to_owned()))
            }
            _ => Err(AnswerError::Missing("credential_source.format.type")),
        }
    }
}

impl ExternalAccount {
    /// Reads a file of the type `external_account`.
    ///
    /// # Errors
    /// [`AnswerError`] when it lacks something, or has what nothing can be made of.
    pub fn parse(file: &Value) -> Result<Self, AnswerError> {
        let owned = |field| text(file, field).map(str::to_owned);
        let lifetime = &file["service_account_impersonation"]["token_lifetime_seconds"];
        let lifetime = lifetime
            .as_u64()
            .and_then(|seconds| seconds.try_into().ok());
        let secret = owned("client_secret").map(Secret::new);
        Ok(Self {
            audience: owned("audience")?,
            token_type: owned("subject_token_type")?,
            token_url: owned("token_url")?,
            impersonation_url: owned("service_account_impersonation_url").ok(),
            lifetime: lifetime.unwrap_or(USUAL_LIFETIME),
            client: owned("client_id").ok().zip(secret.ok()),
            user_project: owned("workforce_pool_user_project").ok(),
            source: TokenSource::parse(&file["credential_source"])?,
        })
    }

    /// What is said besides the token when it is exchanged. A program that is known has a project of its own.
    pub fn options(&self) -> Option<String> {
        let project = self
            .user_project
            .as_ref()
            .filter(|_| self.client.is_none())?;
        Some(serde_json::json!({"userProject": project}).to_string())
    }

    /// The service account that is acted as, as the URL by which to do so names it.
    pub fn impersonated(&self) -> Option<&str> {
        let path = self.impersonation_url.as_deref()?;
        let (_, rest) = path.split_once("/serviceAccounts/")?;
        let email = rest.strip_suffix(":generateAccessToken")?;
        email.contains('@').then_some(email)
    }
}

impl TokenSource {
    /// The first that is there, in the order of Google's libraries.
    fn parse(source: &Value) -> Result<Self, AnswerError> {
        if !source["environment_id"].is_null() {
            return AwsSource::parse(source).map(Self::Aws);
        }
        if let Ok(path) = text(source, "file") {
            let (path, format) = (path.to_owned(), Format::parse(source)?);
            return Ok(Self::File { path, format });
        }
        if let Ok(url) = text(source, "url") {
            return Ok(Self::Url {
                url: url.to_owned(),
                headers: headers(&source["headers"])?,
                format: Format::parse(source)?,
            });
        }
        match &source["executable"] {
            Value::Null => Err(AnswerError::Missing("credential_source")),
            executable => Executable::parse(executable).map(Self::Executable),
        }
    }
}

fn headers(headers: &Value) -> Result<Vec<(String, Secret)>, AnswerError> {
    let missing = AnswerError::Missing("credential_source.headers");
    match headers {
        Value::Null => Ok(Vec::new()),
        Value::Object(all) => all
            .iter()
            .map(|(name, value)| Some((name.clone(), Secret::new(value.as_str()?.to_owned()))))
            .collect::<Option<_>>()
            .ok_or(missing),
        _ => Err(missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as object;

    fn account(source: Value) -> Result<ExternalAccount, AnswerError> {
        ExternalAccount::parse(&object!({
            "audience": "//iam.googleapis.com/x", "subject_token_type": "t", "token_url": "https://sts.googleapis.com/v1/token",
            "service_account_impersonation_url":
                "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken",
            "credential_source": source,
        }))
    }

    fn source(source: Value) -> Result<TokenSource, AnswerError> {
        account(source).map(|account| account.source)
    }

    #[test]
    fn each_source_of_tokens_is_told_from_the_others() {
        let file = TokenSource::File {
            path: "/f".to_owned(),
            format: Format::Text,
        };
        assert_eq!(
            source(object!({"file": "/f", "format": {"type": "text"}})),
            Ok(file)
        );
        let url = source(object!({
            "url": "https://tokens.example/x", "headers": {"Metadata": "True", "X": "planted-secret"},
            "format": {"type": "json", "subject_token_field_name": "access_token"},
        }));
        assert!(!format!("{url:?}").contains("planted"), "{url:?}");
        let expected = TokenSource::Url {
            url: "https://tokens.example/x".to_owned(),
            headers: [("Metadata", "True"), ("X", "planted-secret")]
                .map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())))
                .into(),
            format: Format::Json("access_token".to_owned()),
        };
        assert_eq!(url, Ok(expected));
        let executable = source(object!({"executable": {"command": "/bin/token a"}}));
        assert!(matches!(executable, Ok(TokenSource::Executable(_))));
        let aws = source(object!({"environment_id": "aws1", "url": "http://169.254.169.254/x"}));
        assert!(matches!(aws, Ok(TokenSource::Aws(_))));
        for (broken, problem) in [
            (object!({}), "credential_source"),
            (
                object!({"file": "/f", "format": {"type": "xml"}}),
                "credential_source.format.type",
            ),
            (
                object!({"file": "/f", "format": {"type": "json"}}),
                "subject_token_field_name",
            ),
            (
                object!({"url": "https://x", "headers": {"a": 1}}),
                "credential_source.headers",
            ),
            (
                object!({"url": "https://x", "headers": []}),
                "credential_source.headers",
            ),
        ] {
            assert_eq!(source(broken), Err(AnswerError::Missing(problem)));
        }
    }

    #[test]
    fn a_token_is_text_or_a_field() {
        let token = |text: &str| Ok(Secret::new(text.to_owned()));
        assert_eq!(Format::Text.token(b" tok\n"), token("tok"));
        let missing = Err(AnswerError::Missing("subject token"));
        assert_eq!(Format::Text.token(b" "), missing);
        let field = Format::Json("id".to_owned());
        assert_eq!(field.token(br#"{"id":"tok"}"#), token("tok"));
        assert_eq!(field.token(br#"{"id":7}"#), missing);
        assert_eq!(field.token(b"tok"), Err(AnswerError::NotA("JSON")));
    }

    #[test]
    fn a_workforce_pool_names_its_project_unless_a_program_is_known() {
        let mut account = account(object!({"file": "/f"})).expect("it is whole");
        assert_eq!((account.lifetime, account.options()), (3_600, None));
        account.user_project = Some("acme".to_owned());
        assert_eq!(
            account.options().as_deref(),
            Some(r#"{"userProject":"acme"}"#)
        );
        account.client = Some(("c".to_owned(), Secret::new("s".to_owned())));
        assert_eq!(account.options(), None);
    }

    #[test]
    fn the_service_account_that_is_acted_as_is_named() {
        let mut account = account(object!({"file": "/f"})).expect("it is whole");
        assert_eq!(account.impersonated(), Some("a@b.iam.gserviceaccount.com"));
        for url in [
            None,
            Some("https://x/v1/serviceAccounts/a:generateAccessToken"),
            Some("https://x/"),
        ] {
            account.impersonation_url = url.map(str::to_owned);
            assert_eq!(account.impersonated(), None, "{url:?}");
        }
    }
}
