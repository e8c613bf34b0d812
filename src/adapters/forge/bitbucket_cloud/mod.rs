//! Bitbucket Cloud, version 2.0 of its API.
//!
//! Invariant: commits that it abbreviates are asked for whole before they are compared. It has no way to say which commit is meant to
//! be merged or removed, so the newest one is looked at right before. What is absent: labels, assignees and milestones, which it has
//! not; a declined pull request cannot be opened again.

mod answers;

use crate::adapters::forge::error::{ErrorClass, ForgeError, found};
use crate::adapters::forge::http::{Http, Question};
use crate::adapters::forge::{Created, MOST_COMMITS, note, summary, together, unknown};
use crate::domain::pull_request::forge::{
    Checks, ComparedCommit, MergeMethod, PullRequest, PullRequestDraft, PullRequestEdit, PullState,
};
use answers::{Account, Author, Branch, Commit, Hash, Page, Pull, Status};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Entries of one page: the most that a list of pull requests has.
const PAGE: &str = "50";
/// Most pages of a list.
const MOST_PAGES: usize = 5;
/// Digits of a whole commit id.
const WHOLE: usize = 40;

pub(super) struct BitbucketCloud {
    http: Http,
    workspace: String,
    name: String,
}

impl BitbucketCloud {
    pub(super) fn new(http: Http) -> Result<Self, ForgeError> {
        let Some((workspace, name)) = http.repository.path.split_once('/') else {
            return Err(http.error("connect", ErrorClass::Refused, "expected `workspace/name`"));
        };
        let (workspace, name) = (workspace.to_owned(), name.to_owned());
        Ok(Self {
            http,
            workspace,
            name,
        })
    }

