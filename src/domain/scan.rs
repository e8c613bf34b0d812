//! When an image repository is due for a scan, and why.
//!
//! Invariant: the first rule that holds decides, in Flux's order, so that the reason told is
//! Flux's. What is absent: the scan itself, and the clock.

use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// What is known before deciding.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// When the last scan ended; `None` when there was none.
    pub last_scan: Option<Timestamp>,
    /// The value of the `requestedAt` annotation.
    pub requested_at: Option<&'a str>,
    /// The value of it that was handled last.
    pub handled_at: Option<&'a str>,
    /// The canonical image name now.
    pub canonical_name: &'a str,
    /// The canonical image name of the last scan.
    pub observed_name: &'a str,
    /// The exclusion list now.
    pub exclusions: &'a [String],
    /// The exclusion list of the last scan.
    pub observed_exclusions: &'a [String],
    /// Whether the registry is reached in another way than in the last scan of this process.
    pub new_access: bool,
    /// Whether the tags of the last scan are at hand. They are not after a restart.
    pub has_tags: bool,
    /// Whether something was tried since the last scan that did not succeed.
    pub unsettled: bool,
}

/// Why a scan is due. It displays as Flux words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There was none yet.
    First,
    /// A person asked for it.
    Requested,
    /// The image is another one.
    NewName,
    /// Other tags are excluded.
    NewExclusions,
    /// The tags are not at hand.
    NoTags,
    /// The registry is reached in another way: another login, authority or proxy.
    NewAccess,
    /// What was tried last did not succeed. Flux waits for the interval then, and says meanwhile that all is well.
    Unsettled,
    /// A webhook told of a tag that could not be looked for by itself.
    Told,
    /// The interval has passed.
    Interval,
}

impl Why {
    /// How old a list may be that another object's scan has read: a quarter of the interval, so that every interval still brings
    /// news. `None` when it has to be read now, because a person asks for it,
    /// or a tag was told of that the list must have.
    pub fn may_be_old(self, interval: Duration) -> Option<Duration> {
        (!matches!(self, Self::Requested | Self::Told)).then_some(interval / 4)
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::First => "first scan",
            Self::Requested => "reconcile requested",
            Self::NewName => "new image name",
            Self::NewExclusions => "exclusion list update",
            Self::NoTags => "no tags in database",
            Self::NewAccess => "the access to the registry changed",
            Self::Unsettled => "the last try did not succeed",
            Self::Told => "a webhook told of a tag",
            Self::Interval => "triggered by interval",
        })
    }
}

/// Whether to scan now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Now, for this reason.
    Now(Why),
    /// Not before this much time has passed.
    After(Duration),
}

/// Decides by what is known, the interval and the time.
pub fn due(known: &Known<'_>, interval: Duration, now: Timestamp) -> Due {
    let Some(last_scan) = known.last_scan else {
        return Due::Now(Why::First);
    };
    let set = |list: &'_ [String]| list.iter().cloned().collect::<BTreeSet<_>>();
    let because = |why: Why, holds: bool| holds.then_some(Due::Now(why));
    because(
        Why::Requested,
        known.requested_at.is_some() && known.requested_at != known.handled_at,
    )
    .or_else(|| because(Why::NewName, known.canonical_name != known.observed_name))
    .or_else(|| {
        because(
            Why::NewExclusions,
            set(known.exclusions) != set(known.observed_exclusions),
        )
    })
    .or_else(|| because(Why::NoTags, !known.has_tags))
    .or_else(|| because(Why::NewAccess, known.new_access))
    .or_else(|| because(Why::Unsettled, known.unsettled))
    .unwrap_or_else(|| by_interval(last_scan, interval, now))
}

fn by_interval(last_scan: Timestamp, interval: Duration, now: Timestamp) -> Due {
    // A clock that went back must not keep a scan away for longer than one interval.
    let passed = Duration::try_from(now.duration_since(last_scan)).unwrap_or_default();
    let left = interval.saturating_sub(passed);
    if left < Duration::from_secs(1) {
        Due::Now(Why::Interval)
    } else {
        Due::After(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small number is a time")
    }

    fn scanned<'a>() -> Known<'a> {
        Known {
            last_scan: Some(at(1_000)),
            canonical_name: "ghcr.io/acme/app",
            observed_name: "ghcr.io/acme/app",
            has_tags: true,
            ..Known::default()
        }
    }

    #[test]
    fn the_first_reason_in_the_order_of_flux_is_told() {
        let one = ["x".to_owned()];
        let never = Known {
            last_scan: None,
            requested_at: Some("now"),
            ..scanned()
        };
        let requested = Known {
            requested_at: Some("2"),
            handled_at: Some("1"),
            observed_name: "old",
            ..scanned()
        };
        let renamed = Known {
            observed_name: "old",
            exclusions: &one,
            ..scanned()
        };
        let excluded = Known {
            exclusions: &one,
            has_tags: false,
            ..scanned()
        };
        let restarted = Known {
            has_tags: false,
            ..scanned()
        };
        let failed = Known {
            unsettled: true,
            ..scanned()
        };
        let another = Known {
            new_access: true,
            unsettled: true,
            ..scanned()
        };
        for (known, why) in [
            (failed, Why::Unsettled),
            (another, Why::NewAccess),
            (never, Why::First),
            (requested, Why::Requested),
            (renamed, Why::NewName),
            (excluded, Why::NewExclusions),
            (restarted, Why::NoTags),
        ] {
            assert_eq!(due(&known, MINUTE, at(1_001)), Due::Now(why), "{known:?}");
        }
    }

    #[test]
    fn without_another_reason_the_interval_decides() {
        assert_eq!(
            due(&scanned(), MINUTE, at(1_010)),
            Due::After(Duration::from_secs(50))
        );
        assert_eq!(
            due(&scanned(), MINUTE, at(1_059)),
            Due::After(Duration::from_secs(1))
        );
        assert_eq!(due(&scanned(), MINUTE, at(1_060)), Due::Now(Why::Interval));
        assert_eq!(due(&scanned(), MINUTE, at(9_999)), Due::Now(Why::Interval));
    }

    #[test]
    fn a_request_that_was_handled_is_no_reason() {
        let known = Known {
            requested_at: Some("1"),
            handled_at: Some("1"),
            ..scanned()
        };
        assert_eq!(
            due(&known, MINUTE, at(1_010)),
            Due::After(Duration::from_secs(50))
        );
    }

    #[test]
    fn only_a_person_who_asks_gets_the_present_state() {
        let quarter = Some(Duration::from_secs(15));
        for (why, old) in [
            (Why::Requested, None),
            (Why::First, quarter),
            (Why::NoTags, quarter),
            (Why::Interval, quarter),
        ] {
            assert_eq!(why.may_be_old(MINUTE), old, "{why:?}");
        }
    }

    #[test]
    fn the_order_of_exclusions_is_no_reason() {
        let (one, two) = (
            ["a".to_owned(), "b".to_owned()],
            ["b".to_owned(), "a".to_owned()],
        );
        let known = Known {
            exclusions: &one,
            observed_exclusions: &two,
            ..scanned()
        };
        assert_eq!(
            due(&known, MINUTE, at(1_010)),
            Due::After(Duration::from_secs(50))
        );
    }

    #[test]
    fn a_clock_that_went_back_delays_by_no_more_than_the_interval() {
        assert_eq!(due(&scanned(), MINUTE, at(10)), Due::After(MINUTE));
    }
}
