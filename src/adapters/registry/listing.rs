//! All pages of a tag list, or none.
//!
//! Invariant: pages, tags and bytes are bounded, no page is read twice, and every page comes from the
//! registry's own origin. What is absent: which tags a policy wants, and what happens to a list that breaks off.

use super::body;
use super::budget::Kind;
use super::error::{AnswerProblem, ErrorClass, RegistryError};
use super::origin::next_page;
use super::progress::{Bounds, Keep, Page, Progress, Validator};
use super::session::{Request, Session};
use crate::domain::http_field::next_link;
use crate::domain::image::ImageName;
use crate::domain::tags::TagSet;
use reqwest::header::{ETAG, HeaderMap, LINK};
use reqwest::{Method, Response, StatusCode, Url};
use std::time::Instant;

/// Bounds on what any registry may send. Reaching one is an error that names it; nothing is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most pages of one list.
    pub pages: usize,
    /// Most bytes of one page, uncompressed.
    pub page_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pages: 100_000,
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

/// What is read.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Of which image.
    pub(super) image: &'a ImageName,
    /// Within which bounds.
    pub(super) bounds: Bounds<'a>,
    /// Which tags.
    pub(super) keep: Keep<'a>,
}

/// Reads every page that `progress` has not. `opened` is an answer to the first of them.
pub(super) async fn list(
    session: &mut Session<'_>,
    wanted: Wanted<'_>,
    progress: &mut Progress,
    opened: Option<Response>,
) -> Result<(), RegistryError> {
    let mut opened = opened;
    let mut taken_up = progress.pages > 0 && opened.is_none();
    if taken_up {
        session.meter().resumed(progress.pages + 1);
    }
    loop {
        let url = match &progress.next {
            Some(next) => next.clone(),
            None => first_page(session, wanted.bounds.page_size),
        };
        let answer = match opened.take() {
            Some(response) => Ok(response),
            None => session.send(page_request(&url, wanted.image)).await,
        };
        let response = match answer {
            // The registry no longer knows where we were.
            Err(error) if taken_up && is_lost(&error) => {
                *progress = Progress::new(Instant::now());
                taken_up = false;
                continue;
            }
            answer => answer?,
        };
        taken_up = false;
        read_page(session, wanted, progress, &url, response).await?;
        if progress.next.is_none() {
            return Ok(());
        }
    }
}

fn is_lost(error: &RegistryError) -> bool {
    matches!(error.class(), ErrorClass::NotFound | ErrorClass::Invalid)
}

async fn read_page(
    session: &mut Session<'_>,
    wanted: Wanted<'_>,
    progress: &mut Progress,
    url: &Url,
    response: Response,
) -> Result<(), RegistryError> {
    let etag = response.headers().get(ETAG);
    let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let next = next(session.base(), response.url(), response.headers())
        .map_err(|problem| session.problem(problem))?;
    let limit = wanted.bounds.limits.page_bytes;
    let body = body::read(response, session.host(), limit).await?;
    session.meter().received(Kind::Tags, body.len());
    let page = Page {
        url,
        body: &body,
        etag,
        next,
    };
    let repository = wanted.image.repository();
    let count = progress
        .add(page, repository, wanted.bounds, wanted.keep)
        .map_err(|problem| session.problem(problem))?;
    session.meter().page(Some(count));
    Ok(())
}

/// What asking again for pages that are known gave.
pub(super) enum Revisited {
    /// Every page is as it was.
    Unchanged,
    /// The first page is another one, and here it is.
    Opened(Response),
    /// A later page is another one.
    Changed,
}

/// Asks whether pages have changed, up to the first that has.
pub(super) async fn revisit(
    session: &mut Session<'_>,
    image: &ImageName,
    validators: &[Validator],
) -> Result<Revisited, RegistryError> {
    for (index, validator) in validators.iter().enumerate() {
        let request = page_request(&validator.url, image);
        let response = session.send_unless(request, &validator.etag).await?;
        if response.status() != StatusCode::NOT_MODIFIED {
            return Ok(match index {
                0 => Revisited::Opened(response),
                _ => Revisited::Changed,
            });
        }
        session.meter().page(None);
        let next = next(session.base(), response.url(), response.headers())
            .map_err(|problem| session.problem(problem))?;
        // Few repeat the field in a 304; where one does, it must be what we know.
        let known = validators.get(index + 1).map(|next| &next.url);
        if next.is_some() && next.as_ref() != known {
            return Ok(Revisited::Changed);
        }
    }
    Ok(Revisited::Unchanged)
}

fn first_page(session: &Session<'_>, page_size: usize) -> Url {
    let mut url = session.url("tags/list");
    url.set_query(Some(&format!("n={page_size}")));
    url
}

fn page_request<'a>(url: &'a Url, image: &'a ImageName) -> Request<'a> {
    Request {
        method: &Method::GET,
        url,
        accept: "application/json",
        what: image.canonical(),
        kind: Kind::Tags,
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
