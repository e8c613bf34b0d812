//! What says that a commit is good: statuses of the commit, and the builds that branch policies ask for.
//!
//! Invariant: a policy counts when it is on, holds up the merge, and is a check; who has to approve is none. What is absent: making
//! anybody run anything.

use super::answers::{Evaluation, List, Pull, Status};
use super::{Azure, MOST_WHOLE, PAGE, PREVIEW};
use crate::adapters::forge::error::ForgeError;
use crate::adapters::forge::together;
use crate::domain::pull_request::forge::Checks;

/// Kinds of policies that are checks: a build, and a status that somebody posts.
const CHECKS: [&str; 2] = [
    "0609b952-1397-4640-95ec-e00a01b2c241",
    "cbdc66da-9728-4af8-aada-9a5a32e4a226",
];

impl Azure {
    pub(in crate::adapters::forge) async fn checks(
        &self,
        commit: &str,
    ) -> Result<Checks, ForgeError> {
        let what = "read the checks of a commit";
        let path = ["commits", commit, "statuses"];
        let question = self.get_one(what, &path).with("latestOnly", "true");
        let statuses: List<Status> = question.with("top", &PAGE.to_string()).json().await?;
        let statuses = statuses
            .value
            .iter()
            .map(|status| match status.state.as_deref() {
                Some("succeeded") => Checks::Passed,
                Some("failed" | "error") => Checks::Failed,
                Some("notApplicable") => Checks::None,
                _ => Checks::Pending,
            });
        let mut results: Vec<Checks> = statuses.collect();
        // Builds that a branch policy asks for belong to the pull request, not to its commit.
        let open = self.list("active", None).await?;
        let is_of = |pull: &&Pull| {
            let head = pull.last_merge_source_commit.as_ref();
            head.is_some_and(|head| head.commit_id == commit)
        };
        for pull in open.iter().filter(is_of).take(MOST_WHOLE) {
            results.extend(self.policies(pull).await?);
        }
        let all = open.len() < PAGE && results.len() < PAGE;
        Ok(together(results, all))
    }

    /// What the branch policies that are checks say of a pull request.
    async fn policies(&self, pull: &Pull) -> Result<Vec<Checks>, ForgeError> {
        let Some(repository) = &pull.repository else {
            return Ok(Vec::new());
        };
        let path = [
            self.organization.as_str(),
            &self.project,
            "_apis",
            "policy",
            "evaluations",
        ];
        let question = self.http.get("read the policies of a pull request", &path);
        let artifact = format!(
            "vstfs:///CodeReview/CodeReviewId/{}/{}",
            repository.project.id, pull.pull_request_id
        );
        let question = question.with("artifactId", &artifact);
        let question = question.with("api-version", PREVIEW);
        let found: List<Evaluation> = question.json().await?;
        let checks = found.value.iter().filter(|evaluation| {
            let policy = &evaluation.configuration;
            policy.is_enabled && policy.is_blocking && CHECKS.contains(&policy.kind.id.as_str())
        });
        let results = checks.map(|check| match check.status.as_deref() {
            Some("approved") => Checks::Passed,
            Some("rejected" | "broken") => Checks::Failed,
            Some("notApplicable") => Checks::None,
            _ => Checks::Pending,
        });
        Ok(results.collect())
    }
}
