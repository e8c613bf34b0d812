//! A registry inside the process, for the demonstration and for nothing else.
//!
//! It speaks the part of the OCI distribution API that pushing an image, listing tags page by page
//! and asking for a digest need, and it checks what a registry checks: digests, and that a manifest
//! names only blobs that were uploaded. Invariant: it keeps at most [`CAPACITY`] bytes, in memory, and
//! [`super::server`] binds it to loopback. What is absent: pulling in ranges, mounting, deleting,
//! chunked uploads, and anything that lasts longer than the demo.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

/// The most bytes of blobs and manifests, all together.
const CAPACITY: usize = 16 << 20;
/// The most bytes of one blob or manifest.
const LARGEST: usize = 1 << 20;
/// The most tags on one page: few, so that the demo's list has several pages.
const PAGE: usize = 8;
/// The name under which every answer carries a digest.
const DIGEST: &str = "docker-content-digest";

/// A new, empty registry.
pub(super) fn router() -> Router {
    let content: Arc<Mutex<Content>> = Arc::default();
    Router::new()
        .fallback(answer)
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(content)
}

/// What the registry holds.
#[derive(Debug, Default)]
struct Content {
    repositories: HashMap<String, Repository>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Repository {
    blobs: HashMap<String, Bytes>,
    /// Media type and bytes by digest.
    manifests: HashMap<String, (String, Bytes)>,
    /// Digests by tag.
    tags: BTreeMap<String, String>,
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    Base,
    Tags(&'a str),
    Uploads(&'a str),
    Blob(&'a str, &'a str),
    Manifest(&'a str, &'a str),
}

impl<'a> Target<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/v2/")?;
        let target = if rest.is_empty() {
            return Some(Self::Base);
        } else if let Some(name) = rest.strip_suffix("/tags/list") {
            (name, Self::Tags(name))
        } else if let Some((name, _)) = rest.rsplit_once("/blobs/uploads/") {
            (name, Self::Uploads(name))
        } else if let Some((name, digest)) = rest.rsplit_once("/blobs/") {
            (name, Self::Blob(name, digest))
        } else {
            let (name, reference) = rest.rsplit_once("/manifests/")?;
            (name, Self::Manifest(name, reference))
        };
        let (name, target) = target;
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/._-".contains(&byte)
        };
        (!name.is_empty() && name.len() <= 255 && name.bytes().all(allowed)).then_some(target)
    }
}

/// A refusal: status, code and words, as the distribution specification has them.
type Refusal = (StatusCode, &'static str, &'static str);

async fn answer(
    State(content): State<Arc<Mutex<Content>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut content = content.lock().unwrap_or_else(PoisonError::into_inner);
    let answered = match Target::parse(uri.path()) {
        None => Err((StatusCode::NOT_FOUND, "NAME_INVALID", "no such page")),
        Some(target) => content.answer(&method, &target, &uri, &headers, body),
    };
    answered.unwrap_or_else(|(status, code, message)| {
        let errors = json!({"errors": [{"code": code, "message": message}]});
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (status, kind, errors.to_string()).into_response()
    })
}

