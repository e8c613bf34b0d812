//! The functions of templates: Go's own, and Sprig's as far as they give the same on every run.
//!
//! Invariant: each says before it works what that costs. Absent: `slice` as Go has it, which Sprig's hides, and everything that
//! Sprig counts as not hermetic.

mod base;
mod builtin;
mod case;
mod comparison;
mod decimal;
mod dict;
mod digest;
mod general;
mod json;
mod list;
mod merge;
mod number;
mod regular;
mod strings;
mod url;
mod wrap;

use super::item::{Item, List, Map, Text};
use super::run::{Budget, Outcome};
use super::value::Type;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a function wants of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    /// `interface {}`
    Any,
    Bool,
    /// `map[string]interface {}`
    Dict,
    Float,
    Int,
    /// Anything, nothing included.
    Reflect,
    Text,
    Time,
    Version,
}

/// A function.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) parameters: &'static [Parameter],
    /// What it takes any number of behind its parameters.
    pub(super) rest: Option<Parameter>,
    pub(super) run: Run,
}

type Run = fn(&mut Budget, &[Item]) -> Outcome<Item>;

impl Signature {
    pub(super) const fn new(
        name: &'static str,
        parameters: &'static [Parameter],
        run: Run,
    ) -> Self {
        Self {
            name,
            parameters,
            rest: None,
            run,
        }
    }

    /// A function that takes any number of further arguments.
    const fn open(
        name: &'static str,
        parameters: &'static [Parameter],
        rest: Parameter,
        run: Run,
    ) -> Self {
        Self {
            name,
            parameters,
            rest: Some(rest),
            run,
        }
    }
}

impl Parameter {
    /// Go's name of the type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Dict => "map[string]interface {}",
            Self::Float => "float64",
            Self::Int => "int",
            Self::Reflect => "reflect.Value",
            Self::Text => "string",
            Self::Time => "time.Time",
            Self::Version => "*semver.Version",
        }
    }
}

/// A function by name.
pub(super) fn find(name: &str) -> Option<&'static Signature> {
    static ALL: LazyLock<HashMap<&'static str, &'static Signature>> = LazyLock::new(|| {
        let tables = [
            builtin::FUNCTIONS,
            comparison::FUNCTIONS,
            base::FUNCTIONS,
            case::FUNCTIONS,
            dict::FUNCTIONS,
            digest::FUNCTIONS,
            general::FUNCTIONS,
            json::FUNCTIONS,
            list::FUNCTIONS,
            number::FUNCTIONS,
            regular::FUNCTIONS,
            strings::FUNCTIONS,
            url::FUNCTIONS,
            wrap::FUNCTIONS,
        ];
        let all = tables.into_iter().flatten();
        all.map(|signature| (signature.name, signature)).collect()
    });
    ALL.get(name).copied()
}

/// Whether there is a function of a name.
pub(super) fn is_function(name: &str) -> bool {
    find(name).is_some()
}

/// An argument; nil if there is none.
fn any(given: &[Item], index: usize) -> &Item {
    given.get(index).unwrap_or(&Item::Nil)
}

/// An argument that is a text.
fn text(given: &[Item], index: usize) -> &[u8] {
    match given.get(index) {
        Some(Item::Text(text)) => text,
        _ => &[],
    }
}

/// An argument that is an `int`.
fn int(given: &[Item], index: usize) -> i64 {
    match given.get(index) {
        Some(Item::Int(_, value)) => *value,
        _ => 0,
    }
}

/// An argument that is a map of anything by text.
fn dict(given: &[Item], index: usize) -> Outcome<&Map> {
    match given.get(index) {
        Some(Item::Map(map)) => Ok(map),
        _ => Err("interface conversion: the argument is not a map[string]interface {}".into()),
    }
}

/// An argument that must be a slice; `verb` says what for.
fn list<'g>(budget: &mut Budget, given: &'g [Item], index: usize, verb: &str) -> Outcome<&'g List> {
    match any(given, index) {
        Item::List(list) => {
            budget.items(list.len())?;
            Ok(list)
        }
        Item::Nil | Item::Absent => {
            Err("runtime error: invalid memory address or nil pointer dereference".into())
        }
        other => Err(format!("Cannot {verb} type {}", other.kind()).into()),
    }
}

/// A value as `%v` prints it.
fn printed(budget: &mut Budget, item: &Item) -> Outcome<Text> {
    match item {
        Item::Text(text) => Ok(text.clone()),
        other => super::print::sprint(budget, std::slice::from_ref(other)),
    }
}

/// A text that was made, counted.
fn made(budget: &mut Budget, text: impl Into<Text>) -> Outcome<Item> {
    let text = text.into();
    budget.bytes(text.len())?;
    Ok(Item::Text(text))
}

/// The texts of a list, of which nil is none; of another value, its own.
fn texts(budget: &mut Budget, item: &Item) -> Outcome<Vec<Text>> {
    match item {
        Item::Nil | Item::Absent => Ok(Vec::new()),
        Item::List(list) => {
            budget.items(list.len())?;
            let items = list.to_vec().into_iter();
            items
                .filter(|item| !item.is_nil())
                .map(|item| printed(budget, &item))
                .collect()
        }
        other => Ok(vec![printed(budget, other)?]),
    }
}

/// A `[]interface {}` that was made, counted.
fn made_list(budget: &mut Budget, items: Vec<Item>) -> Outcome<Item> {
    budget.items(items.len())?;
    Ok(Item::list(items))
}

/// A `[]string` that was made, counted.
fn made_texts<T: Into<Text>>(budget: &mut Budget, texts: Vec<T>) -> Outcome<Item> {
    budget.items(texts.len())?;
    let texts: Vec<Item> = texts.into_iter().map(Item::text).collect();
    for item in &texts {
        if let Item::Text(text) = item {
            budget.bytes(text.len())?;
        }
    }
    Ok(Item::List(List::new(Type::Text, texts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_sprigs_hermetic_map_is_there() {
        for name in [
            "trim",
            "slice",
            "mergeOverwrite",
            "semverCompare",
            "genCA",
            "urlJoin",
        ] {
            assert!(is_function(name), "{name}");
        }
        for name in [
            "now",
            "env",
            "date",
            "htmlDate",
            "getHostByName",
            "randAlpha",
            "break",
        ] {
            assert!(!is_function(name), "{name}");
        }
    }
}
