//! How far the reading of a tag list has come.
//!
//! Invariant: it holds whole pages only, so that a listing that broke off can go on behind the last of them; what it remembers
//! of pages is a few bytes each, however long their addresses are. What is absent: requests.

use super::error::AnswerProblem;
use super::listing::{Limits, Listing};
use super::tag_page;
use crate::domain::tags::{TagSetBuilder, is_tag};
use reqwest::Url;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

/// Most bytes of tags that were left out and are remembered, for others who leave out other ones.
const MOST_LEFT_OUT: usize = 64 * 1024;

/// Most pages whose validators are remembered.
const MOST_VALIDATORS: usize = 64;

/// Longest `ETag` that is remembered, in bytes.
const LONGEST_ETAG: usize = 512;

/// Says which tags are wanted.
pub(super) type Keep<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// What came of the pages so far.
#[derive(Debug)]
pub(super) struct Progress {
    /// When the first page was asked for.
    pub(super) began: Instant,
    /// Where it goes on; `None` before the first page.
    pub(super) next: Option<Url>,
    /// Pages read.
    pub(super) pages: usize,
    /// Tags sent, kept or not.
    pub(super) sent: usize,
    tags: TagSetBuilder,
    left_out: LeftOut,
    /// Addresses and contents of pages, as hashes.
    seen: HashSet<u64>,
    validators: Option<Vec<Validator>>,
}

/// What tells whether a page has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validator {
    /// The page.
    pub(super) url: Url,
    /// Its `ETag`, as it was sent.
    pub(super) etag: String,
}

/// The tags that were not kept, while they are few.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut {
    lines: String,
    overflown: bool,
}

impl LeftOut {
    fn push(&mut self, tag: &str) {
        if self.lines.len() + tag.len() >= MOST_LEFT_OUT {
            *self = Self {
                lines: String::new(),
                overflown: true,
            };
        }
        // What is no tag is not kept by anybody, and counted by the builder alone.
        if !self.overflown && is_tag(tag) {
            self.lines.push_str(tag);
            self.lines.push('\n');
        }
    }

    /// The tags; `None` when there were too many to remember.
    pub(super) fn tags(&self) -> Option<std::str::Lines<'_>> {
        (!self.overflown).then(|| self.lines.lines())
    }

    /// The bytes of heap it holds.
    pub(super) fn heap_bytes(&self) -> usize {
        self.lines.capacity()
    }
}

/// A page as it was answered.
pub(super) struct Page<'a> {
    /// Its address.
    pub(super) url: &'a Url,
    /// Its body.
    pub(super) body: &'a [u8],
    /// Its `ETag`.
    pub(super) etag: Option<String>,
    /// The page after it.
    pub(super) next: Option<Url>,
}

/// What bounds a list.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// Of any registry.
    pub(super) limits: &'a Limits,
    /// Most tags kept.
    pub(super) tags: usize,
    /// Tags one page is asked to hold.
    pub(super) page_size: usize,
}

impl Progress {
    /// Nothing is read yet.
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            next: None,
            pages: 0,
            sent: 0,
            tags: TagSetBuilder::new(),
            left_out: LeftOut::default(),
            seen: HashSet::new(),
            validators: Some(Vec::new()),
        }
    }

    /// Takes a page in, whole or not at all, and gives the number of its tags. `next` then says where to go on.
    pub(super) fn add(
        &mut self,
        page: Page<'_>,
        repository: &str,
        bounds: Bounds<'_>,
        keep: Keep<'_>,
    ) -> Result<usize, AnswerProblem> {
        let (mark, left) = (self.tags.mark(), self.left_out.clone());
        let mut hasher = DefaultHasher::new();
        let mut count = 0;
        let mut fits = true;
        let read = tag_page::read(page.body, repository, &mut |tag| {
            count += 1;
            tag.hash(&mut hasher);
            match keep(tag) {
                true => self.tags.push(tag),
                false => self.left_out.push(tag),
            }
            fits = self.tags.added() + self.tags.dropped() <= bounds.tags;
            fits
        });
        if !fits {
            let limit = bounds.tags;
            return Err(AnswerProblem::TooManyTags { limit });
        }
        if let Err(problem) = read {
            self.tags.rewind(mark);
            self.left_out = left;
            return Err(problem);
        }
        self.sent += count;
        self.pages += 1;
        // A registry that passes over its own cursors sends the same page for ever.
        let content = (count > 0).then(|| hasher.finish());
        self.seen.insert(hash(page.url));
        if content.is_some_and(|content| !self.seen.insert(content)) {
            return Err(AnswerProblem::RepeatedPage);
        }
        self.remember(&page, count, bounds.page_size);
        self.follow(page.next, bounds.limits)?;
        Ok(count)
    }

    fn remember(&mut self, page: &Page<'_>, count: usize, page_size: usize) {
        // A last page that is full may get a page behind it without changing itself.
        let may_grow = page.next.is_none() && count == page_size;
        let etag = page
            .etag
            .as_ref()
            .filter(|etag| !etag.is_empty() && etag.len() <= LONGEST_ETAG && !may_grow);
        let known = self.validators.take();
        self.validators = known.zip(etag).and_then(|(mut known, etag)| {
            let (url, etag) = (page.url.clone(), etag.clone());
            known.push(Validator { url, etag });
            (known.len() <= MOST_VALIDATORS).then_some(known)
        });
    }

    fn follow(&mut self, next: Option<Url>, limits: &Limits) -> Result<(), AnswerProblem> {
        if let Some(next) = &next {
            if self.seen.contains(&hash(next)) {
                return Err(AnswerProblem::LinkLoop);
            }
            if self.pages >= limits.pages {
                let limit = limits.pages;
                return Err(AnswerProblem::TooManyPages { limit });
            }
        }
        self.next = next;
        Ok(())
    }

    /// The bytes of heap it holds.
    pub(super) fn heap_bytes(&self) -> usize {
        let seen = self.seen.capacity() * (size_of::<u64>() + 1);
        self.tags.heap_bytes() + self.left_out.heap_bytes() + seen
    }

    /// The whole list, with the tags that were left out of it and what tells whether it has changed.
    pub(super) fn finish(self) -> (Listing, LeftOut, Vec<Validator>) {
        let listing = Listing {
            malformed: self.tags.dropped(),
            tags: self.tags.finish(),
            sent: self.sent,
            pages: self.pages,
        };
        (listing, self.left_out, self.validators.unwrap_or_default())
    }
}

