//! `eq`, `ne`, `lt`, `le`, `gt` and `ge` by Go's rules.

use super::super::item::{Item, identical};
use super::super::run::{Budget, Outcome};
use super::Parameter::Reflect;
use super::{Signature, any};

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::open("eq", &[Reflect], Reflect, |_, given| {
        equal_to_any(given).map(Item::Bool)
    }),
    Signature::new("ge", &[Reflect, Reflect], |_, given| {
        less(given).map(|less| Item::Bool(!less))
    }),
    Signature::new("gt", &[Reflect, Reflect], |budget, given| {
        less_or_equal(budget, given).map(|holds| Item::Bool(!holds))
    }),
    Signature::new("le", &[Reflect, Reflect], |budget, given| {
        less_or_equal(budget, given).map(Item::Bool)
    }),
    Signature::new("lt", &[Reflect, Reflect], |_, given| {
        less(given).map(Item::Bool)
    }),
    Signature::new("ne", &[Reflect, Reflect], |_, given| {
        equal_to_any(given).map(|equal| Item::Bool(!equal))
    }),
];

/// What can be compared with what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    Bool,
    Complex,
    Float,
    Int,
    Text,
    Uint,
    Other,
}

fn basic(item: &Item) -> Basic {
    match item {
        Item::Bool(_) => Basic::Bool,
        Item::Complex(..) => Basic::Complex,
        Item::Float(_) => Basic::Float,
        Item::Int(..) => Basic::Int,
        Item::Text(_) => Basic::Text,
        Item::Uint(..) => Basic::Uint,
        _ => Basic::Other,
    }
}

fn incompatible(left: &Item, right: &Item) -> String {
    let (left, right) = (left.type_name(), right.type_name());
    format!("incompatible types for comparison: {left} and {right}")
}

fn equal_to_any(given: &[Item]) -> Outcome<bool> {
    let (left, others) = (any(given, 0), given.get(1..).unwrap_or_default());
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for right in others {
        if equal(left, right)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(left: &Item, right: &Item) -> Outcome<bool> {
    match (left, right) {
        (Item::Int(_, left), Item::Int(_, right)) => return Ok(left == right),
        (Item::Uint(_, left), Item::Uint(_, right)) => return Ok(left == right),
        (Item::Int(_, int), Item::Uint(_, uint)) | (Item::Uint(_, uint), Item::Int(_, int)) => {
            return Ok(u64::try_from(*int).is_ok_and(|int| int == *uint));
        }
        _ => {}
    }
    let kinds = (basic(left), basic(right));
    if kinds.0 != kinds.1 {
        if left.is_nil() || right.is_nil() {
            return Ok(false);
        }
        return Err(incompatible(left, right).into());
    }
    if kinds.0 != Basic::Other {
        return Ok(identical(left, right));
    }
    if !left.is_nil() && !right.is_nil() && left.kind() != right.kind() {
        let names = (left.type_name(), right.type_name());
        return Err(format!("non-comparable types {}, {}", names.0, names.1).into());
    }
    if is_nil(left) || is_nil(right) {
        return Ok(is_nil(left) == is_nil(right));
    }
    match right.of() {
        Some(of) if !of.is_comparable() => Err(format!("non-comparable type {of}").into()),
        _ => Ok(identical(left, right)),
    }
}

/// Whether a value is nil, of a type or without one.
fn is_nil(item: &Item) -> bool {
    match item {
        Item::Absent | Item::Nil => true,
        Item::List(list) => list.is_nil,
        Item::Map(map) => map.is_nil,
        _ => false,
    }
}

fn less(given: &[Item]) -> Outcome<bool> {
    let (left, right) = (any(given, 0), any(given, 1));
    let unordered = || Err("invalid type for comparison".into());
    match (left, right) {
        (Item::Float(left), Item::Float(right)) => Ok(left < right),
        (Item::Int(_, left), Item::Int(_, right)) => Ok(left < right),
        (Item::Uint(_, left), Item::Uint(_, right)) => Ok(left < right),
        (Item::Int(_, left), Item::Uint(_, right)) => {
            Ok(u64::try_from(*left).map_or(true, |left| left < *right))
        }
        (Item::Uint(_, left), Item::Int(_, right)) => {
            Ok(u64::try_from(*right).is_ok_and(|right| *left < right))
        }
        (Item::Text(left), Item::Text(right)) => Ok(left < right),
        _ => match (basic(left), basic(right)) {
            (Basic::Other, _) | (_, Basic::Other) => unordered(),
            (left, right) if left == right => unordered(),
            _ => Err(incompatible(left, right).into()),
        },
    }
}

fn less_or_equal(_: &mut Budget, given: &[Item]) -> Outcome<bool> {
    if less(given)? {
        return Ok(true);
    }
    equal(any(given, 0), any(given, 1))
}
