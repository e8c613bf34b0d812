//! The scan itself; the command line calls it too.

use crate::adapters::registry::{Access, RegistryClient, RegistryError};
use crate::domain::image::ImageName;
use crate::domain::tags::{Exclusions, TagSet};

/// Lists all tags of `image` but the excluded ones.
///
/// # Errors
/// [`RegistryError`] when the registry did not give the whole list.
pub async fn scan(
    registry: &RegistryClient,
    image: &ImageName,
    access: &Access,
    exclusions: &Exclusions,
) -> Result<TagSet, RegistryError> {
    let keep = |tag: &str| !exclusions.matches(tag);
    Ok(registry.list_tags(image, access, &keep).await?.tags)
}
