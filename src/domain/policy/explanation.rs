//! What a policy makes of every tag: which one wins, what would win next, and what left the others out.
//!
//! Invariant: the candidates are ranked as [`Policy::select`] ranks them, so the first is what it selects; every tag is
//! judged exactly once. Absent: how it is printed.

use super::ranking::{Ranking, ranked};
use super::{Moment, NoMatch, Policy, Rule, Selected, Why};
use crate::domain::calver::Misfit;
use crate::domain::tags::{Exclusions, TagSet};
use crate::domain::version::{Version, VersionRange};
use std::collections::HashSet;
use std::fmt;
use std::ops::ControlFlow;

/// Every tag and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The candidates first, best first, then the others in descending order of bytes.
    pub tags: Vec<Judged>,
    /// What the policy selects.
    pub selection: Result<Selected, NoMatch>,
    /// The rule in words, such as ``the highest version in `1.x` ``.
    rule: String,
    /// By what the selected tag won, where that is not the tag itself.
    value: Option<String>,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The tag as the registry has it.
    pub tag: String,
    /// What was ordered, where that is not the tag itself: what `extract` takes, or a time.
    pub value: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
}

/// What a policy makes of one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A candidate; rank 1 is the best one.
    Rank(usize),
    /// A candidate of the same value has a byte-smaller tag, which stands for both.
    SameValue {
        /// That tag.
        tag: String,
    },
    /// The exclusion list of the repository leaves it out.
    Excluded {
        /// The pattern of the list.
        pattern: String,
    },
    /// The pattern of `filterTags` does not match it.
    NotMatching,
    /// It is no version of the form N.N.N.
    NotAVersion,
    /// It is a version outside of the range.
    OutOfRange,
    /// It is a prerelease, and the range names none.
    Prerelease,
    /// It is no number, which makes the whole selection fail.
    NotANumber,
    /// It does not follow the layout.
    OtherLayout,
    /// It follows the layout, but names no day of the calendar.
    NoSuchDate,
    /// Nothing tells the time of its image.
    NoTime(Moment),
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rank(1) => formatter.write_str("the best candidate"),
            Self::Rank(2) => formatter.write_str("would win next"),
            Self::Rank(rank) => write!(formatter, "candidate {rank}"),
            Self::SameValue { tag } => write!(formatter, "same value as `{tag}`"),
            Self::Excluded { pattern } => {
                write!(formatter, "left out by the exclusion `{pattern}`")
            }
            Self::NotMatching => formatter.write_str("does not match the filter"),
            Self::NotAVersion => formatter.write_str("no version of the form N.N.N"),
            Self::OutOfRange => formatter.write_str("outside of the range"),
            Self::Prerelease => formatter.write_str("a prerelease, and the range names none"),
            Self::NotANumber => formatter.write_str("no number"),
            Self::OtherLayout => formatter.write_str("does not follow the layout"),
            Self::NoSuchDate => formatter.write_str("no day of the calendar"),
            Self::NoTime(moment) => write!(formatter, "its image has no {}", moment.noun()),
        }
    }
}

impl Explanation {
    /// How many tags are candidates.
    pub fn candidates(&self) -> usize {
        let is_candidate = |judged: &&Judged| matches!(judged.verdict, Verdict::Rank(_));
        self.tags.iter().filter(is_candidate).count()
    }

    /// The whole in one sentence.
    pub fn why(&self) -> String {
        let selected = match &self.selection {
            Ok(selected) => selected,
            Err(error) => return format!("nothing is selected: {error}"),
        };
        let next = self
            .tags
            .iter()
            .find(|judged| judged.verdict == Verdict::Rank(2));
        Why {
            tag: selected.tag.clone(),
            value: self.value.clone(),
            rule: self.rule.clone(),
            candidates: self.candidates(),
            tags: self.tags.len(),
            next: next.map(|next| next.tag.clone()),
        }
        .to_string()
    }
}

impl Policy {
    /// Judges every tag of a registry's list. Takes memory for all of them, so it is for people who ask, not for each scan.
    pub fn explain(&self, listed: &TagSet, exclusions: &Exclusions) -> Explanation {
        let tags: TagSet = listed
            .iter()
            .filter(|tag| !exclusions.matches(tag))
            .collect();
        let mut judged_tags = self.judge_all(&tags);
        judged_tags.extend(listed.iter().filter_map(|tag| {
            let pattern = exclusions.matching(tag)?.to_owned();
            Some(Judged::new(tag, None, Verdict::Excluded { pattern }))
        }));
        let selection = self.select(&tags);
        let selected = selection.as_ref().ok();
        Explanation {
            tags: judged_tags,
            rule: self.rule.in_words(),
            value: selected.and_then(|selected| self.shown(&selected.tag, &selected.value)),
            selection,
        }
    }

