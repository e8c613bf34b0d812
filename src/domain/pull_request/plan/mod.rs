//! What is to be done about the pull request of one group, from what is wanted and what is there.
//!
//! Invariants: doing the steps and planning again gives none; a branch is pushed to only while its head
//! is ours or it does not exist; a pull request is opened only when the group has none open on that
//! branch, and right after a push to it: of several processes that want the same, the push lets one
//! through, since not every forge refuses a second one; what a person closed stays closed until something newer is wanted, or the person says so.

mod step;

pub use step::{AutoMerge, Decision, Known, Rebuild, Rules, Standing, Step, Waiting, Wanted};

use crate::domain::pull_request::forge::{Checks, PullRequest, PullState};
use crate::domain::pull_request::group::version;
use crate::domain::pull_request::marker::{Ended, Marker};
use crate::domain::pull_request::ownership::{Head, Owner};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// How soon checks that are under way are looked at again.
const CHECKS_SOON: Duration = Duration::from_secs(60);
/// How long a branch that was just pushed is left to the process that pushed it, to open its pull request: what that may take.
const OPENING: Duration = Duration::from_secs(60);
/// How late Gitea may take note of a deleted branch.
const LATE: Duration = Duration::from_secs(300);
/// How soon after a merge, which moves the base for all the others.
const MERGED_SOON: Duration = Duration::from_secs(2);

/// Decides. Everything in `known` belongs to the one group that `wanted` is of; without `wanted`, there
/// is nothing that the group would change.
pub fn plan(wanted: Option<&Wanted>, known: &Known, rules: &Rules, now: Timestamp) -> Decision {
    match wanted {
        Some(wanted) => Planner {
            wanted,
            known,
            rules,
            now,
        }
        .decide(),
        None => without(known),
    }
}

/// Nothing is wanted: what is open is closed, and branches go.
fn without(known: &Known) -> Decision {
    let mut steps = Vec::new();
    let mut standing = Standing::Nothing;
    let mut number = None;
    let mut kept = BTreeSet::new();
    for open in known.pull_requests.iter().filter(is_open) {
        match known.head(&open.head_branch) {
            Some(Head {
                owner: Owner::Other(author),
                ..
            }) => {
                kept.insert(open.head_branch.as_str());
                number = Some(open.number);
                standing = Standing::Kept {
                    branch: open.head_branch.clone(),
                    author: author.clone(),
                    current: false,
                };
            }
            _ => steps.push(close(open, Ended::NotNeeded)),
        }
    }
    steps.extend(known.heads.iter().filter_map(|(branch, head)| {
        let ours = head.owner == Owner::Ours && !kept.contains(branch.as_str());
        ours.then(|| delete(branch, head))
    }));
    Decision {
        steps,
        standing,
        number,
        look_again: None,
    }
}

fn is_open(pull: &&PullRequest) -> bool {
    pull.state == PullState::Open
}

/// Whether it was closed soon after it was opened: what a forge notes late happened before. A person who
/// deletes a branch and restores it is hardly ever as fast.
fn is_soon(pull: &PullRequest) -> bool {
    let open_for = |closed: Timestamp| closed.duration_since(pull.created);
    let lag = SignedDuration::try_from(LATE).unwrap_or(SignedDuration::ZERO);
    pull.closed.is_some_and(|closed| open_for(closed) <= lag)
}

fn close(pull: &PullRequest, why: Ended) -> Step {
    let said = Marker::read(&pull.body).and_then(|marker| marker.ended);
    Step::Close {
        number: pull.number,
        why,
        say: said.is_none(),
    }
}

fn delete(branch: &str, head: &Head) -> Step {
    Step::DeleteBranch {
        branch: branch.to_owned(),
        head: head.commit.clone(),
    }
}

struct Planner<'a> {
    wanted: &'a Wanted,
    known: &'a Known,
    rules: &'a Rules,
    now: Timestamp,
}

