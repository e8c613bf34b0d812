//! The leader lease: of several replicas, one works.
//!
//! Invariants: the lease is taken and renewed by replacing the version that was read, so two
//! replicas can never both believe they took it; whether another's lease has run out is judged by
//! this machine's clock since it was last seen to change, never by the other's clock.
//! What is absent: what the leader does; losing the lease must end the process.

use super::ClusterError;
use crate::domain::object::ObjectKey;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use std::time::Duration;
use tokio::time::Instant;

/// Where the lease is and how long it holds: Flux's `--leader-election-*` flags.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The lease object.
    pub lease: ObjectKey,
    /// Who asks for it; must differ between replicas.
    pub identity: String,
    /// How long others wait after the last renewal.
    pub duration: Duration,
    /// After how long without a successful renewal the leader gives up.
    pub renew_deadline: Duration,
    /// How long to wait between two tries.
    pub retry_period: Duration,
}

/// A lease, held or not.
#[derive(Debug)]
pub struct Election {
    api: Api<Lease>,
    settings: Settings,
    seen: Option<(Option<LeaseSpec>, Instant)>,
}

impl Election {
    /// Prepares to take part; nothing is written yet.
    pub fn new(client: Client, settings: Settings) -> Self {
        let api = Api::namespaced(client, &settings.lease.namespace);
        Self {
            api,
            settings,
            seen: None,
        }
    }

    /// Waits until the lease is ours.
    pub async fn acquire(&mut self) {
        loop {
            match self.try_hold().await {
                Ok(Held::Ours) => return,
                Ok(Held::Others | Held::Raced) => {}
                Err(error) => tracing::warn!(%error, "the leader lease could not be taken"),
            }
            tokio::time::sleep(self.settings.retry_period).await;
        }
    }

    /// Renews the lease until it is lost. Then this process must not go on.
    pub async fn hold(&mut self) {
        // Others count from when a renewal was sent, so the deadline does too, and no try outlasts it.
        let mut deadline = Instant::now() + self.settings.renew_deadline;
        while Instant::now() < deadline {
            tokio::time::sleep(self.settings.retry_period).await;
            let sent = Instant::now();
            match tokio::time::timeout_at(deadline, self.try_hold()).await {
                Ok(Ok(Held::Ours)) => deadline = sent + self.settings.renew_deadline,
                Ok(Ok(Held::Others)) => return,
                // Somebody wrote into the lease, perhaps only a label: the next look tells who holds it.
                Ok(Ok(Held::Raced)) => {
                    tracing::warn!("the leader lease was changed by somebody else")
                }
                Ok(Err(error)) => tracing::warn!(%error, "the leader lease could not be renewed"),
                Err(_) => tracing::warn!("the leader lease could not be renewed in time"),
            }
        }
    }

