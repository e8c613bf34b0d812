//! Where an image says it comes from: the labels `org.opencontainers.image.source` and `.revision`.
//!
//! Invariant: annotations of the manifest come before labels of the configuration, and what is no short
//! text is none. What is absent: judging what they say.

use super::digest::check_tag;
use super::error::RegistryError;
use super::facts::content;
use super::manifest::{Further, Manifest};
use super::session::Session;
use crate::domain::image::is_digest;
use serde::Deserialize;
use serde_json::Value;

/// The longest value that is taken, in bytes.
const LONGEST: usize = 1000;

/// Where an image says it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageLabels {
    /// The address of its source.
    pub source: Option<String>,
    /// The revision of its source.
    pub revision: Option<String>,
}

/// The part of a configuration that holds labels.
#[derive(Deserialize)]
struct Labelled {
    #[serde(default)]
    config: Value,
}

/// Reads them of the image that a tag or a digest means.
pub(super) async fn of(
    session: &mut Session<'_>,
    what: &str,
    reference: &str,
) -> Result<ImageLabels, RegistryError> {
    if !is_digest(reference) {
        check_tag(reference)?;
    }
    let mut labels = ImageLabels::default();
    let outer: Option<Manifest> = content(session, what, "manifests", reference).await?;
    let Some(outer) = outer else {
        return Ok(labels);
    };
    labels.take(|name| outer.annotation(name));
    let inner: Option<Manifest> = match outer.further() {
        Further::Manifest(digest) if !labels.is_whole() => {
            content(session, what, "manifests", digest).await?
        }
        _ => None,
    };
    let image = inner.as_ref().unwrap_or(&outer);
    labels.take(|name| image.annotation(name));
    if let (Further::Configuration(digest), false) = (image.further(), labels.is_whole()) {
        let read: Option<Labelled> = content(session, what, "blobs", digest).await?;
        if let Some(read) = &read {
            labels.take(|name| read.config.get("Labels")?.get(name)?.as_str());
        }
    }
    Ok(labels)
}

impl ImageLabels {
    fn is_whole(&self) -> bool {
        self.source.is_some() && self.revision.is_some()
    }

    /// Takes what is not known yet.
    fn take<'v>(&mut self, value: impl Fn(&str) -> Option<&'v str>) {
        let read = |name: &str| {
            let value = value(&format!("org.opencontainers.image.{name}"))?;
            let fits = !value.is_empty() && value.len() <= LONGEST;
            fits.then(|| value.to_owned())
        };
        self.source = self.source.take().or_else(|| read("source"));
        self.revision = self.revision.take().or_else(|| read("revision"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_stays_and_what_is_no_short_text_is_none() {
        let mut labels = ImageLabels::default();
        let long = "x".repeat(LONGEST + 1);
        labels.take(|name| match name {
            "org.opencontainers.image.source" => Some("https://github.com/acme/app"),
            _ => Some(long.as_str()),
        });
        assert_eq!(
            labels.source.as_deref(),
            Some("https://github.com/acme/app")
        );
        assert!(!labels.is_whole());
        labels.take(|_| Some("later"));
        assert_eq!(
            labels.source.as_deref(),
            Some("https://github.com/acme/app")
        );
        assert_eq!(labels.revision.as_deref(), Some("later"));
    }
}
