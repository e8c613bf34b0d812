//! The high-water mark: a selection never goes down because a registry forgot something, and never to and fro.
//!
//! Invariant: what is selected now stays when the registry lists it no longer and what it lists is lower, or when it is still
//! listed and nothing is higher. What the policy itself no longer takes (another range, filter or order) never stays. Absent:
//! who may lift the mark, and how it is told.

use super::ranking::{Alphabetical, Numerical, Ranking, Semantic};
use super::{Policy, Rule, Selected};
use crate::domain::tags::TagSet;
use std::cmp::Ordering;
use std::ops::ControlFlow;

/// What becomes of a selection when the tags change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The candidate is taken.
    Taken(Selected),
    /// What was selected is as high as the candidate, and stays.
    Equal(Selected),
    /// What was selected is not listed any longer, the candidate is lower, and is not taken.
    HeldBack {
        /// What stays selected.
        kept: Selected,
        /// What is lower.
        candidate: Selected,
    },
}

impl Policy {
    /// Settles between `current`, the tag that is selected now, and `candidate`, which [`Policy::select`] picked of `tags`.
    pub fn settle(&self, tags: &TagSet, current: &str, candidate: Selected) -> Settled {
        if current == candidate.tag {
            return Settled::Taken(candidate);
        }
        let Some(kept) = self.judge_alone(current) else {
            return Settled::Taken(candidate);
        };
        let order = self.compare(&kept.value, &candidate.value);
        match (tags.contains(current), order) {
            (true, Some(Ordering::Equal)) => Settled::Equal(kept),
            (false, Some(Ordering::Greater)) => Settled::HeldBack { kept, candidate },
            _ => Settled::Taken(candidate),
        }
    }

    /// The tag as a candidate, if the policy takes it at all.
    fn judge_alone(&self, tag: &str) -> Option<Selected> {
        let alone: TagSet = std::iter::once(tag).collect();
        let found = self.candidates(&alone, |tag, value| {
            ControlFlow::Break(Selected {
                tag: tag.to_owned(),
                value: value.to_owned(),
            })
        });
        match found {
            ControlFlow::Break(selected) => Some(selected),
            ControlFlow::Continue(()) => None,
        }
    }

    /// Which of two values wins; `None` when the policy takes one of them not.
    fn compare(&self, one: &str, other: &str) -> Option<Ordering> {
        fn by<R: Ranking>(ranking: &R, one: &str, other: &str) -> Option<Ordering> {
            Some(ranking.order(&ranking.key(one)?, &ranking.key(other)?))
        }
        match &self.rule {
            Rule::SemVer(range) => by(&Semantic { range }, one, other),
            Rule::Alphabetical(order) => by(&Alphabetical { order: *order }, one, other),
            Rule::Numerical(order) => by(&Numerical { order: *order }, one, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Choice, Order, TagFilter};
    use super::*;
    use proptest::prelude::*;

    fn policy(range: &str, filter: Option<(&str, &str)>) -> Policy {
        let filter = filter.map(|(pattern, extract)| TagFilter {
            pattern: pattern.to_owned(),
            extract: extract.to_owned(),
        });
        let range = range.to_owned();
        Policy::new(Choice::SemVer { range }, filter).expect("the policy is valid")
    }

    fn settle(policy: &Policy, tags: &[&str], current: &str) -> Settled {
        let tags: TagSet = tags.iter().copied().collect();
        let candidate = policy.select(&tags).expect("a tag fits");
        policy.settle(&tags, current, candidate)
    }

    fn tag(settled: Settled) -> (&'static str, String) {
        match settled {
            Settled::Taken(selected) => ("taken", selected.tag),
            Settled::Equal(selected) => ("equal", selected.tag),
            Settled::HeldBack { kept, .. } => ("held back", kept.tag),
        }
    }

    #[test]
    fn a_tag_that_vanished_is_not_followed_downwards() {
        let policy = policy("1.x", None);
        let settled = settle(&policy, &["1.0.0", "1.1.0"], "1.2.0");
        assert_eq!(tag(settled), ("held back", "1.2.0".to_owned()));
        let settled = settle(&policy, &["1.0.0", "1.3.0"], "1.2.0");
        assert_eq!(tag(settled), ("taken", "1.3.0".to_owned()));
    }

    #[test]
    fn what_the_policy_takes_no_longer_does_not_stay() {
        let settled = settle(&policy("1.1.x", None), &["1.0.0", "1.1.0"], "1.2.0");
        assert_eq!(tag(settled), ("taken", "1.1.0".to_owned()));
        let filtered = policy("*", Some(("^v(.*)$", "$1")));
        let settled = settle(&filtered, &["v1.0.0", "2.0.0"], "2.0.0");
        assert_eq!(tag(settled), ("taken", "v1.0.0".to_owned()));
        let settled = settle(&policy("*", None), &["1.0.0"], "latest");
        assert_eq!(tag(settled), ("taken", "1.0.0".to_owned()));
    }

    #[test]
    fn of_two_tags_that_are_equal_the_selected_one_stays_while_it_is_listed() {
        let policy = policy("*", None);
        let both = ["1.0.0", "v1.0.0"];
        assert_eq!(
            tag(settle(&policy, &both, "1.0.0")),
            ("equal", "1.0.0".to_owned())
        );
        assert_eq!(
            tag(settle(&policy, &both, "v1.0.0")),
            ("taken", "v1.0.0".to_owned())
        );
        let settled = settle(&policy, &["v1.0.0"], "1.0.0");
        assert_eq!(tag(settled), ("taken", "v1.0.0".to_owned()));
    }

    #[test]
    fn a_descending_order_has_its_mark_at_the_other_end() {
        let order = Order::Descending;
        let policy = Policy::new(Choice::Numerical { order }, None).expect("the policy is valid");
        assert_eq!(
            tag(settle(&policy, &["5", "6"], "4")),
            ("held back", "4".to_owned())
        );
        assert_eq!(
            tag(settle(&policy, &["3", "6"], "4")),
            ("taken", "3".to_owned())
        );
    }

    proptest! {
        /// Whatever a registry forgets and remembers again, the selection of a policy only rises.
        #[test]
        fn a_selection_only_rises(lists in proptest::collection::vec(
            proptest::collection::vec("v?[0-3]\\.[0-3]\\.[0-3]", 1..6), 1..12,
        )) {
            let policy = policy("*", None);
            let mut current: Option<Selected> = None;
            for list in &lists {
                let tags: TagSet = list.iter().map(String::as_str).collect();
                let candidate = policy.select(&tags).expect("every tag is a version");
                let next = match &current {
                    None => candidate,
                    Some(known) => match policy.settle(&tags, &known.tag, candidate) {
                        Settled::Taken(next) | Settled::Equal(next) => next,
                        Settled::HeldBack { kept, .. } => kept,
                    },
                };
                if let Some(known) = &current {
                    let order = policy.compare(&next.value, &known.value);
                    prop_assert_ne!(order, Some(Ordering::Less));
                    let listed = list.contains(&known.tag);
                    prop_assert!(order != Some(Ordering::Equal) || !listed || next.tag == known.tag);
                }
                current = Some(next);
            }
        }
    }
}
