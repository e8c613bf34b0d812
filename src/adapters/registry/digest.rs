//! The digest a tag points to.
//!
//! Invariant: what comes back is a well-formed digest, and of an index the index's own, because all four
//! kinds of manifest are accepted; no manifest is read unless the registry's settings say so, because that counts as a pull. What is absent: reading manifests for what they say.

use super::body;
use super::budget::Kind;
use super::error::{AnswerProblem, RegistryError};
use super::session::{Request, Session};
use crate::domain::image::{ImageName, is_digest};
use crate::domain::tags::is_tag;
use reqwest::{Method, Response};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// OCI's and docker's indexes and manifests. Without the indexes a registry would pick one platform.
pub(super) const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// Largest manifest, in bytes: what the distribution specification asks registries to allow.
pub(super) const LARGEST_MANIFEST: usize = 4 * 1024 * 1024;

/// Asks with HEAD, and reads the manifest only where that gives no digest and the registry's settings allow it.
pub(super) async fn resolve(
    session: &mut Session<'_>,
    image: &ImageName,
    tag: &str,
) -> Result<String, RegistryError> {
    let what = format!("{}:{tag}", image.canonical());
    check_tag(tag)?;
    let url = session.url(&format!("manifests/{tag}"));
    let head = Request {
        method: &Method::HEAD,
        url: &url,
        accept: MANIFESTS,
        what: &what,
        kind: Kind::Manifest,
    };
    match session.send(head).await {
        Ok(response) => {
            if let Some(digest) =
                digest_field(&response).map_err(|problem| session.problem(problem))?
            {
                return Ok(digest);
            }
        }
        // Registries that know no HEAD: 405 and the like.
        Err(RegistryError::UnexpectedStatus { .. }) => {}
        Err(error) => return Err(error),
    }
    if !session.reads_manifests() {
        return Err(session.problem(AnswerProblem::NoDigest));
    }
    let get = Request {
        method: &Method::GET,
        ..head
    };
    let response = session.send(get).await?;
    let field = digest_field(&response).map_err(|problem| session.problem(problem))?;
    let manifest = body::read(response, session.host(), LARGEST_MANIFEST).await?;
    session.meter().received(Kind::Manifest, manifest.len());
    if manifest.is_empty() {
        return Err(session.problem(AnswerProblem::Empty));
    }
    Ok(field.unwrap_or_else(|| sha256(&manifest)))
}

/// Refuses what the distribution specification calls no tag; `.` and `..` would mean another path.
pub(super) fn check_tag(tag: &str) -> Result<(), RegistryError> {
    match is_tag(tag) && !tag.starts_with('.') {
        true => Ok(()),
        false => Err(RegistryError::Settings {
            setting: "the tag",
            reason: "it is not one by the distribution specification".to_owned(),
        }),
    }
}

/// `Docker-Content-Digest`, when it is there.
pub(super) fn digest_field(response: &Response) -> Result<Option<String>, AnswerProblem> {
    let Some(field) = response.headers().get("docker-content-digest") else {
        return Ok(None);
    };
    let digest = field.to_str().unwrap_or_default();
    if !is_digest(digest) {
        return Err(AnswerProblem::Digest);
    }
    Ok(Some(digest.to_owned()))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        // Writing to a `String` cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_checked() {
        // The digest of no bytes, as every SHA-256 implementation gives it.
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
        for (text, valid) in [
            (empty, true),
            (&empty.to_uppercase(), false),
            (&empty[..70], false),
            (&format!("{empty}0"), false),
            (&format!("sha512:{}", "0".repeat(128)), true),
            (&format!("sha512:{}", "0".repeat(64)), false),
            (&format!("md5:{}", "0".repeat(64)), false),
            ("", false),
            ("sha256:", false),
        ] {
            assert_eq!(is_digest(text), valid, "{text}");
        }
    }
}