    fn ask(&self, method: Method, what: &'static str, rest: &[&str]) -> Question<'_> {
        let mut segments = vec!["repositories", &self.workspace, &self.name];
        segments.extend(rest);
        self.http.ask(method, what, &segments)
    }

    fn get_one(&self, what: &'static str, rest: &[&str]) -> Question<'_> {
        self.ask(Method::GET, what, rest)
    }

    pub(super) async fn find(
        &self,
        head: &str,
        base: &str,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let filter = format!(
            "source.branch.name = {} AND destination.branch.name = {}",
            quoted(head),
            quoted(base)
        );
        let mut question = self.get_one("list pull requests", &["pullrequests"]);
        for state in ["OPEN", "MERGED", "DECLINED", "SUPERSEDED"] {
            question = question.with("state", state);
        }
        let question = question.with("q", &filter).with("sort", "-created_on");
        let (listed, _) = self.pages(question.with("pagelen", PAGE), 2).await?;
        let mut pulls = Vec::new();
        for pull in listed.into_iter().filter(Pull::is_ours) {
            pulls.push(self.told(pull).await?);
        }
        Ok(pulls)
    }

    /// Some pages of a list, and whether these are all. The next one is where the last one says, on the same host.
    async fn pages<T: DeserializeOwned>(
        &self,
        question: Question<'_>,
        most: usize,
    ) -> Result<(Vec<T>, bool), ForgeError> {
        let what = question.what();
        let mut page: Page<T> = question.json().await?;
        let mut values = page.values;
        for _ in 1..most {
            let Some(next) = page.next.take() else { break };
            page = self.http.question(Method::GET, what, next).json().await?;
            values.append(&mut page.values);
        }
        Ok((values, page.next.is_none()))
    }

    pub(super) async fn get(&self, number: u64) -> Result<PullRequest, ForgeError> {
        let pull = self.read(number).await?;
        self.told(pull).await
    }

    async fn read(&self, number: u64) -> Result<Pull, ForgeError> {
        let path = ["pullrequests", &number.to_string()];
        self.get_one("read a pull request", &path).json().await
    }

    /// In no forge's own words.
    async fn told(&self, pull: Pull) -> Result<PullRequest, ForgeError> {
        let state = match pull.state.as_str() {
            "MERGED" => PullState::Merged,
            "OPEN" => PullState::Open,
            _ => PullState::Closed,
        };
        let mut head_commit = pull.source.commit.map(|commit| commit.hash);
        if let Some(short) = head_commit.as_ref().filter(|hash| hash.len() < WHOLE)
            && state == PullState::Open
        {
            head_commit = self.whole(short).await?;
        }
        let over = state != PullState::Open;
        let closed_by = pull.closed_by.filter(|_| state == PullState::Closed);
        Ok(PullRequest {
            number: pull.id,
            url: pull.links.html.map(|link| link.href).unwrap_or_default(),
            state,
            head_branch: pull.source.branch.name,
            head_commit,
            base_branch: pull.destination.branch.name,
            title: pull.title,
            body: pull.description.unwrap_or_default(),
            labels: Vec::new(),
            draft: pull.draft,
            mergeable: None,
            closed_by: closed_by.and_then(Account::name),
            closed_with_branch: false,
            created: pull.created_on,
            closed: pull.updated_on.filter(|_| over),
            merge_commit: pull.merge_commit.map(|commit| commit.hash),
        })
    }

    /// The whole id of an abbreviated one; `None` when the commit is gone.
    async fn whole(&self, short: &str) -> Result<Option<String>, ForgeError> {
        let path = ["commit", short];
        let commit: Option<Hash> = found(self.get_one("read a commit", &path).json().await)?;
        Ok(commit.map(|commit| commit.hash))
    }

    pub(super) async fn create(&self, draft: &PullRequestDraft) -> Result<Created, ForgeError> {
        let body = json!({
            "title": draft.title, "description": draft.body, "draft": draft.draft, "close_source_branch": false,
            "source": {"branch": {"name": draft.head_branch}}, "destination": {"branch": {"name": draft.base_branch}},
        });
        let question = self.ask(Method::POST, "open a pull request", &["pullrequests"]);
        let pull: Pull = question.sending(&body).json().await?;
        let mut warnings = unknown(draft, &["labels", "assignees", "milestones"]);
        for reviewer in &draft.reviewers {
            let asked = self.ask_for_review(&pull, reviewer).await;
            let what = format!("`{reviewer}` was not asked for a review");
            note(&mut warnings, what, asked);
        }
        let pull_request = self.get(pull.id).await?;
        Ok(Created {
            pull_request,
            warnings,
        })
    }

    /// `who` is an account's id, or its UUID in braces.
    async fn ask_for_review(&self, pull: &Pull, who: &str) -> Result<(), ForgeError> {
        let what = "ask for a review";
        let account: Account = self.http.get(what, &["users", who]).json().await?;
        let uuid = account.uuid.ok_or_else(|| {
            let class = ErrorClass::Malformed;
            self.http.error(what, class, "the account has no `uuid`")
        })?;
        let now = self.read(pull.id).await?;
        let mut reviewers = now.reviewers();
        reviewers.push(json!({"uuid": uuid}));
        let body = json!({"title": now.title, "reviewers": reviewers});
        self.put(what, pull.id, &body).await
    }

    async fn put(&self, what: &'static str, number: u64, body: &Value) -> Result<(), ForgeError> {
        let path = ["pullrequests", &number.to_string()];
        self.ask(Method::PUT, what, &path)
            .sending(body)
            .done()
            .await
    }

    pub(super) async fn edit(&self, number: u64, edit: &PullRequestEdit) -> Result<(), ForgeError> {
        if edit.title.is_none() && edit.body.is_none() && edit.base_branch.is_none() {
            return Ok(());
        }
        // What a PUT does not name may be lost.
        let pull = self.read(number).await?;
        let mut body = json!({
            "title": edit.title.as_ref().unwrap_or(&pull.title),
            "description": edit.body.as_deref().or(pull.description.as_deref()).unwrap_or_default(),
            "reviewers": pull.reviewers(),
        });
        if let Some(base) = &edit.base_branch {
            body["destination"] = json!({"branch": {"name": base}});
        }
        self.put("edit a pull request", number, &body).await
    }

    pub(super) async fn comment(&self, number: u64, text: &str) -> Result<(), ForgeError> {
        let path = ["pullrequests", &number.to_string(), "comments"];
        let question = self.ask(Method::POST, "comment on a pull request", &path);
        question
            .sending(&json!({"content": {"raw": text}}))
            .done()
            .await
    }

    pub(super) async fn close(&self, number: u64) -> Result<(), ForgeError> {
        let path = ["pullrequests", &number.to_string(), "decline"];
        self.ask(Method::POST, "close a pull request", &path)
            .done()
            .await
    }

    pub(super) async fn merge(
        &self,
        number: u64,
        method: MergeMethod,
        expected_head: &str,
    ) -> Result<(), ForgeError> {
        let what = "merge a pull request";
        let head = self.get(number).await?.head_commit.unwrap_or_default();
        self.http.expect_head(what, expected_head, &head)?;
        let strategy = match method {
            MergeMethod::Merge => "merge_commit",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase_fast_forward",
        };
        let body = json!({"type": "pullrequest_merge_parameters", "merge_strategy": strategy, "close_source_branch": false});
        let path = ["pullrequests", &number.to_string(), "merge"];
        let merged = self
            .ask(Method::POST, what, &path)
            .sending(&body)
            .done()
            .await;
        // 400: conflicts, or checks that are missing.
        merged.map_err(|error| error.with_class(ErrorClass::Conflict))
    }

    pub(super) async fn checks(&self, commit: &str) -> Result<Checks, ForgeError> {
        let path = ["commit", commit, "statuses"];
        let question = self.get_one("read the checks of a commit", &path);
        let question = question.with("pagelen", PAGE);
        let (statuses, all) = self.pages(question, MOST_PAGES).await?;
        let results = statuses
            .iter()
            .map(|status: &Status| match status.state.as_str() {
                "SUCCESSFUL" => Checks::Passed,
                "FAILED" | "STOPPED" => Checks::Failed,
                _ => Checks::Pending,
            });
        Ok(together(results, all))
    }

    pub(super) async fn delete_branch(&self, name: &str, expected: &str) -> Result<(), ForgeError> {
        let what = "delete a branch";
        let path = ["refs", "branches", name];
        let branch: Branch = self.get_one(what, &path).json().await?;
        self.http.expect_head(what, expected, &branch.target.hash)?;
        self.ask(Method::DELETE, what, &path).done().await
    }

    pub(super) async fn compare(
        &self,
        from: &str,
        to: &str,
    ) -> Result<Vec<ComparedCommit>, ForgeError> {
        let question = self.get_one("compare revisions", &["commits"]);
        let question = question.with("include", to).with("exclude", from);
        let limit = MOST_COMMITS.to_string();
        let (commits, _) = self.pages(question.with("pagelen", &limit), 1).await?;
        let told = commits.into_iter().map(|commit: Commit| ComparedCommit {
            id: commit.hash,
            summary: summary(commit.message.as_deref().unwrap_or_default()),
            author: commit.author.map(Author::name).unwrap_or_default(),
            url: commit.links.html.map(|link| link.href).unwrap_or_default(),
        });
        Ok(told.collect())
    }
}

/// A text of the API's filter language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
