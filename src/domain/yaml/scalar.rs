//! How a string is written as a YAML scalar so that every reader gets that string back.
//!
//! Readers disagree: YAML 1.1 makes `yes`, `0777`, `1_000`, `12:30:45` and `2024-06-27` something else than strings, YAML 1.2
//! makes `0o17` and `1e3` numbers. A plain scalar is only used when no reader of either kind sees more than a string in it.
//!
//! Invariant: the text of [`encode`] holds no line break, and read back in its style it is the value.
//! What is absent: where the scalar stands in a file, beyond whether a flow collection encloses it.

use granit_parser::ScalarStyle;
use regex::Regex;
use std::sync::LazyLock;

/// What surrounds the scalar that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Whether a flow collection (`[..]` or `{..}`) encloses it, where `,[]{}` end a plain scalar.
    pub flow: bool,
    /// Whether a tag already says that it is a string.
    pub tagged_string: bool,
}

/// A scalar as it goes into the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// What to write, with quotes; for a block scalar the content of its one line.
    pub text: String,
    /// The style it is then read in.
    pub style: ScalarStyle,
}

/// Writes a value in an old scalar's style where that can hold it: a plain scalar becomes double-quoted when plain would be
/// read as something else, a single-quoted one when the value needs escapes.
///
/// `None`: a block scalar's line cannot hold the value (it has line breaks or other characters that need an escape, begins
/// with a blank or is empty).
pub fn encode(value: &str, style: ScalarStyle, surroundings: Surroundings) -> Option<Encoded> {
    let (text, style) = match style {
        ScalarStyle::Plain
            if fits_plain(value, surroundings.flow)
                && (surroundings.tagged_string || reads_as_string(value)) =>
        {
            (value.to_owned(), ScalarStyle::Plain)
        }
        ScalarStyle::SingleQuoted if !value.contains(needs_escape) => (
            format!("'{}'", value.replace('\'', "''")),
            ScalarStyle::SingleQuoted,
        ),
        ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            (double_quoted(value), ScalarStyle::DoubleQuoted)
        }
        ScalarStyle::Literal | ScalarStyle::Folded => {
            let fits = !value.is_empty()
                && !value.starts_with([' ', '\t'])
                && !value.contains(needs_escape);
            return fits.then(|| Encoded {
                text: value.to_owned(),
                style,
            });
        }
    };
    Some(Encoded { text, style })
}

/// What a single-quoted or plain scalar cannot hold on one line for every reader: all that is not printable, and the line
/// breaks of YAML 1.1 (NEL, LS, PS), the byte-order mark, and the tab to be on the safe side.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

fn double_quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if needs_escape(c) && u32::from(c) <= 0xff => {
                text.push_str(&format!("\\x{:02x}", u32::from(c)))
            }
            c if needs_escape(c) => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Whether a value survives being written without quotes, whatever type a reader then gives it.
pub fn fits_plain(value: &str, flow: bool) -> bool {
    let Some(first) = value.chars().next() else {
        return false;
    };
    let second = value[first.len_utf8()..].chars().next();
    let starts_well = match first {
        '-' | '?' | ':' => second.is_some_and(|c| c != ' ' && !(flow && is_flow_indicator(c))),
        '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' | '[' | ']' | '{'
        | '}' | ',' => false,
        _ => true,
    };
    starts_well
        && !value.starts_with("---")
        && !value.starts_with("...")
        && !value.starts_with(' ')
        && !value.ends_with([' ', ':'])
        && !value.contains(": ")
        && !value.contains(" #")
        && !value.contains(needs_escape)
        && !(flow && (value.contains(is_flow_indicator)))
}

fn is_flow_indicator(c: char) -> bool {
    matches!(c, ',' | '[' | ']' | '{' | '}')
}

