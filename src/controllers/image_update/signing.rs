//! The key that signs an automation's commits: `spec.git.commit.signingKey`, in Flux's layout of the
//! Secret and in Flux's words.
//!
//! Invariants: the Secret is read at each run, so a new key signs the next commit; what was opened with
//! a passphrase is opened again only when the Secret holds something else, since that is slow on
//! purpose; no message holds a value.

use crate::adapters::cluster::objects::{SecretData, secret};
use crate::adapters::git::{Signer, SigningKeyError};
use crate::api::ImageUpdateAutomation;
use crate::api::image_update_automation::{SigningKey, SigningKeyType};
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason};
use jiff::Timestamp;
use kube::Client;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The open keys of all automations.
#[derive(Debug, Default)]
pub struct Signers(Mutex<HashMap<ObjectKey, Open>>);

/// A key, and what it was read from.
#[derive(Clone, Debug)]
struct Open {
    source: [u8; 32],
    signer: Signer,
}

/// Where in a Secret a kind of key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    ssh: bool,
    key: &'static str,
    passphrase: &'static str,
}

const GPG: Layout = Layout {
    ssh: false,
    key: "git.asc",
    passphrase: "passphrase",
};
const SSH: Layout = Layout {
    ssh: true,
    key: "identity",
    passphrase: "password",
};

impl Signers {
    /// The signer of an automation; `None` when its commits are not signed.
    pub(super) async fn signer(
        &self,
        client: &Client,
        own: &ObjectKey,
        object: &ImageUpdateAutomation,
        now: Timestamp,
    ) -> Result<Option<Signer>, Outcome> {
        let git = object.spec.git.as_ref();
        let Some(wanted) = git.and_then(|git| git.commit.signing_key.as_ref()) else {
            self.forget(own);
            return Ok(None);
        };
        let failed = |words: String| {
            let message = format!("failed configuring source manager: {words}");
            Outcome::failed(reason::SOURCE_MANAGER_FAILED, message)
        };
        let name = wanted.secret_ref.name.as_str();
        let layout = layout(wanted).map_err(failed)?;
        let data = secret(client, &ObjectKey::new(&own.namespace, name)).await;
        let data = data.map_err(|error| {
            let cause = match error.is_not_found() {
                true => format!("secrets \"{name}\" not found"),
                false => error.to_string(),
            };
            failed(format!(
                "could not find signing key secret '{name}': {cause}"
            ))
        })?;
        let source = digest(layout, &data);
        if let Some(open) = self.lock().get(own).cloned()
            && open.source == source
            && open.signer.check(now).is_ok()
        {
            return Ok(Some(open.signer));
        }
        self.forget(own);
        let secret = name.to_owned();
        let read = tokio::task::spawn_blocking(move || open(layout, &data, &secret, now)).await;
        let signer = read
            .map_err(|error| Outcome::failed(reason::FAILED, error))?
            .map_err(failed)?;
        let signed = signer.clone();
        self.lock().insert(own.clone(), Open { source, signer });
        Ok(Some(signed))
    }

