//! SSH keys: `ssh-keygen -Y sign -n git`, in memory.

use super::armor::blocks;
use super::{SigningKeyError, wrong};
use ssh_key::{Algorithm, HashAlg, Kdf, LineEnding, PrivateKey};

/// What Git's signatures are made for, so that they are good for nothing else.
const NAMESPACE: &str = "git";
/// The label of OpenSSH's own format.
const LABEL: &str = "OPENSSH PRIVATE KEY";
/// The fewest bits of an RSA key.
const FEWEST_BITS: u32 = 2048;
/// The most rounds of deriving a key from a password: some ten seconds; `ssh-keygen` takes 24.
const MOST_ROUNDS: u32 = 2_048;

/// An open private key.
pub(super) struct Key(PrivateKey);

impl Key {
    pub(super) fn read(bytes: &[u8], password: Option<&[u8]>) -> Result<Self, SigningKeyError> {
        let key = PrivateKey::from_bytes(&unarmored(bytes)?)
            .map_err(|_| unreadable("it is damaged, or of a kind that is not known"))?;
        // The public part is in the open, so a key of no use needs no password to be refused.
        check(&key)?;
        let key = open(key, password)?;
        check(&key)?;
        Ok(Self(key))
    }

    pub(super) fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    pub(super) fn sign(&self, payload: &[u8]) -> Result<String, SigningKeyError> {
        let broken = |_| SigningKeyError::Unusable("the key is inconsistent".to_owned());
        let signature = self
            .0
            .sign(NAMESPACE, HashAlg::Sha512, payload)
            .map_err(broken)?;
        let public = self.0.public_key();
        public
            .verify(NAMESPACE, payload, &signature)
            .map_err(broken)?;
        signature.to_pem(LineEnding::LF).map_err(broken)
    }
}

fn unreadable(words: impl Into<String>) -> SigningKeyError {
    SigningKeyError::Unreadable(words.into())
}

/// The bytes in the one block of a text.
fn unarmored(bytes: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable("it is not a text"))?;
    let mut found = blocks(text).map_err(unreadable)?;
    let count = found.len();
    match found.pop() {
        None => Err(unreadable(
            "it is no private key; hint: it begins with `-----BEGIN OPENSSH PRIVATE KEY-----`",
        )),
        Some(_) if count > 1 => Err(SigningKeyError::Several(count)),
        Some(block) if block.label == LABEL => Ok(block.bytes),
        // The label is the owner's text, so only those that are known are repeated.
        Some(block) => {
            let known = ["RSA", "EC", "DSA", "ENCRYPTED"].map(|kind| format!("{kind} PRIVATE KEY"));
            let what = match known.iter().find(|known| **known == block.label) {
                Some(known) => format!("a `{known}`"),
                None if block.label == "PRIVATE KEY" => "a `PRIVATE KEY`".to_owned(),
                None => "something else".to_owned(),
            };
            let hint = "`ssh-keygen -p -f FILE` writes it in OpenSSH's format";
            Err(unreadable(format!("it is {what}; hint: {hint}")))
        }
    }
}

/// Refuses what signs nothing that OpenSSH accepts.
fn check(key: &PrivateKey) -> Result<(), SigningKeyError> {
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(()),
        Algorithm::Rsa { .. } => {
            let public = key.public_key().key_data().rsa();
            let bits = public.map(|public| public.key_size()).unwrap_or_default();
            if bits < FEWEST_BITS {
                return Err(SigningKeyError::Unusable(format!(
                    "RSA key size {bits} bits is below the minimum supported by NewSSHSigner; must be at least {FEWEST_BITS}"
                )));
            }
            Ok(())
        }
        Algorithm::Other(_) => Err(unreadable("unsupported SSH signing key algorithm")),
        known => Err(unreadable(format!(
            "unsupported SSH signing key algorithm: {known}"
        ))),
    }
}

fn open(key: PrivateKey, password: Option<&[u8]>) -> Result<PrivateKey, SigningKeyError> {
    if !key.is_encrypted() {
        return Ok(key);
    }
    let password = password
        .filter(|password| !password.is_empty())
        .ok_or(SigningKeyError::Protected)?;
    if let Kdf::Bcrypt { rounds, .. } = key.kdf()
        && *rounds > MOST_ROUNDS
    {
        let words = format!("its password is derived in more than {MOST_ROUNDS} rounds");
        return Err(SigningKeyError::Locked(words));
    }
    key.decrypt(password)
        .map_err(|_| wrong("password", password))
}
