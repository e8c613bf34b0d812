//! Follows names and versions of objects that are read only when they are needed: labelled Secrets and ConfigMaps.
//!
//! Invariant: their metadata is all that is asked for. What is absent: who is woken by a change; the caller's function knows.

use super::watch::{Watched, key_of};
use crate::domain::object::ObjectKey;
use crate::domain::outcome::with_causes;
use futures::{StreamExt, pin_mut};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use std::collections::HashMap;

/// Follows names and versions of objects, and nothing else of them, until the stream ends, which it does
/// not by itself. Calls `changed` for each object that is new, other than before, or gone; not for those
/// of the first listing.
pub async fn follow_versions<K: Watched>(
    api: Api<PartialObjectMeta<K>>,
    config: watcher::Config,
    mut changed: impl FnMut(&ObjectKey),
) {
    let events = watcher(api, config).default_backoff();
    pin_mut!(events);
    let mut versions = Versions::default();
    let mut told = false;
    while let Some(event) = events.next().await {
        let other = match event {
            Ok(watcher::Event::Init) => versions.begin(),
            Ok(watcher::Event::InitApply(object)) => {
                versions.list(key_of(&object), object.resource_version())
            }
            Ok(watcher::Event::InitDone) => {
                told = false;
                versions.finish()
            }
            Ok(watcher::Event::Apply(object)) => {
                versions.apply(key_of(&object), object.resource_version())
            }
            Ok(watcher::Event::Delete(object)) => versions.remove(&key_of(&object)),
            Err(error) => {
                let (kind, error) = (K::kind(&()), with_causes(&error));
                // Whoever does not give the right wants it so, and need not read of it again and again.
                if std::mem::replace(&mut told, true) {
                    tracing::debug!(%kind, error, "labelled objects cannot be watched");
                } else {
                    tracing::warn!(%kind, error, "labelled objects cannot be watched: what changes in them counts at the next interval");
                }
                Vec::new()
            }
        };
        other.iter().for_each(&mut changed);
    }
}

/// The versions of what is followed. Each step gives the objects that are not as they were.
#[derive(Debug, Default)]
struct Versions {
    known: HashMap<ObjectKey, Option<String>>,
    listed: HashMap<ObjectKey, Option<String>>,
    complete: bool,
}

impl Versions {
    fn begin(&mut self) -> Vec<ObjectKey> {
        self.listed.clear();
        Vec::new()
    }

    fn list(&mut self, key: ObjectKey, version: Option<String>) -> Vec<ObjectKey> {
        self.listed.insert(key, version);
        Vec::new()
    }

    fn finish(&mut self) -> Vec<ObjectKey> {
        let before = std::mem::replace(&mut self.known, std::mem::take(&mut self.listed));
        if !std::mem::replace(&mut self.complete, true) {
            return Vec::new();
        }
        let gone = before.keys().filter(|key| !self.known.contains_key(*key));
        let other = self.known.iter();
        let other = other.filter(|(key, version)| before.get(*key) != Some(*version));
        let other = other.map(|(key, _)| key);
        gone.chain(other).cloned().collect()
    }

    fn apply(&mut self, key: ObjectKey, version: Option<String>) -> Vec<ObjectKey> {
        let before = self.known.insert(key.clone(), version.clone());
        match before == Some(version) {
            true => Vec::new(),
            false => vec![key],
        }
    }

    fn remove(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
        match self.known.remove(key) {
            Some(_) => vec![key.clone()],
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    #[tokio::test]
    async fn of_labelled_objects_only_their_metadata_is_asked_for() {
        let (asked, mut questions) = tokio::sync::mpsc::unbounded_channel();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let accept = request.headers()["accept"].to_str().map(str::to_owned);
            let _ = asked.send((request.uri().to_string(), accept.unwrap_or_default()));
            std::future::pending::<
                Result<http::Response<kube::client::Body>, std::convert::Infallible>,
            >()
        });
        let client = kube::Client::new(service, "default");
        let api = Api::<PartialObjectMeta<ConfigMap>>::all(client);
        let config = watcher::Config::default().labels("reconcile.fluxcd.io/watch=Enabled");
        tokio::select! {
            () = follow_versions(api, config, |_| {}) => panic!("it does not end"),
            question = questions.recv() => {
                let (uri, accept) = question.expect("it asks");
                assert!(uri.contains("labelSelector=reconcile.fluxcd.io%2Fwatch%3DEnabled"), "{uri}");
                assert!(accept.contains("as=PartialObjectMetadataList"), "{accept}");
            }
        }
    }

    #[test]
    fn versions_tell_what_is_other_than_before_but_not_what_was_there_at_first() {
        let key = |name: &str| ObjectKey::new("shop", name);
        let version = |number: &str| Some(number.to_owned());
        let mut versions = Versions::default();
        versions.begin();
        for name in ["stays", "goes", "changes"] {
            assert!(versions.list(key(name), version("1")).is_empty());
        }
        assert!(versions.finish().is_empty(), "nothing is known to be other");
        assert!(versions.apply(key("stays"), version("1")).is_empty());
        assert_eq!(versions.apply(key("stays"), version("2")), [key("stays")]);
        assert_eq!(versions.apply(key("new"), version("3")), [key("new")]);
        assert_eq!(versions.remove(&key("new")), [key("new")]);
        assert!(versions.remove(&key("new")).is_empty());
        // The watch breaks off, and meanwhile things happen.
        versions.begin();
        for (name, number) in [("stays", "2"), ("changes", "4"), ("came", "5")] {
            versions.list(key(name), version(number));
        }
        let mut other = versions.finish();
        other.sort();
        assert_eq!(other, [key("came"), key("changes"), key("goes")]);
    }
}
