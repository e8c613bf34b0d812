//! What to say of a selection, and which digests to ask for. Pure.

use super::Settings;
use super::fetch::Repository;
use super::rule::Pinning;
use crate::api::ImagePolicy;
use crate::api::common::ImageReference;
use crate::api::image_policy::{ImagePolicyStatus, Selection};
use crate::controllers::report::Report;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::policy::{NoMatch, Selected};

/// What to say while there are no tags. A policy that selected before, whose repository was scanned
/// before, only waits for the scan after a restart: nothing of it changes, and nobody is alarmed.
pub(super) fn without_tags(
    object: &ImagePolicy,
    repository: &Repository,
    settings: &Settings,
) -> Result<Report<ImagePolicyStatus>, Outcome> {
    let scanned_before = repository
        .object
        .status
        .last_scan_result
        .as_ref()
        .is_some_and(|scan| scan.tag_count > 0);
    let ready = object
        .status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready" && condition.status == "True");
    if let (true, Some(ready), true) = (scanned_before, ready, object.status.latest_ref.is_some()) {
        let outcome = Outcome::Ready {
            reason: reason::SUCCEEDED,
            message: ready.message.clone(),
            next: Some(settings.requeue_dependency),
        };
        return Ok(Report::new(object.status.clone(), outcome));
    }
    let wait = crate::domain::duration::format_duration(settings.requeue_dependency);
    Err(Outcome::Failed {
        reason: reason::DEPENDENCY_NOT_READY,
        message: format!("retrying in {wait} error: no tags in database"),
        next: Some(settings.requeue_dependency),
    })
}

/// What to say when no tag fits. Only new tags or a new specification can help; both wake the object.
pub(super) fn no_match(error: &NoMatch) -> Outcome {
    Outcome::failed(reason::FAILURE, error)
}

/// The selected image without a digest. The name is `spec.image` as written, as in Flux.
pub(super) fn latest(repository: &Repository, selected: &Selected) -> ImageReference {
    ImageReference {
        name: repository.object.spec.image.clone(),
        tag: selected.tag.clone(),
        digest: None,
    }
}

/// Whether the registry has to be asked for the digest of `latest`.
pub(super) fn wants_digest(
    pinning: &Pinning,
    object: &ImagePolicy,
    latest: &ImageReference,
) -> bool {
    let same = object.status.latest_ref.as_ref().is_some_and(|known| {
        known.name == latest.name && known.tag == latest.tag && known.digest.is_some()
    });
    match pinning {
        Pinning::Never => false,
        Pinning::Once => !same,
        Pinning::Always(_) => true,
    }
}

/// The digest that is kept when the registry is not asked.
pub(super) fn kept_digest(pinning: &Pinning, object: &ImagePolicy) -> Option<String> {
    match pinning {
        Pinning::Once => object
            .status
            .latest_ref
            .as_ref()
            .and_then(|known| known.digest.clone()),
        Pinning::Never | Pinning::Always(_) => None,
    }
}

/// The report of a selection.
pub(super) fn report(
    object: &ImagePolicy,
    latest: ImageReference,
    digest: Option<String>,
    selection: Selection,
    pinning: &Pinning,
) -> Report<ImagePolicyStatus> {
    let latest = ImageReference { digest, ..latest };
    let mut status = object.status.clone();
    if status.latest_ref.as_ref() != Some(&latest) {
        status.observed_previous_ref = status.latest_ref.take();
        status.latest_ref = Some(latest.clone());
    }
    status.selection = Some(selection);
    let previous = status.observed_previous_ref.as_ref();
    let message = message(&latest, previous.filter(|previous| **previous != latest));
    let next = match pinning {
        Pinning::Always(interval) => Some(*interval),
        Pinning::Never | Pinning::Once => None,
    };
    Report::new(
        status,
        Outcome::Ready {
            reason: reason::SUCCEEDED,
            message,
            next,
        },
    )
}

