//! Tag lists that several objects want: one listing for all of them, taken up where it broke off, and not read again while the
//! registry says that it has not changed.
//!
//! Invariant: what is shared is shared only between requests that agree in image, login, trust, proxy and plain http; whoever
//! asks for the present state gets a list whose first page was read after they asked; a list that broke off is never given to
//! anybody. What is absent: requests; `listing` makes them.

use super::access::Fingerprint;
use super::error::{ErrorClass, RegistryError};
use super::listing::Listing;
use super::progress::{LeftOut, Progress, Validator};
use crate::domain::tags::{Exclusions, TagSet, TagSetBuilder};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;

/// The longest for which a list is given to others who ask for it.
pub const LONGEST_SHARED: Duration = Duration::from_secs(10);
/// The longest for which a listing that broke off is taken up: what was pushed behind the place where it is would be missed
/// until the next scan.
const LONGEST_BROKEN: Duration = Duration::from_secs(30 * 60);
/// How often what nobody wants any more is thrown away.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// Most bytes of listings that broke off, all together.
const MOST_BROKEN: usize = 64 << 20;
/// Most bytes of tags that were left out, all together.
const MOST_LEFT_OUT: usize = 8 << 20;
/// Most lists remembered.
const MOST_PLACES: usize = 20_000;
/// Most exclusion lists of one image whose validators are remembered.
const MOST_KNOWN: usize = 4;

/// How old a list may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is read after it was asked for.
    Now,
    /// It may have been begun so much earlier, and never more than [`LONGEST_SHARED`], or be on the way already.
    Within(Duration),
}

/// What must agree before anything is shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    /// Trust, client certificate, proxy, plain http.
    pub(super) connection: Fingerprint,
    /// Who asks.
    pub(super) login: Fingerprint,
    /// The image's canonical name.
    pub(super) image: String,
}

/// The lists of the process.
pub(super) struct Flights {
    places: Mutex<Places>,
    broken: Pool,
    left_out: Pool,
}

#[derive(Default)]
struct Places {
    by_key: HashMap<FlightKey, Arc<tokio::sync::Mutex<Place>>>,
    next_sweep: Option<Instant>,
}

/// One list's place. Who holds it is reading.
#[derive(Default)]
pub(super) struct Place {
    last: Option<Flight>,
    broken: Option<Broken>,
    known: Vec<Known>,
}

/// An attempt that ended.
struct Flight {
    /// When it began.
    began: Instant,
    /// When the first page was asked for, perhaps by an attempt before it.
    whole_since: Instant,
    ended: Instant,
    exclusions: Vec<String>,
    outcome: Result<Found, RegistryError>,
}

/// A list, and what was left out of it.
struct Found {
    listing: Listing,
    left_out: Option<(LeftOut, Share)>,
}

/// A listing that broke off.
struct Broken {
    exclusions: Vec<String>,
    progress: Progress,
    _share: Share,
}

/// A list with what tells whether it has changed.
#[derive(Clone)]
pub(super) struct Known {
    exclusions: Vec<String>,
    /// The pages.
    pub(super) validators: Vec<Validator>,
    /// The list.
    pub(super) listing: Listing,
}

/// What a request found in the place of another.
pub(super) struct Taken {
    /// The list, or why there is none.
    pub(super) outcome: Result<Listing, RegistryError>,
    /// How long before they asked it was begun.
    pub(super) age: Duration,
}

impl Default for Flights {
    fn default() -> Self {
        Self {
            places: Mutex::default(),
            broken: Pool::new(MOST_BROKEN),
            left_out: Pool::new(MOST_LEFT_OUT),
        }
    }
}

impl Flights {
    /// Waits for the place of a list.
    pub(super) async fn place(&self, key: FlightKey) -> OwnedMutexGuard<Place> {
        self.find(key, Instant::now()).lock_owned().await
    }

