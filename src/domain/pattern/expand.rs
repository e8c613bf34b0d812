//! Go's `Expand` templates: `$1`, `$name`, `${name}` and `$$`.
//!
//! A name runs as far as letters, digits and `_` go, so `$1x` is the group named `1x`, not group 1. A group that does not exist
//! or took no part in the match gives nothing. A `$` that starts no name stands for itself.

use super::Pattern;
use regex::{CaptureLocations, Regex};
use std::sync::LazyLock;

/// A template, read for the groups of one pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// The first of these groups that took part: Go allows several groups of one name.
    Groups(Vec<usize>),
}

/// The scratch space for expanding one template many times without allocating.
#[derive(Debug, Clone)]
pub struct Expansion<'p> {
    pattern: &'p Pattern,
    template: &'p Template,
    locations: CaptureLocations,
}

impl Template {
    /// Reads a template. None is wrong: what names no group of `pattern` gives nothing.
    pub fn new(template: &str, pattern: &Pattern) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                literal.push('$');
                rest = after;
            } else if let Some((name, after)) = take_name(rest) {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Groups(pattern.groups(name)));
                rest = after;
            } else {
                literal.push('$');
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Template { pieces }
    }

    /// The one group that is the whole result, if it is that simple; then the result is a part of the text.
    fn single_group(&self) -> Option<usize> {
        match self.pieces.as_slice() {
            [Piece::Groups(groups)] if groups.len() == 1 => groups.first().copied(),
            _ => None,
        }
    }
}

/// Splits the name, with or without braces, off the start of `text`; `None` when there is no well-formed one.
fn take_name(text: &str) -> Option<(&str, &str)> {
    let (braced, text) = match text.strip_prefix('{') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let (name, rest) = text.split_at(name_length(text));
    let rest = if braced {
        rest.strip_prefix('}')?
    } else {
        rest
    };
    if name.is_empty() {
        None
    } else {
        Some((name, rest))
    }
}

fn name_length(text: &str) -> usize {
    // Go's letters and digits are the general categories L and Nd; the standard library's predicates are wider.
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\A[\pL\p{Nd}_]+").expect("a constant pattern"));
    let ascii = text
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count();
    if text[ascii..].starts_with(|next: char| !next.is_ascii()) {
        NAME.find(text).map_or(0, |found| found.end())
    } else {
        ascii
    }
}

/// The number of a group as Go reads one: digits without a leading zero, below a limit.
fn group_number(name: &str) -> Option<usize> {
    let leading_zero = name.len() > 1 && name.starts_with('0');
    if leading_zero || name.len() > 9 || !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    name.parse().ok()
}

impl Pattern {
    /// The groups a template's name stands for; group 0 is the whole match.
    fn groups(&self, name: &str) -> Vec<usize> {
        match group_number(name) {
            Some(number) if number <= self.names.len() => vec![number],
            Some(_) => Vec::new(),
            None => (1..)
                .zip(&self.names)
                .filter(|(_, other)| *other == name)
                .map(|(number, _)| number)
                .collect(),
        }
    }

    /// Prepares to expand `template`, which must have been read for this pattern.
    pub fn expansion<'p>(&'p self, template: &'p Template) -> Expansion<'p> {
        Expansion {
            pattern: self,
            template,
            locations: self.regex.capture_locations(),
        }
    }
}

impl Expansion<'_> {
    /// Searches `text`; on a match puts the expanded template into `value`, replacing what was there, and returns true.
    pub fn expand(&mut self, text: &str, value: &mut String) -> bool {
        value.clear();
        if self.template.single_group() == Some(0) {
            let found = self.pattern.regex.find(text);
            value.push_str(found.map_or("", |found| found.as_str()));
            return found.is_some();
        }
        self.search(text, 0, value)
    }

    /// The expanded template for the first match that starts at a byte or later; nothing if there is none.
    pub fn expand_at(&mut self, text: &str, at: usize) -> String {
        let mut value = String::new();
        self.search(text, at, &mut value);
        value
    }

    fn search(&mut self, text: &str, at: usize, value: &mut String) -> bool {
        let regex = &self.pattern.regex;
        if regex
            .captures_read_at(&mut self.locations, text, at)
            .is_none()
        {
            return false;
        }
        for piece in &self.template.pieces {
            match piece {
                Piece::Literal(literal) => value.push_str(literal),
                Piece::Groups(groups) => {
                    let taken = groups.iter().find_map(|group| self.locations.get(*group));
                    value.push_str(taken.map_or("", |(start, end)| &text[start..end]));
                }
            }
        }
        true
    }
}
