//! Amazon's request signature, version 4 (AWS4-HMAC-SHA256).
//!
//! Invariant: the same request, keys and time give the same bytes as the published test suite.
//! What is absent: presigned URLs and chunked bodies.

use crate::domain::redact::Secret;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The bytes of one block of SHA-256, over which RFC 2104 spreads a key.
const BLOCK: usize = 64;

/// Amazon's keys of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKeys {
    /// The public half, such as `AKIA…` or `ASIA…`.
    pub id: String,
    /// The private half.
    pub secret: Secret,
    /// What goes with keys that expire.
    pub session_token: Option<Secret>,
}

/// A request to be signed.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// The path, not percent-encoded.
    pub path: &'a str,
    /// Query parameters, not percent-encoded.
    pub query: &'a [(&'a str, &'a str)],
    /// The header fields that are to be signed, `host` among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// The whole body.
    pub body: &'a [u8],
}

/// Where and when a signature counts.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Such as `eu-west-1`.
    pub region: &'a str,
    /// Such as `ecr`.
    pub service: &'a str,
    /// When it was signed; services allow for a few minutes.
    pub at: Timestamp,
}

/// The header fields that a signed request carries besides those that were given: `x-amz-date`,
/// `x-amz-security-token` where there is one, and `authorization`.
pub fn signed_headers(
    keys: &AccessKeys,
    request: SignedRequest<'_>,
    scope: Scope<'_>,
) -> Vec<(&'static str, Secret)> {
    let date = amz_date(scope.at);
    let token = keys.session_token.as_ref();
    let mut all: Vec<(&str, &str)> = request.headers.to_vec();
    all.push(("x-amz-date", &date));
    if let Some(token) = token {
        all.push(("x-amz-security-token", token.expose()));
    }
    let (canonical, names) = canonical_request(SignedRequest {
        headers: &all,
        ..request
    });
    let day = &date[..8];
    let credential = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{credential}\n{}",
        sha256_hex(canonical.as_bytes())
    );
    let signature = hex(&hmac_sha256(
        &signing_key(keys, day, scope),
        to_sign.as_bytes(),
    ));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{credential}, SignedHeaders={names}, Signature={signature}",
        keys.id
    );
    let mut headers = vec![("x-amz-date", Secret::new(date))];
    headers.extend(token.map(|token| ("x-amz-security-token", token.clone())));
    headers.push(("authorization", Secret::new(authorization)));
    headers
}

/// The request in the one form that both sides agree on, and the names of its header fields.
fn canonical_request(request: SignedRequest<'_>) -> (String, String) {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in request.headers {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        fields
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| *known += &format!(",{value}"))
            .or_insert(value);
    }
    let mut query: Vec<(String, String)> = request
        .query
        .iter()
        .map(|(name, value)| (encoded(name, false), encoded(value, false)))
        .collect();
    query.sort();
    let query: Vec<String> = query
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let lines: String = fields
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let names = fields.into_keys().collect::<Vec<_>>().join(";");
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        request.method,
        encoded(request.path, true),
        query.join("&"),
        sha256_hex(request.body)
    );
    (canonical, names)
}

pub(super) fn signing_key(keys: &AccessKeys, day: &str, scope: Scope<'_>) -> [u8; 32] {
    let start = Secret::new(format!("AWS4{}", keys.secret.expose()));
    [scope.region, scope.service, "aws4_request"].iter().fold(
        hmac_sha256(start.expose().as_bytes(), day.as_bytes()),
        |key, part| hmac_sha256(&key, part.as_bytes()),
    )
}

/// ISO 8601 without separators, `20150830T123600Z`.
pub(super) fn amz_date(at: Timestamp) -> String {
    let time = at.to_zoned(TimeZone::UTC).datetime();
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Percent-encodes all but RFC 3986's unreserved characters, and slashes where they separate.
pub(super) fn encoded(text: &str, keep_slashes: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            b'/' if keep_slashes => encoded.push('/'),
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

/// HMAC-SHA256 (RFC 2104).
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