    fn find(&self, key: FlightKey, now: Instant) -> Arc<tokio::sync::Mutex<Place>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let full = places.by_key.len() >= MOST_PLACES && !places.by_key.contains_key(&key);
        if full || places.next_sweep.is_none_or(|due| due <= now) {
            places.by_key.retain(|_, place| is_wanted(place, now));
            places.next_sweep = Some(now + SWEEP_INTERVAL);
        }
        if full && places.by_key.len() >= MOST_PLACES {
            places
                .by_key
                .retain(|_, place| Arc::strong_count(place) > 1);
        }
        Arc::clone(places.by_key.entry(key).or_default())
    }

    /// Puts down what an attempt gave. `began` is when it began.
    pub(super) fn land(
        &self,
        place: &mut Place,
        exclusions: &Exclusions,
        began: Instant,
        progress: Progress,
        failure: Option<RegistryError>,
    ) -> Result<Listing, RegistryError> {
        let (ended, whole_since) = (Instant::now(), progress.began);
        let exclusions = exclusions.texts();
        let outcome = match failure {
            Some(error) => {
                place.broken = self.keep_broken(&error, exclusions.clone(), progress);
                Err(error)
            }
            None => {
                place.broken = None;
                let (listing, left_out, validators) = progress.finish();
                place.know(&exclusions, &listing, validators);
                let share = self.left_out.take(left_out.heap_bytes());
                let left_out = share.map(|share| (left_out, share));
                Ok(Found { listing, left_out })
            }
        };
        let given = outcome.as_ref().map(|found| found.listing.clone());
        let given = given.map_err(Clone::clone);
        place.last = Some(Flight {
            began,
            whole_since,
            ended,
            exclusions,
            outcome,
        });
        given
    }

    fn keep_broken(
        &self,
        error: &RegistryError,
        exclusions: Vec<String>,
        progress: Progress,
    ) -> Option<Broken> {
        let may_pass = matches!(
            error.class(),
            ErrorClass::Transient | ErrorClass::RateLimited
        );
        if !may_pass || progress.next.is_none() {
            return None;
        }
        let share = self.broken.take(progress.heap_bytes())?;
        Some(Broken {
            exclusions,
            progress,
            _share: share,
        })
    }
}

/// Whether somebody uses the place, or may use what is in it.
fn is_wanted(place: &Arc<tokio::sync::Mutex<Place>>, now: Instant) -> bool {
    if Arc::strong_count(place) > 1 {
        return true;
    }
    let Ok(mut place) = place.try_lock() else {
        return true;
    };
    place.forget(now);
    place.last.is_some() || place.broken.is_some() || !place.known.is_empty()
}

impl Place {
    fn forget(&mut self, now: Instant) {
        let old = |since: Instant, longest| now.saturating_duration_since(since) > longest;
        if self
            .last
            .as_ref()
            .is_some_and(|last| old(last.ended, LONGEST_SHARED))
        {
            self.last = None;
        }
        let broken = self.broken.as_ref();
        if broken.is_some_and(|broken| old(broken.progress.began, LONGEST_BROKEN)) {
            self.broken = None;
        }
    }

    /// What another attempt gave, when it will do for who asked at `asked`.
    pub(super) fn taken(
        &self,
        asked: Instant,
        freshness: Freshness,
        exclusions: &Exclusions,
    ) -> Option<Taken> {
        let last = self.last.as_ref()?;
        let waited = last.ended >= asked;
        let will_do = match freshness {
            Freshness::Now => last.whole_since >= asked,
            Freshness::Within(longest) => {
                let longest = longest.min(LONGEST_SHARED);
                waited || asked.saturating_duration_since(last.began) <= longest
            }
        };
        if !will_do {
            return None;
        }
        let outcome = match &last.outcome {
            Ok(found) => Ok(found.for_others(&last.exclusions, exclusions)?),
            // Another may have more time, and a failure that is over may be none any more.
            Err(RegistryError::Timeout { .. }) => return None,
            Err(error) => waited.then(|| Err(error.clone()))?,
        };
        Some(Taken {
            outcome,
            age: asked.saturating_duration_since(last.began),
        })
    }

    /// Where to begin: what broke off, if it may be taken up.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        freshness: Freshness,
        exclusions: &Exclusions,
    ) -> Progress {
        let broken = self.broken.take().filter(|broken| {
            let age = now.saturating_duration_since(broken.progress.began);
            freshness != Freshness::Now
                && age <= LONGEST_BROKEN
                && broken.exclusions == exclusions.texts()
        });
        broken.map_or_else(|| Progress::new(now), |broken| broken.progress)
    }

    /// What tells whether the list of these exclusions has changed.
    pub(super) fn known(&self, exclusions: &Exclusions) -> Option<Known> {
        let texts = exclusions.texts();
        let known = self.known.iter().find(|known| known.exclusions == texts);
        known.cloned()
    }

    /// The list is as it was.
    pub(super) fn unchanged(&mut self, known: Known, began: Instant) -> Listing {
        let listing = known.listing.clone();
        self.last = Some(Flight {
            began,
            whole_since: began,
            ended: Instant::now(),
            exclusions: known.exclusions,
            outcome: Ok(Found {
                listing: known.listing,
                left_out: None,
            }),
        });
        listing
    }

    fn know(&mut self, exclusions: &[String], listing: &Listing, validators: Vec<Validator>) {
        self.known.retain(|known| known.exclusions != exclusions);
        if validators.len() != listing.pages || validators.is_empty() {
            return;
        }
        if self.known.len() >= MOST_KNOWN {
            self.known.remove(0);
        }
        self.known.push(Known {
            exclusions: exclusions.to_vec(),
            validators,
            listing: listing.clone(),
        });
    }
}

