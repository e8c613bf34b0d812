//! Tells the world what happened to an object: log, Kubernetes event, notification.
//!
//! Invariant: telling never fails the work it is about. What is absent: deciding what is worth it;
//! `report` does.

use super::shared::Shared;
use crate::adapters::cluster::events::{self, Told};
use crate::adapters::cluster::watch::key_of;
use crate::adapters::notify::{InvolvedObject, Notification, severity};
use crate::api::CustomObject;
use crate::domain::conditions::Notice;
use jiff::Timestamp;
use kube::ResourceExt;

/// Annotations of an object with this prefix are meant for its events.
const PREFIX: &str = "event.toolkit.fluxcd.io/";

/// Tells one thing about `object`, as the controller `reporter`.
pub(super) async fn tell<K: CustomObject>(
    shared: &Shared,
    reporter: &'static str,
    object: &K,
    notice: Notice,
    told: &Told,
) {
    let (kind, key) = (K::KIND, key_of(object));
    match notice {
        Notice::Error => {
            tracing::error!(kind, object = %key, reason = told.reason, "{}", told.message)
        }
        _ => tracing::info!(kind, object = %key, reason = told.reason, "{}", told.message),
    }
    let told = with_annotations(object, told);
    let now = Timestamp::now();
    let event = shared.events.event(object, reporter, &told, now);
    shared.telling.hand_in(move || event.record()).await;
    let Some(severity) = severity(notice) else {
        return;
    };
    let reference = events::reference(object);
    shared.notifier.send(Notification {
        involved_object: InvolvedObject {
            kind: kind.to_owned(),
            namespace: key.namespace,
            name: key.name,
            uid: reference.uid.unwrap_or_default(),
            api_version: reference.api_version.unwrap_or_default(),
            resource_version: reference.resource_version.unwrap_or_default(),
        },
        severity,
        timestamp: Timestamp::now(),
        message: told.message,
        reason: told.reason,
        metadata: told.metadata,
        reporting_controller: reporter.to_owned(),
        reporting_instance: shared.instance.clone(),
    });
}

fn with_annotations<K: CustomObject>(object: &K, told: &Told) -> Told {
    let mut told = told.clone();
    for (name, value) in object.annotations() {
        if let Some(field) = name.strip_prefix(PREFIX) {
            told.metadata
                .insert(format!("{}/{field}", K::GROUP), value.clone());
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::GitRepository;

    #[test]
    fn annotations_for_events_come_along_under_the_group_of_the_kind() {
        let mut object = GitRepository::default();
        let annotations = [("event.toolkit.fluxcd.io/cluster", "prod"), ("other", "x")];
        object.metadata.annotations = Some(
            annotations
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        );
        let told = Told {
            warning: false,
            reason: "Succeeded".to_owned(),
            message: "done".to_owned(),
            metadata: Default::default(),
        };
        let told = with_annotations(&object, &told);
        assert_eq!(
            told.metadata,
            [(
                "source.toolkit.fluxcd.io/cluster".to_owned(),
                "prod".to_owned()
            )]
            .into()
        );
    }
}
