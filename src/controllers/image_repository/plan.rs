//! What to do about an ImageRepository, and what to say of it. Pure.

use crate::adapters::registry::{ErrorClass, Listing, RegistryError, Scan};
use crate::api::ImageRepository;
use crate::api::common::Time;
use crate::api::image_repository::{
    ImageRepositorySpec, ImageRepositoryStatus, ScanCost, ScanResult,
};
use crate::controllers::driver::Run;
use crate::controllers::report::Report;
use crate::domain::conditions::READY;
use crate::domain::image::ImageName;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::scan::{self, Due, Known, Why};
use crate::domain::tags::{Exclusions, TagSet};
use jiff::Timestamp;
use std::time::Duration;

/// How many tags a status shows.
const SHOWN_TAGS: usize = 10;

/// What is to be scanned, and how often.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) image: ImageName,
    pub(super) exclusions: Exclusions,
    pub(super) interval: Duration,
    /// The interval as it is spread for this object.
    pub(super) due_after: Duration,
    pub(super) timeout: Duration,
}

/// Reads the specification.
pub(super) fn target(spec: &ImageRepositorySpec) -> Result<Target, Outcome> {
    let image = ImageName::parse(&spec.image)
        .map_err(|error| Outcome::stalled(reason::IMAGE_URL_INVALID, error))?;
    let exclusions = Exclusions::new(&spec.exclusion_list)
        .map_err(|error| Outcome::stalled(reason::FAILURE, error))?;
    let interval = spec
        .interval()
        .map_err(|error| Outcome::stalled(reason::FAILURE, error))?;
    let timeout = spec
        .timeout()
        .map_err(|error| Outcome::stalled(reason::FAILURE, error))?;
    Ok(Target {
        image,
        exclusions,
        interval,
        due_after: interval,
        timeout,
    })
}

/// Why to scan now, or what to say when no scan is due.
pub(super) fn due(
    object: &ImageRepository,
    target: &Target,
    has_tags: bool,
    new_access: bool,
    run: &Run,
) -> Result<Why, Outcome> {
    let status = &object.status;
    let last = status.last_scan_result.as_ref();
    let known = Known {
        last_scan: last
            .and_then(|scan| scan.scan_time.as_ref())
            .map(|time| time.0),
        requested_at: run.requested_at.as_deref(),
        handled_at: status.last_handled_reconcile_at.as_deref(),
        canonical_name: target.image.canonical(),
        observed_name: status.canonical_image_name.as_deref().unwrap_or_default(),
        exclusions: &object.spec.exclusion_list,
        observed_exclusions: &status.observed_exclusion_list,
        // A repository that is truly empty is not scanned for ever: its empty set is at hand.
        has_tags,
        new_access,
        unsettled: !status
            .conditions
            .iter()
            .any(|condition| condition.type_ == READY && condition.status == "True"),
    };
    match scan::due(&known, target.due_after, run.now) {
        Due::Now(why) => Ok(why),
        Due::After(left) => Err(Outcome::Ready {
            reason: reason::SUCCEEDED,
            message: last.map(message).unwrap_or_default(),
            next: Some(left),
        }),
    }
}

/// The report of a scan that found the whole list.
pub(super) fn scanned(
    object: &ImageRepository,
    target: &Target,
    listing: &Listing,
    scan: &Scan,
    now: Timestamp,
) -> Report<ImageRepositoryStatus> {
    // A list that another object asked for is as old as that: both are due together from now on.
    let age = Duration::from_secs(scan.age.as_secs());
    let scan_time = now.checked_sub(age).unwrap_or(now);
    let tags = &listing.tags;
    let result = ScanResult {
        scan_time: Some(Time(scan_time)),
        ..result_of(tags)
    };
    let message = message(&result);
    let cost = ScanCost {
        next_scan_time: later(scan_time, target.due_after),
        ..cost(scan)
    };
    let status = ImageRepositoryStatus {
        canonical_image_name: Some(target.image.canonical().to_owned()),
        observed_exclusion_list: object.spec.exclusion_list.clone(),
        last_scan_result: Some(result),
        spent: Some(cost),
        ..object.status.clone()
    };
    Report::new(
        status,
        Outcome::Ready {
            reason: reason::SUCCEEDED,
            message,
            next: Some(target.interval.saturating_sub(age)),
        },
    )
}

