//! GitLab: merge requests.
//!
//! Invariant: a project is named by its whole path, as one part of the address. A draft is a title that begins with `Draft:`. What is
//! absent: how a merge request becomes part of its branch (merge commit or fast-forward), which the project's settings say alone.

mod answers;

use crate::adapters::forge::error::{ErrorClass, ForgeError};
use crate::adapters::forge::http::{Http, Question};
use crate::adapters::forge::{Created, MOST_COMMITS};
use crate::domain::pull_request::forge::{
    Checks, ComparedCommit, MergeMethod, PullRequest, PullRequestDraft, PullRequestEdit,
};
use answers::{Branch, Commit, Milestone, Project, Pull, User, titled};
use reqwest::Method;
use serde_json::{Value, json};

pub(super) struct GitLab {
    http: Http,
}

impl GitLab {
    pub(super) fn new(http: Http) -> Self {
        Self { http }
    }

    /// A question about the project.
    fn ask(&self, method: Method, what: &'static str, rest: &[&str]) -> Question<'_> {
        let mut segments = vec!["projects", &self.http.repository.path];
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
        let question = self.get_one("list merge requests", &["merge_requests"]);
        let question = question
            .with("state", "all")
            .with("source_branch", head)
            .with("target_branch", base)
            .with("order_by", "created_at")
            .with("sort", "desc")
            .with("per_page", "100");
        let listed: Vec<Pull> = question.json().await?;
        let ours = listed
            .into_iter()
            .filter(|pull| pull.source_project_id == Some(pull.target_project_id));
        Ok(ours.map(Pull::told).collect())
    }

    pub(super) async fn get(&self, number: u64) -> Result<PullRequest, ForgeError> {
        let path = ["merge_requests", &number.to_string()];
        let pull: Pull = self.get_one("read a merge request", &path).json().await?;
        Ok(pull.told())
    }

    pub(super) async fn create(&self, draft: &PullRequestDraft) -> Result<Created, ForgeError> {
        let mut warnings = Vec::new();
        let mut body = json!({
            "source_branch": draft.head_branch, "target_branch": draft.base_branch,
            "title": titled(&draft.title, draft.draft), "description": draft.body,
            "labels": draft.labels.join(","), "remove_source_branch": false,
        });
        for (field, names) in [
            ("reviewer_ids", &draft.reviewers),
            ("assignee_ids", &draft.assignees),
        ] {
            let mut ids = Vec::new();
            for name in names {
                match self.user(name).await? {
                    Some(id) => ids.push(id),
                    None => warnings.push(format!("GitLab knows no user `{name}`")),
                }
            }
            if !ids.is_empty() {
                body[field] = json!(ids);
            }
        }
        if let Some(title) = &draft.milestone {
            match self.milestone(title).await? {
                Some(id) => body["milestone_id"] = json!(id),
                None => warnings.push(format!("there is no active milestone `{title}`")),
            }
        }
        let question = self.ask(Method::POST, "open a merge request", &["merge_requests"]);
        let pull: Pull = question.sending(&body).json().await?;
        Ok(Created {
            pull_request: pull.told(),
            warnings,
        })
    }

    async fn user(&self, name: &str) -> Result<Option<u64>, ForgeError> {
        let question = self.http.get("look for a user", &["users"]);
        let users: Vec<User> = question.with("username", name).json().await?;
        let user = users
            .iter()
            .find(|user| user.username.eq_ignore_ascii_case(name));
        Ok(user.map(|user| user.id))
    }

    async fn milestone(&self, title: &str) -> Result<Option<u64>, ForgeError> {
        let question = self.get_one("look for a milestone", &["milestones"]);
        let question = question
            .with("title", title)
            .with("state", "active")
            .with("include_ancestors", "true");
        let milestones: Vec<Milestone> = question.json().await?;
        let milestone = milestones.iter().find(|milestone| milestone.title == title);
        Ok(milestone.map(|milestone| milestone.id))
    }

    async fn change(
        &self,
        what: &'static str,
        number: u64,
        body: &Value,
    ) -> Result<(), ForgeError> {
        let path = ["merge_requests", &number.to_string()];
        self.ask(Method::PUT, what, &path)
            .sending(body)
            .done()
            .await
    }

    pub(super) async fn edit(&self, number: u64, edit: &PullRequestEdit) -> Result<(), ForgeError> {
        let mut body = json!({});
        if let Some(title) = &edit.title {
            let draft = self.get(number).await?.draft;
            body["title"] = json!(titled(title, draft));
        }
        if let Some(text) = &edit.body {
            body["description"] = json!(text);
        }
        if let Some(base) = &edit.base_branch {
            body["target_branch"] = json!(base);
        }
        if let Some(labels) = &edit.labels {
            body["labels"] = json!(labels.join(","));
        }
        if body == json!({}) {
            return Ok(());
        }
        self.change("edit a merge request", number, &body).await
    }

    pub(super) async fn comment(&self, number: u64, text: &str) -> Result<(), ForgeError> {
        let path = ["merge_requests", &number.to_string(), "notes"];
        let question = self.ask(Method::POST, "comment on a merge request", &path);
        question.sending(&json!({"body": text})).done().await
    }

    pub(super) async fn close(&self, number: u64) -> Result<(), ForgeError> {
        let body = json!({"state_event": "close"});
        self.change("close a merge request", number, &body).await
    }

    pub(super) async fn merge(
        &self,
        number: u64,
        method: MergeMethod,
        expected_head: &str,
    ) -> Result<(), ForgeError> {
        let what = "merge a merge request";
        if method == MergeMethod::Rebase {
            let project: Project = self.get_one(what, &[]).json().await?;
            if project.merge_method.as_deref() != Some("ff") {
                let reason =
                    "a rebase was asked for, and the project's merge method is not fast-forward";
                return Err(self.http.error(what, ErrorClass::Refused, reason));
            }
        }
        let body = json!({
            "sha": expected_head, "squash": method == MergeMethod::Squash, "should_remove_source_branch": false,
        });
        let path = ["merge_requests", &number.to_string(), "merge"];
        let merged = self
            .ask(Method::PUT, what, &path)
            .sending(&body)
            .done()
            .await;
        // 405: a draft, closed, checks that are missing; 406 and 422: conflicts; 409: it has moved.
        merged.map_err(|error| match error.status {
            Some(405 | 406 | 422) => error.with_class(ErrorClass::Conflict),
            _ => error,
        })
    }

    pub(super) async fn checks(&self, commit: &str) -> Result<Checks, ForgeError> {
        let what = "read the checks of a commit";
        let path = ["repository", "commits", commit];
        let commit: Commit = self.get_one(what, &path).json().await?;
        let pipeline = commit.last_pipeline.map(|pipeline| pipeline.status);
        Ok(match pipeline.or(commit.status).as_deref() {
            None | Some("skipped") => Checks::None,
            Some("success") => Checks::Passed,
            Some("failed" | "canceled" | "canceling") => Checks::Failed,
            Some(_) => Checks::Pending,
        })
    }

    pub(super) async fn delete_branch(&self, name: &str, expected: &str) -> Result<(), ForgeError> {
        let what = "delete a branch";
        let path = ["repository", "branches", name];
        let branch: Branch = self.get_one(what, &path).json().await?;
        self.http.expect_head(what, expected, &branch.commit.id)?;
        self.ask(Method::DELETE, what, &path).done().await
    }

    pub(super) async fn compare(
        &self,
        from: &str,
        to: &str,
    ) -> Result<Vec<ComparedCommit>, ForgeError> {
        let what = "compare revisions";
        // A range of what is not there is said to be empty.
        for revision in [from, to] {
            let path = ["repository", "commits", revision];
            self.get_one(what, &path)
                .with("stats", "false")
                .done()
                .await?;
        }
        let question = self.get_one(what, &["repository", "commits"]);
        let question = question
            .with("ref_name", &format!("{from}..{to}"))
            .with("per_page", &MOST_COMMITS.to_string());
        let commits: Vec<Commit> = question.json().await?;
        let told = commits.into_iter().map(|commit| ComparedCommit {
            id: commit.id,
            summary: commit.title,
            author: commit.author_name,
            url: commit.web_url,
        });
        Ok(told.collect())
    }
}
