//! What is said of the pull requests of an automation. Pure.

use super::error::PULL_REQUEST_FAILED;
use super::noticed::Noticed;
use crate::api::PROPOSE_AGAIN;
use crate::api::common::Time;
use crate::api::pull_request::{PullRequestState, PullRequestStatus};
use crate::domain::conditions::Statement;
use crate::domain::duration::format_duration;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::pull_request::{Images, Record, Standing, Waiting};
use jiff::Timestamp;
use std::time::Duration;

/// Our own condition: whether every pull request is what is selected.
pub(super) const PULL_REQUESTS_CURRENT: &str = "PullRequestsCurrent";
/// The reason when a person closed one or committed to its branch.
const LEFT_ALONE: &str = "LeftAlone";
/// Most images that a status names. Each policy is in one group, and `observedPolicies` names them all too.
const MOST_IMAGES: usize = 500;
/// Most groups that a message names.
const MOST_GROUPS: usize = 20;

/// What became of one group.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) group: String,
    pub(super) branch: String,
    /// How it stands, or why not as it should.
    pub(super) standing: Result<Standing, String>,
    pub(super) number: Option<u64>,
    pub(super) url: Option<String>,
    pub(super) images: Images,
    /// What is known of the head of the branch, if it is ours.
    pub(super) built: Option<Record>,
    /// What people did to it since the last run.
    pub(super) noticed: Option<Noticed>,
}

impl Told {
    /// What a status says of it; `None` when there is nothing to say.
    fn status(&self, before: &[PullRequestStatus], now: Timestamp) -> Option<PullRequestStatus> {
        let earlier = before.iter().find(|status| status.group == self.group);
        let state = match &self.standing {
            Ok(Standing::Nothing | Standing::Merged) => return None,
            Ok(Standing::Open(_)) => PullRequestState::Open,
            Ok(Standing::Skipped { .. }) => PullRequestState::Skipped,
            Ok(Standing::Kept { .. }) => PullRequestState::Kept,
            Err(_) => PullRequestState::Failed,
        };
        // What could not be looked at is still where it was.
        let kept = earlier.filter(|_| self.standing.is_err());
        let number = self.number.and_then(|number| i64::try_from(number).ok());
        let number = number.or(kept.and_then(|kept| kept.number));
        let same = earlier.filter(|earlier| earlier.state == state && earlier.number == number);
        let since = same.and_then(|same| same.last_transition_time.clone());
        let commit = match &self.built {
            Some(built) => Some((
                built.head.clone(),
                built.base.clone(),
                built.version.clone(),
            )),
            None => kept.and_then(|kept| {
                let (head, base) = (kept.commit.clone()?, kept.base_commit.clone()?);
                Some((head, base, kept.version.clone()))
            }),
        };
        // The version is that of the commit, whatever is wanted by now.
        let (commit, base_commit, version) = match commit {
            Some((head, base, version)) => (Some(head), Some(base), version),
            None => (None, None, String::new()),
        };
        let branch = match (self.branch.as_str(), kept) {
            ("", Some(kept)) => kept.branch.clone(),
            (branch, _) => branch.to_owned(),
        };
        Some(PullRequestStatus {
            group: self.group.clone(),
            state,
            number,
            url: self.url.clone().or(kept.and_then(|kept| kept.url.clone())),
            branch,
            closed_by: match &self.standing {
                Ok(Standing::Skipped { by, .. }) => by.clone(),
                _ => None,
            },
            images: self.images.clone().into_iter().take(MOST_IMAGES).collect(),
            version,
            commit,
            base_commit,
            last_transition_time: since.or(Some(Time(now))),
            message: self.message(),
        })
    }

    /// What a person should know.
    fn message(&self) -> String {
        match &self.standing {
            Err(error) => error.clone(),
            Ok(Standing::Skipped { number, by }) => {
                let by = by
                    .as_ref()
                    .map(|by| format!(" by {by}"))
                    .unwrap_or_default();
                let what = self.proposed();
                format!(
                    "closed{by}, so {what} is skipped. hint: reopen it, or wait for a newer version, or annotate the \
                     automation with `{PROPOSE_AGAIN}: \"{number}\"`"
                )
            }
            Ok(Standing::Kept {
                branch,
                author,
                current,
            }) => {
                let stale = match current {
                    true => String::new(),
                    false => format!(", though {} is selected", self.proposed()),
                };
                format!(
                    "`{branch}` has a commit by {author} and is left to them{stale}. hint: delete the branch to have it \
                     made anew"
                )
            }
            Ok(Standing::Open(Some(waiting))) => self::waiting(*waiting),
            Ok(_) => String::new(),
        }
    }

