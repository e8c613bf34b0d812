//! Rewrites what is marked, commits and pushes. Blocking.

use super::plan::Target;
use crate::adapters::git::{
    Author, CommitPlan, GitCache, GitError, GitHub, PushError, Remote, Snapshot, Transaction,
    TransactionError, TransactionOutcome,
};
use crate::domain::change::{ChangeReport, Problem, ProblemKind};
use crate::domain::git_ref::CommitId;
use crate::domain::message::{MessageTemplateError, message};
use crate::domain::object::ObjectKey;
use crate::domain::rewrite::{Selections, is_candidate, rewrite};
use crate::domain::tree::{self, EntryKind, FileTree, TreeError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use thiserror::Error;

/// What every marker holds.
const NEEDLE: &[u8] = b"$imagepolicy";
/// How often a lost race is run again, within seconds.
const ATTEMPTS: u32 = 10;

/// One run of an automation.
pub(super) struct Job {
    /// The automation.
    pub(super) key: ObjectKey,
    pub(super) git: GitCache,
    pub(super) remote: Remote,
    pub(super) target: Target,
    pub(super) selections: Selections,
    /// The revision at which everything was up to date, if nothing else changed since.
    pub(super) unchanged_since: Option<String>,
    pub(super) now: Timestamp,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    /// The remote has not moved, so there was nothing to look at.
    NotMoved { revision: String },
    /// Everything marked has its value already.
    NothingToDo {
        revision: String,
        report: ChangeReport,
    },
    /// A commit was pushed.
    Pushed {
        commit: CommitId,
        branch: String,
        revision: String,
        message: String,
        report: ChangeReport,
    },
}

/// What failed.
#[derive(Debug, Error)]
pub(super) enum JobError {
    #[error(transparent)]
    Remote(GitError),
    /// GitHub's API cannot be asked for this repository.
    #[error("`spec.git.commit.via: github`: {0}")]
    GitHub(GitError),
    #[error(transparent)]
    Transaction(#[from] TransactionError<EditError>),
}

/// What failed while editing.
#[derive(Debug, Error)]
pub(super) enum EditError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Message(#[from] MessageTemplateError),
}

impl JobError {
    /// Whether the server did not accept the login.
    pub(super) fn is_refused(&self) -> bool {
        use GitError::AuthenticationFailed as Refused;
        matches!(
            self,
            Self::Remote(Refused { .. })
                | Self::Transaction(
                    TransactionError::Git(Refused { .. })
                        | TransactionError::Push(PushError::Remote(Refused { .. }))
                )
        )
    }

    /// Whether it was the push that failed.
    pub(super) fn is_push(&self) -> bool {
        matches!(
            self,
            Self::Transaction(TransactionError::Push(_) | TransactionError::Raced { .. })
        )
    }
}

/// New contents, and what they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// New bytes by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What changed, and what could not.
    pub report: ChangeReport,
}

/// Rewrites files, each for itself: what is wrong with one is a problem in the report and leaves the
/// others alone. `shown` is the prefix that paths lose in the report.
pub fn rewrite_files<E>(
    files: impl IntoIterator<Item = Result<(String, Vec<u8>), E>>,
    shown: &str,
    selections: &Selections,
) -> Result<Edits, E> {
    let mut edits = Edits::default();
    for file in files {
        let (path, bytes) = file?;
        let rewritten = rewrite(below(&path, shown), &bytes, selections);
        edits.report.merge(ChangeReport {
            changes: rewritten.changes,
            problems: rewritten.problems,
        });
        if let Some(text) = rewritten.text {
            edits.files.insert(path, text);
        }
    }
    edits.report.sort();
    Ok(edits)
}

/// The path from the folder on; the path itself where it is not in the folder, as the target of a link may be.
fn below<'a>(path: &'a str, folder: &str) -> &'a str {
    let rest = path.strip_prefix(folder).filter(|_| !folder.is_empty());
    rest.and_then(|rest| rest.strip_prefix('/')).unwrap_or(path)
}

