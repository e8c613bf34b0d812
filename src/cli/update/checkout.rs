//! Commits and pushes on a person's checkout, with their own `git`.
//!
//! Why the program and not the library that the controllers use: on a checkout the person's hooks,
//! signing, credentials and index count, and only their `git` knows all of these.
//!
//! Invariants: a commit holds the files that were rewritten and nothing else, whatever is staged; a
//! file with other changes that are not committed is not touched; nothing is ever forced; text from
//! manifests reaches `git` as a value, never as an option or a pattern.

use super::plan::Push;
use crate::cli::failure::Failure;
use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many paths one call of `git` gets as arguments.
const PATHS: usize = 500;
/// Most bytes of `git`'s words that are shown.
const WORDS: usize = 4096;

/// A checkout.
#[derive(Clone, Debug)]
pub(super) struct Checkout {
    folder: PathBuf,
}

/// A commit to make.
pub(super) struct Commit<'a> {
    /// The files, relative to the folder.
    pub(super) files: Vec<&'a str>,
    /// The whole message.
    pub(super) message: &'a str,
    /// Name and e-mail; without them it is the person.
    pub(super) author: Option<&'a (String, String)>,
}

/// Where a push goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    remote: String,
    branch: String,
}

impl std::fmt::Display for Destination {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "branch `{}` of `{}`", self.branch, self.remote)
    }
}

impl Checkout {
    /// Opens the checkout that `folder` is in.
    ///
    /// # Errors
    /// When there is no `git`, or no checkout.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let checkout = Self {
            folder: folder.to_owned(),
        };
        checkout.ask(&["rev-parse", "--is-inside-work-tree"]).map_err(|failure| {
            let hint = "`--commit` and `--push` work on a checkout with your own `git`; `--write` needs neither";
            failure.with_hint(hint)
        })?;
        Ok(checkout)
    }

    /// Checks that the files are as they were committed.
    ///
    /// # Errors
    /// Names the first that is not.
    pub(super) fn check_clean(&self, files: &[&str]) -> Result<(), Failure> {
        for files in files.chunks(PATHS) {
            let arguments = [
                "status",
                "--porcelain=v1",
                "-z",
                "--untracked-files=all",
                "--ignored=traditional",
                "--",
            ];
            let status = self.ask(&[arguments.as_slice(), files].concat())?;
            if let Some(first) = status.split('\0').next().filter(|entry| entry.len() > 3) {
                let path = &first[3..];
                let failure = Failure::new(format!(
                    "`{path}` has changes that are not committed, or is not tracked"
                ));
                return Err(failure.with_hint(
                    "commit or stash them first, so that the commit holds nothing else",
                ));
            }
        }
        Ok(())
    }

    /// Commits the files, and gives the commit's id.
    ///
    /// # Errors
    /// With `git`'s words, a hook's included.
    pub(super) fn commit(&self, commit: &Commit<'_>) -> Result<String, Failure> {
        let mut message = tempfile::NamedTempFile::new()?;
        message.write_all(commit.message.as_bytes())?;
        let mut command = self.command();
        command
            .args([
                "commit",
                "--quiet",
                "--only",
                "--cleanup=whitespace",
                "--file",
            ])
            .arg(message.path());
        command.args(["--pathspec-from-file=-", "--pathspec-file-nul"]);
        if let Some((name, email)) = commit.author {
            command
                .env("GIT_AUTHOR_NAME", name)
                .env("GIT_AUTHOR_EMAIL", email);
            // A machine that commits for nobody in particular has no identity of its own.
            if self.ask(&["var", "GIT_COMMITTER_IDENT"]).is_err() {
                command
                    .env("GIT_COMMITTER_NAME", name)
                    .env("GIT_COMMITTER_EMAIL", email);
            }
        }
        run(command, commit.files.join("\0").as_bytes())?;
        Ok(self.ask(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    /// Where a push goes.
    ///
    /// # Errors
    /// When no branch is named, followed or checked out.
    pub(super) fn destination(&self, push: &Push) -> Result<Destination, Failure> {
        let current = self
            .ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])
            .ok()
            .map(|name| name.trim().to_owned());
        let setting = |name: &str| {
            let key = format!("branch.{}.{name}", current.as_deref()?);
            self.ask(&["config", "--get", &key])
                .ok()
                .map(|value| value.trim().to_owned())
        };
        let remote = setting("remote").unwrap_or_else(|| "origin".to_owned());
        let upstream =
            setting("merge").and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
        let branch = push
            .branch
            .clone()
            .or(upstream)
            .or(current)
            .ok_or_else(|| {
                let hint = "check one out, or set `spec.git.push.branch`";
                Failure::new("no branch is checked out, so there is none to push to")
                    .with_hint(hint)
            })?;
        Ok(Destination { remote, branch })
    }

    /// Pushes what is checked out.
    ///
    /// # Errors
    /// With the words of `git` and of the other side.
    pub(super) fn push(&self, push: &Push, place: &Destination) -> Result<(), Failure> {
        let mut refspecs = vec![format!("HEAD:refs/heads/{}", place.branch)];
        refspecs.extend(push.refspec.clone());
        for refspec in refspecs {
            let mut command = self.command();
            command.arg("push").arg("--quiet");
            command.args(
                push.options
                    .iter()
                    .map(|(name, value)| format!("--push-option={name}={value}")),
            );
            command.arg("--").arg(&place.remote).arg(&refspec);
            run(command, b"").map_err(|failure| explain_push(failure, &place.branch))?;
        }
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        // The folder decides, not a hook or an alias that this may have been called from.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
            command.env_remove(name);
        }
        command
            .arg("-C")
            .arg(&self.folder)
            .arg("--literal-pathspecs");
        command
    }

    fn ask<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String, Failure> {
        let mut command = self.command();
        command.args(arguments);
        run(command, b"")
    }
}

