//! When the next request to a server may go out: a steady rate with a burst, pauses that the server asks for, and what is left
//! of its limit spread over the time it has to last.
//!
//! Invariant: of a limit that the server told no more is spent than it said is left; a pause is kept by everybody who shares the
//! pace. Times are durations since any fixed moment. What is absent: the clock, and waiting.

use super::http_field::RateLimit;
use std::time::Duration;

/// Below this share of a limit what is left is spread; above it requests go out as they come.
const PLENTY: u64 = 5;
/// The same for a limit whose size the server does not say, in requests.
const PLENTY_OF_UNKNOWN: u64 = 20;

/// A steady rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time between two requests.
    pub gap: Duration,
    /// How many may go out at once after a quiet time; at least 1.
    pub burst: u32,
}

impl Rate {
    /// So many requests a second, a second's worth of them at once. `None` for a number that is no rate: no bound.
    pub fn per_second(number: f64) -> Option<Self> {
        let sensible = number.is_finite() && (0.001..=1_000_000.0).contains(&number);
        sensible.then(|| Self {
            gap: Duration::from_secs_f64(1.0 / number),
            // At most a million.
            burst: number.ceil() as u32,
        })
    }
}

/// The pace of requests that share a limit.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    rate: Option<Rate>,
    /// When the request after next would go out at the steady rate.
    due: Duration,
    /// Nothing goes out before.
    held_until: Duration,
    /// What is left of the server's limit, and until when.
    left: Option<Left>,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    requests: u64,
    until: Duration,
    /// When the next of them may go out.
    due: Duration,
}

impl Pace {
    /// A pace with a steady rate, or with none.
    pub fn new(rate: Option<Rate>) -> Self {
        Self {
            rate,
            ..Self::default()
        }
    }

    /// Books the next request, and gives how long it has to wait.
    ///
    /// # Errors
    /// The wait, when it is longer than `patience`; then nothing is booked.
    pub fn book(&mut self, now: Duration, patience: Duration) -> Result<Duration, Duration> {
        let at = now
            .max(self.held_until)
            .max(self.steady())
            .max(self.spread(now));
        let wait = at.saturating_sub(now);
        if wait > patience {
            return Err(wait);
        }
        if let Some(rate) = self.rate {
            self.due = self.due.max(at) + rate.gap;
        }
        if let Some(left) = &mut self.left {
            left.requests = left.requests.saturating_sub(1);
            left.due = at + left.gap(at);
        }
        Ok(wait)
    }

    /// When the steady rate lets the next one go.
    fn steady(&self) -> Duration {
        let burst = self.rate.map_or(Duration::ZERO, |rate| {
            rate.gap.saturating_mul(rate.burst.saturating_sub(1))
        });
        self.due.saturating_sub(burst)
    }

    /// When what is left of the server's limit lets the next one go.
    fn spread(&mut self, now: Duration) -> Duration {
        match self.left {
            Some(left) if now >= left.until => {
                self.left = None;
                Duration::ZERO
            }
            Some(left) if left.requests == 0 => left.until,
            Some(left) => left.due,
            None => Duration::ZERO,
        }
    }

    /// The server asked for a pause.
    pub fn pause(&mut self, now: Duration, wait: Duration) {
        self.held_until = self.held_until.max(now + wait);
    }

    /// The server said what is left of its limit.
    pub fn learn(&mut self, now: Duration, limit: &RateLimit) {
        let plenty = limit
            .limit
            .map_or(PLENTY_OF_UNKNOWN, |limit| limit / PLENTY);
        let Some(horizon) = limit.horizon.filter(|_| limit.remaining < plenty) else {
            self.left = None;
            return;
        };
        let mut left = Left {
            requests: limit.remaining,
            until: now + horizon,
            due: now,
        };
        left.due = now + left.gap(now);
        self.left = Some(left);
    }
}

