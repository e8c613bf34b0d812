//! Tokens of external accounts: from a file, a server, a program, or Amazon's keys.
//!
//! Invariant: only the process's own file names a source; a server is asked in the open only when it is this machine or its node's
//! metadata, and never by way of an object's proxy; a program is started only where the environment allows it. What is absent: the
//! exchange for one of Google's tokens.

use super::FILE;
use crate::adapters::cloud::CloudLogins;
use crate::adapters::cloud::error::CloudError;
use crate::adapters::cloud::http::{Question, private_url};
use crate::adapters::cloud::program::{Program, ProgramError};
use crate::domain::cloud::AnswerError;
use crate::domain::cloud::aws::instance_keys;
use crate::domain::cloud::external_account::{
    AwsSource, Executable, ExecutableError, ExternalAccount, Format, TokenSource, region_of_zone,
};
use crate::domain::cloud::signature::AccessKeys;
use crate::domain::redact::Secret;
use jiff::Timestamp;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};
use std::path::Path;

/// The variable without which no program is started, as Google's libraries have it.
const ALLOW: &str = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES";
/// The metadata of instances, which are asked over plain http.
const METADATA: [&str; 2] = ["169.254.169.254", "[fd00:ec2::254]"];

impl CloudLogins {
    /// The token that stands for an external account at Google's.
    pub(super) async fn subject_token(
        &self,
        account: &ExternalAccount,
    ) -> Result<Secret, CloudError> {
        match &account.source {
            TokenSource::File { path, format } => {
                let content = self.environment.file(FILE, path).await?;
                let token = format.token(content.as_bytes());
                token.map_err(|problem| unusable(format!("`{path}`: {problem}")))
            }
            TokenSource::Url {
                url,
                headers,
                format,
            } => self.served_token(url, headers, format).await,
            TokenSource::Executable(executable) => self.printed_token(account, executable).await,
            TokenSource::Aws(source) => self.amazons_token(account, source).await,
        }
    }

