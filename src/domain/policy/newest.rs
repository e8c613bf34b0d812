//! The newest image: what must be known of tags before one of them can be selected, and what is known.
//!
//! Invariant: what is asked is bounded, and beyond the bound nothing is selected: of a part of the tags the newest may be another
//! than of all. Absent: asking the registry.

use super::{Cause, NoMatch, Policy, PolicyError, Rule};
use crate::domain::tags::TagSet;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

/// How many tags may stand for election when a policy does not say.
pub const DEFAULT_LIMIT: usize = 100;
/// The most a policy may say.
pub const LARGEST_LIMIT: usize = 1000;
/// Container images are younger than this, in seconds since 1970: 2013. Earlier times are what reproducible builds write to say none.
const FIRST_IMAGE: i64 = 1_356_998_400;

/// A time of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Moment {
    /// When it was built, as it says itself.
    #[default]
    Created,
    /// When the registry got it, as the registry says.
    Pushed,
}

impl Moment {
    /// Reads `created` or `pushed`; empty is the default.
    ///
    /// # Errors
    /// [`PolicyError::Moment`] for anything else.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        match text {
            "" | "created" => Ok(Self::Created),
            "pushed" => Ok(Self::Pushed),
            other => Err(PolicyError::Moment(other.to_owned())),
        }
    }

    /// The noun for it.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Created => "creation time",
            Self::Pushed => "push time",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Created => "created",
            Self::Pushed => "pushed",
        })
    }
}

/// When an image was created, as its configuration or an annotation says (RFC 3339); `None` for what says nothing, such as the
/// beginning of 1970 that reproducible builds write.
pub fn creation_time(text: &str) -> Option<Timestamp> {
    let time: Timestamp = text.parse().ok()?;
    (time.as_second() >= FIRST_IMAGE).then_some(time)
}

/// What is known of the times of tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times(BTreeMap<String, Timestamp>);

impl Times {
    /// The time of a tag, if it is known.
    pub fn of(&self, tag: &str) -> Option<Timestamp> {
        self.0.get(tag).copied()
    }

    /// Remembers the time of a tag, unless it is known.
    pub fn remember(&mut self, tag: &str, time: Timestamp) {
        self.0.entry(tag.to_owned()).or_insert(time);
    }
}

impl FromIterator<(String, Timestamp)> for Times {
    fn from_iter<I: IntoIterator<Item = (String, Timestamp)>>(times: I) -> Self {
        Self(times.into_iter().collect())
    }
}

/// What a policy has to know before it can select.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Which time.
    pub moment: Moment,
    /// Of which tags.
    pub tags: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Newest {
    pub moment: Moment,
    pub limit: usize,
    pub times: Times,
}

impl Newest {
    pub(super) fn new(moment: Moment, limit: usize) -> Result<Self, PolicyError> {
        match limit {
            1..=LARGEST_LIMIT => Ok(Self {
                moment,
                limit,
                times: Times::default(),
            }),
            _ => Err(PolicyError::Limit),
        }
    }
}

impl Policy {
    /// Whether it selects by times, so that [`Policy::question`] has something to ask.
    pub fn asks_for_times(&self) -> bool {
        matches!(self.rule, Rule::Newest(_))
    }

    /// What has to be known of these tags before one can be selected; `None` for policies to which the tags say all.
    ///
    /// # Errors
    /// [`NoMatch`] when more tags stand for election than the policy allows to ask for.
    pub fn question(&self, tags: &TagSet) -> Result<Option<Question>, NoMatch> {
        let Rule::Newest(newest) = &self.rule else {
            return Ok(None);
        };
        let mut asked = Vec::new();
        let mut passed = 0;
        let _ = self.candidates(tags, |tag, _| {
            passed += 1;
            if passed <= newest.limit {
                asked.push(tag.to_owned());
            }
            ControlFlow::<()>::Continue(())
        });
        match passed <= newest.limit {
            true => Ok(Some(Question {
                moment: newest.moment,
                tags: asked,
            })),
            false => Err(NoMatch {
                tags: tags.len(),
                passed,
                cause: Cause::TooMany {
                    limit: newest.limit,
                },
            }),
        }
    }

    /// The same policy, which knows the times it asked for.
    #[must_use]
    pub fn knowing(mut self, times: Times) -> Self {
        if let Rule::Newest(newest) = &mut self.rule {
            newest.times = times;
        }
        self
    }

    /// The time by which `tag` was judged, if the policy judges by times.
    pub fn time_of(&self, tag: &str) -> Option<Timestamp> {
        match &self.rule {
            Rule::Newest(newest) => newest.times.of(tag),
            _ => None,
        }
    }
}
