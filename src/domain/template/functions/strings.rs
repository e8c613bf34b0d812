//! Texts: parts, edges, replacing, joining.

use super::super::item::{Item, List, Map, Text, runes};
use super::super::letters::is_space;
use super::super::print::quote;
use super::super::run::{Budget, Outcome};
use super::super::value::{MapType, Type};
use super::Parameter::{Any, Int, Text as TextParameter};
use super::{Signature, any, int, made, made_texts, printed, text, texts};

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::open("cat", &[], Any, |budget, given| {
        let words = not_nil(given);
        let words: Outcome<Vec<Text>> = words.map(|item| printed(budget, item)).collect();
        joined(budget, &words?, b" ")
    }),
    Signature::new("contains", &[TextParameter; 2], |_, given| {
        Ok(Item::Bool(find(text(given, 1), text(given, 0)).is_some()))
    }),
    Signature::new("hasPrefix", &[TextParameter; 2], |_, given| {
        Ok(Item::Bool(text(given, 1).starts_with(text(given, 0))))
    }),
    Signature::new("hasSuffix", &[TextParameter; 2], |_, given| {
        Ok(Item::Bool(text(given, 1).ends_with(text(given, 0))))
    }),
    Signature::new("indent", &[Int, TextParameter], |budget, given| {
        indented(budget, given, b"")
    }),
    Signature::new("join", &[TextParameter, Any], |budget, given| {
        let texts = texts(budget, any(given, 1))?;
        joined(budget, &texts, text(given, 0))
    }),
    Signature::new("nindent", &[Int, TextParameter], |budget, given| {
        indented(budget, given, b"\n")
    }),
    Signature::new(
        "plural",
        &[TextParameter, TextParameter, Int],
        |_, given| {
            let which = usize::from(int(given, 2) != 1);
            Ok(any(given, which).clone())
        },
    ),
    Signature::open("quote", &[], Any, |budget, given| {
        quoted(budget, given, |text| quote(text, false).into_bytes())
    }),
    Signature::new("repeat", &[Int, TextParameter], |budget, given| {
        let count = count(int(given, 0))?;
        budget.bytes(count.saturating_mul(text(given, 1).len()))?;
        Ok(Item::text(text(given, 1).repeat(count)))
    }),
    Signature::new("replace", &[TextParameter; 3], |budget, given| {
        let written = replaced(budget, text(given, 2), text(given, 0), text(given, 1))?;
        Ok(Item::text(written))
    }),
    Signature::new("sortAlpha", &[Any], sorted),
    Signature::new("split", &[TextParameter; 2], |budget, given| {
        let parts = split(budget, text(given, 1), text(given, 0), None)?;
        numbered(budget, parts)
    }),
    Signature::new("splitList", &[TextParameter; 2], |budget, given| {
        let parts = split(budget, text(given, 1), text(given, 0), None)?;
        made_texts(budget, parts)
    }),
    Signature::new(
        "splitn",
        &[TextParameter, Int, TextParameter],
        |budget, given| {
            let most = usize::try_from(int(given, 1)).ok();
            let parts = split(budget, text(given, 2), text(given, 0), most)?;
            numbered(budget, parts)
        },
    ),
    Signature::open("squote", &[], Any, |budget, given| {
        quoted(budget, given, |text| [b"'", text, b"'"].concat())
    }),
    Signature::new("substr", &[Int, Int, TextParameter], |_, given| {
        let (start, end, text) = (int(given, 0), int(given, 1), text(given, 2));
        let whole = text.len() as i64;
        let (from, to) = match (start, end) {
            (start, end) if start < 0 => (0, end),
            (start, end) if end < 0 || end > whole => (start, whole),
            both => both,
        };
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let part = range.and_then(|(from, to)| text.get(from..to));
        let part = part.ok_or("runtime error: slice bounds out of range")?;
        Ok(Item::text(part))
    }),
    Signature::new("toString", &[Any], |budget, given| {
        printed(budget, any(given, 0)).map(Item::Text)
    }),
    Signature::new("toStrings", &[Any], |budget, given| {
        if let Item::List(list) = any(given, 0)
            && *list.of() == Type::Text
        {
            return Ok(any(given, 0).clone());
        }
        let texts = texts(budget, any(given, 0))?;
        made_texts(budget, texts)
    }),
    Signature::new("trim", &[TextParameter], |_, given| {
        Ok(Item::text(trimmed(text(given, 0), is_space)))
    }),
    Signature::new("trimAll", &[TextParameter; 2], trim_all),
    Signature::new("trimall", &[TextParameter; 2], trim_all),
    Signature::new("trimPrefix", &[TextParameter; 2], |_, given| {
        let whole = text(given, 1);
        Ok(Item::text(
            whole.strip_prefix(text(given, 0)).unwrap_or(whole),
        ))
    }),
    Signature::new("trimSuffix", &[TextParameter; 2], |_, given| {
        let whole = text(given, 1);
        Ok(Item::text(
            whole.strip_suffix(text(given, 0)).unwrap_or(whole),
        ))
    }),
    Signature::new("trunc", &[Int, TextParameter], |_, given| {
        let (count, text) = (int(given, 0), text(given, 1));
        let length = text.len() as i64;
        let part = match count {
            count if count < 0 && length + count > 0 => &text[(length + count) as usize..],
            count if count >= 0 && length > count => &text[..count as usize],
            _ => text,
        };
        Ok(Item::text(part))
    }),
];

