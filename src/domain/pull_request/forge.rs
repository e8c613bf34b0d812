//! What a forge is asked for and what it answers, in no forge's own words.

/// A repository on a forge, as its API names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repository {
    /// Which API it has.
    pub kind: ForgeKind,
    /// Scheme, host, port and path prefix of the API.
    pub api: url::Url,
    /// `owner/name`, `group/sub/name`, `organization/project/name`, `PROJECT/name`.
    pub path: String,
}

/// The APIs that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ForgeKind {
    /// GitHub and GitHub Enterprise.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
    /// Bitbucket Cloud.
    BitbucketCloud,
    /// Bitbucket Data Center.
    BitbucketDataCenter,
    /// Azure DevOps.
    Azure,
}

/// What became of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullState {
    /// It waits.
    Open,
    /// It is in its base branch.
    Merged,
    /// It was closed without being merged.
    Closed,
}

/// A pull (or merge) request as the forge has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number in the repository.
    pub number: u64,
    /// Its page for people.
    pub url: String,
    /// What became of it.
    pub state: PullState,
    /// The branch it brings.
    pub head_branch: String,
    /// The newest commit of that branch.
    pub head_commit: Option<String>,
    /// The branch it goes to.
    pub base_branch: String,
    /// Its title, without a forge's mark of drafts.
    pub title: String,
    /// Its description.
    pub body: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Whether it is not yet to be merged.
    pub draft: bool,
    /// Whether it can be merged without conflicts; `None` while the forge still computes it.
    pub mergeable: Option<bool>,
    /// Who closed it without merging, when the forge tells.
    pub closed_by: Option<String>,
    /// Whether it was closed because a branch of its name was deleted. Gitea takes note of that late, and
    /// then closes what was opened meanwhile from a new branch of the same name.
    pub closed_with_branch: bool,
    /// When it was opened.
    pub created: jiff::Timestamp,
    /// When it was closed or merged.
    pub closed: Option<jiff::Timestamp>,
    /// What merging made.
    pub merge_commit: Option<String>,
}

/// What a new pull request says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullRequestDraft {
    /// The branch it brings.
    pub head_branch: String,
    /// The branch it goes to.
    pub base_branch: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Who is asked to look at it.
    pub reviewers: Vec<String>,
    /// Who it is given to.
    pub assignees: Vec<String>,
    /// The title of a milestone.
    pub milestone: Option<String>,
    /// Whether it is not yet to be merged.
    pub draft: bool,
}

/// What a pull request says from now on. `None` leaves as is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullRequestEdit {
    /// Its title.
    pub title: Option<String>,
    /// Its description.
    pub body: Option<String>,
    /// The branch it goes to.
    pub base_branch: Option<String>,
    /// All its labels.
    pub labels: Option<Vec<String>>,
}

/// What the checks of a commit say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// None are configured or reported.
    None,
    /// Some are under way.
    Pending,
    /// All have passed.
    Passed,
    /// One has failed.
    Failed,
}

/// How a pull request becomes part of its base branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeMethod {
    /// By a merge commit.
    Merge,
    /// As one commit.
    Squash,
    /// As its own commits on top of the base.
    Rebase,
}

/// One change between two revisions, for the changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedCommit {
    /// Its id.
    pub id: String,
    /// The first line of its message.
    pub summary: String,
    /// Its author's name.
    pub author: String,
    /// Its page for people.
    pub url: String,
}
