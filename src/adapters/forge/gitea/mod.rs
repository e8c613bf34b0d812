//! Gitea and Forgejo.
//!
//! Invariant: labels are named by number, so one that is missing is made first; a draft is a title that begins with `WIP:`. What is
//! absent: labels that an organisation has for all its repositories are used, never made.

mod answers;

use crate::adapters::forge::commit::Commit;
use crate::adapters::forge::error::{ErrorClass, ForgeError, found};
use crate::adapters::forge::http::{Http, Question};
use crate::adapters::forge::{Created, MOST_COMMITS, newest_closed, note, together};
use crate::domain::pull_request::forge::{
    Checks, ComparedCommit, MergeMethod, PullRequest, PullRequestDraft, PullRequestEdit, PullState,
};
use answers::{BranchTip, Entry, Label, Named, Pull, Statuses, titled};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// Entries of one page: the most that Gitea gives unless it is told otherwise.
const PAGE: usize = 50;
/// Most pages of a list.
const MOST_PAGES: usize = 10;
/// How often it is asked again whether a pull request can be merged, and after how long.
const LOOKS: usize = 4;
/// The same for a merge: it may come right after a push.
const MERGE_LOOKS: usize = 20;
const PAUSE: Duration = Duration::from_millis(250);
/// The colour of a label that is made.
const COLOUR: &str = "#0366d6";

pub(super) struct Gitea {
    http: Http,
    owner: String,
    name: String,
}

impl Gitea {
    pub(super) fn new(http: Http) -> Result<Self, ForgeError> {
        let Some((owner, name)) = http.repository.path.split_once('/') else {
            return Err(http.error("connect", ErrorClass::Refused, "expected `owner/name`"));
        };
        let (owner, name) = (owner.to_owned(), name.to_owned());
        Ok(Self { http, owner, name })
    }

