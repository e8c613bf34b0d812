//! Registry logins as docker and Kubernetes keep them: `.dockerconfigjson`, the older `.dockercfg`, and
//! docker's own `config.json`.
//!
//! Invariant: no error and no `Debug` output holds anything but the names of registries. Which login
//! serves an image follows the kubelet (longest key first, host globs, path prefixes). What is
//! absent: reading Secrets or files, and running the credential helpers that a file may name.

mod parse;
mod pattern;
#[cfg(test)]
mod tests;

use super::redact::Secret;
use pattern::ServerPattern;
use std::collections::BTreeMap;
use thiserror::Error;

pub use parse::LARGEST;

/// Names registries: a host with an optional port, with globs as the kubelet matches them, or `*` for every registry.
#[derive(Clone, Debug)]
pub struct HostPattern(Option<ServerPattern>);

impl HostPattern {
    /// Reads one; `None` when it has a path or no host.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Self(None));
        }
        let pattern = ServerPattern::parse(text).ok()?;
        (!text.contains('/')).then_some(Self(Some(pattern)))
    }

    /// Whether a registry, `host` or `host:port`, is meant.
    pub fn matches(&self, registry: &str) -> bool {
        self.0
            .as_ref()
            .is_none_or(|pattern| pattern.matches(registry))
    }
}

/// What a registry or its token server is convinced with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// Nothing: what the public may read.
    #[default]
    Anonymous,
    /// A user name with a password or an access token.
    Basic {
        /// The user name, which some clouds fix (`AWS`, `oauth2accesstoken`).
        username: String,
        /// The password.
        password: Secret,
    },
    /// An OAuth2 refresh token, to be exchanged at the token server (`identitytoken`).
    IdentityToken(Secret),
    /// A bearer token for the registry itself (`registrytoken`).
    RegistryToken(Secret),
}

/// Why a docker config cannot be used. Names keys and positions, never content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DockerConfigError {
    /// Larger than any Secret can be.
    #[error("the docker config has {size} bytes, more than the {LARGEST} that are read")]
    TooLarge {
        /// Bytes found.
        size: usize,
    },
    /// The text is not JSON.
    #[error("the docker config is not JSON (line {line}, column {column})")]
    NotJson {
        /// Line of the first offence, from 1.
        line: usize,
        /// Its column, from 1.
        column: usize,
    },
    /// A field has the wrong JSON type.
    #[error("`{field}` in the docker config must be {expected}")]
    WrongType {
        /// The field's path, such as `auths`.
        field: String,
        /// What should stand there, such as `an object`.
        expected: &'static str,
    },
    /// One registry's entry cannot be read.
    #[error("the entry `{server}` in the docker config is invalid: {reason}")]
    Entry {
        /// The registry as written, without user information.
        server: String,
        /// What is wrong, without content.
        reason: &'static str,
    },
}

/// The logins of one or several docker configs.
#[derive(Clone, Debug, Default)]
pub struct DockerConfig {
    /// Kept in the order in which they are tried.
    entries: Vec<Entry>,
    credentials_store: Option<String>,
    credential_helpers: BTreeMap<String, String>,
}

/// The login that serves whatever its pattern matches.
#[derive(Clone, Debug)]
struct Entry {
    pattern: ServerPattern,
    credentials: Credentials,
}

impl DockerConfig {
    /// Reads `.dockerconfigjson` or docker's `config.json`: an object with `auths`, and perhaps
    /// `credsStore` and `credHelpers`. Empty input has no logins.
    ///
    /// # Errors
    /// [`DockerConfigError`] for the first thing that cannot be read.
    pub fn parse(bytes: &[u8]) -> Result<Self, DockerConfigError> {
        parse::dockerconfigjson(bytes).map(Self::ordered)
    }

    /// Reads the legacy `.dockercfg`: what `auths` holds, without anything around it.
    ///
    /// # Errors
    /// [`DockerConfigError`] for the first thing that cannot be read.
    pub fn parse_legacy(bytes: &[u8]) -> Result<Self, DockerConfigError> {
        parse::dockercfg(bytes).map(Self::ordered)
    }

    /// Adds the logins of another config; for equal keys the ones already here are tried first.
    pub fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.sort();
        if self.credentials_store.is_none() {
            self.credentials_store = other.credentials_store;
        }
        for (server, helper) in other.credential_helpers {
            self.credential_helpers.entry(server).or_insert(helper);
        }
    }

    /// Every login that serves an image, the best first.
    ///
    /// `image` is a canonical name without tag, such as `index.docker.io/library/alpine`.
    pub fn candidates<'a>(&'a self, image: &'a str) -> impl Iterator<Item = &'a Credentials> {
        self.entries
            .iter()
            .filter(move |entry| entry.pattern.matches(image))
            .map(|entry| &entry.credentials)
    }

    /// The login for an image, or [`Credentials::Anonymous`] when none serves it.
    pub fn credentials_for(&self, image: &str) -> Credentials {
        self.candidates(image).next().cloned().unwrap_or_default()
    }

    /// The credential helper docker would ask for a registry (`ghcr.io`), by its short name (`osxkeychain`).
    pub fn helper_for(&self, registry: &str) -> Option<&str> {
        self.credential_helpers
            .iter()
            .find(|(server, _)| pattern::same_registry(server, registry))
            .map(|(_, helper)| helper)
            .or(self.credentials_store.as_ref())
            .map(String::as_str)
    }

    /// How many registries have a login here.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no registry has a login here.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn ordered(mut self) -> Self {
        self.sort();
        self
    }

    /// Descending byte order, as the kubelet has it: a longer path stands before its prefix, and a host
    /// before a glob. The sort is stable, so that logins with equal keys keep their order.
    fn sort(&mut self) {
        self.entries
            .sort_by(|left, right| right.pattern.key().cmp(left.pattern.key()));
    }
}
