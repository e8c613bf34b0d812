//! The scan itself; the command line calls it too.

use crate::adapters::registry::{
    Access, ErrorClass, Freshness, LONGEST_SHARED, RegistryClient, RegistryError,
};
use crate::domain::image::ImageName;
use crate::domain::tags::{Exclusions, TagSet};

/// Lists all tags of `image` but the excluded ones, for a process that scans once.
///
/// # Errors
/// [`RegistryError`] when the registry did not give the whole list.
pub async fn scan(
    registry: &RegistryClient,
    image: &ImageName,
    access: &Access,
    exclusions: &Exclusions,
) -> Result<TagSet, RegistryError> {
    let freshness = Freshness::Within(LONGEST_SHARED);
    let scan = registry.scan(image, access, exclusions, freshness).await;
    Ok(scan.outcome?.tags)
}

/// Whether the registry has this one tag.
///
/// # Errors
/// [`RegistryError`] when it does not say.
pub(super) async fn exists(
    registry: &RegistryClient,
    image: &ImageName,
    access: &Access,
    tag: &str,
) -> Result<bool, RegistryError> {
    match registry.resolve_digest(image, tag, access).await {
        Ok(_) => Ok(true),
        Err(error) if error.class() == ErrorClass::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
