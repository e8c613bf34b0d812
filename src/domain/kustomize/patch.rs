//! The `patches` step, and the deprecated `patchesJson6902`: strategic merge and JSON patches, inline
//! or from a file.
//!
//! Invariant: a patch without a target changes exactly one object, the one it names; a patch with
//! a target changes every object that matches, also none. What is absent: how a merge is done,
//! and the deprecated `patchesStrategicMerge`.

use super::budget;
use super::context::Context;
use super::decode::{At, Located};
use super::error::BuildError;
use super::json_patch::{self, Operation};
use super::lines::Lines;
use super::resource::{Resource, check_unique};
use super::selector::{self, Selector};
use super::strategic;
use super::ties;
use super::{Patch, PatchTarget};
use crate::domain::manifest::{Document, Node, Source, documents_with_repeated_keys, expand_lists};

/// Reads one entry of `patches`.
pub(super) fn parse(at: &At<'_>) -> Result<Patch, BuildError> {
    let patch = parse_any(at, |text| text.trim().to_owned())?;
    one_of(at, &patch).map(|()| patch)
}

/// Reads one entry of `patchesJson6902`.
pub(super) fn parse_json6902(at: &At<'_>) -> Result<Patch, BuildError> {
    let patch = parse_any(at, |text| text)?;
    match &patch.target {
        Some(target) if !target.name.is_empty() => one_of(at, &patch).map(|()| patch),
        _ => Err(at.error("expected a `target` with a `name`")),
    }
}

fn parse_any(at: &At<'_>, read: impl Fn(String) -> String) -> Result<Patch, BuildError> {
    let fields = at.fields()?;
    fields.only(&["path", "patch", "target", "options"])?;
    let mut patch = Patch {
        path: fields.text("path")?,
        patch: read(fields.text("patch")?),
        ..Patch::default()
    };
    if let Some(at) = fields.get("patch").filter(|_| !patch.patch.is_empty()) {
        patch.lines = Lines::of(&at, &patch.patch);
    }
    if let Some(at) = fields.get("target") {
        patch.target = Some(selector::parse(&at.fields()?)?);
    }
    if let Some(at) = fields.get("options") {
        let options = at.fields()?;
        options.only(&["allowNameChange", "allowKindChange"])?;
        patch.allow_name_change = options.flag("allowNameChange")?;
        patch.allow_kind_change = options.flag("allowKindChange")?;
        patch.has_options = true;
    }
    Ok(patch)
}

fn one_of(at: &At<'_>, patch: &Patch) -> Result<(), BuildError> {
    match (patch.path.is_empty(), patch.patch.is_empty()) {
        (true, true) => Err(at.error("expected `patch` or `path`")),
        (false, false) => Err(at.error("`patch` and `path` cannot both be set")),
        _ => Ok(()),
    }
}

/// Carries out one entry of `patches`.
pub(super) fn apply(
    context: &Context<'_>,
    resources: &mut Vec<Resource>,
    patch: &Located<Patch>,
) -> Result<(), BuildError> {
    let (file, text) = text(context, patch)?;
    match read(&file, &text, patch)? {
        Content::Nothing => Ok(()),
        Content::Json(operations) => match &patch.value.target {
            None => Err(patch.patch_error("a JSON patch needs a `target`")),
            Some(target) => apply_json(
                resources,
                patch,
                target,
                &operations,
                Names::Remembered,
                context,
            ),
        },
        Content::Strategic(patches) => {
            let patches = context.schemas.meet(patches);
            match &patch.value.target {
                None => patches
                    .into_iter()
                    .try_for_each(|overlay| apply_named(resources, patch, overlay, context)),
                Some(target) => apply_selected(resources, patch, target, patches, context),
            }
        }
    }
}

/// Carries out one entry of `patchesJson6902`.
pub(super) fn apply_json6902(
    context: &Context<'_>,
    resources: &mut [Resource],
    patch: &Located<Patch>,
) -> Result<(), BuildError> {
    let (file, text) = text(context, patch)?;
    let operations = match json_patch::parse(&file, &text, patch.value.lines) {
        Ok(Some(operations)) if !operations.is_empty() => operations,
        Ok(_) => return Err(patch.patch_error("no operation is in it")),
        Err(reason) => return Err(patch.patch_error(reason)),
    };
    match &patch.value.target {
        Some(target) => apply_json(
            resources,
            patch,
            target,
            &operations,
            Names::Forgotten,
            context,
        ),
        None => Ok(()),
    }
}

/// Whether an object remembers the name it had before a JSON patch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Remembered,
    Forgotten,
}

