//! Signing assertions with RSA keys.
//!
//! Invariant: a key that is none gives no signature, and is never shown. What is absent: keys of other
//! sorts, which neither Google nor Azure gives to anybody.

use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How a JSON web token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

/// The signature with the first key in a PEM text; `None` when there is no RSA key.
pub(super) fn sign(pem: &str, message: &[u8], algorithm: Algorithm) -> Option<Vec<u8>> {
    let scheme = match algorithm {
        Algorithm::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
        Algorithm::Ps256 => SignatureScheme::RSA_PSS_SHA256,
    };
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    let key = any_supported_type(&key).ok()?;
    key.choose_scheme(&[scheme])?.sign(message).ok()
}

/// The first certificate in a PEM text, as DER.
pub(super) fn certificate(pem: &str) -> Option<Vec<u8>> {
    let found = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    Some(found.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_signs_nothing() {
        for pem in [
            "",
            "planted-secret",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert_eq!(sign(pem, b"x", Algorithm::Rs256), None);
            assert_eq!(certificate(pem), None);
        }
    }
}