/// Everything that YAML 1.1 or 1.2, or a reader known to go by a mix of both (Go's, Python's, Ruby's), resolves to something
/// else than a string. Wider than each of them: quotes too many harm nobody.
static NOT_A_STRING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?xi) ^ (?:",
        r"  ~ | null | true | false | yes | no | on | off | y | n | = | <<",
        r"| [-+]? \. (?: inf | nan )",
        // Decimal integers and floats, with underscores and exponents.
        r"| [-+]? [0-9_]* [0-9] [0-9_]* (?: \. [0-9_]* )? (?: e [-+]? [0-9_]+ )?",
        r"| [-+]? \. [0-9_]+ (?: e [-+]? [0-9_]+ )?",
        // Binary, octal and hexadecimal integers; Go also takes underscores after the prefix.
        r"| [-+]? [0_]+ (?: x [0-9a-f_]+ | o [0-7_]+ | b [01_]+ )",
        // Base 60, as in 12:30:45.
        r"| [-+]? [0-9_]+ (?: : [0-5]? [0-9] )+ (?: \. [0-9_]* )?",
        // Dates, and timestamps whatever comes after the date.
        r"| [0-9]{4} - [0-9]{1,2} - [0-9]{1,2} (?: (?: t | [\x20\t]+ ) .* )?",
        r") $",
    ))
    .expect("the pattern is a constant, and a test uses it")
});

