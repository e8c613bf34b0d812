//! How long a login may be kept.
//!
//! Invariant: a login is asked for anew before it expires: at four fifths of its life, as the kubelet
//! and Flux do it, and never later than the configured bound. What is absent: the clock.

use jiff::Timestamp;
use std::time::Duration;

/// When a login ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this time.
    At(Timestamp),
    /// This long after it was given.
    After(Duration),
    /// Not by itself.
    Never,
}

impl Expiry {
    /// How long to keep a login that was given `now`, and never longer than `bound`.
    pub fn keep(self, now: Timestamp, bound: Duration) -> Duration {
        let life = match self {
            Self::At(end) => Duration::try_from(end.duration_since(now)).unwrap_or_default(),
            Self::After(life) => life,
            Self::Never => return bound,
        };
        (life / 5 * 4).min(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_kept_for_four_fifths_of_its_life_and_no_longer_than_the_bound() {
        let now: Timestamp = "2026-11-23T03:00:00Z".parse().expect("a timestamp");
        let at = |text: &str| Expiry::At(text.parse().expect("a timestamp"));
        let hour = Duration::from_secs(3_600);
        for (expiry, seconds) in [
            (at("2026-11-23T03:10:00Z"), 480),
            (at("2026-11-23T15:00:00Z"), 3_600),
            (at("2026-11-23T03:00:00Z"), 0),
            (at("2026-11-22T03:00:00Z"), 0),
            (Expiry::After(Duration::from_secs(3_599)), 2_879),
            (Expiry::After(Duration::MAX), 3_600),
            (Expiry::Never, 3_600),
        ] {
            let kept = expiry.keep(now, hour);
            assert_eq!(kept.as_secs(), seconds, "{expiry:?}");
        }
    }
}
