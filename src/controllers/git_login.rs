//! The login in the Secret of a GitRepository, by the scheme of its URL: the rules and words of Flux.
//!
//! Invariant: an error names the Secret and the key, never a value. What is absent: logins that are asked
//! for elsewhere.

use super::secrets::{SecretError, certificates};
use crate::adapters::cluster::objects::SecretData;
use crate::adapters::git::{Auth, ClientCertificate, Remote, SshLogin, SshLoginError};
use crate::domain::object::ObjectKey;
use crate::domain::redact::Secret;
use thiserror::Error;
use url::Url;

/// Why a login is of no use.
#[derive(Debug, Error)]
pub enum LoginError {
    /// Something is missing: Flux's words, and the Secret where one is named.
    #[error(
        "failed to configure authentication options: invalid '{transport}' auth option: {what}{}",
        named(secret.as_ref())
    )]
    Option {
        /// The scheme of the URL.
        transport: String,
        /// What is wrong.
        what: &'static str,
        /// Its namespace and name.
        secret: Option<ObjectKey>,
    },
    /// The private key is encrypted.
    #[error(
        "SSH identity key is encrypted but no 'password' field was provided in the secret '{0}'"
    )]
    Encrypted(ObjectKey),
    /// The private key or the known hosts cannot be read.
    #[error("failed to configure authentication options: secret '{secret}': {reason}")]
    Ssh {
        /// Its namespace and name.
        secret: ObjectKey,
        /// What is wrong.
        reason: SshLoginError,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

fn named(secret: Option<&ObjectKey>) -> String {
    secret.map_or_else(String::new, |secret| format!(" (secret '{secret}')"))
}

/// A Secret with its name.
pub(super) struct Named<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) data: &'a SecretData,
}

impl Named<'_> {
    /// The text under a key, if it is not empty.
    fn text(&self, name: &str) -> Option<Secret> {
        let value = self.data.text(name);
        value.filter(|value| !value.expose().is_empty())
    }

    /// The bytes under a key, if there are any.
    fn bytes(&self, name: &str) -> Option<&Secret<Vec<u8>>> {
        let value = self.data.bytes(name);
        value.filter(|value| !value.expose().is_empty())
    }
}

/// Equips a remote with what its Secret holds, if there is one. Blocks for a moment where a passphrase
/// has to be tried.
pub(super) fn equipped(
    remote: Remote,
    url: &Url,
    secret: Option<&Named<'_>>,
) -> Result<Remote, LoginError> {
    let missing = |what| LoginError::Option {
        transport: url.scheme().to_owned(),
        what,
        secret: secret.map(|secret| secret.key.clone()),
    };
    if url.scheme() == "ssh" {
        return Ok(remote.with_auth(Auth::Ssh(by_key(secret, missing)?)));
    }
    let own = Remote::login_of(url);
    let auth = secret.map_or_else(|| own.clone(), |secret| in_words(own.clone(), secret));
    if let Auth::Basic { user, .. } = &auth
        && user.is_empty()
    {
        return Err(missing("'password' requires 'username' to be set"));
    }
    let mut remote = remote.with_auth(auth);
    let Some(secret) = secret else {
        return Ok(remote);
    };
    let read = certificates(secret.key, secret.data)?;
    if let Some(pem) = read.authorities {
        remote = remote.with_ca(pem);
    }
    if let Some((certificate_pem, key_pem)) = read.client {
        remote = remote.with_client_certificate(ClientCertificate {
            certificate_pem,
            key_pem,
        });
    }
    Ok(remote)
}