/// Whether every reader takes the value, written plain, for a string.
pub fn reads_as_string(value: &str) -> bool {
    !value.is_empty() && !NOT_A_STRING.is_match(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use granit_parser::Event;
    use proptest::prelude::*;

    #[test]
    fn what_any_reader_resolves_is_not_a_string() {
        let words = "~ null Null NULL true True FALSE yes Yes no NO on Off y N = << .inf -.Inf +.INF .nan .NaN";
        let numbers = "0 1 -1 +12 08 0123 0777 1_000 0_1 1.28 1. .5 -.5 1e3 1E3 1e+3 1.5e-3 12e5 0123e5 1e500 20240627 \
                       1719446400 0x1F 0X1f -0x1f 0o17 0O17 0b11 0B1_0 0_x1F 12:30:45 1:30 190:20:30.15";
        let dates = "2001-01-01 2024-6-7 2001-12-14t21:59:43.10-05:00 2001-12-15T02:59:43Z";
        for value in [words, numbers, dates]
            .iter()
            .flat_map(|row| row.split_whitespace())
        {
            assert!(!reads_as_string(value), "{value:?}");
        }
        assert!(!reads_as_string(""));
        assert!(!reads_as_string("2001-12-14 21:59:43.10 -5"));
    }

    #[test]
    fn tags_and_references_are_strings() {
        let values = "v1.2.3 1.2.3 1.28.0 1.2.3-rc.1 latest main-abc1234-1719446400 ghcr.io/acme/app:1.28 1.2.3e5 \
                      sha256:0123456789abcdef 2024-06-27-build 2024.06.27 1.2.3.4 1e3f 0x1G yess nul host:5000/app:1 \
                      1.28-alpine a1 _ 1-2 0.0.0.0:80/x v1 e3 x1f";
        for value in values.split_whitespace() {
            assert!(reads_as_string(value), "{value:?}");
        }
    }

    #[test]
    fn indicators_and_their_neighbours_do_not_fit_plain() {
        let words =
            "a: #a &a *a !a |a >a 'a \"a %a @a `a [a {a ]a }a ,a - --- ... [::1]:5000/app:1";
        let spaced = ["", " a", "a ", "a: b", "a #b", "- a", "? a", ": a", "--- a"];
        let unprintable = ["a\nb", "a\tb", "a\u{85}b", "a\u{2028}b", "\u{feff}a"];
        for value in words.split(' ').chain(spaced).chain(unprintable) {
            assert!(!fits_plain(value, false), "{value:?}");
            assert!(!fits_plain(value, true), "{value:?}");
        }
        for value in ["a,b", "a[b]", "a{b", "a}", "-,"] {
            assert!(fits_plain(value, false), "{value:?}");
            assert!(!fits_plain(value, true), "{value:?}");
        }
        for value in [
            "-a",
            "?a",
            ":a",
            "a:b",
            "a#b",
            "a'b",
            "a\"b",
            "a@sha256:0",
            "é",
            "a b",
            "--",
        ] {
            assert!(fits_plain(value, true), "{value:?}");
        }
    }

    #[test]
    fn a_value_keeps_the_quotes_of_the_old_scalar() {
        let plain_text = Surroundings {
            flow: false,
            tagged_string: false,
        };
        let encoded = |value, style| encode(value, style, plain_text).map(|e| e.text);
        use ScalarStyle::{DoubleQuoted, Folded, Literal, Plain, SingleQuoted};
        assert_eq!(encoded("v1", Plain).as_deref(), Some("v1"));
        assert_eq!(encoded("1.28", Plain).as_deref(), Some("\"1.28\""));
        assert_eq!(encoded("1.28", SingleQuoted).as_deref(), Some("'1.28'"));
        assert_eq!(encoded("it's", SingleQuoted).as_deref(), Some("'it''s'"));
        assert_eq!(encoded("a\nb", SingleQuoted).as_deref(), Some("\"a\\nb\""));
        assert_eq!(
            encoded("a\\\"b", DoubleQuoted).as_deref(),
            Some("\"a\\\\\\\"b\"")
        );
        assert_eq!(
            encoded("\u{1}\u{85}\u{2028}\u{feff}", Plain).as_deref(),
            Some("\"\\x01\\x85\\u2028\\ufeff\"")
        );
        assert_eq!(encoded("1.28", Literal).as_deref(), Some("1.28"));
        for value in ["", " a", "a\nb", "\u{feff}"] {
            assert_eq!(encoded(value, Literal), None, "{value:?}");
            assert_eq!(encoded(value, Folded), None, "{value:?}");
        }
    }

    #[test]
    fn a_tag_that_says_string_needs_no_quotes() {
        let tagged = Surroundings {
            flow: false,
            tagged_string: true,
        };
        let encoded = encode("1.28", ScalarStyle::Plain, tagged).map(|e| e.text);
        assert_eq!(encoded.as_deref(), Some("1.28"));
    }

    /// Reads the one value of a one-entry mapping or sequence back.
    fn read_back(text: &str) -> Option<(String, ScalarStyle)> {
        let mut scalars = Vec::new();
        for event in crate::domain::yaml::events(text) {
            if let (Event::Scalar(value, style, ..), _) = event.ok()? {
                scalars.push((value.into_owned(), style));
            }
        }
        (scalars.len() == 2).then(|| scalars.pop()).flatten()
    }

    proptest! {
        #[test]
        fn every_value_is_read_back(
            value in prop_oneof![
                any::<String>(),
                "[-?:,\\[\\]{}#&*!|>'\"%@` a1.]{0,6}",
                "[a-z0-9./:@-]{1,20}",
            ],
            style in prop::sample::select(vec![ScalarStyle::Plain, ScalarStyle::SingleQuoted, ScalarStyle::DoubleQuoted]),
            flow in any::<bool>(),
        ) {
            let encoded = encode(&value, style, Surroundings { flow, tagged_string: false });
            let Some(encoded) = encoded else { return Err(TestCaseError::fail("a flow scalar holds every value")) };
            prop_assert!(!encoded.text.contains(['\n', '\r']));
            let text = if flow { format!("{{k: {} }}", encoded.text) } else { format!("k: {} # c\n", encoded.text) };
            prop_assert_eq!(read_back(&text), Some((value, encoded.style)), "{:?}", text);
        }

        #[test]
        fn every_value_a_block_scalar_takes_is_read_back(value in any::<String>(), folded in any::<bool>()) {
            let style = if folded { ScalarStyle::Folded } else { ScalarStyle::Literal };
            let surroundings = Surroundings { flow: false, tagged_string: false };
            if let Some(encoded) = encode(&value, style, surroundings) {
                let text = format!("k: {}-\n  {}\n", if folded { '>' } else { '|' }, encoded.text);
                prop_assert_eq!(read_back(&text), Some((value, style)), "{:?}", text);
            }
        }

        #[test]
        fn a_value_that_reads_as_a_string_is_one_to_an_independent_reader(value in "[-+0-9a-fox_.:e~ynTZ]{1,12}") {
            if reads_as_string(&value) && fits_plain(&value, false) {
                for legacy in [false, true] {
                    let options = serde_saphyr::options! { legacy_octal_numbers: legacy };
                    let text = format!("k: {value}\n");
                    let read: serde_json::Value = serde_saphyr::from_str_with_options(&text, options)
                        .map_err(|error| TestCaseError::fail(error.to_string()))?;
                    prop_assert_eq!(&read["k"], &serde_json::Value::String(value.clone()));
                }
            }
        }
    }
}