enum Content {
    Nothing,
    Json(Vec<Operation>),
    Strategic(Vec<Resource>),
}

fn text(context: &Context<'_>, patch: &Located<Patch>) -> Result<(String, String), BuildError> {
    if patch.value.path.is_empty() {
        context.budget.text(patch.value.patch.len())?;
        return Ok((patch.file.clone(), patch.value.patch.clone()));
    }
    let place = Located {
        file: patch.file.clone(),
        field: format!("{}.path", patch.field),
        line: patch.line,
        value: patch.value.path.clone(),
    };
    let (path, bytes) = context.read(&place)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((path, text)),
        Err(_) => Err(place.error(format!("`{path}` is not UTF-8"))),
    }
}

/// Decides what kind of patch it is: a list is a JSON patch, objects are a strategic merge.
fn read(file: &str, text: &str, patch: &Located<Patch>) -> Result<Content, BuildError> {
    let not_objects = match strategic_patches(file, text, patch) {
        Ok(patches) if patches.is_empty() => return Ok(Content::Nothing),
        Ok(patches) => return Ok(Content::Strategic(patches)),
        Err(reason) => reason,
    };
    match json_patch::parse(file, text, patch.value.lines) {
        Ok(None) => Ok(Content::Nothing),
        Ok(Some(operations)) => Ok(Content::Json(operations)),
        Err(not_json) if not_json == not_objects => Err(patch.patch_error(not_json)),
        Err(not_json) => Err(patch.patch_error(format!(
            "neither a strategic merge patch ({not_objects}) nor a JSON patch ({not_json})"
        ))),
    }
}

/// The strategic merge patches in a text. The error says in words what is wrong with it.
pub(super) fn strategic_patches(
    file: &str,
    text: &str,
    patch: &Located<Patch>,
) -> Result<Vec<Resource>, String> {
    let lines = patch.value.lines;
    let documents = documents_with_repeated_keys(file, text.as_bytes())
        .and_then(|documents| expand_lists(file, documents))
        .map_err(|error| lines.error(error).to_string())?;
    documents
        .into_iter()
        .filter(|document| !document.root.is_empty())
        .map(|document| strategic_patch(file, document, patch))
        .collect()
}

fn strategic_patch(
    file: &str,
    document: Document,
    patch: &Located<Patch>,
) -> Result<Resource, String> {
    if document.root.as_mapping().is_none() {
        return Err("a document is not a mapping".to_owned());
    }
    let line = patch.value.lines.line(document.line);
    let source = Source {
        file: file.to_owned(),
        line: line as usize,
    };
    let mut resource = Resource::new(document.root, source);
    for (field, value) in [
        ("kind", resource.text("kind")),
        ("metadata.name", resource.name()),
    ] {
        if value.is_empty() {
            return Err(format!("{file}:{line}: `{field}` is missing"));
        }
    }
    if patch.value.has_options {
        resource.texts_only("annotations");
    }
    Ok(resource)
}

fn apply_json(
    resources: &mut [Resource],
    patch: &Located<Patch>,
    target: &PatchTarget,
    operations: &[Operation],
    names: Names,
    context: &Context<'_>,
) -> Result<(), BuildError> {
    context.budget.select(target)?;
    let selector = compile(patch, target)?;
    context.budget.look(2, resources)?;
    for resource in resources
        .iter_mut()
        .filter(|resource| selector.selects(resource))
    {
        if names == Names::Remembered {
            resource.remember();
        }
        resource.expose_memory();
        let refuse = |resource: &Resource, reason: String| {
            misfit(
                patch,
                &patch.value.path,
                format!("{}: {reason}", resource.identity()),
            )
        };
        let nodes = budget::nodes(&resource.root);
        context.budget.work(200 + nodes.saturating_mul(30))?;
        let mut object = resource
            .root
            .to_json()
            .map_err(|error| refuse(resource, error.to_string()))?;
        json_patch::apply(&mut object, operations, context.budget)
            .map_err(|reason| refuse(resource, reason))?;
        if !object.is_object() {
            return Err(refuse(resource, "the result is no object".to_owned()));
        }
        resource.root = json_patch::node(&object);
        // What is remembered survives every JSON patch.
        resource.hide_memory();
        resource.texts_only("annotations");
    }
    Ok(())
}

/// The error of a patch that fits no object, or not one it meets; `from` is named where it is a file.
fn misfit(patch: &Located<Patch>, from: &str, reason: String) -> BuildError {
    match patch.value.path.as_str() {
        "" => patch.patch_error(reason),
        _ => patch.patch_error(format!("{from}: {reason}")),
    }
}

