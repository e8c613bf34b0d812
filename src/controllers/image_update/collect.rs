//! How long changes wait for more to come. Pure.
//!
//! The wait starts with the first pending change; each further change prolongs it by the whole window,
//! up to a bound. What waits is in the status, so a restart goes on where the wait was.

use crate::api::common::{ImageReference, Time};
use crate::api::image_update_automation::{CommitSpec, PendingChanges};
use crate::domain::change::ChangeReport;
use crate::domain::duration::{DurationError, parse_duration};
use crate::domain::marker::PolicyKey;
use crate::domain::rewrite::Selections;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many windows the first change waits at most, unless something else is said.
const WINDOWS: u32 = 10;

/// How changes are collected, and what waits already.
#[derive(Clone, Debug)]
pub(super) struct Collect {
    pub(super) window: Duration,
    pub(super) at_most: Duration,
    pub(super) before: Option<PendingChanges>,
}

impl Collect {
    /// Reads the specification; `None` when nothing waits.
    pub(super) fn read(
        spec: &CommitSpec,
        before: Option<PendingChanges>,
    ) -> Result<Option<Self>, DurationError> {
        let read = |text: &Option<String>| text.as_deref().map(parse_duration).transpose();
        let Some(window) = read(&spec.collect)?.filter(|window| !window.is_zero()) else {
            return Ok(None);
        };
        let at_most = read(&spec.collect_at_most)?.unwrap_or(window.saturating_mul(WINDOWS));
        Ok(Some(Self {
            window,
            at_most,
            before,
        }))
    }

    /// What still waits at `now` for more to come; `None` when it is due.
    pub(super) fn waiting(
        &self,
        report: &ChangeReport,
        selections: &Selections,
        now: Timestamp,
    ) -> Option<PendingChanges> {
        let policies = concerned(report, selections);
        let count = i64::try_from(report.changes.len()).unwrap_or(i64::MAX);
        let before = self.before.as_ref();
        let since = before.map_or(now, |before| before.since.0);
        let changed = before
            .filter(|before| before.policies == policies && before.count == count)
            .map_or(now, |before| before.changed.0);
        let due = later(changed, self.window).min(later(since, self.at_most));
        (due > now).then_some(PendingChanges {
            count,
            policies,
            since: Time(since),
            changed: Time(changed),
            due: Time(due),
        })
    }
}

