//! `highwater build`: what a folder builds to, as `kubectl kustomize` and `flux build` print it.
//!
//! Invariants: the objects are data and go to standard output or where `-o` says, everything else is
//! talk; a flag of those programs that is not carried out is refused with words that say what to do
//! instead. Exit codes: `0` built, `1` it cannot be built or written, `2` the command was not
//! understood. What is absent: the build itself, which the controllers share.

mod ignored;
mod kustomization;
mod mask;
mod output;
mod place;
mod refused;
mod remote;

use super::failure::Failure;
use super::output::Printer;
use crate::domain::kustomize::remote::RepositoryUrl;
use crate::domain::kustomize::{Built, Options, print_repository, print_with};
use crate::domain::manifest::Printed;
use clap::{Args, Subcommand, ValueEnum};
use refused::Refused;
use std::path::{Path, PathBuf};

/// What is built unless a folder is named.
pub const HERE: &str = ".";

/// The flags of `highwater build`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Flags {
    #[command(subcommand)]
    what: Option<What>,
    /// the folder with a kustomization file, or the URL of one in a Git repository
    #[arg(default_value = HERE)]
    dir: PathBuf,
    /// write into this file; into one file for each object when it is a folder
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// whether files outside of the folder of the kustomization that names them are read
    #[arg(
        long,
        value_enum,
        default_value = "LoadRestrictionsRootOnly",
        value_name = "RESTRICTOR"
    )]
    load_restrictor: LoadRestrictor,
    /// fetch no remote bases and files
    #[arg(long)]
    no_remote_bases: bool,
    #[command(flatten)]
    refused: Refused,
}

impl Flags {
    /// Those of a command that names a folder and nothing else.
    pub fn for_folder(dir: &Path) -> Self {
        Self {
            what: None,
            dir: dir.to_owned(),
            output: None,
            load_restrictor: LoadRestrictor::RootOnly,
            no_remote_bases: false,
            refused: Refused::default(),
        }
    }
}

/// Whether a word after `build` is not a folder.
pub fn is_subcommand(word: &str) -> bool {
    matches!(word, "kustomization" | "ks" | "help")
}

#[derive(Debug, Subcommand)]
enum What {
    /// build what a Flux Kustomization applies from a folder, as `flux build kustomization` does
    #[command(visible_alias = "ks")]
    Kustomization(Box<kustomization::Flags>),
}

/// kubectl's words for which files may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LoadRestrictor {
    /// Those in and below the folder of the kustomization that names them.
    #[value(name = "LoadRestrictionsRootOnly")]
    RootOnly,
    /// Any.
    #[value(name = "LoadRestrictionsNone")]
    None,
}

/// Builds, and prints or writes the objects.
///
/// # Errors
/// When a flag asks for what is not carried out, the folder cannot be built, or an object cannot be
/// written.
pub fn run(flags: &Flags, printer: &mut Printer) -> Result<(), Failure> {
    if let Some(What::Kustomization(flags)) = &flags.what {
        return super::wait(kustomization::run(flags, printer));
    }
    flags.refused.check()?;
    let options = Options {
        only_below_root: flags.load_restrictor == LoadRestrictor::RootOnly,
        ..Options::kubectl()
    };
    let built = build(&flags.dir, &options, flags.no_remote_bases)?;
    warn(&built, printer);
    let written = output::write(&built.manifests, flags.output.as_deref(), printer);
    // The process ends now, and the system takes its memory back in one go: object by object takes longer.
    std::mem::forget(built);
    written
}

/// Builds a folder, or a folder of the repository that a URL names.
fn build(dir: &Path, options: &Options, no_remotes: bool) -> Result<Built<Printed>, Failure> {
    let remotes = remote::remotes(no_remotes);
    if !dir.exists()
        && let Some(repository) = dir.to_str().and_then(RepositoryUrl::parse)
    {
        return Ok(print_repository(&repository, options, &*remotes)?);
    }
    place::build(dir, options, |tree, path| {
        print_with(tree, path, options, &*remotes)
    })
}

/// Says what should be written otherwise.
fn warn<Object>(built: &Built<Object>, printer: &mut Printer) {
    for warning in &built.warnings {
        printer.talk(&format!("warning: {warning}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        flags: Flags,
    }

    fn parse(arguments: &[&str]) -> Flags {
        let words = ["build"].iter().chain(arguments);
        let parsed = Command::try_parse_from(words);
        parsed.expect("it is understood").flags
    }

    #[test]
    fn a_folder_is_built_unless_a_kustomization_is_asked_for() {
        assert_eq!(parse(&[]).dir, PathBuf::from("."));
        let flags = parse(&["overlays/prod", "-o", "out"]);
        assert_eq!(flags.dir, PathBuf::from("overlays/prod"));
        assert!(flags.what.is_none());
        for verb in ["kustomization", "ks"] {
            let flags = parse(&[verb, "apps", "--path", "x"]);
            assert!(matches!(flags.what, Some(What::Kustomization(_))));
        }
    }

    #[test]
    fn a_flag_that_is_not_carried_out_is_refused_unless_it_says_no() {
        for arguments in [
            &["--enable-helm"][..],
            &["--enable-helm=true"],
            &["--helm-command", "helm3"],
            &["--helm-api-versions", "v1"],
            &["--helm-kube-version=1.30"],
            &["--helm-debug"],
            &["--enable-alpha-plugins"],
            &["--network"],
            &["--network-name", "x"],
            &["--mount", "type=bind"],
            &["-e", "A=B"],
            &["--env", "A"],
            &["--as-current-user"],
        ] {
            let refusal = parse(arguments).refused.check();
            let refusal = refusal.expect_err("it is not carried out");
            let flag = arguments[0].split('=').next().unwrap_or_default();
            let flag = if flag == "-e" { "--env" } else { flag };
            assert!(refusal.message.contains(flag), "{}", refusal.message);
            assert!(refusal.hint.is_some(), "{flag}");
        }
        assert_eq!(parse(&["--enable-helm=false"]).refused.check(), Ok(()));
    }
}