    /// Drops the key of an automation.
    pub(super) fn forget(&self, own: &ObjectKey) {
        self.lock().remove(own);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn layout(wanted: &SigningKey) -> Result<Layout, String> {
    match &wanted.kind {
        SigningKeyType::Gpg => Ok(GPG),
        SigningKeyType::Ssh => Ok(SSH),
        other => Err(format!("unknown signing key type \"{other}\"")),
    }
}

/// What tells one key and its passphrase from another.
fn digest(layout: Layout, data: &SecretData) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update([u8::from(layout.ssh)]);
    for name in [layout.key, layout.passphrase] {
        let bytes = data.bytes(name).map(|bytes| bytes.expose().as_slice());
        digest.update([u8::from(bytes.is_some())]);
        let bytes = bytes.unwrap_or_default();
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    }
    digest.finalize().into()
}

/// Opens the key in a Secret.
fn open(layout: Layout, data: &SecretData, name: &str, now: Timestamp) -> Result<Signer, String> {
    let key = data.bytes(layout.key).ok_or_else(|| {
        let article = if layout.ssh { "an" } else { "a" };
        format!(
            "signing key secret '{name}' does not contain {article} '{}' key",
            layout.key
        )
    })?;
    let passphrase = data
        .bytes(layout.passphrase)
        .map(|bytes| bytes.expose().as_slice());
    let read = match layout.ssh {
        false => Signer::openpgp(key.expose(), passphrase, now),
        true => Signer::ssh(key.expose(), passphrase),
    };
    read.map_err(|error| told(layout, name, &error))
}

/// What Flux says of a key that is of no use.
fn told(layout: Layout, name: &str, error: &SigningKeyError) -> String {
    match error {
        SigningKeyError::Protected => format!(
            "can not use passphrase protected signing key without '{}' field present in secret {name}",
            layout.passphrase
        ),
        other if layout.ssh => {
            format!("could not parse SSH signing key from secret '{name}': {other}")
        }
        SigningKeyError::Several(_) => format!(
            "multiple entities read from secret '{name}', could not determine which signing key to use"
        ),
        SigningKeyError::Locked(words) => format!(
            "could not decrypt private key of the signing key present in secret {name}: {words}"
        ),
        other => format!("could not read signing key from secret '{name}': {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(values: &[(&str, &str)]) -> SecretData {
        let values = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        SecretData::new("Opaque", values)
    }

    fn refused(layout: Layout, values: &[(&str, &str)]) -> String {
        let opened = open(layout, &data(values), "signing-key", Timestamp::UNIX_EPOCH);
        opened.map(drop).expect_err("it is of no use")
    }

    #[test]
    fn a_secret_without_the_key_of_its_type_is_refused_in_the_words_of_flux() {
        assert_eq!(
            refused(GPG, &[("identity", "planted")]),
            "signing key secret 'signing-key' does not contain a 'git.asc' key"
        );
        assert_eq!(
            refused(SSH, &[("git.asc", "planted")]),
            "signing key secret 'signing-key' does not contain an 'identity' key"
        );
    }

    #[test]
    fn what_is_no_key_is_refused_without_its_content() {
        let gpg = refused(GPG, &[("git.asc", "planted")]);
        assert!(
            gpg.starts_with("could not read signing key from secret 'signing-key': ")
                && !gpg.contains("planted"),
            "{gpg}"
        );
        let ssh = refused(SSH, &[("identity", "planted"), ("password", "planted")]);
        assert!(
            ssh.starts_with("could not parse SSH signing key from secret 'signing-key': ")
                && !ssh.contains("planted"),
            "{ssh}"
        );
    }

    #[test]
    fn what_is_wrong_with_a_key_is_told_in_the_words_of_flux() {
        let words = |layout, error| told(layout, "k", &error);
        assert_eq!(
            words(GPG, SigningKeyError::Protected),
            "can not use passphrase protected signing key without 'passphrase' field present in secret k"
        );
        assert_eq!(
            words(SSH, SigningKeyError::Protected),
            "can not use passphrase protected signing key without 'password' field present in secret k"
        );
        assert_eq!(
            words(GPG, SigningKeyError::Several(2)),
            "multiple entities read from secret 'k', could not determine which signing key to use"
        );
        assert_eq!(
            words(GPG, SigningKeyError::Locked("x".to_owned())),
            "could not decrypt private key of the signing key present in secret k: x"
        );
    }

    #[test]
    fn a_type_that_is_not_known_is_named() {
        let wanted: SigningKey = serde_json::from_value(
            serde_json::json!({"type": "rot13", "secretRef": {"name": "k"}}),
        )
        .expect("it has the form of a key");
        assert_eq!(
            layout(&wanted),
            Err("unknown signing key type \"rot13\"".to_owned())
        );
    }

    #[test]
    fn another_key_or_passphrase_is_another_source() {
        let secrets = [
            data(&[("git.asc", "a")]),
            data(&[("git.asc", "b")]),
            data(&[("git.asc", "a"), ("passphrase", "")]),
            data(&[("git.asc", "a"), ("passphrase", "x")]),
        ];
        let digests: Vec<_> = secrets.iter().map(|data| digest(GPG, data)).collect();
        for (index, one) in digests.iter().enumerate() {
            assert!(!digests[index + 1..].contains(one));
        }
        let with_more = data(&[("git.asc", "a"), ("unrelated", "x")]);
        assert_eq!(digest(GPG, &with_more), digests[0]);
    }
}