    fn judge_all(&self, tags: &TagSet) -> Vec<Judged> {
        ranked!(&self.rule, ranking => self.judge(tags, ranking))
    }

    fn judge(&self, tags: &TagSet, ranking: &impl Ranking) -> Vec<Judged> {
        let mut passed: Vec<(&str, String)> = Vec::new();
        let _ = self.candidates(tags, |tag, value| {
            passed.push((tag, value.to_owned()));
            ControlFlow::<()>::Continue(())
        });
        let mut keyed = Vec::new();
        let mut rest = Vec::new();
        for (tag, value) in &passed {
            match ranking.key(value) {
                Some(key) => keyed.push((*tag, value.as_str(), key)),
                None => rest.push(self.judged(tag, value, self.rule.unfit(value))),
            }
        }
        keyed.sort_by(|(tag, value, key), (other_tag, other_value, other)| {
            ranking
                .order(other, key)
                .then_with(|| ranking.order_ties(other_value, value))
                .then_with(|| tag.cmp(other_tag))
        });
        let mut all = self.rank(&keyed);
        let seen: HashSet<&str> = passed.iter().map(|(tag, _)| *tag).collect();
        let filtered = tags.iter().filter(|tag| !seen.contains(tag));
        rest.extend(filtered.map(|tag| Judged::new(tag, None, Verdict::NotMatching)));
        rest.sort_by(|one, other| other.tag.cmp(&one.tag));
        all.extend(rest);
        all
    }

    /// Numbers the candidates; those of one value stand behind the one that stands for it.
    fn rank<K>(&self, keyed: &[(&str, &str, K)]) -> Vec<Judged> {
        let mut all: Vec<Judged> = Vec::with_capacity(keyed.len());
        let mut same = Vec::new();
        let mut last: Option<(&str, &str)> = None;
        for (tag, value, _) in keyed {
            match last {
                Some((first, known)) if known == *value => {
                    let tag_of_both = first.to_owned();
                    let verdict = Verdict::SameValue { tag: tag_of_both };
                    same.push(self.judged(tag, value, verdict));
                }
                _ => {
                    last = Some((tag, value));
                    let rank = all.len() + 1;
                    all.push(self.judged(tag, value, Verdict::Rank(rank)));
                }
            }
        }
        all.extend(same);
        all
    }

    fn judged(&self, tag: &str, value: &str, verdict: Verdict) -> Judged {
        Judged::new(tag, self.shown(tag, value), verdict)
    }
}

impl Judged {
    fn new(tag: &str, value: Option<String>, verdict: Verdict) -> Self {
        Self {
            tag: tag.to_owned(),
            value,
            verdict,
        }
    }
}

fn version(range: &VersionRange, value: &str) -> Verdict {
    match Version::parse_tag(value) {
        Err(_) => Verdict::NotAVersion,
        Ok(version) if range.would_contain(&version) => Verdict::Prerelease,
        Ok(_) => Verdict::OutOfRange,
    }
}

