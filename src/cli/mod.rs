//! The command line: one file per verb, one printer, one kind of failure.
//!
//! Invariant: a verb reads its arguments, calls what the controllers call, and prints. What is
//! absent: decisions of the domain.

pub mod build;
pub mod crds;
pub mod demo;
pub mod explain;
pub mod failure;
pub mod get;
mod logins;
pub mod output;
pub mod run;
pub mod scan;
pub mod update;

use crate::adapters::{cluster, tls};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};
use failure::Failure;
use output::Printer;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// keeps Git at the newest image your policy allows, and the cluster at Git
#[derive(Debug, Parser)]
#[command(
    name = "highwater",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// Makes [`Verb`] and how it is read from its table. A verb's flags are defined when it is the one asked for: defining
/// those of all verbs takes longer than a small build.
macro_rules! verbs {
    ($($name:literal, $about:literal => $verb:ident($flags:ty);)*) => {
        #[derive(Debug)]
        enum Verb {
            $(#[doc = $about] $verb(Box<$flags>),)*
        }

        impl FromArgMatches for Verb {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                match matches.subcommand() {
                    $(Some(($name, flags)) => {
                        <$flags>::from_arg_matches(flags).map(|flags| Self::$verb(Box::new(flags)))
                    })*
                    _ => Err(clap::Error::new(ErrorKind::MissingSubcommand)),
                }
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }

        impl Subcommand for Verb {
            fn augment_subcommands(command: Command) -> Command {
                command$(.subcommand(Command::new($name).about($about).defer(<$flags>::augment_args)))*
            }

            fn augment_subcommands_for_update(command: Command) -> Command {
                Self::augment_subcommands(command)
            }

            fn has_subcommand(name: &str) -> bool {
                [$($name),*].contains(&name)
            }
        }
    };
}

verbs! {
    "demo", "show the whole job once, on this machine" => Demo(demo::Flags);
    "run", "run the controllers, in a cluster or beside it" => Run(run::Flags);
    "update", "find newer images for a checkout, and write, commit or push them" => Update(update::Flags);
    "explain", "tell which tag of an image a policy selects, and why not another one" => Explain(explain::Flags);
    "scan", "list the tags of an image, with digests and times, and what the registry says of limits" => Scan(scan::Flags);
    "get", "list objects and their state, as `flux get` does" => Get(get::Flags);
    "build", "print what a folder builds to, as `kubectl kustomize` does" => Build(build::Flags);
    "crds", "print the custom resource definitions" => Crds(crds::Flags);
    "version", "print the version" => Version(NoFlags);
}

/// Of a verb that takes none.
#[derive(Debug, Args)]
struct NoFlags {}

/// Reads the arguments of the process and does what they ask for.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match plain_build(&arguments) {
        Some(dir) => {
            let flags = build::Flags::for_folder(dir);
            let mut printer = Printer::new();
            told(build::run(&flags, &mut printer), &mut printer)
        }
        None => any(arguments),
    }
}

/// The folder of `build` where it comes without flags, as it mostly does. To define all flags in order to find that there are
/// none takes as long as to build a small folder.
fn plain_build(arguments: &[OsString]) -> Option<&Path> {
    let is_folder =
        |word: &str| !word.is_empty() && !word.starts_with('-') && !build::is_subcommand(word);
    match arguments {
        [_, verb] if verb == "build" => Some(Path::new(build::HERE)),
        [_, verb, dir] if verb == "build" => {
            dir.to_str().filter(|word| is_folder(word)).map(Path::new)
        }
        _ => None,
    }
}

/// Does what any arguments ask for. On its own, so that what all verbs need on the stack is not touched for a plain build.
#[inline(never)]
fn any(arguments: Vec<OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        // Help and version are no failures; clap knows which is which, and where each goes.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut printer = Printer::new();
    told(dispatch(arguments.verb, &mut printer), &mut printer)
}

/// Says why a verb failed, if it did.
fn told(done: Result<(), Failure>, printer: &mut Printer) -> ExitCode {
    let Err(failure) = done else {
        return ExitCode::SUCCESS;
    };
    let error = printer.paint(output::Colour::Red, "error:");
    printer.talk(&format!("{error} {}", failure.message));
    if let Some(hint) = &failure.hint {
        printer.talk(&format!("hint: {hint}"));
    }
    failure.exit_code()
}

fn dispatch(verb: Verb, printer: &mut Printer) -> Result<(), Failure> {
    match verb {
        Verb::Run(flags) => wait(run::run(*flags)),
        Verb::Demo(flags) => wait(demo::run(&flags, printer)),
        Verb::Update(flags) => wait(update::run(&flags, printer)),
        Verb::Explain(flags) => wait(explain::run(&flags, printer)),
        Verb::Scan(flags) => wait(scan::run(&flags, printer)),
        Verb::Get(flags) => wait(get::run(&flags, printer)),
        Verb::Build(flags) => build::run(&flags, printer),
        Verb::Crds(flags) => crds::run(&flags, printer),
        Verb::Version(flags) => version(&flags, printer),
    }
}

fn version(NoFlags {}: &NoFlags, printer: &mut Printer) -> Result<(), Failure> {
    printer.data(&format!("highwater {}\n", env!("CARGO_PKG_VERSION")))?;
    Ok(())
}

/// Does what waits for other programs. What does not is done without a runtime: its threads would take
/// longer to start than a folder takes to build.
fn wait(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(64)
        .build()
        .map_err(|error| Failure::new(format!("the runtime cannot start: {error}")))?;
    let done = runtime.block_on(work);
    // What still blocks, such as a push to a server that hangs, must not keep a process that has
    // lost its lease, or was told to end, from ending.
    runtime.shutdown_background();
    done
}

/// The configuration of the cluster: of the given file, or as `kubectl` would find it.
async fn configuration(kubeconfig: Option<&Path>) -> Result<kube::Config, Failure> {
    let configured = cluster::configuration(kubeconfig).await;
    configured.map_err(|error| match kubeconfig {
        Some(_) => Failure::from(error),
        None => Failure::from(error)
            .with_hint("name a kubeconfig file with `--kubeconfig`, or set `KUBECONFIG`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_plain_build_is_understood_as_with_all_flags_defined() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        for folder in [
            &[][..],
            &["apps"],
            &["../x y/"],
            &["https://example.org/a//b?ref=v1"],
        ] {
            let arguments = words(&[&["highwater", "build"], folder].concat());
            let plain = plain_build(&arguments).expect("it is plain");
            let Verb::Build(all) = Arguments::try_parse_from(&arguments).unwrap().verb else {
                panic!("{folder:?}");
            };
            let plain = build::Flags::for_folder(plain);
            assert_eq!(format!("{plain:?}"), format!("{all:?}"));
        }
        for other in [
            &["highwater"][..],
            &["highwater", "version"],
            &["highwater", "build", ""],
            &["highwater", "build", "-h"],
            &["highwater", "build", "ks"],
            &["highwater", "build", "kustomization"],
            &["highwater", "build", "help"],
            &["highwater", "build", "a", "b"],
            &["highwater", "build", "a", "-o", "b"],
        ] {
            assert_eq!(plain_build(&words(other)), None, "{other:?}");
        }
        let build = Arguments::command()
            .get_subcommands()
            .find(|verb| verb.get_name() == "build")
            .cloned();
        let mut build = build.expect("there is one");
        build.build();
        for known in build
            .get_subcommands()
            .flat_map(|known| known.get_all_aliases().chain([known.get_name()]))
        {
            assert!(build::is_subcommand(known), "{known}");
        }
    }
}
