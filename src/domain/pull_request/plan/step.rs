//! What is wanted, what is known, and what can be done about it.

use crate::domain::pull_request::forge::{Checks, MergeMethod, PullRequest};
use crate::domain::pull_request::group::Images;
use crate::domain::pull_request::marker::Ended;
use crate::domain::pull_request::ownership::{Head, Record};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a group is to propose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The branch it comes from.
    pub branch: String,
    /// The branch it is to be merged into.
    pub base_branch: String,
    /// The images it proposes.
    pub images: Images,
    /// The fingerprint of what title and body say.
    pub text: String,
}

/// What is there of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// All its pull requests, on whichever branch, the newest first.
    pub pull_requests: Vec<PullRequest>,
    /// The heads of its branches; one that does not exist is left out.
    pub heads: BTreeMap<String, Head>,
    /// What was written down about its pushes.
    pub records: Vec<Record>,
    /// The commit at the tip of the base.
    pub base: String,
    /// What the checks of the open one's head say, where that is needed.
    pub checks: Option<Checks>,
    /// The numbers of those that a person wants to be proposed again.
    pub lifted: BTreeSet<u64>,
}

/// When a branch that is not on the tip of the base is built again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rebuild {
    /// Whenever the base has moved.
    #[default]
    Behind,
    /// Only when it cannot be merged as it is.
    Conflicting,
}

/// When a pull request merges by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoMerge {
    /// Whether checks must have passed. Otherwise they only must not have failed, nor be under way.
    pub checks: bool,
    /// How long the version must have been proposed.
    pub after: Duration,
    /// How.
    pub method: MergeMethod,
}

/// What holds for every group of an automation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// When branches are built again.
    pub rebuild: Rebuild,
    /// When they merge by themselves, if ever.
    pub auto_merge: Option<AutoMerge>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply the changes to the base anew, and push that.
    Push {
        /// The branch.
        branch: String,
        /// The head it replaces; `None` when the branch must not exist.
        replaces: Option<String>,
    },
    /// Open a pull request.
    Create,
    /// Say in an open one what is true now.
    Edit {
        /// Its number.
        number: u64,
        /// Whether title and text say something else than before; else only the marker does.
        text: bool,
        /// The base it is moved to.
        base_branch: Option<String>,
        /// Since when this version is proposed.
        since: Timestamp,
    },
    /// Close one, with a comment.
    Close {
        /// Its number.
        number: u64,
        /// Why.
        why: Ended,
        /// Whether why is still to be said: not when that was done before something failed.
        say: bool,
    },
    /// Open one again that the forge closed by mistake.
    Reopen {
        /// Its number.
        number: u64,
    },
    /// Merge one.
    Merge {
        /// Its number.
        number: u64,
        /// The head that may be merged.
        head: String,
        /// How.
        method: MergeMethod,
    },
    /// Delete a branch that is not needed any more.
    DeleteBranch {
        /// The branch.
        branch: String,
        /// The head it must have.
        head: String,
    },
}

/// Why a pull request that is to merge by itself does not do so yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// It is a draft.
    Draft,
    /// It has not been open for long enough.
    Age(Duration),
    /// Checks are under way.
    Checks,
    /// No checks have reported anything.
    NoChecks,
    /// Checks have failed.
    Failed,
    /// It conflicts.
    Conflict,
}

/// How it stands with a group once the steps are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is nothing to propose, or another process is about to.
    Nothing,
    /// A pull request is open, or is opened now.
    Open(Option<Waiting>),
    /// It is merged now.
    Merged,
    /// A person closed it, so this version is skipped.
    Skipped {
        /// The one that was closed.
        number: u64,
        /// Who closed it, if the forge tells.
        by: Option<String>,
    },
    /// Its branch has somebody else's commit: it is left alone.
    Kept {
        /// The branch.
        branch: String,
        /// Whose commit, as `Name <address>`.
        author: String,
        /// Whether what it proposes is what is wanted.
        current: bool,
    },
}

/// What to do, and how it stands then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do, in this order.
    pub steps: Vec<Step>,
    /// How it stands once that is done.
    pub standing: Standing,
    /// The number of the pull request that this is about, unless it is yet to be opened.
    pub number: Option<u64>,
    /// How soon to look again, if sooner than usual.
    pub look_again: Option<Duration>,
}

impl Known {
    pub(super) fn head(&self, branch: &str) -> Option<&Head> {
        self.heads.get(branch)
    }

    /// What was written down about the push of this head.
    pub(super) fn record(&self, head: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.head == head)
    }
}