impl Found {
    /// The list as it is with other exclusions; `None` when too much was left out to tell.
    fn for_others(&self, own: &[String], exclusions: &Exclusions) -> Option<Listing> {
        if own == exclusions.texts() {
            return Some(self.listing.clone());
        }
        let left_out = self.left_out.as_ref()?.0.tags()?;
        let mut builder = TagSetBuilder::new();
        let tags: &TagSet = &self.listing.tags;
        for tag in tags.iter().rev().chain(left_out) {
            if !exclusions.matches(tag) {
                builder.push(tag);
            }
        }
        Some(Listing {
            tags: builder.finish(),
            ..self.listing.clone()
        })
    }
}

/// Memory that many share.
struct Pool {
    used: Arc<AtomicUsize>,
    most: usize,
}

/// A part of it, given back when it is dropped.
#[derive(Debug)]
struct Share {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Pool {
    fn new(most: usize) -> Self {
        Self {
            used: Arc::default(),
            most,
        }
    }

    fn take(&self, bytes: usize) -> Option<Share> {
        let share = Share {
            used: Arc::clone(&self.used),
            bytes,
        };
        // What does not fit is given back with the share.
        let before = self.used.fetch_add(bytes, Ordering::AcqRel);
        (before.saturating_add(bytes) <= self.most).then_some(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::{Bounds, Page};
    use super::super::{Limits, Words};
    use super::*;
    use crate::domain::docker_config::Credentials;

    fn exclusions(patterns: &[&str]) -> Exclusions {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        Exclusions::new(&patterns).expect("patterns")
    }

    /// A listing that has read one page, `tags`, and goes on unless it is `whole`.
    fn read(tags: &str, began: Instant, whole: bool, exclusions: &Exclusions) -> Progress {
        let url: reqwest::Url = "https://r.example/v2/app/tags/list".parse().expect("a URL");
        let mut progress = Progress::new(began);
        let body = format!(r#"{{"name":"app","tags":[{tags}]}}"#);
        let page = Page {
            url: &url,
            body: body.as_bytes(),
            etag: None,
            next: (!whole).then(|| url.join("?last=1").expect("a URL")),
        };
        let bounds = Bounds {
            limits: &Limits::default(),
            tags: 100,
            page_size: 100,
        };
        let keep = |tag: &str| !exclusions.matches(tag);
        progress.add(page, "app", bounds, &keep).expect("a page");
        progress
    }

    fn limited() -> Option<RegistryError> {
        Some(RegistryError::RateLimited {
            host: "r.example".to_owned(),
            retry_after: None,
            words: Words::default(),
        })
    }

    fn given(taken: Option<Taken>) -> Option<Vec<String>> {
        let listing = taken?.outcome.expect("a list");
        Some(listing.tags.latest(9))
    }

    #[test]
    fn a_list_is_given_to_others_for_as_long_as_they_allow_and_never_long() {
        let flights = Flights::default();
        let (mut place, none) = (Place::default(), exclusions(&[]));
        let began = Instant::now();
        let progress = read(r#""a","b""#, began, true, &none);
        let landed = flights.land(&mut place, &none, began, progress, None);
        assert_eq!(landed.expect("a list").tags.len(), 2);
        let second = Duration::from_secs(1);
        for (later, freshness, shared) in [
            (second, Freshness::Within(second * 2), true),
            (second * 3, Freshness::Within(second * 2), false),
            (second * 9, Freshness::Within(second * 3600), true),
            (second * 11, Freshness::Within(second * 3600), false),
            (second, Freshness::Now, false),
            (Duration::ZERO, Freshness::Now, true),
        ] {
            let taken = place.taken(began + later, freshness, &none);
            assert_eq!(taken.is_some(), shared, "{later:?} {freshness:?}");
        }
    }

    #[test]
    fn who_leaves_out_other_tags_gets_the_list_without_those() {
        let flights = Flights::default();
        let (mut place, own) = (Place::default(), exclusions(&[r"\.sig$"]));
        let began = Instant::now();
        let progress = read(r#""1","2","x.sig","y.att""#, began, true, &own);
        let landed = flights.land(&mut place, &own, began, progress, None);
        assert_eq!(landed.expect("a list").tags.latest(9), ["y.att", "2", "1"]);
        for (patterns, tags) in [
            (&[][..], &["y.att", "x.sig", "2", "1"][..]),
            (&[r"\.att$"], &["x.sig", "2", "1"]),
            (&["^1"], &["y.att", "x.sig", "2"]),
        ] {
            let others = exclusions(patterns);
            let taken = place.taken(began, Freshness::Now, &others);
            assert_eq!(given(taken).expect("a list"), tags, "{patterns:?}");
        }
    }

    #[test]
    fn a_failure_is_shared_by_those_who_waited_for_it_alone() {
        let flights = Flights::default();
        let (mut place, none) = (Place::default(), exclusions(&[]));
        let before = Instant::now();
        let within = Freshness::Within(LONGEST_SHARED);
        let progress = read(r#""a""#, before, false, &none);
        let landed = flights.land(&mut place, &none, before, progress, limited());
        assert!(landed.is_err());
        let taken = place.taken(before, within, &none).expect("a failure");
        assert!(taken.outcome.is_err());
        let later = Instant::now() + Duration::from_millis(1);
        assert!(place.taken(later, within, &none).is_none());
    }

    #[test]
    fn what_broke_off_is_taken_up_by_its_like_and_not_for_ever() {
        let flights = Flights::default();
        let (none, other) = (exclusions(&[]), exclusions(&["x"]));
        let began = Instant::now();
        let within = Freshness::Within(Duration::ZERO);
        let soon = began + Duration::from_secs(60);
        let late = began + LONGEST_BROKEN + Duration::from_secs(1);
        for (now, freshness, asked, pages) in [
            (soon, within, &none, 1),
            (soon, Freshness::Now, &none, 0),
            (soon, within, &other, 0),
            (late, within, &none, 0),
        ] {
            let mut place = Place::default();
            let progress = read(r#""a""#, began, false, &none);
            let landed = flights.land(&mut place, &none, began, progress, limited());
            assert!(landed.is_err());
            assert_eq!(place.begin(now, freshness, asked).pages, pages);
            // It is taken up once.
            assert_eq!(place.begin(now, freshness, asked).pages, 0);
        }
        let mut place = Place::default();
        let denied = Some(RegistryError::Forbidden {
            host: "r.example".to_owned(),
            words: Words::default(),
        });
        let progress = read(r#""a""#, began, false, &none);
        let landed = flights.land(&mut place, &none, began, progress, denied);
        assert!(landed.is_err());
        assert_eq!(place.begin(soon, within, &none).pages, 0);
        assert_eq!(flights.broken.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn places_go_when_nobody_wants_what_is_in_them() {
        let flights = Flights::default();
        let login = Fingerprint::of_credentials(&Credentials::Anonymous);
        let key = |image: &str| FlightKey {
            connection: login,
            login,
            image: image.to_owned(),
        };
        let now = Instant::now();
        let held = flights.find(key("held"), now);
        let left = flights.find(key("left"), now);
        let none = exclusions(&[]);
        {
            let mut place = left.try_lock().expect("nobody else");
            let progress = read(r#""a""#, now, false, &none);
            let landed = flights.land(&mut place, &none, now, progress, limited());
            assert!(landed.is_err());
        }
        drop(left);
        flights.find(key("empty"), now);
        let count = || flights.places.lock().expect("no panic").by_key.len();
        assert_eq!(count(), 3);
        flights.find(key("held"), now + SWEEP_INTERVAL * 2);
        assert_eq!(count(), 2, "what broke off is kept");
        flights.find(key("held"), now + LONGEST_BROKEN * 2);
        assert_eq!(count(), 1);
        drop(held);
    }

    #[test]
    fn memory_that_is_shared_out_comes_back() {
        let pool = Pool::new(10);
        let first = pool.take(7).expect("there is room");
        assert!(pool.take(4).is_none());
        drop(first);
        assert!(pool.take(10).is_some());
    }
}
