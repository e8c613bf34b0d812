//! SSH keys: `ssh-keygen -Y sign -n git`, in memory. Keys are read as those for connections are.

use super::super::ssh::{SshLoginError, private_key};
use super::{SigningKeyError, wrong};
use crate::domain::redact::Secret;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey};

/// What Git's signatures are made for, so that they are good for nothing else.
const NAMESPACE: &str = "git";
/// The fewest bits of an RSA key.
const FEWEST_BITS: u32 = 2048;

/// An open private key.
pub(super) struct Key(PrivateKey);

impl Key {
    pub(super) fn read(bytes: &[u8], password: Option<&[u8]>) -> Result<Self, SigningKeyError> {
        let given = password.unwrap_or_default();
        let text = String::from_utf8(given.to_vec()).map_err(|_| wrong("password", given))?;
        let identity = Secret::new(bytes.to_vec());
        let key =
            private_key(&identity, Some(&Secret::new(text))).map_err(|error| match error {
                SshLoginError::Encrypted => SigningKeyError::Protected,
                SshLoginError::Passphrase => wrong("password", given),
                other => SigningKeyError::Unreadable(other.to_string()),
            })?;
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

/// Refuses what signs nothing that OpenSSH accepts.
fn check(key: &PrivateKey) -> Result<(), SigningKeyError> {
    let unsupported = |name: &str| {
        let words = format!("unsupported SSH signing key algorithm{name}");
        Err(SigningKeyError::Unusable(words))
    };
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(()),
        Algorithm::Rsa { .. } => {
            let public = key.public_key().key_data().rsa();
            let bits = public.map(|public| public.key_size()).unwrap_or_default();
            match bits < FEWEST_BITS {
                true => Err(SigningKeyError::Unusable(format!(
                    "RSA key size {bits} bits is below the minimum supported by NewSSHSigner; must be at least {FEWEST_BITS}"
                ))),
                false => Ok(()),
            }
        }
        // That name is the owner's text.
        Algorithm::Other(_) => unsupported(""),
        known => unsupported(&format!(": {known}")),
    }
}
