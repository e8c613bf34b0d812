//! Why a policy selects nothing, in words that tell what to do about it.

use super::{Moment, Policy, Rule};
use crate::domain::tags::TagSet;
use crate::domain::version::{Version, VersionRange};
use std::fmt;
use std::ops::ControlFlow;

/// No tag was selected. `Display` gives Flux's message and then the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoMatch {
    /// How many tags the image has.
    pub tags: usize,
    /// How many of them passed the filter; all of them when there is none.
    pub passed: usize,
    /// What stood in the way.
    pub cause: Cause,
}

/// What stood in the way of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The image has no tags.
    NoTags,
    /// No tag matches the filter's pattern.
    FilteredOut {
        /// The pattern.
        pattern: String,
    },
    /// A tag of a numerical policy is no number.
    NotNumeric {
        /// The tag: the byte-greatest one that is no number.
        tag: String,
        /// What of it was read as a number.
        value: String,
    },
    /// No tag is a version in the range.
    OutOfRange(OutOfRange),
    /// No tag follows the layout.
    OtherLayout {
        /// The layout.
        layout: String,
        /// The byte-greatest candidate.
        example: String,
    },
    /// Of no tag the time is known.
    NoTimes {
        /// Which time.
        moment: Moment,
        /// The byte-greatest candidate.
        example: String,
    },
    /// More tags stand for election than may be asked for their time.
    TooMany {
        /// How many may be.
        limit: usize,
    },
}

/// How far the tags were from a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutOfRange {
    /// The range.
    pub range: String,
    /// How many candidates are versions.
    pub versions: usize,
    /// The byte-greatest candidate that is no version.
    pub not_a_version: Option<String>,
    /// The highest version that is not a prerelease.
    pub highest_release: Option<String>,
    /// The highest prerelease that the range would hold if it named a prerelease.
    pub left_out_prerelease: Option<String>,
}

impl NoMatch {
    /// The message Flux gives in this case, without the reason.
    pub fn flux_message(&self) -> String {
        match &self.cause {
            Cause::NoTags | Cause::FilteredOut { .. } => {
                "version list argument cannot be empty".to_owned()
            }
            Cause::NotNumeric { value, .. } => {
                format!("failed to parse invalid numeric value '{value}'")
            }
            Cause::OutOfRange(_)
            | Cause::OtherLayout { .. }
            | Cause::NoTimes { .. }
            | Cause::TooMany { .. } => {
                "unable to determine latest version from provided list".to_owned()
            }
        }
    }
}

impl fmt::Display for NoMatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.flux_message())?;
        match &self.cause {
            Cause::NoTags => formatter.write_str("the image has no tags"),
            Cause::FilteredOut { pattern } => write!(
                formatter,
                "none of {} matches `{pattern}`",
                count_tags(self.tags)
            ),
            Cause::NotNumeric { tag, .. } => write!(
                formatter,
                "tag `{tag}` is one of {} that must all be numbers; hint: leave out the others with `filterTags`",
                count_tags(self.passed)
            ),
            Cause::OutOfRange(distance) => self.write_distance(formatter, distance),
            Cause::OtherLayout { layout, example } => write!(
                formatter,
                "none of {} follows the layout `{layout}`, for example `{example}` does not",
                count_tags(self.passed)
            ),
            Cause::NoTimes { moment, example } => write!(
                formatter,
                "none of {} has a {}, for example `{example}` has none; hint: {}",
                count_tags(self.passed),
                moment.noun(),
                match moment {
                    Moment::Created =>
                        "reproducible builds leave it out, an annotation `org.opencontainers.image.created` can tell it",
                    Moment::Pushed =>
                        "this registry does not tell it, `by: created` asks the images themselves",
                }
            ),
            Cause::TooMany { limit } => write!(
                formatter,
                "{} stand for election, and no more than {limit} are asked for their time; hint: leave out tags with `filterTags`, or raise `limit`",
                count_tags(self.passed)
            ),
        }
    }
}

