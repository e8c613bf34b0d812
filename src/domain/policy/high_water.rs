//! The high-water mark: a selection never goes down because a registry forgot something, and never to and fro.
//!
//! Invariant: what is selected now stays when the registry lists it no longer and what it lists is no higher, or nothing the
//! policy takes; and when it is still listed and nothing is higher. What the policy itself no longer takes (another range, filter
//! or order) never stays. Absent: who may lift the mark, and how it is told.

use super::ranking::{Ranking, ranked};
use super::{Cause, NoMatch, Policy, Selected};
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
    /// What was selected is not listed any longer, and nothing that is higher.
    HeldBack {
        /// What stays selected.
        kept: Selected,
        /// The best of what is listed, with how it compares; `None` when the policy takes nothing of it.
        candidate: Option<(Selected, Ordering)>,
    },
}

impl Policy {
    /// Selects one of `tags` where `current` is the tag that is selected now.
    ///
    /// # Errors
    /// As [`Policy::select`], unless `current` merely vanished.
    pub fn settle(&self, tags: &TagSet, current: &str) -> Result<Settled, NoMatch> {
        let selected = self.select(tags);
        let vanished = !tags.contains(current);
        let kept = self
            .judge_alone(current)
            .filter(|kept| self.takes(&kept.value));
        match (selected, kept) {
            (Ok(candidate), Some(kept)) if candidate.tag != current => {
                let order = self.compare(&candidate.value, &kept.value);
                Ok(match (vanished, order) {
                    (false, Some(Ordering::Equal)) => Settled::Equal(kept),
                    (true, Some(order @ (Ordering::Equal | Ordering::Less))) => Settled::HeldBack {
                        kept,
                        candidate: Some((candidate, order)),
                    },
                    _ => Settled::Taken(candidate),
                })
            }
            (Ok(candidate), _) => Ok(Settled::Taken(candidate)),
            (Err(no_match), Some(kept)) if vanished && no_match.is_want_of_tags() => {
                Ok(Settled::HeldBack {
                    kept,
                    candidate: None,
                })
            }
            (Err(no_match), _) => Err(no_match),
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

    /// Whether a value stands for election.
    fn takes(&self, value: &str) -> bool {
        ranked!(&self.rule, ranking => ranking.key(value).is_some())
    }

    /// Which of two values wins; `None` when the policy takes one of them not.
    fn compare(&self, one: &str, other: &str) -> Option<Ordering> {
        ranked!(&self.rule, ranking => Some(ranking.order(&ranking.key(one)?, &ranking.key(other)?)))
    }
}

impl NoMatch {
    /// Whether other tags would help, and not another policy or a higher limit alone.
    fn is_want_of_tags(&self) -> bool {
        match self.cause {
            Cause::NoTags
            | Cause::FilteredOut { .. }
            | Cause::OutOfRange(_)
            | Cause::OtherLayout { .. }
            | Cause::NoTimes { .. } => true,
            Cause::NotNumeric { .. } | Cause::TooMany { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Choice, Moment, Order, TagFilter, Times};
    use super::*;
    use jiff::Timestamp;
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
        policy.settle(&tags, current).expect("a tag fits")
    }

    fn numerical(order: Order, filter: Option<(&str, &str)>) -> Policy {
        let filter = filter.map(|(pattern, extract)| TagFilter {
            pattern: pattern.to_owned(),
            extract: extract.to_owned(),
        });
        Policy::new(Choice::Numerical { order }, filter).expect("the policy is valid")
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
    }

    #[test]
    fn an_equal_tag_does_not_take_the_place_of_one_that_vanished() {
        let settled = settle(&policy("*", None), &["v1.0.0"], "1.0.0");
        let Settled::HeldBack { kept, candidate } = settled else {
            panic!("it is held back: {settled:?}");
        };
        let (candidate, order) = candidate.expect("there is a candidate");
        assert_eq!(
            (kept.tag.as_str(), candidate.tag.as_str(), order),
            ("1.0.0", "v1.0.0", Ordering::Equal)
        );
    }

    #[test]
    fn what_is_selected_stays_when_nothing_that_fits_is_left() {
        let policy = policy("1.x", Some(("^v(.*)$", "$1")));
        for left in [&[][..], &["latest"], &["1.0.0"], &["v2.0.0"], &["v1"]] {
            let settled = settle(&policy, left, "v1.2.0");
            let Settled::HeldBack { kept, candidate } = settled else {
                panic!("{left:?}: {settled:?}");
            };
            assert_eq!((kept.tag.as_str(), candidate), ("v1.2.0", None), "{left:?}");
        }
        // What the policy does not take cannot be kept by it.
        let tags: TagSet = ["latest"].into_iter().collect();
        assert!(policy.settle(&tags, "v2.0.0").is_err());
        // A tag that is no number is for a person to see to, whatever vanished.
        let numbers = numerical(Order::Ascending, None);
        assert!(numbers.settle(&tags, "7").is_err());
        assert!(matches!(
            settle(&numbers, &[], "7"),
            Settled::HeldBack { .. }
        ));
    }

    /// The reported cases: values that a float cannot tell apart, and one value of several tags.
    #[test]
    fn ties_that_made_automations_go_to_and_fro_are_settled_once() {
        let timestamps = numerical(Order::Ascending, Some(("-(?P<ts>[0-9]+)$", "$ts")));
        let (first, second) = ("main-aaaa-20251123010203997", "main-bbbb-20251123010203998");
        let settled = settle(&timestamps, &[first, second], first);
        assert_eq!(tag(settled), ("taken", second.to_owned()));
        for (selected, rival) in [("main-b-7", "main-a-7"), ("main-a-7", "main-b-07")] {
            for tags in [[selected, rival], [rival, selected]] {
                let settled = settle(&timestamps, &tags, selected);
                assert_eq!(tag(settled), ("equal", selected.to_owned()));
            }
        }
    }

    #[test]
    fn times_and_calendar_versions_have_a_mark_too() {
        let layout = "YYYY.0M.MICRO".to_owned();
        let calendar = Policy::new(Choice::CalVer { layout }, None).expect("the policy is valid");
        let settled = settle(&calendar, &["2024.01.9", "2023.12.1"], "2024.02.0");
        assert_eq!(tag(settled), ("held back", "2024.02.0".to_owned()));

        let moment = Moment::Created;
        let newest = Policy::new(Choice::Newest { moment, limit: 10 }, None).expect("it is valid");
        let at = |second| Timestamp::from_second(second).expect("a time");
        let times = [("a".to_owned(), at(1)), ("b".to_owned(), at(2))];
        let mut known: Times = times.into_iter().collect();
        known.remember("gone", at(3));
        let newest = newest.knowing(known);
        assert_eq!(
            tag(settle(&newest, &["a", "b"], "gone")),
            ("held back", "gone".to_owned())
        );
        assert_eq!(
            tag(settle(&newest, &["a", "b"], "unknown")),
            ("taken", "b".to_owned())
        );
    }

    #[test]
    fn a_descending_order_has_its_mark_at_the_other_end() {
        let policy = numerical(Order::Descending, None);
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
        /// Whatever a registry forgets and remembers again, the selection of a policy only rises, and never goes to an equal one.
        #[test]
        fn a_selection_only_rises(lists in proptest::collection::vec(
            proptest::collection::vec("v?[0-3]\\.[0-3]\\.[0-3]", 0..6), 1..12,
        )) {
            let policy = policy("*", None);
            let mut current: Option<Selected> = None;
            for list in &lists {
                let tags: TagSet = list.iter().map(String::as_str).collect();
                let Some(known) = &current else {
                    current = policy.select(&tags).ok();
                    continue;
                };
                let next = match policy.settle(&tags, &known.tag).expect("it is held if nothing is left") {
                    Settled::Taken(next) | Settled::Equal(next) => next,
                    Settled::HeldBack { kept, .. } => kept,
                };
                let order = policy.compare(&next.value, &known.value);
                prop_assert!(order == Some(Ordering::Greater) || next.tag == known.tag);
                current = Some(next);
            }
        }
    }
}