/// The private key and the known hosts for ssh, both of which must be there.
fn by_key(
    secret: Option<&Named<'_>>,
    missing: impl Fn(&'static str) -> LoginError,
) -> Result<SshLogin, LoginError> {
    let no_identity = || missing("'identity' is required");
    let secret = secret.ok_or_else(no_identity)?;
    let identity = secret.bytes("identity").ok_or_else(no_identity)?;
    let hosts = secret.bytes("known_hosts");
    let hosts = hosts.ok_or_else(|| missing("'known_hosts' is required"))?;
    let passphrase = secret.text("password");
    SshLogin::new(identity, passphrase.as_ref(), hosts.expose()).map_err(|reason| match reason {
        SshLoginError::Encrypted => LoginError::Encrypted(secret.key.clone()),
        reason => LoginError::Ssh {
            secret: secret.key.clone(),
            reason,
        },
    })
}

/// The login for HTTP: a bearer token before a user name and a password, each of which may also stand in
/// the URL.
fn in_words(own: Auth, secret: &Named<'_>) -> Auth {
    if let Some(token) = secret.text("bearerToken") {
        return Auth::Bearer(token);
    }
    let (user, password) = (secret.text("username"), secret.text("password"));
    if user.is_none() && password.is_none() {
        return own;
    }
    let (own_user, own_password) = match own {
        Auth::Basic { user, password } => (user, password),
        _ => Default::default(),
    };
    Auth::Basic {
        user: user.map_or(own_user, |user| user.expose().clone()),
        password: password.unwrap_or(own_password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::redact::SafeUrl;

    fn equip(url: &str, values: Option<&[(&str, &str)]>) -> Result<Auth, String> {
        let key = ObjectKey::new("apps", "git");
        let values = values.map(|values| {
            let values = values
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
            SecretData::new("Opaque", values)
        });
        let secret = values.as_ref().map(|data| Named { key: &key, data });
        let url = SafeUrl::parse(url).expect("a URL");
        let remote = Remote::new(&url).expect("a scheme that is spoken");
        equipped(remote, url.as_url(), secret.as_ref())
            .map(|remote| remote.auth().clone())
            .map_err(|error| error.to_string())
    }

    fn basic(user: &str, password: &str) -> Result<Auth, String> {
        Ok(Auth::Basic {
            user: user.to_owned(),
            password: Secret::new(password.to_owned()),
        })
    }

    #[test]
    fn a_bearer_token_is_used_before_a_password() {
        let token = Ok(Auth::Bearer(Secret::new("t".to_owned())));
        let both = [("bearerToken", "t"), ("username", "u"), ("password", "p")];
        assert_eq!(equip("https://h/r", Some(&both)), token);
        assert_eq!(equip("https://org@h/r", Some(&both)), token);
        assert_eq!(equip("https://h/r", Some(&both[1..])), basic("u", "p"));
        assert_eq!(
            equip("https://h/r", Some(&[("ca.crt", "pem")])),
            Ok(Auth::None)
        );
        assert_eq!(
            equip("https://h/r", Some(&[("username", "token")])),
            basic("token", "")
        );
    }

    #[test]
    fn what_the_secret_leaves_out_stands_in_the_url() {
        let user: &[_] = &[("username", "u")];
        let password: &[_] = &[("password", "p")];
        assert_eq!(equip("https://a:b@h/r", Some(user)), basic("u", "b"));
        assert_eq!(equip("https://a:b@h/r", Some(password)), basic("a", "p"));
        assert_eq!(equip("https://a:b@h/r", Some(&[])), basic("a", "b"));
        assert_eq!(equip("https://a:b@h/r", None), basic("a", "b"));
    }

    #[test]
    fn half_a_login_is_refused_in_the_words_of_flux_without_its_value() {
        let words = |transport: &str, what: &str| {
            let start = "failed to configure authentication options: invalid";
            Err(format!("{start} '{transport}' auth option: {what}"))
        };
        let secret = " (secret 'apps/git')";
        let user_missing = "'password' requires 'username' to be set";
        let nobody = words("https", user_missing);
        let named = words("https", &format!("{user_missing}{secret}"));
        let planted = equip("https://h/r", Some(&[("password", "planted")]));
        assert_eq!(planted, named);
        assert_eq!(equip("https://:planted@h/r", None), nobody);
        let no_key = "'identity' is required";
        assert_eq!(equip("ssh://git@h/r", None), words("ssh", no_key));
        assert_eq!(
            equip("ssh://git@h/r", Some(&[("known_hosts", "h")])),
            words("ssh", &format!("{no_key}{secret}"))
        );
        assert_eq!(
            equip("ssh://git@h/r", Some(&[("identity", "planted")])),
            words("ssh", &format!("'known_hosts' is required{secret}"))
        );
        let unreadable = equip(
            "ssh://h/r",
            Some(&[("identity", "planted"), ("known_hosts", "planted")]),
        );
        assert_eq!(
            unreadable,
            Err("failed to configure authentication options: secret 'apps/git': `known_hosts` has no line of the form `host type key` (line 1 cannot be read)".to_owned())
        );
    }
}