/// The report of a set that grew by tags that were told and found: the next whole scan stays due as before.
pub(super) fn grown(
    object: &ImageRepository,
    tags: &TagSet,
    until_scan: Outcome,
) -> Report<ImageRepositoryStatus> {
    let last = object.status.last_scan_result.clone().unwrap_or_default();
    let result = ScanResult {
        scan_time: last.scan_time,
        ..result_of(tags)
    };
    let outcome = match until_scan {
        Outcome::Ready { reason, next, .. } => Outcome::Ready {
            reason,
            message: message(&result),
            next,
        },
        other => other,
    };
    let status = ImageRepositoryStatus {
        last_scan_result: Some(result),
        ..object.status.clone()
    };
    Report::new(status, outcome)
}

fn result_of(tags: &TagSet) -> ScanResult {
    ScanResult {
        revision: Some(tags.revision().to_owned()),
        tag_count: count(tags.len()),
        scan_time: None,
        latest_tags: tags.latest(SHOWN_TAGS),
    }
}

/// The report of a scan that failed. What the last good one found stays.
pub(super) fn failed(
    object: &ImageRepository,
    target: &Target,
    error: &RegistryError,
    scan: &Scan,
    now: Timestamp,
) -> Report<ImageRepositoryStatus> {
    let reason = match error.class() {
        ErrorClass::Authentication => reason::AUTHENTICATION_FAILED,
        _ => reason::READ_OPERATION_FAILED,
    };
    let cost = ScanCost {
        paused_until: error.retry_after().and_then(|wait| later(now, wait)),
        ..cost(scan)
    };
    let status = ImageRepositoryStatus {
        spent: Some(cost),
        ..object.status.clone()
    };
    // A list that is too long is as long a moment later, and costs thousands of requests each time.
    let pause = error.is_too_long().then_some(target.interval);
    Report::new(
        status,
        Outcome::Failed {
            reason,
            message: format!("scan failed: {error}"),
            next: error.retry_after().or(pause),
        },
    )
}

