//! Names of images and references to one of their versions, read as Flux reads them.
//!
//! Duty: check `spec.image` (no scheme, tag or digest), give its canonical name, and write references. The rules are
//! go-containerregistry's weak ones. Invariant: an [`ImageName`] always has a registry and a repository.
//! Absent: talking to a registry, and credentials for it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The registry of a name that gives none.
pub const DEFAULT_REGISTRY: &str = "index.docker.io";

/// The name of an image without tag or digest: a registry and a repository in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageName {
    text: String,
    canonical: String,
    registry_length: usize,
}

/// Why `spec.image` is no name of an image. The words are Flux's; it calls a digest a tag, though.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameError {
    /// It has a scheme, such as `https`.
    #[error("image '{image}' should not include URL scheme; remove '{scheme}://'")]
    Scheme {
        /// The whole text.
        image: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// It has a tag.
    #[error("image '{image}' should not include a tag; remove ':{tag}'")]
    Tag {
        /// The whole text.
        image: String,
        /// The tag.
        tag: String,
    },
    /// It has a digest.
    #[error("image '{image}' should not include a digest; remove '@{digest}'")]
    Digest {
        /// The whole text.
        image: String,
        /// The digest with its algorithm.
        digest: String,
    },
    /// It is no reference at all.
    #[error("could not parse reference: {0}")]
    Malformed(String),
}

impl ImageName {
    /// Reads a name such as `alpine`, `ghcr.io/org/app` or `localhost:5000/app`.
    ///
    /// # Errors
    /// When it has a scheme, a tag or a digest, or a part of it is not well formed.
    pub fn parse(image: &str) -> Result<Self, ImageNameError> {
        if let Some((scheme, _)) = image.split_once("://") {
            return Err(ImageNameError::Scheme {
                image: image.to_owned(),
                scheme: scheme.to_owned(),
            });
        }
        if let Some(name) = Self::repository_name(image) {
            return Ok(name);
        }
        if let Some((_, tag)) = split_tag(image) {
            return Err(ImageNameError::Tag {
                image: image.to_owned(),
                tag: tag.to_owned(),
            });
        }
        if let Some((base, digest)) = image.split_once('@') {
            let known = is_digest(digest)
                && (split_tag(base).is_some() || Self::repository_name(base).is_some());
            if known {
                return Err(ImageNameError::Digest {
                    image: image.to_owned(),
                    digest: digest.to_owned(),
                });
            }
        }
        Err(ImageNameError::Malformed(image.to_owned()))
    }