impl std::error::Error for NoMatch {}

impl NoMatch {
    fn write_distance(
        &self,
        formatter: &mut fmt::Formatter<'_>,
        distance: &OutOfRange,
    ) -> fmt::Result {
        write!(formatter, "of {}", count_tags(self.tags))?;
        if self.passed < self.tags {
            write!(formatter, ", {} passed the filter, of which", self.passed)?;
        }
        write!(
            formatter,
            " {} of the form N.N.N",
            count_versions(distance.versions)
        )?;
        match (distance.versions, &distance.not_a_version) {
            (0, Some(example)) => return write!(formatter, ", for example `{example}` is not"),
            _ => write!(formatter, " and none is in `{}`", distance.range)?,
        }
        if let Some(release) = &distance.highest_release {
            write!(formatter, "; the highest release is `{release}`")?;
        }
        match &distance.left_out_prerelease {
            Some(prerelease) => write!(
                formatter,
                "; prereleases such as `{prerelease}` count only if the range names one; hint: end a bound with `-0`"
            ),
            None => Ok(()),
        }
    }
}

fn count_tags(number: usize) -> String {
    if number == 1 {
        "1 tag".to_owned()
    } else {
        format!("{number} tags")
    }
}

fn count_versions(number: usize) -> String {
    match number {
        0 => "none is a version".to_owned(),
        1 => "1 is a version".to_owned(),
        _ => format!("{number} are versions"),
    }
}

impl Policy {
    /// Looks at all candidates again to find out why none was selected.
    pub(super) fn no_match(&self, tags: &TagSet) -> NoMatch {
        let mut passed = 0;
        let mut distance = OutOfRange::default();
        let mut example = String::new();
        self.each(tags, |value| {
            passed += 1;
            if passed == 1 {
                value.clone_into(&mut example);
            }
            if let Rule::SemVer(range) = &self.rule {
                distance.add(range, value);
            }
        });
        let cause = match (&self.filter, &self.rule) {
            _ if tags.is_empty() => Cause::NoTags,
            (Some(filter), _) if passed == 0 => Cause::FilteredOut {
                pattern: filter.pattern().to_owned(),
            },
            (_, Rule::SemVer(range)) => {
                range.text().clone_into(&mut distance.range);
                Cause::OutOfRange(distance)
            }
            (_, Rule::CalVer(layout)) => Cause::OtherLayout {
                layout: layout.text().to_owned(),
                example,
            },
            (_, Rule::Newest(newest)) => Cause::NoTimes {
                moment: newest.moment,
                example,
            },
            // With candidates, the other orders always select one of them.
            _ => Cause::NoTags,
        };
        NoMatch {
            tags: tags.len(),
            passed,
            cause,
        }
    }

    pub(super) fn not_numeric(&self, tags: &TagSet, tag: String, value: String) -> NoMatch {
        let mut passed = 0;
        self.each(tags, |_| passed += 1);
        NoMatch {
            tags: tags.len(),
            passed,
            cause: Cause::NotNumeric { tag, value },
        }
    }

    fn each(&self, tags: &TagSet, mut visit: impl FnMut(&str)) {
        let _ = self.candidates(tags, |_, value| {
            visit(value);
            ControlFlow::<()>::Continue(())
        });
    }
}

impl OutOfRange {
    fn add(&mut self, range: &VersionRange, value: &str) {
        let Ok(version) = Version::parse_tag(value) else {
            self.not_a_version.get_or_insert_with(|| value.to_owned());
            return;
        };
        self.versions += 1;
        let highest = if version.prerelease().is_empty() {
            &mut self.highest_release
        } else if range.would_contain(&version) {
            &mut self.left_out_prerelease
        } else {
            return;
        };
        let lower = highest
            .as_deref()
            .and_then(|text| Version::parse(text).ok())
            .is_none_or(|old| old.precedence(&version).is_lt());
        if lower {
            *highest = Some(value.to_owned());
        }
    }
}
