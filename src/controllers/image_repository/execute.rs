//! The scan itself; the command line calls it too.

use crate::adapters::registry::{Access, Freshness, LONGEST_SHARED, RegistryClient, RegistryError};
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
