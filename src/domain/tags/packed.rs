//! Tag sets at rest, in a fraction of the memory that a [`TagSet`] takes to be worked with.
//!
//! Tags of one image have most of their characters in common with their neighbours, so they are deflated. Invariant: what was packed
//! comes back whole, under the same revision. What is absent: who keeps them, and a form for files; `stored` has that.

use super::{Inner, TagSet};
use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder};
use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::Read;
use std::sync::Arc;

/// A packed set. Clones share the content. It is equal to others of its revision, and found by it.
#[derive(Clone)]
pub struct PackedTags(Arc<Packed>);

struct Packed {
    revision: Box<str>,
    /// The number of tags.
    count: usize,
    /// The length of all tags together, in bytes.
    length: usize,
    /// Deflated: the length of each tag, a byte each, then all tags without anything between them.
    bytes: Box<[u8]>,
}

impl PackedTags {
    /// Packs a set.
    pub fn new(tags: &TagSet) -> Self {
        let lengths: Vec<u8> = tags
            .iter()
            .map(|tag| {
                u8::try_from(tag.len()).expect("no tag has more than `MAX_TAG_LENGTH` bytes")
            })
            .collect();
        let text = &tags.inner.text;
        let mut bytes = Vec::new();
        DeflateEncoder::new(
            lengths.as_slice().chain(text.as_bytes()),
            Compression::new(3),
        )
        .read_to_end(&mut bytes)
        .expect("reading from memory does not fail");
        Self(Arc::new(Packed {
            revision: tags.revision().into(),
            count: tags.len(),
            length: text.len(),
            bytes: bytes.into(),
        }))
    }

    /// The set that was packed. It takes time and memory in proportion to it.
    pub fn unpack(&self) -> TagSet {
        let mut bytes = DeflateDecoder::new(&*self.0.bytes);
        let mut lengths = vec![0; self.0.count];
        let mut text = String::with_capacity(self.0.length);
        bytes
            .read_exact(&mut lengths)
            .and_then(|()| bytes.read_to_string(&mut text))
            .expect("it is as it was packed");
        let mut end = 0;
        let ends = lengths.into_iter().map(|length| {
            end += u32::from(length);
            end
        });
        TagSet {
            inner: Arc::new(Inner {
                ends: ends.collect(),
                text: text.into(),
                revision: self.revision().to_owned(),
            }),
        }
    }

    /// The revision of the set.
    pub fn revision(&self) -> &str {
        &self.0.revision
    }

    /// How many clones of this one there are, itself included.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// The bytes of heap it holds.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Packed>() + self.0.bytes.len() + self.0.revision.len()
    }
}

impl PartialEq for PackedTags {
    fn eq(&self, other: &Self) -> bool {
        self.revision() == other.revision()
    }
}

impl Eq for PackedTags {}

impl Hash for PackedTags {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.revision().hash(state);
    }
}

impl Borrow<str> for PackedTags {
    fn borrow(&self) -> &str {
        self.revision()
    }
}

impl fmt::Debug for PackedTags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PackedTags({} tags, {})",
            self.0.count,
            self.revision()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_comes_back(tags in proptest::collection::vec("[A-Za-z0-9_.-]{1,128}", 0..40)) {
            let tags: TagSet = tags.iter().map(String::as_str).collect();
            let packed = PackedTags::new(&tags);
            prop_assert_eq!(packed.revision(), tags.revision());
            prop_assert_eq!(packed.unpack(), tags);
        }
    }

    #[test]
    fn builds_of_versions_take_a_third_of_the_room() {
        let names: Vec<String> = (0..400)
            .map(|number| format!("v1.{}.{}-4711.{number}", number / 20, number % 20))
            .collect();
        let tags: TagSet = names.iter().map(String::as_str).collect();
        let (packed, open) = (PackedTags::new(&tags).heap_bytes(), tags.heap_bytes());
        assert!(3 * packed < open, "{packed} bytes of {open}");
    }
}
