//! Go's strings: bytes that are mostly UTF-8.

use std::borrow::Cow;
use std::ops::Deref;
use std::rc::Rc;

/// A string of Go: any bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Text(Rc<[u8]>);

impl Text {
    /// The text, with U+FFFD for each byte that is not part of a character, as Go decodes it.
    pub(crate) fn to_text(&self) -> Cow<'_, str> {
        to_text(&self.0)
    }
}

/// The text of bytes, with U+FFFD for each one that is not part of a character.
pub(crate) fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(runes(bytes).map(|(_, character, _)| character).collect()),
    }
}

/// The characters with the index and number of their bytes; U+FFFD for each byte that is not part of one.
pub(crate) fn runes(bytes: &[u8]) -> impl Iterator<Item = (usize, char, usize)> + '_ {
    let mut at = 0;
    bytes.utf8_chunks().flat_map(move |chunk| {
        let (valid, start) = (chunk.valid(), at);
        let broken = start + valid.len();
        at = broken + chunk.invalid().len();
        let good = valid
            .char_indices()
            .map(move |(index, character)| (start + index, character, character.len_utf8()));
        good.chain((broken..at).map(|index| (index, '\u{fffd}', 1)))
    })
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_bytes_are_decoded_one_by_one() {
        let text = Text::from(&b"a\xe2\x82\xffb\xe2\x82\xac"[..]);
        assert_eq!(text.to_text(), "a\u{fffd}\u{fffd}\u{fffd}b€");
        let places: Vec<_> = runes(&text).map(|(at, _, width)| (at, width)).collect();
        assert_eq!(places, [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 3)]);
    }
}
