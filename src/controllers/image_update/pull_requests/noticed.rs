//! What people did to pull requests since the last run. Pure.
//!
//! Invariant: it is told once, since the status that follows says it. What is absent: what highwater did itself.

use crate::api::pull_request::{PullRequestState, PullRequestStatus};
use crate::domain::pull_request::{Marker, PullRequest, PullState};

/// Something that a person did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noticed {
    /// `merged`, `closed` or `reopened`, as it is counted.
    pub(super) action: &'static str,
    /// In words.
    pub(super) message: String,
}

/// What became of the pull request that the status knows, if it was not highwater's doing. `found` is what the forge had before this
/// run did anything.
pub(super) fn noticed(
    group: &str,
    before: Option<&PullRequestStatus>,
    found: &[PullRequest],
) -> Option<Noticed> {
    let before = before?;
    let number = u64::try_from(before.number?).ok()?;
    let pull = found.iter().find(|pull| pull.number == number)?;
    let was_skipped = before.state == PullRequestState::Skipped;
    let by = pull.closed_by.as_ref();
    let (action, what) = match pull.state {
        PullState::Open if was_skipped => ("reopened", "opened again".to_owned()),
        PullState::Merged if !was_skipped => ("merged", "merged".to_owned()),
        PullState::Closed if !was_skipped && !is_ours(pull) => {
            let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
            ("closed", format!("closed{by}"))
        }
        _ => return None,
    };
    let message = format!(
        "pull request #{number} of `{group}` was {what} ({})",
        pull.url
    );
    Some(Noticed { action, message })
}

/// Whether highwater closed it: it writes that down first.
fn is_ours(closed: &PullRequest) -> bool {
    Marker::read(&closed.body).is_some_and(|marker| marker.ended.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pull_request::{Ended, ForgeKind};
    use jiff::Timestamp;

    fn pull(state: PullState, ended: Option<Ended>) -> PullRequest {
        let marker = Marker {
            automation: "apps/fleet".to_owned(),
            uid: String::new(),
            group: "app".to_owned(),
            version: "v".to_owned(),
            images: Default::default(),
            text: String::new(),
            base: String::new(),
            head: String::new(),
            since: Timestamp::UNIX_EPOCH,
            ended,
        };
        PullRequest {
            number: 7,
            url: "https://forge/7".to_owned(),
            state,
            head_branch: "b".to_owned(),
            head_commit: None,
            base_branch: "main".to_owned(),
            title: String::new(),
            body: marker.write(ForgeKind::Gitea, 4_000),
            labels: Vec::new(),
            draft: false,
            mergeable: None,
            closed_by: Some("jane".to_owned()),
            closed_with_branch: false,
            created: Timestamp::UNIX_EPOCH,
            closed: None,
            merge_commit: None,
        }
    }

    fn told(before: PullRequestState, now: PullRequest) -> Option<(&'static str, String)> {
        let before = PullRequestStatus {
            number: Some(7),
            state: before,
            ..PullRequestStatus::default()
        };
        let noticed = noticed("app", Some(&before), &[now])?;
        Some((noticed.action, noticed.message))
    }

    #[test]
    fn what_a_person_did_is_told_once() {
        use PullRequestState::{Failed, Kept, Open, Skipped};
        for before in [Open, Kept, Failed] {
            let words = "pull request #7 of `app` was merged (https://forge/7)".to_owned();
            let merged = pull(PullState::Merged, None);
            assert_eq!(told(before.clone(), merged), Some(("merged", words)));
            let words = "pull request #7 of `app` was closed by jane (https://forge/7)".to_owned();
            let closed = pull(PullState::Closed, None);
            assert_eq!(told(before.clone(), closed), Some(("closed", words)));
            assert_eq!(told(before, pull(PullState::Open, None)), None);
        }
        assert_eq!(told(Skipped, pull(PullState::Closed, None)), None);
        let again = told(Skipped, pull(PullState::Open, None));
        assert_eq!(again.map(|(action, _)| action), Some("reopened"));
    }

    #[test]
    fn what_highwater_closed_and_what_it_does_not_know_is_no_news() {
        let closed = pull(PullState::Closed, Some(Ended::NotNeeded));
        assert_eq!(told(PullRequestState::Open, closed.clone()), None);
        assert_eq!(noticed("app", None, &[closed]), None);
    }
}