    fn ask(&self, method: Method, what: &'static str, rest: &[&str]) -> Question<'_> {
        let mut segments = vec!["repos", &self.owner, &self.name];
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
        let question = self.get_one("list pull requests", &["pulls"]);
        let question = question.with("state", "all").with("base_branch", base);
        let (listed, all): (Vec<Pull>, bool) = self.pages(question, |page| page).await?;
        let is_ours = |pull: &Pull| {
            pull.head.label == head
                && pull.base.label == base
                && pull.head.repo_id == pull.base.repo_id
        };
        let mut pulls: Vec<PullRequest> = listed
            .into_iter()
            .filter(is_ours)
            .map(|pull| pull.told(false))
            .collect();
        if pulls.is_empty() && !all {
            // It may be older than all that were listed.
            let question = self.get_one("read a pull request", &["pulls", base, head]);
            let pull: Option<Pull> = found(question.json().await)?;
            pulls.extend(pull.filter(is_ours).map(|pull| pull.told(false)));
        }
        if let Some(pull) = newest_closed(&mut pulls) {
            self.look_who_closed(pull).await?;
        }
        Ok(pulls)
    }

    pub(super) async fn get(&self, number: u64) -> Result<PullRequest, ForgeError> {
        let path = ["pulls", &number.to_string()];
        let mut pull: Pull = self.get_one("read a pull request", &path).json().await?;
        // It says "no" also while it computes, and looking makes it compute.
        for _ in 1..LOOKS {
            if pull.mergeable || pull.draft || pull.state != "open" {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            pull = self.get_one("read a pull request", &path).json().await?;
        }
        let mut pull = pull.told(true);
        if pull.state == PullState::Closed {
            self.look_who_closed(&mut pull).await?;
        }
        Ok(pull)
    }

    /// Who closed it last and with what, as the list of what happened to it tells.
    async fn look_who_closed(&self, pull: &mut PullRequest) -> Result<(), ForgeError> {
        let number = pull.number;
        let mut closing = None;
        for page in 1..=MOST_PAGES {
            let path = ["issues", &number.to_string(), "timeline"];
            let question = self.get_one("read what happened to a pull request", &path);
            let question = question.with("page", &page.to_string());
            let question = question.with("limit", &PAGE.to_string());
            let entries: Option<Vec<Entry>> = question.json().await?;
            let Some(entries) = entries.filter(|entries| !entries.is_empty()) else {
                break;
            };
            for entry in entries {
                match entry.kind.as_str() {
                    "close" => {
                        pull.closed_with_branch = false;
                        closing = Some(entry);
                    }
                    "delete_branch" => {
                        let closing = closing.as_ref();
                        pull.closed_with_branch =
                            closing.is_some_and(|was| was.is_one_with(&entry));
                    }
                    _ => {}
                }
            }
        }
        pull.closed_by = closing.and_then(|entry| Some(entry.user?.login));
        Ok(())
    }

    pub(super) async fn create(&self, draft: &PullRequestDraft) -> Result<Created, ForgeError> {
        let title = titled(&draft.title, draft.draft);
        let body = json!({"head": draft.head_branch, "base": draft.base_branch, "title": title, "body": draft.body});
        let question = self.ask(Method::POST, "open a pull request", &["pulls"]);
        let pull: Pull = question.sending(&body).json().await?;
        let number = pull.number;
        let mut warnings = Vec::new();
        if !draft.labels.is_empty() {
            let set = self.set_labels(number, &draft.labels).await;
            note(&mut warnings, "the labels were not set", set);
        }
        for reviewer in &draft.reviewers {
            let asked = self.ask_for_review(number, reviewer).await;
            let what = format!("`{reviewer}` was not asked for a review");
            note(&mut warnings, what, asked);
        }
        let mut assigned: Vec<&str> = Vec::new();
        for assignee in &draft.assignees {
            assigned.push(assignee);
            let assigning = self.change(number, &json!({"assignees": assigned})).await;
            if assigning.is_err() {
                assigned.pop();
            }
            let what = format!("`{assignee}` was not assigned");
            note(&mut warnings, what, assigning);
        }
        if let Some(title) = &draft.milestone {
            let set = self.set_milestone(number, title).await;
            note(
                &mut warnings,
                format!("the milestone `{title}` was not set"),
                set,
            );
        }
        let pull_request = self.get(number).await?;
        Ok(Created {
            pull_request,
            warnings,
        })
    }

    async fn change(&self, number: u64, body: &Value) -> Result<(), ForgeError> {
        let path = ["pulls", &number.to_string()];
        let question = self.ask(Method::PATCH, "edit a pull request", &path);
        question.sending(body).done().await
    }

    /// `name` is a user's, `organization/team` a team's.
    async fn ask_for_review(&self, number: u64, name: &str) -> Result<(), ForgeError> {
        let body = match name.rsplit_once('/') {
            Some((_, team)) => json!({"team_reviewers": [team]}),
            None => json!({"reviewers": [name]}),
        };
        let path = ["pulls", &number.to_string(), "requested_reviewers"];
        let question = self.ask(Method::POST, "ask for a review", &path);
        question.sending(&body).done().await
    }

    async fn set_milestone(&self, number: u64, title: &str) -> Result<(), ForgeError> {
        let what = "read milestones";
        let question = self.get_one(what, &["milestones"]).with("state", "all");
        let found: Vec<Named> = question.with("name", title).json().await?;
        let milestone = found.iter().find(|milestone| milestone.title == title);
        let milestone = milestone
            .ok_or_else(|| self.http.error(what, ErrorClass::NotFound, "there is none"))?;
        self.change(number, &json!({"milestone": milestone.id}))
            .await
    }

    async fn set_labels(&self, number: u64, names: &[String]) -> Result<(), ForgeError> {
        let question = self.get_one("read labels", &["labels"]);
        let (mut known, _): (Vec<Label>, _) = self.pages(question, |page| page).await?;
        let missing = |known: &[Label]| {
            let missing = names
                .iter()
                .find(|name| known.iter().all(|label| label.name != **name));
            missing.cloned()
        };
        if missing(&known).is_some() {
            let question = self
                .http
                .get("read labels", &["orgs", &self.owner, "labels"]);
            let more = found(self.pages(question, |page: Vec<Label>| page).await)?;
            known.extend(more.map(|(labels, _)| labels).unwrap_or_default());
        }
        while let Some(name) = missing(&known) {
            let question = self.ask(Method::POST, "make a label", &["labels"]);
            let body = json!({"name": name, "color": COLOUR});
            let made: Label = question.sending(&body).json().await?;
            // Whatever it calls it, this one is done.
            known.push(Label { id: made.id, name });
        }
        let wanted = known.iter().filter(|label| names.contains(&label.name));
        let ids: Vec<u64> = wanted.map(|label| label.id).collect();
        let path = ["issues", &number.to_string(), "labels"];
        let question = self.ask(Method::PUT, "set the labels of a pull request", &path);
        question.sending(&json!({"labels": ids})).done().await
    }

    /// Some pages of a list, and whether these are all. A server may give fewer at once than it is asked for.
    async fn pages<Page: DeserializeOwned, T>(
        &self,
        question: Question<'_>,
        entries: impl Fn(Page) -> Vec<T>,
    ) -> Result<(Vec<T>, bool), ForgeError> {
        let (what, mut all) = (question.what(), Vec::new());
        let question = question.with("limit", &PAGE.to_string());
        for page in 1..=MOST_PAGES {
            let question = question.clone().with("page", &page.to_string());
            let answer = question.answer().await?;
            let total = answer.headers.get("x-total-count");
            let total = total.and_then(|total| total.to_str().ok()?.parse::<usize>().ok());
            let entries = entries(self.http.read(what, &answer)?);
            let count = entries.len();
            all.extend(entries);
            let last = total.map_or(count < PAGE, |total| all.len() >= total);
            if last || count == 0 {
                return Ok((all, true));
            }
        }
        Ok((all, false))
    }

    pub(super) async fn edit(&self, number: u64, edit: &PullRequestEdit) -> Result<(), ForgeError> {
        let mut body = json!({});
        if let Some(title) = &edit.title {
            let path = ["pulls", &number.to_string()];
            let pull: Pull = self.get_one("read a pull request", &path).json().await?;
            body["title"] = json!(titled(title, pull.draft));
        }
        if let Some(text) = &edit.body {
            body["body"] = json!(text);
        }
        if let Some(base) = &edit.base_branch {
            body["base"] = json!(base);
        }
        if body.as_object().is_some_and(|fields| !fields.is_empty()) {
            self.change(number, &body).await?;
        }
        match &edit.labels {
            Some(labels) => self.set_labels(number, labels).await,
            None => Ok(()),
        }
    }

    pub(super) async fn comment(&self, number: u64, text: &str) -> Result<(), ForgeError> {
        let path = ["issues", &number.to_string(), "comments"];
        let question = self.ask(Method::POST, "comment on a pull request", &path);
        question.sending(&json!({"body": text})).done().await
    }

    pub(super) async fn close(&self, number: u64) -> Result<(), ForgeError> {
        self.change(number, &json!({"state": "closed"})).await
    }

    pub(super) async fn reopen(&self, number: u64) -> Result<(), ForgeError> {
        self.change(number, &json!({"state": "open"})).await
    }

    pub(super) async fn merge(
        &self,
        number: u64,
        method: MergeMethod,
        expected_head: &str,
    ) -> Result<(), ForgeError> {
        let style = match method {
            MergeMethod::Merge => "merge",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase",
        };
        let body = json!({"Do": style, "head_commit_id": expected_head, "delete_branch_after_merge": false});
        let path = ["pulls", &number.to_string(), "merge"];
        for look in 1.. {
            let question = self.ask(Method::POST, "merge a pull request", &path);
            match question.sending(&body).done().await {
                // While it computes whether there are conflicts.
                Err(error) if error.reason.contains("try again later") && look < MERGE_LOOKS => {
                    tokio::time::sleep(PAUSE).await;
                }
                // 405: not allowed, a draft, checks or reviews that are missing, merged already.
                outcome => return outcome.map_err(|error| error.with_class(ErrorClass::Conflict)),
            }
        }
        Ok(())
    }

    pub(super) async fn checks(&self, commit: &str) -> Result<Checks, ForgeError> {
        let path = ["commits", commit, "status"];
        let question = self.get_one("read the checks of a commit", &path);
        // The state that it puts together is that of one page.
        let statuses = |page: Statuses| page.statuses.unwrap_or_default();
        let (statuses, all) = self.pages(question, statuses).await?;
        let results = statuses.iter().map(|status| match status.status.as_str() {
            "success" | "skipped" => Checks::Passed,
            "failure" | "error" | "warning" => Checks::Failed,
            _ => Checks::Pending,
        });
        Ok(together(results, all))
    }

    pub(super) async fn delete_branch(&self, name: &str, expected: &str) -> Result<(), ForgeError> {
        let what = "delete a branch";
        let tip: BranchTip = self.get_one(what, &["branches", name]).json().await?;
        self.http.expect_head(what, expected, &tip.commit.id)?;
        let question = self.ask(Method::DELETE, what, &["branches", name]);
        question.done().await
    }

    pub(super) async fn compare(
        &self,
        from: &str,
        to: &str,
    ) -> Result<Vec<ComparedCommit>, ForgeError> {
        let what = "compare revisions";
        // The list takes a missing lower bound for an error of its own.
        slim(self.get_one(what, &["git", "commits", from]))
            .done()
            .await?;
        let question = slim(self.get_one(what, &["commits"]));
        let question = question.with("sha", to).with("not", from);
        let limit = MOST_COMMITS.to_string();
        let commits: Vec<Commit> = question.with("limit", &limit).json().await?;
        Ok(commits.into_iter().map(Commit::told).collect())
    }
}

/// Without what takes Gitea long to find out.
fn slim(question: Question<'_>) -> Question<'_> {
    question
        .with("stat", "false")
        .with("verification", "false")
        .with("files", "false")
}
