//! Tag sets as bytes that outlive the process.
//!
//! A header of two lines, the format and the revision, then the tags, one on a line, in the order of the set. Invariant: what is
//! read back is a whole set or an error: the revision is the digest of the rest, so no byte can change or go missing unseen.
//! What is absent: where the bytes are kept, and whether they are still wanted.

use crate::domain::tags::{TagSet, TagSetBuilder};

/// The first line: what follows, and in which form.
const FORMAT: &str = "highwater tags 1";

/// Why bytes are no tag set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamagedTags {
    /// They are not text, or the first line is not [`FORMAT`].
    #[error("it does not begin with `{FORMAT}`")]
    Format,
    /// The digest of the tags is not what the second line says.
    #[error("its tags have the digest `{found}` and not `{named}`")]
    Digest {
        /// What the second line says, shortened.
        named: String,
        /// What the tags come to.
        found: String,
    },
}

/// The bytes of a set.
pub fn encode(tags: &TagSet) -> Vec<u8> {
    let mut bytes = format!("{FORMAT}\n{}\n", tags.revision()).into_bytes();
    for tag in tags.iter() {
        bytes.extend_from_slice(tag.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// The set that [`encode`] made these bytes of.
///
/// # Errors
/// [`DamagedTags`] for any other bytes.
pub fn decode(bytes: &[u8]) -> Result<TagSet, DamagedTags> {
    let text = std::str::from_utf8(bytes).map_err(|_| DamagedTags::Format)?;
    let rest = text.strip_prefix(FORMAT).ok_or(DamagedTags::Format)?;
    let rest = rest.strip_prefix('\n').ok_or(DamagedTags::Format)?;
    let (named, lines) = rest.split_once('\n').ok_or(DamagedTags::Format)?;
    let mut builder = TagSetBuilder::new();
    lines.lines().for_each(|tag| builder.push(tag));
    let tags = builder.finish();
    // The digest is that of the set; that the text is that of the set too leaves nothing unchecked.
    if tags.revision() == named && encode(&tags) == bytes {
        return Ok(tags);
    }
    Err(DamagedTags::Digest {
        named: named.chars().take(80).collect(),
        found: tags.revision().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stored_set_can_be_read_by_people_and_checked_by_sha256sum() {
        let tags: TagSet = ["1.0.0", "1.1.0"].into_iter().collect();
        // `printf '1.1.0\n1.0.0\n' | sha256sum`
        let digest = "e0da126298999d1be4a8a6f5aea614d3e8b0a3dfed3d3b7b50f2d2b2d76a0572";
        let text = String::from_utf8(encode(&tags)).expect("tags are text");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("highwater tags 1"));
        assert_eq!(lines.next(), Some(format!("sha256:{digest}").as_str()));
        assert_eq!(lines.collect::<Vec<_>>(), ["1.1.0", "1.0.0"]);
    }

    #[test]
    fn another_file_is_told_from_a_damaged_one() {
        for other in [
            &b""[..],
            b"PK\x03\x04",
            b"highwater tags 2\n",
            b"highwater tags 1",
        ] {
            assert_eq!(decode(other), Err(DamagedTags::Format));
        }
        let damaged = decode(b"highwater tags 1\nsha256:0\n1.0\n");
        assert!(matches!(damaged, Err(DamagedTags::Digest { named, .. }) if named == "sha256:0"));
    }

    fn tags() -> impl Strategy<Value = TagSet> {
        proptest::collection::vec("[A-Za-z0-9_.-]{1,12}", 0..20)
            .prop_map(|tags| tags.iter().map(String::as_str).collect())
    }

    proptest! {
        #[test]
        fn what_was_stored_comes_back(tags in tags()) {
            prop_assert_eq!(decode(&encode(&tags)), Ok(tags));
        }

        #[test]
        fn no_changed_missing_or_added_byte_goes_unseen(tags in tags(), at: usize, bit in 0..8, how in 0..3) {
            let mut bytes = encode(&tags);
            let at = at % bytes.len();
            match how {
                0 => bytes[at] ^= 1_u8 << bit,
                1 => bytes.truncate(at),
                _ => bytes.insert(at, b'\n'),
            }
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
