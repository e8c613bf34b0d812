//! What forge and Git say of one group, no more than the plan needs.

use super::error::ProposeError;
use super::group::Group;
use super::survey::Survey;
use super::{Proposer, fetch, survey};
use crate::api::pull_request::PullRequestStatus;
use crate::api::{ImageUpdateAutomation, proposed_again};
use crate::domain::git_ref::CheckoutRef;
use crate::domain::pull_request::{
    Head, Identity, Known, Marker, Owner, PullRequest, PullState, Rebuild, Record, judge,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Proposer<'_> {
    /// Whether the base is still where it was surveyed.
    pub(super) async fn stands_still(&self, survey: &Survey) -> Result<bool, ProposeError> {
        let job = Arc::clone(&self.job);
        let base = CheckoutRef::Branch(self.settings.base_branch.clone());
        let work = move || job.git.remote_head(&job.remote, &base);
        let head = tokio::task::spawn_blocking(work).await;
        let head = head.map_err(|error| ProposeError::Interrupted(error.to_string()))??;
        Ok(head == survey.tip.commit())
    }

    /// What forge and Git say of a group.
    pub(super) async fn known(
        &self,
        survey: &Survey,
        group: &Group<'_>,
    ) -> Result<Known, ProposeError> {
        let number = group.before.and_then(|before| before.number);
        let number = number.and_then(|number| u64::try_from(number).ok());
        let pull_requests = fetch::pull_requests(
            &self.forge,
            &self.job.key,
            &self.settings.base_branch,
            &group.branches,
            &number.into_iter().collect(),
        )
        .await?;
        let mut records: Vec<Record> = pull_requests
            .iter()
            .filter_map(|pull| Some(Record::of(pull.number, &Marker::read(&pull.body)?)))
            .collect();
        records.extend(group.before.and_then(recorded));
        let heads = self.heads(survey, group, &records).await?;
        let mut known = Known {
            pull_requests,
            heads,
            records,
            base: survey.tip.commit().to_string(),
            checks: None,
            lifted: lifted(self.object),
        };
        self.look_closer(group, &mut known).await?;
        Ok(known)
    }

    async fn heads(
        &self,
        survey: &Survey,
        group: &Group<'_>,
        records: &[Record],
    ) -> Result<BTreeMap<String, Head>, ProposeError> {
        let identity = Identity {
            email: self.job.target.author_email.clone(),
        };
        let mut heads = BTreeMap::new();
        for branch in &group.branches {
            let Some(listed) = survey.heads.get(branch) else {
                continue;
            };
            let mut head = judge(listed, records, None, &identity);
            if head.owner != Owner::Ours {
                let (job, name) = (Arc::clone(&self.job), branch.clone());
                let (base, who) = (survey.tip.commit(), identity.clone());
                let work = move || survey::head_commit(&job, &name, base, &who);
                let found = tokio::task::spawn_blocking(work).await;
                let found =
                    found.map_err(|error| ProposeError::Interrupted(error.to_string()))??;
                let Some((commit, facts)) = found else {
                    continue;
                };
                head = judge(&commit, records, Some(&facts), &identity);
            }
            heads.insert(branch.clone(), head);
        }
        Ok(heads)
    }

    /// Asks for what only some plans need: whether the open one can be merged, and its checks.
    async fn look_closer(&self, group: &Group<'_>, known: &mut Known) -> Result<(), ProposeError> {
        let rules = &self.settings.rules;
        let Some(branch) = group.proposal.map(|proposal| &proposal.wanted.branch) else {
            return Ok(());
        };
        let needed = rules.auto_merge.is_some() || rules.rebuild == Rebuild::Conflicting;
        let on_branch =
            |pull: &&mut PullRequest| pull.state == PullState::Open && pull.head_branch == *branch;
        let Some(open) = known
            .pull_requests
            .iter_mut()
            .find(on_branch)
            .filter(|_| needed)
        else {
            return Ok(());
        };
        if open.mergeable.is_none() {
            open.mergeable = self.forge.get(open.number).await?.mergeable;
        }
        if rules.auto_merge.is_some()
            && let Some(head) = known.heads.get(branch)
        {
            known.checks = Some(self.forge.checks(&head.commit).await?);
        }
        Ok(())
    }
}

/// What a status wrote down about a push.
fn recorded(status: &PullRequestStatus) -> Option<Record> {
    Some(Record {
        number: status.number.and_then(|number| u64::try_from(number).ok()),
        head: status.commit.clone()?,
        base: status.base_commit.clone()?,
        version: status.version.clone(),
    })
}

/// The numbers of those that a person wants proposed again.
fn lifted(object: &ImageUpdateAutomation) -> BTreeSet<u64> {
    let written = proposed_again(object).unwrap_or_default();
    let numbers = written
        .split(',')
        .map(|number| number.trim().trim_start_matches('#'));
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::PROPOSE_AGAIN;
    use kube::ResourceExt;

    #[test]
    fn numbers_to_propose_again_are_read_as_people_write_them() {
        let mut object = ImageUpdateAutomation::default();
        assert_eq!(lifted(&object), BTreeSet::new());
        object
            .annotations_mut()
            .insert(PROPOSE_AGAIN.to_owned(), "3, #12,x,".to_owned());
        assert_eq!(lifted(&object), BTreeSet::from([3, 12]));
    }

    #[test]
    fn a_status_without_a_push_records_none() {
        let mut status = PullRequestStatus {
            number: Some(3),
            version: "v".to_owned(),
            ..PullRequestStatus::default()
        };
        assert_eq!(recorded(&status), None);
        status.commit = Some("a".to_owned());
        status.base_commit = Some("b".to_owned());
        let record = recorded(&status).expect("there was a push");
        assert_eq!(
            (record.number, record.head.as_str(), record.base.as_str()),
            (Some(3), "a", "b")
        );
    }
}
