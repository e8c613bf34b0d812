//! Texts in lines of a width, and abbreviated ones. Widths are bytes, as in the library that Sprig uses.

use super::super::item::{Item, Text};
use super::super::letters::is_space;
use super::super::run::{Budget, Outcome};
use super::Parameter::{Int, Text as TextParameter};
use super::{Signature, int, made, text};

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("abbrev", &[Int, TextParameter], |budget, given| {
        let (width, text) = (int(given, 0), text(given, 1));
        if width < 4 {
            return Ok(Item::text(text));
        }
        made(budget, Text::from(abbreviated(text, 0, width)))
    }),
    Signature::new("abbrevboth", &[Int, Int, TextParameter], |budget, given| {
        let (left, right, text) = (int(given, 0), int(given, 1), text(given, 2));
        if right < 4 || left > 0 && right < 7 {
            return Ok(Item::text(text));
        }
        made(budget, Text::from(abbreviated(text, left, right)))
    }),
    Signature::new("initials", &[TextParameter], |budget, given| {
        let mut after_gap = true;
        let mut written = String::new();
        for byte in text(given, 0) {
            let character = char::from(*byte);
            let gap = is_space(character);
            if after_gap && !gap {
                written.push(character);
            }
            after_gap = gap;
        }
        made(budget, written)
    }),
    Signature::new("nospace", &[TextParameter], |budget, given| {
        let characters = text(given, 0).iter().map(|byte| char::from(*byte));
        let kept: Vec<char> = characters
            .filter(|character| !is_space(*character))
            .collect();
        if kept.len() == text(given, 0).len() {
            return Ok(Item::text(text(given, 0)));
        }
        made(budget, kept.into_iter().collect::<String>())
    }),
    Signature::new("wrap", &[Int, TextParameter], |budget, given| {
        wrapped(budget, text(given, 1), int(given, 0), b"", false)
    }),
    Signature::new(
        "wrapWith",
        &[Int, TextParameter, TextParameter],
        |budget, given| wrapped(budget, text(given, 2), int(given, 0), text(given, 1), true),
    ),
];

/// The text cut to a width with dots where something is missing; `offset` is what must be in it.
fn abbreviated(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let length = text.len() as i64;
    if length <= width {
        return text.to_vec();
    }
    let room = width - 3;
    let mut offset = offset.min(length);
    if length - offset < room {
        offset = length - room;
    }
    if offset <= 4 {
        return [&text[..room as usize], b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + room < length {
        let rest = &text[offset as usize..];
        let inner = if room < 4 {
            Vec::new()
        } else {
            abbreviated(rest, 0, room)
        };
        return [b"...", inner.as_slice()].concat();
    }
    [b"...", &text[(length - room) as usize..]].concat()
}

fn wrapped(
    budget: &mut Budget,
    text: &[u8],
    width: i64,
    newline: &[u8],
    cuts_words: bool,
) -> Outcome<Item> {
    let newline = if newline.is_empty() { b"\n" } else { newline };
    let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
    let lines = text.len() / width.min(2) + 1;
    budget.bytes(text.len() + lines.saturating_mul(newline.len()))?;
    budget.step(lines)?;
    let mut written = Vec::with_capacity(text.len());
    let mut at = 0;
    while text.len() - at > width {
        if text[at] == b' ' {
            at += 1;
            continue;
        }
        let line = &text[at..];
        let space = line[..=width].iter().rposition(|byte| *byte == b' ');
        let (end, next) = match space {
            Some(space) => (space, space + 1),
            None if cuts_words => (width, width),
            None => match line[width..].iter().position(|byte| *byte == b' ') {
                Some(space) => (width + space, width + space + 1),
                None => break,
            },
        };
        written.extend_from_slice(&line[..end]);
        written.extend_from_slice(newline);
        at += next;
    }
    written.extend_from_slice(&text[at..]);
    Ok(Item::text(written))
}
