//! What Git has: what is to be proposed, and which branches there are. Blocking.

use super::error::ProposeError;
use super::proposal::{Material, Proposal, Refused};
use super::settings::Settings;
use crate::adapters::git::{GitCache, Remote, Snapshot};
use crate::controllers::image_update::execute::Job;
use crate::domain::change::ChangeReport;
use crate::domain::git_ref::{CheckoutRef, CommitId};
use crate::domain::pull_request::{HeadCommit, Identity, branch_prefix};
use crate::domain::tree::{self, EntryKind, FileTree};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What Git has.
#[derive(Debug)]
pub(super) struct Survey {
    /// The files of the base.
    pub(super) tip: Snapshot,
    /// The tip of the base as a status has it.
    pub(super) revision: String,
    /// Everything that is to change.
    pub(super) report: ChangeReport,
    pub(super) proposals: Vec<Proposal>,
    pub(super) refused: Vec<Refused>,
    /// The heads of the branches that are looked at.
    pub(super) heads: BTreeMap<String, String>,
}

/// Looks at the base and at the branches: those of the proposals, those that were there before, and
/// all with the names that an automation without a template gives them.
pub(super) fn survey(
    job: &Job,
    settings: &Settings,
    bundles: &BTreeMap<String, String>,
    before: &BTreeSet<String>,
) -> Result<Survey, ProposeError> {
    let base = CheckoutRef::Branch(settings.base_branch.clone());
    let fetched = job.git.fetch(&job.remote, &base)?;
    let tip = fetched.snapshot;
    let edits = job.edit(&tip, &BTreeMap::new())?;
    let mut files = BTreeMap::new();
    for path in edits.files.keys() {
        let bytes = tip
            .read(path)
            .map_err(crate::controllers::image_update::execute::EditError::from)?;
        files.insert(path.clone(), bytes);
    }
    let path = &job.target.path;
    let is_file = matches!(
        tip.kind(path),
        Some(EntryKind::File | EntryKind::Executable | EntryKind::Link)
    );
    let shown = if is_file { tree::parent(path) } else { path };
    let material = Material {
        automation: &job.key,
        settings,
        selections: &job.selections,
        bundles,
        report: &edits.report,
        files: &files,
        shown,
    };
    let (proposals, refused) = material.proposals();
    let mut branches = before.clone();
    branches.extend(
        proposals
            .iter()
            .map(|proposal| proposal.wanted.branch.clone()),
    );
    let prefix = settings.branch.is_none().then(|| branch_prefix(&job.key));
    let heads = heads(&job.git, &job.remote, prefix.as_deref(), &branches)?;
    Ok(Survey {
        tip,
        revision: fetched.revision.to_string(),
        report: edits.report,
        proposals,
        refused,
        heads,
    })
}

/// The heads of branches: of all that begin with `prefix`, and of these.
fn heads(
    git: &GitCache,
    remote: &Remote,
    prefix: Option<&str>,
    branches: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, ProposeError> {
    let mut heads = BTreeMap::new();
    let others = branches
        .iter()
        .filter(|branch| prefix.is_none_or(|prefix| !branch.starts_with(prefix)));
    let asked = others.map(|branch| (branch.as_str(), true));
    for (start, exactly) in prefix
        .map(|prefix| (prefix, false))
        .into_iter()
        .chain(asked)
    {
        for found in git.remote_refs(remote, &format!("refs/heads/{start}"))? {
            if let Some(branch) = found.name.strip_prefix("refs/heads/")
                && (!exactly || branch == start)
            {
                heads.insert(branch.to_owned(), found.commit.to_string());
            }
        }
    }
    Ok(heads)
}

/// The head of a branch, who made it, and whether it starts at `base`; `None` when it is gone.
pub(super) fn head_commit(
    job: &Job,
    branch: &str,
    base: CommitId,
    identity: &Identity,
) -> Result<Option<(String, HeadCommit)>, ProposeError> {
    use crate::adapters::git::GitError;
    let (git, remote) = (&job.git, &job.remote);
    let fetched = match git.fetch(remote, &CheckoutRef::Branch(branch.to_owned())) {
        Err(GitError::RefNotFound { .. }) => return Ok(None),
        fetched => fetched?,
    };
    let lineage = fetched.snapshot.lineage()?;
    let mut commit = HeadCommit {
        author: lineage.author,
        author_email: lineage.author_email,
        committer_email: lineage.committer_email,
        parents: lineage.parents.iter().map(ToString::to_string).collect(),
        made: Timestamp::from_second(lineage.committed).ok(),
        starts_at_base: false,
    };
    // The history of the base is brought only where it decides.
    if let ([parent], true) = (lineage.parents.as_slice(), identity.made(&commit)) {
        commit.starts_at_base = *parent == base || git.follows(remote, base, *parent)?;
    }
    Ok(Some((fetched.commit.to_string(), commit)))
}
