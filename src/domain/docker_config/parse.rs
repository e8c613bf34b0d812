//! From bytes to logins.
//!
//! Invariant: every error is made of field names and positions. serde's own messages quote the values
//! they stumble over, so they are never shown. What is absent: matching.

use super::pattern::ServerPattern;
use super::{Credentials, DockerConfig, DockerConfigError, Entry};
use crate::domain::redact::Secret;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// Largest config that is read, in bytes: the most a Kubernetes Secret can hold.
pub const LARGEST: usize = 1024 * 1024;

/// The user name by which docker marks a password as an identity token.
const IDENTITY_TOKEN_USER: &str = "<token>";

/// docker writes padding, other tools leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the form with `auths`.
pub(super) fn dockerconfigjson(bytes: &[u8]) -> Result<DockerConfig, DockerConfigError> {
    let Some(mut root) = root(bytes)? else {
        return Ok(DockerConfig::default());
    };
    let mut config = DockerConfig::default();
    if let Some(auths) = present(root.remove("auths")) {
        config.entries = entries(object(auths, "auths")?)?;
    }
    if let Some(store) = present(root.remove("credsStore")) {
        config.credentials_store = Some(text(store, "credsStore")?).filter(|name| !name.is_empty());
    }
    if let Some(helpers) = present(root.remove("credHelpers")) {
        for (server, helper) in object(helpers, "credHelpers")? {
            let helper = text(helper, "credHelpers")?;
            config.credential_helpers.insert(server, helper);
        }
    }
    Ok(config)
}

/// Reads the form that is nothing but what `auths` would hold.
pub(super) fn dockercfg(bytes: &[u8]) -> Result<DockerConfig, DockerConfigError> {
    let mut config = DockerConfig::default();
    if let Some(root) = root(bytes)? {
        config.entries = entries(root)?;
    }
    Ok(config)
}

/// The outermost object, or nothing for blank input.
fn root(bytes: &[u8]) -> Result<Option<Map<String, Value>>, DockerConfigError> {
    if bytes.len() > LARGEST {
        return Err(DockerConfigError::TooLarge { size: bytes.len() });
    }
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| DockerConfigError::NotJson {
            line: error.line(),
            column: error.column(),
        })?;
    object(value, "the root").map(Some)
}

fn entries(auths: Map<String, Value>) -> Result<Vec<Entry>, DockerConfigError> {
    let mut entries = Vec::with_capacity(auths.len());
    for (server, value) in auths {
        let invalid = |reason| DockerConfigError::Entry {
            server: shown(&server),
            reason,
        };
        let pattern = ServerPattern::parse(&server).map_err(invalid)?;
        let credentials = credentials(value).map_err(invalid)?;
        // docker leaves `{}` behind for registries whose login lies in a credential store.
        if credentials != Credentials::Anonymous {
            entries.push(Entry {
                pattern,
                credentials,
            });
        }
    }
    Ok(entries)
}

/// One entry's login. Of several kinds the strongest counts: registry token, identity token, password.
fn credentials(entry: Value) -> Result<Credentials, &'static str> {
    let Value::Object(mut entry) = entry else {
        return Err("it must be an object");
    };
    let mut field = |name: &str, reason| match present(entry.remove(name)) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(reason),
    };
    let registry_token = field("registrytoken", "`registrytoken` must be a string")?;
    let identity_token = field("identitytoken", "`identitytoken` must be a string")?;
    let mut username = field("username", "`username` must be a string")?;
    let mut password = field("password", "`password` must be a string")?;
    let auth = field("auth", "`auth` must be a string")?;
    if !auth.trim().is_empty() {
        (username, password) = decode(auth.trim())?;
    }
    if !registry_token.is_empty() {
        return Ok(Credentials::RegistryToken(Secret::new(registry_token)));
    }
    if !identity_token.is_empty() {
        return Ok(Credentials::IdentityToken(Secret::new(identity_token)));
    }
    Ok(Credentials::login(username, password))
}

impl Credentials {
    /// A login from a user name and a password as docker means them: nothing at all is anonymous, and
    /// the user `<token>` marks an identity token.
    pub fn login(username: String, password: String) -> Self {
        if username.is_empty() && password.is_empty() {
            return Self::Anonymous;
        }
        if username == IDENTITY_TOKEN_USER {
            return Self::IdentityToken(Secret::new(password));
        }
        Self::Basic {
            username,
            password: Secret::new(password),
        }
    }
}

/// `base64(username:password)`. Only the first colon separates.
fn decode(auth: &str) -> Result<(String, String), &'static str> {
    let bytes = BASE64
        .decode(auth)
        .map_err(|_| "`auth` is not valid base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "`auth` does not decode to UTF-8")?;
    let (username, password) = text
        .split_once(':')
        .ok_or("`auth` must be the base64 form of `username:password`")?;
    // Old versions of docker padded passwords with zero bytes.
    let password = password.trim_end_matches('\0');
    Ok((username.to_owned(), password.to_owned()))
}

/// Kubernetes tools write `null` where they mean nothing.
fn present(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_null())
}

fn object(value: Value, field: &str) -> Result<Map<String, Value>, DockerConfigError> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(DockerConfigError::WrongType {
            field: field.to_owned(),
            expected: "an object",
        }),
    }
}

fn text(value: Value, field: &str) -> Result<String, DockerConfigError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(DockerConfigError::WrongType {
            field: field.to_owned(),
            expected: "a string",
        }),
    }
}

/// A registry's name for a message: short, printable, without user information.
fn shown(server: &str) -> String {
    let public = server.rsplit('@').next().unwrap_or_default();
    let mut shown: String = public.escape_debug().take(100).collect();
    if shown.len() < public.len() {
        shown.push('…');
    }
    shown
}
