//! Which tag of an image is the newest one.
//!
//! Duty: hold a checked ImagePolicy (filter and choice), pick one tag of a [`TagSet`], or say in words why there is none.
//! Invariant: the choice depends on the set of tags alone, never on the order they came in. Where Flux leaves a tie to chance:
//!
//! * tags that the filter turns into the same value: the byte-smallest tag stands for the value (as in Flux);
//! * versions of equal precedence: the byte-greatest value wins (as in Flux without a filter: `v1.0.0` before `1.0.0`);
//! * equal numbers, written differently: the byte-smallest value wins (as in Flux without a filter: `1.0` before `1.00`);
//! * calendar versions and times that are equal: the byte-greatest tag wins.
//!
//! Absent: fetching tags, times and digests, and when to select again.

mod exact;
mod explanation;
mod filter;
mod high_water;
mod newest;
mod no_match;
mod number;
mod ranking;
mod why;

pub use explanation::{Explanation, Judged, Verdict};
pub use high_water::Settled;
pub use newest::{DEFAULT_LIMIT, LARGEST_LIMIT, Moment, Question, Times, creation_time};
pub use no_match::{Cause, NoMatch};
pub use number::Number;
pub use why::Why;

use crate::domain::calver::{Layout, LayoutError};
use crate::domain::pattern::PatternError;
use crate::domain::tags::TagSet;
use crate::domain::version::{RangeError, VersionRange};
use filter::Filter;
use newest::Newest;
use ranking::{Ranking, ranked};
use std::ops::ControlFlow;

/// The longest `filterTags.extract` that is read, in bytes.
pub const MAX_EXTRACT_LENGTH: usize = 512;

/// Which end of an order is the newest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The last one is: `asc`, the default.
    #[default]
    Ascending,
    /// The first one is: `desc`.
    Descending,
}

/// How a policy orders tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// By semantic version; only versions in the range count.
    SemVer {
        /// The range, such as `>=1.2 <2.0`.
        range: String,
    },
    /// By bytes.
    Alphabetical {
        /// Which end wins.
        order: Order,
    },
    /// By the number a tag is; a tag that is none makes the selection fail.
    Numerical {
        /// Which end wins.
        order: Order,
    },
    /// By calendar version; only tags that follow the layout count.
    CalVer {
        /// The layout, such as `YYYY.0M.MICRO`.
        layout: String,
    },
    /// By a time of the image, which must be asked of the registry: see [`Policy::question`].
    Newest {
        /// Which time.
        moment: Moment,
        /// The most tags that may stand for election, 1 to [`LARGEST_LIMIT`].
        limit: usize,
    },
}

/// `spec.filterTags`: which tags count, and which part of them is ordered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagFilter {
    /// A Go regular expression that may match anywhere in the tag.
    pub pattern: String,
    /// A Go `Expand` template for the value to order, or empty for the whole tag.
    pub extract: String,
}

/// A policy that can never be satisfied as it is written. The words are Flux's where Flux has the choice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Neither `semver`, `alphabetical` nor `numerical` is given.
    #[error("invalid policy: given ImagePolicyChoice object is invalid")]
    NoChoice,
    /// `calver` or `newest` beside another choice. Flux's own choices may stand together: the first counts.
    #[error(
        "invalid policy: exactly one of semver, alphabetical, numerical, calver or newest must be specified"
    )]
    SeveralChoices,
    /// The layout of `calver` is none.
    #[error("invalid policy: invalid layout '{layout}': {reason}")]
    Layout {
        /// The layout as it was given.
        layout: String,
        /// What is wrong with it.
        reason: LayoutError,
    },
    /// A time other than `created` and `pushed`.
    #[error("invalid policy: invalid time '{0}', must be one of: created, pushed")]
    Moment(String),
    /// The limit of `newest` is 0 or too large.
    #[error("invalid policy: the limit of newest must be between 1 and {LARGEST_LIMIT}")]
    Limit,
    /// `filterTags.extract` beside `newest`, which orders no part of a tag.
    #[error(
        "invalid policy: newest orders images by their time, and has no use for filterTags.extract; hint: leave it out"
    )]
    NothingToExtract,
    /// The range of `semver` is not one.
    #[error("invalid policy: {0}")]
    Range(RangeError),
    /// An order other than `asc` and `desc`.
    #[error("invalid policy: invalid order argument provided: '{0}', must be one of: ASC, DESC")]
    Order(String),
    /// The pattern of `filterTags` does not compile.
    #[error("failed to filter tags: invalid regular expression pattern '{pattern}': {reason}")]
    Pattern {
        /// The pattern as it was given.
        pattern: String,
        /// What is wrong with it.
        reason: PatternError,
    },
    /// The `extract` template is longer than [`MAX_EXTRACT_LENGTH`].
    #[error("failed to filter tags: extract is longer than {MAX_EXTRACT_LENGTH} bytes")]
    ExtractTooLong,
}

