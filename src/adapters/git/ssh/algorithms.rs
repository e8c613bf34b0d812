//! Which algorithms are offered to servers: what `--ssh-kex-algos` and `--ssh-hostkey-algos` name, or
//! the usual ones.
//!
//! Invariant: a name that is not spoken here is told and left out; a list of which nothing is left is
//! an error, never the usual list. What is absent: ciphers and MACs, of which Flux has no flags either.

use super::known_hosts::HostKeys;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, kex};
use std::borrow::Cow;
use thiserror::Error;

/// The key exchanges that are offered when nothing else is said, the best first.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G14_SHA256,
];
/// What is said in the same list and is no key exchange.
const EXTENSIONS: [kex::Name; 2] = [
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];
/// The kinds of host keys, the best first.
const HOST_KEYS: [Algorithm; 7] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
    Algorithm::Rsa { hash: None },
];
/// How the names of certificates end.
const CERTIFICATE: &str = "-cert-v01@openssh.com";

/// A list of algorithms of which nothing can be spoken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("none of {what} `{}` is spoken here; hint: use some of {}", named.join(","), spoken.join(","))]
pub struct UnknownAlgorithms {
    what: &'static str,
    named: Vec<String>,
    spoken: Vec<String>,
}

/// The algorithms that are offered to ssh servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshAlgorithms {
    kex: Option<Vec<kex::Name>>,
    host_keys: Option<(Vec<Algorithm>, Vec<Algorithm>)>,
}

impl SshAlgorithms {
    /// Reads names of key exchanges and of host keys; an empty list is the usual one. Also gives the
    /// names that are not spoken here.
    ///
    /// # Errors
    /// When there are names, and none of them is spoken.
    pub fn named(
        kex: &[String],
        host_keys: &[String],
    ) -> Result<(Self, Vec<String>), UnknownAlgorithms> {
        let mut unknown = Vec::new();
        let (kex, host_keys) = (cleaned(kex), cleaned(host_keys));
        let exchanges = parsed(&kex, exchange, &mut unknown);
        let keys = parsed(&host_keys, host_key, &mut unknown);
        if exchanges.is_empty() && !kex.is_empty() {
            return Err(UnknownAlgorithms {
                what: "the key exchanges",
                named: kex,
                spoken: KEX.iter().map(|name| name.as_ref().to_owned()).collect(),
            });
        }
        if keys.is_empty() && !host_keys.is_empty() {
            return Err(UnknownAlgorithms {
                what: "the host key algorithms",
                named: host_keys,
                spoken: HOST_KEYS.iter().map(ToString::to_string).collect(),
            });
        }
        let split = |certificates: bool| {
            let wanted = keys.iter().filter(|(is, _)| *is == certificates);
            wanted.map(|(_, key)| key.clone()).collect()
        };
        let algorithms = Self {
            kex: (!kex.is_empty()).then_some(exchanges),
            host_keys: (!host_keys.is_empty()).then(|| (split(false), split(true))),
        };
        Ok((algorithms, unknown))
    }

    /// What is offered to a host of which this much is known.
    pub(super) fn preferred(&self, known: &HostKeys) -> Preferred {
        let mut kex = self.kex.clone().unwrap_or_else(|| KEX.to_vec());
        kex.extend(EXTENSIONS);
        let (key, certificates) = match &self.host_keys {
            Some(named) => named.clone(),
            None => known.algorithms(&HOST_KEYS),
        };
        Preferred {
            kex: Cow::Owned(kex),
            key: Cow::Owned(key),
            host_key_certificates: Cow::Owned(certificates),
            // Packs are compressed already.
            compression: Cow::Owned(vec![russh::compression::NONE]),
            ..Preferred::DEFAULT
        }
    }
}

fn cleaned(names: &[String]) -> Vec<String> {
    let names = names.iter().map(|name| name.trim().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

fn parsed<T>(
    names: &[String],
    parse: impl Fn(&str) -> Option<T>,
    unknown: &mut Vec<String>,
) -> Vec<T> {
    let mut known = Vec::new();
    for name in names {
        match parse(name) {
            Some(algorithm) => known.push(algorithm),
            None => unknown.push(name.clone()),
        }
    }
    known
}

fn exchange(name: &str) -> Option<kex::Name> {
    let found = kex::Name::try_from(name).ok()?;
    (found != kex::NONE).then_some(found)
}

/// A kind of host keys, and whether certificates of such keys are meant.
fn host_key(name: &str) -> Option<(bool, Algorithm)> {
    let (plain, certificate) = match name.strip_suffix(CERTIFICATE) {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let found = HOST_KEYS.iter().find(|known| known.as_str() == plain)?;
    Some((certificate, found.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_names_of_the_flags_are_those_of_openssh() {
        let kex = names(&[
            "curve25519-sha256",
            "diffie-hellman-group14-sha1",
            "sntrup",
            "none",
        ]);
        let keys = names(&[
            "rsa-sha2-256",
            "ssh-ed25519-cert-v01@openssh.com",
            "ssh-dss",
            "",
        ]);
        let (named, unknown) = SshAlgorithms::named(&kex, &keys).expect("some are spoken");
        assert_eq!(unknown, ["sntrup", "none", "ssh-dss"]);
        let offered = named.preferred(&HostKeys::default());
        let sha256 = Some(HashAlg::Sha256);
        assert_eq!(offered.key[..], [Algorithm::Rsa { hash: sha256 }]);
        assert_eq!(offered.host_key_certificates[..], [Algorithm::Ed25519]);
        let offered: Vec<&str> = offered.kex.iter().map(AsRef::as_ref).collect();
        assert_eq!(
            offered,
            [
                "curve25519-sha256",
                "diffie-hellman-group14-sha1",
                "ext-info-c",
                "kex-strict-c-v00@openssh.com"
            ]
        );
    }

    #[test]
    fn names_of_which_none_is_spoken_are_an_error_with_those_that_are() {
        let error = SshAlgorithms::named(&names(&["none"]), &[]).expect_err("nothing is left");
        assert!(
            error.to_string().starts_with(
                "none of the key exchanges `none` is spoken here; hint: use some of mlkem768x25519-sha256,curve25519-sha256,"
            ),
            "{error}"
        );
        assert!(SshAlgorithms::named(&[], &names(&["ssh-dss"])).is_err());
        let nothing = SshAlgorithms::named(&names(&[""]), &[]);
        assert_eq!(nothing, Ok((SshAlgorithms::default(), Vec::new())));
    }
}
