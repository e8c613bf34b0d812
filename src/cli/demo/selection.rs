//! A selection with the reasons for it.
//!
//! The reasons are found by asking the policy itself: what it says of each tag alone tells the
//! candidates from the rest, and what it selects without the winner is the runner-up.

use crate::api::image_policy::PolicyChoice;
use crate::domain::image::ImageRef;
use crate::domain::marker::PolicyKey;
use crate::domain::policy::{Cause, NoMatch, Policy};
use crate::domain::tags::TagSet;
use serde::Serialize;

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scanned {
    /// How many tags the registry has.
    #[serde(rename = "tags")]
    pub(super) sent: usize,
    /// How many pages the list had.
    pub(super) pages: usize,
    /// The patterns of tags that do not count.
    pub(super) excluded_by: Vec<String>,
}

/// What a policy selects, and why.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Selection {
    /// The policy.
    pub(super) policy: PolicyKey,
    /// How it orders, such as ``semver `>=1.0.0` ``.
    pub(super) rule: String,
    /// What it selects.
    #[serde(flatten)]
    pub(super) image: ImageRef,
    /// What the scan found.
    pub(super) scanned: Scanned,
    /// How many tags were not excluded.
    pub(super) considered: usize,
    /// How many tags the policy could have selected.
    pub(super) candidates: usize,
    /// What it would select if the winner were not there.
    pub(super) runner_up: Option<String>,
    /// The tags that are no candidates, each with the reason.
    pub(super) left_out: Vec<LeftOut>,
}

/// A tag that is no candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LeftOut {
    /// The tag.
    pub(super) tag: String,
    /// Why.
    pub(super) reason: &'static str,
}

impl Selection {
    pub(super) fn new(
        policy: PolicyKey,
        choice: &PolicyChoice,
        rule: &Policy,
        image: ImageRef,
        scanned: Scanned,
        tags: &TagSet,
    ) -> Self {
        let mut left_out = Vec::new();
        for tag in tags.iter() {
            if let Err(error) = rule.select(&TagSet::from_iter([tag])) {
                left_out.push(LeftOut {
                    tag: tag.to_owned(),
                    reason: reason(&error),
                });
            }
        }
        let others: TagSet = tags.iter().filter(|tag| *tag != image.tag).collect();
        Self {
            policy,
            rule: describe(choice),
            runner_up: rule.select(&others).ok().map(|second| second.tag),
            image,
            scanned,
            considered: tags.len(),
            candidates: tags.len() - left_out.len(),
            left_out,
        }
    }
}

fn describe(choice: &PolicyChoice) -> String {
    match choice {
        PolicyChoice {
            semver: Some(semver),
            ..
        } => format!("semver `{}`", semver.range),
        PolicyChoice {
            alphabetical: Some(_),
            ..
        } => "alphabetical".to_owned(),
        _ => "numerical".to_owned(),
    }
}

fn reason(error: &NoMatch) -> &'static str {
    match &error.cause {
        Cause::NoTags => "no tag",
        Cause::FilteredOut { .. } => "not matched by the filter",
        Cause::NotNumeric { .. } => "not a number",
        Cause::OutOfRange(distance) if distance.versions == 0 => "not a version",
        Cause::OutOfRange(distance) if distance.left_out_prerelease.is_some() => {
            "a pre-release, and the range names none"
        }
        Cause::OutOfRange(_) => "out of range",
        Cause::OtherLayout { .. } => "not of the layout",
        Cause::NoTimes { .. } | Cause::TooMany { .. } => "of unknown age",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Choice;

    #[test]
    fn each_tag_that_is_no_candidate_has_its_reason() {
        let range = ">=1.0.0 <2.0.0".to_owned();
        let rule = Policy::new(Choice::SemVer { range }, None).expect("a range");
        let tags: TagSet = ["1.0.0", "1.4.1", "1.4.2", "1.5.0-rc.1", "2.0.0", "latest"]
            .into_iter()
            .collect();
        let image = ImageRef {
            name: "r/app".to_owned(),
            tag: "1.4.2".to_owned(),
            digest: None,
        };
        let scanned = Scanned {
            sent: 7,
            pages: 1,
            excluded_by: Vec::new(),
        };
        let policy = PolicyKey::new("shop", "app");
        let selection = Selection::new(
            policy,
            &PolicyChoice::default(),
            &rule,
            image,
            scanned,
            &tags,
        );
        assert_eq!(selection.candidates, 3);
        assert_eq!(selection.runner_up.as_deref(), Some("1.4.1"));
        let reasons: Vec<(&str, &str)> = selection
            .left_out
            .iter()
            .map(|out| (out.tag.as_str(), out.reason))
            .collect();
        assert_eq!(
            reasons,
            [
                ("latest", "not a version"),
                ("2.0.0", "out of range"),
                ("1.5.0-rc.1", "a pre-release, and the range names none"),
            ]
        );
    }

    #[test]
    fn a_lonely_winner_has_no_runner_up() {
        let rule = Policy::new(
            Choice::SemVer {
                range: "1.x".to_owned(),
            },
            None,
        )
        .expect("a range");
        let tags: TagSet = ["1.0.0"].into_iter().collect();
        let image = ImageRef {
            name: "r/app".to_owned(),
            tag: "1.0.0".to_owned(),
            digest: None,
        };
        let scanned = Scanned {
            sent: 1,
            pages: 1,
            excluded_by: Vec::new(),
        };
        let policy = PolicyKey::new("shop", "app");
        let selection = Selection::new(
            policy,
            &PolicyChoice::default(),
            &rule,
            image,
            scanned,
            &tags,
        );
        assert_eq!((selection.candidates, selection.runner_up), (1, None));
    }
}
