//! What a plain scalar means: the two sets of rules Kubernetes tools read YAML with.
//!
//! [`Rules::Kubernetes`] is what `kubectl apply` and the API machinery do (YAML 1.1: `yes` is
//! true, `0777` is 511, a date is a string). [`Rules::Kustomize`] is what `kustomize build` does
//! with resources (`yes` is a string, `0o777` is 511, a date becomes an RFC 3339 string).
//! Invariant: the same text under the same rules always has the same kind and value, and a number
//! that is whole and fits 64 bits is an integer in JSON, however it was written.
//! What is absent: sexagesimal numbers, which neither reads.

use super::node::{Scalar, ScalarKind};
use base64::Engine as _;
use serde_json::{Number, Value};
use thiserror::Error;

/// Whose reading of YAML applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// YAML 1.1 as the Kubernetes API machinery reads manifests.
    Kubernetes,
    /// As kustomize reads resources and patches.
    Kustomize,
}

/// Why a scalar, or what it is in, has no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScalarError {
    /// JSON has no infinity and no not-a-number.
    #[error("line {line}: `{text}` is not a number that JSON can hold")]
    NotFinite {
        /// The text.
        text: String,
        /// Its line.
        line: u32,
    },
    /// A mapping cannot have a key twice.
    #[error("line {line}: the key `{key}` occurs twice in one mapping")]
    RepeatedKey {
        /// The key.
        key: String,
        /// The line where it occurs again.
        line: u32,
    },
    /// The explicit tag does not fit the text.
    #[error("line {line}: `{text}` cannot be read as `!!{tag}`")]
    WrongTag {
        /// The text.
        text: String,
        /// The tag's name without `!!`.
        tag: String,
        /// Its line.
        line: u32,
    },
}

impl ScalarError {
    /// Where it is, counted from 1.
    pub fn line(&self) -> u32 {
        match self {
            Self::NotFinite { line, .. }
            | Self::RepeatedKey { line, .. }
            | Self::WrongTag { line, .. } => *line,
        }
    }

    /// What is wrong, without the line.
    pub fn reason(&self) -> String {
        let words = self.to_string();
        let behind = words.split_once(": ").map(|(_, reason)| reason.to_owned());
        behind.unwrap_or(words)
    }
}

/// Classifies a plain scalar without a tag.
pub fn classify(text: &str, rules: Rules) -> ScalarKind {
    let Some(&first) = text.as_bytes().first() else {
        return ScalarKind::Null;
    };
    match text {
        "~" | "null" | "Null" | "NULL" => return ScalarKind::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return ScalarKind::Bool,
        _ if rules == Rules::Kubernetes && old_boolean(text).is_some() => return ScalarKind::Bool,
        _ => {}
    }
    match first {
        b'.' if not_finite(text).is_some() || dotted_float(text).is_some() => ScalarKind::Float,
        b'+' | b'-' | b'0'..=b'9' => numeric(text, rules),
        _ => ScalarKind::Text,
    }
}

fn numeric(text: &str, rules: Rules) -> ScalarKind {
    if not_finite(text).is_some() {
        ScalarKind::Float
    } else if super::time::to_rfc3339(text).is_some() {
        match rules {
            Rules::Kustomize => ScalarKind::Timestamp,
            Rules::Kubernetes => ScalarKind::Text,
        }
    } else if integer(text).is_some() {
        ScalarKind::Integer
    } else if float(text).is_some() {
        ScalarKind::Float
    } else {
        ScalarKind::Text
    }
}

/// Whether a string must be quoted to read as the same string.
pub(super) fn needs_quotes(text: &str) -> bool {
    classify(text, Rules::Kubernetes) != ScalarKind::Text
        || classify(text, Rules::Kustomize) != ScalarKind::Text
        || text.starts_with(|first: char| "-?:,[]{}#&*!|>'\"%@` ".contains(first))
        || text.ends_with([' ', ':'])
        || text.contains(": ")
        || text.contains(" #")
        || text.chars().any(char::is_control)
}

/// The scalar for `text` under an explicit core tag (`str`, `int`, …).
///
/// # Errors
/// [`ScalarError::WrongTag`] when the text is nothing of that kind.
pub fn tagged(text: String, tag: &str, rules: Rules, line: u32) -> Result<Scalar, ScalarError> {
    let found = classify(&text, rules);
    let kind = match (tag, found) {
        ("str", _) => ScalarKind::Text,
        ("null", ScalarKind::Null) => ScalarKind::Null,
        ("bool", ScalarKind::Bool) => ScalarKind::Bool,
        ("int", ScalarKind::Integer) => ScalarKind::Integer,
        ("float", ScalarKind::Integer | ScalarKind::Float) => ScalarKind::Float,
        ("timestamp", ScalarKind::Timestamp) => ScalarKind::Timestamp,
        ("timestamp", ScalarKind::Text) if super::time::to_rfc3339(&text).is_some() => {
            ScalarKind::Text
        }
        ("binary", _) => match decode_binary(&text) {
            Some(text) => {
                return Ok(Scalar::new(text, ScalarKind::Text, line));
            }
            None => return Err(wrong_tag(text, tag, line)),
        },
        ("null" | "bool" | "int" | "float" | "timestamp", _) => {
            return Err(wrong_tag(text, tag, line));
        }
        _ => ScalarKind::Text,
    };
    Ok(Scalar::new(text, kind, line))
}

