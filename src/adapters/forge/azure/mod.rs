//! Azure DevOps Services and Server, version 7.0 of the API.
//!
//! Invariants: a merge names the commit that is meant, and a branch goes only from that commit. A comment is made as one that is dealt
//! with, because an open one may hold up the merge. What is absent: assignees and milestones, which it has not; people who are in none
//! of the project's teams are named by their id.

mod answers;
mod checks;
mod people;

use crate::adapters::forge::error::{ErrorClass, ForgeError, found};
use crate::adapters::forge::http::{Http, Question};
use crate::adapters::forge::{Created, MOST_COMMITS, note, summary, unknown};
use crate::domain::pull_request::forge::{
    ComparedCommit, MergeMethod, PullRequest, PullRequestDraft, PullRequestEdit, PullState,
};
use answers::{Commit, CommitId, Label, List, Pull, Updated};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The version of the API: that of Azure DevOps Server 2022.
const VERSION: &str = "7.0";
/// The same for what was not released with it: labels, teams, evaluations of policies.
const PREVIEW: &str = "7.0-preview";
/// The id that no object has.
const NOTHING: &str = "0000000000000000000000000000000000000000";
/// Entries of a list.
const PAGE: usize = 100;
/// Most pull requests whose descriptions, which a list cuts short, are read whole: the newest.
const MOST_WHOLE: usize = 10;

pub(super) struct Azure {
    http: Http,
    organization: String,
    project: String,
    name: String,
}

impl Azure {
    pub(super) fn new(http: Http) -> Result<Self, ForgeError> {
        let path = http.repository.path.clone();
        let parts: Vec<&str> = path.split('/').collect();
        let &[organization, project, name] = parts.as_slice() else {
            let reason = "expected `organization/project/name`";
            return Err(http.error("connect", ErrorClass::Refused, reason));
        };
        Ok(Self {
            http,
            organization: organization.to_owned(),
            project: project.to_owned(),
            name: name.to_owned(),
        })
    }

    /// A question about the repository.
    fn ask(&self, method: Method, what: &'static str, rest: &[&str]) -> Question<'_> {
        let question = self.http.ask(method, what, &self.place(rest));
        question.with("api-version", VERSION)
    }

    /// A question about something below the repository.
    fn place<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let project = [self.organization.as_str(), &self.project];
        let git = ["_apis", "git", "repositories", &self.name];
        [&project[..], &git[..], rest].concat()
    }

