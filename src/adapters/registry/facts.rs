//! What a registry says of an image: digest, platforms, times, and what it says of limits meanwhile.
//!
//! Invariant: content is what its digest says; what was read of a digest is not read again, and an image that makes no sense says
//! nothing, but holds up no other. The push time is the `Last-Modified` of
//! the manifest, or what Google's registries add to their tag list: the distribution API has no other. What is absent: registries'
//! own APIs.

use super::body;
use super::budget::Kind;
use super::digest::{LARGEST_MANIFEST, MANIFESTS, check_tag, digest_field, sha256};
use super::error::{AnswerProblem, ErrorClass, RegistryError};
use super::image_memory::{ImageMemory, Told};
use super::manifest::{Configuration, Further, Manifest, read};
use super::session::{Request, Session};
use crate::domain::http_field::{RateLimit, parse_http_date, parse_rate_limit};
use crate::domain::image::ImageName;
use jiff::Timestamp;
use reqwest::header::LAST_MODIFIED;
use reqwest::{Method, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// What a registry says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// The digest, `sha256:<hex>`; of an index the index's own.
    pub digest: String,
    /// When it was built, as its annotation or its configuration says.
    pub created: Option<Timestamp>,
    /// When the registry got it, as the registry says.
    pub pushed: Option<Timestamp>,
    /// What it runs on, `os/architecture[/variant]`.
    pub platforms: Vec<String>,
    /// Whether the manifest was read: without it neither `created` nor `platforms` is known.
    pub is_read: bool,
    /// What is left of the registry's limit.
    pub limit: Option<RateLimit>,
}

/// What need not be asked for.
#[derive(Clone, Copy, Debug)]
pub enum Known<'k> {
    /// Nothing is known of the image.
    Nothing,
    /// This was the image when the tag was looked at before.
    Of(&'k ImageFacts),
    /// What HEAD tells is enough; nothing is read.
    Enough,
}

/// Asks with HEAD, and reads what is not known.
pub(super) async fn of_tag(
    session: &mut Session<'_>,
    image: &ImageName,
    tag: &str,
    known: Known<'_>,
    images: &ImageMemory,
) -> Result<ImageFacts, RegistryError> {
    check_tag(tag)?;
    let what = format!("{}:{tag}", image.canonical());
    let mut facts = match head(session, &what, tag).await? {
        Some(facts) => facts,
        None => {
            let (response, manifest) = get(session, &what, &format!("manifests/{tag}")).await?;
            let digest = digest_field_of(session, &response)?.unwrap_or_else(|| sha256(&manifest));
            facts_of(&response, digest)
        }
    };
    let told = match known {
        Known::Enough => return Ok(facts),
        Known::Of(known) if known.is_read && known.digest == facts.digest => Told {
            created: known.created,
            platforms: known.platforms.clone(),
        },
        _ => match images.get(&facts.digest) {
            Some(told) => told,
            None => {
                let told = told(session, &what, &facts.digest).await?;
                images.put(&facts.digest, &told);
                told
            }
        },
    };
    facts.created = told.created;
    facts.platforms = told.platforms;
    facts.is_read = true;
    Ok(facts)
}

/// When tags were pushed, as Google's registries tell with their tag list; empty where the list tells nothing of it.
pub(super) async fn uploads(
    session: &mut Session<'_>,
    image: &ImageName,
    limit: usize,
) -> Result<HashMap<String, Timestamp>, RegistryError> {
    let url = session.url("tags/list");
    let list = Request {
        method: &Method::GET,
        url: &url,
        accept: "application/json",
        what: image.canonical(),
        kind: Kind::Tags,
    };
    let response = session.send(list).await?;
    let bytes = body::read(response, session.host(), limit).await?;
    let list: UploadList = read(&bytes, "tag list").map_err(|problem| session.problem(problem))?;
    let mut uploads = HashMap::new();
    for uploaded in list.manifest.into_values() {
        let milliseconds: i64 = uploaded.time_uploaded_ms.parse().unwrap_or_default();
        let pushed = Timestamp::from_millisecond(milliseconds).ok();
        if let Some(pushed) = pushed.filter(|pushed| !pushed.is_zero()) {
            uploads.extend(uploaded.tag.into_iter().map(|tag| (tag, pushed)));
        }
    }
    Ok(uploads)
}