    /// Gives the lease back, so that another need not wait for it to run out.
    pub async fn release(&mut self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.settings.lease.name).await else {
            return;
        };
        let Some(spec) = lease
            .spec
            .as_mut()
            .filter(|spec| spec.holder_identity.as_ref() == Some(&self.settings.identity))
        else {
            return;
        };
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        if let Err(error) = self
            .api
            .replace(&self.settings.lease.name, &PostParams::default(), &lease)
            .await
        {
            tracing::warn!(%error, "the leader lease could not be given back");
        }
    }

    /// Takes or renews the lease if that is allowed.
    async fn try_hold(&mut self) -> Result<Held, ClusterError> {
        let key = self.settings.lease.clone();
        let about = |error| ClusterError::of("Lease", &key, error);
        let name = &key.name;
        let now = Timestamp::now();
        let Some(mut lease) = self.api.get_opt(name).await.map_err(about)? else {
            let lease = Lease {
                metadata: self.metadata(),
                spec: Some(self.claim(None, now)),
            };
            return won(self.api.create(&PostParams::default(), &lease).await).map_err(about);
        };
        let spec = lease.spec.take();
        if !self.may_take(spec.as_ref()) {
            return Ok(Held::Others);
        }
        lease.spec = Some(self.claim(spec, now));
        won(self.api.replace(name, &PostParams::default(), &lease).await).map_err(about)
    }

    /// Whether the lease is ours, free, or was not renewed for as long as it holds.
    fn may_take(&mut self, spec: Option<&LeaseSpec>) -> bool {
        let changed = self
            .seen
            .as_ref()
            .is_none_or(|(seen, _)| seen.as_ref() != spec);
        if changed {
            self.seen = Some((spec.cloned(), Instant::now()));
        }
        let holder = spec
            .and_then(|spec| spec.holder_identity.as_deref())
            .unwrap_or_default();
        let since = self
            .seen
            .as_ref()
            .map(|(_, since)| since.elapsed())
            .unwrap_or_default();
        let lasts = spec
            .and_then(|spec| spec.lease_duration_seconds)
            .unwrap_or_default();
        holder.is_empty()
            || holder == self.settings.identity
            || since >= Duration::from_secs(lasts.max(0).unsigned_abs().into())
    }

    fn claim(&self, before: Option<LeaseSpec>, now: Timestamp) -> LeaseSpec {
        let before = before.unwrap_or_default();
        let ours = before.holder_identity.as_ref() == Some(&self.settings.identity);
        LeaseSpec {
            holder_identity: Some(self.settings.identity.clone()),
            lease_duration_seconds: i32::try_from(self.settings.duration.as_secs()).ok(),
            acquire_time: if ours {
                before.acquire_time
            } else {
                Some(MicroTime(now))
            },
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(
                before.lease_transitions.unwrap_or_default() + i32::from(!ours),
            ),
            ..LeaseSpec::default()
        }
    }

    fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.settings.lease.name.clone()),
            namespace: Some(self.settings.lease.namespace.clone()),
            ..ObjectMeta::default()
        }
    }
}

/// What a try to take or renew the lease came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// It is ours for another while.
    Ours,
    /// Another holds it.
    Others,
    /// It was changed between reading and writing, so nothing was written.
    Raced,
}

/// A conflict means that somebody was quicker, which is an answer and not an error.
fn won<T>(written: Result<T, kube::Error>) -> Result<Held, kube::Error> {
    match written {
        Ok(_) => Ok(Held::Ours),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Held::Raced),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::client::Body;

    /// An API server that answers as `code` says for `answers` requests and then never again.
    fn server(answers: usize, code: u16) -> Client {
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let service = tower::service_fn(move |_: http::Request<Body>| {
            let number = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move {
                if number >= answers {
                    std::future::pending::<()>().await;
                }
                http::Response::builder()
                    .status(code)
                    .body(Body::from(b"{}".to_vec()))
            }
        });
        Client::new(service, "default")
    }

    fn settings() -> Settings {
        Settings {
            lease: ObjectKey::new("system", "leader"),
            identity: "one".to_owned(),
            duration: Duration::from_secs(35),
            renew_deadline: Duration::from_secs(30),
            retry_period: Duration::from_secs(5),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_hangs_does_not_outlast_the_deadline() {
        let begun = Instant::now();
        Election::new(server(4, 500), settings()).hold().await;
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    /// An API server whose lease is `one`'s, and which refuses every renewal as out of date. After
    /// `reads` reads the lease is `two`'s.
    fn contended(reads: usize) -> Client {
        let read = std::sync::atomic::AtomicUsize::new(0);
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (code, body) = if request.method() == http::Method::GET {
                let earlier = read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let holder = if earlier < reads { "one" } else { "two" };
                let spec =
                    serde_json::json!({"holderIdentity": holder, "leaseDurationSeconds": 35});
                (
                    200,
                    serde_json::json!({"metadata": {"name": "leader"}, "spec": spec}),
                )
            } else {
                (
                    409,
                    serde_json::json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409}),
                )
            };
            let body = Body::from(body.to_string().into_bytes());
            async move { http::Response::builder().status(code).body(body) }
        });
        Client::new(service, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_who_writes_into_the_lease_does_not_take_it() {
        let begun = Instant::now();
        Election::new(contended(3), settings()).hold().await;
        assert_eq!(
            begun.elapsed().as_secs(),
            20,
            "lost at the fourth read, when another holds it"
        );
    }
}
