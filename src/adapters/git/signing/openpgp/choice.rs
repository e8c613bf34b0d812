//! Which part of an OpenPGP key signs: as `gpg` and Flux's library choose, and by what the key says of
//! itself, each statement checked.

use super::super::SigningKeyError;
use jiff::Timestamp;
use pgp::composed::{SignedSecretKey, SignedSecretSubKey};
use pgp::packet::{PublicKey, Signature, SignatureType, SubpacketData};
use pgp::types::{
    Duration, KeyDetails, KeyVersion, S2kParams, SecretParams, SignedUser, StringToKey, Tag,
    Timestamp as Seconds,
};

/// A part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Primary,
    Subkey(usize),
}

/// A time in OpenPGP's way: whole seconds since 1970, up to 2106.
pub(super) fn seconds(at: Timestamp) -> Seconds {
    let seconds = at.as_second().clamp(0, i64::from(u32::MAX));
    Seconds::from_secs(u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// The part of `entity` that signs at `now`: the valid signing subkey that was bound last, else the
/// primary key.
///
/// # Errors
/// [`SigningKeyError::Unusable`] with what is wrong with each part.
pub(super) fn choose(entity: &SignedSecretKey, now: Timestamp) -> Result<Choice, SigningKeyError> {
    let primary = entity.primary_key.public_key();
    let name = name(primary);
    let unusable = |words: String| SigningKeyError::Unusable(words);
    if primary.version() != KeyVersion::V4 {
        let version = u8::from(primary.version());
        return Err(unusable(format!(
            "keys of version {version} are not supported, only those of version 4"
        )));
    }
    let now = seconds(now);
    let own = owner(entity, primary).map_err(|words| unusable(format!("key {name} {words}")))?;
    in_time(primary.created_at(), own.key_expiration_time(), now)
        .map_err(|words| unusable(format!("key {name} {words}")))?;
    let mut best: Option<(Seconds, usize)> = None;
    let mut refused = Vec::new();
    for (index, subkey) in entity.secret_subkeys.iter().enumerate() {
        match bound(subkey, primary, now) {
            Ok(Some(at)) if best.is_none_or(|(newest, _)| at > newest) => best = Some((at, index)),
            Ok(_) => {}
            Err(words) => {
                let id = self::name(subkey.key.public_key());
                refused.push(format!("subkey {id} {words}"));
            }
        }
    }
    if let Some((_, index)) = best {
        return Ok(Choice::Subkey(index));
    }
    match (
        may_sign(own, true) && primary.algorithm().can_sign(),
        is_elsewhere(entity.primary_key.secret_params()),
    ) {
        (true, false) => return Ok(Choice::Primary),
        (true, true) => refused.push("its primary key is not in the file".to_owned()),
        (false, _) => refused.push("its primary key may not sign".to_owned()),
    }
    Err(unusable(format!(
        "key {name} cannot sign: {}",
        refused.join(", ")
    )))
}

/// The last 16 digits of the fingerprint, as `gpg` prints keys.
fn name(key: &impl KeyDetails) -> String {
    let id = key.legacy_key_id();
    id.as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

/// The statement of the key about itself that counts: that of the user ID which is marked as the
/// primary one, else the newest.
fn owner<'a>(entity: &'a SignedSecretKey, key: &PublicKey) -> Result<&'a Signature, &'static str> {
    let details = &entity.details;
    let revoked = |signature: &&Signature| signature.verify_key(key).is_ok();
    if details.revocation_signatures.iter().any(|s| revoked(&s)) {
        return Err("is revoked");
    }
    let users: Vec<&Signature> = details
        .users
        .iter()
        .filter_map(|user| current(user, key))
        .collect();
    let best = users
        .into_iter()
        .max_by_key(|s| (s.is_primary(), s.created()));
    match best {
        Some(signature) => Ok(signature),
        None if details.users.is_empty() => newest(&details.direct_signatures, |signature| {
            signature.typ() == Some(SignatureType::Key) && signature.verify_key(key).is_ok()
        })
        .ok_or("has no statement about itself that is intact"),
        None => Err("has no user ID that is intact and not revoked"),
    }
}

/// The newest statement about a user ID, unless the user ID is revoked.
fn current<'a>(user: &'a SignedUser, key: &PublicKey) -> Option<&'a Signature> {
    newest(&user.signatures, |signature| {
        signature
            .verify_certification(key, Tag::UserId, &user.id)
            .is_ok()
    })
    .filter(|signature| signature.typ() != Some(SignatureType::CertRevocation))
}