    /// Reads a name that has neither tag nor digest.
    fn repository_name(text: &str) -> Option<Self> {
        let (registry, repository) = match text.split_once('/') {
            Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => {
                (first, rest)
            }
            _ => (DEFAULT_REGISTRY, text),
        };
        if !is_repository(repository) || !is_authority(registry) {
            return None;
        }
        // Docker Hub's registry is not where its name says.
        let registry = if registry == "docker.io" {
            DEFAULT_REGISTRY
        } else {
            registry
        };
        let namespace = if registry == DEFAULT_REGISTRY && !repository.contains('/') {
            "library/"
        } else {
            ""
        };
        Some(ImageName {
            text: text.to_owned(),
            canonical: format!("{registry}/{namespace}{repository}"),
            registry_length: registry.len(),
        })
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The full name, such as `index.docker.io/library/alpine` for `alpine`.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The registry of the canonical name, such as `index.docker.io` or `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.canonical[..self.registry_length]
    }

    /// Whether go-containerregistry tries plain http for this registry without being told to (`insecure`): a private IPv4
    /// address, the loopback address, `localhost:PORT` or a name below `.localhost`.
    pub fn is_registry_local(&self) -> bool {
        let registry = self.registry();
        let (host, port) = match registry.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (registry, None),
        };
        let short_port = port.is_none_or(|port| (1..=5).contains(&port.len()));
        let loopback = host == "127.0.0.1" || host == "[::1]" || host.ends_with(".localhost");
        let private = host
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.is_private());
        private || (host == "localhost" && port.is_some()) || (loopback && short_port)
    }

    /// The repository of the canonical name, such as `library/alpine`.
    pub fn repository(&self) -> &str {
        &self.canonical[self.registry_length + 1..]
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Splits a well-formed tag off a well-formed name.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let (base, tag) = text.rsplit_once(':')?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let well_formed = (1..=128).contains(&tag.len()) && tag.bytes().all(allowed);
    if well_formed && ImageName::repository_name(base).is_some() {
        Some((base, tag))
    } else {
        None
    }
}

fn is_repository(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'_' | b'-' | b'.' | b'/')
    };
    (1..=255).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether Go's `url.Parse` takes the text for a host with an optional port and nothing else.
fn is_authority(text: &str) -> bool {
    let allowed = |byte: u8| {
        let sign = b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte);
        byte.is_ascii_alphanumeric() || sign || !byte.is_ascii()
    };
    if !text.bytes().all(allowed) {
        return false;
    }
    match (text.rfind('['), text.rfind(':')) {
        (Some(0), _) => text.rfind(']').is_some_and(|end| {
            text[1..end].parse::<Ipv6Addr>().is_ok() && is_optional_port(&text[end + 1..])
        }),
        (Some(_), _) => false,
        (None, Some(colon)) => is_optional_port(&text[colon..]),
        (None, None) => true,
    }
}

fn is_optional_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a text is a digest of an algorithm that OCI registries use, in lower-case hexadecimal.
pub fn is_digest(text: &str) -> bool {
    let length = match text.split_once(':') {
        Some(("sha256", _)) => 64,
        Some(("sha384", _)) => 96,
        Some(("sha512", _)) => 128,
        _ => return false,
    };
    let hex = &text["sha256:".len()..];
    hex.len() == length
        && hex
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// One version of an image: what a policy has chosen, and what a marker is set to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageRef {
    /// The name as `spec.image` writes it, not the canonical one.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// The digest with its algorithm, when the policy pins one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl fmt::Display for ImageRef {
    /// Writes `name:tag` or `name:tag@digest`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.name, self.tag)?;
        match &self.digest {
            Some(digest) => write!(formatter, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_get_the_registry_and_namespace_they_leave_out() {
        let cases = [
            ("alpine", "index.docker.io", "library/alpine"),
            ("foo/bar", "index.docker.io", "foo/bar"),
            ("docker.io/alpine", "index.docker.io", "library/alpine"),
            ("docker.io/foo/bar", "index.docker.io", "foo/bar"),
            (
                "index.docker.io/alpine",
                "index.docker.io",
                "library/alpine",
            ),
            ("localhost/x", "localhost", "x"),
            ("host:9999/x", "host:9999", "x"),
            ("ghcr.io/org/app", "ghcr.io", "org/app"),
            ("[::1]:5000/a/b/c", "[::1]:5000", "a/b/c"),
            ("a/b.c", "index.docker.io", "a/b.c"),
        ];
        for (image, registry, repository) in cases {
            let name = ImageName::parse(image).unwrap();
            assert_eq!(
                (name.registry(), name.repository()),
                (registry, repository),
                "{image}"
            );
            assert_eq!(name.canonical(), format!("{registry}/{repository}"));
            assert_eq!(name.as_str(), image);
            assert_eq!(name.to_string(), image);
        }
    }

    #[test]
    fn local_registries_are_known_by_their_address() {
        let local = |registry: &str| {
            ImageName::parse(&format!("{registry}/x"))
                .unwrap()
                .is_registry_local()
        };
        for registry in [
            "localhost:5000",
            "127.0.0.1",
            "127.0.0.1:80",
            "10.1.2.3",
            "172.31.0.1:5000",
            "192.168.0.1",
            "[::1]:5",
            "a.localhost",
        ] {
            assert!(local(registry), "{registry}");
        }
        for registry in [
            "localhost",
            "127.0.0.2",
            "172.32.0.1",
            "8.8.8.8",
            "ghcr.io",
            "[::2]:5",
            "localhost.io",
            "127.0.0.1:123456",
        ] {
            assert!(!local(registry), "{registry}");
        }
    }

    #[test]
    fn scheme_tag_and_digest_are_refused_with_what_to_remove() {
        let message = |image: &str| ImageName::parse(image).unwrap_err().to_string();
        assert_eq!(
            message("https://ghcr.io/a/b"),
            "image 'https://ghcr.io/a/b' should not include URL scheme; remove 'https://'"
        );
        assert_eq!(
            message("alpine:3"),
            "image 'alpine:3' should not include a tag; remove ':3'"
        );
        assert_eq!(
            message("host:5000/x:v1"),
            "image 'host:5000/x:v1' should not include a tag; remove ':v1'"
        );
        assert_eq!(
            message("host:5000"),
            "image 'host:5000' should not include a tag; remove ':5000'"
        );
        let pinned = format!("ghcr.io/a/b:1@{DIGEST}");
        assert_eq!(
            message(&pinned),
            format!("image '{pinned}' should not include a digest; remove '@{DIGEST}'")
        );
    }

    #[test]
    fn malformed_names_are_refused() {
        let long = "a".repeat(256);
        for image in [
            "",
            "Alpine",
            "a b",
            "x:",
            "x@sha256:12",
            "a:1:2",
            "ghcr.io/",
            "h:port/x",
            "u@h.io/x",
            "[1.2.3.4]/x",
            &long,
        ] {
            assert_eq!(
                ImageName::parse(image),
                Err(ImageNameError::Malformed(image.to_owned()))
            );
        }
    }

    #[test]
    fn a_digest_has_an_algorithm_and_its_length_in_lower_case() {
        assert!(is_digest(DIGEST));
        for text in [
            "",
            "sha256:",
            "sha256:ABC",
            &DIGEST.to_uppercase(),
            &DIGEST[..70],
            &DIGEST[7..],
        ] {
            assert!(!is_digest(text), "{text}");
        }
    }

    #[test]
    fn references_are_written_with_tag_and_digest() {
        let mut reference = ImageRef {
            name: "alpine".into(),
            tag: "3.20".into(),
            digest: None,
        };
        assert_eq!(reference.to_string(), "alpine:3.20");
        assert_eq!(
            serde_json::to_string(&reference).unwrap(),
            r#"{"name":"alpine","tag":"3.20"}"#
        );
        reference.digest = Some(DIGEST.into());
        assert_eq!(reference.to_string(), format!("alpine:3.20@{DIGEST}"));
        let json = serde_json::to_string(&reference).unwrap();
        assert_eq!(serde_json::from_str::<ImageRef>(&json).unwrap(), reference);
    }
}
