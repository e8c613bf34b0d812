//! `highwater get`: the objects in a cluster and their state, printed as `flux get` prints them.
//!
//! Invariants: headings, columns, cells, filters and the words of "nothing found" are Flux's; an object
//! whose content nobody expected costs its own cells at most. What is absent: changing anything, and
//! watching. Times are printed as the API server writes them, in UTC.

mod kinds;
mod list;
mod show;

use super::configuration;
use super::failure::Failure;
use super::output::Printer;
use crate::adapters::cluster;
use clap::{Args, Subcommand, ValueEnum};
use kinds::{
    GIT_REPOSITORY, IMAGE_POLICY, IMAGE_REPOSITORY, IMAGE_UPDATE, KUSTOMIZATION, Kind, RECEIVER,
};
use kube::Client;
use kube::core::DynamicObject;
use serde_json::json;
use show::StatusSelector;
use std::path::PathBuf;

/// The flags of `highwater get`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(subcommand)]
    what: What,
    /// list the objects of all namespaces
    #[arg(short = 'A', long, global = true)]
    all_namespaces: bool,
    /// list the objects of this namespace
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        env = "FLUX_SYSTEM_NAMESPACE",
        default_value = "flux-system"
    )]
    namespace: String,
    /// use this kubeconfig file instead of kubectl's own choice
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// leave out the headings
    #[arg(long, global = true)]
    no_header: bool,
    /// list only objects with this status: `ready=false`, `ready!=true`
    #[arg(long, global = true, value_name = "TYPE=STATUS")]
    status_selector: Option<StatusSelector>,
    /// list only objects with these labels, as in kubectl
    #[arg(short, long, global = true, value_name = "SELECTOR")]
    label_selector: Option<String>,
    /// how to print
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    output: Output,
}

/// How objects are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table with the columns of Flux.
    #[default]
    Text,
    /// The same with more columns behind them.
    Wide,
    /// The objects.
    Json,
}

#[derive(Debug, Subcommand)]
enum What {
    /// image repositories, policies and update automations
    #[command(alias = "image", subcommand)]
    Images(Images),
    /// sources
    #[command(alias = "source", subcommand)]
    Sources(Sources),
    /// kustomizations
    #[command(visible_alias = "ks", alias = "kustomization")]
    Kustomizations {
        /// only the object of this name
        name: Option<String>,
        /// show where each takes its manifests from
        #[arg(long)]
        show_source: bool,
    },
    /// receivers of webhooks
    #[command(alias = "receiver")]
    Receivers {
        /// only the object of this name
        name: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Images {
    /// every kind of image object
    All,
    /// image repositories
    Repository {
        /// only the object of this name
        name: Option<String>,
    },
    /// image policies
    Policy {
        /// only the object of this name
        name: Option<String>,
    },
    /// image update automations
    Update {
        /// only the object of this name
        name: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Sources {
    /// every kind of source
    All,
    /// Git repositories
    Git {
        /// only the object of this name
        name: Option<String>,
    },
}

/// What was asked for: kinds, perhaps a name, and whether the kinds are a mixed list.
struct Question<'a> {
    kinds: &'static [&'static Kind],
    name: Option<&'a str>,
    mixed: bool,
    show_source: bool,
}

impl What {
    fn question(&self) -> Question<'_> {
        match self {
            Self::Images(Images::All) => {
                Question::of_all(&[&IMAGE_REPOSITORY, &IMAGE_POLICY, &IMAGE_UPDATE])
            }
            Self::Images(Images::Repository { name }) => Question::of(&[&IMAGE_REPOSITORY], name),
            Self::Images(Images::Policy { name }) => Question::of(&[&IMAGE_POLICY], name),
            Self::Images(Images::Update { name }) => Question::of(&[&IMAGE_UPDATE], name),
            Self::Sources(Sources::All) => Question::of_all(&[&GIT_REPOSITORY]),
            Self::Sources(Sources::Git { name }) => Question::of(&[&GIT_REPOSITORY], name),
            Self::Kustomizations { name, show_source } => Question {
                show_source: *show_source,
                ..Question::of(&[&KUSTOMIZATION], name)
            },
            Self::Receivers { name } => Question::of(&[&RECEIVER], name),
        }
    }
}

impl<'a> Question<'a> {
    fn of(kinds: &'static [&'static Kind], name: &'a Option<String>) -> Self {
        Self {
            kinds,
            name: name.as_deref(),
            mixed: false,
            show_source: false,
        }
    }

    fn of_all(kinds: &'static [&'static Kind]) -> Self {
        Self {
            kinds,
            name: None,
            mixed: true,
            show_source: false,
        }
    }
}

