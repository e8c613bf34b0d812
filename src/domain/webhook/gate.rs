//! Which deliveries of one receiver come too often or again.
//!
//! Invariant: memory is bounded whatever comes: as many deliveries as the rate lets through within the window are remembered, so a
//! flood cannot make an older one be forgotten early. Times are durations since any fixed moment.
//! What is absent: the clock, and what is answered.

use crate::domain::pace::{Pace, Rate};
use sha2::{Digest, Sha256};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// How long a delivery is remembered.
pub const WINDOW: Duration = Duration::from_secs(300);
/// How many deliveries one receiver acts upon in a second, with two seconds' worth of them at once.
pub const PER_SECOND: u32 = 10;
/// How many more it looks at, to tell whether they are genuine: whoever proves nothing must not use up the share of those who do.
const LOOKED_AT: u32 = 10;

/// What a delivery is known by: its receiver's own number for it, or its signed body.
pub type Fingerprint = [u8; 32];

/// The fingerprint of a sender's own number for a delivery.
pub fn of_id(id: &str) -> Fingerprint {
    fingerprint(b"id", id.as_bytes())
}

/// The fingerprint of a signed body.
pub fn of_body(body: &[u8]) -> Fingerprint {
    fingerprint(b"body", body)
}

fn fingerprint(kind: &[u8], bytes: &[u8]) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update([0]);
    hash.update(bytes);
    hash.finalize().into()
}

/// What is remembered of the deliveries of one receiver.
#[derive(Debug)]
pub struct Gate {
    /// Of all that comes.
    doorstep: Pace,
    /// Of what is genuine.
    pace: Pace,
    seen: HashSet<Fingerprint>,
    order: VecDeque<(Duration, Fingerprint)>,
    window: Duration,
    room: usize,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(PER_SECOND, WINDOW)
    }
}

impl Gate {
    /// A gate that lets so many deliveries a second through, and twice as many at once, and remembers each for `window`.
    pub fn new(per_second: u32, window: Duration) -> Self {
        let rate = |per_second: u32| {
            let per_second = per_second.max(1);
            let gap = Duration::from_secs(1) / per_second;
            let burst = per_second.saturating_mul(2);
            Pace::new(Some(Rate { gap, burst }))
        };
        let seconds = usize::try_from(window.as_secs()).unwrap_or(usize::MAX);
        let rate_fits = (per_second as usize).saturating_mul(seconds.saturating_add(3));
        Self {
            doorstep: rate(per_second.saturating_mul(LOOKED_AT)),
            pace: rate(per_second),
            seen: HashSet::new(),
            order: VecDeque::new(),
            window,
            // An id and a body for each delivery.
            room: rate_fits.saturating_mul(2).min(1 << 16),
        }
    }

    /// Lets one more delivery be looked at, whoever it is of.
    ///
    /// # Errors
    /// How long to wait when there are too many.
    pub fn look(&mut self, now: Duration) -> Result<(), Duration> {
        self.doorstep.book(now, Duration::ZERO).map(drop)
    }

    /// Lets one more genuine delivery in.
    ///
    /// # Errors
    /// How long to wait when there are too many.
    pub fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        self.pace.book(now, Duration::ZERO).map(drop)
    }

    /// Whether none of these was seen within the window; then all of them are from now on.
    pub fn is_new(&mut self, fingerprints: &[Fingerprint], now: Duration) -> bool {
        self.forget_old(now, fingerprints.len());
        if fingerprints.iter().any(|known| self.seen.contains(known)) {
            return false;
        }
        for fingerprint in fingerprints {
            if self.seen.insert(*fingerprint) {
                self.order.push_back((now, *fingerprint));
            }
        }
        true
    }

    /// Takes back what [`Gate::is_new`] remembered: the delivery could not be acted upon, so it may come again.
    pub fn forget(&mut self, fingerprints: &[Fingerprint]) {
        for fingerprint in fingerprints {
            self.seen.remove(fingerprint);
        }
        self.order
            .retain(|(_, known)| !fingerprints.contains(known));
    }

    /// Forgets what is older than the window, and the oldest where room for `more` lacks.
    fn forget_old(&mut self, now: Duration, more: usize) {
        while let Some((since, oldest)) = self.order.front().copied() {
            let expired = now.saturating_sub(since) >= self.window;
            if !expired && self.order.len() + more <= self.room {
                break;
            }
            self.order.pop_front();
            self.seen.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn a_delivery_comes_once_within_the_window() {
        let mut gate = Gate::default();
        let (id, body) = (of_id("1"), of_body(b"{}"));
        assert!(gate.is_new(&[id, body], seconds(10)));
        // Neither another number for the same signed body nor another body under the same number passes.
        assert!(!gate.is_new(&[of_id("2"), body], seconds(20)));
        assert!(!gate.is_new(&[id, of_body(b"[]")], seconds(309)));
        assert!(gate.is_new(&[id, body], seconds(310)));
    }

    #[test]
    fn what_could_not_be_acted_upon_may_come_again() {
        let mut gate = Gate::default();
        assert!(gate.is_new(&[of_id("1"), of_body(b"a")], seconds(1)));
        gate.forget(&[of_id("1"), of_body(b"a")]);
        assert!(gate.is_new(&[of_id("1"), of_body(b"a")], seconds(2)));
    }

    #[test]
    fn a_number_and_a_body_of_the_same_bytes_are_two_things() {
        assert_ne!(of_id("x"), of_body(b"x"));
    }

    #[test]
    fn too_many_at_once_have_to_wait() {
        let mut gate = Gate::default();
        let taken = (0..100).filter(|_| gate.admit(seconds(5)).is_ok()).count();
        assert_eq!(taken, 20);
        let wait = gate.admit(seconds(5)).expect_err("the burst is spent");
        assert!(wait > Duration::ZERO && wait <= seconds(1), "{wait:?}");
        assert_eq!(gate.admit(seconds(6)), Ok(()));
    }

    #[test]
    fn a_flood_of_what_proves_nothing_leaves_the_share_of_the_genuine() {
        let mut gate = Gate::default();
        let looked_at = (0..1000).filter(|_| gate.look(seconds(5)).is_ok()).count();
        assert_eq!(looked_at, 200);
        assert_eq!(gate.admit(seconds(5)), Ok(()));
    }

    proptest! {
        /// Whatever passes the rate is remembered for the whole window, and no more is remembered than there is room for.
        #[test]
        fn a_flood_makes_nothing_be_forgotten_early(steps in proptest::collection::vec(0_u64..50, 1..3000)) {
            let mut gate = Gate::new(10, seconds(20));
            let mut now = Duration::ZERO;
            let mut passed: Vec<(Duration, String)> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                now += Duration::from_millis(step);
                if gate.admit(now).is_err() {
                    continue;
                }
                let id = number.to_string();
                prop_assert!(gate.is_new(&[of_id(&id), of_body(id.as_bytes())], now));
                passed.push((now, id));
                prop_assert!(gate.order.len() <= gate.room && gate.seen.len() <= gate.room);
            }
            let recent = passed.iter().filter(|(since, _)| now - *since < seconds(20));
            for (_, id) in recent {
                prop_assert!(!gate.is_new(&[of_id(id)], now));
            }
        }
    }
}
