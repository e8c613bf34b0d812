//! GitHub and GitHub Enterprise, through octocrab.
//!
//! octocrab knows the routes and the shapes of pull requests and issues; each of its requests goes through the client of all forges,
//! which bounds it, holds the credential and says what went wrong. What is absent: octocrab's own connections, redirects, retries and
//! logins, which know none of those bounds.

mod answers;
mod wire;

use crate::adapters::forge::commit::Commit;
use crate::adapters::forge::error::{ErrorClass, ForgeError};
use crate::adapters::forge::http::{Http, below};
use crate::adapters::forge::{Created, MOST_COMMITS, newest_closed, note, together};
use crate::domain::pull_request::forge::{
    Checks, ComparedCommit, MergeMethod, PullRequest, PullRequestDraft, PullRequestEdit, PullState,
};
use answers::{Comparison, Issue, Milestone, Ref, Run, Runs, Statuses, told};
use octocrab::models::pulls::PullRequest as Pull;
use octocrab::params::pulls::{MergeMethod as Method, Sort, State};
use octocrab::params::repos::Reference;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use serde::de::IgnoredAny;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use wire::Wire;

/// Most pages of check runs, a hundred each.
const MOST_PAGES: u32 = 5;

pub(super) struct GitHub {
    http: Arc<Http>,
    client: Octocrab,
    owner: String,
    name: String,
}

