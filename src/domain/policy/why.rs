//! Why a policy selects a tag, in one sentence.
//!
//! Invariant: it says what [`Policy::explain`] says, without keeping every tag. Absent: why there is no selection;
//! that is in [`NoMatch`](super::NoMatch).

use super::filter::Filter;
use super::ranking::{Ranking, ranked};
use super::{Leader, Policy, Rule, Selected};
use crate::domain::tags::TagSet;
use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

/// Why a tag is selected, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The tag.
    pub tag: String,
    /// By what it won, where that is not the tag itself.
    pub value: Option<String>,
    /// The rule in words, such as ``the highest version in `1.x` ``.
    pub rule: String,
    /// How many values stood for election.
    pub candidates: usize,
    /// Among how many tags.
    pub tags: usize,
    /// What would win next.
    pub next: Option<String>,
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.tag)?;
        if let Some(value) = &self.value {
            write!(formatter, " (`{value}`)")?;
        }
        let (candidates, tags) = (self.candidates, self.tags);
        write!(
            formatter,
            " is {} of {candidates} candidate{} among {tags} tag{}",
            self.rule,
            plural(candidates),
            plural(tags),
        )?;
        match &self.next {
            Some(next) => write!(formatter, ", next would be `{next}`"),
            None => Ok(()),
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl Policy {
    /// Why `selected` wins among `tags`. Takes time linear in the number of tags; memory only where `extract` gives values.
    pub fn why(&self, tags: &TagSet, selected: &Selected) -> Why {
        let (candidates, next) =
            ranked!(&self.rule, ranking => self.field(tags, selected, ranking));
        Why {
            tag: selected.tag.clone(),
            value: self.shown(&selected.tag, &selected.value),
            rule: self.rule.in_words(),
            candidates,
            tags: tags.len(),
            next,
        }
    }

    /// By what a tag is ordered, where that is not the tag itself.
    pub(super) fn shown(&self, tag: &str, value: &str) -> Option<String> {
        match &self.rule {
            Rule::Newest(newest) => newest.times.of(tag).map(|time| time.to_string()),
            _ => (value != tag).then(|| value.to_owned()),
        }
    }

    /// How many values stand for election, and the tag of the best but one.
    fn field(
        &self,
        tags: &TagSet,
        selected: &Selected,
        ranking: &impl Ranking,
    ) -> (usize, Option<String>) {
        let extracts = self.filter.as_ref().is_some_and(Filter::extracts);
        let mut seen = HashSet::new();
        let mut candidates = 0;
        let mut second: Option<Leader<'_>> = None;
        let _ = self.candidates(tags, |tag, value| {
            let Some(key) = ranking.key(value) else {
                return ControlFlow::<()>::Continue(());
            };
            candidates += usize::from(!extracts || seen.insert(hash(value)));
            let stays = |second: &Leader<'_>| second.beats(value, &key, ranking);
            if value != selected.value && !second.as_ref().is_some_and(stays) {
                second = Some(Leader {
                    tag,
                    value: value.to_owned(),
                });
            }
            ControlFlow::Continue(())
        });
        (candidates, second.map(|second| second.tag.to_owned()))
    }
}

/// Stands for a value that is only counted.
fn hash(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Rule {
    pub(super) fn in_words(&self) -> String {
        use super::Moment::{Created, Pushed};
        use super::Order::{Ascending, Descending};
        match self {
            Self::SemVer(range) => format!("the highest version in `{}`", range.text()),
            Self::Alphabetical(Ascending) => "the last in the alphabet".to_owned(),
            Self::Alphabetical(Descending) => "the first in the alphabet".to_owned(),
            Self::Numerical(Ascending) => "the greatest number".to_owned(),
            Self::Numerical(Descending) => "the smallest number".to_owned(),
            Self::CalVer(layout) => format!("the latest version by `{}`", layout.text()),
            Self::Newest(newest) => match newest.moment {
                Created => "the image that was created last".to_owned(),
                Pushed => "the image that was pushed last".to_owned(),
            },
        }
    }
}
