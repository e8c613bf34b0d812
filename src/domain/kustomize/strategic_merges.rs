//! Strategic merge patches that each name their object: the deprecated `patchesStrategicMerge`, and
//! the plugin that stands for it.
//!
//! Invariant: an entry is patches, or else the path of a file of patches, and among all entries
//! there is at least one patch. What is absent: how a merge is done.

use super::Patch;
use super::context::Context;
use super::decode::Located;
use super::error::BuildError;
use super::lines::Lines;
use super::patch::{merge_copy, named, strategic_patches};
use super::resource::{Resource, check_unique};

/// Carries out the entries of `patchesStrategicMerge`: patches, or paths of files of patches.
pub(super) fn apply(
    context: &Context<'_>,
    resources: &mut Vec<Resource>,
    entries: &[(Located<String>, Lines)],
) -> Result<(), BuildError> {
    let mut patches = Vec::new();
    for (entry, lines) in entries {
        patches.extend(load(context, entry, *lines)?);
    }
    match entries.first() {
        Some((entry, _)) if patches.is_empty() => Err(entry.patch_error("no patch is in it")),
        _ => merge(context, resources, patches),
    }
}

/// A strategic merge patch with the entry it comes from.
pub(super) type StrategicMerge = (Located<Patch>, Resource);

/// The patches of one entry, which is their text, or the path of a file.
pub(super) fn load(
    context: &Context<'_>,
    entry: &Located<String>,
    lines: Lines,
) -> Result<Vec<StrategicMerge>, BuildError> {
    read(context, entry, lines).or_else(|no_patch| {
        // No path has lines.
        if entry.value.contains('\n') {
            return Err(no_patch);
        }
        let place = entry.place(Patch {
            path: entry.value.clone(),
            ..Patch::default()
        });
        let (path, bytes) = context.read(entry)?;
        let overlays = strategic_patches(&path, &String::from_utf8_lossy(&bytes), &place)
            .map_err(|reason| entry.patch_error(reason))?;
        Ok(placed(context, &place, overlays))
    })
}

/// The patches in the text of one entry.
pub(super) fn read(
    context: &Context<'_>,
    entry: &Located<String>,
    lines: Lines,
) -> Result<Vec<StrategicMerge>, BuildError> {
    let place = entry.place(Patch {
        lines,
        ..Patch::default()
    });
    let overlays = strategic_patches(&entry.file, &entry.value, &place)
        .map_err(|reason| entry.patch_error(reason))?;
    Ok(placed(context, &place, overlays))
}

/// Patches that were read, each with the place that errors name.
fn placed(
    context: &Context<'_>,
    place: &Located<Patch>,
    overlays: Vec<Resource>,
) -> Vec<StrategicMerge> {
    let overlays = context.schemas.meet(overlays).into_iter();
    overlays.map(|overlay| (place.clone(), overlay)).collect()
}

/// Merges each patch into the object it names.
pub(super) fn merge(
    context: &Context<'_>,
    resources: &mut Vec<Resource>,
    patches: Vec<StrategicMerge>,
) -> Result<(), BuildError> {
    for (place, overlay) in patches {
        context.budget.look(1, resources)?;
        let index = named(resources, &place, &overlay)?;
        merge_copy(resources, index, &place, &overlay, context)?;
        resources.retain(|resource| !resource.root.is_empty());
        check_unique(resources)?;
    }
    Ok(())
}
