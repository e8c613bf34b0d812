//! YAML as text with positions: where documents begin, what a scalar's bytes mean and how a value is written in their place.
//!
//! Invariant: nothing here re-formats; every answer is about byte ranges of the text as it stands, and nothing expands an alias.
//! What is absent: YAML as values (see [`crate::domain::manifest`]) and what markers mean (see [`crate::domain::rewrite`]).

pub mod documents;
pub mod escape;
pub mod scalar;
pub mod template;
pub mod transcript;

use granit_parser::{Options, Parser, StrInput};

/// Deepest nesting of flow, and of block, collections that is read: hostile files go on for ever.
pub const DEPTH_LIMIT: usize = 255;

/// The parser's settings. Comments in a row are unbounded (the file's size bounds them): licence headers and the
/// commented-out half of a `values.yaml` are longer than the parser's default allows.
pub fn options() -> Options {
    granit_parser::options! {
        max_buffered_comment_events: usize::MAX,
        flow_nesting_limit: DEPTH_LIMIT,
        block_nesting_limit: DEPTH_LIMIT,
    }
}

/// Reads a text as events with byte spans.
pub fn events(text: &str) -> Parser<'_, StrInput<'_>> {
    Parser::new_from_str_with_options(text, options())
}

/// Counts the line breaks (LF, CRLF or a lone CR, as YAML has them) in a text.
pub fn line_breaks(text: &str) -> usize {
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b'\n', b'\r', bytes)
        .filter(|&at| !(bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n')))
        .count()
}

/// Where the line that holds a byte offset begins.
pub fn line_start(text: &str, offset: usize) -> usize {
    memchr::memrchr2(b'\n', b'\r', &text.as_bytes()[..offset]).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_is_lf_crlf_or_a_lone_cr() {
        for (text, breaks) in [
            ("", 0),
            ("a", 0),
            ("a\n", 1),
            ("a\r\nb", 1),
            ("a\rb\r", 2),
            ("\r\r\n\n", 3),
        ] {
            assert_eq!(line_breaks(text), breaks, "{text:?}");
        }
        for (offset, start) in [(0, 0), (1, 0), (3, 3), (5, 5), (6, 5)] {
            assert_eq!(line_start("a\r\nb\rcd", offset), start, "{offset}");
        }
    }

    #[test]
    fn a_thousand_comment_lines_in_a_row_are_read() {
        let text = format!("a:\n{}  - b\n", "  # words\n".repeat(1000));
        assert!(events(&text).all(|event| event.is_ok()));
    }

    #[test]
    fn nesting_has_a_limit_and_reaching_it_is_quick() {
        let deep = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(events(&deep).any(|event| event.is_err()));
    }
}
