//! The schema that is in force in a build: the built-in table, a document of the tree, or both.
//!
//! kustomize v5.8.1 keeps one schema per process: the first `openapi` that it meets counts, from
//! then on and for every directory, and what was known before stays beside it. So does this, per
//! build. Invariant: what is in force is set once. What is absent: how lists are merged.

use super::context::Context;
use super::decode::{Fields, Located};
use super::error::BuildError;
use super::merge_keys::BuiltIn;
use super::open_api::{self, Document};
use super::resource::Resource;
use super::scope::{self, Scopes};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

/// The version of Kubernetes whose schema is built in.
const VERSION: &str = "v1.21.2";

/// How often one reference may lead to the next.
const REFERENCES: usize = 256;

/// `openapi`: a document of the tree, or the version of a built-in one.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenApi {
    path: Option<Located<String>>,
    version: Option<Located<String>>,
}

/// Reads `openapi`.
pub(super) fn parse(fields: &Fields<'_>) -> Result<OpenApi, BuildError> {
    let Some(at) = fields.get("openapi") else {
        return Ok(OpenApi::default());
    };
    let pairs = fields.pairs("openapi")?;
    let inner = at.fields()?;
    let read = |name: &str| {
        let value = pairs.get(name)?.clone();
        Some(match inner.get(name) {
            Some(at) => at.locate(value),
            None => at.locate(value),
        })
    };
    Ok(OpenApi {
        path: read("path"),
        version: read("version"),
    })
}

/// Which of the two is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    DocumentAlone,
    DocumentFirst,
    BuiltInFirst,
}

#[derive(Debug)]
enum InForce {
    BuiltIn,
    Document(Document, Order),
}

/// The schema of a build.
#[derive(Debug)]
pub(super) struct Schemas {
    in_force: OnceCell<InForce>,
    /// Whether anything has been merged by the built-in schema.
    merged: Cell<bool>,
    /// Whether an object of a kind that is not built in has been read.
    foreign: Cell<bool>,
    scopes: Scopes,
}

impl Context<'_> {
    /// Puts the schema of a kustomization into force, unless another one is already.
    pub(super) fn set_schema(&self, open_api: &OpenApi) -> Result<(), BuildError> {
        let OpenApi { path, version } = open_api;
        let file = path.as_ref().map(|path| self.read(path)).transpose()?;
        if self.schemas.in_force.get().is_some() {
            return Ok(());
        }
        match (path, version, file) {
            (Some(path), None, Some((file, bytes))) => {
                let document = Document::parse(&file, &bytes)
                    .map_err(|reason| path.error(format!("{file}: {reason}")))?;
                self.schemas.set(document);
                Ok(())
            }
            (_, Some(version), Some(_)) => {
                Err(version.error("a `version` and a `path` cannot both be set"))
            }
            (_, Some(version), None) if version.value == VERSION => {
                let _ = self.schemas.in_force.set(InForce::BuiltIn);
                Ok(())
            }
            (_, Some(version), None) if !version.value.is_empty() => Err(version.error(format!(
                "there is no schema of `{}`; hint: `{VERSION}` is built in, every other one needs a `path`",
                version.value
            ))),
            _ => Ok(()),
        }
    }
}

impl Default for Schemas {
    fn default() -> Self {
        Self {
            in_force: OnceCell::new(),
            merged: Cell::new(false),
            foreign: Cell::new(false),
            scopes: Scopes::of_a_build(),
        }
    }
}

impl Schemas {
    fn set(&self, mut document: Document) {
        let order = match (self.merged.get(), self.foreign.get()) {
            (true, _) => Order::DocumentFirst,
            (false, true) => Order::BuiltInFirst,
            (false, false) => Order::DocumentAlone,
        };
        self.scopes.set(std::mem::take(&mut document.namespaced));
        let _ = self.in_force.set(InForce::Document(document, order));
    }

