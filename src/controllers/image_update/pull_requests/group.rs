//! One group: from what is wanted and what is there to what came of it.

use super::error::ProposeError;
use super::execute::{Done, Executor};
use super::noticed::noticed;
use super::proposal::Proposal;
use super::report::Told;
use super::survey::Survey;
use super::{Proposer, Round};
use crate::api::pull_request::PullRequestStatus;
use crate::domain::pull_request::{Decision, Known, Owner, Record, Step, plan, version};
use std::collections::BTreeSet;

/// What is known of a group before the forge is asked.
#[derive(Debug, Default)]
pub(super) struct Group<'s> {
    pub(super) proposal: Option<&'s Proposal>,
    pub(super) branches: BTreeSet<String>,
    /// What the status says of it.
    pub(super) before: Option<&'s PullRequestStatus>,
}

impl Group<'_> {
    /// The branch it proposes from, or did.
    fn branch(&self) -> String {
        let wanted = self.proposal.map(|proposal| proposal.wanted.branch.clone());
        let before = || self.branches.first().cloned();
        wanted.or_else(before).unwrap_or_default()
    }

    /// Nothing new is known of it.
    pub(super) fn lost(&self, name: &str, reason: String) -> Told {
        let wanted = self.proposal.map(|proposal| &proposal.wanted);
        Told {
            group: name.to_owned(),
            branch: self.branch(),
            standing: Err(reason),
            number: None,
            url: None,
            images: wanted
                .map(|wanted| wanted.images.clone())
                .unwrap_or_default(),
            built: None,
            noticed: None,
        }
    }
}

impl Proposer<'_> {
    /// Brings one group to what is wanted; `None` when the base moved, so that it has to be begun again. Where that can be done
    /// `again`, it is also begun again when another process was faster: what that one did is there to be found.
    pub(super) async fn group(
        &self,
        survey: &Survey,
        name: &str,
        group: &Group<'_>,
        again: bool,
        round: &mut Round,
    ) -> Result<Option<Told>, ProposeError> {
        let known = self.known(survey, group).await?;
        let wanted = group.proposal.map(|proposal| &proposal.wanted);
        let decision = plan(wanted, &known, &self.settings.rules, self.job.now);
        if !decision.steps.is_empty() {
            let is_current = self.is_still_selected() && self.stands_still(survey).await?;
            if !is_current {
                return Ok(None);
            }
        }
        let head = wanted.and_then(|wanted| known.heads.get(&wanted.branch));
        let head = head.filter(|head| head.owner == Owner::Ours);
        let mut executor = Executor {
            job: &self.job,
            settings: &self.settings,
            forge: &self.forge,
            metrics: &self.controller.shared.metrics,
            uid: self.object.metadata.uid.as_deref().unwrap_or_default(),
            tip: &survey.tip,
            group: name,
            proposal: group.proposal,
            pull_requests: &known.pull_requests,
            images: self.images(group.proposal, &decision.steps).await,
            done: Done {
                head: head.map(|head| head.commit.clone()),
                ..Done::default()
            },
        };
        let ran = executor.run(&decision.steps).await;
        let mut done = std::mem::take(&mut executor.done);
        // What was done before something failed is done all the same.
        round.did(&mut done);
        if again && ran.as_ref().is_err_and(ProposeError::is_race) {
            return Ok(None);
        }
        let failed = ran.err().map(|error| round.failed(&self.noted(error)));
        Ok(Some(told(
            name, group, &known, decision, done, failed, round,
        )))
    }
}

/// What came of a group, and what of it concerns the whole round.
fn told(
    name: &str,
    group: &Group<'_>,
    known: &Known,
    decision: Decision,
    done: Done,
    failed: Option<String>,
    round: &mut Round,
) -> Told {
    let soon = round.look_again.into_iter().chain(decision.look_again);
    round.look_again = soon.min();
    let wanted = group.proposal.map(|proposal| &proposal.wanted);
    let opened = done.opened.as_ref().map(|(number, _)| *number);
    let number = opened.or(decision.number);
    let mut found = known.pull_requests.iter();
    let found = found.find(|pull| Some(pull.number) == number);
    let built = done.head.and_then(|head| match (done.pushed, wanted) {
        (Some(_), Some(wanted)) => Some(Record {
            number,
            head,
            base: known.base.clone(),
            version: version(&wanted.images),
        }),
        _ => {
            let mut records = known.records.iter();
            records.find(|record| record.head == head).cloned()
        }
    });
    let url = done.opened.map(|(_, url)| url);
    // What the forge closed by mistake is no doing of a person.
    let mut steps = decision.steps.iter();
    let mistake = steps.any(|step| matches!(step, Step::Reopen { .. }));
    let noticed = noticed(name, group.before, &known.pull_requests);
    Told {
        group: name.to_owned(),
        branch: group.branch(),
        noticed: noticed.filter(|_| failed.is_none() && !mistake),
        standing: failed.map_or(Ok(decision.standing), Err),
        number,
        url: url.or(found.map(|pull| pull.url.clone())),
        images: wanted
            .map(|wanted| wanted.images.clone())
            .unwrap_or_default(),
        built,
    }
}
