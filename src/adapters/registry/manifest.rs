//! What a manifest and an image's configuration say of their image. Pure.
//!
//! Invariant: whatever a registry sends is read or refused; of the many fields only those that are needed are looked at.
//! What is absent: asking for them.

use super::error::AnswerProblem;
use crate::domain::image::is_digest;
use crate::domain::policy::creation_time;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// The annotation of the OCI image specification that tells when an image was built.
const CREATED: &str = "org.opencontainers.image.created";

/// The media types of configurations that are images'.
const CONFIGURATIONS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// A manifest of an image, or an index of several.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    #[serde(default)]
    annotations: Option<HashMap<String, String>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    annotations: Option<HashMap<String, String>>,
    #[serde(default)]
    platform: Option<Platform>,
}

/// What an image runs on.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

/// The configuration of an image.
#[derive(Debug, Deserialize)]
pub(super) struct Configuration {
    #[serde(default)]
    created: Option<String>,
    #[serde(flatten)]
    platform: Platform,
}

/// Where more is said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Further<'m> {
    /// In the manifest with this digest.
    Manifest(&'m str),
    /// In the configuration with this digest.
    Configuration(&'m str),
    /// Nowhere.
    Nothing,
}

/// Reads JSON.
pub(super) fn read<T: DeserializeOwned>(
    bytes: &[u8],
    expected: &'static str,
) -> Result<T, AnswerProblem> {
    serde_json::from_slice(bytes).map_err(|error| AnswerProblem::NotJson {
        expected,
        line: error.line(),
        column: error.column(),
    })
}

fn annotated(annotations: Option<&HashMap<String, String>>) -> Option<Timestamp> {
    creation_time(annotations?.get(CREATED)?)
}

impl Manifest {
    /// When the image was built, as an annotation tells.
    pub(super) fn created(&self) -> Option<Timestamp> {
        let chosen = self.chosen();
        annotated(self.annotations.as_ref())
            .or_else(|| annotated(chosen.and_then(|chosen| chosen.annotations.as_ref())))
    }

    /// The platforms of an index, `os/architecture[/variant]`.
    pub(super) fn platforms(&self) -> Vec<String> {
        let descriptors = self.images();
        let platforms = descriptors.filter_map(|descriptor| descriptor.platform.as_ref());
        platforms.map(Platform::name).collect()
    }

    /// Where more is said of the image.
    pub(super) fn further(&self) -> Further<'_> {
        let valid = |descriptor: &&Descriptor| is_digest(&descriptor.digest);
        if let Some(chosen) = self.chosen().filter(valid) {
            return Further::Manifest(&chosen.digest);
        }
        let configuration = self.config.as_ref().filter(valid);
        match configuration {
            Some(descriptor) if CONFIGURATIONS.contains(&descriptor.media_type.as_str()) => {
                Further::Configuration(&descriptor.digest)
            }
            _ => Further::Nothing,
        }
    }

    /// The images of an index, without attestations and their like, which run nowhere.
    fn images(&self) -> impl Iterator<Item = &Descriptor> {
        let all = self.manifests.iter().flatten();
        all.filter(|descriptor| {
            let platform = descriptor.platform.as_ref();
            platform.is_none_or(|platform| platform.os != "unknown")
        })
    }

    /// The image that stands for an index: linux on amd64, as the first of many; else the first.
    fn chosen(&self) -> Option<&Descriptor> {
        let common = |descriptor: &&Descriptor| {
            let platform = descriptor.platform.as_ref();
            platform.is_some_and(|platform| platform.name() == "linux/amd64")
        };
        self.images().find(common).or_else(|| self.images().next())
    }
}

impl Platform {
    fn name(&self) -> String {
        let variant = self
            .variant
            .as_deref()
            .filter(|variant| !variant.is_empty());
        let variant = variant.map_or_else(String::new, |variant| format!("/{variant}"));
        format!("{}/{}{variant}", self.os, self.architecture)
    }
}

impl Configuration {
    /// When the image was built.
    pub(super) fn created(&self) -> Option<Timestamp> {
        creation_time(self.created.as_ref()?)
    }

    /// What it runs on.
    pub(super) fn platforms(&self) -> Vec<String> {
        let known = !self.platform.os.is_empty();
        known.then(|| self.platform.name()).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn manifest(content: Value) -> Manifest {
        read(content.to_string().as_bytes(), "manifest").expect("it reads")
    }

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    #[test]
    fn an_annotation_comes_before_the_configuration() {
        let config = json!({"mediaType": CONFIGURATIONS[0], "digest": digest('c')});
        let bare = manifest(json!({"config": config}));
        assert_eq!(bare.created(), None);
        assert_eq!(bare.further(), Further::Configuration(&digest('c')));
        let told =
            manifest(json!({"config": config, "annotations": {CREATED: "2024-01-31T10:20:30Z"}}));
        let time = "2024-01-31T10:20:30Z".parse().ok();
        assert_eq!(told.created(), time);
        // One that says nothing is none.
        let zero =
            manifest(json!({"config": config, "annotations": {CREATED: "1970-01-01T00:00:00Z"}}));
        assert_eq!(zero.created(), None);
    }

    #[test]
    fn of_an_index_linux_on_amd64_is_read_or_the_first_and_never_an_attestation() {
        let image = |digit: char, os: &str, architecture: &str| json!({"digest": digest(digit), "platform": {"os": os, "architecture": architecture, "variant": ""}});
        let index = manifest(json!({"manifests": [
            image('0', "unknown", "unknown"), image('1', "linux", "arm64"), image('2', "linux", "amd64"),
        ]}));
        assert_eq!(index.further(), Further::Manifest(&digest('2')));
        assert_eq!(index.platforms(), ["linux/arm64", "linux/amd64"]);
        let other = manifest(
            json!({"manifests": [image('0', "unknown", "unknown"), image('1', "windows", "arm64")]}),
        );
        assert_eq!(other.further(), Further::Manifest(&digest('1')));
        let described =
            json!({"digest": digest('3'), "annotations": {CREATED: "2024-01-31T10:20:30Z"}});
        assert!(
            manifest(json!({"manifests": [described]}))
                .created()
                .is_some()
        );
    }

    #[test]
    fn what_is_no_image_says_nothing_further() {
        for content in [
            json!({}),
            json!({"manifests": []}),
            json!({"manifests": null, "config": null, "annotations": null}),
            json!({"manifests": [{"digest": "../../token"}]}),
            json!({"config": {"mediaType": CONFIGURATIONS[0], "digest": "latest"}}),
            json!({"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest('a')}}),
        ] {
            assert_eq!(
                manifest(content.clone()).further(),
                Further::Nothing,
                "{content}"
            );
        }
        for text in ["", "{\"manifests\": 7}", "{\"config\": {}}", "\u{0}"] {
            assert!(
                read::<Manifest>(text.as_bytes(), "manifest").is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_configuration_tells_time_and_platform() {
        let content = json!({"created": "2024-01-31T10:20:30.5Z", "os": "linux", "architecture": "arm", "variant": "v7"});
        let read: Configuration =
            read(content.to_string().as_bytes(), "configuration").expect("it reads");
        assert_eq!(read.platforms(), ["linux/arm/v7"]);
        assert_eq!(read.created(), "2024-01-31T10:20:30.5Z".parse().ok());
    }
}