fn compile(patch: &Located<Patch>, target: &PatchTarget) -> Result<Selector, BuildError> {
    Selector::new(target).map_err(|reason| patch.patch_error(format!("target: {reason}")))
}

/// Merges `overlay` into the one object it names.
fn apply_named(
    resources: &mut Vec<Resource>,
    patch: &Located<Patch>,
    overlay: Resource,
    context: &Context<'_>,
) -> Result<(), BuildError> {
    context.budget.look(1, resources)?;
    let index = named(resources, patch, &overlay)?;
    merge(resources, index, patch, overlay.root, context)?;
    resources.retain(|resource| !resource.root.is_empty());
    Ok(())
}

/// The one object that is or was what `overlay` names.
pub(super) fn named(
    resources: &[Resource],
    patch: &Located<Patch>,
    overlay: &Resource,
) -> Result<usize, BuildError> {
    let identity = overlay.identity();
    let from = overlay.source.to_string();
    let mut matching = (0..resources.len()).filter(|index| resources[*index].was(&identity));
    match (matching.next(), matching.next()) {
        (Some(index), None) => Ok(index),
        (None, _) => Err(misfit(patch, &from, format!("no object is `{identity}`"))),
        (Some(_), Some(_)) => Err(misfit(
            patch,
            &from,
            format!("several objects are or were `{identity}`"),
        )),
    }
}

/// Merges the only overlay into every object `target` selects.
fn apply_selected(
    resources: &mut Vec<Resource>,
    patch: &Located<Patch>,
    target: &PatchTarget,
    overlays: Vec<Resource>,
    context: &Context<'_>,
) -> Result<(), BuildError> {
    let [overlay] = overlays.as_slice() else {
        return Err(patch.patch_error("several patches in one entry cannot have a `target`"));
    };
    context.budget.select(target)?;
    let selector = compile(patch, target)?;
    context.budget.look(2, resources)?;
    for index in 0..resources.len() {
        if selector.selects(&resources[index]) {
            merge_copy(resources, index, patch, overlay, context)?;
        }
    }
    resources.retain(|resource| !resource.root.is_empty());
    check_unique(resources)
}

/// Merges a copy of `overlay` that is of the object's own version.
pub(super) fn merge_copy(
    resources: &mut [Resource],
    index: usize,
    patch: &Located<Patch>,
    overlay: &Resource,
    context: &Context<'_>,
) -> Result<(), BuildError> {
    let mut copy = overlay.clone();
    copy.texts_only("labels");
    copy.texts_only("annotations");
    if let Some(mapping) = copy.root.as_mapping_mut() {
        mapping.set(
            "apiVersion",
            Node::text(resources[index].text("apiVersion")),
        );
    }
    merge(resources, index, patch, copy.root, context)
}

/// Merges `overlay` into one object; name, namespace and kind stay unless a change is allowed.
fn merge(
    resources: &mut [Resource],
    index: usize,
    patch: &Located<Patch>,
    overlay: Node,
    context: &Context<'_>,
) -> Result<(), BuildError> {
    let resource = &mut resources[index];
    let costs = budget::pairs(&overlay).saturating_add(budget::pairs(&resource.root));
    context.budget.work(costs)?;
    context.budget.keep(budget::bytes(&overlay))?;
    let identity = resource.identity();
    let keep = |text: &str| Node::text(text.to_owned());
    let (name, namespace, kind) = (
        keep(resource.name()),
        resource.namespace().to_owned(),
        keep(resource.text("kind")),
    );
    if patch.value.allow_name_change || patch.value.allow_kind_change {
        resource.remember();
    }
    let remembers = resource.remembers();
    if remembers {
        resource.expose_memory();
    }
    let object = std::mem::replace(&mut resource.root, Node::null());
    let merged = strategic::merge(object, overlay, context.schemas.start())
        .map_err(|reason| misfit(patch, &patch.value.path, format!("{identity}: {reason}")))?;
    let Some(root) = merged else {
        return Ok(());
    };
    resource.root = root;
    if remembers && !resource.hide_memory() {
        resource.forget();
    }
    if resource.ties > 0 {
        ties::settle(&mut resource.root);
    }
    if let Some(mapping) = resource.root.as_mapping_mut()
        && !patch.value.allow_kind_change
    {
        mapping.set("kind", kind);
    }
    if let Some(metadata) = resource.metadata_mut() {
        if !patch.value.allow_name_change {
            metadata.set("name", name);
        }
        if namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.set("namespace", Node::text(namespace));
        }
    }
    Ok(())
}