    fn get_one(&self, what: &'static str, rest: &[&str]) -> Question<'_> {
        self.ask(Method::GET, what, rest)
    }

    pub(super) async fn find(
        &self,
        head: &str,
        base: &str,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let listed = self.list("all", Some((head, base))).await?;
        let ours = listed.into_iter().filter(|pull| pull.fork_source.is_none());
        let mut pulls = Vec::new();
        for (place, pull) in ours.enumerate() {
            pulls.push(match place < MOST_WHOLE {
                true => self.get(pull.pull_request_id).await?,
                false => self.told(pull),
            });
        }
        Ok(pulls)
    }

    async fn list(
        &self,
        status: &str,
        branches: Option<(&str, &str)>,
    ) -> Result<Vec<Pull>, ForgeError> {
        let question = self.get_one("list pull requests", &["pullrequests"]);
        let mut question = question
            .with("searchCriteria.status", status)
            .with("$top", &PAGE.to_string());
        if let Some((head, base)) = branches {
            question = question
                .with(
                    "searchCriteria.sourceRefName",
                    &format!("refs/heads/{head}"),
                )
                .with(
                    "searchCriteria.targetRefName",
                    &format!("refs/heads/{base}"),
                );
        }
        let listed: List<Pull> = question.json().await?;
        Ok(listed.value)
    }

    pub(super) async fn get(&self, number: u64) -> Result<PullRequest, ForgeError> {
        Ok(self.told(self.read(number).await?))
    }

    async fn read(&self, number: u64) -> Result<Pull, ForgeError> {
        let path = ["pullrequests", &number.to_string()];
        self.get_one("read a pull request", &path).json().await
    }

    /// In no forge's own words.
    fn told(&self, pull: Pull) -> PullRequest {
        let state = match pull.status.as_str() {
            "completed" => PullState::Merged,
            "abandoned" => PullState::Closed,
            _ => PullState::Open,
        };
        let mergeable = match pull.merge_status.as_deref() {
            Some("succeeded" | "rejectedByPolicy") => Some(true),
            Some("conflicts" | "failure") => Some(false),
            _ => None,
        };
        let number = pull.pull_request_id;
        let page = [
            "_git",
            self.name.as_str(),
            "pullrequest",
            &number.to_string(),
        ];
        let branch = |name: String| name.trim_start_matches("refs/heads/").to_owned();
        let closed_by = pull.closed_by.filter(|_| state == PullState::Closed);
        let labels = pull.labels.into_iter().filter(|label| label.active);
        let commit = |commit: Option<CommitId>| commit.map(|commit| commit.commit_id);
        PullRequest {
            number,
            url: self.page(&page),
            head_branch: branch(pull.source_ref_name),
            head_commit: commit(pull.last_merge_source_commit),
            base_branch: branch(pull.target_ref_name),
            title: pull.title,
            body: pull.description.unwrap_or_default(),
            labels: labels.map(|label| label.name).collect(),
            draft: pull.is_draft,
            mergeable: mergeable.filter(|_| state == PullState::Open),
            closed_by: closed_by.and_then(|person| person.display_name.or(person.unique_name)),
            closed_with_branch: false,
            created: pull.creation_date,
            closed: pull.closed_date,
            merge_commit: commit(pull.last_merge_commit).filter(|_| state == PullState::Merged),
            state,
        }
    }

    /// A page of the project for people.
    fn page(&self, rest: &[&str]) -> String {
        let mut segments = vec![self.organization.as_str(), &self.project];
        segments.extend(rest);
        crate::adapters::forge::http::below(&self.http.repository.api, &segments).to_string()
    }

    pub(super) async fn create(&self, draft: &PullRequestDraft) -> Result<Created, ForgeError> {
        let labels: Vec<Value> = draft
            .labels
            .iter()
            .map(|name| json!({"name": name}))
            .collect();
        let body = json!({
            "sourceRefName": format!("refs/heads/{}", draft.head_branch),
            "targetRefName": format!("refs/heads/{}", draft.base_branch),
            "title": draft.title, "description": draft.body, "isDraft": draft.draft, "labels": labels,
        });
        let question = self.ask(Method::POST, "open a pull request", &["pullrequests"]);
        let pull: Pull = question.sending(&body).json().await?;
        let number = pull.pull_request_id;
        let mut warnings = unknown(draft, &["assignees", "milestones"]);
        for reviewer in &draft.reviewers {
            let asked = self.ask_for_review(number, reviewer).await;
            let what = format!("`{reviewer}` was not asked for a review");
            note(&mut warnings, what, asked);
        }
        let pull_request = self.get(number).await?;
        Ok(Created {
            pull_request,
            warnings,
        })
    }

    async fn change<T: DeserializeOwned>(
        &self,
        what: &'static str,
        number: u64,
        body: &Value,
    ) -> Result<T, ForgeError> {
        let path = ["pullrequests", &number.to_string()];
        let question = self.ask(Method::PATCH, what, &path);
        question.sending(body).json().await
    }

    pub(super) async fn edit(&self, number: u64, edit: &PullRequestEdit) -> Result<(), ForgeError> {
        let mut body = json!({});
        if let Some(title) = &edit.title {
            body["title"] = json!(title);
        }
        if let Some(text) = &edit.body {
            body["description"] = json!(text);
        }
        if let Some(base) = &edit.base_branch {
            body["targetRefName"] = json!(format!("refs/heads/{base}"));
        }
        if body != json!({}) {
            let _: Pull = self.change("edit a pull request", number, &body).await?;
        }
        match &edit.labels {
            Some(labels) => self.set_labels(number, labels).await,
            None => Ok(()),
        }
    }

    async fn set_labels(&self, number: u64, wanted: &[String]) -> Result<(), ForgeError> {
        let number = number.to_string();
        let ask = |method: Method, rest: &[&str]| {
            let path = [&["pullrequests", number.as_str(), "labels"][..], rest].concat();
            let what = "set the labels of a pull request";
            let question = self.http.ask(method, what, &self.place(&path));
            question.with("api-version", PREVIEW)
        };
        let known: List<Label> = ask(Method::GET, &[]).json().await?;
        let mut known = known.value;
        known.retain(|label| label.active);
        for label in known.iter().filter(|label| !wanted.contains(&label.name)) {
            found(ask(Method::DELETE, &[&label.id]).done().await)?;
        }
        let missing = |name: &&String| known.iter().all(|label| label.name != **name);
        for name in wanted.iter().filter(missing) {
            let body = json!({"name": name});
            ask(Method::POST, &[]).sending(&body).done().await?;
        }
        Ok(())
    }

    pub(super) async fn comment(&self, number: u64, text: &str) -> Result<(), ForgeError> {
        let path = ["pullrequests", &number.to_string(), "threads"];
        let body = json!({"status": "closed", "comments": [{"parentCommentId": 0, "content": text, "commentType": "text"}]});
        let question = self.ask(Method::POST, "comment on a pull request", &path);
        question.sending(&body).done().await
    }

    pub(super) async fn close(&self, number: u64) -> Result<(), ForgeError> {
        let body = json!({"status": "abandoned"});
        let closed: Result<Pull, _> = self.change("close a pull request", number, &body).await;
        closed.map(drop)
    }

    pub(super) async fn merge(
        &self,
        number: u64,
        method: MergeMethod,
        expected_head: &str,
    ) -> Result<(), ForgeError> {
        let what = "merge a pull request";
        let strategy = match method {
            MergeMethod::Merge => "noFastForward",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase",
        };
        let body = json!({
            "status": "completed", "lastMergeSourceCommit": {"commitId": expected_head},
            "completionOptions": {"mergeStrategy": strategy, "deleteSourceBranch": false},
        });
        let merged: Result<Pull, ForgeError> = self.change(what, number, &body).await;
        let pull = merged.map_err(|error| error.with_class(ErrorClass::Conflict))?;
        // It may be under way; but a head that is not the one that was meant is not being merged.
        let head = pull.last_merge_source_commit.map(|commit| commit.commit_id);
        match (pull.merge_status.as_deref(), head) {
            (Some("conflicts" | "failure" | "rejectedByPolicy"), _) if pull.status == "active" => {
                let reason = "it cannot be merged now: conflicts, or a policy";
                Err(self.http.error(what, ErrorClass::Conflict, reason))
            }
            (_, Some(head)) => self.http.expect_head(what, expected_head, &head),
            (_, None) => Ok(()),
        }
    }

    pub(super) async fn delete_branch(&self, name: &str, expected: &str) -> Result<(), ForgeError> {
        let what = "delete a branch";
        let body = json!([{"name": format!("refs/heads/{name}"), "oldObjectId": expected, "newObjectId": NOTHING}]);
        let question = self.ask(Method::POST, what, &["refs"]);
        let updated: List<Updated> = question.sending(&body).json().await?;
        let Some(update) = updated
            .value
            .into_iter()
            .next()
            .filter(|update| !update.success)
        else {
            return Ok(());
        };
        let status = update.update_status.unwrap_or_default();
        let class = match status.as_str() {
            "staleOldObjectId" => ErrorClass::Conflict,
            "nonExistentRef" | "unresolvableToCommit" => ErrorClass::NotFound,
            _ => ErrorClass::Refused,
        };
        let more = update.custom_message.unwrap_or_default();
        let reason = format!("{status} {more}");
        Err(self.http.error(what, class, reason))
    }

    pub(super) async fn compare(
        &self,
        from: &str,
        to: &str,
    ) -> Result<Vec<ComparedCommit>, ForgeError> {
        let version = |commit: &str| json!({"versionType": "commit", "version": commit});
        let body = json!({"itemVersion": version(to), "compareVersion": version(from), "$top": MOST_COMMITS});
        let question = self.ask(Method::POST, "compare revisions", &["commitsbatch"]);
        let commits: List<Commit> = question.sending(&body).json().await?;
        let told = commits.value.into_iter().map(|commit| {
            let page = || self.page(&["_git", &self.name, "commit", &commit.commit_id]);
            ComparedCommit {
                url: commit.remote_url.clone().unwrap_or_else(page),
                summary: summary(commit.comment.as_deref().unwrap_or_default()),
                author: commit
                    .author
                    .and_then(|author| author.name)
                    .unwrap_or_default(),
                id: commit.commit_id,
            }
        });
        Ok(told.collect())
    }
}
