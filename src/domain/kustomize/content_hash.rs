//! The suffix that generated objects get from their content.
//!
//! Invariant: the same letters as kustomize v5.8.1: SHA-256 of the content as Go prints JSON, the
//! first ten hexadecimal digits with those that could spell words replaced. The name does not count,
//! because kustomize looks it up at a path that does not exist. What is absent: kinds that are not
//! generated; only a patch that changes the kind leads to one.

use super::resource::Resource;
use crate::domain::manifest::Node;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The suffix for `resource`, without the dash. The error says why there is none.
pub(super) fn suffix(resource: &Resource) -> Result<String, String> {
    let fields: &[&str] = match resource.text("kind") {
        "ConfigMap" => &["binaryData", "data"],
        "Secret" => &["data", "stringData", "type"],
        kind => return Err(format!("the content of kind `{kind}` is not hashed")),
    };
    let mut content = serde_json::Map::new();
    content.insert("kind".to_owned(), resource.text("kind").into());
    content.insert("name".to_owned(), "".into());
    for field in fields {
        let value = match resource.mapping().get(field) {
            Some(Node::Scalar(scalar)) if scalar.text != "null" => {
                Value::from(scalar.text.as_str())
            }
            None | Some(Node::Scalar(_)) => Value::from(""),
            Some(Node::Sequence(_)) => Value::Null,
            Some(mapping) => mapping.to_json().map_err(|error| error.to_string())?,
        };
        let optional = matches!(*field, "binaryData" | "stringData");
        if value.is_object() || !optional {
            content.insert((*field).to_owned(), value);
        }
    }
    let mut text = String::new();
    print(&Value::Object(content), &mut text);
    Ok(letters(&text))
}

fn letters(text: &str) -> String {
    let mut letters = String::with_capacity(10);
    for byte in Sha256::digest(text.as_bytes()).iter().take(5) {
        for digit in [byte >> 4, byte & 15] {
            letters.push(char::from(b"gh2k456789mbcdtf"[usize::from(digit)]));
        }
    }
    letters
}

/// Prints as Go does: keys in order, what HTML minds escaped, numbers of 64 bits with a point.
fn print(value: &Value, text: &mut String) {
    match value {
        Value::Null | Value::Bool(_) => text.push_str(&value.to_string()),
        Value::Number(number) => text.push_str(&go_number(number.as_f64().unwrap_or_default())),
        Value::String(string) => print_string(string, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, text);
                print(item, text);
            }
            text.push(']');
        }
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                separate(index, text);
                print_string(key, text);
                text.push(':');
                print(value, text);
            }
            text.push('}');
        }
    }
}

fn separate(index: usize, text: &mut String) {
    if index > 0 {
        text.push(',');
    }
}

fn go_number(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                format!("{digits}e+{exponent:0>2}")
            }
            _ => text,
        };
    }
    number.to_string()
}

fn print_string(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let done = write!(text, "\\u{:04x}", u32::from(character));
                debug_assert!(done.is_ok(), "writing to a string does not fail");
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::{Rules, Source, documents};

    fn suffix_of(text: &str) -> Result<String, String> {
        let mut parsed = documents("a.yaml", text.as_bytes(), Rules::Kustomize).expect("it parses");
        let source = Source {
            file: "a.yaml".to_owned(),
            line: 1,
        };
        suffix(&Resource::new(parsed.remove(0).root, source))
    }

    /// The letters are what kubectl v1.36.3 (kustomize v5.8.1) puts behind the names.
    #[test]
    fn the_letters_are_kustomizes() {
        let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
        assert_eq!(suffix_of(config), Ok("6ct58987ht".to_owned()));
        let config = format!("{config}data: {{a: '<&>', b: \"x\\ty\\u2028\"}}\n");
        assert_eq!(suffix_of(&config), Ok("7ggh7224kk".to_owned()));
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: Opaque\ndata: {}\n";
        assert_eq!(suffix_of(secret), Ok("46f8b28mk5".to_owned()));
    }

    #[test]
    fn only_generated_kinds_have_letters() {
        let error = suffix_of("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n");
        assert_eq!(
            error,
            Err("the content of kind `Pod` is not hashed".to_owned())
        );
    }

    #[test]
    fn numbers_print_as_in_go() {
        for (number, text) in [
            (0.0, "0"),
            (8080.0, "8080"),
            (1.5, "1.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
        ] {
            assert_eq!(go_number(number), text);
        }
    }
}
