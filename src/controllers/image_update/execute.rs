//! One automation's work: rewriting what is marked, and wording it. Blocking.

use super::collect::Collect;
use super::plan::Target;
use crate::adapters::git::{
    Author, CommitPlan, Foreign, GitCache, GitError, PushError, Remote, Snapshot, TransactionError,
};
use crate::api::image_update_automation::PendingChanges;
use crate::domain::change::{ChangeReport, Problem, ProblemKind};
use crate::domain::git_ref::CommitId;
use crate::domain::message::{MessageTemplateError, message};
use crate::domain::object::ObjectKey;
use crate::domain::rewrite::{Rewritten, Selections, is_candidate, rewrite};
use crate::domain::tree::{self, EntryKind, FileTree, TreeError};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use thiserror::Error;

/// What every marker holds.
const NEEDLE: &[u8] = b"$imagepolicy";

/// How many files are in memory at once at the most, besides those that change.
const ROUND: usize = 1_024;
/// Of how many bytes together; a larger file is there alone.
const ROUND_BYTES: usize = 8 << 20;
/// How many files are not worth a thread of their own.
const FEW: usize = 64;

/// One run of an automation.
#[derive(Clone)]
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
        kept: Vec<Foreign>,
    },
    /// There are changes, which wait for more to come.
    Pending {
        report: ChangeReport,
        pending: PendingChanges,
        kept: Vec<Foreign>,
    },
    /// Commits were pushed.
    Pushed {
        /// The last of the automation's own.
        commit: CommitId,
        /// All of its own with their messages, the last one last.
        commits: Vec<(CommitId, String)>,
        revision: String,
        report: ChangeReport,
        kept: Vec<Foreign>,
        /// Whether an earlier run pushed them that did not live to tell.
        found: bool,
    },
}

/// What failed.
#[derive(Clone, Debug, Error)]
pub(super) enum JobError {
    #[error(transparent)]
    Remote(Arc<GitError>),
    /// GitHub's API cannot be asked for this repository.
    #[error("`spec.git.commit.via: github`: {0}")]
    GitHub(Arc<GitError>),
    #[error(transparent)]
    Transaction(Arc<TransactionError<EditError>>),
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
    /// A commit that several share could not be made.
    #[error("{0}")]
    Shared(String),
}

impl From<TransactionError<EditError>> for JobError {
    fn from(error: TransactionError<EditError>) -> Self {
        Self::Transaction(Arc::new(error))
    }
}

impl JobError {
    /// Whether the server did not accept the login.
    pub(super) fn is_refused(&self) -> bool {
        use GitError::AuthenticationFailed as Refused;
        match self {
            Self::Remote(error) | Self::GitHub(error) => matches!(**error, Refused { .. }),
            Self::Transaction(error) => matches!(
                **error,
                TransactionError::Git(Refused { .. })
                    | TransactionError::Push(PushError::Remote(Refused { .. }))
            ),
        }
    }
}

/// New contents, and what they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// New bytes by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What changed, and what could not.
    pub report: ChangeReport,
    /// The setters that changed something, by path.
    pub setters: BTreeMap<String, BTreeSet<String>>,
}

/// Rewrites files, each for itself: what is wrong with one is a problem in the report and leaves the
/// others alone. `shown` is the prefix that paths lose in the report.
pub fn rewrite_files<E>(
    files: impl IntoIterator<Item = Result<(String, Vec<u8>), E>>,
    shown: &str,
    selections: &Selections,
) -> Result<Edits, E> {
    let mut edits = Edits::default();
    let mut files = files.into_iter().fuse();
    loop {
        let (mut round, mut bytes) = (Vec::new(), 0);
        while round.len() < ROUND && bytes < ROUND_BYTES {
            let Some(file) = files.next().transpose()? else {
                break;
            };
            bytes += file.1.len();
            round.push(file);
        }
        if round.is_empty() {
            break;
        }
        let rewritten = rewrite_round(&round, shown, selections);
        for ((path, _), rewritten) in round.into_iter().zip(rewritten) {
            let setters = rewritten.changes.iter().map(|change| change.setter.clone());
            let setters: BTreeSet<String> = setters.collect();
            edits.report.merge(ChangeReport {
                changes: rewritten.changes,
                problems: rewritten.problems,
            });
            if let Some(text) = rewritten.text {
                edits.setters.insert(path.clone(), setters);
                edits.files.insert(path, text);
            }
        }
    }
    edits.report.sort();
    Ok(edits)
}

/// Rewrites some files, on all processors when they are many.
fn rewrite_round(
    files: &[(String, Vec<u8>)],
    shown: &str,
    selections: &Selections,
) -> Vec<Rewritten> {
    let one = |(path, bytes): &(String, Vec<u8>)| rewrite(below(path, shown), bytes, selections);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(files.len() / FEW);
    if threads < 2 {
        return files.iter().map(one).collect();
    }
    std::thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(threads));
        let parts: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<_>>()))
            .collect();
        let ended = parts.into_iter().map(|part| part.join());
        ended
            .flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// The path from the folder on; the path itself where it is not in the folder, as the target of a link may be.
