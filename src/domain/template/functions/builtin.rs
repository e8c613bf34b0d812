//! Go's own functions, but for comparisons.

use super::super::item::{Item, Text, runes};
use super::super::letters::is_printable;
use super::super::print::{sprint, sprintf, sprintln};
use super::super::run::{Budget, Outcome};
use super::super::value::{Type, UintKind};
use super::Parameter::{Any, Reflect, Text as TextParameter};
use super::{Signature, any, made, text};

pub(super) const FUNCTIONS: &[Signature] = &[
    // What these two evaluate depends on what came before, so the machine does it.
    Signature::open("and", &[Reflect], Reflect, |_, _| Ok(Item::Absent)),
    Signature::open("or", &[Reflect], Reflect, |_, _| Ok(Item::Absent)),
    Signature::open("call", &[Reflect], Reflect, call),
    Signature::open("html", &[], Any, |budget, given| {
        escaped(budget, given, html)
    }),
    Signature::open("index", &[Reflect], Reflect, index),
    Signature::open("js", &[], Any, |budget, given| escaped(budget, given, js)),
    Signature::new("len", &[Reflect], length),
    Signature::new("not", &[Reflect], |_, given| {
        Ok(Item::Bool(!any(given, 0).is_true()))
    }),
    Signature::open("print", &[], Any, |budget, given| {
        sprint(budget, given).map(Item::Text)
    }),
    Signature::open("printf", &[TextParameter], Any, |budget, given| {
        sprintf(budget, text(given, 0), &given[1..]).map(Item::Text)
    }),
    Signature::open("println", &[], Any, |budget, given| {
        sprintln(budget, given).map(Item::Text)
    }),
    Signature::open("urlquery", &[], Any, |budget, given| {
        escaped(budget, given, query)
    }),
];

fn call(_: &mut Budget, given: &[Item]) -> Outcome<Item> {
    match any(given, 0) {
        Item::Absent | Item::Nil => Err("call of nil".into()),
        other => Err(format!("non-function of type {}", other.type_name()).into()),
    }
}

fn length(_: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let length = match any(given, 0) {
        Item::Text(text) => text.len(),
        Item::List(list) => list.len(),
        Item::Map(map) => map.len(),
        Item::Nil => return Err("len of nil pointer".into()),
        Item::Absent => {
            return Err("reflect: call of reflect.Value.Type on zero Value".into());
        }
        other => return Err(format!("len of type {}", other.type_name()).into()),
    };
    Ok(Item::int(length as i64))
}

fn index(budget: &mut Budget, given: &[Item]) -> Outcome<Item> {
    let Some((item, indexes)) = given.split_first() else {
        return Ok(Item::Absent);
    };
    if item.is_nil() {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indexes {
        budget.step(1)?;
        item = match &item {
            Item::Nil | Item::Absent => return Err("index of nil pointer".into()),
            Item::Text(text) => {
                let at = position(index, text.len())?;
                let byte = text.get(at).ok_or("reflect: string index out of range")?;
                Item::Uint(UintKind::Uint8, (*byte).into())
            }
            Item::List(list) => {
                let at = position(index, list.len())?;
                list.get(at).ok_or("reflect: slice index out of range")?
            }
            Item::Map(map) => {
                let key = key(index, map.of.key())?;
                let value = map.get(&key);
                value.unwrap_or_else(|| Item::zero(map.of.value()))
            }
            Item::Version(_) => {
                return Err("can't index item of type semver.Version".into());
            }
            other => {
                return Err(format!("can't index item of type {}", other.type_name()).into());
            }
        };
    }
    Ok(item)
}

fn position(index: &Item, length: usize) -> Outcome<usize> {
    let value = match index {
        Item::Int(_, value) => *value,
        Item::Uint(_, value) => *value as i64,
        Item::Absent | Item::Nil => return Err("cannot index slice/array with nil".into()),
        other => {
            let of = other.type_name();
            return Err(format!("cannot index slice/array with type {of}").into());
        }
    };
    let inside = usize::try_from(value).ok().filter(|at| *at <= length);
    inside.ok_or_else(|| format!("index out of range: {value}").into())
}

/// An index as the key that a map has.
fn key(index: &Item, of: &Type) -> Outcome<Item> {
    let wrong = |index: &Item| format!("value has type {}; should be {of}", index.type_name());
    match (index, of) {
        (Item::Absent | Item::Nil, Type::Interface) => Ok(Item::Nil),
        (Item::Absent | Item::Nil, _) => {
            Err(format!("value is nil; should be of type {of}").into())
        }
        (_, Type::Interface) => Ok(index.clone()),
        (Item::Int(_, value), Type::Int(kind)) => Ok(Item::Int(*kind, *value)),
        (Item::Uint(_, value), Type::Int(kind)) => Ok(Item::Int(*kind, *value as i64)),
        (Item::Int(_, value), Type::Uint(kind)) => Ok(Item::Uint(*kind, *value as u64)),
        (Item::Uint(_, value), Type::Uint(kind)) => Ok(Item::Uint(*kind, *value)),
        _ if index.of().as_ref() == Some(of) => Ok(index.clone()),
        _ => Err(wrong(index).into()),
    }
}

/// The text that the arguments print, escaped.
fn escaped(budget: &mut Budget, given: &[Item], escape: fn(&[u8]) -> Vec<u8>) -> Outcome<Item> {
    let printed = match given {
        [Item::Text(text)] => text.clone(),
        others => {
            let none = Item::text("<no value>");
            let items: Vec<Item> = others
                .iter()
                .map(|item| {
                    if item.is_nil() {
                        none.clone()
                    } else {
                        item.clone()
                    }
                })
                .collect();
            sprint(budget, &items)?
        }
    };
    budget.bytes(printed.len() * 2)?;
    made(budget, Text::from(escape(&printed)))
}

fn html(text: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            0 => written.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => written.extend_from_slice(b"&#34;"),
            b'\'' => written.extend_from_slice(b"&#39;"),
            b'&' => written.extend_from_slice(b"&amp;"),
            b'<' => written.extend_from_slice(b"&lt;"),
            b'>' => written.extend_from_slice(b"&gt;"),
            other => written.push(*other),
        }
    }
    written
}

fn js(text: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len());
    for (at, character, width) in runes(text) {
        match character {
            '\\' => written.extend_from_slice(b"\\\\"),
            '\'' => written.extend_from_slice(b"\\'"),
            '"' => written.extend_from_slice(b"\\\""),
            '<' | '>' | '&' | '=' | '\0'..=' ' if character != ' ' => {
                written.extend_from_slice(format!("\\u{:04X}", u32::from(character)).as_bytes());
            }
            other if other.is_ascii() || is_printable(other) => {
                written.extend_from_slice(&text[at..at + width]);
            }
            other => {
                written.extend_from_slice(format!("\\u{:04X}", u32::from(other)).as_bytes());
            }
        }
    }
    written
}

fn query(text: &[u8]) -> Vec<u8> {
    let mut written = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' => written.push('+'),
            b'-' | b'_' | b'.' | b'~' => written.push(char::from(*byte)),
            other if other.is_ascii_alphanumeric() => written.push(char::from(*other)),
            other => written += &format!("%{other:02X}"),
        }
    }
    written.into_bytes()
}
