//! The tags of one image: what is kept of a registry's list, in little memory.
//!
//! Duty: drop what is no tag, leave out what the exclusion list names, sort, deduplicate, and give the content a revision.
//! Invariant: a [`TagSet`] is sorted by descending bytes without duplicates, whatever came in and in whatever order, so equal
//! sets have equal revisions. All text lies in one buffer: about the length of the tags and four bytes for each.
//! Absent: asking a registry, and the order a policy puts tags in.

use crate::domain::pattern::{Pattern, PatternError};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write};
use std::sync::Arc;

/// The longest tag there can be, in bytes (OCI distribution specification).
pub const MAX_TAG_LENGTH: usize = 128;
/// How many tags of a set a status shows.
pub const LATEST_TAGS: usize = 10;
/// The exclusion list of an ImageRepository that has none: cosign signatures.
pub const DEFAULT_EXCLUSIONS: &[&str] = &[r"^.*\.sig$"];

/// Whether a text can be a tag: 1 to [`MAX_TAG_LENGTH`] of the characters `A-Za-z0-9_.-`.
///
/// This is go-containerregistry's rule. A registry that lists anything else lists what nobody can pull.
pub fn is_tag(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=MAX_TAG_LENGTH).contains(&text.len()) && text.bytes().all(allowed)
}

/// The patterns of tags that are left out of a scan.
#[derive(Debug, Clone)]
pub struct Exclusions {
    patterns: Vec<Pattern>,
}

/// A pattern of the exclusion list does not compile. The words are Flux's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to compile regex {pattern}: {reason}")]
pub struct ExclusionError {
    /// The pattern as it was given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: PatternError,
}

impl Exclusions {
    /// Compiles the patterns, which are Go regular expressions that may match anywhere in a tag.
    ///
    /// # Errors
    /// For the first pattern that does not compile.
    pub fn new(patterns: &[String]) -> Result<Self, ExclusionError> {
        let compile = |pattern: &String| {
            Pattern::new(pattern).map_err(|reason| ExclusionError {
                pattern: pattern.clone(),
                reason,
            })
        };
        Ok(Exclusions {
            patterns: patterns.iter().map(compile).collect::<Result<_, _>>()?,
        })
    }

    /// Whether any pattern matches the tag.
    pub fn matches(&self, tag: &str) -> bool {
        self.matching(tag).is_some()
    }

    /// The patterns as they were given.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.patterns.iter().map(Pattern::text);
        texts.map(str::to_owned).collect()
    }

    /// The first pattern that matches the tag.
    pub fn matching(&self, tag: &str) -> Option<&str> {
        let found = self.patterns.iter().find(|pattern| pattern.matches(tag));
        found.map(Pattern::text)
    }
}

/// Collects tags in any order.
#[derive(Debug, Clone, Default)]
pub struct TagSetBuilder {
    text: Vec<u8>,
    /// Where each tag ends in `text`.
    ends: Vec<u32>,
    dropped: usize,
}

/// A place in what a [`TagSetBuilder`] was given.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    tags: usize,
    dropped: usize,
}

impl TagSetBuilder {
    /// Starts with no tags.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tag. What is no tag (see [`is_tag`]) is dropped and counted, as are tags beyond 4 GiB of text.
    pub fn push(&mut self, tag: &str) {
        let end = u32::try_from(self.text.len() + tag.len());
        match end {
            Ok(end) if is_tag(tag) => {
                self.text.extend_from_slice(tag.as_bytes());
                self.ends.push(end);
            }
            _ => self.dropped += 1,
        }
    }

    /// How many texts were dropped because they are no tags.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// How many tags were added, a tag that was added twice counted twice.
    pub fn added(&self) -> usize {
        self.ends.len()
    }

    /// How far it has come, to come back to with [`Self::rewind`].
    pub fn mark(&self) -> Mark {
        Mark {
            tags: self.ends.len(),
            dropped: self.dropped,
        }
    }

