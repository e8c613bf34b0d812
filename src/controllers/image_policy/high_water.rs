//! The high-water mark of a policy: which selection it is held at, and how that is told. Pure.
//!
//! Invariant: a change of the image or of the policy, an exclusion of the tag, and a tag that a person accepts by annotation, lift
//! the mark.
//! What is absent: comparing tags; that is `domain::policy`.

use super::fetch::Repository;
use super::plan;
use super::rule::{self, Pinning};
use crate::adapters::cluster::events::Told;
use crate::api::image_policy::{ImagePolicyStatus, Selection};
use crate::api::{ACCEPT_TAG, ImagePolicy, accepted_tag};
use crate::controllers::report::Report;
use crate::domain::conditions::Statement;
use crate::domain::outcome::reason;
use crate::domain::policy::{NoMatch, Policy, Selected, Settled, Times};
use crate::domain::tags::TagSet;
use std::cmp::Ordering;

/// The condition that is true while a selection is held.
const HELD_BACK: &str = "HeldBack";

/// What a selection is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The tag that is selected now, of the image as it is named now, by the policy as it is now.
    current: Option<String>,
    /// Why, when it was selected by the policy as it is now.
    selection: Option<Selection>,
    /// The tag a person lets it go down to.
    accepted: Option<String>,
    /// Of the policy as it is now.
    fingerprint: String,
}

/// What becomes of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The tag is selected.
    Selected(Selected, Selection),
    /// What was selected stays, although it is not listed.
    Held(Held, Selection),
}

/// A selection that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    kept: Selected,
    candidate: Option<(Selected, Ordering)>,
}

impl Mark {
    /// The mark of an object. A selection that does not say by which policy it was made (Flux's) counts as one of this policy.
    pub(super) fn of(object: &ImagePolicy, repository: &Repository) -> Self {
        let fingerprint = rule::fingerprint(&object.spec);
        let selection = object.status.selection.as_ref();
        let is_own = selection.is_none_or(|selection| selection.policy == fingerprint);
        let latest = object.status.latest_ref.as_ref();
        let latest = latest.filter(|latest| {
            is_own
                && latest.name == repository.object.spec.image
                && !repository.excludes(&latest.tag)
        });
        Self {
            current: latest.map(|latest| latest.tag.clone()),
            selection: selection.filter(|_| is_own).cloned(),
            accepted: accepted_tag(object).map(str::to_owned),
            fingerprint,
        }
    }

    /// Whether there is a selection that could be held.
    pub(super) fn is_set(&self) -> bool {
        self.current.is_some()
    }

    /// The decision that was made of these very tags: it stands, and nobody need be asked about it again.
    pub(super) fn decided(&self, tags: &TagSet) -> Option<Decision> {
        let current = self
            .current
            .as_ref()
            .filter(|current| tags.contains(current))?;
        let selection = self.selection.as_ref()?;
        (selection.revision == tags.revision()).then(|| {
            let selected = Selected {
                tag: current.clone(),
                value: current.clone(),
            };
            Decision::Selected(selected, selection.clone())
        })
    }

    /// Adds the time of the current selection, which can no longer be asked for when its tag vanished.
    pub(super) fn remind(&self, times: &mut Times) {
        let selection = self.selection.as_ref();
        let time = selection.and_then(|selection| selection.time.as_ref()?.parse().ok());
        if let (Some(current), Some(time)) = (&self.current, time) {
            times.remember(current, time);
        }
    }

    /// Selects, but not below the mark.
    pub(super) fn settle(&self, policy: &Policy, tags: &TagSet) -> Result<Decision, NoMatch> {
        let settled = match &self.current {
            Some(current) => policy.settle(tags, current)?,
            None => Settled::Taken(policy.select(tags)?),
        };
        Ok(match settled {
            Settled::Taken(selected) | Settled::Equal(selected) => {
                self.selected(policy, tags, selected)
            }
            Settled::HeldBack {
                candidate: Some((candidate, _)),
                ..
            } if self.accepted.as_ref() == Some(&candidate.tag) => {
                self.selected(policy, tags, candidate)
            }
            Settled::HeldBack { kept, candidate } => {
                let next = candidate
                    .as_ref()
                    .map(|(candidate, _)| candidate.tag.clone());
                let held = Held { kept, candidate };
                let selection = Selection {
                    why: held.words(),
                    next,
                    time: policy.time_of(&held.kept.tag).map(|time| time.to_string()),
                    revision: tags.revision().to_owned(),
                    policy: self.fingerprint.clone(),
                };
                Decision::Held(held, selection)
            }
        })
    }

    fn selected(&self, policy: &Policy, tags: &TagSet, selected: Selected) -> Decision {
        let why = policy.why(tags, &selected);
        let selection = Selection {
            why: why.to_string(),
            next: why.next,
            time: policy.time_of(&selected.tag).map(|time| time.to_string()),
            revision: tags.revision().to_owned(),
            policy: self.fingerprint.clone(),
        };
        Decision::Selected(selected, selection)
    }
}

impl Held {
    /// What is held, and from what.
    fn words(&self) -> String {
        let kept = &self.kept.tag;
        match &self.candidate {
            Some((candidate, order)) => {
                let order = if order.is_lt() {
                    "would be lower"
                } else {
                    "is no higher"
                };
                let candidate = &candidate.tag;
                format!(
                    "the registry no longer lists '{kept}'; '{candidate}' {order} and is not selected"
                )
            }
            None => format!(
                "the registry no longer lists '{kept}', nor any other tag that the policy takes; '{kept}' stays selected"
            ),
        }
    }

