//! Whether a server is the one that was asked for.
//!
//! Invariant: nothing is sent to a server before its key, or the certificate of its key, is known for
//! its name; a certificate counts for hosts only, within its time, for the names in it, and when it
//! lays down nothing that is not understood here. What is absent: the signature of the key exchange,
//! which `russh` has checked by then.

use super::known_hosts::HostKeys;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKeyOrCertificate};
use thiserror::Error;

/// Why a server is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Distrust {
    #[error("`known_hosts` names no key of it")]
    Unknown,
    #[error("it has the key `{0}`, and `known_hosts` names others: {1}")]
    Other(String, String),
    #[error("its key `{0}` is revoked in `known_hosts`")]
    Revoked(String),
    #[error("its certificate is signed by `{0}`, which `known_hosts` does not name for it")]
    Authority(String),
    #[error("its certificate {0}")]
    Certificate(&'static str),
}

/// The fingerprint of a key with its kind, as `ssh-keygen -l` has it.
pub(super) fn shown(key: &KeyData) -> String {
    format!("{} {}", key.fingerprint(HashAlg::Sha256), key.algorithm())
}

impl HostKeys {
    /// Whether nothing at all is known of the host.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.authorities.is_empty()
    }

    /// The algorithms to ask the server for, so that it shows a key that is known: for plain keys, and
    /// for certificates.
    pub(super) fn algorithms(&self, usual: &[Algorithm]) -> (Vec<Algorithm>, Vec<Algorithm>) {
        let known = |algorithm: &&Algorithm| {
            let same = |key: &KeyData| match algorithm {
                Algorithm::Rsa { .. } => key.algorithm().is_rsa(),
                other => key.algorithm() == **other,
            };
            self.keys.iter().any(same)
        };
        let plain = usual.iter().filter(known).cloned().collect();
        let certificates = match self.authorities.is_empty() {
            true => Vec::new(),
            false => usual.to_vec(),
        };
        (plain, certificates)
    }

    /// Whether what a server shows is good at `now`, in seconds since 1970.
    pub(super) fn judge(
        &self,
        host: &str,
        shows: &PublicKeyOrCertificate,
        now: u64,
    ) -> Result<(), Distrust> {
        match shows {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.judge_key(key.key_data()),
            PublicKeyOrCertificate::Certificate(certificate) => {
                self.judge_certificate(host, certificate, now)
            }
        }
    }

    fn judge_key(&self, key: &KeyData) -> Result<(), Distrust> {
        if self.revoked.contains(key) {
            return Err(Distrust::Revoked(shown(key)));
        }
        if self.keys.contains(key) {
            return Ok(());
        }
        if self.keys.is_empty() {
            return Err(Distrust::Unknown);
        }
        let known: Vec<String> = self.keys.iter().map(shown).collect();
        Err(Distrust::Other(shown(key), known.join(", ")))
    }

    fn judge_certificate(
        &self,
        host: &str,
        certificate: &Certificate,
        now: u64,
    ) -> Result<(), Distrust> {
        let authority = certificate.signature_key();
        for key in [authority, certificate.public_key()] {
            if self.revoked.contains(key) {
                return Err(Distrust::Revoked(shown(key)));
            }
        }
        if !self.authorities.contains(authority) {
            return Err(Distrust::Authority(shown(authority)));
        }
        let wrong = |what| Err(Distrust::Certificate(what));
        if certificate.cert_type() != CertType::Host {
            return wrong("is not one of a host");
        }
        // As `ssh` does: a certificate without names is one for every host.
        let names = certificate.valid_principals();
        if !names.is_empty() && !names.iter().any(|name| name.eq_ignore_ascii_case(host)) {
            return wrong("does not name it");
        }
        if !certificate.critical_options().is_empty() {
            return wrong("has critical options, and hosts have none");
        }
        let authority = authority.fingerprint(HashAlg::Sha256);
        if certificate.validate_at(now, [&authority]).is_err() {
            return wrong("is not valid at this time, or its signature is wrong");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::certificate::Builder;

    /// A key of which each number gives another.
    fn key(number: u8) -> PrivateKey {
        use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&[number; 32]));
        PrivateKey::new(pair, "").expect("a key")
    }

    fn public(number: u8) -> KeyData {
        key(number).public_key().key_data().clone()
    }

    fn plain(number: u8) -> PublicKeyOrCertificate {
        key(number).public_key().clone().into()
    }

    const NOW: u64 = 1_800_000_000;

    struct Made {
        kind: CertType,
        names: &'static [&'static str],
        until: u64,
        option: bool,
    }

    impl Default for Made {
        fn default() -> Self {
            Self {
                kind: CertType::Host,
                names: &["git.example.com"],
                until: NOW + 60,
                option: false,
            }
        }
    }

    /// A certificate of key 1, signed by key 9.
    fn certificate(made: &Made) -> PublicKeyOrCertificate {
        let nonce = vec![7; 16];
        let mut builder =
            Builder::new(nonce, public(1), NOW - 60, made.until).expect("a validity period");
        builder.cert_type(made.kind).expect("a type");
        match made.names {
            [] => builder.all_principals_valid().map(drop),
            names => names
                .iter()
                .try_for_each(|name| builder.valid_principal(*name).map(drop)),
        }
        .expect("names");
        if made.option {
            builder
                .critical_option("force-command", "x")
                .expect("an option");
        }
        builder.sign(&key(9)).expect("a certificate").into()
    }

    #[test]
    fn a_key_is_good_when_it_is_known_and_not_revoked() {
        let known = HostKeys {
            keys: vec![public(1), public(2)],
            revoked: vec![public(2)],
            ..HostKeys::default()
        };
        assert_eq!(known.judge("h", &plain(1), NOW), Ok(()));
        assert_eq!(
            known.judge("h", &plain(2), NOW),
            Err(Distrust::Revoked(shown(&public(2))))
        );
        let error = known.judge("h", &plain(3), NOW).expect_err("unknown");
        assert!(
            error.to_string().starts_with("it has the key `SHA256:"),
            "{error}"
        );
        assert_eq!(
            HostKeys::default().judge("h", &plain(1), NOW),
            Err(Distrust::Unknown)
        );
    }

    #[test]
    fn a_certificate_is_good_for_hosts_in_it_while_it_lasts() {
        let known = HostKeys {
            authorities: vec![public(9)],
            ..HostKeys::default()
        };
        let judge = |made: &Made| known.judge("Git.example.com", &certificate(made), NOW);
        assert_eq!(judge(&Made::default()), Ok(()));
        let names = &[][..];
        assert_eq!(
            judge(&Made {
                names,
                ..Made::default()
            }),
            Ok(())
        );
        for (made, what) in [
            (
                Made {
                    kind: CertType::User,
                    ..Made::default()
                },
                "is not one of a host",
            ),
            (
                Made {
                    names: &["other"],
                    ..Made::default()
                },
                "does not name it",
            ),
            (
                Made {
                    until: NOW,
                    ..Made::default()
                },
                "is not valid at this time, or its signature is wrong",
            ),
            (
                Made {
                    option: true,
                    ..Made::default()
                },
                "has critical options, and hosts have none",
            ),
        ] {
            assert_eq!(judge(&made), Err(Distrust::Certificate(what)));
        }
    }

    #[test]
    fn a_certificate_is_good_by_a_known_authority_and_with_keys_that_are_not_revoked() {
        let known = HostKeys {
            authorities: vec![public(9)],
            ..HostKeys::default()
        };
        let shows = certificate(&Made::default());
        let nobody = HostKeys::default();
        assert_eq!(
            nobody.judge("git.example.com", &shows, NOW),
            Err(Distrust::Authority(shown(&public(9))))
        );
        for revoked in [1, 9] {
            let known = HostKeys {
                revoked: vec![public(revoked)],
                ..known.clone()
            };
            assert_eq!(
                known.judge("git.example.com", &shows, NOW),
                Err(Distrust::Revoked(shown(&public(revoked))))
            );
        }
    }

    #[test]
    fn a_server_is_asked_for_keys_of_the_kinds_that_are_known() {
        let usual = [
            Algorithm::Ed25519,
            Algorithm::Rsa {
                hash: Some(HashAlg::Sha512),
            },
        ];
        let mut known = HostKeys {
            keys: vec![public(1)],
            ..HostKeys::default()
        };
        assert_eq!(
            known.algorithms(&usual),
            (vec![Algorithm::Ed25519], Vec::new())
        );
        known.authorities = vec![public(9)];
        assert_eq!(known.algorithms(&usual).1, usual.to_vec());
    }
}