/// What Google's registries add to a tag list.
#[derive(Deserialize)]
struct UploadList {
    #[serde(default)]
    manifest: HashMap<String, Uploaded>,
}

/// One manifest of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Uploaded {
    #[serde(default)]
    tag: Vec<String>,
    /// In milliseconds since 1970, as text.
    #[serde(default)]
    time_uploaded_ms: String,
}

/// What HEAD tells; `None` where it does not tell the digest.
async fn head(
    session: &mut Session<'_>,
    what: &str,
    tag: &str,
) -> Result<Option<ImageFacts>, RegistryError> {
    let url = session.url(&format!("manifests/{tag}"));
    let head = Request {
        method: &Method::HEAD,
        url: &url,
        accept: MANIFESTS,
        what,
        kind: Kind::Manifest,
    };
    match session.send(head).await {
        Ok(response) => {
            let digest = digest_field_of(session, &response)?;
            Ok(digest.map(|digest| facts_of(&response, digest)))
        }
        // Registries that know no HEAD: 405 and the like.
        Err(error) if error.class() == ErrorClass::Invalid => Ok(None),
        Err(error) => Err(error),
    }
}

fn digest_field_of(
    session: &Session<'_>,
    response: &Response,
) -> Result<Option<String>, RegistryError> {
    digest_field(response).map_err(|problem| session.problem(problem))
}

/// What the header fields of an answer tell.
fn facts_of(response: &Response, digest: String) -> ImageFacts {
    let field = |name: &str| response.headers().get(name)?.to_str().ok();
    ImageFacts {
        digest,
        created: None,
        pushed: field(LAST_MODIFIED.as_str()).and_then(parse_http_date),
        platforms: Vec::new(),
        is_read: false,
        limit: parse_rate_limit(field, Timestamp::now()),
    }
}

/// Reads what an image says of itself: its manifest, for an index that of one image, and the configuration.
async fn told(session: &mut Session<'_>, what: &str, digest: &str) -> Result<Told, RegistryError> {
    let Some(outer) = content::<Manifest>(session, what, "manifests", digest).await? else {
        return Ok(Told::default());
    };
    let mut told = Told {
        created: outer.created(),
        platforms: outer.platforms(),
    };
    if told.is_complete() {
        return Ok(told);
    }
    let inner = match outer.further() {
        Further::Manifest(digest) => content(session, what, "manifests", digest).await?,
        _ => None,
    };
    let image = inner.as_ref().unwrap_or(&outer);
    told.created = told.created.or_else(|| image.created());
    if let (Further::Configuration(digest), false) = (image.further(), told.is_complete()) {
        let read: Option<Configuration> = content(session, what, "blobs", digest).await?;
        if let Some(configuration) = read {
            told.created = told.created.or_else(|| configuration.created());
            if told.platforms.is_empty() {
                told.platforms = configuration.platforms();
            }
        }
    }
    Ok(told)
}

/// Content by its digest; `None` for an image that holds something else than it should.
pub(super) async fn content<T: DeserializeOwned>(
    session: &mut Session<'_>,
    what: &str,
    kind: &str,
    digest: &str,
) -> Result<Option<T>, RegistryError> {
    let (_, bytes) = get(session, what, &format!("{kind}/{digest}")).await?;
    // Of the algorithms that registries may use, all use this one.
    match digest.starts_with("sha256:") && sha256(&bytes) != digest {
        true => Err(session.problem(AnswerProblem::OtherContent)),
        false => Ok(read(&bytes, "manifest").ok()),
    }
}

/// The answer to GET, its head and its body.
async fn get(
    session: &mut Session<'_>,
    what: &str,
    rest: &str,
) -> Result<(Response, Vec<u8>), RegistryError> {
    let url = session.url(rest);
    let is_blob = rest.starts_with("blobs/");
    let get = Request {
        method: &Method::GET,
        url: &url,
        accept: if is_blob { "*/*" } else { MANIFESTS },
        what,
        kind: Kind::Manifest,
    };
    let mut response = session.send(get).await?;
    let bytes = body::read_from(&mut response, session.host(), LARGEST_MANIFEST).await?;
    match bytes.is_empty() {
        true => Err(session.problem(AnswerProblem::Empty)),
        false => Ok((response, bytes)),
    }
}
