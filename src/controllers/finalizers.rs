//! The finalizers of one kind: before the work on an object, or in the background.
//!
//! Invariant: those of others stay; what is written is the newest version of the object, or nothing. What is absent: what is done
//! before a finalizer goes.

use crate::adapters::cluster::ClusterError;
use crate::adapters::cluster::status::set_finalizers;
use crate::adapters::cluster::watch::Cache;
use crate::api::{CustomObject, FINALIZER, has_finalizer};
use crate::domain::object::ObjectKey;
use kube::{Client, Resource, ResourceExt};
use std::sync::Arc;
use std::time::Duration;

/// How often one is tried that meets another change of its object, and the pause between.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Who writes the finalizers.
pub(super) struct Finalizers<K: CustomObject> {
    client: Client,
    cache: Arc<Cache<K>>,
    controller: &'static str,
}

impl<K: CustomObject> Finalizers<K> {
    /// Those of the kind in `cache`, in the name of `controller`.
    pub(super) fn new(client: Client, cache: Arc<Cache<K>>, controller: &'static str) -> Self {
        Self {
            client,
            cache,
            controller,
        }
    }

    /// The object with the finalizer, which is added when it is missing.
    ///
    /// # Errors
    /// What the API server says against it.
    pub(super) async fn ensure(&self, object: Arc<K>) -> Result<Arc<K>, ClusterError> {
        if has_finalizer(&*object) {
            return Ok(object);
        }
        let mut finalizers = object.finalizers().to_vec();
        finalizers.push(FINALIZER.to_owned());
        let written = self.set(&object, &finalizers).await?;
        Ok(self.cache.wrote(written))
    }

    /// Adds the finalizer to the newest version of an object. What fails all the same is tried again by the object's next run.
    pub(super) async fn add(&self, key: &ObjectKey) {
        for _ in 0..TRIES {
            let latest = self.cache.latest(key);
            let living = latest.filter(|known| known.meta().deletion_timestamp.is_none());
            let Some(object) = living else { return };
            match self.ensure(object).await {
                Ok(_) => return,
                Err(error) if error.is_not_found() => return,
                // Somebody changed the object: the watch brings their version soon.
                Err(error) => {
                    tracing::debug!(kind = K::KIND, object = %key, %error, "the finalizer is not added yet");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::warn!(kind = K::KIND, object = %key, "the finalizer could not be added");
    }

    /// Takes the finalizer away, so that the object can go.
    ///
    /// # Errors
    /// What the API server says against it.
    pub(super) async fn remove(&self, object: &K) -> Result<(), ClusterError> {
        let others = object.finalizers().iter().filter(|name| *name != FINALIZER);
        let others: Vec<String> = others.cloned().collect();
        self.set(object, &others).await.map(drop)
    }

    async fn set(&self, object: &K, finalizers: &[String]) -> Result<K, ClusterError> {
        set_finalizers(&self.client, object, self.controller, finalizers).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ImageRepository;
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use std::convert::Infallible;
    use std::sync::Mutex;

    fn object(version: &str, others: &[&str]) -> ImageRepository {
        let mut object = ImageRepository::default();
        object.metadata.namespace = Some("apps".to_owned());
        object.metadata.name = Some("web".to_owned());
        object.metadata.resource_version = Some(version.to_owned());
        object.metadata.finalizers = Some(others.iter().map(ToString::to_string).collect());
        object
    }

    /// An API server that has version `2` of the object, refuses patches of any other, and keeps the finalizers it was sent.
    fn server(sent: &Arc<Mutex<Vec<Value>>>) -> Client {
        let sent = Arc::clone(sent);
        let service = tower::service_fn(move |request: Request<Body>| {
            let sent = Arc::clone(&sent);
            async move {
                let body = request.into_body().collect_bytes().await.expect("ours");
                let patch: Value = serde_json::from_slice(&body).expect("a patch is JSON");
                let metadata = &patch["metadata"];
                let (code, answer) = match metadata["resourceVersion"].as_str() {
                    Some("2") => {
                        sent.lock()
                            .expect("ours")
                            .push(metadata["finalizers"].clone());
                        (200, json!(object("3", &[])))
                    }
                    _ => (
                        409,
                        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409}),
                    ),
                };
                let body = Body::from(answer.to_string().into_bytes());
                Ok::<_, Infallible>(Response::builder().status(code).body(body).expect("ours"))
            }
        });
        Client::new(service, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn a_finalizer_that_meets_another_change_is_added_to_what_came_of_it() {
        let sent = Arc::default();
        let cache = Arc::new(Cache::new(|_| Vec::new()));
        cache.put(object("1", &[]));
        let finalizers = Finalizers::new(server(&sent), Arc::clone(&cache), "test");
        let watch = async {
            tokio::time::sleep(PAUSE / 2).await;
            cache.put(object("2", &["theirs"]));
        };
        let key = ObjectKey::new("apps", "web");
        tokio::join!(finalizers.add(&key), watch);
        assert_eq!(*sent.lock().expect("ours"), [json!(["theirs", FINALIZER])]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_added_to_what_has_it_goes_or_is_gone() {
        let sent = Arc::default();
        let cache = Arc::new(Cache::new(|_| Vec::new()));
        let finalizers = Finalizers::new(server(&sent), Arc::clone(&cache), "test");
        let key = ObjectKey::new("apps", "web");
        finalizers.add(&key).await;
        cache.put(object("2", &[FINALIZER]));
        finalizers.add(&key).await;
        let mut going = object("2", &[]);
        going.metadata.deletion_timestamp = Some(
            k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH),
        );
        cache.put(going);
        finalizers.add(&key).await;
        assert_eq!(*sent.lock().expect("ours"), Vec::<Value>::new());
    }
}
