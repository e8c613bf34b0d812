//! A P-256 key whose number begins with zeros, in the form of OpenSSH.
//!
//! OpenSSH writes the number without these zeros (an `mpint` of RFC 4251), which one key in 256 has, and
//! `ssh-key` reads no number below 32 bytes. Here such a number is filled up; every other key is left to
//! `ssh-key`. Invariant: nothing in the bytes makes this panic. What is absent: P-384 and P-521, whose numbers would have to be short by 17 bytes and more.

use super::cost::body;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::cipher::{Cipher, Tag};
use russh::keys::ssh_key::encoding::{Decode, Reader};
use russh::keys::ssh_key::private::{EcdsaKeypair, EcdsaPrivateKey, KeypairData};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Kdf, sec1};

const MAGIC: &[u8] = b"openssh-key-v1\0";
const P256: &str = "ecdsa-sha2-nistp256";

/// The bytes of a number on P-256.
const SIZE: usize = 32;

/// A key that is not encrypted.
pub(super) fn plain(text: &str) -> Option<PrivateKey> {
    let bytes = body(text)?;
    let reader = &mut bytes.strip_prefix(MAGIC)?;
    let (cipher, derivation) = (Cipher::decode(reader).ok()?, Kdf::decode(reader).ok()?);
    let keys = u32::decode(reader).ok()?;
    if cipher.is_some() || derivation.is_some() || keys != 1 {
        return None;
    }
    let public = reader.read_prefixed(KeyData::decode).ok()?;
    let section = Vec::decode(reader).ok()?;
    filled_up(&section, &public)
}

/// An encrypted key, which `passphrase` may open. Costs what its derivation costs.
pub(super) fn encrypted(key: &PrivateKey, text: &str, passphrase: &str) -> Option<PrivateKey> {
    let public = key.public_key().key_data();
    public.ecdsa()?;
    let cipher = key.cipher();
    let tag = match cipher.has_tag() {
        true => Some(Tag::try_from(body(text)?.last_chunk::<16>()?.as_slice()).ok()?),
        false => None,
    };
    let derived = key.kdf().derive_key_and_iv(cipher, passphrase).ok()?;
    let mut section = key.key_data().encrypted()?.to_vec();
    cipher
        .decrypt(&derived.0, &derived.1, &mut section, tag)
        .ok()?;
    filled_up(&section, public)
}

/// The key of a section that is laid open (`PROTOCOL.key` of OpenSSH), if it is that of `public`.
fn filled_up(section: &[u8], public: &KeyData) -> Option<PrivateKey> {
    let reader = &mut &*section;
    let (check, again) = (u32::decode(reader).ok()?, u32::decode(reader).ok()?);
    let (kind, _curve) = (String::decode(reader).ok()?, String::decode(reader).ok()?);
    if check != again || kind != P256 {
        return None;
    }
    let point = Vec::decode(reader).ok()?;
    let number = Vec::decode(reader).ok()?;
    let mut whole = [0_u8; SIZE];
    let zeros = SIZE.checked_sub(number.len())?;
    whole[zeros..].copy_from_slice(&number);
    let pair = EcdsaKeypair::NistP256 {
        public: sec1::EncodedPoint::from_bytes(point).ok()?,
        private: EcdsaPrivateKey::from(whole),
    };
    let comment = String::decode(reader).ok()?;
    let key = PrivateKey::new(KeypairData::Ecdsa(pair), comment).ok()?;
    (key.public_key().key_data() == public).then_some(key)
}
