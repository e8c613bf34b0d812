//! Does the steps of a plan, one after the other.

use super::error::ProposeError;
use super::proposal::{Proposal, text};
use super::settings::Settings;
use crate::adapters::cluster::events::Told;
use crate::adapters::forge::Forge;
use crate::adapters::git::{
    Author, CommitPlan, Force, GitCache, GitError, Push, PushError, Remote, Snapshot,
};
use crate::adapters::metrics::Metrics;
use crate::controllers::image_update::execute::Job;
use crate::domain::git_ref::{CheckoutRef, CommitId};
use crate::domain::outcome::reason;
use crate::domain::pull_request::{
    Ended, ImageChange, Marker, PullRequest, PullRequestDraft, PullRequestEdit, Step, version,
};
use jiff::Timestamp;
use std::sync::Arc;

/// The most bytes a marker may have where the forge takes short bodies.
const SHARE_OF_MARKER: usize = 4;

/// What the steps of one group are done with.
pub(super) struct Executor<'a> {
    pub(super) job: &'a Arc<Job>,
    pub(super) settings: &'a Settings,
    pub(super) forge: &'a Forge,
    pub(super) metrics: &'a Metrics,
    /// The automation's uid.
    pub(super) uid: &'a str,
    /// The files of the base.
    pub(super) tip: &'a Snapshot,
    pub(super) group: &'a str,
    pub(super) proposal: Option<&'a Proposal>,
    /// What there is of the group.
    pub(super) pull_requests: &'a [PullRequest],
    /// The images with all that is known of them. Only looked at when a text is written.
    pub(super) images: Vec<ImageChange>,
    /// What has come of it.
    pub(super) done: Done,
}

/// What has come of the steps.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The head of the branch, if it is ours.
    pub(super) head: Option<String>,
    /// The commit that was pushed, and its message.
    pub(super) pushed: Option<CommitId>,
    /// The pull request, if one was opened.
    pub(super) opened: Option<(u64, String)>,
    /// Whether one was merged.
    pub(super) merged: bool,
    /// What is worth telling.
    pub(super) told: Vec<Told>,
}

