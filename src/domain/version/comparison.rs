//! One comparison of a range, such as `>=1.2` or `~1.x`, and what it holds.
//!
//! The rules, quirks included, are those of Masterminds/semver 3.5.0. Whether prereleases count at all is decided by the
//! group a comparison stands in; see [`super::range`].

use super::Version;
use std::cmp::Ordering;

/// The sign in front of the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// No sign, or `=`.
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    /// `~` or `~>`.
    Tilde,
    Caret,
}

/// The first of the three numbers that was left out or written as `x`, `X` or `*`; those after it do not matter either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wildcard {
    None,
    Major,
    Minor,
    Patch,
}

#[derive(Debug, Clone)]
pub(super) struct Comparison {
    pub operator: Operator,
    pub wildcard: Wildcard,
    /// The numbers of the bound, 0 from the wildcard on.
    pub numbers: [u64; 3],
    /// The prerelease of the bound, kept also when there is a wildcard.
    pub prerelease: String,
}

impl Comparison {
    /// Whether it holds `version`, which may be a prerelease.
    pub(super) fn holds(&self, version: &Version<'_>) -> bool {
        let order = version.precedence(&self.bound());
        match self.operator {
            Operator::Equal if self.wildcard == Wildcard::None => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => self.holds_tilde(version, order),
            Operator::NotEqual => self.holds_not_equal(version, order),
            Operator::Greater => self.holds_greater(version, order),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::LessOrEqual => self.holds_less_or_equal(version, order),
            Operator::Caret => self.holds_caret(version, order),
        }
    }

    fn bound(&self) -> Version<'_> {
        Version {
            text: "",
            numbers: self.numbers,
            prerelease: &self.prerelease,
            build: "",
        }
    }

    fn holds_tilde(&self, version: &Version<'_>, order: Ordering) -> bool {
        if order == Ordering::Less {
            return false;
        }
        // `~0.0.0` and `*` take everything from 0.0.0 on.
        let anything =
            self.numbers == [0; 3] && matches!(self.wildcard, Wildcard::None | Wildcard::Major);
        let same_major = version.major() == self.numbers[0];
        let same_minor = version.minor() == self.numbers[1] || self.wildcard == Wildcard::Minor;
        anything || (same_major && same_minor)
    }

    fn holds_not_equal(&self, version: &Version<'_>, order: Ordering) -> bool {
        if self.wildcard == Wildcard::None {
            return order != Ordering::Equal;
        }
        if version.major() != self.numbers[0] {
            return true;
        }
        match self.wildcard {
            Wildcard::Minor => false,
            _ if version.minor() != self.numbers[1] => true,
            Wildcard::Patch => version.prerelease() != self.prerelease,
            _ => version.patch() != self.numbers[2] || order != Ordering::Equal,
        }
    }

    fn holds_greater(&self, version: &Version<'_>, order: Ordering) -> bool {
        let major = version.major().cmp(&self.numbers[0]);
        match self.wildcard {
            Wildcard::None => order == Ordering::Greater,
            _ if major != Ordering::Equal => major == Ordering::Greater,
            // `>11` starts at 12, and `>11.1` at 11.2.
            Wildcard::Minor => false,
            Wildcard::Patch => version.minor() > self.numbers[1],
            Wildcard::Major => order == Ordering::Greater,
        }
    }

    fn holds_less_or_equal(&self, version: &Version<'_>, order: Ordering) -> bool {
        if self.wildcard == Wildcard::None {
            return order != Ordering::Greater;
        }
        match version.major().cmp(&self.numbers[0]) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => {
                self.wildcard == Wildcard::Minor || version.minor() <= self.numbers[1]
            }
        }
    }

    fn holds_caret(&self, version: &Version<'_>, order: Ordering) -> bool {
        if order == Ordering::Less || version.major() != self.numbers[0] {
            return false;
        }
        // The first number that is not 0 must stay; all three are 0 in `^0.0.0` and in `^*`.
        if self.numbers[0] > 0 || self.wildcard == Wildcard::Minor {
            return true;
        }
        if version.minor() != self.numbers[1] {
            return false;
        }
        self.numbers[1] > 0
            || self.wildcard == Wildcard::Patch
            || version.patch() == self.numbers[2]
    }
}
