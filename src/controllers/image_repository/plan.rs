//! What to do about an ImageRepository, and what to say of it. Pure.

use crate::adapters::registry::{ErrorClass, RegistryError};
use crate::api::ImageRepository;
use crate::api::common::Time;
use crate::api::image_repository::{ImageRepositorySpec, ImageRepositoryStatus, ScanResult};
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
        timeout,
    })
}

/// Why to scan now, or what to say when no scan is due.
pub(super) fn due(
    object: &ImageRepository,
    target: &Target,
    has_tags: bool,
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
        unsettled: !status
            .conditions
            .iter()
            .any(|condition| condition.type_ == READY && condition.status == "True"),
    };
    match scan::due(&known, target.interval, run.now) {
        Due::Now(why) => Ok(why),
        Due::After(left) => Err(Outcome::Ready {
            reason: reason::SUCCEEDED,
            message: last.map(message).unwrap_or_default(),
            next: Some(left),
        }),
    }
}

/// The report of a scan that found `tags`.
pub(super) fn scanned(
    object: &ImageRepository,
    target: &Target,
    tags: &TagSet,
    now: Timestamp,
) -> Report<ImageRepositoryStatus> {
    let result = ScanResult {
        scan_time: Some(Time(now)),
        ..found(tags)
    };
    let message = message(&result);
    let status = ImageRepositoryStatus {
        canonical_image_name: Some(target.image.canonical().to_owned()),
        observed_exclusion_list: object.spec.exclusion_list.clone(),
        last_scan_result: Some(result),
        ..object.status.clone()
    };
    Report::new(
        status,
        Outcome::Ready {
            reason: reason::SUCCEEDED,
            message,
            next: Some(target.interval),
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
        ..found(tags)
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

fn found(tags: &TagSet) -> ScanResult {
    ScanResult {
        revision: Some(tags.revision().to_owned()),
        tag_count: i64::try_from(tags.len()).unwrap_or(i64::MAX),
        scan_time: None,
        latest_tags: tags.latest(SHOWN_TAGS),
    }
}

/// What to say of a scan that failed.
pub(super) fn failed(error: &RegistryError) -> Outcome {
    let reason = match error.class() {
        ErrorClass::Authentication => reason::AUTHENTICATION_FAILED,
        _ => reason::READ_OPERATION_FAILED,
    };
    Outcome::Failed {
        reason,
        message: format!("scan failed: {error}"),
        next: error.retry_after(),
    }
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
    use crate::api::common::Condition;
    use crate::domain::object::ObjectKey;
    use crate::domain::tags::TagSetBuilder;

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

    fn tags(names: &[&str]) -> TagSet {
        let mut builder = TagSetBuilder::new();
        names.iter().for_each(|name| builder.push(name));
        builder.finish()
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
        let found = tags(&["1.0.0", "1.1.0"]);
        let report = scanned(&object, &target, &found, at(1_000));
        assert_eq!(
            report.outcome.message(),
            format!(
                "successful scan: found 2 tags with checksum {}",
                found.revision()
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
        assert_eq!(due(&object, &target, false, &run(None)), Ok(Why::First));
        object.status = scanned(&object, &target, &tags(&["1.0.0"]), at(990)).status;
        object.status.conditions = vec![ready("True")];
        let Err(Outcome::Ready { message, next, .. }) = due(&object, &target, true, &run(None))
        else {
            panic!("no scan is due");
        };
        assert!(
            message.starts_with("successful scan: found 1 tags"),
            "{message}"
        );
        assert_eq!(next, Some(Duration::from_secs(50)));
        assert_eq!(
            due(&object, &target, true, &run(Some("now"))),
            Ok(Why::Requested)
        );
        assert_eq!(due(&object, &target, false, &run(None)), Ok(Why::NoTags));
    }

    #[test]
    fn a_tag_that_was_told_and_found_leaves_the_next_scan_where_it_was() {
        let mut object = object();
        let target = target(&object.spec).expect("the specification is whole");
        object.status = scanned(&object, &target, &tags(&["1.0.0"]), at(990)).status;
        object.status.conditions = vec![ready("True")];
        let until_scan = due(&object, &target, true, &run(None)).expect_err("no scan is due");
        let more = tags(&["1.0.0", "1.1.0"]);
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
        object.status = scanned(&object, &target, &tags(&["1.0.0"]), at(990)).status;
        for status in ["False", "Unknown"] {
            object.status.conditions = vec![ready(status)];
            assert_eq!(due(&object, &target, true, &run(None)), Ok(Why::Unsettled));
        }
    }
}
