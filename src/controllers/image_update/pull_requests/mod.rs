//! Proposes what an automation would change, as pull requests on a forge.
//!
//! ```text
//! settings ─▶ survey (Git) ─▶ fetch (forge) ─▶ domain::pull_request::plan ─▶ execute ─▶ report
//! ```
//!
//! Invariants: the forge is looked at on every run, and what counts is what is there; before anything is
//! done, the base is asked for once more, and the policies, so that nothing is decided by a state that never was; what is
//! wrong with one group holds up no other; a few automations at once ask one forge. What is absent: deciding; the domain does.

mod error;
mod execute;
mod fetch;
mod group;
mod known;
mod noticed;
mod origin;
mod places;
mod proposal;
mod report;
mod settings;
mod survey;

use super::ImageUpdates;
use super::execute::Job;
use super::fetch::{Source, policies};
use super::plan::{selections, started};
use super::tell::markers_applied;
use crate::adapters::cluster::events;
use crate::adapters::forge::Forge;
use crate::api::ImageUpdateAutomation;
use crate::api::common::{ImageReference, Time};
use crate::api::image_update_automation::ImageUpdateAutomationStatus;
use crate::api::pull_request::PullRequestSpec;
use crate::controllers::driver::Run;
use crate::controllers::git_remote;
use crate::controllers::report::Report;
use crate::controllers::triggers::pushed;
use crate::domain::git_ref::CommitId;
use crate::domain::outcome::{Outcome, with_causes};
use crate::domain::pull_request::{Images, branch_prefix};
use crate::domain::rewrite::Selections;
use error::ProposeError;
use execute::Done;
use group::Group;
pub(super) use places::Places;
use report::Told;
use settings::Settings;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use survey::Survey;

/// How often it is begun because the base moved meanwhile, or another process was faster.
const ROUNDS: usize = 3;
/// When to look again after the base moved all the time.
const MOVED_SOON: Duration = Duration::from_secs(5);

/// Proposes what `job` would change.
pub(super) async fn propose(
    controller: &ImageUpdates,
    object: &ImageUpdateAutomation,
    run: &Run,
    job: Job,
    source: &Source,
    spec: &PullRequestSpec,
) -> Result<Report<ImageUpdateAutomationStatus>, Outcome> {
    let git = object.spec.git.as_ref();
    let git = git.cloned().unwrap_or_default();
    let url = source.object.spec.url.as_str();
    let settings = settings::settings(&git, spec, url, &job.target.checkout)?;
    settings::check_login(&settings, url, &job.remote)?;
    let _place = controller.forges.take(&settings.repository.api).await;
    let (client, namespace) = (&controller.shared.client, &run.key.namespace);
    let login = fetch::login(client, namespace, &settings, &job.remote).await;
    let login = login.map_err(|error| error.outcome())?;
    let forge = login.connect(settings.repository.clone());
    let forge = forge.map_err(|error| ProposeError::from(error).outcome())?;
    let proposer = Proposer {
        controller,
        object,
        bundles: fetch::bundles(&controller.caches, &job.selections),
        job: Arc::new(job),
        settings: Arc::new(settings),
        login,
        forge,
        url,
    };
    proposer.run().await
}

/// One run.
struct Proposer<'a> {
    controller: &'a ImageUpdates,
    object: &'a ImageUpdateAutomation,
    bundles: BTreeMap<String, String>,
    job: Arc<Job>,
    settings: Arc<Settings>,
    login: fetch::Login,
    forge: Forge,
    url: &'a str,
}

/// What came of all groups.
#[derive(Debug, Default)]
struct Round {
    told: Vec<Told>,
    events: Vec<events::Told>,
    pushed: Option<CommitId>,
    merged: bool,
    look_again: Option<Duration>,
    retry_after: Option<Duration>,
    /// The base moved while it was at work, or another process did the same.
    moved: bool,
    /// Why the forge is not asked on.
    stopped: Option<String>,
}

impl Round {
    /// Takes note of an error; its words.
    fn failed(&mut self, error: &ProposeError) -> String {
        let words = with_causes(error);
        self.retry_after = self.retry_after.max(error.retry_after());
        if error.is_general() {
            self.stopped = Some(words.clone());
        }
        words
    }

    /// Takes note of what was done for a group.
    fn did(&mut self, done: &mut Done) {
        self.events.append(&mut done.told);
        self.pushed = done.pushed.or(self.pushed);
        self.merged |= done.merged;
    }
}

