//! Strings in Flux's text: plain, quoted or as a block, folded after 80 columns.

use super::Printer;
use crate::domain::manifest::{Rules, ScalarKind, classify};
use crate::domain::yaml::escape::push_escape;
use regex::Regex;
use std::sync::LazyLock;

/// The column after which a line is folded at the next space.
const WIDTH: usize = 80;
/// The most bytes of a key that stands in front of its colon.
const KEY: usize = 128;

/// Whether a key stands on one line with its colon.
pub(super) fn is_short_key(key: &str) -> bool {
    key.len() <= KEY && !key.contains(is_break)
}

/// How a string is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

impl Printer {
    /// A string; `is_key` for one in front of its colon, which is never folded.
    pub(super) fn string(&mut self, text: &str, is_key: bool) {
        let style = match Traits::of(text).style(text) {
            Style::Literal if is_key => Style::Double,
            style => style,
        };
        let outer = self.indent;
        self.indent += 2;
        match style {
            Style::Plain => self.plain(text, !is_key),
            Style::Single => self.single(text, !is_key),
            Style::Double => self.double(text, !is_key),
            Style::Literal => self.literal(text),
        }
        self.indent = outer;
    }

    pub(super) fn plain(&mut self, text: &str, folds: bool) {
        if !self.after_space {
            self.put(' ');
        }
        let mut spaces = false;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let is_space = character == ' ';
            let next_is_space = characters.peek() == Some(&' ');
            if is_space && folds && !spaces && self.column > WIDTH && !next_is_space {
                self.line();
            } else {
                self.put(character);
            }
            self.at_start &= is_space;
            spaces = is_space;
        }
        self.after_space = false;
        self.at_start = false;
    }

    fn single(&mut self, text: &str, folds: bool) {
        self.sign("'", true, false);
        let (mut spaces, mut breaks) = (false, false);
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let next_is_space = characters.peek().is_some_and(|(_, next)| *next == ' ');
            let inside = at > 0 && at + 1 < text.len();
            if character == ' ' {
                if folds && !spaces && self.column > WIDTH && inside && !next_is_space {
                    self.line();
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else if is_break(character) {
                if !breaks && character == '\n' {
                    self.new_line();
                }
                self.line_break(character);
                breaks = true;
            } else {
                if breaks {
                    self.line();
                }
                if character == '\'' {
                    self.put('\'');
                }
                self.put(character);
                self.at_start = false;
                (spaces, breaks) = (false, false);
            }
        }
        self.sign("'", false, false);
        self.at_start = false;
    }

    fn double(&mut self, text: &str, folds: bool) {
        self.sign("\"", true, false);
        let mut spaces = false;
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if !is_printable(character) || is_break(character) || matches!(character, '"' | '\\') {
                self.escape(character);
                spaces = false;
                continue;
            }
            let inside = at > 0 && at + 1 < text.len();
            if character == ' ' && folds && !spaces && self.column > WIDTH && inside {
                self.line();
                if characters.peek().is_some_and(|(_, next)| *next == ' ') {
                    self.put('\\');
                }
            } else {
                self.put(character);
            }
            spaces = character == ' ';
        }
        self.sign("\"", false, false);
        self.at_start = false;
    }

    fn escape(&mut self, character: char) {
        let mut escaped = String::new();
        push_escape(&mut escaped, character);
        for character in escaped.chars() {
            self.put(character);
        }
    }

    fn literal(&mut self, text: &str) {
        self.sign("|", true, false);
        if text.starts_with(|first| first == ' ' || is_break(first)) {
            self.sign("2", false, false);
        }
        let mut ends = text.chars().rev();
        match (ends.next().is_some_and(is_break), ends.next()) {
            (false, _) => self.sign("-", false, false),
            (true, None) => self.sign("+", false, false),
            (true, Some(before)) if is_break(before) => self.sign("+", false, false),
            (true, Some(_)) => {}
        }
        self.new_line();
        self.at_start = true;
        self.after_space = true;
        let mut breaks = true;
        for character in text.chars() {
            if is_break(character) {
                self.line_break(character);
                breaks = true;
                continue;
            }
            if breaks {
                self.line();
            }
            self.put(character);
            self.at_start = false;
            breaks = false;
        }
    }

    fn line_break(&mut self, character: char) {
        self.out.push(character);
        self.column = 0;
        self.at_start = true;
    }
}

/// What of a string decides how it may be written.
#[derive(Default)]
struct Traits {
    indicators: bool,
    breaks: bool,
    special: bool,
    edge: bool,
    space_at_end: bool,
    break_space: bool,
    space_break: bool,
}

impl Traits {
    fn of(text: &str) -> Self {
        let mut traits = Self {
            indicators: text.starts_with("---") || text.starts_with("..."),
            ..Self::default()
        };
        let mut before = None;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let next = characters.peek().copied();
            let then_blank = next.is_none_or(|next| matches!(next, ' ' | '\t'));
            traits.indicators |= match (before, character) {
                (None, '?' | ':' | '-') | (Some(_), ':') => then_blank,
                (None, first) => "#,[]{}&*!|>'\"%@`".contains(first),
                (Some(before), '#') => matches!(before, ' ' | '\t') || is_break(before),
                _ => false,
            };
            traits.special |= !is_printable(character);
            let blank = character == ' ' || is_break(character);
            traits.edge |= blank && (before.is_none() || next.is_none());
            traits.space_at_end |= character == ' ' && next.is_none();
            traits.breaks |= is_break(character);
            traits.break_space |= character == ' ' && before.is_some_and(is_break);
            traits.space_break |= is_break(character) && before == Some(' ');
            before = Some(character);
        }
        traits
    }

    fn style(&self, text: &str) -> Style {
        let unfit = self.space_break || self.special;
        if text.contains('\n') {
            return match unfit || self.space_at_end {
                true => Style::Double,
                false => Style::Literal,
            };
        }
        if !reads_as_text(text) || unfit {
            return Style::Double;
        }
        let plain = !(self.indicators || self.breaks || self.edge || self.break_space);
        match (plain, self.break_space) {
            (true, _) => Style::Plain,
            (false, false) => Style::Single,
            (false, true) => Style::Double,
        }
    }
}

/// Whether an old reader takes the text without quotes for the same text.
fn reads_as_text(text: &str) -> bool {
    static BASE_60: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$").expect("it is a constant")
    });
    classify(text, Rules::Kubernetes) == ScalarKind::Text
        && classify(text, Rules::Kustomize) != ScalarKind::Timestamp
        && !(text.contains(':') && BASE_60.is_match(text))
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(character: char) -> bool {
    matches!(
        character,
        '\n' | ' '..='~' | '\u{a0}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}'
    )
}