    /// Takes note of objects that were read.
    pub(super) fn meet(&self, mut resources: Vec<Resource>) -> Vec<Resource> {
        for resource in &mut resources {
            resource.scopes = self.scopes.clone();
            if !scope::is_built_in(resource.gvk_ref()) {
                self.foreign.set(true);
            }
        }
        resources
    }

    /// Where a merge begins.
    pub(super) fn start(&self) -> Schema<'_> {
        self.merged.set(true);
        Schema {
            schemas: self,
            place: Place::Unknown,
        }
    }
}

/// What is known of the schema at a place in an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schema<'a> {
    schemas: &'a Schemas,
    place: Place<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    /// Nothing: an object below may bring its own.
    Unknown,
    BuiltIn(BuiltIn),
    Own(&'a Value),
}

impl<'a> Schema<'a> {
    pub(super) fn is_unknown(self) -> bool {
        matches!(self.place, Place::Unknown)
    }

    /// The schema of a kind.
    pub(super) fn of_kind(self, api_version: &str, kind: &str) -> Self {
        let own = |document: &'a Document| document.kind(api_version, kind).map(Place::Own);
        let built_in = || known(BuiltIn::of_kind(api_version, kind));
        // Kustomize's own kinds come after everything else.
        let always = api_version == "kustomize.config.k8s.io/v1beta1";
        let place = match self.schemas.in_force.get() {
            Some(InForce::Document(document, Order::DocumentAlone)) if !always => own(document),
            Some(InForce::Document(document, Order::DocumentFirst)) if !always => {
                own(document).or_else(built_in)
            }
            Some(InForce::Document(document, _)) => built_in().or_else(|| own(document)),
            _ => built_in(),
        };
        self.at(place)
    }

    /// The schema of the field `name` of a mapping.
    pub(super) fn field(self, name: &str) -> Self {
        let place = match self.place {
            Place::Unknown => None,
            Place::BuiltIn(schema) => known(schema.field(name)),
            Place::Own(schema) => self.resolve(open_api::field(schema, name)),
        };
        self.at(place)
    }

    /// The schema of the items of a list.
    pub(super) fn items(self) -> Self {
        let place = match self.place {
            Place::Unknown => None,
            Place::BuiltIn(schema) => known(schema.items()),
            Place::Own(schema) => self.resolve(open_api::items(schema)),
        };
        self.at(place)
    }

    /// The merge keys, if this is a list that merges; none at all for a list of plain values.
    pub(super) fn merge_keys(self) -> Option<Cow<'a, [&'a str]>> {
        match self.place {
            Place::Unknown => None,
            Place::BuiltIn(schema) => schema.merge_keys().map(Cow::Borrowed),
            Place::Own(schema) => open_api::merge_keys(schema).map(Cow::Owned),
        }
    }

    fn at(self, place: Option<Place<'a>>) -> Self {
        Self {
            place: place.unwrap_or(Place::Unknown),
            ..self
        }
    }

    /// Follows references to the end.
    fn resolve(self, schema: Option<&'a Value>) -> Option<Place<'a>> {
        let Some(InForce::Document(document, order)) = self.schemas.in_force.get() else {
            return None;
        };
        let mut schema = schema?;
        for _ in 0..REFERENCES {
            let Some(reference) = open_api::reference(schema) else {
                return Some(Place::Own(schema));
            };
            let tokens = open_api::tokens(reference)?;
            let built_in = || known(BuiltIn::of_definition(tokens.first()?)?);
            match (order, document.find(&tokens)) {
                (Order::BuiltInFirst, _) if built_in().is_some() => return built_in(),
                (_, Some(next)) => schema = next,
                (Order::DocumentAlone, None) => return None,
                (_, None) => return built_in(),
            }
        }
        None
    }
}

fn known<'a>(schema: BuiltIn) -> Option<Place<'a>> {
    (schema != BuiltIn::Unknown).then_some(Place::BuiltIn(schema))
}
