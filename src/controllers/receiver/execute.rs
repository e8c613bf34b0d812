//! Wakes what a call asks for.
//!
//! Objects are asked as Flux asks them, by the annotation that every controller hears. An ImageRepository that is looked after here,
//! and whose pushed tags the payload tells, is handed those tags instead.

use super::NAME;
use super::plan::{self, Asked, Target, WakeError, Which};
use crate::adapters::cluster::requests::{annotate, labelled, metadata};
use crate::api::receiver::ReceiverSpec;
use crate::api::{ImageRepository, REQUESTED_AT};
use crate::controllers::hints::Hints;
use crate::controllers::triggers::{Caches, Queues};
use crate::domain::image::ImageName;
use crate::domain::object::ObjectKey;
use crate::domain::webhook::payload::Heard;
use jiff::Timestamp;
use k8s_openapi::Resource;
use kube::Client;
use kube::core::ApiResource;
use std::sync::Arc;
use tokio::time::Instant;

/// Where objects are found, and who is told.
pub(super) struct Waker {
    pub(super) client: Client,
    pub(super) caches: Arc<Caches>,
    pub(super) queues: Arc<Queues>,
    pub(super) hints: Arc<Hints>,
    /// Whether ImageRepository is looked after here.
    pub(super) image_reflector: bool,
    pub(super) no_cross_namespace_refs: bool,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Woken {
    /// Objects that were asked to reconcile.
    pub(super) asked: usize,
    /// Repositories that were told to look for tags.
    pub(super) told: usize,
    /// What went wrong; the rest was done all the same.
    pub(super) errors: Vec<WakeError>,
}

impl Waker {
    /// Wakes the resources of a Receiver in the namespace `own`.
    pub(super) async fn wake(&self, spec: &ReceiverSpec, own: &str, heard: &Heard) -> Woken {
        let mut woken = Woken::default();
        let mut repositories: Vec<(ObjectKey, ImageName)> = Vec::new();
        for resource in &spec.resources {
            let found = match plan::target(resource, own, self.no_cross_namespace_refs) {
                Ok(target) => self.find(&target).await.map(|keys| (target.resource, keys)),
                Err(error) => Err(error),
            };
            match found {
                Ok((resource, keys)) => {
                    for key in keys {
                        match self.looked_after(&resource, &key) {
                            Some(image) => repositories.push((key, image)),
                            None => self.ask(&resource, &key, &mut woken).await,
                        }
                    }
                }
                Err(error) => woken.errors.push(error),
            }
        }
        self.wake_repositories(&repositories, heard, &mut woken)
            .await;
        woken
    }

    /// The objects that a target means. One that is not there is an error, none of some labels is not.
    async fn find(&self, target: &Target) -> Result<Vec<ObjectKey>, WakeError> {
        match &target.which {
            Which::One(name) => {
                let key = ObjectKey::new(&target.namespace, name);
                if self.looked_after(&target.resource, &key).is_none() {
                    metadata(&self.client, &target.resource, &key).await?;
                }
                Ok(vec![key])
            }
            Which::Labelled(labels) => {
                let found =
                    labelled(&self.client, &target.resource, &target.namespace, labels).await?;
                let names = found.into_iter().filter_map(|metadata| metadata.name);
                Ok(names
                    .map(|name| ObjectKey::new(&target.namespace, name))
                    .collect())
            }
        }
    }

    /// The image of a repository that is scanned here, and not suspended.
    fn looked_after(&self, resource: &ApiResource, key: &ObjectKey) -> Option<ImageName> {
        let ours = self.image_reflector
            && resource.kind == ImageRepository::KIND
            && resource.group == ImageRepository::GROUP;
        let object = ours
            .then(|| self.caches.image_repositories.get(key))
            .flatten()?;
        ImageName::parse(&object.spec.image)
            .ok()
            .filter(|_| !object.spec.suspend)
    }

    async fn wake_repositories(
        &self,
        repositories: &[(ObjectKey, ImageName)],
        heard: &Heard,
        woken: &mut Woken,
    ) {
        let resource = ApiResource::erase::<ImageRepository>(&());
        match plan::asked(heard, repositories) {
            Asked::ScanAll => {
                for (key, _) in repositories {
                    self.ask(&resource, key, woken).await;
                }
            }
            Asked::LookFor(tags) => {
                for (key, tags) in tags {
                    if self.hints.add(key, tags) {
                        self.queues
                            .image_repositories
                            .add(key.clone(), Instant::now());
                        woken.told += 1;
                    } else {
                        self.ask(&resource, key, woken).await;
                    }
                }
            }
        }
    }

    async fn ask(&self, resource: &ApiResource, key: &ObjectKey, woken: &mut Woken) {
        let now = Timestamp::now().to_string();
        match annotate(&self.client, resource, key, NAME, (REQUESTED_AT, &now)).await {
            Ok(()) => woken.asked += 1,
            Err(error) => woken.errors.push(error.into()),
        }
    }
}