    fn proposed(&self) -> String {
        let mut images = self.images.values();
        match (images.next(), images.count()) {
            (Some(image), 0) => format!("`{image}`"),
            (Some(image), more) => format!("`{image}` with {more} more"),
            (None, _) => "nothing".to_owned(),
        }
    }
}

fn waiting(waiting: Waiting) -> String {
    match waiting {
        Waiting::Draft => "does not merge by itself while it is a draft".to_owned(),
        // Whole minutes: a status that changes with every look would wake its watchers each time.
        Waiting::Age(left) => {
            let minutes = left.as_secs().div_ceil(60);
            format!(
                "merges by itself in {}",
                format_duration(Duration::from_secs(minutes * 60))
            )
        }
        Waiting::Checks => "merges by itself when its checks have passed".to_owned(),
        Waiting::NoChecks => {
            "does not merge by itself: no checks have reported anything".to_owned()
        }
        Waiting::Failed => "does not merge by itself: checks have failed".to_owned(),
        Waiting::Conflict => "does not merge by itself: it conflicts".to_owned(),
    }
}

/// The pull requests of the status, by group. `partly` when not all groups were looked at: what was said
/// of the others stays.
pub(super) fn statuses(
    told: &[Told],
    before: &[PullRequestStatus],
    partly: bool,
    now: Timestamp,
) -> Vec<PullRequestStatus> {
    let looked_at = |group: &str| told.iter().any(|told| told.group == group);
    let others = before
        .iter()
        .filter(|status| partly && !looked_at(&status.group));
    let looked = told.iter().filter_map(|told| told.status(before, now));
    let mut statuses: Vec<_> = looked.chain(others.cloned()).collect();
    statuses.sort_by(|one, other| one.group.cmp(&other.group));
    statuses
}

/// Whether all are current; if not, which ones and why.
pub(super) fn condition(told: &[Told]) -> Statement {
    let lines = |wanted: fn(&Told) -> bool| -> Vec<String> {
        let chosen = told.iter().filter(|told| wanted(told));
        chosen.map(line).collect()
    };
    let failed = lines(|told| told.standing.is_err());
    let left = lines(|told| {
        matches!(
            told.standing,
            Ok(Standing::Skipped { .. } | Standing::Kept { .. })
        )
    });
    let reason = match (failed.is_empty(), left.is_empty()) {
        (true, true) => reason::SUCCEEDED,
        (true, false) => LEFT_ALONE,
        (false, _) => PULL_REQUEST_FAILED,
    };
    let lines: Vec<String> = failed.into_iter().chain(left).collect();
    let message = match lines.is_empty() {
        true => "every pull request proposes what is selected".to_owned(),
        false => bounded(&lines),
    };
    Statement {
        kind: PULL_REQUESTS_CURRENT,
        status: Some(lines.is_empty()),
        reason,
        message,
    }
}

fn line(told: &Told) -> String {
    let number = told
        .number
        .map(|number| format!(" #{number}"))
        .unwrap_or_default();
    format!("{}{number}: {}", told.group, told.message())
}

fn bounded(lines: &[String]) -> String {
    let shown = lines
        .iter()
        .take(MOST_GROUPS)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    match lines.len().saturating_sub(MOST_GROUPS) {
        0 => shown,
        more => format!("{shown}\nand {more} more"),
    }
}