impl Executor<'_> {
    pub(super) async fn run(&mut self, steps: &[Step]) -> Result<(), ProposeError> {
        for step in steps {
            self.step(step).await?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), ProposeError> {
        match step {
            Step::Push { branch, replaces } => self.push(branch, replaces.as_deref()).await,
            Step::Create => self.create().await,
            Step::Edit {
                number,
                text,
                base_branch,
                since,
            } => self.edit(*number, *text, base_branch.clone(), *since).await,
            Step::Close { number, why, say } => self.close(*number, *why, *say).await,
            Step::Reopen { number } => {
                self.forge.reopen(*number).await?;
                self.tell("reopened", *number);
                Ok(())
            }
            Step::Merge {
                number,
                head,
                method,
            } => {
                self.forge.merge(*number, *method, head).await?;
                self.done.merged = true;
                self.tell("merged", *number);
                Ok(())
            }
            Step::DeleteBranch { branch, head } => {
                Ok(self.forge.delete_branch(branch, head).await?)
            }
        }
    }

    fn found(&self, number: u64) -> Option<&PullRequest> {
        self.pull_requests.iter().find(|pull| pull.number == number)
    }

    fn tell(&mut self, what: &'static str, number: u64) {
        self.metrics.pull_request(what);
        let opened = self
            .done
            .opened
            .as_ref()
            .filter(|(opened, _)| *opened == number);
        let found = self.found(number).map(|pull| pull.url.clone());
        let url = opened.map(|(_, url)| url.clone()).or(found);
        let url = url.map(|url| format!(" ({url})")).unwrap_or_default();
        self.say(format!(
            "{what} pull request #{number} of `{}`{url}",
            self.group
        ));
    }

    fn say(&mut self, message: String) {
        self.done.told.push(event(message));
    }

    fn count(&self, pushed: &Result<CommitId, ProposeError>) {
        match pushed {
            Ok(_) => {
                self.metrics.pushed("success", 1);
                self.metrics.committed(1);
            }
            Err(error) => {
                self.metrics.pushed("error", 1);
                self.metrics.raced(u32::from(error.is_race()));
            }
        }
    }

    async fn push(&mut self, branch: &str, replaces: Option<&str>) -> Result<(), ProposeError> {
        let Some(proposal) = self.proposal else {
            return Ok(());
        };
        let target = &self.job.target;
        let message = self.job.message(&proposal.edits.report)?;
        let plan = CommitPlan {
            edits: proposal.edits.files.clone(),
            author: Author {
                name: target.author_name.clone(),
                email: target.author_email.clone(),
            },
            message: message.clone(),
            at: self.job.now,
            signer: target.signer.clone(),
        };
        let (job, tip) = (Arc::clone(self.job), self.tip.clone());
        let (name, expected) = (
            branch.to_owned(),
            replaces.and_then(|head| head.parse().ok()),
        );
        let work = move || replace(&job, &tip, &plan, &name, expected);
        let pushed = tokio::task::spawn_blocking(work).await;
        let pushed = pushed.map_err(|error| ProposeError::Interrupted(error.to_string()))?;
        self.count(&pushed);
        let commit = pushed?;
        self.done.head = Some(commit.to_string());
        self.done.pushed = Some(commit);
        let short = &commit.to_string()[..7];
        self.say(format!(
            "pushed commit '{short}' to branch '{branch}'\n{message}"
        ));
        Ok(())
    }

    async fn create(&mut self) -> Result<(), ProposeError> {
        let Some(proposal) = self.proposal else {
            return Ok(());
        };
        let spec = &self.settings.spec;
        let marker = self.marker(proposal, self.job.now);
        let draft = PullRequestDraft {
            head_branch: proposal.wanted.branch.clone(),
            base_branch: proposal.wanted.base_branch.clone(),
            title: proposal.title.clone(),
            body: self.body(proposal, &marker)?,
            labels: spec.labels.clone(),
            reviewers: spec.reviewers.clone(),
            assignees: spec.assignees.clone(),
            milestone: spec.milestone.clone(),
            draft: spec.draft,
        };
        let created = self.forge.create(&draft).await?;
        let pull = created.pull_request;
        self.done.opened = Some((pull.number, pull.url));
        self.tell("opened", pull.number);
        for warning in created.warnings {
            self.say(format!("pull request #{}: {warning}", pull.number));
        }
        Ok(())
    }

    async fn edit(
        &mut self,
        number: u64,
        says_more: bool,
        base_branch: Option<String>,
        since: Timestamp,
    ) -> Result<(), ProposeError> {
        let (Some(proposal), Some(open)) = (self.proposal, self.found(number)) else {
            return Ok(());
        };
        let marker = self.marker(proposal, since);
        let body = match says_more {
            true => self.body(proposal, &marker)?,
            false => self.with_marker(&Marker::strip(&open.body), &marker),
        };
        let edit = PullRequestEdit {
            title: says_more.then(|| proposal.title.clone()),
            body: Some(body),
            base_branch,
            labels: None,
        };
        self.forge.edit(number, &edit).await?;
        self.tell(if says_more { "updated" } else { "rebuilt" }, number);
        Ok(())
    }

    async fn close(&mut self, number: u64, why: Ended, say: bool) -> Result<(), ProposeError> {
        let Some(pull) = self.found(number).cloned() else {
            return Ok(());
        };
        if say {
            self.forge.comment(number, &self.last_words(why)).await?;
            // Written down before it is closed: a closed one without it was closed by a person.
            let marker = Marker::read(&pull.body).unwrap_or_else(|| self.blank_marker());
            let marker = Marker {
                ended: Some(why),
                ..marker
            };
            let edit = PullRequestEdit {
                body: Some(self.with_marker(&Marker::strip(&pull.body), &marker)),
                ..PullRequestEdit::default()
            };
            self.forge.edit(number, &edit).await?;
        }
        self.forge.close(number).await?;
        self.tell("closed", number);
        Ok(())
    }

    fn last_words(&self, why: Ended) -> String {
        let opened = self.done.opened.as_ref().map(|(number, _)| *number);
        match (why, opened) {
            (Ended::Superseded, Some(number)) => {
                format!("Superseded by #{number}, which proposes what is selected now.")
            }
            (Ended::Superseded, None) => {
                "Superseded by another pull request, which proposes what is selected now."
                    .to_owned()
            }
            (Ended::NotNeeded, _) => {
                "Not needed any more: the base has this already, or it is not selected any more."
                    .to_owned()
            }
        }
    }

    fn marker(&self, proposal: &Proposal, since: Timestamp) -> Marker {
        Marker {
            version: version(&proposal.wanted.images),
            images: Marker::digests(&proposal.wanted.images),
            text: proposal.wanted.text.clone(),
            base: self.tip.commit().to_string(),
            head: self.done.head.clone().unwrap_or_default(),
            since,
            ..self.blank_marker()
        }
    }

    fn blank_marker(&self) -> Marker {
        Marker {
            automation: self.job.key.to_string(),
            uid: self.uid.to_owned(),
            group: self.group.to_owned(),
            version: String::new(),
            images: Default::default(),
            text: String::new(),
            base: String::new(),
            head: String::new(),
            since: self.job.now,
            ended: None,
        }
    }

    fn body(&self, proposal: &Proposal, marker: &Marker) -> Result<String, ProposeError> {
        let marker = self.hidden(marker);
        let longest = self.forge.longest_body().saturating_sub(marker.len() + 2);
        let text = text(
            &self.job.key,
            self.settings,
            proposal,
            &self.images,
            longest,
        )?;
        Ok(format!("{}\n\n{marker}", text.trim_end()))
    }

    fn hidden(&self, marker: &Marker) -> String {
        let longest = self.forge.longest_body() / SHARE_OF_MARKER;
        marker.write(self.settings.repository.kind, longest)
    }

    fn with_marker(&self, text: &str, marker: &Marker) -> String {
        let marker = self.hidden(marker);
        let mut end = self.forge.longest_body().saturating_sub(marker.len() + 2);
        end = end.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}\n\n{marker}", text[..end].trim_end())
    }
}