impl Job {
    pub(super) fn run(self) -> Result<Done, JobError> {
        let github = match self.target.by_github {
            true => Some(GitHub::of(&self.remote).map_err(JobError::GitHub)?),
            false => None,
        };
        if let Some(revision) = &self.unchanged_since {
            let head = self
                .git
                .remote_revision(&self.remote, &self.target.checkout)
                .map_err(JobError::Remote)?;
            if head.to_string() == *revision {
                return Ok(Done::NotMoved {
                    revision: revision.clone(),
                });
            }
        }
        let mut last = Edits::default();
        let mut words = String::new();
        let transaction = Transaction {
            remote: &self.remote,
            checkout: &self.target.checkout,
            push_branch: &self.target.push_branch,
            options: &self.target.push_options,
            also: self.target.refspec.as_deref(),
            attempts: ATTEMPTS,
        };
        let mut edit = |tip: &Snapshot| {
            last = self.edit(tip)?;
            if last.files.is_empty() {
                return Ok::<_, EditError>(None);
            }
            words = self.message(&last.report)?;
            Ok(Some(CommitPlan {
                edits: std::mem::take(&mut last.files),
                author: Author {
                    name: self.target.author_name.clone(),
                    email: self.target.author_email.clone(),
                },
                message: words.clone(),
                at: self.now,
                signer: self.target.signer.clone(),
            }))
        };
        let outcome = match &github {
            Some(github) => self
                .git
                .transaction_by_github(&transaction, github, &mut edit)?,
            None => self.git.transaction(&transaction, &mut edit)?,
        };
        Ok(self.done(outcome, last.report, words))
    }

    pub(super) fn message(&self, report: &ChangeReport) -> Result<String, MessageTemplateError> {
        let target = &self.target;
        let template = target.message_template.as_deref();
        message(template, &self.key, report, &target.message_values)
    }

    pub(super) fn edit(&self, tip: &Snapshot) -> Result<Edits, EditError> {
        let path = &self.target.path;
        // `update.path` may name one file; paths in the report then begin with its folder's content.
        if matches!(
            tip.kind(path),
            Some(EntryKind::File | EntryKind::Executable | EntryKind::Link)
        ) {
            return rewrite_files(
                [Ok((path.clone(), tip.read(path)?))],
                tree::parent(path),
                &self.selections,
            );
        }
        let found = tip.candidates(path, NEEDLE, is_candidate)?;
        let files = found
            .files
            .iter()
            .map(|file| Ok::<_, EditError>((file.path.clone(), tip.read(&file.path)?)));
        let mut edits = rewrite_files::<EditError>(files, path, &self.selections)?;
        edits
            .report
            .problems
            .extend(found.skipped.iter().map(|skipped| Problem {
                file: below(&skipped.path, path).to_owned(),
                line: None,
                column: None,
                kind: ProblemKind::NotSearched(skipped.reason.to_string()),
            }));
        edits.report.sort();
        Ok(edits)
    }

    fn done(&self, outcome: TransactionOutcome, report: ChangeReport, message: String) -> Done {
        match outcome {
            TransactionOutcome::NothingToDo { checkout, .. } => Done::NothingToDo {
                revision: checkout.to_string(),
                report,
            },
            TransactionOutcome::Pushed {
                commit,
                branch,
                checkout,
                ..
            } => {
                let same_branch = self.target.checkout.branch() == Some(branch.as_str());
                // After a push to the branch that is checked out, the next look finds this commit.
                let revision = if same_branch {
                    self.target.checkout.revision(commit)
                } else {
                    checkout
                };
                Done::Pushed {
                    commit,
                    branch,
                    revision: revision.to_string(),
                    message,
                    report,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::image::ImageRef;
    use crate::domain::marker::PolicyKey;
    use std::convert::Infallible;

    #[test]
    fn a_file_that_cannot_be_parsed_does_not_hold_up_the_others() {
        let mut selections = Selections::new("apps");
        let key = PolicyKey {
            namespace: "apps".to_owned(),
            name: "app".to_owned(),
        };
        selections.insert(
            key,
            ImageRef {
                name: "ghcr.io/acme/app".to_owned(),
                tag: "2.0.0".to_owned(),
                digest: None,
            },
        );
        let marked = "image: ghcr.io/acme/app:1.0.0 # {\"$imagepolicy\": \"apps:app\"}\n";
        let files = [
            (
                "fleet/broken.yaml",
                "a: [\n# {\"$imagepolicy\": \"apps:app\"}\n",
            ),
            ("fleet/good.yaml", marked),
        ];
        let files = files
            .map(|(path, text)| Ok::<_, Infallible>((path.to_owned(), text.as_bytes().to_vec())));
        let Ok(edits) = rewrite_files(files, "fleet", &selections);
        let good = String::from_utf8(edits.files["fleet/good.yaml"].clone())
            .expect("the text stays a text");
        assert_eq!(good, marked.replace("1.0.0", "2.0.0"));
        assert_eq!(edits.files.len(), 1);
        assert_eq!(
            edits.report.files(),
            ["good.yaml"],
            "paths are told from `update.path` on, as in Flux"
        );
        assert_eq!(edits.report.problems.len(), 1);
    }
}