impl Proposer<'_> {
    async fn run(&self) -> Result<Report<ImageUpdateAutomationStatus>, Outcome> {
        let mut events = Vec::new();
        let mut last_pushed = None;
        for round in 1.. {
            let survey = self.survey().await;
            let survey = survey.map_err(|error| self.noted(error).outcome())?;
            let mut done = self.round(&survey, round < ROUNDS).await;
            events.append(&mut done.events);
            last_pushed = done.pushed.or(last_pushed);
            if done.merged {
                pushed(&self.controller.caches, &self.controller.queues, self.url);
            }
            if done.moved && round < ROUNDS && self.is_still_selected() {
                continue;
            }
            if done.moved {
                done.look_again = Some(MOVED_SOON);
            }
            done.events = events;
            done.pushed = last_pushed;
            return Ok(self.report(&survey, done));
        }
        Err(Outcome::failed(
            error::PULL_REQUEST_FAILED,
            "no round was run",
        ))
    }

    /// Whether what is proposed is still what the policies select. Another process may have proposed something newer by now.
    fn is_still_selected(&self) -> bool {
        let (caches, key) = (&self.controller.caches, &self.job.key);
        let policies = policies(caches, self.object, key);
        policies.is_ok_and(|policies| {
            let selections = selections(&key.namespace, &policies);
            observed(&selections) == observed(&self.job.selections)
        })
    }

    /// An error, after which a login that was not accepted is asked for anew where it comes from elsewhere.
    fn noted(&self, error: ProposeError) -> ProposeError {
        if error.is_refused() && self.settings.spec.secret_ref.is_none() {
            git_remote::refused(&self.controller.shared.cloud, &self.job.remote);
        }
        error
    }

    async fn survey(&self) -> Result<Survey, ProposeError> {
        let (job, settings) = (Arc::clone(&self.job), Arc::clone(&self.settings));
        let bundles = self.bundles.clone();
        let before = self.object.status.pull_requests.iter();
        let before = before.map(|status| status.branch.clone());
        let before = before.filter(|branch| !branch.is_empty()).collect();
        let work = move || survey::survey(&job, &settings, &bundles, &before);
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| ProposeError::Interrupted(error.to_string()))?
    }

    /// All groups that there is something to say of: those that propose, those that did, and those that
    /// have a branch.
    fn groups<'s>(&'s self, survey: &'s Survey) -> BTreeMap<String, Group<'s>> {
        let mut groups: BTreeMap<String, Group<'s>> = BTreeMap::new();
        for proposal in &survey.proposals {
            let group = groups.entry(proposal.group.to_string()).or_default();
            group.branches.insert(proposal.wanted.branch.clone());
            group.proposal = Some(proposal);
        }
        for status in &self.object.status.pull_requests {
            let group = groups.entry(status.group.clone()).or_default();
            group
                .branches
                .extend(Some(status.branch.clone()).filter(|name| !name.is_empty()));
            group.before = Some(status);
        }
        let prefix = branch_prefix(&self.job.key);
        let ours = survey
            .heads
            .keys()
            .filter(|_| self.settings.branch.is_none());
        for (branch, name) in
            ours.filter_map(|branch| Some((branch, branch.strip_prefix(&prefix)?)))
        {
            let known = groups.values().any(|group| group.branches.contains(branch));
            if !known {
                let group = groups.entry(name.to_owned()).or_default();
                group.branches.insert(branch.clone());
            }
        }
        for refused in &survey.refused {
            groups.remove(&refused.group);
        }
        groups
    }

    /// `again` when it can be begun again, should somebody else have been faster.
    async fn round(&self, survey: &Survey, again: bool) -> Round {
        let mut round = Round::default();
        for refused in &survey.refused {
            round.told.push(Told {
                group: refused.group.clone(),
                branch: String::new(),
                standing: Err(refused.reason.clone()),
                number: None,
                url: None,
                images: Images::new(),
                built: None,
                noticed: None,
            });
        }
        for (name, group) in self.groups(survey) {
            if let Some(reason) = &round.stopped {
                round.told.push(group.lost(&name, reason.clone()));
                continue;
            }
            let came = self.group(survey, &name, &group, again, &mut round).await;
            match came {
                Ok(Some(told)) => round.told.push(told),
                Ok(None) => {
                    round.moved = true;
                    return round;
                }
                Err(error) => {
                    let words = round.failed(&self.noted(error));
                    round.told.push(group.lost(&name, words));
                }
            }
        }
        round
    }

    fn report(&self, survey: &Survey, round: Round) -> Report<ImageUpdateAutomationStatus> {
        let (object, now) = (self.object, self.job.now);
        let mut status = started(object, now);
        let before = &object.status.pull_requests;
        status.pull_requests = report::statuses(&round.told, before, round.moved, now);
        status.observed_source_revision = Some(survey.revision.clone());
        status.observed_policies = observed(&self.job.selections);
        if let Some(commit) = round.pushed {
            status.last_push_commit = Some(commit.to_string());
            status.last_push_time = Some(Time(now));
        }
        let interval = self.job.target.interval;
        let outcome = report::outcome(&round.told, interval, round.look_again, round.retry_after);
        let mut report = Report::new(status, outcome);
        report.told = round.events;
        self.tell_noticed(&round.told, &mut report);
        report.further = vec![
            report::condition(&round.told),
            markers_applied(&survey.report),
        ];
        let metrics = &self.controller.shared.metrics;
        metrics.updated(if round.pushed.is_some() {
            "changed"
        } else {
            "unchanged"
        });
        report
    }

    /// Tells what people did to pull requests since the last run.
    fn tell_noticed(&self, told: &[Told], report: &mut Report<ImageUpdateAutomationStatus>) {
        for noticed in told.iter().filter_map(|told| told.noticed.as_ref()) {
            self.controller.shared.metrics.pull_request(noticed.action);
            report.told.push(execute::event(noticed.message.clone()));
        }
    }
}

/// The selections as a status has them.
fn observed(selections: &Selections) -> BTreeMap<String, ImageReference> {
    let each = selections.iter().map(|(key, image)| {
        let reference = ImageReference {
            name: image.name.clone(),
            tag: image.tag.clone(),
            digest: image.digest.clone(),
        };
        (key.name.clone(), reference)
    });
    each.collect()
}

/// A report of an automation that proposes nothing, without what it once said of pull requests.
pub(super) fn forget(
    mut report: Report<ImageUpdateAutomationStatus>,
) -> Report<ImageUpdateAutomationStatus> {
    let status = &mut report.status;
    status.pull_requests.clear();
    status
        .conditions
        .retain(|condition| condition.type_ != report::PULL_REQUESTS_CURRENT);
    report
}
