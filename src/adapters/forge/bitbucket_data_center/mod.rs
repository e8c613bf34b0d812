//! Bitbucket Data Center (and Server), version 1.0 of its API.
//!
//! Invariant: a change names the version of the pull request that it was made from, so nobody's change is overwritten. A merge cannot
//! name the commit that is meant, so the newest one is looked at right before. What is absent: labels, assignees and
//! milestones, which it has not.

mod answers;

use crate::adapters::forge::error::{ErrorClass, ForgeError, found};
use crate::adapters::forge::http::{Http, Question, below};
use crate::adapters::forge::{
    Created, MOST_COMMITS, newest_closed, note, summary, together, unknown,
};
use crate::domain::pull_request::forge::{
    Checks, ComparedCommit, MergeMethod, PullRequest, PullRequestDraft, PullRequestEdit, PullState,
};
use answers::{Activity, Commit, Id, Mergeability, Page, Pull, Status};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Entries of one page.
const PAGE: &str = "100";
/// Most pages of a list.
const MOST_PAGES: usize = 5;
/// The versions of its three APIs that are spoken: pull requests, checks, branches.
const API: [&str; 3] = ["rest", "api", "1.0"];
const CHECKS: [&str; 3] = ["rest", "build-status", "1.0"];
const BRANCHES: [&str; 3] = ["rest", "branch-utils", "1.0"];

pub(super) struct BitbucketDataCenter {
    http: Http,
    project: String,
    name: String,
    /// The server without any API's path.
    server: Url,
}

impl BitbucketDataCenter {
    pub(super) fn new(http: Http) -> Result<Self, ForgeError> {
        let refused = |reason: &str| http.error("connect", ErrorClass::Refused, reason);
        let Some((project, name)) = http.repository.path.split_once('/') else {
            return Err(refused("expected `PROJECT/name`"));
        };
        let mut server = http.repository.api.clone();
        let path = server.path().to_owned();
        let before: Vec<&str> = path.split('/').take_while(|part| *part != API[0]).collect();
        server.set_path(&before.join("/"));
        let (project, name) = (project.to_owned(), name.to_owned());
        Ok(Self {
            http,
            project,
            name,
            server,
        })
    }

