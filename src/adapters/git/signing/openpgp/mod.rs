//! OpenPGP keys: `gpg --detach-sign --armor`, in memory.
//!
//! Packets are read one by one, so that one that is cut off or broken is an error and not a key with a
//! part less.

mod choice;

use super::armor::blocks;
use super::{SigningKeyError, wrong};
use choice::{Choice, choose, seconds};
use jiff::Timestamp;
use pgp::composed::{ArmorOptions, DetachedSignature, SignedSecretKey, SignedSecretKeyParser};
use pgp::errors::Error;
use pgp::packet::{
    Packet, PacketParser, PacketTrait, SignatureConfig, SignatureType, Subpacket, SubpacketData,
};
use pgp::types::{
    KeyDetails, Password, S2kParams, SecretParams, SigningKey, StringToKey, Tag, VerifyingKey,
};

/// The most packets of a key that are looked at: every signature of a stranger is one.
const MOST_PACKETS: usize = 4_096;
/// The most memory for deriving a key from a passphrase, as a power of two in KiB: 256 MiB.
const MOST_MEMORY: u8 = 18;
/// What a block of private keys is called.
const LABEL: &str = "PGP PRIVATE KEY BLOCK";

/// A key of which the part that signs is open.
pub(super) struct Key {
    entity: SignedSecretKey,
    open: Choice,
}

impl Key {
    pub(super) fn read(
        bytes: &[u8],
        passphrase: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Self, SigningKeyError> {
        let mut entity = entity(packets(bytes)?)?;
        let open = choose(&entity, now)?;
        unlock(&mut entity, open, passphrase)?;
        Ok(Self { entity, open })
    }

    /// The fingerprint of the primary key, which people know it by.
    pub(super) fn fingerprint(&self) -> String {
        format!("{:X}", self.entity.primary_key.fingerprint())
    }

    pub(super) fn check(&self, now: Timestamp) -> Result<(), SigningKeyError> {
        match choose(&self.entity, now)? == self.open {
            true => Ok(()),
            false => Err(SigningKeyError::Unusable(
                "another of its subkeys has to sign now".to_owned(),
            )),
        }
    }

    pub(super) fn sign(&self, payload: &[u8], at: Timestamp) -> Result<String, SigningKeyError> {
        self.check(at)?;
        let signed = match self.open {
            Choice::Primary => {
                let key = &self.entity.primary_key;
                signature(key, key.public_key(), payload, at)
            }
            Choice::Subkey(index) => {
                let key = &self.entity.secret_subkeys[index].key;
                signature(key, key.public_key(), payload, at)
            }
        };
        signed.map_err(|_| SigningKeyError::Unusable("the key is inconsistent".to_owned()))
    }
}

/// An armored signature that was checked.
fn signature(
    key: &impl SigningKey,
    public: &impl VerifyingKey,
    payload: &[u8],
    at: Timestamp,
) -> Result<String, Error> {
    let mut config = SignatureConfig::v4(SignatureType::Binary, key.algorithm(), key.hash_alg());
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
        Subpacket::regular(SubpacketData::SignatureCreationTime(seconds(at)))?,
    ];
    config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(
        key.legacy_key_id(),
    ))?];
    let signature = config.sign(key, &Password::empty(), payload)?;
    signature.verify(public, payload)?;
    DetachedSignature::new(signature).to_armored_string(ArmorOptions::default())
}

fn unreadable(words: impl Into<String>) -> SigningKeyError {
    SigningKeyError::Unreadable(words.into())
}

/// The packets of the private keys, whether armored or not.
fn packets(bytes: &[u8]) -> Result<Vec<Packet>, SigningKeyError> {
    // RFC 9580, section 4.2: the first bit of a packet is set, as no letter's is.
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return read(bytes);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable("it is no OpenPGP key"))?;
    let blocks = blocks(text).map_err(unreadable)?;
    let mut found = Vec::new();
    for block in blocks.iter().filter(|block| block.label == LABEL) {
        found.extend(read(&block.bytes)?);
    }
    if found.is_empty() {
        let public = blocks.iter().any(|block| block.label.contains("PUBLIC"));
        return Err(without_key(public));
    }
    Ok(found)
}

