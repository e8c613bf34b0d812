//! What the operators do with a value.
//!
//! Invariant: lengths and positions count bytes, as Flux counts them; a result is text, and no
//! longer than [`LIMIT`]. What is absent: which variable it is.

use super::TemplateError;
use super::glob::{Steps, Stop, matches};

/// The most bytes that one template may become, and each value on the way.
pub(super) const LIMIT: usize = 16 << 20;

/// Applies an operator. One that is not listed puts the argument in the place of an empty value.
pub(super) fn apply(
    operator: &str,
    value: &str,
    arguments: &[String],
    steps: &mut Steps,
) -> Result<String, TemplateError> {
    match (operator, arguments) {
        ("#", []) => Ok(value.len().to_string()),
        (",", _) => Ok(first(value, lower)),
        ("^", _) => Ok(first(value, upper)),
        (",,", _) => bounded(value.chars().map(lower).collect()),
        ("^^", _) => bounded(value.chars().map(upper).collect()),
        (":", [position, length @ ..]) => substring(value, position, length.first()),
        ("#", [pattern, ..]) => shortest(value.as_bytes(), pattern.as_bytes(), steps),
        ("##", [pattern, ..]) => longest(value.as_bytes(), pattern.as_bytes(), steps),
        ("%", [pattern, ..]) => {
            let rest = shortest(
                reversed(value).as_bytes(),
                reversed(pattern).as_bytes(),
                steps,
            )?;
            Ok(reversed(&rest))
        }
        ("%%", [pattern, ..]) => {
            let rest = longest(
                reversed(value).as_bytes(),
                reversed(pattern).as_bytes(),
                steps,
            )?;
            Ok(reversed(&rest))
        }
        ("/", [old, new @ ..]) => replace(value, old, text(new), 1),
        ("//", [old, new @ ..]) => replace(value, old, text(new), usize::MAX),
        ("/#", [old, new]) if value.starts_with(old.as_str()) => replace(value, old, new, 1),
        ("/%", [old, new]) => match value.strip_suffix(old.as_str()) {
            Some(stem) => bounded(format!("{stem}{new}")),
            None => Ok(value.to_owned()),
        },
        ("/#" | "/%", _) => Ok(value.to_owned()),
        _ if value.is_empty() => bounded(arguments.concat()),
        _ => Ok(value.to_owned()),
    }
}

fn text(argument: &[String]) -> &str {
    argument.first().map_or("", String::as_str)
}

fn bounded(text: String) -> Result<String, TemplateError> {
    match text.len() > LIMIT {
        true => Err(too_large()),
        false => Ok(text),
    }
}

pub(super) fn too_large() -> TemplateError {
    TemplateError::TooLarge {
        what: "the text would have more than 16 MiB",
    }
}

fn replace(value: &str, old: &str, new: &str, times: usize) -> Result<String, TemplateError> {
    let found = match old {
        "" => value.chars().count() + 1,
        old => value.matches(old).count(),
    };
    let grown = found.min(times).saturating_mul(new.len());
    if value.len().saturating_add(grown) > LIMIT {
        return Err(too_large());
    }
    Ok(value.replacen(old, new, times))
}

/// Bytes from a position on; both numbers may count from the end. What is no number changes nothing.
fn substring(
    value: &str,
    position: &str,
    length: Option<&String>,
) -> Result<String, TemplateError> {
    let whole = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let Ok(position) = position.parse::<i64>() else {
        return Ok(value.to_owned());
    };
    let start = match position {
        0.. => position,
        _ => whole.saturating_add(position).max(0),
    };
    let end = match length.map(|length| length.parse::<i64>()) {
        None => whole,
        Some(Err(_)) => return Ok(value.to_owned()),
        Some(Ok(length @ 0..)) => start.saturating_add(length).min(whole),
        Some(Ok(length)) => whole.saturating_add(length),
    };
    let index = |position: i64| usize::try_from(position).ok();
    match (index(start), index(end)) {
        (Some(start), Some(end)) if start < end => cut(&value.as_bytes()[start..end]),
        _ => Ok(String::new()),
    }
}

fn cut(bytes: &[u8]) -> Result<String, TemplateError> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| TemplateError::CutCharacter)
}

