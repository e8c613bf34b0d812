//! Why a build fails: which file, which field, which line, and what was expected there.

use super::decode::Located;
use super::remote::RemoteError;
use crate::domain::manifest::{ManifestError, Source};
use crate::domain::tree::TreeError;
use thiserror::Error;

/// Why `build` gives no objects.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// A file holds no YAML, or documents that are no objects.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The directory has no kustomization file and none may be generated.
    #[error(
        "`{directory}` has no kustomization file; hint: one of `kustomization.yaml`, `kustomization.yml`, `Kustomization`"
    )]
    NoKustomization {
        /// The directory.
        directory: String,
    },
    /// The directory has several kustomization files.
    #[error("`{directory}` has more than one kustomization file: {}", .names.join(", "))]
    SeveralKustomizations {
        /// The directory.
        directory: String,
        /// Their names.
        names: Vec<String>,
    },
    /// The kustomization file says nothing.
    #[error("{file}: the kustomization is empty; hint: name `resources`")]
    Empty {
        /// The file.
        file: String,
    },
    /// A field has a value it cannot have.
    #[error("{file}:{line}: `{field}`: {reason}")]
    Field {
        /// The kustomization file.
        file: String,
        /// The line, counted from 1; 0 for a setting that stands in no file.
        line: u32,
        /// The path of the field, such as `images[0].newTag`.
        field: String,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// A field that kustomize does not have.
    #[error("{file}:{line}: unknown field `{field}`{}", hint(.nearest.as_deref()))]
    UnknownField {
        /// The kustomization file.
        file: String,
        /// The line, counted from 1.
        line: u32,
        /// The path of the field.
        field: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// Something a field refers to cannot be read.
    #[error("{file}:{line}: `{field}`")]
    Tree {
        /// The kustomization file.
        file: String,
        /// The line, counted from 1; 0 for a setting that stands in no file.
        line: u32,
        /// The path of the field.
        field: String,
        /// Why it cannot be read.
        #[source]
        source: TreeError,
    },
    /// A remote base or file that a field names is not there.
    #[error("{file}:{line}: `{field}`: `{url}` cannot be fetched")]
    Remote {
        /// The kustomization file.
        file: String,
        /// The line, counted from 1; 0 for a setting that stands in no file.
        line: u32,
        /// The path of the field.
        field: String,
        /// The entry, without what may be secret.
        url: String,
        /// Why it is not there.
        #[source]
        source: Box<RemoteError>,
    },
    /// The repository to build is not there.
    #[error("`{url}` cannot be fetched")]
    RemoteRoot {
        /// The repository, without what may be secret.
        url: String,
        /// Why it is not there.
        #[source]
        source: Box<RemoteError>,
    },
    /// The path to build cannot be read.
    #[error("the path to build cannot be read")]
    Root(#[source] TreeError),
    /// A directory includes itself.
    #[error("{file}:{line}: `{field}`: `{directory}` is, or holds, the directory that includes it")]
    Cycle {
        /// The kustomization file.
        file: String,
        /// The line, counted from 1.
        line: u32,
        /// The path of the field.
        field: String,
        /// The directory that is included.
        directory: String,
    },
    /// Two objects have one identity.
    #[error("{second}: `{id}` is already there, from {first}")]
    Duplicate {
        /// The identity, as kustomize prints it.
        id: String,
        /// Where the first one comes from.
        first: Source,
        /// Where the second one comes from.
        second: Source,
    },
    /// A patch does not fit.
    #[error("{file}:{line}: `{field}`: {reason}")]
    Patch {
        /// The kustomization file.
        file: String,
        /// The line, counted from 1; 0 for a setting that stands in no file.
        line: u32,
        /// The path of the patch.
        field: String,
        /// Why it does not fit.
        reason: String,
    },
    /// A transformer met an object it cannot change.
    #[error("{}{transformer}: {object} ({at}): `{field}`: {reason}", before(.kustomization))]
    Transform {
        /// The kustomization file whose step it is, and the line where that is one of several; empty while that is not
        /// known.
        kustomization: String,
        /// The step.
        transformer: &'static str,
        /// The object, as kustomize prints it.
        object: String,
        /// Where the object was read.
        at: Box<Source>,
        /// The path of the field in the object.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// The build is larger than is built.
    #[error("{}{what}, which is more than is built at once", before(.kustomization))]
    TooLarge {
        /// The kustomization file that was too much; empty while that is not known.
        kustomization: String,
        /// What there is too much of.
        what: String,
    },
}

impl BuildError {
    /// The error of a step of `file`, unless it is one of a kustomization that this one includes.
    pub(super) fn in_kustomization(mut self, file: &str) -> Self {
        if let Self::Transform { kustomization, .. } | Self::TooLarge { kustomization, .. } =
            &mut self
            && kustomization.is_empty()
        {
            file.clone_into(kustomization);
        }
        self
    }

    /// The error of one entry of a list of steps.
    pub(super) fn of_entry<T>(self, entry: &Located<T>) -> Self {
        match entry.line {
            0 => self,
            line => self.in_kustomization(&format!("{}:{line}", entry.file)),
        }
    }

    /// What there is too much of.
    pub(super) fn too_large(what: String) -> Self {
        Self::TooLarge {
            kustomization: String::new(),
            what,
        }
    }
}

fn before(kustomization: &str) -> String {
    match kustomization {
        "" => String::new(),
        file => format!("{file}: "),
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| {
        format!("; hint: did you mean `{name}`?")
    })
}
