//! What a Flux `Kustomization` object adds to the kustomization file of its path.
//!
//! Invariant: the same as Flux writes into the file before it builds. What is absent: the object
//! itself; its fields come as [`Options`].

use super::context::Context;
use super::decode::Located;
use super::error::BuildError;
use super::file::Kustomization;
use super::remote::{RepositoryUrl, is_file_url};
use super::resource::Resource;
use super::{Image, Options};
use crate::domain::manifest::Node;
use std::collections::BTreeMap;

/// Changes `kustomization`, which stands in `file`, as the options say.
///
/// # Errors
/// A component that is not a path: Flux takes only paths here.
pub(super) fn apply(
    context: &Context<'_>,
    file: &str,
    kustomization: &mut Kustomization,
) -> Result<(), BuildError> {
    let options = context.options;
    for (field, option) in [
        (&mut kustomization.namespace, &options.target_namespace),
        (&mut kustomization.name_prefix, &options.name_prefix),
        (&mut kustomization.name_suffix, &options.name_suffix),
    ] {
        if let Some(option) = option {
            field.clone_from(option);
        }
    }
    if !options.build_metadata.is_empty() {
        let words = options.build_metadata.iter().enumerate();
        let word = |(index, word): (usize, &String)| stated(file, "buildMetadata", index, word);
        kustomization.build_metadata = words.map(word).collect();
    }
    for (index, patch) in options.patches.iter().enumerate() {
        let mut patch = stated(file, "patches", index, patch);
        patch.value.patch = patch.value.patch.trim().to_owned();
        kustomization.patches.push(patch);
    }
    for (index, component) in options.components.iter().enumerate() {
        let component = stated(file, "components", index, component);
        if RepositoryUrl::parse(&component.value).is_some() || is_file_url(&component.value) {
            let words = "expected a path; hint: name remote components in the kustomization file";
            return Err(component.error(words));
        }
        if !options.ignore_missing_components || context.has_directory(&component) {
            kustomization.components.push(component);
        }
    }
    for (index, image) in options.images.iter().enumerate() {
        let known = kustomization
            .images
            .iter_mut()
            .find(|known| known.value.name == image.name);
        match known {
            Some(known) => merge_image(&mut known.value, image),
            None => kustomization
                .images
                .push(stated(file, "images", index, image)),
        }
    }
    Ok(())
}

/// An entry of a list that the object states.
fn stated<T: Clone>(file: &str, field: &str, index: usize, value: &T) -> Located<T> {
    Located {
        file: file.to_owned(),
        field: format!("spec.{field}[{index}]"),
        line: 0,
        value: value.clone(),
    }
}

/// Where a file lists no resources, Flux asks for their origins so that the file is not empty, and
/// those of what components and generators bring are noted too.
pub(super) fn fill(options: &Options, kustomization: &mut Kustomization) {
    let is_listed = |name: &Located<String>| name.field.starts_with("resources");
    if options.generate && !kustomization.resources.iter().any(is_listed) {
        kustomization.build_metadata = vec![Located {
            file: kustomization.path.clone(),
            field: "buildMetadata[0]".to_owned(),
            line: 0,
            value: "originAnnotations".to_owned(),
        }];
    }
}

/// Tag and digest choose the version together: setting one clears the other.
fn merge_image(known: &mut Image, image: &Image) {
    if !image.new_name.is_empty() {
        known.new_name.clone_from(&image.new_name);
    }
    if !image.new_tag.is_empty() || !image.digest.is_empty() {
        known.new_tag.clone_from(&image.new_tag);
        known.digest.clone_from(&image.digest);
    }
}

/// Sets `spec.commonMetadata` on an object.
pub(super) fn set_common(resource: &mut Resource, options: &Options) {
    for (field, pairs) in [
        ("labels", &options.common_labels),
        ("annotations", &options.common_annotations),
    ] {
        set_texts(resource, field, pairs);
    }
}

fn set_texts(resource: &mut Resource, field: &str, pairs: &BTreeMap<String, String>) {
    if pairs.is_empty() {
        return;
    }
    let Some(metadata) = resource.metadata_mut() else {
        return;
    };
    let node = metadata.get_or_insert_with(field, Node::mapping);
    if node.as_mapping().is_none() {
        *node = Node::mapping();
    }
    if let Some(mapping) = node.as_mapping_mut() {
        for (key, value) in pairs {
            mapping.set(key, Node::text(value.as_str()));
        }
    }
}
