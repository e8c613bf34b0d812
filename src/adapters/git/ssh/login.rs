//! A private key and the hosts that it may be used at, read once for many conversations.
//!
//! Invariant: no error and no `Debug` shows a byte of the key or of its passphrase; work that a key
//! asks for before it can be used is bounded, since Secrets are written by tenants. What is absent:
//! agents, keys of hardware, and certificates of users.

use super::cost::affordable;
use super::known_hosts::{KnownHosts, KnownHostsError};
use super::short_number;
use crate::domain::redact::Secret;
use russh::keys::ssh_key::{self, Error, Kdf};
use russh::keys::{PrivateKey, decode_secret_key};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The most bytes of a private key.
pub(super) const LARGEST: usize = 64 * 1024;
/// The most rounds of bcrypt that a passphrase may cost. `ssh-keygen` makes 24, and people ask for 100.
const ROUNDS: u32 = 1_000;

/// Why a login is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SshLoginError {
    /// The key is encrypted, and there is nothing to open it with.
    #[error("the private key is encrypted, and there is no passphrase")]
    Encrypted,
    /// The passphrase is another key's.
    #[error("the passphrase does not open the private key")]
    Passphrase,
    /// It is no key, or none that can be used.
    #[error("the private key cannot be read: {0}")]
    Key(&'static str),
    /// A person has no key that can be used as it is.
    #[error(
        "there is no private key without a passphrase in `~/.ssh`: neither `id_rsa` nor `id_ecdsa` nor `id_ed25519`"
    )]
    NoKeys,
    /// No host can be known by it.
    #[error(transparent)]
    KnownHosts(#[from] KnownHostsError),
}

pub(super) const NO_KEY: SshLoginError = SshLoginError::Key(
    "it is none of RSA, ECDSA or Ed25519 in the form of OpenSSH, PKCS#1, PKCS#8 or SEC1",
);
pub(super) const OLD: SshLoginError = SshLoginError::Key(
    "it is encrypted in a form that is not spoken here; hint: write it in the form of OpenSSH with `ssh-keygen -p -f FILE`",
);
pub(super) const COSTLY: SshLoginError =
    SshLoginError::Key("opening it with its passphrase would take too long");

/// Who one is at ssh servers, and which of them count as themselves. Clones share it.
#[derive(Clone)]
pub struct SshLogin {
    /// At least one, in the order in which they are shown to servers.
    pub(super) keys: Vec<Arc<PrivateKey>>,
    pub(super) hosts: Arc<KnownHosts>,
}

impl SshLogin {
    /// Reads a private key, which `passphrase` opens if it is encrypted, and a `known_hosts` file. Takes
    /// a moment where a passphrase is.
    ///
    /// # Errors
    /// [`SshLoginError`] for whichever cannot be read.
    pub fn new(
        identity: &Secret<Vec<u8>>,
        passphrase: Option<&Secret>,
        known_hosts: &[u8],
    ) -> Result<Self, SshLoginError> {
        let hosts = Arc::new(KnownHosts::parse(known_hosts)?);
        let keys = vec![Arc::new(private_key(identity, passphrase)?)];
        Ok(Self { keys, hosts })
    }
}

impl fmt::Debug for SshLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.iter();
        let fingerprints = keys.map(|key| key.fingerprint(ssh_key::HashAlg::Sha256).to_string());
        write!(
            formatter,
            "SshLogin({})",
            fingerprints.collect::<Vec<_>>().join(", ")
        )
    }
}

impl PartialEq for SshLogin {
    fn eq(&self, other: &Self) -> bool {
        let public = |login: &Self| -> Vec<_> {
            let keys = login.keys.iter();
            keys.map(|key| key.public_key().key_data().clone())
                .collect()
        };
        public(self) == public(other) && self.hosts == other.hosts
    }
}

impl Eq for SshLogin {}

/// How the text of a key is wrapped.
struct Wrapped {
    /// The lines without what an editor may have put around them.
    text: String,
    label: Label,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    OpenSsh,
    Plain,
    /// PKCS#8 that is encrypted.
    Encrypted,
    /// PKCS#1 that is encrypted by AES-128-CBC, the only one of the old ways that is spoken.
    OldRsa,
    /// Encrypted in another of the old ways.
    Old,
}