/// Flux's words for a selection.
fn message(latest: &ImageReference, previous: Option<&ImageReference>) -> String {
    let mut text = format!(
        "Latest image tag for {} resolved to {}",
        latest.name, latest.tag
    );
    if let Some(digest) = &latest.digest {
        text.push_str(&format!(" with digest {digest}"));
    }
    if let Some(previous) = previous {
        let digest = previous
            .digest
            .as_ref()
            .map(|digest| format!("@{digest}"))
            .unwrap_or_default();
        text.push_str(&format!(
            " (previously {}:{}{digest})",
            previous.name, previous.tag
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::rule::policy;
    use super::*;
    use crate::api::ImageRepository;
    use crate::api::image_policy::{DigestReflection, ImagePolicySpec, PolicyChoice, SemVerChoice};
    use crate::api::image_repository::ScanResult;
    use crate::domain::object::ObjectKey;
    use crate::domain::tags::{TagSet, TagSetBuilder};
    use std::sync::Arc;
    use std::time::Duration;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn object(reflection: DigestReflection) -> ImagePolicy {
        let choice = PolicyChoice {
            semver: Some(SemVerChoice {
                range: ">=1.0.0".to_owned(),
            }),
            ..PolicyChoice::default()
        };
        let spec = ImagePolicySpec {
            policy: choice,
            digest_reflection_policy: reflection,
            ..ImagePolicySpec::default()
        };
        ImagePolicy {
            spec,
            ..ImagePolicy::default()
        }
    }

    fn repository() -> Repository {
        let mut object = ImageRepository::default();
        object.spec.image = "ghcr.io/acme/app".to_owned();
        Repository {
            key: ObjectKey::new("apps", "app"),
            object: Arc::new(object),
        }
    }

    fn tags(names: &[&str]) -> TagSet {
        let mut builder = TagSetBuilder::new();
        names.iter().for_each(|name| builder.push(name));
        builder.finish()
    }

    fn selected(object: &ImagePolicy, names: &[&str]) -> ImageReference {
        let selected = policy(&object.spec)
            .expect("the policy is valid")
            .select(&tags(names))
            .expect("a tag fits");
        latest(&repository(), &selected)
    }

    #[test]
    fn a_selection_is_told_in_the_words_of_flux_and_remembers_what_was_before() {
        let mut object = object(DigestReflection::Never);
        let first = report(
            &object,
            selected(&object, &["1.0.0"]),
            None,
            Selection::default(),
            &Pinning::Never,
        );
        assert_eq!(
            first.outcome.message(),
            "Latest image tag for ghcr.io/acme/app resolved to 1.0.0"
        );
        object.status = first.status;
        let second = report(
            &object,
            selected(&object, &["1.0.0", "1.1.0"]),
            Some(DIGEST.to_owned()),
            Selection::default(),
            &Pinning::Never,
        );
        assert_eq!(
            second.outcome.message(),
            format!(
                "Latest image tag for ghcr.io/acme/app resolved to 1.1.0 with digest {DIGEST} (previously ghcr.io/acme/app:1.0.0)"
            )
        );
        assert_eq!(
            second
                .status
                .observed_previous_ref
                .map(|previous| previous.tag),
            Some("1.0.0".to_owned())
        );
    }

    #[test]
    fn a_digest_is_asked_for_as_the_reflection_policy_says() {
        let mut pinned = object(DigestReflection::IfNotPresent);
        let latest = selected(&pinned, &["1.0.0"]);
        assert!(wants_digest(&Pinning::Once, &pinned, &latest));
        pinned.status = report(
            &pinned,
            latest.clone(),
            Some(DIGEST.to_owned()),
            Selection::default(),
            &Pinning::Once,
        )
        .status;
        assert!(!wants_digest(&Pinning::Once, &pinned, &latest));
        assert_eq!(
            kept_digest(&Pinning::Once, &pinned).as_deref(),
            Some(DIGEST)
        );
        assert!(wants_digest(
            &Pinning::Once,
            &pinned,
            &selected(&pinned, &["1.0.1"])
        ));
        assert!(wants_digest(
            &Pinning::Always(Duration::from_secs(1)),
            &pinned,
            &latest
        ));
        assert!(!wants_digest(&Pinning::Never, &pinned, &latest));
        assert_eq!(kept_digest(&Pinning::Never, &pinned), None);
    }

    /// What is known, how digests are reflected, what is selected now: whether the registry is asked, and what is kept if not.
    #[test]
    fn digests_are_asked_for_kept_and_dropped_as_by_flux() {
        let image = |name: &str, tag: &str, digest: Option<&str>| ImageReference {
            name: name.to_owned(),
            tag: tag.to_owned(),
            digest: digest.map(str::to_owned),
        };
        let interval = || Pinning::Always(Duration::from_secs(60));
        let pinned = || Some(image("app", "1", Some(DIGEST)));
        for (known, pinning, selected, asked, kept) in [
            (None, Pinning::Never, image("app", "1", None), false, None),
            (
                pinned(),
                Pinning::Never,
                image("app", "1", None),
                false,
                None,
            ),
            (None, Pinning::Once, image("app", "1", None), true, None),
            (
                Some(image("app", "1", None)),
                Pinning::Once,
                image("app", "1", None),
                true,
                None,
            ),
            (
                pinned(),
                Pinning::Once,
                image("app", "1", None),
                false,
                Some(DIGEST),
            ),
            (pinned(), Pinning::Once, image("app", "2", None), true, None),
            (
                pinned(),
                Pinning::Once,
                image("other", "1", None),
                true,
                None,
            ),
            (pinned(), interval(), image("app", "1", None), true, None),
            (None, interval(), image("app", "1", None), true, None),
        ] {
            let mut object = object(DigestReflection::Never);
            object.status.latest_ref = known.clone();
            let words = format!("{known:?} {pinning:?} {selected:?}");
            assert_eq!(wants_digest(&pinning, &object, &selected), asked, "{words}");
            if !asked {
                assert_eq!(kept_digest(&pinning, &object).as_deref(), kept, "{words}");
            }
        }
    }

    #[test]
    fn the_previous_image_is_the_one_before_any_change_of_name_tag_or_digest() {
        let mut object = object(DigestReflection::Never);
        let image = |tag: &str| ImageReference {
            tag: tag.to_owned(),
            ..latest(
                &repository(),
                &Selected {
                    tag: tag.to_owned(),
                    value: String::new(),
                },
            )
        };
        let mut step = |tag: &str, digest: Option<&str>| {
            let digest = digest.map(str::to_owned);
            let report = report(
                &object,
                image(tag),
                digest,
                Selection::default(),
                &Pinning::Never,
            );
            object.status = report.status;
            let previous = object.status.observed_previous_ref.clone();
            previous.map(|previous| (previous.tag, previous.digest.is_some()))
        };
        assert_eq!(step("1", Some(DIGEST)), None);
        assert_eq!(step("1", Some(DIGEST)), None);
        assert_eq!(step("1", None), Some(("1".to_owned(), true)));
        assert_eq!(step("2", None), Some(("1".to_owned(), false)));
        assert_eq!(step("2", None), Some(("1".to_owned(), false)));
    }

    #[test]
    fn a_restart_alarms_nobody_while_the_tags_come_back() {
        let settings = Settings {
            no_cross_namespace_refs: false,
            requeue_dependency: Duration::from_secs(30),
        };
        let mut object = object(DigestReflection::Never);
        let mut scanned = repository();
        let never =
            without_tags(&object, &scanned, &settings).expect_err("nothing was selected yet");
        let expected = Outcome::Failed {
            reason: reason::DEPENDENCY_NOT_READY,
            message: "retrying in 30s error: no tags in database".to_owned(),
            next: Some(Duration::from_secs(30)),
        };
        assert_eq!(never, expected);

        Arc::make_mut(&mut scanned.object).status.last_scan_result = Some(ScanResult {
            tag_count: 2,
            ..ScanResult::default()
        });
        let report = report(
            &object,
            selected(&object, &["1.0.0"]),
            None,
            Selection::default(),
            &Pinning::Never,
        );
        object.status = report.status;
        object.status.conditions = serde_json::from_value(serde_json::json!([{
            "type": "Ready", "status": "True", "reason": "Succeeded", "message": "as before",
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        }]))
        .expect("the condition is whole");
        let kept = without_tags(&object, &scanned, &settings).expect("it only waits");
        assert_eq!(kept.outcome.message(), "as before");
        assert_eq!(kept.status, object.status);
    }
}