    /// Forgets what was added since the mark.
    pub fn rewind(&mut self, mark: Mark) {
        self.ends.truncate(mark.tags);
        let text = self.ends.last().map_or(0, |end| *end as usize);
        self.text.truncate(text);
        self.dropped = self.dropped.min(mark.dropped);
    }

    /// The bytes of heap it holds.
    pub fn heap_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// Sorts and deduplicates what was added.
    pub fn finish(self) -> TagSet {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut spans: Vec<(u32, u32)> = starts.zip(self.ends.iter().copied()).collect();
        let tag = |span: &(u32, u32)| &self.text[span.0 as usize..span.1 as usize];
        // Registries list tags in order, which a stable sort notices.
        spans.sort_by(|one, other| tag(other).cmp(tag(one)));
        spans.dedup_by(|one, other| tag(one) == tag(other));
        let mut text =
            Vec::with_capacity(spans.iter().map(|span| (span.1 - span.0) as usize).sum());
        let mut ends = Vec::with_capacity(spans.len());
        let mut hash = Sha256::new();
        for span in &spans {
            text.extend_from_slice(tag(span));
            ends.push(u32::try_from(text.len()).expect("not longer than the builder's text"));
            hash.update(tag(span));
            hash.update(b"\n");
        }
        let mut revision = "sha256:".to_owned();
        for byte in hash.finalize() {
            // Writing to a string does not fail.
            let _ = write!(revision, "{byte:02x}");
        }
        let text = String::from_utf8(text).expect("tags are ASCII");
        TagSet {
            inner: Arc::new(Inner {
                text: text.into(),
                ends: ends.into(),
                revision,
            }),
        }
    }
}

impl<'a> FromIterator<&'a str> for TagSet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tags: I) -> Self {
        let mut builder = TagSetBuilder::new();
        tags.into_iter().for_each(|tag| builder.push(tag));
        builder.finish()
    }
}

/// A sorted set of tags. Clones share the content.
#[derive(Clone)]
pub struct TagSet {
    inner: Arc<Inner>,
}

struct Inner {
    text: Box<str>,
    ends: Box<[u32]>,
    revision: String,
}

impl TagSet {
    /// The number of tags.
    pub fn len(&self) -> usize {
        self.inner.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.inner.ends.is_empty()
    }

    /// The tags, sorted by descending bytes.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        (0..self.len()).map(|index| self.tag(index))
    }

    fn tag(&self, index: usize) -> &str {
        let start = if index == 0 {
            0
        } else {
            self.inner.ends[index - 1]
        };
        &self.inner.text[start as usize..self.inner.ends[index] as usize]
    }

    /// Whether the tag is in the set.
    pub fn contains(&self, tag: &str) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match tag.cmp(self.tag(middle)) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Less => low = middle + 1,
            }
        }
        false
    }

    /// The first `count` tags, or all if there are fewer.
    pub fn latest(&self, count: usize) -> Vec<String> {
        self.iter().take(count).map(str::to_owned).collect()
    }

    /// The digest of the content, `sha256:<hex>` over the tags in order with a line feed after each.
    pub fn revision(&self) -> &str {
        &self.inner.revision
    }

    /// How many clones of this set there are, itself included.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.inner)
    }

    /// The bytes of heap the set holds.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Inner>()
            + self.inner.text.len()
            + size_of_val(&*self.inner.ends)
            + self.inner.revision.capacity()
    }
}

impl Default for TagSet {
    fn default() -> Self {
        TagSetBuilder::new().finish()
    }
}

impl PartialEq for TagSet {
    fn eq(&self, other: &Self) -> bool {
        self.inner.ends == other.inner.ends && self.inner.text == other.inner.text
    }
}

impl Eq for TagSet {}

