//! References by name: what an object is called now, wherever another one names it.
//!
//! Invariant: only a name that some object of the build had, and that leads to one object, is
//! replaced; a reference that holds a namespace too (subjects, webhooks) gets both.
//! What is absent: which fields these are; that is `reference_fields`.

use super::budget::Budget;
use super::error::BuildError;
use super::field_spec::{Create, FieldSpec};
use super::reference_fields::{Reference, Target};
use super::resource::{Gvk, NO_NAMESPACE, Name, Resource};
use crate::domain::manifest::{Mapping, Node};
use compact_str::CompactString;
use std::collections::{HashMap, HashSet};

const STEP: &str = "name references";

/// Rewrites every reference to an object that a step may have renamed.
pub(super) fn fix(
    resources: &mut [Resource],
    table: &[Reference],
    budget: &Budget,
) -> Result<(), BuildError> {
    let candidates = Candidates::new(resources, budget)?;
    if candidates.by_name.is_empty() {
        return Ok(());
    }
    let mut fields_by_kind: HashMap<Gvk, Vec<Field<'_>>> = HashMap::new();
    for resource in resources.iter_mut() {
        let original = Gvk {
            kind: resource.original().kind,
            ..resource.gvk()
        };
        let fields = fields_by_kind
            .entry(original)
            .or_insert_with_key(|kind| fields_of(kind, table));
        candidates.fix(resource, fields)?;
    }
    Ok(())
}

/// A field that names an object of the kind `target`.
struct Field<'a> {
    target: &'a Target,
    spec: &'a FieldSpec,
}

/// The fields of one kind, in the order of the table.
fn fields_of<'a>(kind: &Gvk, table: &'a [Reference]) -> Vec<Field<'a>> {
    let all = table.iter().flat_map(|reference| {
        let target = &reference.target;
        reference
            .fields
            .iter()
            .map(move |spec| Field { target, spec })
    });
    all.filter(|field| field.spec.fits(kind)).collect()
}

/// What the search needs to know of an object that had other names.
struct Candidate {
    gvk: Gvk,
    previous: Vec<Name>,
    current: Name,
    namespace: String,
    affixes: Affixes,
}

/// What the layers of the build have put around a name, innermost first.
#[derive(Clone)]
struct Affixes {
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Affixes {
    fn of(resource: &Resource) -> Self {
        Self {
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
        }
    }

    /// Whether both went through the same layers, as far as the shorter way tells.
    fn agree(&self, other: &Self, none_fits_all: bool) -> bool {
        let same = |one: &[String], other: &[String]| {
            if one.is_empty() || other.is_empty() {
                return none_fits_all || one.len() == other.len();
            }
            one.ends_with(other) || other.ends_with(one)
        };
        same(&self.prefixes, &other.prefixes) && same(&self.suffixes, &other.suffixes)
    }
}

struct Candidates<'a> {
    budget: &'a Budget,
    all: Vec<Candidate>,
    by_name: HashMap<CompactString, Vec<usize>>,
    original_namespaces: HashSet<CompactString>,
}

/// Who refers.
struct Referrer {
    cluster_wide: bool,
    namespace: String,
    affixes: Affixes,
    /// Namespaces of service accounts a role binding names.
    reachable: HashSet<String>,
    role: Option<(String, String)>,
}

impl<'a> Candidates<'a> {
    fn new(resources: &[Resource], budget: &'a Budget) -> Result<Self, BuildError> {
        let mut this = Self {
            budget,
            all: Vec::new(),
            by_name: HashMap::new(),
            original_namespaces: HashSet::new(),
        };
        for resource in resources {
            let original = resource.original().namespace;
            if original != NO_NAMESPACE {
                this.original_namespaces.insert(original);
            }
            if resource.previous.is_empty() {
                continue;
            }
            let names_kept = resource
                .previous
                .iter()
                .map(|name| name.name.len() + 150)
                .sum();
            budget.keep(names_kept)?;
            let index = this.all.len();
            let names: HashSet<&str> = resource
                .previous
                .iter()
                .map(|name| name.name.as_str())
                .collect();
            for name in names {
                this.by_name.entry(name.into()).or_default().push(index);
            }
            this.all.push(Candidate {
                gvk: resource.gvk(),
                previous: resource.previous.clone(),
                current: resource.current(),
                namespace: resource.namespace().to_owned(),
                affixes: Affixes::of(resource),
            });
        }
        Ok(this)
    }

    fn fix(&self, resource: &mut Resource, fields: &[Field<'_>]) -> Result<(), BuildError> {
        let mut known: Option<Referrer> = None;
        for Field { target, spec } in fields {
            let referrer = match known.take() {
                Some(referrer) => referrer,
                None => Referrer::new(resource)
                    .map_err(|reason| resource.error(STEP, "subjects", reason))?,
            };
            let role = spec.path.ends_with("roleRef/name");
            let search = Search {
                candidates: self,
                referrer: &referrer,
                target,
                role: referrer.role.as_ref().filter(|_| role),
            };
            let mut found = false;
            spec.visit(&mut resource.root, Create::Nothing, &mut |node| {
                found = true;
                search.replace(node)
            })
            .map_err(|reason| resource.error(STEP, &spec.path, reason))?;
            // What was found may have changed what the object can refer to.
            known = (!found).then_some(referrer);
        }
        Ok(())
    }
}

impl Referrer {
    fn new(resource: &Resource) -> Result<Self, String> {
        let role = resource.mapping().get("roleRef").and_then(|role| {
            let text = |key| role.get(key).and_then(Node::as_text).map(str::to_owned);
            Some((text("apiGroup")?, text("kind")?))
        });
        Ok(Self {
            cluster_wide: resource.is_cluster_wide(),
            namespace: resource.effective_namespace().to_owned(),
            affixes: Affixes::of(resource),
            reachable: reachable(resource)?,
            role,
        })
    }