impl Content {
    fn answer(
        &mut self,
        method: &Method,
        target: &Target<'_>,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response, Refusal> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match target {
            Target::Base if reads => Ok(json_text(&json!({}))),
            Target::Tags(name) if reads => self.tags(name, uri),
            Target::Blob(name, digest) if reads => {
                let blobs = self
                    .repositories
                    .get(*name)
                    .map(|repository| &repository.blobs);
                let blob = blobs.and_then(|blobs| blobs.get(*digest)).ok_or(NO_BLOB)?;
                Ok(stored("application/octet-stream", digest, blob.clone()))
            }
            Target::Manifest(name, reference) if reads => self.manifest(name, reference),
            // The upload is one request, so there is nothing to remember of it but its name.
            Target::Uploads(name) if *method == Method::POST => {
                let location = [(header::LOCATION, format!("/v2/{name}/blobs/uploads/1"))];
                Ok((StatusCode::ACCEPTED, location).into_response())
            }
            Target::Uploads(name) if *method == Method::PUT => self.put_blob(name, uri, body),
            Target::Manifest(name, reference) if *method == Method::PUT => {
                self.put_manifest(name, reference, headers, body)
            }
            _ => Err((
                StatusCode::METHOD_NOT_ALLOWED,
                "UNSUPPORTED",
                "not part of this demonstration",
            )),
        }
    }

    /// One page of tags in order, and where the next one is.
    fn tags(&self, name: &str, uri: &Uri) -> Result<Response, Refusal> {
        let repository = self.repositories.get(name).ok_or(NO_NAME)?;
        let wanted = parameter(uri, "n").and_then(|text| text.parse().ok());
        let size = wanted.unwrap_or(PAGE).min(PAGE);
        let last = parameter(uri, "last");
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = repository
            .tags
            .range((after, Bound::Unbounded))
            .map(|(tag, _)| tag);
        let page: Vec<&String> = rest.by_ref().take(size).collect();
        let mut response = json_text(&json!({"name": name, "tags": page}));
        if let (Some(last), Some(_)) = (page.last(), rest.next()) {
            let link = format!("</v2/{name}/tags/list?last={last}&n={size}>; rel=\"next\"");
            let link = HeaderValue::from_str(&link).map_err(|_| NO_NAME)?;
            response.headers_mut().insert(header::LINK, link);
        }
        Ok(response)
    }

    fn manifest(&self, name: &str, reference: &str) -> Result<Response, Refusal> {
        let repository = self.repositories.get(name).ok_or(NO_NAME)?;
        let digest = repository
            .tags
            .get(reference)
            .map_or(reference, String::as_str);
        let (kind, bytes) = repository.manifests.get(digest).ok_or(NO_MANIFEST)?;
        Ok(stored(kind, digest, bytes.clone()))
    }

    fn put_blob(&mut self, name: &str, uri: &Uri, body: Bytes) -> Result<Response, Refusal> {
        let digest = digest_of(&body);
        if parameter(uri, "digest").as_deref() != Some(digest.as_str()) {
            return Err((
                StatusCode::BAD_REQUEST,
                "DIGEST_INVALID",
                "the digest is not the content's",
            ));
        }
        self.take(body.len())?;
        let repository = self.repositories.entry(name.to_owned()).or_default();
        repository.blobs.insert(digest.clone(), body);
        Ok(created(&format!("/v2/{name}/blobs/{digest}"), &digest))
    }

    fn put_manifest(
        &mut self,
        name: &str,
        reference: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response, Refusal> {
        let invalid = (
            StatusCode::BAD_REQUEST,
            "MANIFEST_INVALID",
            "it is not an image manifest",
        );
        let manifest: Value = serde_json::from_slice(&body).map_err(|_| invalid)?;
        let layers = manifest["layers"].as_array().ok_or(invalid)?;
        let blobs = self
            .repositories
            .get(name)
            .map(|repository| &repository.blobs);
        for blob in layers.iter().chain([&manifest["config"]]) {
            let digest = blob["digest"].as_str().ok_or(invalid)?;
            if !blobs.is_some_and(|blobs| blobs.contains_key(digest)) {
                return Err((
                    StatusCode::BAD_REQUEST,
                    "MANIFEST_BLOB_UNKNOWN",
                    "it names a blob that is not here",
                ));
            }
        }
        if !crate::domain::tags::is_tag(reference) {
            return Err((StatusCode::BAD_REQUEST, "TAG_INVALID", "it is no tag"));
        }
        self.take(body.len())?;
        let digest = digest_of(&body);
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let kind = kind
            .unwrap_or("application/vnd.oci.image.manifest.v1+json")
            .to_owned();
        let repository = self.repositories.entry(name.to_owned()).or_default();
        repository.manifests.insert(digest.clone(), (kind, body));
        repository.tags.insert(reference.to_owned(), digest.clone());
        Ok(created(&format!("/v2/{name}/manifests/{digest}"), &digest))
    }

    /// Makes room for so many bytes, or refuses.
    fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        // A manifest counts for its tag, too.
        self.bytes += bytes + 256;
        if self.bytes > CAPACITY {
            return Err((
                StatusCode::INSUFFICIENT_STORAGE,
                "DENIED",
                "the demonstration is full",
            ));
        }
        Ok(())
    }
}

const NO_NAME: Refusal = (
    StatusCode::NOT_FOUND,
    "NAME_UNKNOWN",
    "the repository is not known",
);
const NO_BLOB: Refusal = (
    StatusCode::NOT_FOUND,
    "BLOB_UNKNOWN",
    "the blob is not known",
);
const NO_MANIFEST: Refusal = (
    StatusCode::NOT_FOUND,
    "MANIFEST_UNKNOWN",
    "the manifest is not known",
);

