//! `highwater crds`: the custom resource definitions, to standard output or into a folder.

use super::failure::Failure;
use super::output::Printer;
use crate::api;
use clap::Args;
use std::fs;
use std::path::PathBuf;

/// The flags of `highwater crds`.
#[derive(Debug, Args)]
pub struct Flags {
    /// write one file for each definition into this folder instead, and a kustomization of them
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints or writes the definitions.
///
/// # Errors
/// When a file cannot be written.
pub fn run(flags: &Flags, printer: &mut Printer) -> Result<(), Failure> {
    let Some(folder) = &flags.dir else {
        return Ok(printer.data(&api::crds_yaml())?);
    };
    let cannot =
        |path: &PathBuf, error| Failure::new(format!("cannot write `{}`: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
    for (name, text) in api::crd_files() {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| cannot(&path, error))?;
        printer.talk(&format!("wrote {}", path.display()));
    }
    Ok(())
}
