//! Forges: pull requests over the HTTP APIs of GitHub, GitLab, Gitea, Bitbucket and Azure DevOps.
//!
//! ```text
//! Forge ── github (octocrab) ──┐
//!       ── gitlab, gitea, .. ──┴── http: one bounded client ──▶ the forge
//! ```
//!
//! Invariants: each operation is bounded in time, requests and bytes; a merge and the removal of a branch name the commit
//! that is meant, and are refused when the branch has moved; no error holds a credential. What is absent: Git itself, and
//! every decision.

mod azure;
mod bitbucket_cloud;
mod bitbucket_data_center;
mod commit;
mod error;
mod gitea;
mod github;
mod gitlab;
mod http;
mod login;

pub use crate::adapters::outbound::Proxy;
pub use error::{ErrorClass, ForgeError};

use crate::domain::pull_request::forge::{
    Checks, ComparedCommit, ForgeKind, MergeMethod, PullRequest, PullRequestDraft, PullRequestEdit,
    PullState, Repository,
};
use crate::domain::redact::Secret;
use http::Http;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Most pull requests that a search gives.
const MOST_PULL_REQUESTS: usize = 100;
/// Most commits of a comparison.
const MOST_COMMITS: usize = 50;

/// Who asks.
#[derive(Clone, Debug)]
pub enum ForgeCredential {
    /// Nobody in particular: reads of public repositories.
    None,
    /// A token, sent as the forge's own tokens are.
    Token(Secret),
    /// A user name with a password or token.
    Basic {
        /// The user name; may be empty.
        username: String,
        /// The password or token.
        password: Secret,
    },
    /// A token, sent as `Authorization: Bearer`.
    Bearer(Secret),
}

/// How a forge is reached.
#[derive(Clone, Debug)]
pub struct ForgeSettings {
    /// Authorities (PEM) that are trusted besides the system's.
    pub certificate_authority: Option<Vec<u8>>,
    /// The proxy; without one, the environment's counts, never for loopback.
    pub proxy: Option<Proxy>,
    /// How long one operation may take, all its requests together.
    pub timeout: Duration,
    /// What we call ourselves.
    pub user_agent: String,
}

