//! What a registry forgot brings no marker back to an older tag.
//!
//! Invariant: a marker goes down only when its tag is still listed, when the policy takes that tag no longer, or when a person
//! accepts the lower one by annotation, as in a cluster. What is absent: times of images that are gone; nothing is held by them.
//! Pure.

use super::objects::Found;
use super::select::Selection;
use super::trouble::Trouble;
use crate::api::{ACCEPT_TAG, accepted_tag};
use crate::domain::change::{Change, ChangeReport};
use crate::domain::image::ImageRef;
use crate::domain::marker::PolicyKey;
use crate::domain::object::ObjectKey;
use crate::domain::policy::{Policy, Settled};
use crate::domain::tags::TagSet;
use std::collections::BTreeMap;

/// By what each policy selected, and among which tags.
pub(super) type Judges = BTreeMap<ObjectKey, (Policy, TagSet)>;

/// Takes away the selections that would bring a marker down, and says so.
pub(super) fn back(
    selections: &mut Vec<Selection>,
    report: &ChangeReport,
    judges: &Judges,
    found: &Found,
) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    selections.retain(|selection| match vanished(selection, report, judges) {
        Some(kept) if !is_accepted(selection, found) => {
            let candidate = &selection.image.tag;
            let message = format!(
                "the registry no longer lists `{kept}`, and `{candidate}` is not higher: its markers stay as they are; \
                 hint: annotate the policy with `{ACCEPT_TAG}: {candidate}` to go down"
            );
            let subject = format!("ImagePolicy/{}", selection.policy);
            troubles.push(Trouble::note(subject, message));
            false
        }
        _ => true,
    });
    troubles
}

fn is_accepted(selection: &Selection, found: &Found) -> bool {
    let policy = found.policies.get(&selection.policy);
    policy.and_then(accepted_tag) == Some(&selection.image.tag)
}

/// The tag of a marker that vanished and is as high as the selected one, or higher.
fn vanished(selection: &Selection, report: &ChangeReport, judges: &Judges) -> Option<String> {
    let (policy, tags) = judges.get(&selection.policy)?;
    let setter = PolicyKey::from(selection.policy.clone()).to_string();
    let tags_before = report
        .changes
        .iter()
        .filter_map(|change| tag_before(change, &setter, &selection.image));
    tags_before
        .filter(|tag| matches!(policy.settle(tags, tag), Ok(Settled::HeldBack { .. })))
        .map(str::to_owned)
        .next()
}

/// The tag that a change takes away, if it takes one of this image.
fn tag_before<'c>(change: &'c Change, setter: &str, image: &ImageRef) -> Option<&'c str> {
    match change.setter.strip_prefix(setter)? {
        "" => {
            let tag = change.old.strip_prefix(&image.name)?.strip_prefix(':')?;
            Some(tag.split_once('@').map_or(tag, |(tag, _)| tag))
        }
        ":tag" => Some(&change.old),
        _ => None,
    }
}