fn hash(url: &Url) -> u64 {
    let mut hasher = DefaultHasher::new();
    url.as_str().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds<'static> = Bounds {
        limits: &Limits {
            pages: 100,
            page_bytes: 1000,
        },
        tags: 50,
        page_size: 2,
    };

    fn url(query: &str) -> Url {
        let url = format!("https://r.example/v2/app/tags/list?{query}");
        url.parse().expect("a URL")
    }

    fn page<'a>(url: &'a Url, body: &'a str, etag: Option<&str>, next: Option<Url>) -> Page<'a> {
        Page {
            url,
            body: body.as_bytes(),
            etag: etag.map(str::to_owned),
            next,
        }
    }

    fn keep(tag: &str) -> bool {
        !tag.ends_with(".sig")
    }

    #[test]
    fn half_a_page_leaves_nothing_behind() {
        let mut progress = Progress::new(Instant::now());
        let (first, second) = (url("n=2"), url("last=b"));
        let body = r#"{"name":"app","tags":["a","b","x.sig"]}"#;
        let whole = page(&first, body, None, Some(second.clone()));
        assert_eq!(progress.add(whole, "app", BOUNDS, &keep), Ok(3));
        let half = page(&second, r#"{"name":"app","tags":["c","y.sig","#, None, None);
        let problem = progress.add(half, "app", BOUNDS, &keep);
        assert_eq!(problem, Err(AnswerProblem::Truncated));
        assert_eq!(progress.next.as_ref(), Some(&second));
        let body = r#"{"name":"app","tags":["d"]}"#;
        let whole = page(&second, body, None, None);
        assert_eq!(progress.add(whole, "app", BOUNDS, &keep), Ok(1));
        let (listing, left_out, validators) = progress.finish();
        assert_eq!(listing.tags.latest(9), ["d", "b", "a"]);
        assert_eq!((listing.sent, listing.pages), (4, 2));
        let left: Vec<_> = left_out.tags().expect("few").collect();
        assert_eq!(left, ["x.sig"]);
        assert!(validators.is_empty());
    }

    #[test]
    fn validators_count_only_when_every_page_has_one_and_the_last_cannot_grow() {
        let pages = |etags: [Option<&str>; 2], last: &str| {
            let mut progress = Progress::new(Instant::now());
            let (first, second) = (url("n=2"), url("last=b"));
            let body = r#"{"name":"app","tags":["a","b"]}"#;
            let one = page(&first, body, etags[0], Some(second.clone()));
            progress.add(one, "app", BOUNDS, &keep).expect("a page");
            let two = page(&second, last, etags[1], None);
            progress.add(two, "app", BOUNDS, &keep).expect("a page");
            progress.finish().2.len()
        };
        let (short, full) = (
            r#"{"name":"app","tags":["c"]}"#,
            r#"{"name":"app","tags":["c","d"]}"#,
        );
        assert_eq!(pages([Some("\"1\""), Some("W/\"2\"")], short), 2);
        assert_eq!(pages([Some("\"1\""), None], short), 0);
        assert_eq!(pages([None, Some("\"2\"")], short), 0);
        assert_eq!(pages([Some("\"1\""), Some("\"2\"")], full), 0);
        let long = "e".repeat(LONGEST_ETAG + 1);
        assert_eq!(pages([Some("\"1\""), Some(&long)], short), 0);
    }

    #[test]
    fn many_left_out_tags_are_not_remembered() {
        let mut left_out = LeftOut::default();
        left_out.push("not a tag");
        left_out.push("a.sig");
        assert_eq!(left_out.tags().expect("few").count(), 1);
        (0..MOST_LEFT_OUT).for_each(|number| left_out.push(&format!("{number}.sig")));
        assert!(left_out.tags().is_none() && left_out.heap_bytes() < 100);
    }
}