impl Left {
    /// The time between two requests, so that the last one is left when the limit is whole again.
    fn gap(&self, now: Duration) -> Duration {
        let parts = u32::try_from(self.requests.saturating_add(1)).unwrap_or(u32::MAX);
        self.until.saturating_sub(now) / parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATIENT: Duration = Duration::from_secs(1_000_000);

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn limit(remaining: u64, limit: u64, horizon: u64) -> RateLimit {
        RateLimit {
            remaining,
            limit: Some(limit),
            horizon: Some(seconds(horizon)),
        }
    }

    #[test]
    fn without_a_rate_and_a_limit_nothing_waits() {
        let mut pace = Pace::default();
        assert!((0..1000).all(|_| pace.book(seconds(1), Duration::ZERO) == Ok(Duration::ZERO)));
    }

    #[test]
    fn a_burst_goes_out_at_once_and_the_rest_at_the_rate() {
        let mut pace = Pace::new(Rate::per_second(2.0));
        let waits: Vec<u128> = (0..5)
            .map(|_| {
                pace.book(seconds(10), PATIENT)
                    .expect("it waits")
                    .as_millis()
            })
            .collect();
        assert_eq!(waits, [0, 0, 500, 1000, 1500]);
        assert_eq!(pace.book(seconds(60), PATIENT), Ok(Duration::ZERO));
    }

    #[test]
    fn numbers_that_are_no_rate_bound_nothing() {
        for number in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Rate::per_second(number), None, "{number}");
        }
    }

    #[test]
    fn a_pause_is_kept_and_too_long_a_wait_books_nothing() {
        let mut pace = Pace::new(Rate::per_second(1.0));
        pace.pause(seconds(10), seconds(30));
        assert_eq!(pace.book(seconds(20), seconds(5)), Err(seconds(20)));
        assert_eq!(pace.book(seconds(20), seconds(20)), Ok(seconds(20)));
        assert_eq!(pace.book(seconds(41), seconds(5)), Ok(Duration::ZERO));
        pace.pause(seconds(41), seconds(1));
        pace.pause(seconds(41), seconds(9));
        assert_eq!(pace.book(seconds(41), PATIENT), Ok(seconds(9)));
    }

    #[test]
    fn what_is_left_is_spread_when_it_is_little() {
        let mut pace = Pace::default();
        pace.learn(seconds(0), &limit(80, 100, 60));
        assert_eq!(pace.book(seconds(0), PATIENT), Ok(Duration::ZERO));
        pace.learn(seconds(0), &limit(2, 100, 60));
        assert_eq!(pace.book(seconds(0), PATIENT), Ok(seconds(20)));
        assert_eq!(pace.book(seconds(20), PATIENT), Ok(seconds(20)));
        assert_eq!(pace.book(seconds(40), PATIENT), Ok(seconds(20)));
        // The limit is whole again.
        assert_eq!(pace.book(seconds(60), PATIENT), Ok(Duration::ZERO));
    }

    #[test]
    fn nothing_left_is_a_pause_until_the_limit_is_whole() {
        let mut pace = Pace::default();
        pace.learn(seconds(5), &limit(0, 60, 90));
        assert_eq!(pace.book(seconds(35), PATIENT), Ok(seconds(60)));
    }

    proptest! {
        /// Whoever asks and when: in any stretch of time no more goes out than the rate and its burst allow.
        #[test]
        fn the_rate_holds_in_every_stretch(
            rate in 1_u32..20,
            steps in proptest::collection::vec(0_u64..700, 1..60),
        ) {
            let mut pace = Pace::new(Rate::per_second(f64::from(rate)));
            let mut now = Duration::ZERO;
            let mut sent: Vec<Duration> = Vec::new();
            for step in steps {
                now += Duration::from_millis(step);
                sent.push(now + pace.book(now, PATIENT).expect("it waits"));
            }
            prop_assert!(sent.is_sorted());
            for (first, start) in sent.iter().enumerate() {
                for (count, end) in sent[first..].iter().enumerate() {
                    let allowed = f64::from(rate) * (1.0 + (*end - *start).as_secs_f64()) + 1.001;
                    prop_assert!(count as f64 <= allowed);
                }
            }
        }

        /// Of what the server said is left, never more goes out before the limit is whole.
        #[test]
        fn no_more_goes_out_than_is_left(
            remaining in 0_u64..19, horizon in 1_u64..5000,
            steps in proptest::collection::vec(0_u64..300, 1..40),
        ) {
            let mut pace = Pace::default();
            let start = seconds(100);
            pace.learn(start, &limit(remaining, 100, horizon));
            let mut now = start;
            let mut early = 0;
            for step in steps {
                now += seconds(step);
                let at = now + pace.book(now, PATIENT).expect("it waits");
                early += u64::from(at < start + seconds(horizon));
            }
            prop_assert!(early <= remaining);
        }
    }
}