fn wrong_tag(text: String, tag: &str, line: u32) -> ScalarError {
    ScalarError::WrongTag {
        text,
        tag: tag.to_owned(),
        line,
    }
}

fn decode_binary(text: &str) -> Option<String> {
    let packed: String = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(packed)
        .ok()?;
    String::from_utf8(bytes).ok()
}

/// The JSON value of a classified scalar.
pub(super) fn to_json(scalar: &Scalar) -> Result<Value, ScalarError> {
    let text = scalar.text.as_str();
    let wrong = |tag| wrong_tag(text.to_owned(), tag, scalar.line);
    match scalar.meaning() {
        ScalarKind::Null if classify(text, Rules::Kustomize) == ScalarKind::Null => Ok(Value::Null),
        ScalarKind::Null => Err(wrong("null")),
        ScalarKind::Bool => boolean(text).map(Value::Bool).ok_or_else(|| wrong("bool")),
        ScalarKind::Integer => integer(text).map(Value::Number).ok_or_else(|| wrong("int")),
        ScalarKind::Float => {
            let whole = integer(text).and_then(|whole| whole.as_f64());
            let value = whole
                .or_else(|| float(text))
                .or_else(|| dotted_float(text))
                .or_else(|| not_finite(text))
                .ok_or_else(|| wrong("float"))?;
            from_f64(value)
                .map(Value::Number)
                .ok_or_else(|| ScalarError::NotFinite {
                    text: text.to_owned(),
                    line: scalar.line,
                })
        }
        ScalarKind::Timestamp => super::time::to_rfc3339(text)
            .map(Value::String)
            .ok_or_else(|| wrong("timestamp")),
        ScalarKind::Text | ScalarKind::Untagged => Ok(Value::String(text.to_owned())),
    }
}

/// The number as JSON prints it: whole numbers below 1e21 have no fraction and no exponent.
/// `None` when it is not finite.
pub fn from_f64(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() < 1e21 {
        let digits = format!("{value}");
        if let Ok(whole) = digits.parse::<i64>() {
            return Some(whole.into());
        }
        if let Ok(whole) = digits.parse::<u64>() {
            return Some(whole.into());
        }
    }
    Number::from_f64(value)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => old_boolean(text),
    }
}

fn old_boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn not_finite(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// `.5`, `.5e3`: digits after a dot, and nothing that only looks like it.
fn dotted_float(text: &str) -> Option<f64> {
    let rest = text.strip_prefix('.')?;
    rest.starts_with(|character: char| character.is_ascii_digit())
        .then(|| finite(text))
        .flatten()
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Sign, digits with at most one dot, exponent; underscores are ignored.
fn float(text: &str) -> Option<f64> {
    let plain = without_underscores(text);
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits =
        digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    (exponent_fits && mantissa_fits)
        .then(|| finite(&plain))
        .flatten()
}

fn without_underscores(text: &str) -> String {
    text.replace('_', "")
}

/// Base prefixes `0x`, `0o`, `0b`, a leading zero for octal; 64 bits, signed or not.
fn integer(text: &str) -> Option<Number> {
    let plain = without_underscores(text);
    let (negative, unsigned) = match plain.as_bytes().first()? {
        b'-' => (true, &plain[1..]),
        b'+' => (false, &plain[1..]),
        _ => (false, plain.as_str()),
    };
    let signed = plain.starts_with(['+', '-']);
    let (radix, digits) = split_radix(unsigned);
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        let value = i64::try_from(-i128::from(magnitude)).ok()?;
        return Some(value.into());
    }
    if signed && i64::try_from(magnitude).is_err() {
        return None;
    }
    Some(magnitude.into())
}

fn split_radix(unsigned: &str) -> (u32, &str) {
    for (prefix, radix) in [
        ("0x", 16),
        ("0X", 16),
        ("0o", 8),
        ("0O", 8),
        ("0b", 2),
        ("0B", 2),
    ] {
        if let Some(digits) = unsigned.strip_prefix(prefix) {
            return (radix, digits);
        }
    }
    match unsigned.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => (8, digits),
        _ => (10, unsigned),
    }
}
