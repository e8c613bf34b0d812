//! Texts in Go's quotes.

use super::super::item::runes;
use super::super::letters::is_printable;
use std::fmt::Write;

/// A text in quotation marks; what does not print, or is not ASCII if so asked, is escaped.
pub(in super::super) fn quote(text: &[u8], ascii: bool) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for (at, character, width) in runes(text) {
        if character == '\u{fffd}' && width == 1 {
            // Writing to a `String` cannot fail.
            let _ = write!(quoted, "\\x{:02x}", text[at]);
        } else {
            escape(&mut quoted, character, '"', ascii);
        }
    }
    quoted.push('"');
    quoted
}

/// A character in single quotes.
pub(super) fn quote_character(character: char, ascii: bool) -> String {
    let mut quoted = "'".to_owned();
    escape(&mut quoted, character, '\'', ascii);
    quoted.push('\'');
    quoted
}

/// Whether a text may stand between back quotes.
pub(super) fn can_backquote(text: &[u8]) -> bool {
    runes(text).all(|(_, character, width)| {
        let broken = character == '\u{fffd}' && width == 1;
        let control = character < ' ' && character != '\t';
        !broken && !control && !matches!(character, '`' | '\x7f' | '\u{feff}')
    })
}

fn escape(quoted: &mut String, character: char, quote: char, ascii: bool) {
    let code = u32::from(character);
    let short = match character {
        '\x07' => 'a',
        '\x08' => 'b',
        '\x0c' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\x0b' => 'v',
        '\\' => '\\',
        other if other == quote => quote,
        other if is_printable(other) && (other.is_ascii() || !ascii) => {
            quoted.push(other);
            return;
        }
        _ => '\0',
    };
    // Writing to a `String` cannot fail.
    let _ = match code {
        _ if short != '\0' => write!(quoted, "\\{short}"),
        0..=0x1f | 0x7f => write!(quoted, "\\x{code:02x}"),
        0..=0xffff => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_print_is_escaped() {
        assert_eq!(quote(b"a\"\n\x01\x7f\xff", false), r#""a\"\n\x01\x7f\xff""#);
        assert_eq!(quote("é\u{ad}😀".as_bytes(), false), "\"é\\u00ad😀\"");
        assert_eq!(quote("é😀".as_bytes(), true), r#""\u00e9\U0001f600""#);
    }
}
