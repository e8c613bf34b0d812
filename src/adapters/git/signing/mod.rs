//! Signing commits in memory, with OpenPGP and SSH keys.
//!
//! ```text
//! Secret ── armor ── openpgp (choice: which of its keys) ─┐
//!        └─ git::ssh ── ssh ──────────────────────────────┴─ Signer ── gpgsig
//! ```
//!
//! Invariants: what was signed is verified with the public key before it is used; no error, log or
//! `Debug` holds key material, so words of the libraries are not passed on (they quote their input);
//! reading a key is bounded in size, time and memory. What is absent: files, agents and the programs
//! `gpg` and `ssh-keygen`; OpenPGP keys of version 6, which no Git forge verifies.

mod armor;
mod openpgp;
mod ssh;

use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The most bytes of a key that are read; a Secret cannot hold more.
const LARGEST: usize = 1 << 20;

/// Why a key cannot sign.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SigningKeyError {
    /// It is no private key of its kind, or it is damaged.
    #[error("{0}")]
    Unreadable(String),
    /// There is more than one OpenPGP key.
    #[error("it holds {0} keys")]
    Several(usize),
    /// It is protected, and nothing was given to open it with.
    #[error("it is protected by a passphrase, and none is given")]
    Protected,
    /// What was given does not open it.
    #[error("{0}")]
    Locked(String),
    /// It is expired, revoked, too weak, or not meant for signing.
    #[error("{0}")]
    Unusable(String),
}

/// A key that signs commits. It prints as the name of its public part.
#[derive(Clone)]
pub struct Signer(Arc<Key>);

enum Key {
    OpenPgp(Box<openpgp::Key>),
    Ssh(Box<ssh::Key>),
}

impl Signer {
    /// Reads a private OpenPGP key, armored or binary, and opens the part of it that signs at `now`:
    /// the newest valid signing subkey, else the primary key.
    ///
    /// # Errors
    /// [`SigningKeyError`], every variant.
    pub fn openpgp(
        bytes: &[u8],
        passphrase: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Self, SigningKeyError> {
        let key = openpgp::Key::read(bounded(bytes)?, passphrase, now)?;
        Ok(Self(Arc::new(Key::OpenPgp(Box::new(key)))))
    }

    /// Reads a private SSH key: ed25519, ECDSA, or RSA of at least 2048 bits.
    ///
    /// # Errors
    /// [`SigningKeyError`], every variant.
    pub fn ssh(bytes: &[u8], password: Option<&[u8]>) -> Result<Self, SigningKeyError> {
        let key = ssh::Key::read(bounded(bytes)?, password)?;
        Ok(Self(Arc::new(Key::Ssh(Box::new(key)))))
    }

    /// Whether the key can still sign at `now`.
    ///
    /// # Errors
    /// [`SigningKeyError::Unusable`] once it has expired.
    pub fn check(&self, now: Timestamp) -> Result<(), SigningKeyError> {
        match &*self.0 {
            Key::OpenPgp(key) => key.check(now),
            Key::Ssh(_) => Ok(()),
        }
    }

    /// The armored signature of `payload`, as the header `gpgsig` of a commit holds it.
    ///
    /// # Errors
    /// [`SigningKeyError::Unusable`] when the key has expired meanwhile, or is inconsistent.
    pub fn sign(&self, payload: &[u8], at: Timestamp) -> Result<String, SigningKeyError> {
        let armored = match &*self.0 {
            Key::OpenPgp(key) => key.sign(payload, at)?,
            Key::Ssh(key) => key.sign(payload)?,
        };
        Ok(armored.trim_end().to_owned())
    }

    /// What the public part is called: the OpenPGP fingerprint, or the SSH fingerprint `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        match &*self.0 {
            Key::OpenPgp(key) => key.fingerprint(),
            Key::Ssh(key) => key.fingerprint(),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signer({})", self.fingerprint())
    }
}

/// Two are equal when they are the same one.
impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Signer {}

fn bounded(bytes: &[u8]) -> Result<&[u8], SigningKeyError> {
    match bytes.len() {
        0 => Err(SigningKeyError::Unreadable("it is empty".to_owned())),
        length if length > LARGEST => Err(SigningKeyError::Unreadable(format!(
            "it has more than {LARGEST} bytes"
        ))),
        _ => Ok(bytes),
    }
}

/// What to say of a passphrase that does not open a key.
fn wrong(what: &str, given: &[u8]) -> SigningKeyError {
    let hint = match given.last() {
        Some(b'\n' | b'\r') => "; hint: it ends with a line break, which belongs to it",
        _ => "",
    };
    SigningKeyError::Locked(format!("the {what} does not open it{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(bytes: &[u8]) -> [Result<Signer, SigningKeyError>; 2] {
        [
            Signer::openpgp(bytes, Some(b"x"), Timestamp::UNIX_EPOCH),
            Signer::ssh(bytes, Some(b"x")),
        ]
    }

    #[test]
    fn nothing_and_too_much_are_no_keys() {
        for bytes in [Vec::new(), vec![b'a'; LARGEST + 1], b"hello\n".to_vec()] {
            for read in reads(&bytes) {
                let error = read.expect_err("it is no key");
                assert!(matches!(error, SigningKeyError::Unreadable(_)), "{error:?}");
            }
        }
    }

    #[test]
    fn a_line_break_at_the_end_of_a_passphrase_is_pointed_out() {
        assert_eq!(
            wrong("passphrase", b"x\n").to_string(),
            "the passphrase does not open it; hint: it ends with a line break, which belongs to it"
        );
        assert_eq!(
            wrong("password", b"x").to_string(),
            "the password does not open it"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_taken_for_a_key_or_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            for read in reads(&bytes) {
                assert!(read.is_err());
            }
        }
    }
}
