//! Writes what was rewritten: files, commits, pushes.
//!
//! Invariants: a file that somebody changed since it was read is not written; a commit that `git` or a
//! hook refuses leaves its files as they were, so that the next run finds the same work to do.

use super::checkout::{Checkout, Commit};
use super::objects::Found;
use super::passes::Passed;
use super::plan::{Job, check_push};
use super::report::{Committed, Report};
use crate::adapters::folder::Folder;
use crate::cli::failure::Failure;
use crate::cli::output::Printer;
use crate::controllers::image_update::Edits;
use crate::domain::message::message;
use crate::domain::object::ObjectKey;
use crate::domain::tree::FileTree;
use std::collections::BTreeMap;

/// What there is to write.
pub(super) struct Work<'a> {
    /// Where to.
    pub(super) folder: &'a Folder,
    /// The files as they are.
    pub(super) found: &'a Found,
    /// Why, by pass.
    pub(super) jobs: &'a [Job],
    /// The files as they will be.
    pub(super) passed: &'a Passed,
}

/// The message of a pass's commit.
fn worded(job: &Job, step: &Edits) -> Result<String, Failure> {
    let (template, values) = &job.message;
    let nobody = ObjectKey::new(&job.namespace, "");
    let automation = job.update.as_ref().unwrap_or(&nobody);
    message(template.as_deref(), automation, &step.report, values)
        .map_err(|error| Failure::new(format!("ImageUpdateAutomation/{automation}: {error}")))
}

impl Work<'_> {
    /// Writes the files.
    pub(super) fn write(&self, report: &mut Report, printer: &mut Printer) -> Result<(), Failure> {
        for (path, bytes) in &self.passed.contents {
            self.replace(path, self.found.marked.get(path), bytes)?;
            printer.talk(&format!("wrote {path}"));
            report.written.push(path.clone());
        }
        Ok(())
    }

    /// Writes and commits pass by pass, and pushes at the end.
    pub(super) fn commit(
        &self,
        push: bool,
        report: &mut Report,
        printer: &mut Printer,
    ) -> Result<(), Failure> {
        let steps: Vec<(&Job, &Edits)> = self
            .jobs
            .iter()
            .zip(&self.passed.steps)
            .filter(|(_, step)| !step.files.is_empty())
            .collect();
        let Some((last, _)) = steps.last() else {
            return Ok(());
        };
        let jobs: Vec<&Job> = steps.iter().map(|(job, _)| *job).collect();
        if push {
            check_push(&jobs).map_err(Failure::new)?;
        }
        let checkout = Checkout::open(self.folder.path())?;
        let files: Vec<&str> = self.passed.contents.keys().map(String::as_str).collect();
        checkout.check_clean(&files)?;
        // Before the first commit, so that one that cannot be pushed is not made.
        let place = push.then(|| checkout.destination(&last.push)).transpose()?;
        let mut before: BTreeMap<&String, &Vec<u8>> = self.found.marked.iter().collect();
        for (job, step) in &steps {
            let message = worded(job, step)?;
            let commit = self.step(&checkout, job, step, &message, &before)?;
            before.extend(&step.files);
            let subject = message.lines().next().unwrap_or_default().to_owned();
            printer.talk(&format!(
                "committed {} {subject}",
                commit.get(..7).unwrap_or(&commit)
            ));
            report.written.extend(step.files.keys().cloned());
            report.commits.push(Committed {
                commit,
                subject,
                pushed_to: None,
            });
        }
        if let Some(place) = place {
            checkout.push(&last.push, &place)?;
            printer.talk(&format!("pushed to {place}"));
            report
                .commits
                .iter_mut()
                .for_each(|commit| commit.pushed_to = Some(place.to_string()));
        }
        Ok(())
    }

    /// One pass's files and commit. When it fails, the files get back what they had.
    fn step(
        &self,
        checkout: &Checkout,
        job: &Job,
        step: &Edits,
        message: &str,
        before: &BTreeMap<&String, &Vec<u8>>,
    ) -> Result<String, Failure> {
        let commit = Commit {
            files: step.files.keys().map(String::as_str).collect(),
            message,
            author: job.author.as_ref(),
        };
        let mut written = Vec::new();
        let put = step.files.iter().try_for_each(|(path, bytes)| {
            self.replace(path, before.get(path).copied(), bytes)?;
            written.push(path);
            Ok(())
        });
        put.and_then(|()| checkout.commit(&commit))
            .inspect_err(|_| {
                for (path, bytes) in written.iter().filter_map(|path| before.get_key_value(path)) {
                    // The first failure is the one to tell.
                    let _ = self.folder.write(path, bytes);
                }
            })
    }

    /// Writes a file that still is what it was.
    fn replace(&self, path: &str, before: Option<&Vec<u8>>, bytes: &[u8]) -> Result<(), Failure> {
        let now = self.folder.read(path)?;
        if before != Some(&now) {
            return Err(Failure::new(format!("`{path}` was changed meanwhile"))
                .with_hint("run the command again"));
        }
        let written = self.folder.write(path, bytes);
        written.map_err(|error| Failure::new(format!("cannot write `{path}`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::update::objects::find;
    use std::fs;

    #[test]
    fn a_file_that_was_changed_meanwhile_is_not_written() {
        let root = tempfile::tempdir().expect("a folder");
        let file = root.path().join("a.yaml");
        let marked = "image: x:1 # {\"$imagepolicy\": \"a:x\"}\n";
        fs::write(&file, marked).expect("a file");
        let folder = Folder::open(root.path()).expect("it is a folder");
        let found = find(&folder, [&"a.yaml".to_owned()], "a");
        let contents = BTreeMap::from([("a.yaml".to_owned(), b"new".to_vec())]);
        let passed = Passed {
            contents,
            ..Passed::default()
        };
        let work = Work {
            folder: &folder,
            found: &found,
            jobs: &[],
            passed: &passed,
        };
        let mut printer =
            Printer::with_streams(Box::new(std::io::sink()), Box::new(std::io::sink()));

        fs::write(&file, "somebody else's\n").expect("a file");
        let refused = work
            .write(&mut Report::default(), &mut printer)
            .expect_err("it was changed");
        assert_eq!(refused.message, "`a.yaml` was changed meanwhile");
        assert_eq!(
            fs::read_to_string(&file).expect("it is there"),
            "somebody else's\n"
        );

        fs::write(&file, marked).expect("a file");
        let mut report = Report::default();
        assert_eq!(work.write(&mut report, &mut printer), Ok(()));
        assert_eq!(
            (
                fs::read_to_string(&file).expect("it is there").as_str(),
                report.written.len()
            ),
            ("new", 1)
        );
    }
}
