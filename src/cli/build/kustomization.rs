//! `highwater build kustomization`: what a Flux Kustomization makes of a folder here.
//!
//! Invariants: the objects are made as the controller makes them, and no cluster is asked unless the
//! Kustomization or its variables come from there. What is absent: applying, decryption (what SOPS has
//! encrypted is masked), and Kustomizations inside what is built.

use super::ignored::Ignoring;
use super::{mask, output, place, remote, warn};
use crate::adapters::cluster::{self, ClusterError};
use crate::api::Kustomization;
use crate::api::kustomization::PostBuild;
use crate::cli::configuration;
use crate::cli::failure::Failure;
use crate::cli::output::Printer;
use crate::controllers::kustomization::recipe::{self, Recipe};
use crate::domain::kustomize::build_with;
use crate::domain::manifest::{Manifest, Printed, parse_documents};
use crate::domain::object::ObjectKey;
use crate::domain::stage;
use crate::domain::substitute::Variables;
use clap::Args;
use kube::{Api, Client};
use std::path::{Path, PathBuf};

/// The flags of `highwater build kustomization`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// the name of the Kustomization
    name: String,
    /// the folder with the manifests
    #[arg(long, value_name = "DIR")]
    path: PathBuf,
    /// take the Kustomization from this file, not from the cluster
    #[arg(long, value_name = "FILE")]
    kustomization_file: Option<PathBuf>,
    /// the namespace of the Kustomization
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "FLUX_SYSTEM_NAMESPACE",
        default_value = "flux-system"
    )]
    namespace: String,
    /// ask no cluster: variables of ConfigMaps and Secrets are left out
    #[arg(long)]
    dry_run: bool,
    /// fail when a variable without a default is not set
    #[arg(long)]
    strict_substitute: bool,
    /// leave these files out, as `.sourceignore` files do
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    ignore_paths: Vec<String>,
    /// write no file, which no build does here
    #[arg(long)]
    in_memory_build: bool,
    /// fetch no remote bases and files
    #[arg(long)]
    no_remote_bases: bool,
    /// use this kubeconfig file instead of kubectl's own choice
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    #[arg(short, long, hide = true)]
    recursive: bool,
    #[arg(long, hide = true)]
    local_sources: Vec<String>,
}

/// Builds and prints the objects.
///
/// # Errors
/// When there is no such Kustomization, it asks for what is not carried out, or nothing can be built.
pub(super) async fn run(flags: &Flags, printer: &mut Printer) -> Result<(), Failure> {
    refuse(flags)?;
    let object = match &flags.kustomization_file {
        Some(file) => in_file(file, flags)?,
        None => in_cluster(flags).await?,
    };
    let recipe = Recipe::new(&object.spec);
    let (path, ignored) = (flags.path.clone(), flags.ignore_paths.clone());
    let (options, forbidden) = (recipe.options.clone(), flags.no_remote_bases);
    let built = remote::waiting(move || {
        let remotes = remote::remotes(forbidden);
        place::build(&path, &options, |tree, path| {
            let tree = Ignoring::new(tree, path, &ignored);
            build_with(&tree, path, &options, &*remotes)
        })
    })
    .await?;
    warn(&built, printer);
    let mut manifests = built.manifests;
    let variables = match &recipe.post_build {
        Some(post_build) => variables(post_build, flags, printer).await?,
        None => Variables::default(),
    };
    recipe.finish(&mut manifests, &variables, flags.strict_substitute)?;
    if object.spec.decryption.is_some() {
        printer.talk("note: what SOPS has encrypted is masked, not decrypted");
    }
    for Manifest { object, .. } in &mut manifests {
        mask::mask(object);
        stage::set_owner(object, &flags.namespace, &flags.name);
    }
    let printed: Vec<Printed> = manifests.iter().map(Printed::from).collect();
    output::write(&printed, None, printer)
}

fn refuse(flags: &Flags) -> Result<(), Failure> {
    if flags.recursive || !flags.local_sources.is_empty() {
        let message =
            "`--recursive` and `--local-sources` are refused: one Kustomization is built at a time";
        let hint = "build each of the others with a command of its own";
        return Err(Failure::new(message).with_hint(hint));
    }
    match flags.dry_run && flags.kustomization_file.is_none() {
        true => Err(Failure::usage("`--dry-run` needs `--kustomization-file`")),
        false => Ok(()),
    }
}

/// The Kustomization of a file; one without a namespace is in the one that is asked for.
fn in_file(file: &Path, flags: &Flags) -> Result<Kustomization, Failure> {
    let shown = file.display();
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::new(format!("cannot read `{shown}`: {error}")))?;
    let found = parse_documents(&shown.to_string(), &bytes)?
        .into_iter()
        .find(|manifest| {
            let id = manifest.id();
            let namespace = id
                .namespace
                .as_deref()
                .filter(|namespace| !namespace.is_empty());
            id.group() == "kustomize.toolkit.fluxcd.io"
                && id.kind == "Kustomization"
                && id.name == flags.name
                && namespace.is_none_or(|namespace| namespace == flags.namespace)
        });
    let Some(Manifest { object, source }) = found else {
        let wanted = ObjectKey::new(&flags.namespace, &flags.name);
        let failure = Failure::new(format!("`{shown}` holds no Kustomization `{wanted}`"));
        return Err(failure.with_hint("name its namespace with `--namespace`"));
    };
    serde_json::from_value(object).map_err(|error| {
        let place = source.map_or_else(|| shown.to_string(), |source| source.to_string());
        Failure::new(format!("{place}: not a Kustomization: {error}"))
    })
}

async fn in_cluster(flags: &Flags) -> Result<Kustomization, Failure> {
    let api: Api<Kustomization> = Api::namespaced(client(flags).await?, &flags.namespace);
    let key = ObjectKey::new(&flags.namespace, &flags.name);
    let found = api.get(&flags.name).await;
    Ok(found.map_err(|error| ClusterError::of("Kustomization", &key, error))?)
}

async fn client(flags: &Flags) -> Result<Client, Failure> {
    let configuration = configuration(flags.kubeconfig.as_deref()).await?;
    Ok(cluster::client(configuration)?)
}

async fn variables(
    post_build: &PostBuild,
    flags: &Flags,
    printer: &mut Printer,
) -> Result<Variables, Failure> {
    let client = match (post_build.substitute_from.is_empty(), flags.dry_run) {
        (true, _) => None,
        (false, true) => {
            let names: Vec<String> = post_build
                .substitute_from
                .iter()
                .map(|reference| format!("{}/{}", reference.kind, reference.name))
                .collect();
            printer.talk(&format!(
                "note: a dry run reads no variables of {}",
                names.join(", ")
            ));
            None
        }
        (false, false) => Some(client(flags).await?),
    };
    Ok(recipe::variables(post_build, client.as_ref(), &flags.namespace).await?)
}
