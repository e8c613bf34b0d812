//! How long to wait after failures in a row.
//!
//! Invariant: the delay never shrinks with more failures and stays within its bounds. What is
//! absent: randomness; the spread comes from a seed the caller gives, such as the object's name.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// An exponential backoff between two bounds: Flux's `--min-retry-delay` and `--max-retry-delay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first failure.
    pub shortest: Duration,
    /// The delay that is never exceeded.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            shortest: Duration::from_millis(750),
            longest: Duration::from_secs(15 * 60),
        }
    }
}

impl Backoff {
    /// The delay after `failures` failures in a row, one or more.
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.shortest
            .saturating_mul(1 << doublings)
            .min(self.longest)
    }
}

/// Spreads `interval` by up to `percent` percent either way, the same for the same `seed`.
///
/// Objects of one interval do not all wake in one second. Above 100 percent counts as 100.
pub fn spread(interval: Duration, percent: u8, seed: &impl Hash) -> Duration {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    let position = (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0;
    interval.mul_f64(1.0 + position * f64::from(percent.min(100)) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_delay_doubles_from_the_shortest_to_the_longest() {
        let backoff = Backoff::default();
        let delays: Vec<_> = [1, 2, 3, 12, 4_000_000_000]
            .map(|failures| backoff.delay(failures).as_millis())
            .into();
        assert_eq!(delays, [750, 1_500, 3_000, 900_000, 900_000]);
    }

    #[test]
    fn no_spread_leaves_the_interval_alone() {
        assert_eq!(
            spread(Duration::from_secs(60), 0, &"any"),
            Duration::from_secs(60)
        );
    }

    proptest! {
        #[test]
        fn more_failures_never_shorten_the_delay(failures in 1..u32::MAX) {
            let backoff = Backoff::default();
            prop_assert!(backoff.delay(failures) <= backoff.delay(failures + 1));
            prop_assert!(backoff.delay(failures) >= backoff.shortest);
            prop_assert!(backoff.delay(failures) <= backoff.longest);
        }

        #[test]
        fn the_spread_stays_within_its_percentage(percent in 0..=100_u8, seed in any::<u64>()) {
            let interval = Duration::from_secs(1_000);
            let spreaded = spread(interval, percent, &seed).as_secs_f64();
            let bound = f64::from(percent) * 10.0 + 1e-6;
            prop_assert!((spreaded - 1_000.0).abs() <= bound);
            prop_assert_eq!(spread(interval, percent, &seed), spread(interval, percent, &seed));
        }
    }
}