/// How the run ended. `retry_after` is when the forge wants to be asked again.
pub(super) fn outcome(
    told: &[Told],
    interval: Duration,
    look_again: Option<Duration>,
    retry_after: Option<Duration>,
) -> Outcome {
    let failed: Vec<String> = told
        .iter()
        .filter(|told| told.standing.is_err())
        .map(line)
        .collect();
    if !failed.is_empty() {
        return Outcome::Failed {
            reason: PULL_REQUEST_FAILED,
            message: bounded(&failed),
            next: retry_after,
        };
    }
    let open = told
        .iter()
        .filter(|told| matches!(told.standing, Ok(Standing::Open(_))));
    let message = match open.count() {
        0 => "repository up-to-date".to_owned(),
        1 => "1 pull request open".to_owned(),
        open => format!("{open} pull requests open"),
    };
    Outcome::Ready {
        reason: reason::SUCCEEDED,
        message,
        next: Some(look_again.map_or(interval, |soon| soon.min(interval))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_790_000_000).expect("a time")
    }

    fn told(standing: Result<Standing, String>) -> Told {
        Told {
            group: "app".to_owned(),
            branch: "highwater/apps/fleet/app".to_owned(),
            standing,
            number: Some(7),
            url: Some("https://forge/7".to_owned()),
            images: Images::from([("app".to_owned(), "ghcr.io/acme/app:1.1.0".to_owned())]),
            built: Some(Record {
                number: Some(7),
                head: "a".repeat(40),
                base: "b".repeat(40),
                version: "v".to_owned(),
            }),
            noticed: None,
        }
    }

    fn skipped() -> Standing {
        Standing::Skipped {
            number: 7,
            by: Some("jane".to_owned()),
        }
    }

    #[test]
    fn a_skip_says_who_what_and_how_to_lift_it() {
        let condition = condition(&[told(Ok(skipped()))]);
        assert_eq!(
            (condition.status, condition.reason),
            (Some(false), "LeftAlone")
        );
        assert_eq!(
            condition.message,
            "app #7: closed by jane, so `ghcr.io/acme/app:1.1.0` is skipped. hint: reopen it, or wait for a newer version, \
             or annotate the automation with `image.highwater.dev/propose-again: \"7\"`"
        );
    }

    #[test]
    fn a_commit_by_a_person_says_whose_and_whether_it_is_behind() {
        let kept = |current| {
            let standing = Standing::Kept {
                branch: "b".to_owned(),
                author: "Jane <jane@acme.dev>".to_owned(),
                current,
            };
            told(Ok(standing)).message()
        };
        assert!(
            kept(true).starts_with(
                "`b` has a commit by Jane <jane@acme.dev> and is left to them. hint: "
            )
        );
        assert!(
            kept(false)
                .contains("left to them, though `ghcr.io/acme/app:1.1.0` is selected. hint: ")
        );
    }

    #[test]
    fn one_that_failed_keeps_what_was_known_and_holds_up_no_other() {
        let before = statuses(&[told(Ok(Standing::Open(None)))], &[], false, now());
        let lost = Told {
            number: None,
            url: None,
            built: None,
            images: Images::new(),
            ..told(Err("no answer".to_owned()))
        };
        let mut other = told(Ok(Standing::Open(None)));
        other.group = "web".to_owned();
        let both = [lost, other];
        let after = statuses(&both, &before, false, now());
        assert_eq!(
            (after[0].state.as_str(), after[0].number),
            ("Failed", Some(7))
        );
        assert_eq!(
            (&after[0].commit, &after[0].version),
            (&before[0].commit, &before[0].version)
        );
        assert_eq!(after[1].state, PullRequestState::Open);
        let soon = Some(Duration::from_secs(30));
        let outcome = outcome(&both, Duration::from_secs(300), None, soon);
        assert!(
            matches!(&outcome, Outcome::Failed { next, message, .. } if *next == soon && message == "app: no answer")
        );
    }

    #[test]
    fn a_status_changes_its_time_only_with_its_state() {
        let later = now() + jiff::SignedDuration::from_secs(60);
        let before = statuses(&[told(Ok(Standing::Open(None)))], &[], false, now());
        let same = statuses(
            &[told(Ok(Standing::Open(Some(Waiting::Checks))))],
            &before,
            false,
            later,
        );
        assert_eq!(same[0].last_transition_time, before[0].last_transition_time);
        let other = statuses(&[told(Ok(skipped()))], &before, false, later);
        assert_eq!(other[0].last_transition_time, Some(Time(later)));
        assert_eq!(
            (&before[0].closed_by, other[0].closed_by.as_deref()),
            (&None, Some("jane"))
        );
        assert_eq!(
            statuses(&[told(Ok(Standing::Merged))], &before, false, later),
            []
        );
        assert_eq!(
            statuses(&[], &before, true, later),
            before,
            "what was not looked at stays"
        );
    }

    #[test]
    fn it_looks_again_sooner_than_usual_when_something_is_due() {
        let next = |soon| match outcome(
            &[told(Ok(Standing::Open(None)))],
            Duration::from_secs(300),
            soon,
            None,
        ) {
            Outcome::Ready { next, message, .. } => (next.map(|next| next.as_secs()), message),
            other => panic!("{other:?}"),
        };
        assert_eq!(next(None), (Some(300), "1 pull request open".to_owned()));
        assert_eq!(next(Some(Duration::from_secs(60))).0, Some(60));
        assert_eq!(next(Some(Duration::from_secs(900))).0, Some(300));
    }
}
