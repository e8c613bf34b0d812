//! An object as the YAML text that Flux looks for variables in.
//!
//! Flux prints an object with a YAML 1.1 printer that folds lines after 80 columns, quotes what an
//! old reader could take for something else, and sorts keys its own way. Where an expression
//! stands decides what comes out of it, so this prints the same bytes: a printer for people is
//! `domain::manifest::to_yaml`. Invariant: the print reads back as the same object. What is
//! absent: comments, anchors, several documents.

mod keys;
mod scalar;

use serde_json::{Map, Number, Value};

/// The text of an object.
pub(super) fn print(object: &Value) -> String {
    let mut printer = Printer {
        out: String::new(),
        column: 0,
        indent: 0,
        after_space: true,
        at_start: true,
    };
    printer.node(object, Place::Root);
    printer.line();
    printer.out
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// After `-`.
    Item,
    /// After `key:`.
    Value,
}

struct Printer {
    out: String,
    /// Characters of the line so far.
    column: usize,
    /// Where the lines of the open collection start.
    indent: usize,
    /// Whether the last character is white space, or may stand for it.
    after_space: bool,
    /// Whether the line has nothing but indentation and indicators of collections.
    at_start: bool,
}

impl Printer {
    fn put(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Starts a line at the indentation, unless this one is still free there.
    fn line(&mut self) {
        let free = self.at_start
            && (self.column < self.indent || self.column == self.indent && self.after_space);
        if !free {
            self.new_line();
        }
        while self.column < self.indent {
            self.put(' ');
        }
        self.after_space = true;
        self.at_start = true;
    }

    /// A sign of YAML. `opens` tells whether a collection may start on the same line.
    fn sign(&mut self, sign: &str, spaced: bool, opens: bool) {
        if spaced && !self.after_space {
            self.put(' ');
        }
        for character in sign.chars() {
            self.put(character);
        }
        self.after_space = false;
        self.at_start &= opens;
    }

    fn node(&mut self, value: &Value, place: Place) {
        match value {
            Value::Object(object) if !object.is_empty() => self.mapping(object, place),
            Value::Array(items) if !items.is_empty() => self.sequence(items, place),
            Value::Object(_) => self.empty("{", "}"),
            Value::Array(_) => self.empty("[", "]"),
            Value::String(text) => self.string(text, false),
            Value::Null => self.plain("null", true),
            Value::Bool(value) => self.plain(if *value { "true" } else { "false" }, true),
            Value::Number(number) => self.plain(&shown(number), true),
        }
    }

    fn empty(&mut self, open: &str, close: &str) {
        self.sign(open, true, false);
        self.sign(close, false, false);
    }

    fn mapping(&mut self, object: &Map<String, Value>, place: Place) {
        let outer = self.indent;
        if place != Place::Root {
            self.indent += 2;
        }
        for (key, value) in keys::sorted(object) {
            self.line();
            if scalar::is_short_key(key) {
                self.string(key, true);
                self.sign(":", false, false);
            } else {
                self.sign("?", true, true);
                self.string(key, false);
                self.line();
                self.sign(":", true, true);
            }
            self.node(value, Place::Value);
        }
        self.indent = outer;
    }

    fn sequence(&mut self, items: &[Value], place: Place) {
        let outer = self.indent;
        // The items of a value start where its key does.
        let flush = place == Place::Value && !self.at_start;
        if place != Place::Root && !flush {
            self.indent += 2;
        }
        for item in items {
            self.line();
            self.sign("-", true, true);
            self.node(item, Place::Item);
        }
        self.indent = outer;
    }
}

/// A number as Go prints it in its shortest form.
fn shown(number: &Number) -> String {
    if number.is_f64() {
        number.as_f64().map_or_else(|| number.to_string(), float)
    } else {
        number.to_string()
    }
}

fn float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
