//! What a manifest and an image's configuration say of their image. Pure.
//!
//! Invariant: whatever an image holds is read or passed over, and nothing of it is longer or stranger than it should be; of the many
//! fields only those that are needed are looked at.
//! What is absent: asking for them.

use super::digest::LARGEST_MANIFEST;
use super::error::AnswerProblem;
use crate::domain::image::is_digest;
use crate::domain::policy::creation_time;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The annotation of the OCI image specification that tells when an image was built.
const CREATED: &str = "org.opencontainers.image.created";

/// The media types of configurations that are images'.
const CONFIGURATIONS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// Most platforms of one image that are told.
const MOST_PLATFORMS: usize = 64;
/// The longest name of an operating system, an architecture or a variant.
const LONGEST_WORD: usize = 32;

/// A manifest of an image, or an index of several.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    #[serde(default)]
    annotations: Value,
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
    #[serde(default)]
    digest: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    annotations: Value,
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

fn annotated(annotations: &Value) -> Option<Timestamp> {
    creation_time(annotations.get(CREATED)?.as_str()?)
}

impl Manifest {
    /// When the image was built, as an annotation tells.
    pub(super) fn created(&self) -> Option<Timestamp> {
        let chosen = self.chosen();
        annotated(&self.annotations)
            .or_else(|| chosen.and_then(|chosen| annotated(&chosen.annotations)))
    }

    /// An annotation of its own.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name)?.as_str()
    }

    /// The platforms of an index, `os/architecture[/variant]`.
    pub(super) fn platforms(&self) -> Vec<String> {
        let descriptors = self.images();
        let platforms = descriptors.filter_map(|descriptor| descriptor.platform.as_ref());
        platforms
            .filter_map(Platform::name)
            .take(MOST_PLATFORMS)
            .collect()
    }

    /// Where more is said of the image.
    pub(super) fn further(&self) -> Further<'_> {
        let valid = |descriptor: &&Descriptor| {
            is_digest(&descriptor.digest) && descriptor.size <= LARGEST_MANIFEST as u64
        };
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
            platform.and_then(Platform::name).as_deref() == Some("linux/amd64")
        };
        self.images().find(common).or_else(|| self.images().next())
    }
}

impl Platform {
    /// `os/architecture[/variant]`; `None` when they are no words.
    fn name(&self) -> Option<String> {
        let variant = self.variant.as_deref().unwrap_or_default();
        let is_word = |text: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            text.len() <= LONGEST_WORD && text.bytes().all(allowed)
        };
        let words = [self.os.as_str(), self.architecture.as_str(), variant];
        let known = !self.os.is_empty() && words.into_iter().all(is_word);
        known.then(|| match variant {
            "" => format!("{}/{}", self.os, self.architecture),
            _ => format!("{}/{}/{variant}", self.os, self.architecture),
        })
    }
}

impl Configuration {
    /// When the image was built.
    pub(super) fn created(&self) -> Option<Timestamp> {
        creation_time(self.created.as_ref()?)
    }

    /// What it runs on.
    pub(super) fn platforms(&self) -> Vec<String> {
        self.platform.name().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            json!({"config": {"mediaType": CONFIGURATIONS[0], "digest": digest('a'), "size": LARGEST_MANIFEST + 1}}),
            json!({"annotations": {CREATED: 7, "other": {}}, "config": {}}),
            json!({"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest('a')}}),
        ] {
            assert_eq!(
                manifest(content.clone()).further(),
                Further::Nothing,
                "{content}"
            );
        }
        for text in ["", "{\"manifests\": 7}", "\u{0}"] {
            assert!(
                read::<Manifest>(text.as_bytes(), "manifest").is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn platforms_that_are_no_words_are_not_told() {
        let platform = |os: &str| json!({"digest": digest('1'), "platform": {"os": os, "architecture": "amd64"}});
        let index = manifest(json!({"manifests": [
            platform("\u{1b}[2J"), platform("linux"), platform(&"x".repeat(99)), platform(""), platform("a\nb"),
        ]}));
        assert_eq!(index.platforms(), ["linux/amd64"]);
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