/// Without the shortest beginning that matches.
fn shortest(value: &[u8], pattern: &[u8], steps: &mut Steps) -> Result<String, TemplateError> {
    // Flux tries every beginning, so a fault of the pattern counts wherever it shows.
    let mut found = 0;
    for end in (1..=value.len()).rev() {
        match matches(pattern, &value[..end], steps) {
            Ok(true) => found = end,
            Ok(false) => {}
            Err(Stop::Pattern) => return cut(value),
            Err(stop) => return Err(stop.into()),
        }
    }
    cut(&value[found..])
}

/// Without the longest beginning that matches.
fn longest(value: &[u8], pattern: &[u8], steps: &mut Steps) -> Result<String, TemplateError> {
    for end in (1..=value.len()).rev() {
        match matches(pattern, &value[..end], steps) {
            Ok(true) => return cut(&value[end..]),
            Ok(false) => {}
            Err(Stop::Pattern) => return cut(value),
            Err(stop) => return Err(stop.into()),
        }
    }
    cut(value)
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn first(value: &str, change: fn(char) -> char) -> String {
    let mut characters = value.chars();
    match characters.next() {
        None => String::new(),
        Some(character) => std::iter::once(change(character))
            .chain(characters)
            .collect(),
    }
}

/// The one character Unicode maps to without looking around; `İ` is the only one that has another.
fn lower(character: char) -> char {
    let mut mapped = character.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ if character == 'İ' => 'i',
        _ => character,
    }
}

/// The same upwards; Greek letters with an iota below them have a form of their own.
fn upper(character: char) -> char {
    let mut mapped = character.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => {
            let shift = match character {
                '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => 8,
                '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
                _ => 0,
            };
            char::from_u32(u32::from(character) + shift).unwrap_or(character)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(operator: &str, value: &str, arguments: &[&str]) -> Result<String, TemplateError> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        apply(operator, value, &arguments, &mut Steps::default())
    }

    #[test]
    fn operators_do_what_a_shell_does() {
        for (operator, value, arguments, expected) in [
            ("#", "häuser", &[][..], "7"),
            ("^", "abc", &[], "Abc"),
            ("^^", "straße", &[], "STRAßE"),
            (",", "ABC", &[], "aBC"),
            (",,", "ABC", &[], "abc"),
            (":", "abcdef", &["2"], "cdef"),
            (":", "abcdef", &["-2"], "ef"),
            (":", "abcdef", &["1", "2"], "bc"),
            (":", "abcdef", &["1", "-1"], "bcde"),
            (":", "abcdef", &["4", "-4"], ""),
            (":", "abcdef", &["9"], ""),
            (":", "abcdef", &["1", "9223372036854775807"], "bcdef"),
            (":", "abcdef", &["x"], "abcdef"),
            ("#", "a/b/c", &["*/"], "b/c"),
            ("##", "a/b/c", &["*/"], "c"),
            ("%", "a/b/c", &["/*"], "a/b"),
            ("%%", "a/b/c", &["/*"], "a"),
            ("/", "aXbX", &["X", "-"], "a-bX"),
            ("//", "aXbX", &["X"], "ab"),
            ("/#", "XaX", &["X", "-"], "-aX"),
            ("/%", "XaX", &["X", "-"], "Xa-"),
            (":-", "", &["a", "b"], "ab"),
            (":+", "x", &["a"], "x"),
            (",^", "abc", &[], "abc"),
        ] {
            let result = done(operator, value, arguments);
            assert_eq!(
                result.as_deref(),
                Ok(expected),
                "{value}{operator}{arguments:?}"
            );
        }
    }

    #[test]
    fn a_cut_through_a_character_is_refused() {
        assert_eq!(done(":", "é", &["1"]), Err(TemplateError::CutCharacter));
        assert_eq!(done("#", "éa", &["?"]), Err(TemplateError::CutCharacter));
    }

    #[test]
    fn the_work_for_a_pattern_has_a_bound() {
        let long = "a".repeat(100_000);
        let result = done("##", &long, &["*a*b"]);
        assert!(matches!(result, Err(TemplateError::TooLarge { .. })));
    }

    #[test]
    fn text_that_grows_has_a_bound() {
        let long = "a".repeat(1 << 20);
        assert_eq!(done("//", &long, &["a", &long]), Err(too_large()));
        assert_eq!(done("//", &long, &["", &long]), Err(too_large()));
    }
}