impl Planner<'_> {
    fn decide(&self) -> Decision {
        let open = self.open();
        if open.is_none()
            && let Some(skipped) = self.skipped()
        {
            return skipped;
        }
        let branch = &self.wanted.branch;
        let head = self.known.head(branch);
        if let Some(Head {
            owner: Owner::Other(author),
            commit,
            ..
        }) = head
        {
            return self.kept(open, author, commit);
        }
        if let (None, Some(left)) = (open, self.being_opened(head)) {
            return Decision {
                steps: Vec::new(),
                standing: Standing::Nothing,
                number: None,
                look_again: Some(left),
            };
        }
        let pushes = open.is_none() || self.pushes(open, head);
        let mut decision = match open {
            None => self.create(),
            Some(open) if pushes => self.update(open, true),
            Some(open) => self.keep(open, head),
        };
        if pushes {
            let push = Step::Push {
                branch: branch.clone(),
                replaces: head.map(|head| head.commit.clone()),
            };
            decision.steps.insert(0, push);
        }
        if let Some(closed) = open.filter(|open| open.state == PullState::Closed) {
            // Before the push: it is known by its head.
            let number = closed.number;
            decision.steps.insert(0, Step::Reopen { number });
        }
        decision.steps.extend(self.superseded());
        decision
    }

    /// The open pull request on the wanted branch. A forge has at most one of a branch and a base; of
    /// several bases the newest counts. One that is closed by mistake counts as open.
    fn open(&self) -> Option<&PullRequest> {
        let on_branch = |pull: &&PullRequest| pull.head_branch == self.wanted.branch;
        let mut open = self.known.pull_requests.iter().filter(is_open);
        open.find(on_branch).or_else(|| self.closed_by_mistake())
    }

    /// The one that the forge closed when it took note that an earlier branch of its name was deleted:
    /// its own is there, as it was pushed for it. A person who deletes a branch leaves none.
    fn closed_by_mistake(&self) -> Option<&PullRequest> {
        let head = self.known.head(&self.wanted.branch);
        let head = head.filter(|head| head.owner == Owner::Ours)?;
        self.known.pull_requests.iter().find(|pull| {
            pull.state == PullState::Closed
                && pull.closed_with_branch
                && is_soon(pull)
                && pull.head_branch == self.wanted.branch
                && Marker::read(&pull.body)
                    .is_some_and(|marker| marker.ended.is_none() && marker.head == head.commit)
        })
    }

    /// Whether a person closed what is wanted.
    fn skipped(&self) -> Option<Decision> {
        let closed = self.known.pull_requests.iter().find(|pull| {
            pull.state == PullState::Closed
                && !self.known.lifted.contains(&pull.number)
                && self.was_refused(pull)
        })?;
        Some(Decision {
            steps: Vec::new(),
            standing: Standing::Skipped {
                number: closed.number,
                by: closed.closed_by.clone(),
            },
            number: Some(closed.number),
            look_again: None,
        })
    }

    /// Whether a closed pull request proposed what is wanted, and it was not us who closed it.
    fn was_refused(&self, closed: &PullRequest) -> bool {
        match Marker::read(&closed.body) {
            Some(marker) => marker.ended.is_none() && marker.covers(&self.wanted.images),
            // Somebody took the marker out of the body.
            None => {
                let wanted = version(&self.wanted.images);
                let mut records = self.known.records.iter();
                records
                    .any(|record| record.number == Some(closed.number) && record.version == wanted)
            }
        }
    }

    fn kept(&self, open: Option<&PullRequest>, author: &str, commit: &str) -> Decision {
        let marker = open.and_then(|open| Marker::read(&open.body));
        let current = marker.is_some_and(|marker| marker.version == version(&self.wanted.images));
        let branch = self.wanted.branch.clone();
        let author = match author {
            "" => commit.to_owned(),
            author => author.to_owned(),
        };
        Decision {
            steps: Vec::new(),
            standing: Standing::Kept {
                branch,
                author,
                current,
            },
            number: open.map(|open| open.number),
            look_again: None,
        }
    }

    /// What is left of the time in which another process may open the pull request of a branch that it pushed. One that died meanwhile
    /// leaves the same traces: a head of ours that is written down nowhere.
    fn being_opened(&self, head: Option<&Head>) -> Option<Duration> {
        let head = head.filter(|head| self.known.record(&head.commit).is_none())?;
        // Nobody waits for a clock that is far ahead.
        let near = |made: &Timestamp| {
            Duration::try_from(made.duration_since(self.now)).is_ok_and(|ahead| ahead <= OPENING)
                || *made <= self.now
        };
        let left = remaining(head.made.filter(near)?, OPENING, self.now);
        (!left.is_zero()).then_some(left)
    }

    /// Whether the branch is not what is wanted.
    fn pushes(&self, open: Option<&PullRequest>, head: Option<&Head>) -> bool {
        let Some(record) = head.and_then(|head| self.known.record(&head.commit)) else {
            return true;
        };
        if record.version != version(&self.wanted.images) {
            return true;
        }
        let behind = record.base != self.known.base;
        match (self.rules.rebuild, open) {
            (Rebuild::Conflicting, Some(open)) => behind && open.mergeable == Some(false),
            _ => behind,
        }
    }

    fn create(&self) -> Decision {
        Decision {
            steps: vec![Step::Create],
            standing: Standing::Open(None),
            number: None,
            look_again: self.due(self.now),
        }
    }

    /// The open one says what is true now.
    fn update(&self, open: &PullRequest, pushed: bool) -> Decision {
        let marker = Marker::read(&open.body);
        let wanted = version(&self.wanted.images);
        let since = marker
            .as_ref()
            .filter(|marker| marker.version == wanted)
            .map_or(self.now, |marker| marker.since);
        let text = marker
            .as_ref()
            .is_none_or(|marker| marker.text != self.wanted.text);
        let base = &self.wanted.base_branch;
        let moved = (open.base_branch != *base).then(|| base.clone());
        let right = |marker: &Marker| {
            let head = self.known.head(&self.wanted.branch);
            marker.ended.is_none()
                && marker.version == wanted
                && head.is_some_and(|head| head.commit == marker.head)
        };
        let edit = Step::Edit {
            number: open.number,
            text,
            base_branch: moved.clone(),
            since,
        };
        let needed = pushed || text || moved.is_some() || !marker.as_ref().is_some_and(right);
        Decision {
            steps: if needed { vec![edit] } else { Vec::new() },
            standing: Standing::Open(None),
            number: Some(open.number),
            look_again: self.due(since),
        }
    }

    /// The branch of the open one is right.
    fn keep(&self, open: &PullRequest, head: Option<&Head>) -> Decision {
        let mut decision = self.update(open, false);
        let (Some(rule), Some(head)) = (self.rules.auto_merge, head) else {
            return decision;
        };
        if !decision.steps.is_empty() || !is_open(&open) {
            return decision;
        }
        let since = Marker::read(&open.body).map_or(self.now, |marker| marker.since);
        match self.waits(open, &rule, since) {
            Some(waiting) => {
                decision.look_again = match waiting {
                    Waiting::Age(left) => Some(left),
                    Waiting::Checks | Waiting::NoChecks => Some(CHECKS_SOON),
                    _ => None,
                };
                decision.standing = Standing::Open(Some(waiting));
            }
            None => {
                decision.steps = vec![
                    Step::Merge {
                        number: open.number,
                        head: head.commit.clone(),
                        method: rule.method,
                    },
                    delete(&self.wanted.branch, head),
                ];
                decision.standing = Standing::Merged;
                decision.look_again = Some(MERGED_SOON);
            }
        }
        decision
    }

    /// Why it does not merge yet.
    fn waits(&self, open: &PullRequest, rule: &AutoMerge, since: Timestamp) -> Option<Waiting> {
        let left = remaining(since, rule.after, self.now);
        match self.known.checks.unwrap_or(Checks::Pending) {
            _ if open.draft => Some(Waiting::Draft),
            _ if open.mergeable == Some(false) => Some(Waiting::Conflict),
            Checks::Failed => Some(Waiting::Failed),
            _ if !left.is_zero() => Some(Waiting::Age(left)),
            Checks::Pending => Some(Waiting::Checks),
            Checks::None if rule.checks => Some(Waiting::NoChecks),
            Checks::None | Checks::Passed => None,
        }
    }

    /// When one that was just pushed may merge.
    fn due(&self, since: Timestamp) -> Option<Duration> {
        let rule = self.rules.auto_merge?;
        let left = remaining(since, rule.after, self.now);
        Some(left.max(CHECKS_SOON))
    }

    /// The group's pull requests on other branches give way, and branches without one go.
    fn superseded(&self) -> Vec<Step> {
        let elsewhere = |branch: &str| branch != self.wanted.branch;
        let others = self.known.pull_requests.iter().filter(is_open);
        let others = others.filter(|pull| elsewhere(&pull.head_branch));
        let ours = |head: &Head| head.owner == Owner::Ours;
        let closing: Vec<Step> = others
            .filter(|pull| self.known.head(&pull.head_branch).is_none_or(ours))
            .map(|pull| close(pull, Ended::Superseded))
            .collect();
        let heads = self.known.heads.iter();
        let branches = heads.filter(|(branch, head)| elsewhere(branch) && ours(head));
        let deleting = branches.map(|(branch, head)| delete(branch, head));
        closing.into_iter().chain(deleting).collect()
    }
}

/// What is left of `after` since a time.
fn remaining(since: Timestamp, after: Duration, now: Timestamp) -> Duration {
    let age = now.duration_since(since).max(jiff::SignedDuration::ZERO);
    after.saturating_sub(age.unsigned_abs())
}

#[cfg(test)]
mod tests;