fn without_key(public: bool) -> SigningKeyError {
    unreadable(match public {
        true => {
            "it holds a public key and no private one; hint: `gpg --export-secret-keys --armor`"
        }
        false => "it holds no private OpenPGP key; hint: `gpg --export-secret-keys --armor`",
    })
}

fn read(bytes: &[u8]) -> Result<Vec<Packet>, SigningKeyError> {
    let mut packets = Vec::new();
    for packet in PacketParser::new(bytes) {
        match packet {
            Ok(packet) if belongs(packet.tag()) => packets.push(packet),
            Ok(_) => {}
            Err(error) if is_unknown(&error) => {}
            Err(Error::PacketIncomplete { .. }) => return Err(unreadable("it is cut off")),
            Err(_) => return Err(unreadable("it is damaged")),
        }
        if packets.len() > MOST_PACKETS {
            let words = format!("it has more than {MOST_PACKETS} packets");
            return Err(unreadable(words));
        }
    }
    Ok(packets)
}

/// Whether a packet is a part of a key; marks of a keyring are not.
fn belongs(tag: Tag) -> bool {
    matches!(
        tag,
        Tag::PublicKey
            | Tag::PublicSubkey
            | Tag::SecretKey
            | Tag::SecretSubkey
            | Tag::Signature
            | Tag::UserAttribute
            | Tag::UserId
    )
}

/// Whether a packet is only of a newer kind or version: those may be passed over.
fn is_unknown(error: &Error) -> bool {
    match error {
        Error::Unsupported { .. } => true,
        Error::InvalidPacketContent { source } => matches!(**source, Error::Unsupported { .. }),
        _ => false,
    }
}

/// The one key that the packets are.
fn entity(packets: Vec<Packet>) -> Result<SignedSecretKey, SigningKeyError> {
    let tags = |wanted: Tag| {
        packets
            .iter()
            .filter(|packet| packet.tag() == wanted)
            .count()
    };
    let (private, public) = (tags(Tag::SecretKey), tags(Tag::PublicKey));
    match (private, public) {
        (0, public) => return Err(without_key(public > 0)),
        (1, 0) => {}
        _ => return Err(SigningKeyError::Several(private + public)),
    }
    let packets = packets.into_iter().map(Ok::<Packet, Error>);
    SignedSecretKeyParser::from_packets(packets.peekable())
        .next()
        .and_then(Result::ok)
        .ok_or_else(|| unreadable("it is damaged"))
}

/// Opens the part that signs.
fn unlock(
    entity: &mut SignedSecretKey,
    part: Choice,
    passphrase: Option<&[u8]>,
) -> Result<(), SigningKeyError> {
    let params = match part {
        Choice::Primary => entity.primary_key.secret_params(),
        Choice::Subkey(index) => entity.secret_subkeys[index].key.secret_params(),
    };
    let SecretParams::Encrypted(locked) = params else {
        return Ok(());
    };
    let given = passphrase.ok_or(SigningKeyError::Protected)?;
    if let S2kParams::Aead {
        s2k: StringToKey::Argon2 { m_enc, .. },
        ..
    } = locked.string_to_key_params()
        && *m_enc > MOST_MEMORY
    {
        let words = format!("its passphrase takes 2^{m_enc} KiB of memory to try");
        return Err(SigningKeyError::Locked(words));
    }
    let password = Password::from(given);
    match part {
        Choice::Primary => entity.primary_key.remove_password(&password),
        Choice::Subkey(index) => entity.secret_subkeys[index].key.remove_password(&password),
    }
    .map_err(|_| wrong("passphrase", given))
}
