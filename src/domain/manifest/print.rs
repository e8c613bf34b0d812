//! Objects to YAML.
//!
//! Invariant: reading the print gives equal objects under both sets of rules; the same objects
//! always print the same bytes. Strings that a reader could take for something else are quoted,
//! text of several lines is a block scalar where YAML allows it.
//! What is absent: the layout of the source file.

use super::Manifest;
use super::node::ScalarKind;
use super::scalar::{Rules, classify};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Prints objects as a stream of documents, each ended by a line feed, divided by `---`.
pub fn to_yaml(manifests: &[Manifest]) -> String {
    let mut out = String::new();
    for (index, manifest) in manifests.iter().enumerate() {
        if index > 0 {
            out.push_str("---\n");
        }
        print_document(&mut out, &manifest.object);
    }
    out
}

fn print_document(out: &mut String, value: &Value) {
    match value {
        Value::Object(object) if !object.is_empty() => print_mapping(out, object, 0),
        Value::Array(items) if !items.is_empty() => print_sequence(out, items, 0),
        leaf => {
            print_leaf(out, leaf, 0);
            out.push('\n');
        }
    }
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

fn print_mapping(out: &mut String, object: &Map<String, Value>, level: usize) {
    for (index, (key, value)) in object.iter().enumerate() {
        if index > 0 || level == 0 {
            indent(out, level);
        }
        print_key(out, key, level);
        out.push(':');
        print_value(out, value, level);
    }
}

/// A key; one too long for the short form gets the long one.
fn print_key(out: &mut String, key: &str, level: usize) {
    if key.len() <= 250 {
        return print_string(out, key, None);
    }
    out.push_str("? ");
    print_quoted(out, key);
    out.push('\n');
    indent(out, level);
}

/// The value after `key:`, with the line feed after it.
fn print_value(out: &mut String, value: &Value, level: usize) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            out.push('\n');
            indent(out, level + 1);
            print_mapping(out, object, level + 1);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            print_sequence(out, items, level);
        }
        leaf => {
            out.push(' ');
            print_leaf(out, leaf, level + 1);
            out.push('\n');
        }
    }
}

fn print_sequence(out: &mut String, items: &[Value], level: usize) {
    for item in items {
        indent(out, level);
        out.push('-');
        match item {
            Value::Object(object) if !object.is_empty() => {
                out.push(' ');
                print_mapping(out, object, level + 1);
            }
            Value::Array(inner) if !inner.is_empty() => {
                out.push('\n');
                print_sequence(out, inner, level + 1);
            }
            leaf => {
                out.push(' ');
                print_leaf(out, leaf, level + 1);
                out.push('\n');
            }
        }
    }
}

fn print_leaf(out: &mut String, value: &Value, level: usize) {
    match value {
        Value::String(text) => print_string(out, text, Some(level)),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Prints a string; `level` is the indentation of a block scalar, `None` where none may stand.
fn print_string(out: &mut String, text: &str, level: Option<usize>) {
    if is_plain(text) {
        out.push_str(text);
    } else if let Some(level) = level.filter(|_| fits_block(text)) {
        print_block(out, text, level);
    } else {
        print_quoted(out, text);
    }
}

fn is_plain(text: &str) -> bool {
    let Some(&first) = text.as_bytes().first() else {
        return false;
    };
    let starts_well = first.is_ascii_alphanumeric() || b"/_$(.+".contains(&first);
    starts_well
        && text.len() <= 1024
        && holds_nothing_special(text)
        && text != "..."
        && [Rules::Kubernetes, Rules::Kustomize]
            .iter()
            .all(|rules| classify(text, *rules) == ScalarKind::Text)
        && (first.is_ascii_alphabetic()
            || super::time::to_rfc3339(text).is_none() && !sexagesimal(text))
}

/// Whether a text is of printable ASCII without `: ` and ` #`, and ends with neither a space nor a colon.
fn holds_nothing_special(text: &str) -> bool {
    let mut before = b'a';
    for byte in text.bytes() {
        let special = matches!((before, byte), (b':', b' ') | (b' ', b'#'));
        if special || !matches!(byte, b' '..=b'~') {
            return false;
        }
        before = byte;
    }
    !matches!(before, b' ' | b':')
}

/// `12:30:45`, which older readers take for a number.
fn sexagesimal(text: &str) -> bool {
    text.contains(':')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'_' | b'+'))
}

/// A block scalar keeps every character only if lines hold nothing that YAML folds or forbids.
fn fits_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && text.lines().all(|line| !line.ends_with(' '))
        && text
            .chars()
            .all(|character| character == '\n' || is_printable(character))
        && !text.trim_end_matches('\n').is_empty()
}

fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

fn print_block(out: &mut String, text: &str, level: usize) {
    let body = text.trim_end_matches('\n');
    let ends = text.len() - body.len();
    out.push_str(match ends {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, level);
            out.push_str(line);
        }
    }
    out.extend(std::iter::repeat_n('\n', ends.saturating_sub(1)));
}

fn print_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            _ if is_printable(character) => out.push(character),
            _ if u32::from(character) <= 0xff => {
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            _ if u32::from(character) <= 0xffff => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => {
                let _ = write!(out, "\\U{:08x}", u32::from(character));
            }
        }
    }
    out.push('"');
}