    /// What a person can do about it.
    fn hint(&self) -> String {
        match &self.candidate {
            Some((candidate, order)) => {
                let way = if order.is_lt() {
                    "go down"
                } else {
                    "change over"
                };
                format!(
                    "annotate the policy with `{ACCEPT_TAG}={}` to {way}",
                    candidate.tag
                )
            }
            None => "push the tag again, or change `spec.policy`".to_owned(),
        }
    }
}

/// The report of a selection that is kept, told once for each tag that it is kept from.
pub(super) fn held_back(
    object: &ImagePolicy,
    held: &Held,
    selection: Selection,
    pinning: &Pinning,
) -> Report<ImagePolicyStatus> {
    let latest = object.status.latest_ref.clone().unwrap_or_default();
    let digest = latest.digest.clone();
    let message = format!("{}; hint: {}", held.words(), held.hint());
    let known = condition(object);
    let is_news = known.is_none_or(|(status, said)| status != "True" || said != message);
    let mut report = plan::report(object, latest, digest, selection, pinning).stating(Statement {
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
    use crate::api::image_policy::SemVerChoice;
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

    fn decide(object: &ImagePolicy, image: &str, tags: &[&str]) -> Decision {
        let range = "*".to_owned();
        let policy = Policy::new(Choice::SemVer { range }, None).expect("the policy is valid");
        let mark = Mark::of(object, &repository(image));
        mark.settle(&policy, &tags.iter().copied().collect())
            .expect("a tag fits, or one is held")
    }

    fn taken(decision: Decision) -> Option<String> {
        match decision {
            Decision::Selected(selected, _) => Some(selected.tag),
            Decision::Held(..) => None,
        }
    }

    #[test]
    fn another_image_or_an_accepted_tag_lifts_the_mark() {
        let mut policy = object("1.2.0");
        let tags = ["1.0.0", "1.1.0"];
        assert_eq!(taken(decide(&policy, IMAGE, &tags)), None);
        let other = taken(decide(&policy, "ghcr.io/acme/web", &tags));
        assert_eq!(other.as_deref(), Some("1.1.0"));
        let mut accept = |tag: &str| {
            policy.metadata.annotations = Some([(ACCEPT_TAG.to_owned(), tag.to_owned())].into());
            taken(decide(&policy, IMAGE, &tags))
        };
        assert_eq!(accept("1.0.0"), None);
        assert_eq!(accept("1.1.0").as_deref(), Some("1.1.0"));
    }

    #[test]
    fn a_change_of_the_policy_lifts_the_mark_and_nothing_else_of_the_specification_does() {
        let mut policy = object("1.2.0");
        let Decision::Held(_, selection) = decide(&policy, IMAGE, &["1.1.0"]) else {
            panic!("it is held back");
        };
        policy.status.selection = Some(selection);
        policy.spec.suspend = true;
        policy.spec.interval = Some("1m".to_owned());
        assert_eq!(taken(decide(&policy, IMAGE, &["1.1.0"])), None);
        // Another range that takes the vanished tag too.
        policy.spec.policy.semver = Some(SemVerChoice {
            range: ">=1".to_owned(),
        });
        let lifted = taken(decide(&policy, IMAGE, &["1.1.0"]));
        assert_eq!(lifted.as_deref(), Some("1.1.0"));
    }

    #[test]
    fn a_tag_that_a_person_excludes_is_not_held() {
        let mut repository = repository(IMAGE);
        let policy = object("1.2.0");
        assert!(Mark::of(&policy, &repository).is_set());
        let spec = &mut Arc::make_mut(&mut repository.object).spec;
        spec.exclusion_list = vec!["^1\\.2".to_owned()];
        assert!(!Mark::of(&policy, &repository).is_set());
    }

    #[test]
    fn what_is_held_says_from_what() {
        let object = object("1.2.0");
        for (tags, words, next) in [
            (
                &["1.1.0"][..],
                "the registry no longer lists '1.2.0'; '1.1.0' would be lower and is not selected",
                Some("1.1.0"),
            ),
            (
                &["v1.2.0"],
                "the registry no longer lists '1.2.0'; 'v1.2.0' is no higher and is not selected",
                Some("v1.2.0"),
            ),
            (
                &["latest"],
                "the registry no longer lists '1.2.0', nor any other tag that the policy takes; '1.2.0' stays selected",
                None,
            ),
            (
                &[],
                "the registry no longer lists '1.2.0', nor any other tag that the policy takes; '1.2.0' stays selected",
                None,
            ),
        ] {
            let Decision::Held(_, selection) = decide(&object, IMAGE, tags) else {
                panic!("{tags:?}: it is held back");
            };
            assert_eq!(
                (selection.why.as_str(), selection.next.as_deref()),
                (words, next)
            );
        }
    }

    #[test]
    fn a_selection_that_is_held_is_ready_and_told_once() {
        let mut object = object("1.2.0");
        let Decision::Held(held, selection) = decide(&object, IMAGE, &["1.1.0"]) else {
            panic!("it is held back");
        };
        let report = held_back(&object, &held, selection.clone(), &Pinning::Never);
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
        let again = held_back(&object, &held, selection, &Pinning::Never);
        assert!(again.told.is_empty());
        let report = Report::new(object.status.clone(), again.outcome);
        let followed = followed(&object, report);
        assert_eq!(followed.further[0].status, Some(false));
    }
}
