//! When tags were pushed, as the catalogues of Docker Hub and Quay tell: their own APIs, beside the distribution API.
//!
//! Invariant: what is public is asked for without any login, so no secret leaves for a host that is not the registry; pages are numbered
//! here, so an answer leads nowhere else; when the pages do not tell all that is wanted, nothing is told. What is absent: private images.

use super::answer::{Question, success};
use super::body::{self, unreachable};
use super::error::{AnswerProblem, RegistryError};
use super::manifest::read;
use crate::domain::docker_config::Credentials;
use crate::domain::image::ImageName;
use jiff::Timestamp;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// How many tags a page has: the most that both allow.
const PAGE_SIZE: usize = 100;
/// Most pages: of as many tags as a policy may consider, and as many again between them.
const MOST_PAGES: usize = 20;

/// Whose API it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Catalogue {
    /// Docker Hub's.
    DockerHub,
    /// Quay's.
    Quay,
}

/// Where the catalogue of a registry is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) catalogue: Catalogue,
    pub(super) base: Url,
}

/// The catalogues that are known by the names of their registries.
pub(super) fn known() -> HashMap<String, Place> {
    let known = [
        (
            "index.docker.io",
            Catalogue::DockerHub,
            "https://hub.docker.com/",
        ),
        ("quay.io", Catalogue::Quay, "https://quay.io/"),
    ];
    let place = |(registry, catalogue, base): (&str, Catalogue, &str)| {
        let base = Url::parse(base).ok()?;
        Some((registry.to_owned(), Place { catalogue, base }))
    };
    known.into_iter().filter_map(place).collect()
}

/// A page of Docker Hub's.
#[derive(Deserialize)]
struct HubPage {
    #[serde(default)]
    results: Vec<HubTag>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct HubTag {
    name: String,
    #[serde(default)]
    tag_last_pushed: Option<String>,
}

/// A page of Quay's.
#[derive(Deserialize)]
struct QuayPage {
    #[serde(default)]
    tags: Vec<QuayTag>,
    #[serde(default)]
    has_additional: bool,
}

#[derive(Deserialize)]
struct QuayTag {
    name: String,
    /// In seconds since 1970.
    #[serde(default)]
    start_ts: Option<i64>,
}

/// One page of either.
struct Page {
    tags: Vec<(String, Option<Timestamp>)>,
    is_last: bool,
}

/// When each of the wanted tags was pushed, as far as the catalogue tells; nothing of an image that it does not show.
pub(super) async fn push_times(
    client: &Client,
    place: &Place,
    image: &ImageName,
    wanted: &HashSet<&str>,
    page_bytes: usize,
) -> Result<HashMap<String, Timestamp>, RegistryError> {
    let host = place.base.host_str().unwrap_or_default().to_owned();
    let mut found = HashSet::new();
    let mut times = HashMap::new();
    for number in 1..=MOST_PAGES {
        let url = place.url(image, number);
        let sent = client.get(url).send().await;
        let response = sent.map_err(|error| unreachable(&host, error))?;
        if matches!(
            response.status(),
            StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            return Ok(HashMap::new());
        }
        let question = Question {
            host: &host,
            what: image.canonical(),
            credentials: &Credentials::Anonymous,
        };
        let response = success(response, question).await?;
        let bytes = body::read(response, &host, page_bytes).await?;
        let page = place
            .catalogue
            .page(&bytes)
            .map_err(|problem| RegistryError::Answer {
                host: host.clone(),
                problem,
            })?;
        for (tag, time) in page.tags {
            if wanted.contains(tag.as_str()) {
                times.extend(time.map(|time| (tag.clone(), time)));
                found.insert(tag);
            }
        }
        if page.is_last || found.len() == wanted.len() {
            return Ok(times);
        }
    }
    let problem = AnswerProblem::TooManyPages { limit: MOST_PAGES };
    Err(RegistryError::Answer { host, problem })
}

impl Place {
    fn url(&self, image: &ImageName, number: usize) -> Url {
        let repository = image.repository();
        let mut url = self.base.clone();
        let query = match self.catalogue {
            Catalogue::DockerHub => {
                let (namespace, name) = repository
                    .split_once('/')
                    .unwrap_or(("library", repository));
                url.set_path(&format!(
                    "/v2/namespaces/{namespace}/repositories/{name}/tags"
                ));
                format!("page={number}&page_size={PAGE_SIZE}")
            }
            Catalogue::Quay => {
                url.set_path(&format!("/api/v1/repository/{repository}/tag/"));
                format!("onlyActiveTags=true&page={number}&limit={PAGE_SIZE}")
            }
        };
        url.set_query(Some(&query));
        url
    }
}

impl Catalogue {
    fn page(self, bytes: &[u8]) -> Result<Page, AnswerProblem> {
        Ok(match self {
            Self::DockerHub => {
                let page: HubPage = read(bytes, "page of tags")?;
                let time = |tag: HubTag| {
                    let time = tag.tag_last_pushed.and_then(|time| time.parse().ok());
                    (tag.name, time)
                };
                Page {
                    is_last: page.next.is_none(),
                    tags: page.results.into_iter().map(time).collect(),
                }
            }
            Self::Quay => {
                let page: QuayPage = read(bytes, "page of tags")?;
                let time = |tag: QuayTag| {
                    let time = tag
                        .start_ts
                        .and_then(|time| Timestamp::from_second(time).ok());
                    (tag.name, time)
                };
                Page {
                    is_last: !page.has_additional,
                    tags: page.tags.into_iter().map(time).collect(),
                }
            }
        })
    }
}
