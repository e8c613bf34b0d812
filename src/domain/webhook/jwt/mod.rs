//! Identity tokens: JSON Web Tokens signed with RS256 or ES256, and the keys of their issuer (RFC 7515, 7517, 7519).
//!
//! Invariant: no claim is given out before the signature, the time and the audience have been checked; `alg` chooses between the two
//! kinds of key and nothing else. What is absent: fetching keys, and what a claim allows.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};
use thiserror::Error;

/// The claims of a token.
pub type Claims = Map<String, Value>;

/// Longest token, in bytes. Real ones are about one thousand.
const LONGEST: usize = 16 * 1024;
/// Most keys of one issuer that are looked at.
const MOST_KEYS: usize = 100;

/// Why a token proves nothing. The words hold nothing of the token but its issuer and audience.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// There is no token.
    #[error("the Authorization header is missing or malformed")]
    Missing,
    /// It is not a token of this form.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// No key of the issuer fits.
    #[error("the token is signed with a key that its issuer does not publish")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// It is too old, or not valid yet.
    #[error("the token is not valid at this time")]
    Time,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// It is of somebody else.
    #[error("the token's claim `{0}` is not what is expected")]
    Claim(&'static str),
}

/// A public key of an issuer.
#[derive(Clone, Debug)]
pub struct Key {
    id: String,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The uncompressed point.
    P256(Vec<u8>),
}

/// The keys in a JSON Web Key Set that can verify a token; others are passed over.
pub fn keys(set: &Value) -> Vec<Key> {
    let keys = set["keys"].as_array().into_iter().flatten();
    keys.take(MOST_KEYS).filter_map(key).collect()
}

fn key(key: &Value) -> Option<Key> {
    let bytes = |field: &str| {
        key[field]
            .as_str()
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
    };
    let material = match (key["kty"].as_str()?, key["crv"].as_str()) {
        ("RSA", _) => Material::Rsa {
            n: bytes("n")?,
            e: bytes("e")?,
        },
        ("EC", Some("P-256")) => Material::P256([vec![4], bytes("x")?, bytes("y")?].concat()),
        _ => return None,
    };
    let id = key["kid"].as_str().unwrap_or_default().to_owned();
    Some(Key { id, material })
}

/// The token of an `Authorization` field.
///
/// # Errors
/// [`TokenError::Missing`] when it holds none.
pub fn bearer(authorization: &str) -> Result<&str, TokenError> {
    let token = authorization.strip_prefix("Bearer ").map(str::trim);
    token
        .filter(|token| !token.is_empty())
        .ok_or(TokenError::Missing)
}

/// The issuer that a token names: to choose whose keys to ask for, and nothing else, since nothing is verified yet.
///
/// # Errors
/// [`TokenError::Malformed`] when it is no token.
pub fn unverified_issuer(token: &str) -> Result<String, TokenError> {
    let [_, payload, _] = parts(token)?;
    let issuer = &object(payload)?["iss"];
    issuer
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .ok_or(TokenError::Malformed("it names no issuer"))
}

/// The claims of a token that one of the keys has signed, that is valid now, and for this audience.
///
/// # Errors
/// [`TokenError`] by the first check that fails.
pub fn verify(
    token: &str,
    keys: &[Key],
    audience: &str,
    now: Timestamp,
) -> Result<Claims, TokenError> {
    let [header, payload, code] = parts(token)?;
    let field = object(header)?;
    let (algorithm, id) = (
        field["alg"].as_str().unwrap_or_default(),
        field["kid"].as_str().unwrap_or_default(),
    );
    let code = URL_SAFE_NO_PAD
        .decode(code)
        .map_err(|_| TokenError::Malformed("its signature is not base64"))?;
    let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
    let fitting = keys.iter().filter(|key| id.is_empty() || key.id == id);
    let mut found = false;
    let valid = fitting.filter(|key| key.fits(algorithm)).any(|key| {
        found = true;
        key.has_signed(signed, &code)
    });
    match (valid, found) {
        (true, _) => {}
        (false, true) => return Err(TokenError::Signature),
        (false, false) => return Err(TokenError::UnknownKey),
    }
    let Value::Object(claims) = object(payload)? else {
        return Err(TokenError::Malformed("its claims are no object"));
    };
    check_time(&claims, now)?;
    if is_for(&claims, audience) {
        Ok(claims)
    } else {
        Err(TokenError::Audience)
    }
}

impl Key {
    fn fits(&self, algorithm: &str) -> bool {
        matches!(
            (&self.material, algorithm),
            (Material::Rsa { .. }, "RS256") | (Material::P256(_), "ES256")
        )
    }

    fn has_signed(&self, message: &[u8], code: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { n, e } => {
                let key = RsaPublicKeyComponents {
                    n: n.as_slice(),
                    e: e.as_slice(),
                };
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, code)
                    .is_ok()
            }
            Material::P256(point) => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, code).is_ok()
            }
        }
    }
}

fn parts(token: &str) -> Result<[&str; 3], TokenError> {
    if token.len() > LONGEST {
        return Err(TokenError::Malformed("it is too long"));
    }
    let mut parts = token.split('.');
    let three = [parts.next(), parts.next(), parts.next()];
    match (three, parts.next()) {
        ([Some(header), Some(payload), Some(signature)], None) => Ok([header, payload, signature]),
        _ => Err(TokenError::Malformed("it has not three parts")),
    }
}

fn object(part: &str) -> Result<Value, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed("a part is not base64"))?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed("a part is not JSON"))
}

/// `exp` must be there and ahead; `nbf` must have passed, with a minute for clocks that differ.
fn check_time(claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
    const SKEW: f64 = 60.0;
    let now = now.as_second() as f64;
    let time = |claim: &str| claims.get(claim).and_then(Value::as_f64);
    let ends = time("exp").is_some_and(|end| now < end);
    let begun = time("nbf").is_none_or(|start| now + SKEW >= start);
    if ends && begun {
        Ok(())
    } else {
        Err(TokenError::Time)
    }
}

fn is_for(claims: &Claims, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one == audience),
        _ => false,
    }
}

/// Checks that a token of Google's is of the service account `email`, as Flux does.
///
/// # Errors
/// [`TokenError::Claim`] by the first claim that differs.
pub fn check_google(claims: &Claims, email: &str) -> Result<(), TokenError> {
    let text = |claim: &str| {
        claims
            .get(claim)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if !["accounts.google.com", "https://accounts.google.com"].contains(&text("iss")) {
        return Err(TokenError::Claim("iss"));
    }
    if email.is_empty() || text("email") != email {
        return Err(TokenError::Claim("email"));
    }
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    if verified {
        Ok(())
    } else {
        Err(TokenError::Claim("email_verified"))
    }
}

#[cfg(test)]
mod tests;