/// An event that tells of nothing bad.
pub(super) fn event(message: String) -> Told {
    Told {
        warning: false,
        reason: reason::SUCCEEDED.to_owned(),
        message,
        metadata: Default::default(),
    }
}

/// Applies the changes to the base, and lets the branch be that. Blocking.
fn replace(
    job: &Job,
    tip: &Snapshot,
    plan: &CommitPlan,
    branch: &str,
    expected: Option<CommitId>,
) -> Result<CommitId, ProposeError> {
    let next = tip.commit_on_top(plan)?.ok_or_else(|| GitError::Edit {
        path: branch.to_owned(),
        reason: "the changes change nothing".to_owned(),
    })?;
    let reference = format!("refs/heads/{branch}");
    // Compare-and-swap: the server replaces the head that was looked at and no other.
    let push = Push {
        reference: &reference,
        expected,
        force: Force::Never,
        options: &job.target.push_options,
    };
    match job.git.push(&job.remote, &next, &push) {
        Ok(pushed) => Ok(pushed.commit),
        Err(PushError::Unknown { .. }) if has(&job.git, &job.remote, branch, next.commit()) => {
            Ok(next.commit())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a push whose answer was lost has arrived.
fn has(git: &GitCache, remote: &Remote, branch: &str, commit: CommitId) -> bool {
    let head = git.remote_head(remote, &CheckoutRef::Branch(branch.to_owned()));
    head.is_ok_and(|head| head == commit)
}
