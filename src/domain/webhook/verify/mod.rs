//! Whether a delivery is what its sender says it is: Flux's rule for each type of receiver.
//!
//! Invariant: signatures and tokens are compared in a time that says nothing of where they differ; a type that verifies refuses a
//! delivery that proves nothing. What is absent: reading Secrets, and fetching keys ([`jwt`](super::jwt)).

use super::{Delivery, equal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};
use std::borrow::Cow;
use thiserror::Error;

/// Who sends, which says how it proves itself: `spec.type` of a Receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Anybody who knows the path.
    Generic,
    /// Anybody with the token: `X-Signature: sha256=<hex>`, or the bare hexadecimal of JFrog's `X-JFrog-Event-Auth`.
    GenericHmac,
    /// Anybody with a token of a known issuer; that is verified before.
    GenericOidc,
    /// GitHub and Gitea.
    GitHub,
    /// GitLab.
    GitLab,
    /// Bitbucket.
    Bitbucket,
    /// Harbor, and whoever sends the token as `Authorization`.
    Harbor,
    /// Docker Hub.
    DockerHub,
    /// Quay.
    Quay,
    /// Google's registries by Pub/Sub; the identity token is verified before.
    Gcr,
    /// Nexus.
    Nexus,
    /// Azure's registry.
    Acr,
    /// CDEvents.
    CdEvents,
}

/// Why a delivery is refused; never with a value of it that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no signature.
    #[error("the `{0}` header is missing")]
    NoSignature(&'static str),
    /// The signature is not of this body and token.
    #[error("the signature in `{0}` is not of this body and token")]
    Signature(&'static str),
    /// The header does not hold the token.
    #[error("the `{0}` header value does not match the receiver token")]
    Token(&'static str),
    /// The event is not one of `spec.events`.
    #[error("the event `{0}` is not authorised")]
    Event(String),
    /// The body is not what such a sender sends.
    #[error("the payload cannot be read: {0}")]
    Payload(&'static str),
}

/// A delivery that may be acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    /// The payload: the body, or what the sender wrapped in it.
    pub payload: Cow<'a, [u8]>,
    /// Whether a signature covers the body, so that the same body again is the same delivery again.
    pub signed: bool,
}

/// Verifies a delivery with the receiver's token and the events it listens to (none: to all).
///
/// # Errors
/// [`Refusal`] when it proves nothing, or is of an event that nobody listens to.
pub fn verify<'a>(
    sender: Sender,
    delivery: &'a Delivery,
    token: &[u8],
    events: &[String],
) -> Result<Verified<'a>, Refusal> {
    let body = Cow::Borrowed(delivery.body.as_slice());
    let plain = |payload| Verified {
        payload,
        signed: false,
    };
    let signed = |payload| Verified {
        payload,
        signed: true,
    };
    match sender {
        Sender::Generic | Sender::GenericOidc => Ok(plain(body)),
        Sender::GenericHmac => generic_hmac(delivery, token).map(|()| signed(body)),
        Sender::GitHub | Sender::Bitbucket => {
            let payload = hub_signature(delivery, token)?;
            let header = if sender == Sender::GitHub {
                "x-github-event"
            } else {
                "x-event-key"
            };
            listens(events, delivery.headers.get(header))?;
            Ok(signed(payload))
        }
        Sender::GitLab => {
            holds_token(delivery, "X-Gitlab-Token", token)?;
            listens(events, delivery.headers.get("x-gitlab-event"))?;
            Ok(plain(body))
        }
        Sender::Harbor => holds_token(delivery, "Authorization", token).map(|()| plain(body)),
        Sender::Nexus => nexus(delivery, token).map(|()| signed(body)),
        Sender::Gcr => gcr(&delivery.body).map(|data| plain(Cow::Owned(data))),
        Sender::DockerHub | Sender::Quay | Sender::Acr => {
            has_form(sender, &delivery.body).map(|()| plain(body))
        }
        Sender::CdEvents => {
            cd_event(&delivery.body)?;
            listens(events, delivery.headers.get("ce-type"))?;
            Ok(plain(body))
        }
    }
}

fn listens(events: &[String], event: &str) -> Result<(), Refusal> {
    let listens = events.is_empty() || events.iter().any(|known| known.eq_ignore_ascii_case(event));
    if listens {
        Ok(())
    } else {
        Err(Refusal::Event(event.chars().take(100).collect()))
    }
}

fn holds_token(delivery: &Delivery, header: &'static str, token: &[u8]) -> Result<(), Refusal> {
    if equal(token, delivery.headers.get(header).as_bytes()) {
        Ok(())
    } else {
        Err(Refusal::Token(header))
    }
}

fn generic_hmac(delivery: &Delivery, token: &[u8]) -> Result<(), Refusal> {
    let signature = delivery.headers.get("x-signature");
    let jfrog = delivery.headers.get("x-jfrog-event-auth");
    if signature.is_empty() && !jfrog.is_empty() {
        return signed_with(
            hmac::HMAC_SHA256,
            jfrog,
            &delivery.body,
            token,
            "X-JFrog-Event-Auth",
        );
    }
    prefixed(signature, &delivery.body, token, "X-Signature")
}