impl Rule {
    /// What is to be said of a value that this rule does not take.
    fn unfit(&self, value: &str) -> Verdict {
        match self {
            Self::SemVer(range) => version(range, value),
            Self::Alphabetical(_) => Verdict::NotMatching,
            Self::Numerical(_) => Verdict::NotANumber,
            Self::CalVer(layout) => match layout.read(value) {
                Err(Misfit::Date) => Verdict::NoSuchDate,
                _ => Verdict::OtherLayout,
            },
            Self::Newest(newest) => Verdict::NoTime(newest.moment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Choice, Order, TagFilter};
    use super::*;
    use proptest::prelude::*;

    fn semver(range: &str) -> Choice {
        Choice::SemVer {
            range: range.to_owned(),
        }
    }

    fn explain(choice: Choice, filter: Option<(&str, &str)>, tags: &[&str]) -> Explanation {
        let filter = filter.map(|(pattern, extract)| TagFilter {
            pattern: pattern.to_owned(),
            extract: extract.to_owned(),
        });
        let policy = Policy::new(choice, filter).expect("the policy is valid");
        let exclusions = Exclusions::new(&["^sha-".to_owned()]).expect("it is a pattern");
        policy.explain(&tags.iter().copied().collect(), &exclusions)
    }

    fn lines(explanation: &Explanation) -> Vec<String> {
        let line = |judged: &Judged| format!("{}: {}", judged.tag, judged.verdict);
        explanation.tags.iter().map(line).collect()
    }

    #[test]
    fn every_tag_is_told_with_what_became_of_it() {
        let tags = [
            "1.2.0",
            "1.10.0",
            "1.11.0-rc.1",
            "2.0.0",
            "latest",
            "1.0.0",
            "sha-1",
        ];
        let explanation = explain(semver("1.x"), None, &tags);
        assert_eq!(
            lines(&explanation),
            [
                "1.10.0: the best candidate",
                "1.2.0: would win next",
                "1.0.0: candidate 3",
                "latest: no version of the form N.N.N",
                "2.0.0: outside of the range",
                "1.11.0-rc.1: a prerelease, and the range names none",
                "sha-1: left out by the exclusion `^sha-`",
            ]
        );
        assert_eq!(
            explanation.why(),
            "`1.10.0` is the highest version in `1.x` of 3 candidates among 7 tags, next would be `1.2.0`"
        );
    }

    #[test]
    fn tags_of_one_value_are_one_candidate() {
        let tags = ["main-b-7", "main-a-7", "main-a-3", "dev-9"];
        let choice = Choice::Numerical {
            order: Order::Ascending,
        };
        let explanation = explain(choice, Some(("^main-.*-(?P<n>[0-9]+)$", "$n")), &tags);
        assert_eq!(
            lines(&explanation),
            [
                "main-a-7: the best candidate",
                "main-a-3: would win next",
                "main-b-7: same value as `main-a-7`",
                "dev-9: does not match the filter",
            ]
        );
        assert_eq!(
            explanation.why(),
            "`main-a-7` (`7`) is the greatest number of 2 candidates among 4 tags, next would be `main-a-3`"
        );
    }

    #[test]
    fn a_selection_that_fails_says_why() {
        let choice = Choice::Numerical {
            order: Order::Ascending,
        };
        let explanation = explain(choice, None, &["7", "latest"]);
        assert!(
            explanation
                .tags
                .iter()
                .any(|judged| judged.verdict == Verdict::NotANumber)
        );
        let why = explanation.why();
        assert!(
            why.starts_with("nothing is selected: failed to parse"),
            "{why}"
        );
    }

    fn choices() -> impl Strategy<Value = Choice> {
        let order = prop_oneof![Just(Order::Ascending), Just(Order::Descending)];
        let range = prop_oneof!["\\*", "1\\.x", ">=0\\.1\\.0-0", "~1\\.1"];
        prop_oneof![
            range.prop_map(|range| Choice::SemVer { range }),
            order
                .clone()
                .prop_map(|order| Choice::Alphabetical { order }),
            order.prop_map(|order| Choice::Numerical { order }),
            prop_oneof![Just("YY.MM.MICRO"), Just("vYY.MINOR[.MICRO]")].prop_map(|layout| {
                Choice::CalVer {
                    layout: layout.to_owned(),
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn the_first_candidate_is_what_is_selected_and_no_tag_is_lost(
            choice in choices(),
            filter in proptest::option::of(prop_oneof![Just(("^v?(.*)$", "$1")), Just(("[0-2]", ""))]),
            tags in proptest::collection::vec("v?[0-2]\\.[0-2]\\.[0-2](-[a-c01])?|[0-9]{1,3}|[a-c]", 0..24),
        ) {
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let explanation = explain(choice.clone(), filter, &tags);
            let set: TagSet = tags.iter().copied().collect();
            let mut told: Vec<&str> = explanation.tags.iter().map(|judged| judged.tag.as_str()).collect();
            told.sort_unstable_by(|one, other| other.cmp(one));
            prop_assert_eq!(told, set.iter().collect::<Vec<_>>());
            if let Ok(selected) = &explanation.selection {
                prop_assert_eq!(&explanation.tags[0].tag, &selected.tag);
                prop_assert_eq!(&explanation.tags[0].verdict, &Verdict::Rank(1));
                let filter = filter.map(|(pattern, extract)| TagFilter { pattern: pattern.to_owned(), extract: extract.to_owned() });
                let policy = Policy::new(choice, filter).expect("the policy is valid");
                prop_assert_eq!(explanation.why(), policy.why(&set, selected).to_string());
            }
        }
    }
}