    fn ask(&self, method: Method, what: &'static str, rest: &[&str]) -> Question<'_> {
        let url = self.address(&API, rest);
        self.http.question(method, what, url)
    }

    /// The repository's place in one of the APIs.
    fn address(&self, api: &[&str], rest: &[&str]) -> Url {
        let mut segments = api.to_vec();
        segments.extend(["projects", &self.project, "repos", &self.name]);
        segments.extend(rest);
        below(&self.server, &segments)
    }

    fn get_one(&self, what: &'static str, rest: &[&str]) -> Question<'_> {
        self.ask(Method::GET, what, rest)
    }

    /// Some pages of a list, and whether these are all.
    async fn pages<T: DeserializeOwned>(
        &self,
        question: Question<'_>,
    ) -> Result<(Vec<T>, bool), ForgeError> {
        let question = question.with("limit", PAGE);
        let mut page: Page<T> = question.clone().json().await?;
        let mut values = page.values;
        for _ in 1..MOST_PAGES {
            let Some(next) = page.next else { break };
            let question = question.clone().with("start", &next.to_string());
            page = question.json().await?;
            values.append(&mut page.values);
        }
        Ok((values, page.next.is_none()))
    }

    pub(super) async fn find(
        &self,
        head: &str,
        base: &str,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let question = self.get_one("list pull requests", &["pull-requests"]);
        let question = question
            .with("state", "ALL")
            .with("direction", "OUTGOING")
            .with("at", &format!("refs/heads/{head}"))
            .with("order", "NEWEST");
        let (listed, _): (Vec<Pull>, _) = self.pages(question).await?;
        let ours = listed.into_iter().filter(|pull| {
            pull.from_ref.repository.is_some()
                && pull.from_ref.repository == pull.to_ref.repository
                && pull.to_ref.display_id == base
        });
        let mut pulls: Vec<PullRequest> = ours.map(Pull::told).collect();
        if let Some(pull) = newest_closed(&mut pulls) {
            pull.closed_by = self.closed_by(pull.number).await?;
        }
        Ok(pulls)
    }

    pub(super) async fn get(&self, number: u64) -> Result<PullRequest, ForgeError> {
        let mut pull = self.read(number).await?.told();
        match pull.state {
            PullState::Open => pull.mergeable = self.mergeable(number).await?,
            PullState::Closed => pull.closed_by = self.closed_by(number).await?,
            PullState::Merged => {}
        }
        Ok(pull)
    }

    async fn read(&self, number: u64) -> Result<Pull, ForgeError> {
        let path = ["pull-requests", &number.to_string()];
        self.get_one("read a pull request", &path).json().await
    }

    async fn mergeable(&self, number: u64) -> Result<Option<bool>, ForgeError> {
        let path = ["pull-requests", &number.to_string(), "merge"];
        let question = self.get_one("ask whether a pull request can be merged", &path);
        let answer: Mergeability = question.json().await?;
        Ok(match answer.outcome.as_deref() {
            Some("UNKNOWN") => None,
            _ => Some(!answer.conflicted),
        })
    }

    async fn closed_by(&self, number: u64) -> Result<Option<String>, ForgeError> {
        let path = ["pull-requests", &number.to_string(), "activities"];
        let question = self.get_one("read what happened to a pull request", &path);
        let (activities, _): (Vec<Activity>, _) = self.pages(question).await?;
        // The newest come first.
        let declined = activities
            .into_iter()
            .find(|activity| activity.action == "DECLINED");
        Ok(declined
            .and_then(|activity| activity.user)
            .map(|user| user.name))
    }

    pub(super) async fn create(&self, draft: &PullRequestDraft) -> Result<Created, ForgeError> {
        let end = |branch: &str| {
            json!({"id": format!("refs/heads/{branch}"),
                "repository": {"slug": self.name, "project": {"key": self.project}}})
        };
        let mut body = json!({
            "title": draft.title, "description": draft.body,
            "fromRef": end(&draft.head_branch), "toRef": end(&draft.base_branch),
        });
        // Servers before 8.18 know no drafts.
        if draft.draft {
            body["draft"] = json!(true);
        }
        let question = self.ask(Method::POST, "open a pull request", &["pull-requests"]);
        let pull: Pull = question.sending(&body).json().await?;
        let mut warnings = unknown(draft, &["labels", "assignees", "milestones"]);
        if draft.draft && !pull.draft {
            warnings.push("it is not a draft: this server has none".to_owned());
        }
        for reviewer in &draft.reviewers {
            let path = ["pull-requests", &pull.id.to_string(), "participants"];
            let question = self.ask(Method::POST, "ask for a review", &path);
            let body = json!({"user": {"name": reviewer}, "role": "REVIEWER"});
            let asked = question.sending(&body).done().await;
            let what = format!("`{reviewer}` was not asked for a review");
            note(&mut warnings, what, asked);
        }
        let pull_request = self.get(pull.id).await?;
        Ok(Created {
            pull_request,
            warnings,
        })
    }

    pub(super) async fn edit(&self, number: u64, edit: &PullRequestEdit) -> Result<(), ForgeError> {
        if edit.title.is_none() && edit.body.is_none() && edit.base_branch.is_none() {
            return Ok(());
        }
        let pull = self.read(number).await?;
        let reviewers = pull.reviewers.iter().map(|reviewer| &reviewer.user.name);
        let reviewers: Vec<Value> = reviewers
            .map(|name| json!({"user": {"name": name}}))
            .collect();
        // What is left out would be lost.
        let mut body = json!({
            "version": pull.version, "reviewers": reviewers,
            "title": edit.title.as_ref().unwrap_or(&pull.title),
            "description": edit.body.as_deref().or(pull.description.as_deref()).unwrap_or_default(),
        });
        if let Some(base) = &edit.base_branch {
            body["toRef"] = json!({"id": format!("refs/heads/{base}"),
                "repository": {"slug": self.name, "project": {"key": self.project}}});
        }
        let path = ["pull-requests", &number.to_string()];
        let question = self.ask(Method::PUT, "edit a pull request", &path);
        question.sending(&body).done().await
    }

    pub(super) async fn comment(&self, number: u64, text: &str) -> Result<(), ForgeError> {
        let path = ["pull-requests", &number.to_string(), "comments"];
        let question = self.ask(Method::POST, "comment on a pull request", &path);
        question.sending(&json!({"text": text})).done().await
    }

    pub(super) async fn close(&self, number: u64) -> Result<(), ForgeError> {
        let version = self.read(number).await?.version;
        let path = ["pull-requests", &number.to_string(), "decline"];
        let question = self.ask(Method::POST, "close a pull request", &path);
        let question = question.with("version", &version.to_string());
        question.sending(&json!({"version": version})).done().await
    }

    pub(super) async fn merge(
        &self,
        number: u64,
        method: MergeMethod,
        expected_head: &str,
    ) -> Result<(), ForgeError> {
        let what = "merge a pull request";
        let pull = self.read(number).await?;
        let head = pull.from_ref.latest_commit.unwrap_or_default();
        self.http.expect_head(what, expected_head, &head)?;
        let strategy = match method {
            MergeMethod::Merge => "no-ff",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase-ff-only",
        };
        let path = ["pull-requests", &number.to_string(), "merge"];
        let question = self.ask(Method::POST, what, &path);
        let question = question.with("version", &pull.version.to_string());
        let body = json!({"strategyId": strategy, "version": pull.version});
        question.sending(&body).done().await
    }

    pub(super) async fn checks(&self, commit: &str) -> Result<Checks, ForgeError> {
        let mut segments = CHECKS.to_vec();
        segments.extend(["commits", commit]);
        let url = below(&self.server, &segments);
        let question = self
            .http
            .question(Method::GET, "read the checks of a commit", url);
        let (statuses, all): (Vec<Status>, _) = self.pages(question).await?;
        let results = statuses.iter().map(|status| match status.state.as_str() {
            "SUCCESSFUL" => Checks::Passed,
            "FAILED" | "CANCELLED" => Checks::Failed,
            _ => Checks::Pending,
        });
        Ok(together(results, all))
    }

    pub(super) async fn delete_branch(&self, name: &str, expected: &str) -> Result<(), ForgeError> {
        let what = "delete a branch";
        let url = self.address(&BRANCHES, &["branches"]);
        let body =
            json!({"name": format!("refs/heads/{name}"), "dryRun": false, "endPoint": expected});
        let question = self.http.question(Method::DELETE, what, url);
        let deleted = question.sending(&body).done().await;
        // 400: it is not there, or its newest commit is another one.
        let Err(error) = deleted else { return Ok(()) };
        match self.tip(name).await? {
            None => Ok(()),
            // Otherwise it is refused for another reason.
            Some(tip) => self.http.expect_head(what, expected, &tip).and(Err(error)),
        }
    }

    /// The newest commit of a branch; `None` when there is no such branch.
    async fn tip(&self, branch: &str) -> Result<Option<String>, ForgeError> {
        let question = self.get_one("read a branch", &["commits"]);
        let question = question.with("until", &format!("refs/heads/{branch}"));
        let page: Option<Page<Id>> = found(question.with("limit", "1").json().await)?;
        let newest = page.and_then(|page| page.values.into_iter().next());
        Ok(newest.map(|commit| commit.id))
    }

    pub(super) async fn compare(
        &self,
        from: &str,
        to: &str,
    ) -> Result<Vec<ComparedCommit>, ForgeError> {
        let question = self.get_one("compare revisions", &["commits"]);
        let question = question.with("since", from).with("until", to);
        let question = question.with("limit", &MOST_COMMITS.to_string());
        let page: Page<Commit> = question.json().await?;
        let address = |id: &str| {
            let segments = [
                "projects",
                &self.project,
                "repos",
                &self.name,
                "commits",
                id,
            ];
            below(&self.server, &segments).to_string()
        };
        let told = page.values.into_iter().map(|commit| ComparedCommit {
            url: address(&commit.id),
            summary: summary(commit.message.as_deref().unwrap_or_default()),
            author: commit.author.map(|author| author.name).unwrap_or_default(),
            id: commit.id,
        });
        Ok(told.collect())
    }
}