/// Runs `git` to its end, and gives what it printed.
fn run(mut command: Command, input: &[u8]) -> Result<String, Failure> {
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::new("the program `git` is not installed"),
        _ => Failure::new(format!("the program `git` cannot be run: {error}")),
    })?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Beside reading, so that neither waits for the other for ever.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Failure::new(words(
            &command,
            &output.stderr,
            &output.stdout,
        ))),
    }
}

/// What `git` said, its last words when there are many.
fn words(command: &Command, stderr: &[u8], stdout: &[u8]) -> String {
    let said = if stderr.trim_ascii().is_empty() {
        stdout
    } else {
        stderr
    };
    let last = &said[said.len().saturating_sub(WORDS)..];
    let verb = command
        .get_args()
        .nth(3)
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    format!(
        "`git {verb}` failed: {}",
        String::from_utf8_lossy(last).trim()
    )
}

fn explain_push(failure: Failure, branch: &str) -> Failure {
    let behind = ["non-fast-forward", "fetch first"]
        .iter()
        .any(|words| failure.message.contains(words));
    let message = format!("the commit is made, but not pushed: {}", failure.message);
    match behind {
        true => Failure::new(message).with_hint(format!(
            "branch `{branch}` has commits that are not checked out here: start from them"
        )),
        false => {
            Failure::new(message).with_hint("push it with `git push`, once the reason is gone")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(arguments: &[&str]) -> Command {
        let mut command = Checkout {
            folder: PathBuf::from("/fleet"),
        }
        .command();
        command.args(arguments);
        command
    }

    #[test]
    fn the_folder_and_not_the_environment_decides_which_repository_it_is() {
        let command = git(&["status"]);
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(arguments, ["-C", "/fleet", "--literal-pathspecs", "status"]);
        let removed: Vec<_> = command
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .collect();
        assert_eq!(removed.len(), 4);
    }

    #[test]
    fn a_failure_names_the_verb_and_quotes_the_last_words() {
        let command = git(&["commit", "--quiet"]);
        assert_eq!(
            words(&command, b"fatal: no\n", b"ignored"),
            "`git commit` failed: fatal: no"
        );
        assert_eq!(
            words(&command, b" \n", b"on stdout\n"),
            "`git commit` failed: on stdout"
        );
        let many = [vec![b'x'; 3 * WORDS], b"the end".to_vec()].concat();
        let told = words(&command, &many, b"");
        assert!(
            told.len() < WORDS + 100 && told.ends_with("xthe end"),
            "{}",
            told.len()
        );
        assert!(words(&command, b"\xff", b"").ends_with('\u{fffd}'));
    }

    #[test]
    fn a_push_that_fails_says_that_the_commit_is_made() {
        let rejected = |words: &str| explain_push(Failure::new(words), "main");
        let behind = rejected("! [rejected] HEAD -> main (fetch first)");
        assert!(
            behind
                .message
                .starts_with("the commit is made, but not pushed: ")
        );
        assert_eq!(
            behind.hint.as_deref(),
            Some("branch `main` has commits that are not checked out here: start from them")
        );
        let other = rejected("fatal: unable to access");
        assert_eq!(
            other.hint.as_deref(),
            Some("push it with `git push`, once the reason is gone")
        );
    }

    #[test]
    fn a_program_that_does_not_read_its_input_is_no_failure() {
        let input = vec![b'x'; 1 << 20];
        assert_eq!(run(Command::new("true"), &input), Ok(String::new()));
        assert!(run(Command::new("false"), &input).is_err());
        let missing =
            run(Command::new("highwater-no-such-program"), b"").expect_err("it is not there");
        assert_eq!(missing.message, "the program `git` is not installed");
    }
}