fn cost(scan: &Scan) -> ScanCost {
    let spent = &scan.spent;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    ScanCost {
        requests: number(spent.requests),
        pages: number(spent.pages),
        not_modified: number(spent.not_modified),
        tags: number(spent.tags),
        bytes: number(spent.bytes),
        shared: scan.shared,
        resumed_at_page: number(spent.resumed_at.unwrap_or_default()),
        limit_remaining: spent.limit.map(|limit| number(limit.remaining)),
        limit: spent.limit.and_then(|limit| limit.limit).map(number),
        paused_until: None,
        next_scan_time: None,
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A time in whole seconds, as statuses have it.
fn later(now: Timestamp, wait: Duration) -> Option<Time> {
    let wait = Duration::from_secs(wait.as_secs());
    now.checked_add(wait).ok().map(Time)
}

fn message(scan: &ScanResult) -> String {
    let revision = scan.revision.as_deref().unwrap_or_default();
    format!(
        "successful scan: found {} tags with checksum {revision}",
        scan.tag_count
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::registry::{AnswerProblem, Spent, Words};
    use crate::api::common::Condition;
    use crate::domain::http_field::RateLimit;
    use crate::domain::object::ObjectKey;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small number is a time")
    }

    fn run(requested_at: Option<&str>) -> Run {
        Run {
            key: ObjectKey::new("apps", "app"),
            now: at(1_000),
            requested_at: requested_at.map(str::to_owned),
        }
    }

    fn object() -> ImageRepository {
        let spec = ImageRepositorySpec {
            image: "ghcr.io/acme/app".to_owned(),
            interval: "1m".to_owned(),
            ..Default::default()
        };
        ImageRepository {
            spec,
            ..ImageRepository::default()
        }
    }

    fn ready(status: &str) -> Condition {
        Condition {
            type_: READY.to_owned(),
            status: status.to_owned(),
            reason: String::new(),
            message: String::new(),
            last_transition_time: Time(at(990)),
            observed_generation: None,
        }
    }

    fn listing(names: &[&str]) -> Listing {
        Listing {
            tags: names.iter().copied().collect(),
            sent: names.len(),
            malformed: 0,
            pages: 1,
        }
    }

    fn scan(outcome: Result<Listing, RegistryError>) -> Scan {
        let spent = Spent {
            requests: 3,
            pages: 1,
            tags: 9,
            limit: Some(RateLimit {
                remaining: 7,
                limit: Some(100),
                horizon: None,
            }),
            ..Spent::default()
        };
        Scan {
            outcome,
            spent,
            shared: false,
            age: Duration::ZERO,
        }
    }

    fn found(
        object: &ImageRepository,
        target: &Target,
        names: &[&str],
        now: Timestamp,
    ) -> Report<ImageRepositoryStatus> {
        let listing = listing(names);
        scanned(object, target, &listing, &scan(Ok(listing.clone())), now)
    }

    #[test]
    fn an_image_with_a_tag_or_a_scheme_stalls() {
        for image in ["ghcr.io/acme/app:1.0", "https://ghcr.io/acme/app"] {
            let spec = ImageRepositorySpec {
                image: image.to_owned(),
                interval: "1m".to_owned(),
                ..Default::default()
            };
            let outcome = target(&spec).expect_err("the image is refused");
            assert!(
                matches!(
                    outcome,
                    Outcome::Stalled {
                        reason: reason::IMAGE_URL_INVALID,
                        ..
                    }
                ),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn a_scan_is_reported_in_the_words_of_flux() {
        let object = object();
        let target = target(&object.spec).expect("the specification is whole");
        let names = ["1.0.0", "1.1.0"];
        let report = found(&object, &target, &names, at(1_000));
        assert_eq!(
            report.outcome.message(),
            format!(
                "successful scan: found 2 tags with checksum {}",
                listing(&names).tags.revision()
            )
        );
        let result = report.status.last_scan_result.expect("there was a scan");
        assert_eq!(
            (result.tag_count, result.latest_tags),
            (2, vec!["1.1.0".to_owned(), "1.0.0".to_owned()])
        );
        assert_eq!(
            report.status.canonical_image_name.as_deref(),
            Some("ghcr.io/acme/app")
        );
    }

    #[test]
    fn a_scan_is_due_once_and_then_after_the_interval() {
        let mut object = object();
        let target = target(&object.spec).expect("the specification is whole");
        assert_eq!(
            due(&object, &target, false, false, &run(None)),
            Ok(Why::First)
        );
        object.status = found(&object, &target, &["1.0.0"], at(990)).status;
        object.status.conditions = vec![ready("True")];
        let Err(Outcome::Ready { message, next, .. }) =
            due(&object, &target, true, false, &run(None))
        else {
            panic!("no scan is due");
        };
        assert!(
            message.starts_with("successful scan: found 1 tags"),
            "{message}"
        );
        assert_eq!(next, Some(Duration::from_secs(50)));
        assert_eq!(
            due(&object, &target, true, false, &run(Some("now"))),
            Ok(Why::Requested)
        );
        assert_eq!(
            due(&object, &target, false, false, &run(None)),
            Ok(Why::NoTags)
        );
    }

    #[test]
    fn a_tag_that_was_told_and_found_leaves_the_next_scan_where_it_was() {
        let mut object = object();
        let target = target(&object.spec).expect("the specification is whole");
        object.status = found(&object, &target, &["1.0.0"], at(990)).status;
        object.status.conditions = vec![ready("True")];
        let until_scan =
            due(&object, &target, true, false, &run(None)).expect_err("no scan is due");
        let more = ["1.0.0", "1.1.0"].into_iter().collect::<TagSet>();
        let report = grown(&object, &more, until_scan);
        let result = report.status.last_scan_result.expect("there was a scan");
        assert_eq!(result.scan_time, Some(Time(at(990))));
        assert_eq!(
            (result.tag_count, result.revision.as_deref()),
            (2, Some(more.revision()))
        );
        let Outcome::Ready { message, next, .. } = report.outcome else {
            panic!("it is ready");
        };
        assert!(
            message.starts_with("successful scan: found 2 tags"),
            "{message}"
        );
        assert_eq!(next, Some(Duration::from_secs(50)));
    }

    #[test]
    fn after_a_failure_the_last_success_is_not_told_again() {
        let mut object = object();
        let target = target(&object.spec).expect("the specification is whole");
        object.status = found(&object, &target, &["1.0.0"], at(990)).status;
        for status in ["False", "Unknown"] {
            object.status.conditions = vec![ready(status)];
            assert_eq!(
                due(&object, &target, true, false, &run(None)),
                Ok(Why::Unsettled)
            );
        }
    }

    #[test]
    fn a_list_that_another_object_asked_for_is_due_together_with_it() {
        let object = object();
        let target = target(&object.spec).expect("the specification is whole");
        let listing = listing(&["1.0.0"]);
        let shared = Scan {
            shared: true,
            age: Duration::from_millis(8_700),
            ..scan(Ok(listing.clone()))
        };
        let report = scanned(&object, &target, &listing, &shared, at(1_000));
        let Outcome::Ready { next, .. } = report.outcome else {
            panic!("it is ready");
        };
        assert_eq!(next, Some(Duration::from_secs(52)));
        let result = report.status.last_scan_result.expect("there was a scan");
        assert_eq!(result.scan_time, Some(Time(at(992))));
        let cost = report.status.spent.expect("it is told");
        assert!(cost.shared);
        assert_eq!(cost.next_scan_time, Some(Time(at(1_052))));
    }

    #[test]
    fn a_spread_interval_is_when_the_next_scan_is_due() {
        let mut object = object();
        let mut target = target(&object.spec).expect("the specification is whole");
        target.due_after = Duration::from_secs(54);
        object.status = found(&object, &target, &["1.0.0"], at(945)).status;
        object.status.conditions = vec![ready("True")];
        let cost = object.status.spent.clone().expect("it is told");
        assert_eq!(cost.next_scan_time, Some(Time(at(999))));
        assert_eq!(
            due(&object, &target, true, false, &run(None)),
            Ok(Why::Interval)
        );
    }

    #[test]
    fn a_failure_tells_what_it_cost_and_keeps_what_was_found() {
        let mut object = object();
        let target = target(&object.spec).expect("the specification is whole");
        object.status = found(&object, &target, &["1.0.0"], at(900)).status;
        let host = || "r.example".to_owned();
        let limited = RegistryError::RateLimited {
            host: host(),
            retry_after: Some(Duration::from_secs(77)),
            words: Words::default(),
        };
        let too_long = RegistryError::Answer {
            host: host(),
            problem: AnswerProblem::TooManyTags { limit: 5 },
        };
        for (error, pause, until) in [(limited, 77, Some(Time(at(1_077)))), (too_long, 60, None)] {
            let scan = scan(Err(error.clone()));
            let report = failed(&object, &target, &error, &scan, at(1_000));
            assert_eq!(
                report.status.last_scan_result,
                object.status.last_scan_result
            );
            let cost = report.status.spent.expect("it is told");
            assert_eq!(
                (cost.requests, cost.tags, cost.limit_remaining),
                (3, 9, Some(7))
            );
            assert_eq!(cost.paused_until, until);
            let Outcome::Failed { message, next, .. } = report.outcome else {
                panic!("it failed");
            };
            assert!(message.starts_with("scan failed: "), "{message}");
            assert_eq!(next, Some(Duration::from_secs(pause)));
        }
    }
}