/// A whole second not before `from` and `wait`: statuses have no parts of seconds.
fn later(from: Timestamp, wait: Duration) -> Timestamp {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let second = from.as_second().saturating_add_unsigned(seconds);
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// What the policies have selected that the changes are by.
fn concerned(report: &ChangeReport, selections: &Selections) -> BTreeMap<String, ImageReference> {
    let named = report.distinct().into_iter().filter_map(|change| {
        let policy = policy_of(change.setter)?;
        let image = selections.get(&policy)?;
        let image = ImageReference {
            name: image.name.clone(),
            tag: image.tag.clone(),
            digest: image.digest.clone(),
        };
        Some((policy.name, image))
    });
    named.collect()
}

/// The policy in a setter `namespace:name[:part]`.
pub(super) fn policy_of(setter: &str) -> Option<PolicyKey> {
    let mut parts = setter.split(':');
    Some(PolicyKey::new(parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Change;
    use crate::domain::image::ImageRef;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small number is a time")
    }

    fn spec(collect: &str, at_most: Option<&str>) -> CommitSpec {
        CommitSpec {
            collect: Some(collect.to_owned()),
            collect_at_most: at_most.map(str::to_owned),
            ..CommitSpec::default()
        }
    }

    /// Changes of these many places, and the tag that the policy `app` has selected.
    fn state(places: usize, tag: &str) -> (ChangeReport, Selections) {
        let change = |line| Change {
            file: "a.yaml".to_owned(),
            line,
            object: None,
            field: "image".to_owned(),
            setter: "apps:app".to_owned(),
            old: "app:1".to_owned(),
            new: format!("app:{tag}"),
        };
        let report = ChangeReport {
            changes: (1..=places).map(change).collect(),
            problems: Vec::new(),
        };
        let mut selections = Selections::new("apps");
        let image = ImageRef {
            name: "app".to_owned(),
            tag: tag.to_owned(),
            digest: None,
        };
        selections.insert(PolicyKey::new("apps", "app"), image);
        (report, selections)
    }

    /// When the changes of each step are due; `None` where they are committed.
    fn steps(collect: &CommitSpec, steps: &[(i64, &str)]) -> Vec<Option<i64>> {
        let mut before = None;
        let mut dues = Vec::new();
        for (now, tag) in steps {
            let collect = Collect::read(collect, before).expect("durations");
            let (report, selections) = state(1, tag);
            before = collect
                .expect("a window")
                .waiting(&report, &selections, at(*now));
            dues.push(before.as_ref().map(|pending| pending.due.0.as_second()));
        }
        dues
    }

    #[test]
    fn the_wait_starts_with_the_first_change_and_is_over_after_the_window() {
        let dues = steps(
            &spec("30s", None),
            &[(100, "2"), (110, "2"), (130, "2"), (140, "3")],
        );
        assert_eq!(dues, [Some(130), Some(130), None, Some(170)]);
    }

    #[test]
    fn each_further_change_prolongs_the_wait_up_to_the_bound() {
        let news = [(0, "2"), (25, "3"), (50, "4"), (59, "5"), (60, "6")];
        let dues = steps(&spec("30s", Some("60s")), &news);
        assert_eq!(dues, [Some(30), Some(55), Some(60), Some(60), None]);
        let collect = Collect::read(&spec("30s", None), None).expect("durations");
        assert_eq!(collect.expect("a window").at_most, Duration::from_secs(300));
    }

    #[test]
    fn another_marked_place_is_a_further_change() {
        let collect = |before| Collect {
            window: Duration::from_secs(30),
            at_most: Duration::from_secs(300),
            before,
        };
        let (one, selections) = state(1, "2");
        let first = collect(None).waiting(&one, &selections, at(0));
        let (two, selections) = state(2, "2");
        let second = collect(first)
            .waiting(&two, &selections, at(10))
            .expect("it waits");
        assert_eq!((second.count, second.due.0), (2, at(40)));
        assert_eq!(second.policies["app"].tag, "2");
    }

    #[test]
    fn no_window_is_no_wait_and_a_part_of_a_second_is_a_whole_one() {
        assert!(matches!(Collect::read(&spec("0s", None), None), Ok(None)));
        assert!(matches!(
            Collect::read(&CommitSpec::default(), None),
            Ok(None)
        ));
        assert!(Collect::read(&spec("soon", None), None).is_err());
        assert_eq!(steps(&spec("500ms", None), &[(7, "2")]), [Some(8)]);
    }

    proptest! {
        #[test]
        fn whatever_comes_when_no_change_waits_longer_than_the_bound(
            gaps in proptest::collection::vec((0_i64..90, any::<bool>()), 1..40),
            window in 1_u64..60,
            times in 1_u64..10,
        ) {
            let (mut now, mut tag, mut before) = (1_000, 0, None);
            let (mut first, mut last) = (None, 0);
            for (gap, is_news) in gaps {
                now += gap;
                if is_news || first.is_none() {
                    (tag, last) = (tag + 1, now);
                }
                let since = *first.get_or_insert(now);
                let collect = Collect {
                    window: Duration::from_secs(window),
                    at_most: Duration::from_secs(window * times),
                    before,
                };
                let (report, selections) = state(1, &tag.to_string());
                before = collect.waiting(&report, &selections, at(now));
                let due = (last + window as i64).min(since + (window * times) as i64);
                match &before {
                    Some(pending) => {
                        prop_assert_eq!(pending.due.0, at(due));
                        prop_assert!(due > now);
                    }
                    None => {
                        prop_assert!(due <= now, "committed {} s too early", due - now);
                        first = None;
                    }
                }
            }
        }
    }
}