/// Opens a private key, in whatever form it is. Takes a moment where a passphrase is.
pub(in crate::adapters::git) fn private_key(
    identity: &Secret<Vec<u8>>,
    passphrase: Option<&Secret>,
) -> Result<PrivateKey, SshLoginError> {
    let wrapped = wrapped(identity.expose())?;
    let passphrase = passphrase
        .map(|secret| secret.expose().as_str())
        .filter(|text| !text.is_empty());
    let decode = |passphrase| decode_secret_key(&wrapped.text, passphrase);
    match (wrapped.label, passphrase) {
        (Label::Plain, _) => decode(None).map_err(|_| NO_KEY),
        (Label::Encrypted | Label::OldRsa | Label::Old, None) => Err(SshLoginError::Encrypted),
        (Label::Old, Some(_)) => Err(OLD),
        (Label::OldRsa, given) => decode(given).map_err(|_| SshLoginError::Passphrase),
        (Label::Encrypted, given) => {
            affordable(&wrapped.text)?;
            decode(given).map_err(|_| SshLoginError::Passphrase)
        }
        (Label::OpenSsh, given) => open_ssh(&wrapped.text, given),
    }
}

fn wrapped(bytes: &[u8]) -> Result<Wrapped, SshLoginError> {
    let text = std::str::from_utf8(bytes).map_err(|_| NO_KEY)?;
    if text.len() > LARGEST {
        return Err(NO_KEY);
    }
    let mut lines: Vec<&str> = text.lines().map(str::trim).collect();
    let first = lines
        .iter()
        .position(|line| line.starts_with("-----BEGIN "));
    let mut lines = lines.split_off(first.ok_or(NO_KEY)?);
    if let Some(last) = lines.iter().position(|line| line.starts_with("-----END ")) {
        lines.truncate(last + 1);
    }
    let old = lines.contains(&"Proc-Type: 4,ENCRYPTED");
    let spoken = lines
        .iter()
        .any(|line| line.starts_with("DEK-Info: AES-128-CBC,"));
    let label = match lines[0] {
        "-----BEGIN OPENSSH PRIVATE KEY-----" => Label::OpenSsh,
        "-----BEGIN ENCRYPTED PRIVATE KEY-----" => Label::Encrypted,
        "-----BEGIN RSA PRIVATE KEY-----" if old && spoken => Label::OldRsa,
        _ if old => Label::Old,
        "-----BEGIN RSA PRIVATE KEY-----"
        | "-----BEGIN EC PRIVATE KEY-----"
        | "-----BEGIN PRIVATE KEY-----" => Label::Plain,
        _ => return Err(NO_KEY),
    };
    Ok(Wrapped {
        text: lines.join("\n"),
        label,
    })
}

fn open_ssh(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, SshLoginError> {
    let key = match PrivateKey::from_openssh(text) {
        Ok(key) => key,
        Err(_) => return short_number::plain(text).ok_or(NO_KEY),
    };
    if !key.is_encrypted() {
        return Ok(key);
    }
    if let Kdf::Bcrypt { rounds, .. } = key.kdf()
        && *rounds > ROUNDS
    {
        return Err(COSTLY);
    }
    let passphrase = passphrase.ok_or(SshLoginError::Encrypted)?;
    match key.decrypt(passphrase) {
        Ok(key) => Ok(key),
        // What a wrong passphrase opens is hardly ever of a length.
        Err(Error::Encoding(_)) => {
            short_number::encrypted(&key, text, passphrase).ok_or(SshLoginError::Passphrase)
        }
        Err(_) => Err(SshLoginError::Passphrase),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &[u8] = b"git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEVmnHBC8OWGCdadhv52UivN8dDyT1aR7F7c3JnEwhss\n";

    fn login(identity: &[u8], passphrase: Option<&str>) -> Result<SshLogin, SshLoginError> {
        let passphrase = passphrase.map(|text| Secret::new(text.to_owned()));
        SshLogin::new(&Secret::new(identity.to_vec()), passphrase.as_ref(), HOSTS)
    }

    #[test]
    fn what_is_no_key_is_refused_without_its_content() {
        for text in [
            "",
            "planted-secret",
            "-----BEGIN PRIVATE KEY-----\nplanted+secret\n-----END PRIVATE KEY-----\n",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
            "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n",
        ] {
            let error = login(text.as_bytes(), None).expect_err("no key");
            assert_eq!(error, NO_KEY, "{text}");
            assert!(!error.to_string().contains("planted"));
        }
        let large = vec![b'-'; LARGEST + 1];
        assert_eq!(login(&large, None), Err(NO_KEY));
    }

    #[test]
    fn an_old_form_that_is_not_spoken_says_what_to_do() {
        let text = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
        assert_eq!(login(text.as_bytes(), None), Err(SshLoginError::Encrypted));
        let error = login(text.as_bytes(), Some("x")).expect_err("not spoken");
        assert!(
            error.to_string().ends_with("`ssh-keygen -p -f FILE`"),
            "{error}"
        );
    }
}
