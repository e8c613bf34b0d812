//! The characters of a print, and the comments that wait to be let out.
//!
//! Invariant: what decides on line feeds and spaces is known after every character, as in the
//! library that kustomize v5.8.1 prints with. What is absent: nodes.

use super::scalar::{is_break, is_printable};
use crate::domain::yaml::escape::push_escape;

/// What is printed so far.
pub(super) struct Printer {
    pub(super) out: String,
    pub(super) column: usize,
    /// The columns to indent to; `None` outside of everything.
    pub(super) level: Option<usize>,
    /// How many brackets are open.
    pub(super) flow: usize,
    /// Whether the last character was a space that divides.
    pub(super) space: bool,
    /// Whether the line holds nothing but indentation so far.
    pub(super) fresh: bool,
    /// The level at which a foot comment was the last thing written.
    pub(super) foot_level: Option<usize>,
    pub(super) head: String,
    pub(super) line: String,
    pub(super) foot: String,
    pub(super) tail: String,
    pub(super) key_line: String,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self {
            out: String::new(),
            column: 0,
            level: None,
            flow: 0,
            space: true,
            fresh: true,
            foot_level: None,
            head: String::new(),
            line: String::new(),
            foot: String::new(),
            tail: String::new(),
            key_line: String::new(),
        }
    }

    pub(super) fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    pub(super) fn new_line(&mut self) {
        self.out.push('\n');
        self.column = 0;
        self.fresh = true;
    }

    pub(super) fn put_or_break(&mut self, character: char) {
        if character == '\n' {
            return self.new_line();
        }
        self.out.push(character);
        self.column = if is_break(character) {
            0
        } else {
            self.column + 1
        };
    }

    pub(super) fn indent(&mut self) {
        let level = self.level.unwrap_or(0);
        if !self.fresh || self.column > level || (self.column == level && !self.space) {
            self.new_line();
        }
        if self.foot_level == Some(level) {
            self.new_line();
        }
        while self.column < level {
            self.put(" ");
        }
        self.space = true;
        self.foot_level = None;
    }

    /// `keeps` tells whether what follows may still count as the start of a line.
    pub(super) fn indicator(&mut self, text: &str, divided: bool, space: bool, keeps: bool) {
        if divided && !self.space {
            self.put(" ");
        }
        self.put(text);
        self.space = space;
        self.fresh &= keeps;
    }

    pub(super) fn comment(&mut self, text: &str) {
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.new_line();
                if !line.is_empty() {
                    self.indent();
                }
            }
            self.put(line);
            if !line.is_empty() {
                self.fresh = false;
            }
        }
        if !text.ends_with('\n') {
            self.new_line();
        }
        self.space = true;
    }

    pub(super) fn head_comment(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        if !tail.is_empty() {
            self.indent();
            self.comment(&tail);
            self.foot_level = Some(self.level.unwrap_or(0));
        }
        let head = std::mem::take(&mut self.head);
        if !head.is_empty() {
            self.indent();
            self.comment(&head);
        }
    }

    /// Gives whether there was one.
    pub(super) fn line_comment(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return false;
        }
        if !self.space {
            self.put(" ");
        }
        self.comment(&line);
        true
    }

    pub(super) fn foot_comment(&mut self) {
        let foot = std::mem::take(&mut self.foot);
        if !foot.is_empty() {
            self.indent();
            self.comment(&foot);
            self.foot_level = Some(self.level.unwrap_or(0));
        }
    }

    /// Takes over the comments that wait with a node, or with its end.
    pub(super) fn await_comments(&mut self, head: &str, line: &str, foot: &str, tail: &str) {
        for (waiting, new) in [
            (&mut self.head, head),
            (&mut self.line, line),
            (&mut self.foot, foot),
            (&mut self.tail, tail),
        ] {
            if !new.is_empty() {
                new.clone_into(waiting);
            }
        }
    }

    pub(super) fn plain(&mut self, text: &str) {
        if !text.is_empty() {
            if !self.space {
                self.put(" ");
            }
            self.put(text);
            self.space = false;
        }
        self.fresh = false;
    }

    pub(super) fn single(&mut self, text: &str) {
        self.indicator("'", true, false, false);
        let mut breaks = false;
        for character in text.chars() {
            if is_break(character) {
                if !breaks && character == '\n' {
                    self.new_line();
                }
                self.put_or_break(character);
                breaks = true;
                continue;
            }
            if character != ' ' {
                if breaks {
                    self.indent();
                }
                self.fresh = false;
                breaks = false;
            }
            if character == '\'' {
                self.put("'");
            }
            self.put_or_break(character);
        }
        self.indicator("'", false, false, false);
        (self.space, self.fresh) = (false, false);
    }

    pub(super) fn double(&mut self, text: &str) {
        self.indicator("\"", true, false, false);
        for character in text.chars() {
            let escaped = !is_printable(character)
                || is_break(character)
                || matches!(character, '"' | '\\' | '\u{feff}');
            if escaped {
                let mut text = String::new();
                push_escape(&mut text, character);
                self.put(&text);
            } else {
                self.put_or_break(character);
            }
        }
        self.indicator("\"", false, false, false);
        (self.space, self.fresh) = (false, false);
    }

    pub(super) fn block(&mut self, mark: char, text: &str) {
        let mut header = String::from(mark);
        if text.starts_with(|first: char| first == ' ' || is_break(first)) {
            header.push('2');
        }
        let mut ends = text.chars().rev().take_while(|last| is_break(*last));
        match (ends.next().is_some(), ends.next().is_some()) {
            (false, _) => header.push('-'),
            (true, true) => header.push('+'),
            (true, false) if text.chars().count() == 1 => header.push('+'),
            (true, false) => {}
        }
        self.indicator(&header, true, false, false);
        if !self.line_comment() {
            self.new_line();
        }
        self.space = true;
        let mut breaks = true;
        let mut leading = true;
        let folds = mark == '>' && !text.trim_start_matches(is_break).starts_with([' ', '\t']);
        for character in text.chars() {
            if is_break(character) {
                if folds && !breaks && !leading && character == '\n' {
                    self.new_line();
                }
                self.put_or_break(character);
                breaks = true;
            } else {
                if breaks {
                    self.indent();
                    leading = matches!(character, ' ' | '\t');
                }
                self.put_or_break(character);
                self.fresh = false;
                breaks = false;
            }
        }
    }
}
