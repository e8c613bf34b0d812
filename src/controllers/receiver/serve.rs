//! Answers calls: with Flux's status codes, and with as few words as Flux.

use super::execute::{Call, Waker};
use super::{Gates, expressions, fetch, plan};
use crate::adapters::cluster::objects::SecretData;
use crate::adapters::cluster::watch::key_of;
use crate::adapters::issuer::{Issuers, Keys};
use crate::adapters::metrics::Metrics;
use crate::adapters::webhook::{Answer, Hook};
use crate::api::receiver::OidcProvider;
use crate::api::{CustomObject, Receiver};
use crate::controllers::caches::{Caches, by_path};
use crate::controllers::hints::Hints;
use crate::controllers::shared::Shared;
use crate::controllers::triggers::Queues;
use crate::domain::conditions::READY;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::with_causes;
use crate::domain::webhook::gate::{Fingerprint, of_body, of_id};
use crate::domain::webhook::jwt::{self, Claims, TokenError};
use crate::domain::webhook::verify::{Sender, Verified, verify};
use crate::domain::webhook::{Delivery, payload};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What is to be served, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether ImageRepository is looked after by this process.
    pub image_reflector: bool,
    /// Whether other namespaces are out of reach.
    pub no_cross_namespace_refs: bool,
    /// Where Google publishes the keys of its identity tokens.
    pub google_keys: String,
}

/// The paths of all Receivers, and what calls there do.
pub struct Webhooks {
    caches: Arc<Caches>,
    queues: Arc<Queues>,
    shared: Arc<Shared>,
    gates: Arc<Gates>,
    issuers: Issuers,
    waker: Waker,
    google_keys: String,
}

/// Why a call is not acted upon.
#[derive(Debug)]
enum Refused {
    /// The path is that of an older token.
    Outdated,
    /// It does not prove what it must, or its form is wrong.
    Invalid(String),
    /// It came before.
    Again(Sender),
    /// There are too many.
    Wait(Duration),
    /// Not everything could be woken.
    Failed(String),
}

/// What is expected of a token that cannot be told from the token itself.
const DEFAULT_AUDIENCE: &str = "notification-controller";

fn invalid(error: &dyn std::error::Error) -> Refused {
    Refused::Invalid(with_causes(error))
}

