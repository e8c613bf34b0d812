//! All pages of a tag list, or none.
//!
//! Invariant: pages, tags and bytes are bounded, no page is read twice, and every page comes from the
//! registry's own origin. What is absent: which tags a policy wants.

use super::body;
use super::budget::Kind;
use super::error::{AnswerProblem, RegistryError};
use super::origin::next_page;
use super::session::{Request, Session};
use super::tag_page;
use crate::domain::http_field::next_link;
use crate::domain::image::ImageName;
use crate::domain::tags::{TagSet, TagSetBuilder};
use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, Url};
use std::collections::HashSet;

/// How many tags one request asks for. Registries that allow fewer send fewer.
const PAGE_SIZE: usize = 1000;

/// Bounds on what a registry may send. Reaching one is an error that names it; nothing is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most pages of one list.
    pub pages: usize,
    /// Most tags of one list, all pages together, kept or not.
    pub tags: usize,
    /// Most bytes of one page, uncompressed.
    pub page_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pages: 20_000,
            tags: 2_000_000,
            page_bytes: 16 * 1024 * 1024,
        }
    }
}

/// A complete tag list.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The tags that were kept.
    pub tags: TagSet,
    /// How many tags the registry sent, kept or not.
    pub sent: usize,
    /// How many of them no registry should have: they break the distribution specification's grammar, and
    /// are left out.
    pub malformed: usize,
    /// How many pages it took.
    pub pages: usize,
}

/// Reads every page.
pub(super) async fn list(
    session: &mut Session<'_>,
    image: &ImageName,
    limits: &Limits,
    keep: &(dyn Fn(&str) -> bool + Send + Sync),
) -> Result<Listing, RegistryError> {
    let mut url = session.url("tags/list");
    url.set_query(Some(&format!("n={PAGE_SIZE}")));
    let mut seen = HashSet::new();
    let mut collected = Collected::default();
    loop {
        if !seen.insert(url.as_str().to_owned()) {
            return Err(session.problem(AnswerProblem::LinkLoop));
        }
        if seen.len() > limits.pages {
            let limit = limits.pages;
            return Err(session.problem(AnswerProblem::TooManyPages { limit }));
        }
        let request = Request {
            method: &Method::GET,
            url: &url,
            accept: "application/json",
            what: image.canonical(),
            kind: Kind::Tags,
        };
        let response = session.send(request).await?;
        let next = next(session.base(), response.url(), response.headers())
            .map_err(|problem| session.problem(problem))?;
        let page = body::read(response, session.host(), limits.page_bytes).await?;
        collected
            .add(&page, image, limits, keep)
            .map_err(|problem| session.problem(problem))?;
        match next {
            Some(next) => url = next,
            None => return Ok(collected.finish(seen.len())),
        }
    }
}

/// The next page's URL, if there is a next page.
fn next(base: &Url, current: &Url, headers: &HeaderMap) -> Result<Option<Url>, AnswerProblem> {
    let mut fields = Vec::new();
    for field in headers.get_all(LINK) {
        let malformed = |_| AnswerProblem::Link(crate::domain::http_field::LinkError::Malformed);
        fields.push(field.to_str().map_err(malformed)?);
    }
    let link = next_link(fields).map_err(AnswerProblem::Link)?;
    link.map(|link| next_page(base, current, &link)).transpose()
}

/// What the pages so far gave.
#[derive(Default)]
struct Collected {
    tags: TagSetBuilder,
    sent: usize,
}

impl Collected {
    fn add(
        &mut self,
        page: &[u8],
        image: &ImageName,
        limits: &Limits,
        keep: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<(), AnswerProblem> {
        let read = tag_page::read(page, image.repository(), &mut |tag| {
            self.sent += 1;
            if keep(tag) {
                self.tags.push(tag);
            }
            self.sent <= limits.tags
        });
        if self.sent > limits.tags {
            let limit = limits.tags;
            return Err(AnswerProblem::TooManyTags { limit });
        }
        read
    }

    fn finish(self, pages: usize) -> Listing {
        Listing {
            malformed: self.tags.dropped(),
            tags: self.tags.finish(),
            sent: self.sent,
            pages,
        }
    }
}