/// Prints the objects. Exit codes: `0` printed, `1` nothing found or the cluster did not answer,
/// `2` the command was not understood.
///
/// # Errors
/// When there is no such object, or the API server cannot be asked.
pub async fn run(flags: &Flags, printer: &mut Printer) -> Result<(), Failure> {
    let question = flags.what.question();
    let configuration = configuration(flags.kubeconfig.as_deref()).await?;
    let client = cluster::client(configuration)?;
    let mut found = Vec::new();
    let mut failed = false;
    for kind in question.kinds {
        match ask(&client, kind, &question, flags).await {
            Ok(objects) => found.push((*kind, objects)),
            // As in Flux: one kind that cannot be listed does not hide the others.
            Err(failure) if question.mixed => {
                printer.talk(&format!("✗ {}", failure.message));
                failed = true;
            }
            Err(failure) => return Err(failure),
        }
    }
    match flags.output {
        Output::Text | Output::Wide => print_tables(&found, &question, flags, printer)?,
        Output::Json => printer.data(&as_json(&found))?,
    }
    match failed {
        true => Err(Failure::new("not every kind could be listed")),
        false => Ok(()),
    }
}

/// The objects of one kind that all filters let through.
async fn ask(
    client: &Client,
    kind: &Kind,
    question: &Question<'_>,
    flags: &Flags,
) -> Result<Vec<DynamicObject>, Failure> {
    let scope = list::Scope {
        namespace: (!flags.all_namespaces).then_some(flags.namespace.as_str()),
        name: question.name,
        labels: flags.label_selector.as_deref(),
    };
    let Some(mut objects) = list::list(client, kind, &scope).await? else {
        return match question.mixed {
            true => Ok(Vec::new()),
            false => Err(list::not_installed(kind)),
        };
    };
    if objects.is_empty() && !question.mixed {
        return Err(Failure::new(show::nothing_found(kind, &scope)));
    }
    if let Some(selector) = &flags.status_selector {
        objects.retain(|object| selector.matches(object));
    }
    Ok(objects)
}

fn print_tables(
    found: &[(&Kind, Vec<DynamicObject>)],
    question: &Question<'_>,
    flags: &Flags,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let layout = show::Layout {
        namespaces: flags.all_namespaces,
        kinds: question.mixed,
        source: question.show_source,
        wide: flags.output == Output::Wide,
        headings: !flags.no_header,
    };
    for (kind, objects) in found {
        // In a mixed list a kind without objects is passed over, and each table ends with an empty line.
        if question.mixed && objects.is_empty() {
            continue;
        }
        let table = layout.table(kind, objects);
        let end = if question.mixed { "\n" } else { "" };
        printer.data(&format!("{table}{end}"))?;
    }
    Ok(())
}

/// A list as `kubectl get -o json` prints it.
fn as_json(found: &[(&Kind, Vec<DynamicObject>)]) -> String {
    let items: Vec<_> = found
        .iter()
        .flat_map(|(kind, objects)| objects.iter().map(|object| list::whole(kind, object)))
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    format!("{list:#}\n")
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

    fn parse(arguments: &str) -> Flags {
        let words = std::iter::once("get").chain(arguments.split(' '));
        Command::try_parse_from(words)
            .expect("it is understood")
            .flags
    }

    fn asked(arguments: &str) -> (Vec<&'static str>, Option<String>, bool) {
        let flags = parse(arguments);
        let question = flags.what.question();
        let kinds = question.kinds.iter().map(|kind| kind.name).collect();
        (kinds, question.name.map(str::to_owned), question.mixed)
    }

    #[test]
    fn kinds_have_the_names_and_aliases_of_flux() {
        for (arguments, kind) in [
            ("images repository", "ImageRepository"),
            ("image policy", "ImagePolicy"),
            ("images update", "ImageUpdateAutomation"),
            ("sources git", "GitRepository"),
            ("source git", "GitRepository"),
            ("kustomizations", "Kustomization"),
            ("kustomization", "Kustomization"),
            ("ks", "Kustomization"),
            ("receivers", "Receiver"),
            ("receiver", "Receiver"),
        ] {
            assert_eq!(asked(arguments), (vec![kind], None, false), "{arguments}");
            let named = format!("{arguments} web");
            assert_eq!(asked(&named), (vec![kind], Some("web".to_owned()), false));
        }
        let images = vec!["ImageRepository", "ImagePolicy", "ImageUpdateAutomation"];
        assert_eq!(asked("images all"), (images, None, true));
        assert_eq!(asked("sources all"), (vec!["GitRepository"], None, true));
    }

    #[test]
    fn flags_stand_before_or_after_the_kind() {
        for arguments in [
            "-A -l a=b --no-header images all",
            "images all -A -l a=b --no-header",
            "images -A all -l a=b --no-header",
        ] {
            let flags = parse(arguments);
            assert!(flags.all_namespaces && flags.no_header, "{arguments}");
            assert_eq!(flags.label_selector.as_deref(), Some("a=b"));
        }
    }

    #[test]
    fn json_has_the_objects_of_all_kinds_in_one_list() {
        let object =
            serde_json::from_value(json!({"metadata": {"name": "a"}})).expect("it has metadata");
        let text = as_json(&[(&IMAGE_POLICY, vec![object]), (&IMAGE_UPDATE, Vec::new())]);
        let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
        assert!(text.ends_with("}\n"));
    }
}
