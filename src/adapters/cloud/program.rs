//! Programs that give logins, and that the process's own configuration names.
//!
//! Invariant: a program is started without a shell, with bounded time and output; nothing that it prints reaches a message, nor do
//! its arguments, since both may hold secrets. No object can name one: only what [`Environment`] holds leads here. What is absent:
//! the meaning of what it prints.

use super::environment::Environment;
use super::error::CloudError;
use crate::domain::cloud::AnswerError;
use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Largest output, in bytes.
const LARGEST_OUTPUT: u64 = 64 * 1024;
/// What helps to see why a program failed, since its own words are not shown.
const BY_HAND: &str = "run it by hand to see why";

/// Why a program gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// There is no such program.
    #[error("is not there")]
    Missing,
    /// It cannot be started.
    #[error("cannot be started: {0}")]
    Start(String),
    /// It ended badly.
    #[error("failed ({0})")]
    Failed(String),
    /// It takes too long, perhaps because it waits for somebody.
    #[error("did not end within {0:?}")]
    Late(Duration),
    /// It prints too much.
    #[error("printed more than {LARGEST_OUTPUT} bytes")]
    TooMuch,
    /// It said that there is no login.
    #[error("said: {0}")]
    Said(String),
}

/// A program to be run.
pub(super) struct Program<'a> {
    /// It and its arguments.
    pub(super) words: &'a [String],
    /// Who names it, for messages.
    pub(super) what: String,
    /// How long it may run.
    pub(super) time: Duration,
    /// Variables that it gets besides those of this process.
    pub(super) variables: Vec<(&'static str, String)>,
    /// The folder in which it runs; else that of this process.
    pub(super) folder: Option<&'static str>,
}

impl Program<'_> {
    /// The program and who names it. Of its arguments nothing is said.
    pub(super) fn place(&self) -> String {
        let name = self.words.first().map_or("", String::as_str);
        format!("`{name}` ({})", self.what)
    }

    /// The error of a program that could not be made to give a login.
    pub(super) fn error(&self, problem: ProgramError) -> CloudError {
        CloudError::Program {
            place: self.place(),
            problem,
            hint: BY_HAND,
        }
    }

    /// The error of a program whose output cannot be used.
    pub(super) fn unusable(&self, problem: AnswerError) -> CloudError {
        let place = self.place();
        CloudError::Answer { place, problem }
    }
}

impl Environment {
    /// What a program prints, once it has ended well.
    pub(super) async fn run(&self, program: &Program<'_>) -> Result<Vec<u8>, ProgramError> {
        let Some((name, arguments)) = program.words.split_first() else {
            return Err(ProgramError::Missing);
        };
        let mut command = Command::new(name);
        command
            .args(arguments)
            .envs(program.variables.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(path) = self.get("PATH") {
            command.env("PATH", path);
        }
        if let Some(folder) = program.folder {
            command.current_dir(folder);
        }
        tokio::time::timeout(program.time, output(command))
            .await
            .unwrap_or(Err(ProgramError::Late(program.time)))
    }
}

/// Starts a program and reads it to its end. Who stops waiting ends it.
async fn output(mut command: Command) -> Result<Vec<u8>, ProgramError> {
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => ProgramError::Missing,
        _ => ProgramError::Start(error.to_string()),
    })?;
    let failed = |error: std::io::Error| ProgramError::Failed(error.to_string());
    let mut printed = Vec::new();
    if let Some(output) = child.stdout.take() {
        let mut output = output.take(LARGEST_OUTPUT + 1);
        output.read_to_end(&mut printed).await.map_err(failed)?;
    }
    if printed.len() as u64 > LARGEST_OUTPUT {
        return Err(ProgramError::TooMuch);
    }
    let status: ExitStatus = child.wait().await.map_err(failed)?;
    match status.success() {
        true => Ok(printed),
        false => Err(ProgramError::Failed(status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(words: &[&str], time: Duration) -> Result<Vec<u8>, ProgramError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let program = Program {
            words: &words,
            what: "a test".to_owned(),
            time,
            variables: vec![("HIGHWATER_TEST", "told".to_owned())],
            folder: None,
        };
        Environment::default().run(&program).await
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_program_gets_its_words_and_variables_and_gives_what_it_prints() {
        let script = "printf '%s|' \"$0\" \"$1\" \"$HIGHWATER_TEST\"";
        let printed = run(&["/bin/sh", "-c", script, "a b", "$HOME"], LONG).await;
        assert_eq!(printed, Ok(b"a b|$HOME|told|".to_vec()));
    }

    #[tokio::test]
    async fn a_program_that_fails_waits_or_never_ends_is_told_and_ended() {
        let failed = run(&["/bin/sh", "-c", "echo planted; exit 3"], LONG).await;
        assert_eq!(
            failed,
            Err(ProgramError::Failed("exit status: 3".to_owned()))
        );
        let missing = run(&["highwater-no-such-program"], LONG).await;
        assert_eq!(missing, Err(ProgramError::Missing));
        assert_eq!(run(&[], LONG).await, Err(ProgramError::Missing));
        let short = Duration::from_millis(50);
        assert_eq!(
            run(&["/bin/sleep", "600"], short).await,
            Err(ProgramError::Late(short))
        );
        let endless = run(
            &["/bin/sh", "-c", "while :; do echo planted-secret; done"],
            LONG,
        );
        assert_eq!(endless.await, Err(ProgramError::TooMuch));
    }

    #[test]
    fn no_argument_of_a_program_is_shown() {
        let words = ["/opt/creds".to_owned(), "planted-secret".to_owned()];
        let program = Program {
            words: &words,
            what: "the `credential_process` of the profile `ci`".to_owned(),
            time: LONG,
            variables: Vec::new(),
            folder: None,
        };
        let error = program.error(ProgramError::Late(LONG));
        assert_eq!(
            error.to_string(),
            "`/opt/creds` (the `credential_process` of the profile `ci`) did not end within 60s\nhint: run it by hand to see why"
        );
    }
}