    async fn served_token(
        &self,
        url: &str,
        headers: &[(String, Secret)],
        format: &Format,
    ) -> Result<Secret, CloudError> {
        let at = private_url(FILE, url, &METADATA)?;
        let place = format!("`{}` (the external account's token)", origin(&at));
        let mut request = self.nearby(Method::GET, at)?;
        for (name, value) in headers {
            let pair = HeaderName::try_from(name)
                .ok()
                .zip(HeaderValue::from_str(value.expose()).ok());
            let (name, mut value) = pair.ok_or_else(|| {
                unusable(
                    "a field of `credential_source.headers` cannot stand in a request".to_owned(),
                )
            })?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let question = Question {
            place: place.clone(),
            request,
            secrets: headers
                .iter()
                .map(|(_, value)| value.expose().as_str())
                .collect(),
        };
        format
            .token(&question.ask().await?)
            .map_err(|problem| CloudError::Answer { place, problem })
    }

    /// The token that a program left in its file, or else prints.
    async fn printed_token(
        &self,
        account: &ExternalAccount,
        executable: &Executable,
    ) -> Result<Secret, CloudError> {
        if self.environment.get(ALLOW) != Some("1") {
            return Err(CloudError::Setting {
                name: ALLOW,
                reason: format!("it is not `1`, so no program is started for the file of `{FILE}`"),
            });
        }
        let program = Program {
            words: executable.command.expose(),
            what: format!("the executable of the file of `{FILE}`"),
            time: executable.time,
            variables: executable.variables(account),
            folder: None,
        };
        if let Some(path) = &executable.output_file
            && Path::new(path).is_file()
        {
            let content = self.environment.file(FILE, path).await?;
            match executable.token(content.as_bytes(), Timestamp::now()) {
                Ok(token) => return Ok(token),
                Err(ExecutableError::Answer(problem)) if !content.trim().is_empty() => {
                    return Err(unusable(format!("`{path}`: {problem}")));
                }
                // What has ended, or says that there was none, is asked for anew.
                Err(_) => {}
            }
        }
        let printed = self.environment.run(&program).await;
        let printed = printed.map_err(|problem| program.error(problem))?;
        let token = executable.token(&printed, Timestamp::now());
        token.map_err(|problem| match problem {
            ExecutableError::Answer(problem) => program.unusable(problem),
            other => program.error(ProgramError::Said(other.to_string())),
        })
    }

    /// A question to Amazon that Amazon's keys sign: who answers it knows whose they are.
    async fn amazons_token(
        &self,
        account: &ExternalAccount,
        source: &AwsSource,
    ) -> Result<Secret, CloudError> {
        let variable = |name| self.environment.get(name);
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let keys = self.variable_keys();
        let session = match (&source.session_url, &region, &keys) {
            (_, Some(_), Some(_)) | (None, _, _) => None,
            (Some(url), _, _) => Some(self.metadata_session(url).await?),
        };
        let keys = match keys {
            Some(keys) => keys,
            None => self.metadata_keys_of(source, session.as_ref()).await?,
        };
        let region = match region {
            Some(region) => region.to_owned(),
            None => {
                let url = named(source.region_url.as_deref(), "credential_source.region_url")?;
                let zone = self.metadata_of(url, session.as_ref()).await?;
                region_of_zone(&zone).map_err(|problem| unusable(format!("`{url}`: {problem}")))?
            }
        };
        let token = source.token(&account.audience, &region, &keys, Timestamp::now());
        token.map_err(|problem| unusable(problem.to_string()))
    }

    async fn metadata_keys_of(
        &self,
        source: &AwsSource,
        session: Option<&Secret>,
    ) -> Result<AccessKeys, CloudError> {
        let url = named(source.keys_url.as_deref(), "credential_source.url")?;
        let url = url.trim_end_matches('/');
        let role = self.metadata_of(url, session).await?;
        let role = String::from_utf8_lossy(&role);
        let role = role
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .replace('/', "");
        let body = self.metadata_of(&format!("{url}/{role}"), session).await?;
        let keys = instance_keys(&body).map(|(keys, _)| keys);
        keys.map_err(|problem| unusable(format!("`{url}`: {problem}")))
    }

    async fn metadata_session(&self, url: &str) -> Result<Secret, CloudError> {
        let at = private_url(FILE, url, &METADATA)?;
        let place = metadata(&at);
        let request = self.nearby(Method::PUT, at)?;
        let question = Question {
            place,
            request: request.header("x-aws-ec2-metadata-token-ttl-seconds", "300"),
            secrets: Vec::new(),
        };
        let token = question.ask().await?;
        Ok(Secret::new(
            String::from_utf8_lossy(&token).trim().to_owned(),
        ))
    }

    async fn metadata_of(
        &self,
        url: &str,
        session: Option<&Secret>,
    ) -> Result<Vec<u8>, CloudError> {
        let at = private_url(FILE, url, &METADATA)?;
        let place = metadata(&at);
        let mut request = self.nearby(Method::GET, at)?;
        if let Some(session) = session {
            request = request.header("x-aws-ec2-metadata-token", session.expose());
        }
        let question = Question {
            place,
            request,
            secrets: session
                .map(|session| session.expose().as_str())
                .into_iter()
                .collect(),
        };
        question.ask().await
    }

    /// A request that no proxy of an object's sees.
    fn nearby(&self, method: Method, at: Url) -> Result<RequestBuilder, CloudError> {
        let client = match at.scheme() {
            "https" => self.clients.outward(&at, None)?,
            _ => self.clients.local()?,
        };
        Ok(client.request(method, at))
    }
}

fn named<'a>(url: Option<&'a str>, field: &'static str) -> Result<&'a str, CloudError> {
    url.ok_or_else(|| unusable(AnswerError::Missing(field).to_string()))
}

fn unusable(reason: String) -> CloudError {
    CloudError::Setting { name: FILE, reason }
}

fn metadata(at: &Url) -> String {
    format!("`{}` (the instance's metadata)", origin(at))
}

fn origin(at: &Url) -> String {
    at.origin().ascii_serialization()
}
