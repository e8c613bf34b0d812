//! The HTTP header fields in which a registry says what it wants: challenges, the next page, a pause.
//!
//! Invariant: text from the network in, values out; bounded and without panics. What is absent:
//! requests, and any judgement on whether the values are to be trusted.

mod challenge;
mod link;
mod rate_limit;
mod retry_after;

pub use challenge::{Challenge, parse_challenges};
pub use link::{LONGEST_TARGET, LinkError, next_link};
pub use rate_limit::{RateLimit, parse_rate_limit};
pub use retry_after::{LONGEST_WAIT, parse_http_date, parse_retry_after};

/// Longest field value that is looked at, in bytes. Real ones are a few hundred.
const LONGEST_FIELD: usize = 16 * 1024;

/// Bytes that RFC 9110 allows in a token.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Optional white space of RFC 9110.
fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// A place in a field value.
struct Reader<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning; a value beyond the bound counts as empty.
    fn new(text: &'a str) -> Self {
        let text = if text.len() > LONGEST_FIELD { "" } else { text };
        Self { text, position: 0 }
    }

    /// The byte here.
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// Whether nothing is left.
    fn at_end(&self) -> bool {
        self.position >= self.text.len()
    }

    /// Passes over bytes while `accept` holds.
    fn skip(&mut self, accept: impl Fn(u8) -> bool) {
        self.take(accept);
    }

    /// The text while `accept` holds; `accept` must treat all bytes of a character alike.
    fn take(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let rest = &self.text.as_bytes()[self.position..];
        let length = rest
            .iter()
            .position(|byte| !accept(*byte))
            .unwrap_or(rest.len());
        let start = self.position;
        self.position += length;
        self.text.get(start..self.position).unwrap_or_default()
    }

    /// Passes over one certain byte, and says whether it stood here.
    fn take_byte(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.position += usize::from(found);
        found
    }

    /// The rest of a quoted string whose opening quote is behind us; `None` when it never ends.
    fn take_quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut characters = self.text.get(self.position..)?.char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.position += offset + 1;
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                other => value.push(other),
            }
        }
        None
    }
}