/// The newest signature that holds; of two of the same second the later in the key.
fn newest(signatures: &[Signature], holds: impl Fn(&Signature) -> bool) -> Option<&Signature> {
    let mut sorted: Vec<&Signature> = signatures.iter().collect();
    sorted.sort_by_key(|signature| signature.created());
    sorted.into_iter().rev().find(|signature| holds(signature))
}

/// When a subkey was bound that signs now; `None` when it is not for signing or its secret is
/// elsewhere.
fn bound(
    subkey: &SignedSecretSubKey,
    primary: &PublicKey,
    now: Seconds,
) -> Result<Option<Seconds>, String> {
    let key = subkey.key.public_key();
    let holds = |signature: &Signature| signature.verify_subkey_binding(primary, key).is_ok();
    let is = |signature: &Signature, typ| signature.typ() == Some(typ);
    let binding = newest(&subkey.signatures, |signature| {
        is(signature, SignatureType::SubkeyBinding) && holds(signature)
    });
    let Some(binding) = binding else {
        return Err("is not bound to the primary key".to_owned());
    };
    if !may_sign(binding, false)
        || !key.algorithm().can_sign()
        || is_elsewhere(subkey.key.secret_params())
    {
        return Ok(None);
    }
    let revoked =
        |signature: &&Signature| is(signature, SignatureType::SubkeyRevocation) && holds(signature);
    if subkey.signatures.iter().any(|s| revoked(&s)) {
        return Err("is revoked".to_owned());
    }
    in_time(key.created_at(), binding.key_expiration_time(), now)?;
    let back = binding.embedded_signature();
    if back.is_none_or(|back| back.verify_primary_key_binding(key, primary).is_err()) {
        return Err("does not say itself that it belongs to the primary key".to_owned());
    }
    Ok(Some(binding.created().unwrap_or_default()))
}

/// Whether a key with this statement is for signing.
fn may_sign(statement: &Signature, unless_told: bool) -> bool {
    let told = statement.config().is_some_and(|config| {
        config
            .hashed_subpackets()
            .any(|packet| matches!(packet.data, SubpacketData::KeyFlags(_)))
    });
    match told {
        true => statement.key_flags().sign(),
        false => unless_told,
    }
}

fn in_time(created: Seconds, after: Option<Duration>, now: Seconds) -> Result<(), String> {
    if created > now {
        return Err(format!(
            "was made in the future, on {}",
            day(created.as_secs())
        ));
    }
    let after = after.map(Duration::as_secs).filter(|after| *after > 0);
    match after.map(|after| created.as_secs().saturating_add(after)) {
        Some(end) if end <= now.as_secs() => Err(format!("has expired on {}", day(end))),
        _ => Ok(()),
    }
}

fn day(seconds: u32) -> String {
    Timestamp::from_second(i64::from(seconds))
        .map(|at| at.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default()
}

/// Whether the secret is on a card or was left out on purpose (`gpg --export-secret-subkeys`): GnuPG
/// marks that by a way of deriving keys of its own.
fn is_elsewhere(params: &SecretParams) -> bool {
    let SecretParams::Encrypted(locked) = params else {
        return false;
    };
    let (S2kParams::Aead { s2k, .. }
    | S2kParams::Cfb { s2k, .. }
    | S2kParams::MalleableCfb { s2k, .. }) = locked.string_to_key_params()
    else {
        return false;
    };
    matches!(s2k, StringToKey::Private { .. } | StringToKey::Other { .. })
}