/// The digest of content, `sha256:<hex>`.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn json_text(value: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        value.to_string(),
    )
        .into_response()
}

fn stored(kind: &str, digest: &str, bytes: Bytes) -> Response {
    let headers = [(header::CONTENT_TYPE.as_str(), kind), (DIGEST, digest)];
    (headers, bytes).into_response()
}

fn created(location: &str, digest: &str) -> Response {
    let headers = [(header::LOCATION.as_str(), location), (DIGEST, digest)];
    (StatusCode::CREATED, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(name: &str, tags: &[&str]) -> Content {
        let tags = tags
            .iter()
            .map(|tag| ((*tag).to_owned(), "sha256:0".to_owned()))
            .collect();
        let repository = Repository {
            tags,
            ..Repository::default()
        };
        Content {
            repositories: HashMap::from([(name.to_owned(), repository)]),
            bytes: 0,
        }
    }

    fn ask(
        content: &mut Content,
        method: Method,
        uri: &str,
        body: &'static [u8],
    ) -> Result<Response, Refusal> {
        let uri: Uri = uri.parse().expect("an address");
        let target = Target::parse(uri.path()).expect("a page of the registry");
        content.answer(
            &method,
            &target,
            &uri,
            &HeaderMap::new(),
            Bytes::from_static(body),
        )
    }

    #[test]
    fn paths_are_read_as_the_distribution_specification_writes_them() {
        assert_eq!(Target::parse("/v2/"), Some(Target::Base));
        assert_eq!(
            Target::parse("/v2/a/b/tags/list"),
            Some(Target::Tags("a/b"))
        );
        assert_eq!(
            Target::parse("/v2/a/blobs/uploads/"),
            Some(Target::Uploads("a"))
        );
        assert_eq!(
            Target::parse("/v2/a/blobs/sha256:0"),
            Some(Target::Blob("a", "sha256:0"))
        );
        assert_eq!(
            Target::parse("/v2/a/manifests/1.0"),
            Some(Target::Manifest("a", "1.0"))
        );
        for other in [
            "/",
            "/v2",
            "/v2//tags/list",
            "/v2/A/tags/list",
            "/v2/a\"b/tags/list",
            "/v1/a/manifests/1",
        ] {
            assert_eq!(Target::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_page_links_to_the_next_one_and_the_last_one_to_none() {
        let mut content = content("a", &["1", "2", "3"]);
        let first = ask(&mut content, Method::GET, "/v2/a/tags/list?n=2", b"").expect("a page");
        let link = first
            .headers()
            .get(header::LINK)
            .and_then(|link| link.to_str().ok());
        assert_eq!(link, Some("</v2/a/tags/list?last=2&n=2>; rel=\"next\""));
        let last =
            ask(&mut content, Method::GET, "/v2/a/tags/list?last=2&n=2", b"").expect("a page");
        assert_eq!(last.headers().get(header::LINK), None);
    }

    #[test]
    fn content_that_is_not_what_its_digest_says_is_refused() {
        let mut content = Content::default();
        let (status, code, _) = ask(
            &mut content,
            Method::PUT,
            "/v2/a/blobs/uploads/1?digest=sha256:0",
            b"x",
        )
        .expect_err("the digest is another");
        assert_eq!((status, code), (StatusCode::BAD_REQUEST, "DIGEST_INVALID"));
    }

    #[test]
    fn a_manifest_must_name_blobs_that_are_there() {
        let mut content = Content::default();
        let manifest = br#"{"config": {"digest": "sha256:0"}, "layers": []}"#;
        let refused = ask(&mut content, Method::PUT, "/v2/a/manifests/1", manifest)
            .expect_err("the blob is missing");
        assert_eq!(refused.1, "MANIFEST_BLOB_UNKNOWN");
        let refused = ask(&mut content, Method::PUT, "/v2/a/manifests/1", b"[1]")
            .expect_err("it is no manifest");
        assert_eq!(refused.1, "MANIFEST_INVALID");
    }

    #[test]
    fn what_it_keeps_is_bounded() {
        let mut content = Content {
            bytes: CAPACITY,
            ..Content::default()
        };
        // printf x | sha256sum
        let digest = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let (status, ..) = ask(
            &mut content,
            Method::PUT,
            &format!("/v2/a/blobs/uploads/1?digest={digest}"),
            b"x",
        )
        .expect_err("there is no room");
        assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    }
}
