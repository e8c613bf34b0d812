//! Objects on their way through a build: the tree, where it was read, and what it was called before.
//!
//! Invariant: a [`Resource`]'s root is a mapping; [`Resource::previous`] has one entry for each
//! step that may have renamed it, oldest first. What is absent: deciding what to change.

use super::error::BuildError;
use super::scope::Scopes;
use crate::domain::manifest::{Mapping, Node, Source};
use compact_str::CompactString;
use std::collections::HashMap;
use std::fmt;

/// Stands for the namespace of an object that cannot have one.
pub(super) const NO_NAMESPACE: &str = "_non_namespaceable_";

/// Group, version and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Gvk {
    pub(super) group: CompactString,
    pub(super) version: CompactString,
    pub(super) kind: CompactString,
}

/// The same, of an object that holds the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct GvkRef<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) kind: &'a str,
}

/// A name an object has or had.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) kind: CompactString,
    /// The namespace as comparisons see it: `default` when none is stated.
    pub(super) namespace: CompactString,
    pub(super) name: CompactString,
}

/// One object.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) root: Node,
    pub(super) source: Source,
    pub(super) previous: Vec<Name>,
    /// The prefixes its name got, innermost first.
    pub(super) prefixes: Vec<String>,
    /// The suffixes its name got, innermost first.
    pub(super) suffixes: Vec<String>,
    /// Whether its name gets a suffix from its content.
    pub(super) hashed: bool,
    /// Whether a generator made it.
    pub(super) generated: bool,
    /// The `vars` that read from it.
    pub(super) vars: Vec<String>,
    /// How many groups of scalars of this object change as one.
    pub(super) ties: u32,
    /// Which kinds have a namespace in this build.
    pub(super) scopes: Scopes,
}

/// A full identity to compare and to print.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) gvk: Gvk,
    pub(super) name: String,
    pub(super) namespace: String,
}

impl<'a> GvkRef<'a> {
    pub(super) fn new(api_version: &'a str, kind: &'a str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self {
            group,
            version,
            kind,
        }
    }

    pub(super) fn api_version(self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    pub(super) fn to_owned(self) -> Gvk {
        Gvk {
            group: self.group.into(),
            version: self.version.into(),
            kind: self.kind.into(),
        }
    }
}

impl<'a> From<&'a Gvk> for GvkRef<'a> {
    fn from(gvk: &'a Gvk) -> Self {
        Self {
            group: &gvk.group,
            version: &gvk.version,
            kind: &gvk.kind,
        }
    }
}

impl Resource {
    /// An object as it was read.
    pub(super) fn new(root: Node, source: Source) -> Self {
        Self {
            root,
            source,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            hashed: false,
            generated: false,
            vars: Vec::new(),
            ties: 0,
            scopes: Scopes::default(),
        }
    }

    pub(super) fn mapping(&self) -> &Mapping {
        static EMPTY: Mapping = Mapping {
            entries: Vec::new(),
        };
        self.root.as_mapping().unwrap_or(&EMPTY)
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.mapping().text(key).unwrap_or_default()
    }

    pub(super) fn gvk(&self) -> Gvk {
        self.gvk_ref().to_owned()
    }

