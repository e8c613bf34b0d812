//! Characters of double-quoted YAML as the Go library that Flux and kustomize stand on escapes them.
//!
//! Invariant: the shortest form that YAML 1.1 has, and upper-case digits where it has none. What is absent: which characters
//! are escaped; the library's writers differ in that.

use std::fmt::Write;

/// Appends the escape of `character`, its backslash included.
pub fn push_escape(out: &mut String, character: char) {
    let short = match character {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => character,
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => return push_code(out, u32::from(character)),
    };
    out.push('\\');
    out.push(short);
}

fn push_code(out: &mut String, code: u32) {
    let written = match code {
        0..=0xff => write!(out, "\\x{code:02X}"),
        0x100..=0xffff => write!(out, "\\u{code:04X}"),
        _ => write!(out, "\\U{code:08X}"),
    };
    debug_assert!(written.is_ok(), "writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of YAML 1.1, section 5.6 (`\/` and an escaped space are no need of a writer).
    #[test]
    fn every_escape_is_that_of_the_specification() {
        for (character, expected) in [
            ('\0', "\\0"),
            ('\u{7}', "\\a"),
            ('\u{8}', "\\b"),
            ('\t', "\\t"),
            ('\n', "\\n"),
            ('\u{b}', "\\v"),
            ('\u{c}', "\\f"),
            ('\r', "\\r"),
            ('\u{1b}', "\\e"),
            ('"', "\\\""),
            ('\\', "\\\\"),
            ('\u{85}', "\\N"),
            ('\u{a0}', "\\_"),
            ('\u{2028}', "\\L"),
            ('\u{2029}', "\\P"),
            ('\u{1}', "\\x01"),
            ('\u{9f}', "\\x9F"),
            ('\u{feff}', "\\uFEFF"),
            ('\u{1f600}', "\\U0001F600"),
        ] {
            let mut out = String::new();
            push_escape(&mut out, character);
            assert_eq!(out, expected);
        }
    }
}