impl fmt::Debug for TagSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "TagSet({} tags, {})",
            self.len(),
            self.revision()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_sorted_by_descending_bytes_without_duplicates() {
        let tags: TagSet = ["1.0", "1.10", "1.9", "1.0", "a", "Z", "_"]
            .into_iter()
            .collect();
        assert_eq!(
            tags.iter().collect::<Vec<_>>(),
            ["a", "_", "Z", "1.9", "1.10", "1.0"]
        );
        assert_eq!(tags.len(), 6);
        assert_eq!(tags.latest(2), ["a", "_"]);
        assert_eq!(tags.latest(LATEST_TAGS).len(), 6);
        assert!(tags.contains("1.9") && tags.contains("a") && tags.contains("1.0"));
        assert!(!tags.contains("1.8") && !tags.contains("") && !tags.contains("zz"));
    }

    #[test]
    fn the_revision_is_the_digest_of_one_tag_per_line() {
        // printf 'b\na\n' | sha256sum, and sha256sum of nothing
        let tags: TagSet = ["a", "b"].into_iter().collect();
        assert_eq!(
            tags.revision(),
            "sha256:aea8a04c2f293417e499bf5de2def8ebb1ed40264d128a67180ea56fbe4600ff"
        );
        assert_eq!(
            TagSet::default().revision(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn what_is_no_tag_is_dropped_and_counted() {
        let longest = "t".repeat(MAX_TAG_LENGTH);
        let mut builder = TagSetBuilder::new();
        for tag in [
            "",
            "a b",
            "a\nb",
            "a:b",
            "a@b",
            "a/b",
            "é",
            "\u{0}",
            "1.0+build",
            &"t".repeat(MAX_TAG_LENGTH + 1),
            "ok",
            &longest,
        ] {
            builder.push(tag);
        }
        assert_eq!(builder.dropped(), 10);
        assert_eq!(
            builder.finish().iter().collect::<Vec<_>>(),
            [longest.as_str(), "ok"]
        );
    }

    #[test]
    fn a_builder_goes_back_to_its_mark() {
        let mut builder = TagSetBuilder::new();
        let start = builder.mark();
        ["1.0", "a b", "1.1"]
            .iter()
            .for_each(|tag| builder.push(tag));
        let mark = builder.mark();
        ["2.0", "", "1.0"].iter().for_each(|tag| builder.push(tag));
        assert_eq!((builder.added(), builder.dropped()), (4, 2));
        builder.rewind(mark);
        assert_eq!((builder.added(), builder.dropped()), (2, 1));
        builder.push("3.0");
        let all: TagSet = ["1.0", "1.1", "3.0"].into_iter().collect();
        assert_eq!(builder.clone().finish(), all);
        builder.rewind(start);
        assert!(builder.finish().is_empty());
    }

    #[test]
    fn exclusions_match_anywhere_in_a_tag() {
        let defaults: Vec<String> = DEFAULT_EXCLUSIONS
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect();
        let exclusions = Exclusions::new(&defaults).unwrap();
        assert!(exclusions.matches("sha256-abc.sig"));
        assert!(
            !exclusions.matches("sha256-abc.sig.att") && !exclusions.matches("sha256-abc.sbom")
        );
        let exclusions = Exclusions::new(&["rc".into(), "^dev".into()]).unwrap();
        assert!(
            exclusions.matches("1.0-rc.1")
                && exclusions.matches("dev-1")
                && !exclusions.matches("1-dev")
        );
        assert!(!Exclusions::new(&[]).unwrap().matches("1.0"));
    }

    #[test]
    fn a_bad_exclusion_is_told_in_the_words_of_flux() {
        let error = Exclusions::new(&["ok".into(), "a(".into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to compile regex a(: error parsing regexp: missing closing ): `a(`"
        );
    }

    #[test]
    fn a_clone_shares_its_content() {
        let tags: TagSet = ["a", "b"].into_iter().collect();
        let clone = tags.clone();
        assert!(Arc::ptr_eq(&tags.inner, &clone.inner));
        assert_eq!(tags, clone);
        assert_eq!(
            format!("{tags:?}"),
            format!("TagSet(2 tags, {})", tags.revision())
        );
    }
}