    pub(super) fn gvk_ref(&self) -> GvkRef<'_> {
        GvkRef::new(self.text("apiVersion"), self.text("kind"))
    }

    fn meta(&self, key: &str) -> &str {
        let metadata = self.mapping().get("metadata");
        let field = metadata.and_then(|metadata| metadata.get(key));
        field.map(Node::text_or_empty).unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.meta("name")
    }

    /// The namespace the object states; empty for none.
    pub(super) fn namespace(&self) -> &str {
        self.meta("namespace")
    }

    /// Whether its kind is known to have no namespace.
    pub(super) fn is_cluster_wide(&self) -> bool {
        self.scopes.is_cluster_wide(self.gvk_ref())
    }

    /// The namespace as comparisons see it.
    pub(super) fn effective_namespace(&self) -> &str {
        if self.is_cluster_wide() {
            return NO_NAMESPACE;
        }
        match self.namespace() {
            "" => "default",
            stated => stated,
        }
    }

    pub(super) fn current(&self) -> Name {
        Name {
            kind: self.text("kind").into(),
            namespace: self.effective_namespace().into(),
            name: self.name().into(),
        }
    }

    /// The name it was read with.
    pub(super) fn original(&self) -> Name {
        self.previous
            .first()
            .cloned()
            .unwrap_or_else(|| self.current())
    }

    /// Every name it had and the one it has.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> {
        let current = self.current();
        self.previous.iter().cloned().chain([current])
    }

    /// Whether it had no name or kind when it was to remember them.
    pub(super) fn was_nameless(&self) -> bool {
        let nameless = |name: &Name| name.name.is_empty() || name.kind.is_empty();
        self.previous.iter().any(nameless)
    }

    /// Remembers the present name before a step that may change it.
    pub(super) fn remember(&mut self) {
        let name = self.current();
        self.previous.push(name);
    }

    /// Takes over name, namespace, memory, and the labels and annotations it does not state itself.
    pub(super) fn take_metadata(&mut self, old: &Self) {
        for field in ["labels", "annotations"] {
            let mut pairs = Mapping::default();
            for (key, value) in old.texts(field).into_iter().chain(self.texts(field)) {
                pairs.set(key, Node::text(value));
            }
            if let Some(metadata) = self.metadata_mut() {
                metadata.remove(field);
                if !pairs.entries.is_empty() {
                    metadata.set(field, Node::Mapping(pairs));
                }
            }
        }
        if let Some(metadata) = self.metadata_mut() {
            metadata.set("name", Node::text(old.name()));
            match old.namespace() {
                "" => {
                    metadata.remove("namespace");
                }
                namespace => metadata.set("namespace", Node::text(namespace)),
            }
        }
        self.previous.clone_from(&old.previous);
        self.prefixes.clone_from(&old.prefixes);
        self.suffixes.clone_from(&old.suffixes);
        self.hashed &= old.hashed;
        self.generated &= old.generated;
        self.vars.clone_from(&old.vars);
    }

    /// Forgets every earlier name, as kustomize does when all annotations go.
    pub(super) fn forget(&mut self) {
        self.previous.clear();
        self.prefixes.clear();
        self.suffixes.clear();
        self.hashed = false;
        self.generated = false;
    }

    /// Whether a step has left something to remember.
    pub(super) fn remembers(&self) -> bool {
        self.hashed || self.generated || !self.previous.is_empty()
    }

    pub(super) fn identity(&self) -> Identity {
        Identity {
            gvk: self.gvk(),
            name: self.name().to_owned(),
            namespace: self.effective_namespace().to_owned(),
        }
    }

    /// Whether this is, or once was, the object `identity`.
    pub(super) fn was(&self, identity: &Identity) -> bool {
        let named = self.name() == identity.name
            || self
                .previous
                .iter()
                .any(|previous| previous.name == identity.name);
        if !named {
            return false;
        }
        let gvk = self.gvk_ref();
        gvk.group == identity.gvk.group
            && gvk.version == identity.gvk.version
            && self
                .previous
                .iter()
                .chain(std::iter::once(&self.current()))
                .any(|name| {
                    name.kind == identity.gvk.kind
                        && name.name == identity.name
                        && name.namespace == identity.namespace
                })
    }

    pub(super) fn metadata_mut(&mut self) -> Option<&mut Mapping> {
        let root = self.root.as_mapping_mut()?;
        let metadata = root.get_or_insert_with("metadata", Node::mapping);
        if metadata.is_null() {
            *metadata = Node::mapping();
        }
        metadata.as_mapping_mut()
    }

    /// An error of `transformer` at `field` of this object.
    pub(super) fn error(
        &self,
        transformer: &'static str,
        field: &str,
        reason: String,
    ) -> BuildError {
        BuildError::Transform {
            kustomization: String::new(),
            transformer,
            object: self.identity().to_string(),
            at: Box::new(self.source.clone()),
            field: field.to_owned(),
            reason,
        }
    }
}

/// As kustomize prints identities: `Kind.version.group/name.namespace`.
impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, other: &'static str| {
            if text.is_empty() {
                other.to_owned()
            } else {
                text.to_owned()
            }
        };
        write!(
            formatter,
            "{}.{}.{}/{}.{}",
            or(&self.gvk.kind, "[noKind]"),
            or(&self.gvk.version, "[noVer]"),
            or(&self.gvk.group, "[noGrp]"),
            or(&self.name, "[noName]"),
            if self.namespace == NO_NAMESPACE {
                "[noNs]"
            } else {
                self.namespace.as_str()
            }
        )
    }
}

/// Refuses two objects with one identity.
pub(super) fn check_unique(resources: &[Resource]) -> Result<(), BuildError> {
    let mut seen = HashMap::with_capacity(resources.len());
    for resource in resources {
        let (name, namespace) = (resource.name(), resource.effective_namespace());
        let known = seen.insert((resource.gvk_ref(), name, namespace), &resource.source);
        if let Some(first) = known {
            return Err(BuildError::Duplicate {
                id: resource.identity().to_string(),
                first: first.clone(),
                second: resource.source.clone(),
            });
        }
    }
    Ok(())
}
