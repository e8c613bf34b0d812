//! Webhooks: whether a delivery is what it says it is, whether it came before, and which images it says were pushed.
//!
//! Duty: [`verify`] a delivery by its receiver's type, tell repetitions and floods ([`gate`]), and read what a registry sends
//! ([`payload`]). Invariant: whatever the bytes are, work and memory are bounded and nothing panics; what a payload says is a hint and never
//! more, the registry is asked for the truth. What is absent: HTTP, the clock, and whom to wake.

pub mod gate;
pub mod jwt;
pub mod payload;
pub mod verify;

use ring::hmac;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What stands before the digest in the path of every webhook.
pub const PATH_PREFIX: &str = "/hook/";

/// The path of a receiver, as Flux makes it: the SHA-256 of its token, name and namespace.
pub fn path(token: &[u8], name: &str, namespace: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(token);
    hash.update(name);
    hash.update(namespace);
    let mut path = PATH_PREFIX.to_owned();
    for byte in hash.finalize() {
        // Writing to a string does not fail.
        let _ = write!(path, "{byte:02x}");
    }
    path
}

/// A request, as far as it is looked at.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// Header fields of a request; names count without case.
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Fields as they came; those beyond the first hundred are passed over.
    pub fn new(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(fields.into_iter().take(100).collect())
    }

    /// The value of the first field of that name; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        let found = self
            .0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The media type of the body in lower case and without parameters.
    pub fn media_type(&self) -> String {
        let value = self.get("content-type");
        let essence = value.split([';', ',']).next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values hold tokens.
        let names = self.0.iter().map(|(name, _)| name);
        formatter.debug_list().entries(names).finish()
    }
}

/// Whether two secrets are equal, in a time that says nothing of where they differ.
pub fn equal(expected: &[u8], given: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, expected);
    let tag = hmac::sign(&key, expected);
    hmac::verify(&key, given, tag.as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_that_of_flux() {
        // `printf '%s' tokenappsdefault | sha256sum`, the token first, then name and namespace.
        let digest = "96aa741ea433795b92edf55db24a9f1786cc9bc8758e97b6476c2aec08933585";
        assert_eq!(path(b"token", "apps", "default"), format!("/hook/{digest}"));
    }

    #[test]
    fn fields_are_found_whatever_their_case_and_printed_without_values() {
        let headers = Headers::new([
            ("X-Gitlab-Token".to_owned(), "planted".to_owned()),
            ("x-gitlab-token".to_owned(), "second".to_owned()),
            (
                "Content-Type".to_owned(),
                "Application/JSON; charset=utf-8".to_owned(),
            ),
        ]);
        assert_eq!(headers.get("x-gitlab-token"), "planted");
        assert_eq!(headers.get("absent"), "");
        assert_eq!(headers.media_type(), "application/json");
        assert!(!format!("{headers:?}").contains("planted"));
    }

    #[test]
    fn only_the_same_secret_is_equal() {
        assert!(equal(b"secret", b"secret") && equal(b"", b""));
        for other in [&b"Secret"[..], b"secre", b"secrets", b"", b"secret\0"] {
            assert!(!equal(b"secret", other), "{other:?}");
        }
    }
}