impl Order {
    /// Reads `asc` or `desc` in any case; empty is the default.
    ///
    /// # Errors
    /// [`PolicyError::Order`] for anything else.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        match text.to_uppercase().as_str() {
            "" | "ASC" => Ok(Order::Ascending),
            "DESC" => Ok(Order::Descending),
            other => Err(PolicyError::Order(other.to_owned())),
        }
    }
}

/// The tag that a policy selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The tag as the registry has it.
    pub tag: String,
    /// What was ordered: the part of the tag that `extract` takes, or the tag.
    pub value: String,
}

/// A checked policy, ready to select.
#[derive(Debug, Clone)]
pub struct Policy {
    rule: Rule,
    filter: Option<Filter>,
}

#[derive(Debug, Clone)]
enum Rule {
    SemVer(VersionRange),
    Alphabetical(Order),
    Numerical(Order),
    CalVer(Layout),
    Newest(Newest),
}

impl Policy {
    /// Checks the choice, then the filter.
    ///
    /// # Errors
    /// When the range, the layout, the limit or the pattern is malformed.
    pub fn new(choice: Choice, filter: Option<TagFilter>) -> Result<Self, PolicyError> {
        let extracts = filter
            .as_ref()
            .is_some_and(|filter| !filter.extract.is_empty());
        let rule = match choice {
            Choice::SemVer { range } => {
                Rule::SemVer(VersionRange::parse(&range).map_err(PolicyError::Range)?)
            }
            Choice::Alphabetical { order } => Rule::Alphabetical(order),
            Choice::Numerical { order } => Rule::Numerical(order),
            Choice::CalVer { layout } => match Layout::parse(&layout) {
                Ok(layout) => Rule::CalVer(layout),
                Err(reason) => return Err(PolicyError::Layout { layout, reason }),
            },
            Choice::Newest { .. } if extracts => return Err(PolicyError::NothingToExtract),
            Choice::Newest { moment, limit } => Rule::Newest(Newest::new(moment, limit)?),
        };
        let filter = filter.as_ref().map(Filter::new).transpose()?;
        Ok(Policy { rule, filter })
    }

    /// Picks the newest tag.
    ///
    /// Takes time linear in the number of tags, and memory that does not depend on it.
    ///
    /// # Errors
    /// [`NoMatch`] when no tag qualifies, or one that must be a number is none.
    pub fn select(&self, tags: &TagSet) -> Result<Selected, NoMatch> {
        ranked!(&self.rule, ranking => self.best(tags, ranking))
    }

    fn best(&self, tags: &TagSet, ranking: &impl Ranking) -> Result<Selected, NoMatch> {
        let mut leader: Option<Leader<'_>> = None;
        let stopped = self.candidates(tags, |tag, value| {
            match ranking.key(value) {
                Some(key)
                    if leader
                        .as_ref()
                        .is_some_and(|leader| leader.beats(value, &key, ranking)) => {}
                Some(_) => {
                    leader = Some(Leader {
                        tag,
                        value: value.to_owned(),
                    })
                }
                None if ranking.is_strict() => {
                    return ControlFlow::Break((tag.to_owned(), value.to_owned()));
                }
                None => {}
            }
            ControlFlow::Continue(())
        });
        match (stopped, leader) {
            (ControlFlow::Break((tag, value)), _) => Err(self.not_numeric(tags, tag, value)),
            (ControlFlow::Continue(()), Some(Leader { tag, value })) => Ok(Selected {
                tag: tag.to_owned(),
                value,
            }),
            (ControlFlow::Continue(()), None) => Err(self.no_match(tags)),
        }
    }

    /// Visits the tags that pass the filter, in descending order, with the value to order.
    fn candidates<'t, B>(
        &self,
        tags: &'t TagSet,
        mut visit: impl FnMut(&'t str, &str) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match &self.filter {
            None => tags.iter().try_for_each(|tag| visit(tag, tag)),
            Some(filter) => filter.candidates(tags, visit),
        }
    }
}

/// The best candidate so far.
struct Leader<'t> {
    tag: &'t str,
    value: String,
}

impl Leader<'_> {
    /// Whether it stays the best when a candidate of a smaller tag comes.
    ///
    /// Of equal values the smallest tag is wanted, so then it does not.
    fn beats<'v, R: Ranking>(&self, value: &'v str, key: &R::Key<'v>, ranking: &R) -> bool {
        // Reading the leader's key again for each rival costs less than keys that own their text would.
        ranking.key(&self.value).is_some_and(|own| {
            let order = ranking.order(&own, key);
            order
                .then_with(|| ranking.order_ties(&self.value, value))
                .is_gt()
        })
    }
}

#[cfg(test)]
mod tests;