fn not_nil(given: &[Item]) -> impl Iterator<Item = &Item> {
    given.iter().filter(|item| !item.is_nil())
}

fn count(count: i64) -> Outcome<usize> {
    usize::try_from(count).map_err(|_| "strings: negative Repeat count".into())
}

/// Where a text is in another.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, wanted)
}

fn joined(budget: &mut Budget, texts: &[Text], separator: &[u8]) -> Outcome<Item> {
    let length: usize = texts.iter().map(|text| text.len() + separator.len()).sum();
    budget.bytes(length)?;
    let parts: Vec<&[u8]> = texts.iter().map(|text| &**text).collect();
    Ok(Item::text(parts.join(separator)))
}

fn quoted(budget: &mut Budget, given: &[Item], quote: fn(&[u8]) -> Vec<u8>) -> Outcome<Item> {
    let mut words = Vec::new();
    for item in not_nil(given) {
        let text = printed(budget, item)?;
        budget.bytes(text.len() * 4)?;
        words.push(Text::from(quote(&text)));
    }
    joined(budget, &words, b" ")
}

fn indented(budget: &mut Budget, given: &[Item], before: &[u8]) -> Outcome<Item> {
    let (width, text) = (count(int(given, 0))?, text(given, 1));
    budget.bytes(width.saturating_add(1))?;
    let pad = " ".repeat(width);
    let lines = replaced(budget, text, b"\n", format!("\n{pad}").as_bytes())?;
    made(budget, [before, pad.as_bytes(), &lines].concat())
}

/// The text with every occurrence replaced; nothing occurs around every character.
fn replaced(budget: &mut Budget, text: &[u8], old: &[u8], new: &[u8]) -> Outcome<Vec<u8>> {
    let places: Vec<usize> = match old {
        [] => {
            let starts = runes(text).map(|(at, ..)| at);
            starts.chain([text.len()]).collect()
        }
        _ => memchr::memmem::find_iter(text, old).collect(),
    };
    budget.bytes(text.len() + places.len().saturating_mul(new.len() + size_of::<usize>()))?;
    let mut written = Vec::new();
    let mut last = 0;
    for at in places {
        written.extend_from_slice(&text[last..at]);
        written.extend_from_slice(new);
        last = at + old.len();
    }
    written.extend_from_slice(&text[last..]);
    Ok(written)
}

/// The parts between separators, or between characters; at most so many.
fn split(
    budget: &mut Budget,
    text: &[u8],
    separator: &[u8],
    most: Option<usize>,
) -> Outcome<Vec<Text>> {
    if most == Some(0) {
        return Ok(Vec::new());
    }
    let most = most.unwrap_or(usize::MAX);
    let cuts: Vec<(usize, usize)> = match separator {
        [] => runes(text).skip(1).map(|(at, ..)| (at, at)).collect(),
        _ => memchr::memmem::find_iter(text, separator)
            .map(|at| (at, at + separator.len()))
            .collect(),
    };
    budget.items(cuts.len())?;
    if separator.is_empty() && text.is_empty() {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    let mut last = 0;
    for (from, to) in cuts.into_iter().take(most - 1) {
        parts.push(Text::from(&text[last..from]));
        last = to;
    }
    parts.push(Text::from(&text[last..]));
    Ok(parts)
}

/// Parts by their numbers: `_0`, `_1`.
fn numbered(budget: &mut Budget, parts: Vec<Text>) -> Outcome<Item> {
    budget.items(parts.len() * 2)?;
    let map = Map::new(MapType::new(Type::Text, Type::Text));
    for (number, part) in parts.into_iter().enumerate() {
        map.insert(Item::text(format!("_{number}")), Item::Text(part));
    }
    Ok(Item::Map(map))
}

fn sorted(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    match any(given, 0) {
        Item::List(list) => {
            budget.items(list.len())?;
            budget.step(list.len() * 8)?;
            let list = if *list.of() == Type::Text {
                list.clone()
            } else {
                let texts = texts(budget, any(given, 0))?;
                List::new(Type::Text, texts.into_iter().map(Item::Text).collect())
            };
            list.sort_texts();
            Ok(Item::List(list))
        }
        other => {
            let text = printed(budget, other)?;
            made_texts(budget, vec![text])
        }
    }
}

fn trimmed(text: &[u8], goes: impl Fn(char) -> bool) -> &[u8] {
    let stays = |(_, character, _): &(usize, char, usize)| !goes(*character);
    let Some((from, ..)) = runes(text).find(&stays) else {
        return &[];
    };
    let last = runes(text).filter(stays).last();
    let to = last.map_or(text.len(), |(at, _, width)| at + width);
    &text[from..to]
}

fn trim_all(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let (edges, whole) = (text(given, 0), text(given, 1));
    budget.bytes(whole.len().saturating_mul(edges.len() / 8 + 1))?;
    let edges: Vec<char> = runes(edges).map(|(_, character, _)| character).collect();
    Ok(Item::text(trimmed(whole, |character| {
        edges.contains(&character)
    })))
}
