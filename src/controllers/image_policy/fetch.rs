//! Finds the repository of a policy, whether the policy may use it, and what automations say of it.

use super::Settings;
use crate::adapters::cluster::objects::namespace_labels;
use crate::api::image_repository::AccessFrom;
use crate::api::{ImagePolicy, ImageRepository};
use crate::controllers::caches::{Caches, in_namespace, within};
use crate::controllers::skips::{Skip, skips};
use crate::domain::image::ImageName;
use crate::domain::object::ObjectKey;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::tags::Exclusions;
use kube::Client;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A repository and its name.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) key: ObjectKey,
    pub(super) object: Arc<ImageRepository>,
}

impl Repository {
    /// Whether the exclusion list leaves out this tag: then it did not vanish, somebody took it away.
    pub(super) fn excludes(&self, tag: &str) -> bool {
        Exclusions::new(&self.object.spec.exclusion_list).is_ok_and(|list| list.matches(tag))
    }

    /// Whether the last scan was of the image that the specification names now. Until it is, tags of
    /// one image would be selected under the name of another.
    pub(super) fn is_scanned_as_named(&self) -> bool {
        let scanned = self.object.status.canonical_image_name.as_deref();
        ImageName::parse(&self.object.spec.image)
            .is_ok_and(|named| scanned == Some(named.canonical()))
    }
}

/// The repository `policy` refers to, if it may.
pub(super) async fn repository(
    client: &Client,
    caches: &Caches,
    policy: &ImagePolicy,
    own: &ObjectKey,
    settings: &Settings,
) -> Result<Repository, Outcome> {
    let reference = &policy.spec.image_repository_ref;
    let key = within(own, reference.namespace.as_deref(), &reference.name);
    let foreign = key.namespace != own.namespace;
    if foreign && settings.no_cross_namespace_refs {
        let message = format!(
            "cannot access 'ImageRepository/{key}', cross-namespace references have been blocked"
        );
        return Err(Outcome::failed(reason::ACCESS_DENIED, referred(message)));
    }
    let Some(object) = caches.image_repositories.get(&key) else {
        return Err(Outcome::Failed {
            reason: reason::DEPENDENCY_NOT_READY,
            message: referred(format!(
                "referenced ImageRepository does not exist: ImageRepository '{key}' not found"
            )),
            next: Some(settings.requeue_dependency),
        });
    };
    if foreign {
        let labels = namespace_labels(client, &own.namespace)
            .await
            .map_err(|error| Outcome::failed(reason::FAILURE, error))?;
        refusal(
            &key,
            object.spec.access_from.as_ref(),
            &own.namespace,
            &labels,
        )
        .map_err(|message| Outcome::failed(reason::ACCESS_DENIED, referred(message)))?;
    }
    ImageName::parse(&object.spec.image)
        .map_err(|error| Outcome::stalled(reason::IMAGE_URL_INVALID, error))?;
    Ok(Repository { key, object })
}

/// What the automations of its namespace skip of a policy; `None` until they are known.
pub(super) fn skipped(caches: &Caches, policy: &ObjectKey) -> Option<Vec<Skip>> {
    let updates = &caches.image_updates;
    updates.is_complete().then(|| {
        let all = updates.find(&in_namespace(&policy.namespace));
        let skips = all.iter().flat_map(|update| skips(update));
        let own = skips.filter(|(name, _)| *name == policy.name);
        own.map(|(_, skip)| skip).collect()
    })
}

/// Flux's words around whatever keeps a policy from its repository.
fn referred(message: String) -> String {
    format!("failed to get the referred ImageRepository: {message}")
}

/// Why a policy of `namespace`, which has these labels, may not use a repository, in Flux's words.
fn refusal(
    repository: &ObjectKey,
    list: Option<&AccessFrom>,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(), String> {
    if allows(list, labels) {
        return Ok(());
    }
    let why = match list {
        None => "missing ACL labels on 'accessFrom'".to_owned(),
        Some(_) => format!("ACL labels mismatch on namespace '{namespace}'"),
    };
    Err(format!(
        "access denied: '{repository}' can't be accessed due to {why}"
    ))
}

/// Whether an access list selects a namespace with these labels: any selector is enough, each label
/// of it must match, and an empty selector matches everything.
fn allows(list: Option<&AccessFrom>, labels: &BTreeMap<String, String>) -> bool {
    let selectors = list
        .map(|list| list.namespace_selectors.as_slice())
        .unwrap_or_default();
    selectors.iter().any(|selector| {
        selector
            .match_labels
            .iter()
            .all(|(name, value)| labels.get(name) == Some(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::image_repository::NamespaceSelector;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn list(selectors: &[&[(&str, &str)]]) -> AccessFrom {
        let selectors = selectors.iter().map(|pairs| NamespaceSelector {
            match_labels: labels(pairs),
        });
        AccessFrom {
            namespace_selectors: selectors.collect(),
        }
    }

    #[test]
    fn a_renamed_image_is_not_scanned_until_its_own_scan() {
        let mut object = ImageRepository::default();
        object.spec.image = "alpine".to_owned();
        object.status.canonical_image_name = Some("index.docker.io/library/alpine".to_owned());
        let scanned = |object: &ImageRepository| {
            Repository {
                key: ObjectKey::new("apps", "app"),
                object: Arc::new(object.clone()),
            }
            .is_scanned_as_named()
        };
        assert!(scanned(&object));
        for image in ["nginx", "https://docker.io/alpine"] {
            object.spec.image = image.to_owned();
            assert!(!scanned(&object), "{image}");
        }
    }

    #[test]
    fn a_refusal_is_worded_as_flux_words_it() {
        let repository = ObjectKey::new("images", "app");
        let words = |list: Option<&AccessFrom>| refusal(&repository, list, "apps", &labels(&[]));
        assert_eq!(
            words(None),
            Err("access denied: 'images/app' can't be accessed due to missing ACL labels on 'accessFrom'".to_owned())
        );
        assert_eq!(
            words(Some(&list(&[&[("team", "shop")]]))),
            Err("access denied: 'images/app' can't be accessed due to ACL labels mismatch on namespace 'apps'".to_owned())
        );
        assert_eq!(words(Some(&list(&[&[]]))), Ok(()));
    }

    #[test]
    fn a_foreign_namespace_needs_a_selector_that_matches_it() {
        let team = labels(&[("team", "shop"), ("stage", "dev")]);
        assert!(!allows(None, &team));
        assert!(!allows(Some(&list(&[])), &team));
        assert!(allows(Some(&list(&[&[]])), &team));
        assert!(allows(
            Some(&list(&[&[("team", "other")], &[("team", "shop")]])),
            &team
        ));
        assert!(!allows(
            Some(&list(&[&[("team", "shop"), ("stage", "prod")]])),
            &team
        ));
    }
}