    fn reaches(&self, candidate: &Candidate) -> bool {
        self.cluster_wide
            || candidate.current.namespace == NO_NAMESPACE
            || candidate.current.namespace == self.namespace
            || (self.reachable.contains(&candidate.namespace)
                && candidate.gvk.kind == "ServiceAccount")
    }
}

fn reachable(resource: &Resource) -> Result<HashSet<String>, String> {
    let mut namespaces = HashSet::new();
    if resource.text("kind") != "RoleBinding" {
        return Ok(namespaces);
    }
    let subjects = resource
        .mapping()
        .get("subjects")
        .and_then(Node::as_sequence);
    for subject in subjects.unwrap_or_default() {
        let kind = subject.get("kind").and_then(Node::as_text);
        let Some(namespace) = subject.get("namespace") else {
            continue;
        };
        if kind == Some("ServiceAccount") {
            if namespace.is_null() {
                return Err("the `namespace` of a service account is empty".to_owned());
            }
            namespaces.extend(namespace.as_text().map(str::to_owned));
        }
    }
    Ok(namespaces)
}

struct Search<'a> {
    candidates: &'a Candidates<'a>,
    referrer: &'a Referrer,
    target: &'a Target,
    role: Option<&'a (String, String)>,
}

impl Search<'_> {
    fn replace(&self, node: &mut Node) -> Result<(), String> {
        match node {
            Node::Sequence(items) => items.iter_mut().try_for_each(|item| match item {
                Node::Sequence(_) => Err("expected a name or a mapping with a name".to_owned()),
                item => self.replace(item),
            }),
            Node::Mapping(mapping) => self.replace_in(mapping),
            Node::Scalar(scalar) => {
                let found = self.find(&scalar.text, None, |one, other| {
                    one.current.name == other.current.name
                })?;
                if let Some(found) = found
                    && found.current.name != scalar.text
                {
                    self.keep(found)?;
                    scalar.text.clone_from(&found.current.name);
                }
                Ok(())
            }
        }
    }

    fn replace_in(&self, mapping: &mut Mapping) -> Result<(), String> {
        let Some(name) = mapping.text("name").map(str::to_owned) else {
            return Err("a reference has no `name`".to_owned());
        };
        let namespace = mapping.text("namespace").map(str::to_owned);
        let found = self.find(&name, namespace.as_deref(), |one, other| {
            one.current.name == other.current.name && one.namespace == other.namespace
        })?;
        if let Some(found) = found {
            self.keep(found)?;
            mapping.set("name", Node::text(found.current.name.clone()));
            if !found.namespace.is_empty() {
                mapping.set("namespace", Node::text(found.namespace.clone()));
            }
        }
        Ok(())
    }

    /// Counts the texts that a reference gets.
    fn keep(&self, found: &Candidate) -> Result<(), String> {
        let texts = found.current.name.len() + found.namespace.len();
        let kept = self.candidates.budget.keep(texts);
        kept.map_err(|error| error.to_string())
    }

    /// The one object that was called `name`, if there is one.
    fn find(
        &self,
        name: &str,
        namespace: Option<&str>,
        same: fn(&Candidate, &Candidate) -> bool,
    ) -> Result<Option<&Candidate>, String> {
        let Some(indices) = self.candidates.by_name.get(name) else {
            return Ok(None);
        };
        let looked = self.candidates.budget.work(8 * indices.len());
        looked.map_err(|error| error.to_string())?;
        let mut found: Vec<&Candidate> = indices
            .iter()
            .map(|index| &self.candidates.all[*index])
            .filter(|candidate| self.may_be(candidate) && self.lies_in(candidate, namespace))
            .collect();
        // Only who went through the same layers is meant, where several are possible.
        for none_fits_all in [true, false] {
            if found.len() > 1 {
                let own = &self.referrer.affixes;
                found.retain(|candidate| candidate.affixes.agree(own, none_fits_all));
            }
        }
        match found.as_slice() {
            [] => Ok(None),
            [first, rest @ ..] if rest.iter().all(|other| same(first, other)) => Ok(Some(first)),
            several => Err(format!(
                "`{name}` may be any of {} objects of kind `{}`",
                several.len(),
                self.target.kind
            )),
        }
    }

    fn may_be(&self, candidate: &Candidate) -> bool {
        let gvk = &candidate.gvk;
        let selected = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let had_kind = |wanted: &str| {
            candidate
                .previous
                .iter()
                .any(|name| selected(wanted, &name.kind))
        };
        selected(&self.target.group, &gvk.group)
            && selected(&self.target.version, &gvk.version)
            && had_kind(&self.target.kind)
            && self
                .role
                .is_none_or(|(group, kind)| selected(group, &gvk.group) && had_kind(kind))
            && self.referrer.reaches(candidate)
    }

    /// A stated namespace is first read as one objects came with, then as one they have now.
    fn lies_in(&self, candidate: &Candidate, namespace: Option<&str>) -> bool {
        let Some(namespace) = namespace else {
            return true;
        };
        if self.candidates.original_namespaces.contains(namespace) {
            candidate
                .previous
                .first()
                .is_some_and(|name| name.namespace == namespace)
        } else {
            candidate.current.namespace == namespace
        }
    }
}