impl Webhooks {
    /// Answers for the Receivers of `caches`.
    pub fn new(
        shared: &Arc<Shared>,
        (caches, queues): (&Arc<Caches>, &Arc<Queues>),
        hints: &Arc<Hints>,
        gates: &Arc<Gates>,
        settings: Settings,
    ) -> Self {
        Self {
            caches: Arc::clone(caches),
            queues: Arc::clone(queues),
            shared: Arc::clone(shared),
            gates: Arc::clone(gates),
            issuers: Issuers::default(),
            waker: Waker {
                client: shared.client.clone(),
                caches: Arc::clone(caches),
                queues: Arc::clone(queues),
                hints: Arc::clone(hints),
                image_reflector: settings.image_reflector,
                no_cross_namespace_refs: settings.no_cross_namespace_refs,
            },
            google_keys: settings.google_keys,
        }
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    async fn act(
        &self,
        receiver: &Receiver,
        key: &ObjectKey,
        delivery: &Delivery,
    ) -> Result<(), Refused> {
        let (token, data) = fetch::token(&self.shared.client, receiver)
            .await
            .map_err(|error| invalid(&error))?;
        if receiver.status.webhook_path.as_deref()
            != Some(plan::path_of(receiver, token.expose()).as_str())
        {
            // The token is another one since: the new path is made at once, and the old one is dead.
            self.queues.receivers.add(key.clone(), Instant::now());
            return Err(Refused::Outdated);
        }
        let spec = &receiver.spec;
        let sender = plan::sender(&spec.kind)
            .ok_or_else(|| Refused::Invalid("the type is not known".to_owned()))?;
        let claims = match sender {
            Sender::Gcr => self.verify_google(delivery, &data).await.map(|()| None)?,
            Sender::GenericOidc => Some(self.verify_claims(delivery, &spec.oidc_providers).await?),
            _ => None,
        };
        let verified = verify(sender, delivery, token.expose(), &spec.events)
            .map_err(|error| invalid(&error))?;
        let filtered = spec.resource_filter.is_some()
            || spec
                .resources
                .iter()
                .any(|resource| resource.filter.is_some());
        let req = if filtered {
            request(delivery, &verified)?
        } else {
            Value::Null
        };
        self.gates.admit(key).map_err(Refused::Wait)?;
        let fingerprints = fingerprints(delivery, &verified);
        if !self.gates.is_new(key, &fingerprints) {
            return Err(Refused::Again(sender));
        }
        let heard = payload::read(&delivery.headers, &verified.payload);
        let call = Call { heard, req, claims };
        let woken = self.waker.wake(spec, &key.namespace, call).await;
        tracing::info!(receiver = %key, r#type = spec.kind.as_str(), asked = woken.asked, told = woken.told, "a webhook was called");
        if woken.errors.is_empty() {
            return Ok(());
        }
        self.gates.take_back(key, &fingerprints);
        let errors: Vec<String> = woken
            .errors
            .iter()
            .map(|error| with_causes(error))
            .collect();
        Err(Refused::Failed(errors.join("; ")))
    }

    /// Checks Google's identity token against the account and the audience in the Secret.
    async fn verify_google(&self, delivery: &Delivery, data: &SecretData) -> Result<(), Refused> {
        let expected = |key: &'static str| {
            let text = data.text(key).filter(|text| !text.expose().is_empty());
            text.ok_or_else(|| {
                let words = format!("invalid secret data: required field '{key}' for GCR receiver");
                Refused::Invalid(words)
            })
        };
        let (email, audience) = (expected("email")?, expected("audience")?);
        let token =
            jwt::bearer(delivery.headers.get("authorization")).map_err(|error| invalid(&error))?;
        let keys = Keys::At(&self.google_keys);
        let claims = self.claims(token, keys, audience.expose()).await?;
        jwt::check_google(&claims, email.expose()).map_err(|error| invalid(&error))
    }

    /// Checks a token of one of the providers, and what its provider asks of it.
    async fn verify_claims(
        &self,
        delivery: &Delivery,
        providers: &[OidcProvider],
    ) -> Result<Claims, Refused> {
        let token =
            jwt::bearer(delivery.headers.get("authorization")).map_err(|error| invalid(&error))?;
        let issuer = jwt::unverified_issuer(token).map_err(|error| invalid(&error))?;
        let provider = providers
            .iter()
            .find(|provider| provider.issuer_url == issuer);
        let provider = provider.ok_or_else(|| {
            Refused::Invalid("no oidcProvider configured for the issuer of the token".to_owned())
        })?;
        let audience = provider.audience.as_deref().unwrap_or(DEFAULT_AUDIENCE);
        let claims = self
            .claims(token, Keys::Of(&provider.issuer_url), audience)
            .await?;
        expressions::validate(provider, &claims)
            .await
            .map_err(Refused::Invalid)?;
        Ok(claims)
    }

    /// The claims of a token that a published key has signed, for an audience.
    async fn claims(
        &self,
        token: &str,
        source: Keys<'_>,
        audience: &str,
    ) -> Result<Claims, Refused> {
        let mut renew = false;
        loop {
            let keys = self
                .issuers
                .keys(source, renew)
                .await
                .map_err(|error| invalid(&error))?;
            match jwt::verify(token, &keys, audience, Timestamp::now()) {
                // The keys may be newer than those at hand.
                Err(TokenError::UnknownKey) if !renew => renew = true,
                verified => return verified.map_err(|error| invalid(&error)),
            }
        }
    }

    fn answer(&self, key: &ObjectKey, acted: Result<(), Refused>) -> Answer {
        let (answer, result) = match acted {
            Ok(()) => (Answer::status(200), "accepted"),
            Err(Refused::Outdated) => (Answer::status(404), "unknown"),
            Err(Refused::Invalid(error)) => {
                tracing::warn!(receiver = %key, error, "a webhook was refused");
                (Answer::status(400), "refused")
            }
            Err(Refused::Again(sender)) => {
                tracing::info!(receiver = %key, "a webhook was called again with the same delivery, which has no effect");
                (again(sender), "replayed")
            }
            Err(Refused::Wait(wait)) => (Answer::wait(wait), "limited"),
            Err(Refused::Failed(error)) => {
                tracing::error!(receiver = %key, error, "a webhook could not wake everything");
                (Answer::status(500), "failed")
            }
        };
        self.metrics().webhook(result);
        answer
    }
}

/// A sender that tries again until it is heard must be told that it was. One that signs whatever it likes is told why nothing happens.
fn again(sender: Sender) -> Answer {
    match sender {
        Sender::GenericHmac => Answer::status(409).saying("this body was sent before\nhint: put something into it that differs each time, such as an `id`\n"),
        _ => Answer::status(200),
    }
}

/// The payload as filters see it: an object of JSON, and an empty one for what does not say that it is JSON.
fn request(delivery: &Delivery, verified: &Verified<'_>) -> Result<Value, Refused> {
    let media_type = delivery.headers.media_type();
    let says_so = media_type == "application/json" || media_type.ends_with("+json");
    let unreadable = || Refused::Failed("failed to parse request body as JSON".to_owned());
    match serde_json::from_slice(&verified.payload) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ if says_so => Err(unreadable()),
        _ => Ok(Value::Object(Map::new())),
    }
}

/// What a delivery is known by.
fn fingerprints(delivery: &Delivery, verified: &Verified<'_>) -> Vec<Fingerprint> {
    let id = payload::id(&delivery.headers, &delivery.body).map(|id| of_id(&id));
    let body = verified.signed.then(|| of_body(&delivery.body));
    id.into_iter().chain(body).collect()
}

impl Hook for Webhooks {
    type Receiver = Arc<Receiver>;

    fn admit(&self, path: &str) -> Result<Arc<Receiver>, Answer> {
        let found = self.caches.receivers.find(&by_path(path));
        let Some(receiver) = found.into_iter().next() else {
            self.metrics().webhook("unknown");
            return Err(Answer::status(404));
        };
        if receiver.spec.suspend || !is_ready(&receiver) {
            self.metrics().webhook("unready");
            return Err(Answer::status(503));
        }
        match self.gates.look(&key_of(&*receiver)) {
            Ok(()) => Ok(receiver),
            Err(wait) => {
                self.metrics().webhook("limited");
                Err(Answer::wait(wait))
            }
        }
    }

    async fn deliver(&self, receiver: Arc<Receiver>, delivery: Delivery) -> Answer {
        let key = key_of(&*receiver);
        let acted = self.act(&receiver, &key, &delivery).await;
        self.answer(&key, acted)
    }
}

fn is_ready(receiver: &Receiver) -> bool {
    receiver
        .conditions()
        .iter()
        .any(|condition| condition.type_ == READY && condition.status == "True")
}