fn below<'a>(path: &'a str, folder: &str) -> &'a str {
    let rest = path.strip_prefix(folder).filter(|_| !folder.is_empty());
    rest.and_then(|rest| rest.strip_prefix('/')).unwrap_or(path)
}

impl Job {
    /// The message for these changes.
    pub(super) fn message(&self, report: &ChangeReport) -> Result<String, MessageTemplateError> {
        let target = &self.target;
        let template = target.message_template.as_deref();
        message(template, &self.key, report, &target.message_values)
    }

    /// The commit of these files, in these words.
    pub(super) fn plan(&self, files: BTreeMap<String, Vec<u8>>, message: &str) -> CommitPlan {
        CommitPlan {
            edits: files,
            author: Author {
                name: self.target.author_name.clone(),
                email: self.target.author_email.clone(),
            },
            message: message.to_owned(),
            at: self.now,
            signer: self.target.signer.clone(),
        }
    }

    /// The folder that paths in reports begin in.
    pub(super) fn folder(&self, tip: &Snapshot) -> String {
        let path = &self.target.path;
        match tip.kind(path) {
            Some(EntryKind::File | EntryKind::Executable | EntryKind::Link) => {
                tree::parent(path).to_owned()
            }
            _ => path.clone(),
        }
    }

    /// What of these changes still waits for more.
    pub(super) fn waiting(&self, report: &ChangeReport) -> Option<PendingChanges> {
        let collect: &Collect = self.target.collect.as_ref()?;
        collect.waiting(report, &self.selections, self.now)
    }

    /// The new contents of the marked files of `tip`. Of a file in `pending`, the bytes there count.
    pub(super) fn edit(
        &self,
        tip: &Snapshot,
        pending: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Edits, EditError> {
        let path = &self.target.path;
        // `update.path` may name one file; paths in the report then begin with its folder's content.
        if matches!(
            tip.kind(path),
            Some(EntryKind::File | EntryKind::Executable | EntryKind::Link)
        ) {
            let bytes = match pending.get(path) {
                Some(bytes) => bytes.clone(),
                None => tip.read(path)?,
            };
            return rewrite_files(
                [Ok((path.clone(), bytes))],
                tree::parent(path),
                &self.selections,
            );
        }
        let found = tip.candidates(path, NEEDLE, is_candidate)?;
        let (seen, outside): (Vec<_>, Vec<_>) = found
            .files
            .iter()
            .partition(|file| !self.target.gates.sparse_checkout || is_in(&file.path, path));
        let files = seen.into_iter().map(|file| {
            let bytes = match pending.get(&file.path) {
                Some(bytes) => bytes.clone(),
                None => tip.content(file)?,
            };
            Ok::<_, EditError>((file.path.clone(), bytes))
        });
        let mut edits = rewrite_files::<EditError>(files, path, &self.selections)?;
        let skipped = found
            .skipped
            .iter()
            .map(|skipped| (&skipped.path, skipped.reason.to_string()));
        // Flux does not check them out, and so finds links that lead nowhere.
        let outside = outside.into_iter().map(|file| {
            let reason = format!("a sparse checkout of `{path}` has it not");
            (&file.path, reason)
        });
        let problems = skipped.chain(outside).map(|(file, reason)| Problem {
            file: below(file, path).to_owned(),
            line: None,
            column: None,
            kind: ProblemKind::NotSearched(reason),
        });
        edits.report.problems.extend(problems);
        edits.report.sort();
        Ok(edits)
    }
}

/// Whether a path lies in a folder.
fn is_in(path: &str, folder: &str) -> bool {
    folder.is_empty() || below(path, folder).len() < path.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::image::ImageRef;
    use crate::domain::marker::PolicyKey;
    use std::convert::Infallible;

    #[test]
    fn many_files_are_rewritten_as_each_for_itself() {
        let mut selections = Selections::new("apps");
        for (name, tag) in [("app", "2.0.0"), ("web", "1.0.0")] {
            let image = ImageRef {
                name: format!("ghcr.io/acme/{name}"),
                tag: tag.to_owned(),
                digest: None,
            };
            selections.insert(PolicyKey::new("apps", name), image);
        }
        let file = |number: usize| {
            let name = ["app", "web", "gone"][number % 3];
            let marker = format!("{{\"$imagepolicy\": \"apps:{name}\"}}");
            let text = format!("image: ghcr.io/acme/{name}:1.0.0 # {marker}\n");
            (format!("{number:05}.yaml"), text.into_bytes())
        };
        let count = ROUND * 2 + FEW * 3 + 1;
        let all = (0..count).map(|number| Ok::<_, Infallible>(file(number)));
        let Ok(together) = rewrite_files(all, "", &selections);
        let mut each = Edits::default();
        for number in 0..count {
            let Ok(edits) = rewrite_files([Ok::<_, Infallible>(file(number))], "", &selections);
            each.files.extend(edits.files);
            each.setters.extend(edits.setters);
            each.report.merge(edits.report);
        }
        assert_eq!(together, each);
        assert_eq!(together.files.len(), count.div_ceil(3));
        assert_eq!(
            together.setters["00000.yaml"],
            BTreeSet::from(["apps:app".to_owned()])
        );
    }

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
