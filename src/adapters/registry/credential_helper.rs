//! docker's credential helpers: programs that keep logins outside of `config.json`.
//!
//! Invariant: a helper has bounded time and output, and nothing it prints reaches a message. What is
//! absent: choosing the helper (`domain::docker_config`), and storing logins.

use crate::domain::docker_config::Credentials;
use serde::Deserialize;
use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// Most output that is read, in bytes.
const LARGEST_ANSWER: u64 = 256 * 1024;

/// Longest name of a helper that is run, in bytes.
const LONGEST_NAME: usize = 100;

/// What every helper prints, and exits with 1, when it has no login for a registry.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Under which name docker keeps the login for Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Why a credential helper gave no answer.
#[derive(Debug, Error)]
pub enum CredentialHelperError {
    /// The name in the config could mean another program than a helper.
    #[error("`{helper}` is not the name of a credential helper")]
    Name {
        /// The name, printable.
        helper: String,
    },
    /// It cannot be started.
    #[error(
        "`docker-credential-{helper}` cannot be run\nhint: install it, or remove it from docker's `config.json`"
    )]
    Start {
        /// Its short name.
        helper: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It takes too long, perhaps because it waits for somebody.
    #[error("`docker-credential-{helper}` did not answer within {after:?}")]
    Timeout {
        /// Its short name.
        helper: String,
        /// The time it had.
        after: Duration,
    },
    /// It failed.
    #[error("`docker-credential-{helper} get` failed ({status})\nhint: run it by hand to see why")]
    Failed {
        /// Its short name.
        helper: String,
        /// How it ended.
        status: String,
    },
    /// What it printed is not a login.
    #[error("the answer of `docker-credential-{helper} get` is not a login in JSON")]
    Answer {
        /// Its short name.
        helper: String,
    },
}

/// A helper's answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Login {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// One of docker's credential helpers.
#[derive(Clone, Debug)]
pub struct CredentialHelper {
    name: String,
    search_path: Option<OsString>,
}

impl CredentialHelper {
    /// The helper `docker-credential-<name>`, to be found in `PATH`.
    ///
    /// # Errors
    /// [`CredentialHelperError::Name`] when the name could lead out of `PATH`.
    pub fn new(name: &str) -> Result<Self, CredentialHelperError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(allowed) {
            return Err(CredentialHelperError::Name {
                helper: name.escape_debug().take(LONGEST_NAME).collect(),
            });
        }
        Ok(Self {
            name: name.to_owned(),
            search_path: None,
        })
    }

    /// The same helper, found in (and run with) another `PATH`.
    #[must_use]
    pub fn in_path(mut self, search_path: OsString) -> Self {
        self.search_path = Some(search_path);
        self
    }

    /// Asks for the login of a registry (`ghcr.io`, `index.docker.io`); [`Credentials::Anonymous`] when the
    /// helper has none.
    ///
    /// # Errors
    /// [`CredentialHelperError`]; none holds what the helper printed.
    pub async fn ask(
        &self,
        registry: &str,
        timeout: Duration,
    ) -> Result<Credentials, CredentialHelperError> {
        let mut command = Command::new(format!("docker-credential-{}", self.name));
        if let Some(path) = &self.search_path {
            command.env("PATH", path);
        }
        let child = command
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| CredentialHelperError::Start {
                helper: self.name.clone(),
                source,
            })?;
        tokio::time::timeout(timeout, converse(child, &self.name, registry))
            .await
            .unwrap_or_else(|_| {
                Err(CredentialHelperError::Timeout {
                    helper: self.name.clone(),
                    after: timeout,
                })
            })
    }
}

/// One question, one answer.
async fn converse(
    mut child: Child,
    helper: &str,
    registry: &str,
) -> Result<Credentials, CredentialHelperError> {
    let server = match registry {
        "index.docker.io" | "docker.io" => DOCKER_HUB,
        other => other,
    };
    let failed = |status: String| CredentialHelperError::Failed {
        helper: helper.to_owned(),
        status,
    };
    let input = child.stdin.take();
    let output = child.stdout.take();
    let mut answer = Vec::new();
    let ask = async {
        if let Some(mut input) = input {
            // A helper that ends without reading says so by its exit status.
            let _ = input.write_all(server.as_bytes()).await;
        }
    };
    let listen = async {
        match output {
            Some(output) => output.take(LARGEST_ANSWER).read_to_end(&mut answer).await,
            None => Ok(0),
        }
    };
    let ((), read) = tokio::join!(ask, listen);
    read.map_err(|error| failed(error.to_string()))?;
    let status = child
        .wait()
        .await
        .map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&answer);
        return match said.contains(NOT_FOUND) {
            true => Ok(Credentials::Anonymous),
            false => Err(failed(status.to_string())),
        };
    }
    let login: Login =
        serde_json::from_slice(&answer).map_err(|_| CredentialHelperError::Answer {
            helper: helper.to_owned(),
        })?;
    Ok(Credentials::login(login.username, login.secret))
}
