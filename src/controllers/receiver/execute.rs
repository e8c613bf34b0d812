//! Wakes what a call asks for.
//!
//! Objects are asked as Flux asks them, by the annotation that every controller hears. An ImageRepository that is looked after here,
//! and whose pushed tags the payload tells, is handed those tags instead.

use super::NAME;
use super::expressions::{self, Question};
use super::plan::{self, Asked, Target, WakeError, Which};
use crate::adapters::cluster::requests::{annotate, labelled, metadata};
use crate::api::receiver::ReceiverSpec;
use crate::api::{ImageRepository, REQUESTED_AT};
use crate::controllers::caches::Caches;
use crate::controllers::hints::Hints;
use crate::controllers::triggers::Queues;
use crate::domain::cel::as_go_reads;
use crate::domain::image::ImageName;
use crate::domain::object::ObjectKey;
use crate::domain::webhook::jwt::Claims;
use crate::domain::webhook::payload::Heard;
use jiff::Timestamp;
use k8s_openapi::Resource;
use kube::Client;
use kube::core::{ApiResource, ObjectMeta};
use serde_json::{Value, json};
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

/// What calls for the waking: a payload, and what was verified of its sender.
pub(super) struct Call {
    /// What the payload says of registries.
    pub(super) heard: Heard,
    /// The payload, as filters see it.
    pub(super) req: Value,
    /// The claims of the sender's token, for the type that has one.
    pub(super) claims: Option<Claims>,
}

/// An object that may be woken.
struct Candidate {
    resource: ApiResource,
    key: ObjectKey,
    /// The image, of a repository that is scanned here.
    image: Option<ImageName>,
    question: Question,
}

impl Waker {
    /// Wakes the resources of a Receiver in the namespace `own`.
    pub(super) async fn wake(&self, spec: &ReceiverSpec, own: &str, call: Call) -> Woken {
        let mut woken = Woken::default();
        let mut candidates = Vec::new();
        for resource in &spec.resources {
            let filters = spec.resource_filter.iter().chain(&resource.filter).cloned();
            let filters: Vec<String> = filters.collect();
            let found = match plan::target(resource, own, self.no_cross_namespace_refs) {
                Ok(target) => self.find(&target, &filters).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(found) => candidates.extend(found),
                Err(error) => woken.errors.push(error),
            }
        }
        let wanted = match filtered(candidates, call.req, call.claims, &mut woken).await {
            Ok(wanted) => wanted,
            Err(words) => {
                woken.errors.push(WakeError::Filter(words));
                return woken;
            }
        };
        let mut repositories: Vec<(ObjectKey, ImageName)> = Vec::new();
        for candidate in wanted {
            match candidate.image {
                Some(image) => repositories.push((candidate.key, image)),
                None => {
                    self.ask(&candidate.resource, &candidate.key, &mut woken)
                        .await
                }
            }
        }
        self.wake_repositories(&repositories, &call.heard, &mut woken)
            .await;
        woken
    }

    /// The objects that a target means. One that is not there is an error, none of some labels is not.
    async fn find(&self, target: &Target, filters: &[String]) -> Result<Vec<Candidate>, WakeError> {
        let found = match &target.which {
            Which::One(name) => {
                let key = ObjectKey::new(&target.namespace, name);
                let known = self.looked_after(&target.resource, &key);
                match known {
                    Some((_, metadata)) => vec![metadata],
                    None => vec![metadata(&self.client, &target.resource, &key).await?],
                }
            }
            Which::Labelled(labels) => {
                labelled(&self.client, &target.resource, &target.namespace, labels).await?
            }
        };
        let candidate = |metadata: ObjectMeta| {
            let key = ObjectKey::new(&target.namespace, metadata.name.clone().unwrap_or_default());
            let resource = target.resource.clone();
            let image = self.looked_after(&resource, &key).map(|(image, _)| image);
            let res = json!({"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata});
            let question = Question {
                expressions: filters.to_vec(),
                res: as_go_reads(res),
            };
            Candidate {
                resource,
                key,
                image,
                question,
            }
        };
        Ok(found.into_iter().map(candidate).collect())
    }

    /// The image of a repository that is scanned here, and not suspended, and its metadata.
    fn looked_after(
        &self,
        resource: &ApiResource,
        key: &ObjectKey,
    ) -> Option<(ImageName, ObjectMeta)> {
        let ours = self.image_reflector
            && resource.kind == ImageRepository::KIND
            && resource.group == ImageRepository::GROUP;
        let object = ours
            .then(|| self.caches.image_repositories.get(key))
            .flatten()?;
        let image = ImageName::parse(&object.spec.image).ok()?;
        (!object.spec.suspend).then(|| (image, object.metadata.clone()))
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

/// Those of whom all filters hold. A filter that cannot be evaluated is told, and its object is left alone.
async fn filtered(
    candidates: Vec<Candidate>,
    req: Value,
    claims: Option<Claims>,
    woken: &mut Woken,
) -> Result<Vec<Candidate>, String> {
    let (mut objects, mut questions) = (Vec::new(), Vec::new());
    for mut candidate in candidates {
        questions.push(std::mem::take(&mut candidate.question));
        objects.push(candidate);
    }
    let answers = expressions::filter(questions, req, claims).await?;
    let mut wanted = Vec::new();
    for (candidate, answer) in objects.into_iter().zip(answers) {
        match answer {
            Ok(true) => wanted.push(candidate),
            Ok(false) => {}
            Err(error) => woken.errors.push(WakeError::Filter(error.to_string())),
        }
    }
    Ok(wanted)
}