impl GitHub {
    pub(super) fn new(http: Http) -> Result<Self, ForgeError> {
        let plain = |part: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            part.bytes().all(plain)
        };
        let parts = http.repository.path.split_once('/');
        let Some((owner, name)) = parts.filter(|(owner, name)| plain(owner) && plain(name)) else {
            return Err(http.error("connect", ErrorClass::Refused, "expected `owner/name`"));
        };
        let (owner, name) = (owner.to_owned(), name.to_owned());
        let http = Arc::new(http);
        let built = OctocrabBuilder::new_empty()
            .with_service(Wire(http.clone()))
            .with_auth(AuthState::None)
            .build();
        let Ok(client): Result<Octocrab, Infallible> = built;
        Ok(Self {
            http,
            client,
            owner,
            name,
        })
    }

    /// A route below the repository's.
    fn route(&self, rest: &str) -> String {
        format!("/repos/{}/{}/{rest}", self.owner, self.name)
    }

    pub(super) async fn find(
        &self,
        head: &str,
        base: &str,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let pulls = self.client.pulls(&self.owner, &self.name);
        let listed = pulls
            .list()
            .state(octocrab::params::State::All)
            .head(format!("{}:{head}", self.owner))
            .base(base)
            .sort(Sort::Created)
            .direction(octocrab::params::Direction::Descending)
            .per_page(100)
            .send()
            .await;
        let listed = listed.map_err(self.failed("list pull requests"))?.items;
        let ours = listed.into_iter().filter(Self::is_ours);
        let mut pulls: Vec<PullRequest> = ours.map(told).collect();
        if let Some(pull) = newest_closed(&mut pulls) {
            pull.closed_by = self.closed_by(pull.number).await?;
        }
        Ok(pulls)
    }

    /// Not from a fork; a fork that is gone is none of ours.
    fn is_ours(pull: &Pull) -> bool {
        match (&pull.head.repo, &pull.base.repo) {
            (Some(head), Some(base)) => head.id == base.id,
            _ => false,
        }
    }

    pub(super) async fn get(&self, number: u64) -> Result<PullRequest, ForgeError> {
        let pull = self.client.pulls(&self.owner, &self.name).get(number).await;
        let mut pull = told(pull.map_err(self.failed("read a pull request"))?);
        if pull.state == PullState::Closed {
            pull.closed_by = self.closed_by(number).await?;
        }
        Ok(pull)
    }

    async fn closed_by(&self, number: u64) -> Result<Option<String>, ForgeError> {
        let route = self.route(&format!("issues/{number}"));
        let issue = self.client.get(route, None::<&()>).await;
        let issue: Issue = issue.map_err(self.failed("read who closed a pull request"))?;
        Ok(issue.closed_by.map(|user| user.login))
    }

    pub(super) async fn create(&self, draft: &PullRequestDraft) -> Result<Created, ForgeError> {
        let mut warnings = Vec::new();
        let opened = match self.open(draft, draft.draft).await {
            // Plans that have no drafts in private repositories.
            Err(error) if draft.draft && error.reason.contains("Draft pull requests") => {
                warnings.push(format!("it is not a draft: {}", error.reason));
                self.open(draft, false).await?
            }
            opened => opened?,
        };
        let number = opened.number;
        if !draft.labels.is_empty() {
            let set = self.set_labels(number, &draft.labels).await;
            note(&mut warnings, "the labels were not set", set);
        }
        for reviewer in &draft.reviewers {
            let asked = self.ask_for_review(number, reviewer).await;
            let what = format!("`{reviewer}` was not asked for a review");
            note(&mut warnings, what, asked);
        }
        if let Some(title) = &draft.milestone {
            let set = self.set_milestone(number, title).await;
            note(
                &mut warnings,
                format!("the milestone `{title}` was not set"),
                set,
            );
        }
        match self.assign(number, &draft.assignees).await {
            Ok(ignored) => warnings.extend(
                ignored
                    .iter()
                    .map(|name| format!("`{name}` was not assigned: GitHub does not let them")),
            ),
            Err(error) => note(&mut warnings, "nobody was assigned", Err(error)),
        }
        let pull_request = self.get(number).await?;
        Ok(Created {
            pull_request,
            warnings,
        })
    }

    async fn open(&self, draft: &PullRequestDraft, as_draft: bool) -> Result<Pull, ForgeError> {
        let pulls = self.client.pulls(&self.owner, &self.name);
        let opening = pulls
            .create(&draft.title, &draft.head_branch, &draft.base_branch)
            .body::<String>(draft.body.clone())
            .draft(as_draft);
        opening
            .send()
            .await
            .map_err(self.failed("open a pull request"))
    }

    async fn set_labels(&self, number: u64, labels: &[String]) -> Result<(), ForgeError> {
        let issues = self.client.issues(&self.owner, &self.name);
        let set = issues.replace_all_labels(number, labels).await;
        set.map(drop)
            .map_err(self.failed("set the labels of a pull request"))
    }

    /// `login` is a person's, `organization/team` a team's. One by one: GitHub takes all of them or none.
    async fn ask_for_review(&self, number: u64, name: &str) -> Result<(), ForgeError> {
        let (people, teams) = match name.rsplit_once('/') {
            Some((_, team)) => (vec![], vec![team]),
            None => (vec![name], vec![]),
        };
        let body = json!({"reviewers": people, "team_reviewers": teams});
        let route = self.route(&format!("pulls/{number}/requested_reviewers"));
        let asked: Result<IgnoredAny, _> = self.client.post(route, Some(&body)).await;
        asked.map(drop).map_err(self.failed("ask for a review"))
    }

    /// Assigns people, and gives those that GitHub passed over without a word.
    async fn assign(&self, number: u64, names: &[String]) -> Result<Vec<String>, ForgeError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let route = self.route(&format!("issues/{number}/assignees"));
        let body = json!({"assignees": names});
        let issue = self.client.post(route, Some(&body)).await;
        let issue: Issue = issue.map_err(self.failed("assign a pull request"))?;
        let taken = |name: &String| {
            let mut taken = issue.assignees.iter();
            taken.any(|user| user.login.eq_ignore_ascii_case(name))
        };
        Ok(names.iter().filter(|name| !taken(name)).cloned().collect())
    }

    async fn set_milestone(&self, number: u64, title: &str) -> Result<(), ForgeError> {
        let what = "set the milestone of a pull request";
        let parameters = [("state", "open"), ("per_page", "100")];
        let route = self.route("milestones");
        let milestones = self.client.get(route, Some(&parameters)).await;
        let milestones: Vec<Milestone> = milestones.map_err(self.failed(what))?;
        let found = milestones.iter().find(|milestone| milestone.title == title);
        let found = found.ok_or_else(|| {
            let class = ErrorClass::NotFound;
            self.http.error(what, class, "there is none that is open")
        })?;
        let route = self.route(&format!("issues/{number}"));
        let body = json!({"milestone": found.number});
        let set: Result<IgnoredAny, _> = self.client.patch(route, Some(&body)).await;
        set.map(drop).map_err(self.failed(what))
    }

    pub(super) async fn edit(&self, number: u64, edit: &PullRequestEdit) -> Result<(), ForgeError> {
        if edit.title.is_some() || edit.body.is_some() || edit.base_branch.is_some() {
            let pulls = self.client.pulls(&self.owner, &self.name);
            let update = pulls
                .update(number)
                .title::<String>(edit.title.clone())
                .body::<String>(edit.body.clone())
                .base::<String>(edit.base_branch.clone());
            update
                .send()
                .await
                .map_err(self.failed("edit a pull request"))?;
        }
        match &edit.labels {
            Some(labels) => self.set_labels(number, labels).await,
            None => Ok(()),
        }
    }

    pub(super) async fn comment(&self, number: u64, text: &str) -> Result<(), ForgeError> {
        // What it answers does not matter: it must not be said twice for that.
        let route = self.route(&format!("issues/{number}/comments"));
        let body = json!({"body": text});
        let made: Result<IgnoredAny, _> = self.client.post(route, Some(&body)).await;
        made.map(drop)
            .map_err(self.failed("comment on a pull request"))
    }

    pub(super) async fn close(&self, number: u64) -> Result<(), ForgeError> {
        let pulls = self.client.pulls(&self.owner, &self.name);
        let closed = pulls
            .update(number)
            .state::<State>(State::Closed)
            .send()
            .await;
        closed
            .map(drop)
            .map_err(self.failed("close a pull request"))
    }

    pub(super) async fn merge(
        &self,
        number: u64,
        method: MergeMethod,
        expected_head: &str,
    ) -> Result<(), ForgeError> {
        let method = match method {
            MergeMethod::Merge => Method::Merge,
            MergeMethod::Squash => Method::Squash,
            MergeMethod::Rebase => Method::Rebase,
        };
        let pulls = self.client.pulls(&self.owner, &self.name);
        let merging = pulls.merge(number).sha(expected_head).method(method);
        let merged = merging
            .send()
            .await
            .map_err(self.failed("merge a pull request"));
        // 405: it cannot be merged as it is; 422: not by this method.
        merged.map(drop).map_err(|error| match error.status {
            Some(405) => error.with_class(ErrorClass::Conflict),
            _ => error,
        })
    }

    pub(super) async fn checks(&self, commit: &str) -> Result<Checks, ForgeError> {
        let what = "read the checks of a commit";
        let route = self.route(&format!("commits/{commit}/status"));
        let statuses = self.client.get(route, None::<&()>).await;
        let statuses: Statuses = statuses.map_err(self.failed(what))?;
        let mut results = vec![match statuses.state.as_str() {
            // A commit without any is said to be pending.
            _ if statuses.total_count == 0 => Checks::None,
            "success" => Checks::Passed,
            "failure" | "error" => Checks::Failed,
            _ => Checks::Pending,
        }];
        for page in 1..=MOST_PAGES {
            let route = self.route(&format!("commits/{commit}/check-runs"));
            let parameters = [("per_page", 100), ("page", page)];
            let runs = self.client.get(route, Some(&parameters)).await;
            let runs: Runs = runs.map_err(self.failed(what))?;
            results.extend(runs.check_runs.iter().map(Run::result));
            if runs.check_runs.len() < 100 {
                return Ok(together(results, true));
            }
        }
        Ok(together(results, false))
    }

    pub(super) async fn delete_branch(&self, name: &str, expected: &str) -> Result<(), ForgeError> {
        let what = "delete a branch";
        let branch = encoded(&self.http.repository.api, name);
        let route = self.route(&format!("git/ref/heads/{branch}"));
        let tip = self.client.get(route, None::<&()>).await;
        let tip: Ref = tip.map_err(self.failed(what))?;
        self.http.expect_head(what, expected, &tip.object.sha)?;
        let repository = self.client.repos(&self.owner, &self.name);
        let gone = repository.delete_ref(&Reference::Branch(branch)).await;
        gone.map_err(self.failed(what))
    }

    pub(super) async fn compare(
        &self,
        from: &str,
        to: &str,
    ) -> Result<Vec<ComparedCommit>, ForgeError> {
        let first = self.comparison(from, to, 1).await?;
        let total = first.total_commits;
        let mut commits = first.commits;
        // The oldest come first, so the newest are on the last two pages.
        let last = total.div_ceil(MOST_COMMITS);
        if last > 1 {
            commits = match last {
                2 => commits,
                _ => self.comparison(from, to, last - 1).await?.commits,
            };
            commits.extend(self.comparison(from, to, last).await?.commits);
        }
        Ok(commits.into_iter().rev().map(Commit::told).collect())
    }

    async fn comparison(
        &self,
        from: &str,
        to: &str,
        page: usize,
    ) -> Result<Comparison, ForgeError> {
        let api = &self.http.repository.api;
        let range = format!("compare/{}...{}", encoded(api, from), encoded(api, to));
        let parameters = [("per_page", MOST_COMMITS), ("page", page)];
        let compared = self.client.get(self.route(&range), Some(&parameters)).await;
        compared.map_err(self.failed("compare revisions"))
    }
}

/// A name as part of a route; slashes stay, as in the names of branches.
fn encoded(api: &url::Url, name: &str) -> String {
    let mut root = api.clone();
    root.set_path("");
    let parts: Vec<&str> = name.split('/').collect();
    below(&root, &parts)
        .path()
        .trim_start_matches('/')
        .to_owned()
}
