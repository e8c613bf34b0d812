//! Strings and floats as Go's YAML library, version 3, writes them.
//!
//! Invariant: the text reads back as the string; it is the library's, byte for byte, for every
//! string without line breaks and every float. What is absent: where the string stands.

use crate::domain::manifest::{Rules, ScalarKind, classify};
use crate::domain::yaml::escape::push_escape;
use crate::domain::yaml::scalar::fits_plain;
use regex::Regex;
use std::sync::LazyLock;

/// A string: plain where that reads back as the string, in single quotes where only its characters
/// are in the way, else in double quotes.
pub(super) fn scalar(text: &str) -> String {
    if text.contains(needs_escape) || is_more_than_text(text) {
        double_quoted(text)
    } else if fits_plain(text, false) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// A float: with an exponent below -4 and from 6 on, also when it is whole.
pub(super) fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}

/// Whether some reader would take it, written plain, for something else.
fn is_more_than_text(text: &str) -> bool {
    [Rules::Kubernetes, Rules::Kustomize]
        .iter()
        .any(|rules| classify(text, *rules) != ScalarKind::Text)
        || SEXAGESIMAL.is_match(text)
}

/// A number to the base 60, which older readers know.
static SEXAGESIMAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
        .expect("the pattern is a constant, and a test uses it")
});

/// What the library does not hold for printable.
fn needs_escape(character: char) -> bool {
    character.is_control()
        || character > '\u{ffff}'
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => push_escape(&mut out, character),
            _ if needs_escape(character) => push_escape(&mut out, character),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `kubectl kustomize` prints the paths of files of these names.
    #[test]
    fn each_string_has_the_style_the_library_gives_it() {
        let plain = "a.yaml ü.yaml -d.yaml = << n.yaml a,b a\\b a'b a:b :a ?a 1.2.3 \u{a0}x";
        for text in plain.split(' ').chain(["a b.yaml", "a [b], {c}"]) {
            assert_eq!(scalar(text), text);
        }
        let single =
            "'q.yaml [z.yaml @a %a {x {x} #c !t &a *b |x >x ? a: \"dq ` --- ... ]x }x ,a - :";
        let spaced = [
            "x: y.yaml",
            "a #b.yaml",
            " lead.yaml",
            "trail.yaml ",
            "? x",
            "--- a",
            "- a",
        ];
        for text in single.split(' ').chain(spaced) {
            assert_eq!(scalar(text), format!("'{}'", text.replace('\'', "''")));
        }
        let double =
            "5 y true 1e3 2024-01-01 null 0x1f 1:20 ~ 0777 0o17 +1 .5 NO On 1_000 .inf -0b1";
        for text in double.split(' ') {
            assert_eq!(scalar(text), format!("\"{text}\""));
        }
    }

    #[test]
    fn each_float_is_as_go_prints_it() {
        for (number, written) in [
            (0.0, "0"),
            (100_000.0, "100000"),
            (1_000_000.0, "1e+06"),
            (-123_456_789.0, "-1.23456789e+08"),
            (9_223_372_036_854_775_807.0, "9.223372036854776e+18"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e300, "1e+300"),
        ] {
            assert_eq!(float(number), written);
        }
    }

    #[test]
    fn what_is_not_printable_is_escaped() {
        for (text, written) in [
            ("tab\tx.yaml", r#""tab\tx.yaml""#),
            ("\u{1f600}.yaml", r#""\U0001F600.yaml""#),
            ("\u{7f}x", r#""\x7Fx""#),
            ("a\u{1}\u{7}\"\\", r#""a\x01\a\"\\""#),
            ("\u{feff}\u{85}", r#""\uFEFF\N""#),
        ] {
            assert_eq!(scalar(text), written);
        }
    }

    #[test]
    fn every_string_reads_back() {
        for code in (1..0x3000)
            .chain(0xe000..0x1_0010)
            .filter_map(char::from_u32)
        {
            for text in [
                format!("{code}"),
                format!("a {code}"),
                format!("{code} a"),
                format!("a{code}a"),
            ] {
                let document = format!("path: {}\n", scalar(&text));
                let origin = crate::domain::kustomize::origin::Origin::parse(&document);
                assert_eq!(origin.map(|origin| origin.path), Ok(text));
            }
        }
    }
}
