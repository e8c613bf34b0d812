//! What it costs to open a PKCS#8 key with its passphrase, read before it is tried.
//!
//! Invariant: nothing in the bytes makes this panic or read beyond them. What is absent: the key.

use super::login::{COSTLY, NO_KEY, OLD, SshLoginError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The most iterations of PBKDF2. OpenSSL makes 2,048, and the careful ask for 600,000.
const ITERATIONS: u64 = 1 << 20;

/// Whether the passphrase of a PKCS#8 key costs no more than it may. Only PBKDF2 is spoken: what
/// scrypt may cost is memory, which is worse.
pub(super) fn affordable(text: &str) -> Result<(), SshLoginError> {
    match iterations(&body(text).ok_or(NO_KEY)?) {
        None => Err(OLD),
        Some(iterations) if iterations > ITERATIONS => Err(COSTLY),
        Some(_) => Ok(()),
    }
}

/// The bytes that the lines between the first and the last of a key stand for.
pub(super) fn body(text: &str) -> Option<Vec<u8>> {
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64_STANDARD.decode(body).ok()
}

/// The iterations of PBKDF2 that an `EncryptedPrivateKeyInfo` (RFC 5958, RFC 8018 A.4) asks for.
fn iterations(der: &[u8]) -> Option<u64> {
    const SEQUENCE: u8 = 0x30;
    const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
    const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
    let (info, _) = element(der, SEQUENCE)?;
    let (algorithm, _) = element(info, SEQUENCE)?;
    let (name, rest) = element(algorithm, 0x06)?;
    let (parameters, _) = element(rest, SEQUENCE)?;
    let (derivation, _) = element(parameters, SEQUENCE)?;
    let (derived_by, rest) = element(derivation, 0x06)?;
    let (parameters, _) = element(rest, SEQUENCE)?;
    let (_, rest) = element(parameters, 0x04)?;
    let (count, _) = element(rest, 0x02)?;
    if name != PBES2 || derived_by != PBKDF2 || count.len() > 8 {
        return None;
    }
    Some(
        count
            .iter()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
    )
}

/// The content of a DER element of this tag at the start, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_whose_passphrase_costs_too_much_is_refused_before_it_is_tried() {
        let asn1 = |count: &[u8]| {
            let wrap = |tag: u8, body: &[u8]| {
                let length = u8::try_from(body.len()).expect("a short element");
                [&[tag, length][..], body].concat()
            };
            let oid = |last: u8| {
                wrap(
                    0x06,
                    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, last],
                )
            };
            let salt = wrap(0x04, b"saltsalt");
            let pbkdf2 = wrap(0x30, &[salt, wrap(0x02, count)].concat());
            let derivation = wrap(0x30, &[oid(0x0c), pbkdf2].concat());
            let pbes2 = wrap(0x30, &derivation);
            let algorithm = wrap(0x30, &[oid(0x0d), pbes2].concat());
            wrap(0x30, &algorithm)
        };
        assert_eq!(iterations(&asn1(&[0x08, 0x00])), Some(2_048));
        assert_eq!(iterations(&asn1(&[0xff; 9])), None);
        assert_eq!(iterations(&asn1(&[0x01])[1..]), None);
        let pem = |der: &[u8]| {
            let body = BASE64_STANDARD.encode(der);
            format!(
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n-----END ENCRYPTED PRIVATE KEY-----\n"
            )
        };
        let costly = pem(&asn1(&[0x7f, 0xff, 0xff, 0xff]));
        assert_eq!(affordable(&costly), Err(COSTLY));
        let other = pem(b"\x30\x02\x05\x00");
        assert_eq!(affordable(&other), Err(OLD));
    }
}
