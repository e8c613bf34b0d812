//! Printing a tree as JSON, as Go prints it.
//!
//! Invariant: keys are sorted, `<`, `>` and `&` are escaped; a number that is none any more, or a
//! key that is no string, has no print. What is absent: the layout of the text, apart from whether
//! it had lines.

use super::Refusal;
use super::tree::{Inner, Kind, Style};
use crate::domain::manifest::{Node, Rules, Scalar, ScalarKind, classify};
use serde_json::{Number, Value};
use std::fmt::Write as _;

/// The print of `node`, on one line or indented.
pub(super) fn print(node: &Inner, pretty: bool) -> Result<String, Refusal> {
    let mut out = String::new();
    write(&mut out, node, pretty.then_some(0))?;
    Ok(out)
}

fn write(out: &mut String, node: &Inner, level: Option<usize>) -> Result<(), Refusal> {
    match node.kind {
        Kind::Scalar => match value(node)? {
            // The sign of a zero is kept, other than in objects.
            Value::Number(zero) if zero.as_f64() == Some(0.0) && is_negative(node)? => {
                out.push_str("-0");
            }
            value => write_value(out, &value),
        },
        Kind::Sequence => {
            let items: Vec<(Option<&str>, &Inner)> =
                node.items.iter().map(|item| (None, item)).collect();
            write_items(out, ('[', ']'), &items, level)?;
        }
        Kind::Mapping => {
            let mut items = Vec::with_capacity(node.items.len() / 2);
            for pair in node.items.chunks_exact(2) {
                if kind(&pair[0])? != ScalarKind::Text {
                    return Err(Refusal::impossible("JSON has no keys but strings"));
                }
                items.push((Some(pair[0].text.as_str()), &pair[1]));
            }
            items.sort_by_key(|(key, _)| *key);
            write_items(out, ('{', '}'), &items, level)?;
        }
    }
    Ok(())
}

fn write_items(
    out: &mut String,
    (open, close): (char, char),
    items: &[(Option<&str>, &Inner)],
    level: Option<usize>,
) -> Result<(), Refusal> {
    out.push(open);
    let inner = level.map(|level| level + 1);
    for (index, (key, item)) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        new_line(out, inner);
        if let Some(key) = key {
            write_string(out, key);
            out.push_str(if level.is_some() { ": " } else { ":" });
        }
        write(out, item, inner)?;
    }
    if !items.is_empty() {
        new_line(out, level);
    }
    out.push(close);
    Ok(())
}

fn new_line(out: &mut String, level: Option<usize>) {
    if let Some(level) = level {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    }
}

/// What a scalar reads as after it was printed among brackets.
fn kind(node: &Inner) -> Result<ScalarKind, Refusal> {
    if node.tagged && node.style != Style::Plain && node.meaning != Some(ScalarKind::Text) {
        return Err(Refusal::unsupported("a tag in a string"));
    }
    let found = if node.style != Style::Plain || node.text.contains('\n') {
        ScalarKind::Text
    } else {
        classify(&node.text, Rules::Kustomize)
    };
    match node.meaning {
        Some(ScalarKind::Text) => Ok(ScalarKind::Text),
        // Nothing is written with quotes among brackets.
        None | Some(ScalarKind::Null) if node.text.is_empty() => Ok(ScalarKind::Text),
        None => Ok(found),
        Some(old) if old == found => Ok(found),
        Some(ScalarKind::Float) if found == ScalarKind::Integer => Ok(ScalarKind::Float),
        Some(_) => Err(Refusal::Impossible(format!(
            "`{}` is not of the type of what it replaces",
            node.text
        ))),
    }
}

fn is_negative(node: &Inner) -> Result<bool, Refusal> {
    Ok(node.text.starts_with('-') && kind(node)? == ScalarKind::Float)
}

fn value(node: &Inner) -> Result<Value, Refusal> {
    let scalar = Scalar::new(node.text.clone(), kind(node)?, 0);
    Node::Scalar(scalar)
        .to_json()
        .map_err(|error| Refusal::Impossible(error.to_string()))
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => write_string(out, text),
        Value::Number(number) => write_number(out, number),
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Floats below 1e-6 and from 1e21 on have an exponent, of one digit where one is enough.
fn write_number(out: &mut String, number: &Number) {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        let _ = write!(out, "{number}");
        return;
    };
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{float:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                let _ = write!(out, "{digits}e+{exponent}");
            }
            _ => out.push_str(&text),
        }
    } else {
        let _ = write!(out, "{float}");
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}