impl Default for ForgeSettings {
    fn default() -> Self {
        Self {
            certificate_authority: None,
            proxy: None,
            timeout: Duration::from_secs(60),
            user_agent: concat!("highwater/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A pull request that was opened, and what of its draft the forge did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// As the forge has it.
    pub pull_request: PullRequest,
    /// For people: reviewers that do not exist, labels that the forge does not know, and their like.
    pub warnings: Vec<String>,
}

/// One repository on a forge. Clones share their connections.
#[derive(Clone)]
pub struct Forge {
    adapter: Arc<Adapter>,
    repository: Repository,
    timeout: Duration,
}

enum Adapter {
    GitHub(github::GitHub),
    GitLab(gitlab::GitLab),
    Gitea(gitea::Gitea),
    BitbucketCloud(bitbucket_cloud::BitbucketCloud),
    BitbucketDataCenter(bitbucket_data_center::BitbucketDataCenter),
    Azure(azure::Azure),
}

/// Does the same with whichever adapter it is.
macro_rules! with {
    ($forge:expr, $what:expr, $adapter:ident => $operation:expr) => {
        match &*$forge.adapter {
            Adapter::GitHub($adapter) => $forge.within($what, $operation).await,
            Adapter::GitLab($adapter) => $forge.within($what, $operation).await,
            Adapter::Gitea($adapter) => $forge.within($what, $operation).await,
            Adapter::BitbucketCloud($adapter) => $forge.within($what, $operation).await,
            Adapter::BitbucketDataCenter($adapter) => $forge.within($what, $operation).await,
            Adapter::Azure($adapter) => $forge.within($what, $operation).await,
        }
    };
}

impl Forge {
    /// Prepares to speak to the API of a repository. Nothing is sent yet. To be called inside of a Tokio runtime.
    ///
    /// # Errors
    /// [`ForgeError`] when the repository's path, the credential or the settings cannot work.
    pub fn connect(
        repository: Repository,
        credential: ForgeCredential,
        settings: ForgeSettings,
    ) -> Result<Self, ForgeError> {
        let timeout = settings.timeout;
        let http = Http::new(repository.clone(), &credential, &settings)?;
        let adapter = match repository.kind {
            ForgeKind::GitHub => Adapter::GitHub(github::GitHub::new(http)?),
            ForgeKind::GitLab => Adapter::GitLab(gitlab::GitLab::new(http)),
            ForgeKind::Gitea => Adapter::Gitea(gitea::Gitea::new(http)?),
            ForgeKind::BitbucketCloud => {
                Adapter::BitbucketCloud(bitbucket_cloud::BitbucketCloud::new(http)?)
            }
            ForgeKind::BitbucketDataCenter => {
                Adapter::BitbucketDataCenter(bitbucket_data_center::BitbucketDataCenter::new(http)?)
            }
            ForgeKind::Azure => Adapter::Azure(azure::Azure::new(http)?),
        };
        Ok(Self {
            adapter: Arc::new(adapter),
            repository,
            timeout,
        })
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Most characters that a description may have on this forge; a longer one is cut.
    pub fn longest_body(&self) -> usize {
        match self.repository.kind {
            ForgeKind::Azure => 4_000,
            ForgeKind::BitbucketCloud | ForgeKind::BitbucketDataCenter => 32_000,
            ForgeKind::GitHub | ForgeKind::GitLab | ForgeKind::Gitea => 65_000,
        }
    }

    /// The pull requests from one branch of this repository to another, in any state, the newest first; at most a hundred.
    ///
    /// `mergeable` and `closed_by` may be missing where a forge's list lacks them; [`Forge::get`] has them. Of the newest one that
    /// was closed without merging, `closed_by` is always asked for.
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn find(
        &self,
        head_branch: &str,
        base_branch: &str,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        with!(self, "list pull requests", adapter => async {
            let mut found = adapter.find(head_branch, base_branch).await?;
            found.retain(|pull| pull.head_branch == head_branch && pull.base_branch == base_branch);
            found.sort_by_key(|pull| std::cmp::Reverse(pull.number));
            found.truncate(MOST_PULL_REQUESTS);
            Ok(found)
        })
    }

    /// One pull request by its number.
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn get(&self, number: u64) -> Result<PullRequest, ForgeError> {
        with!(self, "read a pull request", adapter => adapter.get(number))
    }

    /// Opens a pull request. What the forge takes only afterwards (labels, reviewers, assignees, milestone) and refuses is a warning.
    ///
    /// # Errors
    /// [`ForgeError`]; [`ErrorClass::Conflict`] when there is an open one of these branches already.
    pub async fn create(&self, draft: &PullRequestDraft) -> Result<Created, ForgeError> {
        let mut draft = draft.clone();
        draft.body = cut(&draft.body, self.longest_body());
        with!(self, "open a pull request", adapter => adapter.create(&draft))
    }

    /// Changes what a pull request says. Labels are passed over by forges that have none (both Bitbuckets).
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn edit(&self, number: u64, edit: &PullRequestEdit) -> Result<(), ForgeError> {
        let mut edit = edit.clone();
        edit.body = edit.body.map(|body| cut(&body, self.longest_body()));
        with!(self, "edit a pull request", adapter => adapter.edit(number, &edit))
    }

    /// Says something below a pull request.
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn comment(&self, number: u64, text: &str) -> Result<(), ForgeError> {
        let text = cut(text, self.longest_body());
        with!(self, "comment on a pull request", adapter => adapter.comment(number, &text))
    }

    /// Closes a pull request without merging it. On both Bitbuckets it is declined and cannot be opened again.
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn close(&self, number: u64) -> Result<(), ForgeError> {
        with!(self, "close a pull request", adapter => adapter.close(number))
    }

    /// Opens a pull request again that was closed with a branch ([`PullRequest::closed_with_branch`]).
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn reopen(&self, number: u64) -> Result<(), ForgeError> {
        const WHAT: &str = "open a pull request again";
        match &*self.adapter {
            Adapter::Gitea(adapter) => self.within(WHAT, adapter.reopen(number)).await,
            _ => {
                let (class, reason) = (ErrorClass::Refused, "only Gitea closes one by mistake");
                Err(ForgeError::new(&self.repository, WHAT, class, reason))
            }
        }
    }

    /// Merges a pull request if its newest commit is `expected_head`. The branch stays.
    ///
    /// # Errors
    /// [`ForgeError`]; [`ErrorClass::Conflict`] when the branch has moved or cannot be merged (checks that are missing, conflicts).
    pub async fn merge(
        &self,
        number: u64,
        method: MergeMethod,
        expected_head: &str,
    ) -> Result<(), ForgeError> {
        with!(self, "merge a pull request", adapter => adapter.merge(number, method, expected_head))
    }

    /// What the checks of a commit say together.
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn checks(&self, commit: &str) -> Result<Checks, ForgeError> {
        with!(self, "read the checks of a commit", adapter => adapter.checks(commit))
    }

    /// Removes a branch whose newest commit is `expected_head`. A branch that is gone already is no error.
    ///
    /// # Errors
    /// [`ForgeError`]; [`ErrorClass::Conflict`] when the branch has moved.
    pub async fn delete_branch(&self, name: &str, expected_head: &str) -> Result<(), ForgeError> {
        with!(self, "delete a branch", adapter => async {
            error::found(adapter.delete_branch(name, expected_head).await).map(drop)
        })
    }

    /// The commits that are in `to` and not in `from`, the newest first, at most fifty; `None` when the repository lacks one of both.
    ///
    /// # Errors
    /// [`ForgeError`].
    pub async fn compare(
        &self,
        from: &str,
        to: &str,
    ) -> Result<Option<Vec<ComparedCommit>>, ForgeError> {
        with!(self, "compare revisions", adapter => async {
            let mut commits = error::found(adapter.compare(from, to).await)?;
            if let Some(commits) = &mut commits {
                commits.truncate(MOST_COMMITS);
            }
            Ok(commits)
        })
    }

    /// Ends an operation that takes longer than the settings allow.
    async fn within<T>(
        &self,
        what: &'static str,
        operation: impl Future<Output = Result<T, ForgeError>>,
    ) -> Result<T, ForgeError> {
        let outcome = tokio::time::timeout(self.timeout, operation).await;
        outcome.unwrap_or_else(|_| {
            let reason = format!("no answer in full within {:?}", self.timeout);
            let class = ErrorClass::Unavailable;
            Err(ForgeError::new(&self.repository, what, class, reason))
        })
    }
}

/// Cuts a text that a forge would not take, and says so in it.
fn cut(text: &str, longest: usize) -> String {
    const MARK: &str = "\n\n(cut: the forge takes no more)";
    // Counted as the strictest of them counts: in UTF-16 units, of which none is more than one character's bytes.
    if text.encode_utf16().count() <= longest {
        return text.to_owned();
    }
    let mut left = longest - MARK.len();
    let whole = text.chars().take_while(|letter| {
        let fits = left >= letter.len_utf16();
        left = left.saturating_sub(letter.len_utf16());
        fits
    });
    whole.collect::<String>() + MARK
}

/// The check results of a commit, put together: one failure fails, one that is under way keeps waiting. Unless `all` of them were read,
/// they cannot be said to have passed.
fn together(results: impl IntoIterator<Item = Checks>, all: bool) -> Checks {
    let unread = (!all).then_some(Checks::Pending);
    results
        .into_iter()
        .chain(unread)
        .fold(Checks::None, |whole, next| match (whole, next) {
            (Checks::Failed, _) | (_, Checks::Failed) => Checks::Failed,
            (Checks::Pending, _) | (_, Checks::Pending) => Checks::Pending,
            (Checks::Passed, _) | (_, Checks::Passed) => Checks::Passed,
            (Checks::None, Checks::None) => Checks::None,
        })
}

/// The first line of a commit's message.
fn summary(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim().to_owned()
}

/// The newest one that was closed without merging.
fn newest_closed(pulls: &mut [PullRequest]) -> Option<&mut PullRequest> {
    let closed = pulls
        .iter_mut()
        .filter(|pull| pull.state == PullState::Closed);
    closed.max_by_key(|pull| pull.number)
}

/// Notes what was not done, and why.
fn note(warnings: &mut Vec<String>, what: impl fmt::Display, outcome: Result<(), ForgeError>) {
    if let Err(error) = outcome {
        warnings.push(format!("{what}: {}", error.reason));
    }
}

/// A warning for each thing that a draft asks for and that the forge has not.
fn unknown(draft: &PullRequestDraft, absent: &[&str]) -> Vec<String> {
    let asked = [
        ("labels", !draft.labels.is_empty()),
        ("assignees", !draft.assignees.is_empty()),
        ("milestones", draft.milestone.is_some()),
    ];
    let asked = asked
        .iter()
        .filter(|(what, asked)| *asked && absent.contains(what));
    asked
        .map(|(what, _)| format!("pull requests have no {what} on this forge"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn checks_are_as_good_as_the_worst_of_them() {
        use Checks::{Failed, None, Passed, Pending};
        for (results, expected) in [
            (&[][..], None),
            (&[None, None], None),
            (&[Passed, None], Passed),
            (&[Passed, Pending], Pending),
            (&[Pending, Failed, Passed], Failed),
        ] {
            assert_eq!(together(results.iter().copied(), true), expected);
        }
        assert_eq!(together([Passed], false), Pending);
        assert_eq!(together([Failed], false), Failed);
    }

    proptest! {
        #[test]
        fn a_text_is_cut_to_what_the_forge_takes(text in "\\PC{0,200}", longest in 40_usize..100) {
            let kept = cut(&text, longest);
            prop_assert!(kept.encode_utf16().count() <= longest);
            let start = kept.strip_suffix("\n\n(cut: the forge takes no more)").unwrap_or(&kept);
            prop_assert!(text.starts_with(start));
            prop_assert!(kept == text || text.encode_utf16().count() > longest);
        }
    }
}
