//! Regular expressions, Go's.

use super::super::item::{Item, List, Text};
use super::super::run::{Budget, Fault, Outcome};
use super::super::value::Type;
use super::Parameter::{Int, Text as TextParameter};
use super::{Signature, int, made, made_texts, text};
use crate::domain::pattern::{Pattern, Template};

/// How many patterns one rendering may compile.
const MAX_PATTERNS: usize = 50;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("mustRegexFind", &[TextParameter; 2], find),
    Signature::new(
        "mustRegexFindAll",
        &[TextParameter, TextParameter, Int],
        find_all,
    ),
    Signature::new("mustRegexMatch", &[TextParameter; 2], matches),
    Signature::new("mustRegexReplaceAll", &[TextParameter; 3], replace),
    Signature::new(
        "mustRegexReplaceAllLiteral",
        &[TextParameter; 3],
        replace_literal,
    ),
    Signature::new(
        "mustRegexSplit",
        &[TextParameter, TextParameter, Int],
        split,
    ),
    Signature::new("regexFind", &[TextParameter; 2], find),
    Signature::new(
        "regexFindAll",
        &[TextParameter, TextParameter, Int],
        find_all,
    ),
    Signature::new(
        "regexMatch",
        &[TextParameter; 2],
        |budget, given| match matches(budget, given) {
            Err(Fault::Error(_)) => Ok(Item::Bool(false)),
            outcome => outcome,
        },
    ),
    Signature::new("regexQuoteMeta", &[TextParameter], |budget, given| {
        let mut written = Vec::new();
        for byte in text(given, 0) {
            if b"\\.+*?()|[]{}^$".contains(byte) {
                written.push(b'\\');
            }
            written.push(*byte);
        }
        made(budget, Text::from(written))
    }),
    Signature::new("regexReplaceAll", &[TextParameter; 3], replace),
    Signature::new(
        "regexReplaceAllLiteral",
        &[TextParameter; 3],
        replace_literal,
    ),
    Signature::new("regexSplit", &[TextParameter, TextParameter, Int], split),
];

/// The pattern that is the first argument, and the text that is the second.
fn prepared(budget: &mut Budget, given: &[Item]) -> Outcome<(Pattern, String)> {
    let (pattern, searched) = (Text::from(text(given, 0)), Text::from(text(given, 1)));
    // A text is looked at once for each state that the pattern may be in.
    budget.bytes(searched.len().saturating_mul(1 + pattern.len() / 8))?;
    if let Some(known) = budget.patterns.get(&pattern) {
        return Ok((known.clone(), searched.to_text().into_owned()));
    }
    if budget.patterns.len() >= MAX_PATTERNS {
        let message = format!("more than {MAX_PATTERNS} regular expressions");
        return Err(Fault::Limit(message));
    }
    budget.step(1_000)?;
    let compiled = Pattern::new(&pattern.to_text()).map_err(|error| error.to_string())?;
    budget.patterns.insert(pattern, compiled.clone());
    Ok((compiled, searched.to_text().into_owned()))
}

fn matches(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let (pattern, text) = prepared(budget, given)?;
    Ok(Item::Bool(pattern.matches(&text)))
}

fn find(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let (pattern, text) = prepared(budget, given)?;
    let found = pattern.find_all(&text).next();
    made(budget, found.map_or("", |range| &text[range]))
}

/// How many matches are wanted.
fn limit(given: &[Item]) -> usize {
    usize::try_from(int(given, 2)).unwrap_or(usize::MAX)
}

fn find_all(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let (pattern, text) = prepared(budget, given)?;
    let mut found = Vec::new();
    for range in pattern.find_all(&text).take(limit(given)) {
        budget.items(1)?;
        found.push(&text[range]);
    }
    if found.is_empty() {
        return Ok(Item::List(List::nil(Type::Text)));
    }
    made_texts(budget, found)
}

fn replace(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let (pattern, searched) = prepared(budget, given)?;
    let replacement = Text::from(text(given, 2));
    let template = Template::new(&replacement.to_text(), &pattern);
    let mut expansion = pattern.expansion(&template);
    replaced(budget, &pattern, &searched, |text, at| {
        expansion.expand_at(text, at)
    })
}

fn replace_literal(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let (pattern, searched) = prepared(budget, given)?;
    let replacement = Text::from(text(given, 2)).to_text().into_owned();
    replaced(budget, &pattern, &searched, |_, _| replacement.clone())
}

fn replaced(
    budget: &mut Budget,
    pattern: &Pattern,
    text: &str,
    mut replacement: impl FnMut(&str, usize) -> String,
) -> Outcome<Item> {
    let mut written = String::new();
    let (mut last, mut at) = (0, 0);
    while at <= text.len() {
        let Some(found) = pattern.find_at(text, at) else {
            break;
        };
        budget.items(1)?;
        written.push_str(&text[last..found.start]);
        // Not for an empty match right behind another one.
        if found.end > last || found.start == 0 {
            let new = replacement(text, at);
            budget.bytes(new.len())?;
            written.push_str(&new);
        }
        last = found.end;
        let width = text[at..].chars().next().map_or(1, char::len_utf8);
        at = found.end.max(at + width);
    }
    written.push_str(&text[last.min(text.len())..]);
    made(budget, written)
}

fn split(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let (pattern, text) = prepared(budget, given)?;
    let limit = limit(given);
    if limit == 0 {
        return Ok(Item::List(List::nil(Type::Text)));
    }
    if text.is_empty() && !pattern.text().is_empty() {
        return made_texts(budget, vec![""]);
    }
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in pattern.find_all(&text).take(limit) {
        if parts.len() + 1 == limit {
            break;
        }
        budget.items(1)?;
        end = found.start;
        if found.end != 0 {
            parts.push(&text[begin..end]);
        }
        begin = found.end;
    }
    if end != text.len() {
        parts.push(&text[begin..]);
    }
    made_texts(budget, parts)
}
