//! Random cases, other ones in each run.

use std::time::{SystemTime, UNIX_EPOCH};

/// A small generator of random cases (splitmix64).
pub struct Random {
    pub seed: u64,
    state: u64,
}

impl Random {
    pub fn new() -> Self {
        let seed = match std::env::var("HIGHWATER_TEST_SEED") {
            Ok(seed) => seed.parse().expect("HIGHWATER_TEST_SEED is a number"),
            Err(_) => {
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .expect("after 1970");
                u64::from(now.subsec_nanos()) ^ now.as_secs() << 20
            }
        };
        Random { seed, state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Joins `least` to `most` picks.
    pub fn join(&mut self, from: &[&str], least: usize, most: usize) -> String {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| self.pick(from)).collect()
    }

    /// Changes, adds or removes one character.
    pub fn damage(&mut self, text: &mut String, with: &[&str]) {
        let places: Vec<usize> = text
            .char_indices()
            .map(|(place, _)| place)
            .chain([text.len()])
            .collect();
        let place = places[self.below(places.len())];
        if self.one_in(2) && place < text.len() {
            text.remove(place);
        }
        if !self.one_in(3) {
            text.insert_str(place, self.pick(with));
        }
    }

    /// Collects cases that `make` makes.
    pub fn cases<T>(&mut self, count: usize, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..count).map(|_| make(self)).collect()
    }
}
