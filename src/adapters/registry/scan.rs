//! A scan: a tag list that is shared, taken up and asked for by its validators.
//!
//! Invariant: what comes back is a whole list or an error, and what it cost either way. What is absent: who wants it.

use super::access::{Access, Fingerprint};
use super::error::RegistryError;
use super::flights::{FlightKey, Freshness, Place};
use super::listing::{self, Listing, Revisited};
use super::progress::Progress;
use super::spent::{Meter, Spent};
use super::{RegistryClient, timed};
use crate::domain::image::ImageName;
use crate::domain::tags::Exclusions;
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;

/// What a scan gave.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The list, or why there is none.
    pub outcome: Result<Listing, RegistryError>,
    /// What it cost; nothing when it was shared.
    pub spent: Spent,
    /// Whether it is another's: one that was under way or just over.
    pub shared: bool,
    /// How long before this scan the other was begun; zero for one of its own.
    pub age: Duration,
}

/// What is scanned, for whom and since when.
struct Question<'a> {
    image: &'a ImageName,
    access: &'a Access,
    exclusions: &'a Exclusions,
    freshness: Freshness,
    asked: Instant,
    meter: &'a Meter<'a>,
}

/// How an attempt ended.
enum Ended {
    /// With another's list or failure.
    Taken(Result<Listing, RegistryError>, Duration),
    /// With one of its own.
    Own(Listing),
}

impl RegistryClient {
    /// Every tag of an image that is not excluded, from all pages.
    ///
    /// Scans of one image that agree in login, trust, proxy and plain http are one: who asks while another is reading waits and
    /// takes what comes, and for a short time after it too, as far as `freshness` allows. A list that broke off is taken up at
    /// the page that failed; pages for which the registry gave an `ETag` are asked for by it. `access.timeout` spans
    /// the whole, the waiting too.
    pub async fn scan(
        &self,
        image: &ImageName,
        access: &Access,
        exclusions: &Exclusions,
        freshness: Freshness,
    ) -> Scan {
        let meter = Meter::new(image.registry(), self.observer.as_ref());
        let question = Question {
            image,
            access,
            exclusions,
            freshness,
            asked: Instant::now(),
            meter: &meter,
        };
        let ended = self.ask(&question).await;
        let (outcome, shared, age) = match ended {
            Ok(Ended::Taken(outcome, age)) => (outcome, true, age),
            Ok(Ended::Own(listing)) => (Ok(listing), false, Duration::ZERO),
            Err(error) => (Err(error), false, Duration::ZERO),
        };
        if shared {
            meter.shared();
        }
        Scan {
            outcome,
            spent: meter.spent(),
            shared,
            age,
        }
    }

    async fn ask(&self, question: &Question<'_>) -> Result<Ended, RegistryError> {
        let registry = question.image.registry();
        let (connection, _) = self.connections.get(question.access, registry)?;
        let key = FlightKey {
            connection,
            login: Fingerprint::of_credentials(&question.access.credentials),
            image: question.image.canonical().to_owned(),
        };
        let mut place: Option<OwnedMutexGuard<Place>> = None;
        let mut progress: Option<(Instant, Progress)> = None;
        let whole = async {
            let place = place.insert(self.flights.place(key).await);
            let Question {
                asked,
                freshness,
                exclusions,
                ..
            } = *question;
            if let Some(taken) = place.taken(asked, freshness, exclusions) {
                return Ok(Some(Ended::Taken(taken.outcome, taken.age)));
            }
            let began = Instant::now();
            let fresh = place.begin(began, freshness, exclusions);
            let (_, progress) = progress.insert((began, fresh));
            self.read(question, place, progress, began).await
        };
        let outcome = timed(question.access, registry, whole).await;
        self.doubt(question.access, registry, &outcome);
        let Some((began, progress)) = progress else {
            // Nothing was begun: it was another's, or there was no time.
            return outcome.and_then(|ended| {
                ended.ok_or_else(|| RegistryError::Timeout {
                    host: registry.to_owned(),
                    after: question.access.timeout,
                })
            });
        };
        let failure = match outcome {
            Ok(Some(ended)) => return Ok(ended),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let place = place.as_mut().expect("what was begun has a place");
        let landed = self
            .flights
            .land(place, question.exclusions, began, progress, failure);
        landed.map(Ended::Own)
    }

    /// Reads what is not known. `None` when it is in `progress`.
    async fn read(
        &self,
        question: &Question<'_>,
        place: &mut Place,
        progress: &mut Progress,
        began: Instant,
    ) -> Result<Option<Ended>, RegistryError> {
        let keep = |tag: &str| !question.exclusions.matches(tag);
        let known = match progress.pages {
            0 => place.known(question.exclusions),
            _ => None,
        };
        let (image, access) = (question.image, question.access);
        let validators = known.as_ref().map(|known| known.validators.as_slice());
        let unchanged = self
            .untimed(image, access, question.meter, async |session| {
                let opened = match validators {
                    Some(validators) => listing::revisit(session, image, validators).await?,
                    None => Revisited::Changed,
                };
                let opened = match opened {
                    Revisited::Unchanged => return Ok(true),
                    Revisited::Opened(response) => Some(response),
                    Revisited::Changed => None,
                };
                let wanted = self.wanted(image, &keep);
                listing::list(session, wanted, progress, opened).await?;
                Ok(false)
            })
            .await?;
        Ok(match known {
            Some(known) if unchanged => {
                let listing = place.unchanged(known, began);
                Some(Ended::Own(listing))
            }
            _ => None,
        })
    }
}
