//! `highwater demo`: the whole job once, inside one process and one temporary folder.
//!
//! A registry and a Git server on loopback stand in for the real ones ([`registry`], [`crate::adapters::git::embedded`]:
//! parts of the demonstration, bounded, and asking for a password made for the run). Everything
//! between them is the real thing: [`engine`] calls what the controllers call. Invariants: no `git`
//! program is needed; nothing is left behind but what `--keep` names, also after an error or an
//! interrupt; with `--kubeconfig` nothing outside one new namespace is written. What is absent: the
//! watching and waiting of `highwater run`.

mod cluster;
mod engine;
mod fleet;
mod login;
mod narrator;
mod publish;
mod registry;
mod selection;
mod server;
mod story;
mod workspace;

use super::failure::Failure;
use super::output::{Format, Printer};
use clap::Args;
use cluster::Playground;
use narrator::Narrator;
use serde_json::Value;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};
use workspace::Workspace;

/// The flags of `highwater demo`.
#[derive(Debug, Args)]
pub struct Flags {
    /// keep the Git repository and the built objects in this folder, which must be new or empty
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// also apply to the cluster of this file, in a new namespace which is removed at the end
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// how to print; with `json` a summary goes to standard output and the story to standard error
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// Runs the demo.
///
/// # Errors
/// When a folder, a port or the cluster is unusable, or the demo is interrupted.
pub async fn run(flags: &Flags, printer: &mut Printer) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let workspace = Workspace::open(flags.keep.as_deref())?;
    let playground = match &flags.kubeconfig {
        Some(file) => Some(Playground::open(file).await?),
        None => None,
    };
    let mut narrator = Narrator::new(printer, flags.output);
    let told = tokio::select! {
        told = story::tell(&workspace, playground.as_ref(), &mut narrator) => told,
        _ = interrupt.recv() => Err(interrupted()),
        _ = terminate.recv() => Err(interrupted()),
    };
    let removed = match &playground {
        Some(playground) => playground.remove().await,
        None => Ok(false),
    };
    let (summary, removed) = both(told, removed)?;
    narrator.summary(&summary)?;
    narrator.step("The end")?;
    if let (true, Some(playground)) = (removed, &playground) {
        let name = playground.namespace();
        narrator.note(&format!(
            "the namespace {name} is being removed from the cluster"
        ))?;
    }
    match workspace.kept() {
        Some(folder) => {
            narrator.note(&format!(
                "kept in {}; see the commits with",
                folder.display()
            ))?;
            let bare = shell_word(&workspace.repository().to_string_lossy());
            narrator.note(&format!("  git -C {bare} log -p"))?;
        }
        None => {
            narrator.note("nothing is left behind; `--keep DIR` keeps the repository to look at")?
        }
    }
    Ok(())
}

/// What both gave, or what failed first; a failed removal is said in any case.
fn both(
    told: Result<Value, Failure>,
    removed: Result<bool, Failure>,
) -> Result<(Value, bool), Failure> {
    match (told, removed) {
        (Ok(told), Ok(removed)) => Ok((told, removed)),
        (Err(failure), Ok(_)) | (Ok(_), Err(failure)) => Err(failure),
        (Err(failure), Err(also)) => {
            let hint = also.hint.unwrap_or_default();
            Err(failure.with_hint(format!(
                "the namespace of the demo may be there still: {hint}"
            )))
        }
    }
}

/// A text as one word of a shell command.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

fn interrupted() -> Failure {
    Failure::new("interrupted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_odd_characters_is_quoted_for_the_shell() {
        assert_eq!(shell_word("a/b-1.git"), "a/b-1.git");
        assert_eq!(shell_word("my demo"), "'my demo'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_namespace_that_may_be_left_is_said_beside_the_first_failure() {
        let removal = Failure::new("forbidden").with_hint("kubectl delete namespace x");
        let failure = both(Err(interrupted()), Err(removal.clone())).expect_err("both failed");
        assert_eq!(failure.message, "interrupted");
        let hint = failure.hint.unwrap_or_default();
        assert!(hint.ends_with("kubectl delete namespace x"), "{hint}");
        assert_eq!(both(Ok(Value::Null), Err(removal.clone())), Err(removal));
        assert_eq!(both(Ok(Value::Null), Ok(true)), Ok((Value::Null, true)));
    }
}
