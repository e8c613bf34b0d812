//! The orders of a policy. In each, the greatest candidate wins.

use super::Order;
use super::newest::Times;
use super::number::Number;
use crate::domain::calver::{CalendarVersion, Layout};
use crate::domain::version::{Version, VersionRange};
use jiff::Timestamp;
use std::cmp::Ordering;

/// Runs an expression with the ranking of a rule: each has a type of its own, so that comparing costs no indirection.
macro_rules! ranked {
    ($rule:expr, $ranking:ident => $body:expr) => {{
        use $crate::domain::policy::{Rule, ranking};
        match $rule {
            Rule::SemVer(range) => {
                let $ranking = &ranking::Semantic { range };
                $body
            }
            Rule::Alphabetical(order) => {
                let $ranking = &ranking::Alphabetical { order: *order };
                $body
            }
            Rule::Numerical(order) => {
                let $ranking = &ranking::Numerical { order: *order };
                $body
            }
            Rule::CalVer(layout) => {
                let $ranking = &ranking::Calendar { layout };
                $body
            }
            Rule::Newest(newest) => {
                let $ranking = &ranking::Chronological {
                    times: &newest.times,
                };
                $body
            }
        }
    }};
}
pub(super) use ranked;

pub(super) trait Ranking {
    /// What a value is compared by.
    type Key<'v>;

    /// Reads the key of a value; `None` when the value does not qualify.
    fn key<'v>(&self, value: &'v str) -> Option<Self::Key<'v>>;

    /// Compares two candidates by their keys.
    fn order(&self, one: &Self::Key<'_>, other: &Self::Key<'_>) -> Ordering;

    /// Compares the values of two candidates whose keys are equal.
    fn order_ties(&self, one: &str, other: &str) -> Ordering;

    /// Whether one value that does not qualify ends the selection.
    fn is_strict(&self) -> bool {
        false
    }
}

pub(super) struct Semantic<'r> {
    pub range: &'r VersionRange,
}

impl Ranking for Semantic<'_> {
    type Key<'v> = Version<'v>;

    fn key<'v>(&self, value: &'v str) -> Option<Version<'v>> {
        Version::parse_tag(value)
            .ok()
            .filter(|version| self.range.contains(version))
    }

    fn order(&self, one: &Version<'_>, other: &Version<'_>) -> Ordering {
        one.precedence(other)
    }

    fn order_ties(&self, one: &str, other: &str) -> Ordering {
        one.cmp(other)
    }
}

pub(super) struct Alphabetical {
    pub order: Order,
}

impl Ranking for Alphabetical {
    type Key<'v> = &'v str;

    fn key<'v>(&self, value: &'v str) -> Option<&'v str> {
        Some(value)
    }

    fn order(&self, one: &&str, other: &&str) -> Ordering {
        match self.order {
            Order::Ascending => one.cmp(other),
            Order::Descending => other.cmp(one),
        }
    }

    fn order_ties(&self, _: &str, _: &str) -> Ordering {
        Ordering::Equal
    }
}

pub(super) struct Numerical {
    pub order: Order,
}

impl Ranking for Numerical {
    type Key<'v> = Number<'v>;

    fn key<'v>(&self, value: &'v str) -> Option<Number<'v>> {
        Number::parse(value)
    }

    fn order(&self, one: &Number<'_>, other: &Number<'_>) -> Ordering {
        // A tag such as `nan` is newest only where there is no number at all, whichever end wins.
        match (self.order, one.is_nan(), other.is_nan()) {
            (Order::Descending, false, false) => other.cmp(one),
            _ => one.cmp(other),
        }
    }

    fn order_ties(&self, one: &str, other: &str) -> Ordering {
        other.cmp(one)
    }

    fn is_strict(&self) -> bool {
        true
    }
}

pub(super) struct Calendar<'l> {
    pub layout: &'l Layout,
}

impl Ranking for Calendar<'_> {
    type Key<'v> = CalendarVersion<'v>;

    fn key<'v>(&self, value: &'v str) -> Option<CalendarVersion<'v>> {
        self.layout.read(value).ok()
    }

    fn order(&self, one: &CalendarVersion<'_>, other: &CalendarVersion<'_>) -> Ordering {
        self.layout.compare(one, other)
    }

    fn order_ties(&self, one: &str, other: &str) -> Ordering {
        one.cmp(other)
    }
}

/// Values are whole tags here.
pub(super) struct Chronological<'t> {
    pub times: &'t Times,
}

impl Ranking for Chronological<'_> {
    type Key<'v> = Timestamp;

    fn key(&self, value: &str) -> Option<Timestamp> {
        self.times.of(value)
    }

    fn order(&self, one: &Timestamp, other: &Timestamp) -> Ordering {
        one.cmp(other)
    }

    fn order_ties(&self, one: &str, other: &str) -> Ordering {
        one.cmp(other)
    }
}
