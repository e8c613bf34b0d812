//! The high-water mark of a policy: which selection it is held at, and how that is told. Pure.
//!
//! Invariant: a change of the image or of the policy, and a tag that a person accepts by annotation, lift the mark.
//! What is absent: comparing tags; that is `domain::policy`.

use super::fetch::Repository;
use super::plan::{self, Pinning};
use crate::adapters::cluster::events::Told;
use crate::api::image_policy::ImagePolicyStatus;
use crate::api::{ACCEPT_TAG, ImagePolicy, accepted_tag};
use crate::controllers::report::Report;
use crate::domain::conditions::Statement;
use crate::domain::outcome::reason;
use crate::domain::policy::{NoMatch, Policy, Selected, Settled};
use crate::domain::tags::TagSet;

/// The condition that is true while a selection is held.
const HELD_BACK: &str = "HeldBack";

/// What a selection is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The tag that is selected now, of the image as it is named now.
    current: Option<String>,
    /// The tag a person lets it go down to.
    accepted: Option<String>,
}

impl Mark {
    /// The mark of an object.
    pub(super) fn of(object: &ImagePolicy, repository: &Repository) -> Self {
        let latest = object.status.latest_ref.as_ref();
        Self {
            current: latest
                .filter(|latest| latest.name == repository.object.spec.image)
                .map(|latest| latest.tag.clone()),
            accepted: accepted_tag(object).map(str::to_owned),
        }
    }

    /// Selects, but not below the mark.
    pub(super) fn settle(&self, policy: &Policy, tags: &TagSet) -> Result<Settled, NoMatch> {
        let candidate = policy.select(tags)?;
        Ok(match &self.current {
            Some(current) if self.accepted.as_ref() != Some(&candidate.tag) => {
                policy.settle(tags, current, candidate)
            }
            _ => Settled::Taken(candidate),
        })
    }
}

/// The report of a selection that is kept, told once for each tag that it is kept from.
pub(super) fn held_back(
    object: &ImagePolicy,
    kept: &Selected,
    candidate: &Selected,
    pinning: &Pinning,
) -> Report<ImagePolicyStatus> {
    let latest = object.status.latest_ref.clone().unwrap_or_default();
    let digest = latest.digest.clone();
    let message = format!(
        "the registry no longer lists '{}'; '{}' would be lower and is not selected; hint: annotate the policy with `{ACCEPT_TAG}={}` to go down",
        kept.tag, candidate.tag, candidate.tag
    );
    let known = condition(object);
    let is_news = known.is_none_or(|(status, said)| status != "True" || said != message);
    let mut report = plan::report(object, latest, digest, pinning).stating(Statement {
        kind: HELD_BACK,
        status: Some(true),
        reason: reason::TAG_VANISHED,
        message: message.clone(),
    });
    if is_news {
        report = report.telling(Told {
            warning: true,
            reason: reason::TAG_VANISHED.to_owned(),
            message,
            metadata: Default::default(),
        });
    }
    report
}

/// The same report, in which a selection that was held is so no longer.
pub(super) fn followed(
    object: &ImagePolicy,
    report: Report<ImagePolicyStatus>,
) -> Report<ImagePolicyStatus> {
    if condition(object).is_none() {
        return report;
    }
    report.stating(Statement {
        kind: HELD_BACK,
        status: Some(false),
        reason: reason::SUCCEEDED,
        message: "the selection follows the registry".to_owned(),
    })
}

/// Status and message of the condition, if there is one.
fn condition(object: &ImagePolicy) -> Option<(&str, &str)> {
    let conditions = &object.status.conditions;
    conditions
        .iter()
        .find(|condition| condition.type_ == HELD_BACK)
        .map(|condition| (condition.status.as_str(), condition.message.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ImageRepository;
    use crate::api::common::ImageReference;
    use crate::domain::object::ObjectKey;
    use crate::domain::policy::Choice;
    use serde_json::json;
    use std::sync::Arc;

    const IMAGE: &str = "ghcr.io/acme/app";

    fn object(selected: &str) -> ImagePolicy {
        let mut object = ImagePolicy::default();
        object.status.latest_ref = Some(ImageReference {
            name: IMAGE.to_owned(),
            tag: selected.to_owned(),
            digest: None,
        });
        object
    }

    fn repository(image: &str) -> Repository {
        let mut object = ImageRepository::default();
        object.spec.image = image.to_owned();
        Repository {
            key: ObjectKey::new("apps", "app"),
            object: Arc::new(object),
        }
    }

    fn settle(object: &ImagePolicy, image: &str, tags: &[&str]) -> Settled {
        let range = "*".to_owned();
        let policy = Policy::new(Choice::SemVer { range }, None).expect("the policy is valid");
        let mark = Mark::of(object, &repository(image));
        mark.settle(&policy, &tags.iter().copied().collect())
            .expect("a tag fits")
    }

    fn is_taken(settled: &Settled, tag: &str) -> bool {
        matches!(settled, Settled::Taken(selected) if selected.tag == tag)
    }

    #[test]
    fn another_image_or_an_accepted_tag_lifts_the_mark() {
        let mut policy = object("1.2.0");
        let tags = ["1.0.0", "1.1.0"];
        assert!(matches!(
            settle(&policy, IMAGE, &tags),
            Settled::HeldBack { .. }
        ));
        assert!(is_taken(
            &settle(&policy, "ghcr.io/acme/web", &tags),
            "1.1.0"
        ));
        let mut accept = |tag: &str| {
            policy.metadata.annotations = Some([(ACCEPT_TAG.to_owned(), tag.to_owned())].into());
            settle(&policy, IMAGE, &tags)
        };
        assert!(matches!(accept("1.0.0"), Settled::HeldBack { .. }));
        assert!(is_taken(&accept("1.1.0"), "1.1.0"));
    }

    #[test]
    fn a_selection_that_is_held_is_ready_and_told_once() {
        let mut object = object("1.2.0");
        let Settled::HeldBack { kept, candidate } = settle(&object, IMAGE, &["1.1.0"]) else {
            panic!("it is held back");
        };
        let report = held_back(&object, &kept, &candidate, &Pinning::Never);
        assert!(report.outcome.is_ready());
        assert_eq!(report.status.latest_ref, object.status.latest_ref);
        let [statement] = report.further.as_slice() else {
            panic!("one condition is stated");
        };
        assert_eq!((statement.kind, statement.status), ("HeldBack", Some(true)));
        assert_eq!(report.told.len(), 1);
        object.status.conditions = serde_json::from_value(json!([{
            "type": "HeldBack", "status": "True", "reason": "TagVanished",
            "message": statement.message, "lastTransitionTime": "2026-01-01T00:00:00Z"
        }]))
        .expect("the condition is whole");
        let again = held_back(&object, &kept, &candidate, &Pinning::Never);
        assert!(again.told.is_empty());
        let report = Report::new(object.status.clone(), again.outcome);
        let followed = followed(&object, report);
        assert_eq!(followed.further[0].status, Some(false));
    }
}
