//! Receiver: makes the path that a webhook is called at, and answers the calls.
//!
//! Invariant: a call is acted upon only when its Receiver is ready, not suspended, and the call proves what the Receiver's type asks.
//! What is absent: HTTP ([`webhook`](crate::adapters::webhook)), and reading payloads ([`webhook`](crate::domain::webhook)).

mod execute;
mod expressions;
mod fetch;
mod plan;
mod serve;

use super::driver::{Controller, Finalized, Run};
use super::report::Report;
use super::shared::Shared;
use crate::adapters::cluster::watch::key_of;
use crate::api::Receiver;
use crate::api::receiver::ReceiverStatus;
use crate::domain::object::ObjectKey;
use crate::domain::webhook::gate::{Fingerprint, Gate};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

pub use serve::{Settings, Webhooks};

/// The name of Flux's controller.
const NAME: &str = "notification-controller";

/// The controller of Receiver.
pub struct Receivers {
    /// What all controllers share.
    pub shared: Arc<Shared>,
    /// What is remembered of the calls.
    pub gates: Arc<Gates>,
}

impl Controller for Receivers {
    type Kind = Receiver;
    const NAME: &'static str = NAME;

    async fn reconcile(&self, object: Arc<Receiver>, _: Run) -> Report<ReceiverStatus> {
        let interval = match plan::judge(&object.spec) {
            Ok(interval) => interval,
            Err(outcome) => return Report::new(object.status.clone(), outcome),
        };
        if let Err(outcome) = expressions::check(&object.spec).await {
            return Report::new(object.status.clone(), outcome);
        }
        let token = fetch::token(&self.shared.client, &object).await;
        plan::report(&object, interval, token)
    }

    async fn finalize(&self, object: Arc<Receiver>) -> Result<Finalized, String> {
        self.gates.forget(&key_of(&*object));
        Ok(Finalized::Done)
    }
}

/// What is remembered of the calls of every Receiver.
#[derive(Debug)]
pub struct Gates {
    gates: Mutex<HashMap<ObjectKey, Gate>>,
    started: Instant,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            gates: Mutex::default(),
            started: Instant::now(),
        }
    }
}

impl Gates {
    /// Lets one more call be looked at, or says how long to wait.
    fn look(&self, receiver: &ObjectKey) -> Result<(), Duration> {
        let now = self.started.elapsed();
        self.lock().entry(receiver.clone()).or_default().look(now)
    }

    /// Lets one more genuine call in, or says how long to wait.
    fn admit(&self, receiver: &ObjectKey) -> Result<(), Duration> {
        let now = self.started.elapsed();
        self.lock().entry(receiver.clone()).or_default().admit(now)
    }

    /// Whether a call was not seen before; then it is from now on.
    fn is_new(&self, receiver: &ObjectKey, fingerprints: &[Fingerprint]) -> bool {
        let now = self.started.elapsed();
        self.lock()
            .entry(receiver.clone())
            .or_default()
            .is_new(fingerprints, now)
    }

    /// Takes back what [`Gates::is_new`] remembered.
    fn take_back(&self, receiver: &ObjectKey, fingerprints: &[Fingerprint]) {
        if let Some(gate) = self.lock().get_mut(receiver) {
            gate.forget(fingerprints);
        }
    }

    fn forget(&self, receiver: &ObjectKey) {
        self.lock().remove(receiver);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