/// GitHub's signature, by which the payload may stand in a form field.
fn hub_signature<'a>(delivery: &'a Delivery, token: &[u8]) -> Result<Cow<'a, [u8]>, Refusal> {
    let (stronger, weaker) = ("X-Hub-Signature-256", "X-Hub-Signature");
    let form = match delivery.headers.media_type().as_str() {
        "application/json" => false,
        "application/x-www-form-urlencoded" => true,
        _ => {
            return Err(Refusal::Payload(
                "the content type is neither JSON nor a form",
            ));
        }
    };
    match delivery.headers.get(stronger) {
        "" => prefixed(delivery.headers.get(weaker), &delivery.body, token, weaker)?,
        signature => prefixed(signature, &delivery.body, token, stronger)?,
    }
    if !form {
        return Ok(Cow::Borrowed(delivery.body.as_slice()));
    }
    let mut fields = url::form_urlencoded::parse(&delivery.body);
    let payload = fields.find(|(name, _)| name == "payload");
    Ok(Cow::Owned(payload.map_or_else(Vec::new, |(_, value)| {
        value.into_owned().into_bytes()
    })))
}

/// `sha1=`, `sha256=` or `sha512=` and the code in hexadecimal.
fn prefixed(
    signature: &str,
    body: &[u8],
    token: &[u8],
    header: &'static str,
) -> Result<(), Refusal> {
    if signature.is_empty() {
        return Err(Refusal::NoSignature(header));
    }
    let (algorithm, code) = match signature.split_once('=') {
        Some(("sha1", code)) => (hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, code),
        Some(("sha256", code)) => (hmac::HMAC_SHA256, code),
        Some(("sha512", code)) => (hmac::HMAC_SHA512, code),
        _ => return Err(Refusal::Signature(header)),
    };
    signed_with(algorithm, code, body, token, header)
}

fn signed_with(
    algorithm: hmac::Algorithm,
    code: &str,
    body: &[u8],
    token: &[u8],
    header: &'static str,
) -> Result<(), Refusal> {
    let code = from_hexadecimal(code).ok_or(Refusal::Signature(header))?;
    let key = hmac::Key::new(algorithm, token);
    // An empty token would let everybody sign.
    let valid = !token.is_empty() && hmac::verify(&key, body, &code).is_ok();
    if valid {
        Ok(())
    } else {
        Err(Refusal::Signature(header))
    }
}

/// Nexus signs with SHA-1 and names no algorithm. The payload must be JSON.
fn nexus(delivery: &Delivery, token: &[u8]) -> Result<(), Refusal> {
    let header = "X-Nexus-Webhook-Signature";
    let signature = delivery.headers.get(header);
    if signature.is_empty() {
        return Err(Refusal::NoSignature(header));
    }
    signed_with(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        signature,
        &delivery.body,
        token,
        header,
    )?;
    has_form(Sender::Nexus, &delivery.body)
}

/// Bytes of at most 128 hexadecimal digits, which SHA-512 has.
fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > 64 {
        return None;
    }
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    pairs.iter().map(byte).collect()
}

/// A place in a payload, and whether a value may stand there.
type Field = (&'static str, fn(&Value) -> bool);

/// What Flux decodes before it accepts: an object, whose known fields are of the right type.
fn has_form(sender: Sender, body: &[u8]) -> Result<(), Refusal> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| Refusal::Payload("it is not JSON"))?;
    let fields: &[Field] = match sender {
        Sender::Quay => &[
            ("/docker_url", Value::is_string),
            ("/updated_tags", Value::is_array),
        ],
        Sender::DockerHub => &[
            ("/push_data/tag", Value::is_string),
            ("/repository/repo_url", Value::is_string),
        ],
        Sender::Nexus => &[
            ("/action", Value::is_string),
            ("/repositoryName", Value::is_string),
        ],
        Sender::Acr => &[
            ("/action", Value::is_string),
            ("/target/repository", Value::is_string),
            ("/target/tag", Value::is_string),
        ],
        _ => &[],
    };
    let fits = |(pointer, is): &Field| {
        value
            .pointer(pointer)
            .is_none_or(|field| field.is_null() || is(field))
    };
    if !value.is_object() && !value.is_null() || !fields.iter().all(fits) {
        return Err(Refusal::Payload("it has another form"));
    }
    Ok(())
}

/// What the message of a Pub/Sub push holds: `action`, `digest` and `tag`, and nothing else, as Flux passes it on.
fn gcr(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let other = Refusal::Payload("it is not a message of Pub/Sub with an event of the registry");
    let message: Value = serde_json::from_slice(body).map_err(|_| other.clone())?;
    let data = message.pointer("/message/data").and_then(Value::as_str);
    let data = data
        .and_then(|data| STANDARD.decode(data).ok())
        .ok_or_else(|| other.clone())?;
    let event: Value = serde_json::from_slice(&data).map_err(|_| other.clone())?;
    if !event.is_object() {
        return Err(other);
    }
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    let event = json!({"action": text("action"), "digest": text("digest"), "tag": text("tag")});
    Ok(event.to_string().into_bytes())
}

/// The least that the CDEvents specification asks of an event.
fn cd_event(body: &[u8]) -> Result<(), Refusal> {
    let event: Value =
        serde_json::from_slice(body).map_err(|_| Refusal::Payload("it is not JSON"))?;
    let given = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    let fields = [
        "/context/version",
        "/context/id",
        "/context/source",
        "/context/type",
        "/context/timestamp",
        "/subject/id",
    ];
    if !fields.into_iter().all(given) {
        return Err(Refusal::Payload(
            "it lacks a field that a CDEvent must have",
        ));
    }
    let kind = event
        .pointer("/context/type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    // dev.cdevents.<subject>.<predicate>.<version>, and the version has dots of its own.
    let well_formed = kind
        .strip_prefix("dev.cdevents.")
        .is_some_and(|rest| rest.split('.').filter(|part| !part.is_empty()).count() >= 3);
    if well_formed {
        Ok(())
    } else {
        Err(Refusal::Payload("its type is not of CDEvents"))
    }
}

#[cfg(test)]
mod tests;
