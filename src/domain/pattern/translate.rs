//! Reads Go's syntax and writes the same expression for the `regex` crate.
//!
//! The result has no flags, names or shorthand of its own: what a flag does is written at each place where it matters, and
//! groups are told apart by number. So a repetition can follow a flag group (`a(?i)*`) as in Go, where it repeats the `a`.

use super::class;
use super::escape::{read_count, read_escape};
use super::{Fault, PatternError};
use std::fmt::Write;

pub(super) struct Translated {
    pub pattern: String,
    /// The name of each capturing group in order, empty when it has none.
    pub names: Vec<String>,
}

/// The largest count of a repetition, and of nested repetitions multiplied.
const MAX_REPEAT: u32 = 1000;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub fold_case: bool,
    pub multi_line: bool,
    pub dot_all: bool,
    pub ungreedy: bool,
}

/// A group that is open, or the pattern as a whole.
pub(super) struct Frame {
    /// The flags to return to after the group.
    pub outer: Flags,
    pub start: usize,
    /// The last item of the current branch: what a repetition would repeat.
    pub last: Option<Item>,
    /// The greatest weight of the items before the last one.
    pub heaviest: u32,
}

impl Frame {
    /// Ends the last item: no repetition can change its weight any more.
    pub(super) fn settle(&mut self) {
        if let Some(item) = self.last.take() {
            self.heaviest = self.heaviest.max(item.weight);
        }
    }
}

/// Something in the output that can be repeated.
#[derive(Clone, Copy)]
pub(super) struct Item {
    start: usize,
    /// The product of nested repetition counts inside.
    weight: u32,
    /// A repetition itself, so it needs a group around it before another one.
    repeated: bool,
}

pub(super) struct Translator<'a> {
    pub whole: &'a str,
    pub rest: &'a str,
    pub flags: Flags,
    pub frames: Vec<Frame>,
    pub out: String,
    pub names: Vec<String>,
    /// Where a repetition began if it was the construct just read: Go refuses another one right after it.
    repetition: Option<&'a str>,
}

pub(super) fn translate(pattern: &str) -> Result<Translated, PatternError> {
    let mut translator = Translator {
        whole: pattern,
        rest: pattern,
        flags: Flags::default(),
        frames: vec![Frame {
            outer: Flags::default(),
            start: 0,
            last: None,
            heaviest: 1,
        }],
        out: String::with_capacity(pattern.len() * 2),
        names: Vec::new(),
        repetition: None,
    };
    while let Some(next) = translator.rest.chars().next() {
        let repetition = translator.construct(next)?;
        translator.repetition = repetition;
    }
    if translator.frames.len() > 1 {
        return Err(fault(Fault::MissingParenthesis, pattern));
    }
    Ok(Translated {
        pattern: translator.out,
        names: translator.names,
    })
}

pub(super) fn fault(fault: Fault, expression: &str) -> PatternError {
    PatternError {
        fault,
        expression: expression.to_owned(),
    }
}

impl<'a> Translator<'a> {
    /// Reads one construct, which starts with `next`; returns its text if it is a repetition.
    fn construct(&mut self, next: char) -> Result<Option<&'a str>, PatternError> {
        let text = self.rest;
        match next {
            '(' if text.starts_with("(?") => self.extension()?,
            '(' => {
                self.names.push(String::new());
                self.open("(")?;
                self.skip(1);
            }
            ')' => self.close()?,
            '|' => {
                self.frame().settle();
                self.out.push('|');
                self.skip(1);
            }
            '^' if self.flags.multi_line => self.token(1, "(?m:^)"),
            '^' => self.token(1, r"\A"),
            '$' if self.flags.multi_line => self.token(1, "(?m:$)"),
            '$' => self.token(1, r"\z"),
            '.' if self.flags.dot_all => self.token(1, "(?s:.)"),
            '.' => self.token(1, "."),
            '[' => self.bracket()?,
            '*' => return self.repeat(1, "*", 1).map(Some),
            '+' => return self.repeat(1, "+", 1).map(Some),
            '?' => return self.repeat(1, "?", 1).map(Some),
            '{' => return self.counted(),
            '\\' => self.escaped()?,
            other => {
                self.skip(other.len_utf8());
                self.literal(other.into());
            }
        }
        Ok(None)
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames
            .last_mut()
            .expect("the outermost frame is never closed")
    }

    /// Ends the item that starts at `start` of the output.
    pub(super) fn item(&mut self, start: usize, weight: u32) {
        let frame = self.frame();
        frame.settle();
        frame.last = Some(Item {
            start,
            weight,
            repeated: false,
        });
    }

    fn token(&mut self, bytes: usize, translation: &str) {
        self.skip(bytes);
        let start = self.out.len();
        self.out.push_str(translation);
        self.item(start, 1);
    }

    fn literal(&mut self, code_point: u32) {
        let start = self.out.len();
        let written = match char::from_u32(code_point) {
            Some(plain) if plain.is_ascii_alphanumeric() => plain.to_string(),
            Some(_) => format!(r"\x{{{code_point:X}}}"),
            None => class::NOTHING.to_owned(),
        };
        self.push_folded(&written);
        self.item(start, 1);
    }

    /// Writes an atom, without regard to case if the flag says so.
    pub(super) fn push_folded(&mut self, atom: &str) {
        if self.flags.fold_case {
            // Writing to a string does not fail.
            let _ = write!(self.out, "(?i:{atom})");
        } else {
            self.out.push_str(atom);
        }
    }

    /// Reads `{n}`, `{n,}` or `{n,m}`; anything else after `{` makes it a literal.
    fn counted(&mut self) -> Result<Option<&'a str>, PatternError> {
        let Some((minimum, maximum, length)) = read_count(self.rest) else {
            self.skip(1);
            self.literal('{'.into());
            return Ok(None);
        };
        let text = &self.rest[..length];
        let too_large = minimum > MAX_REPEAT
            || maximum.is_some_and(|maximum| maximum > MAX_REPEAT || minimum > maximum);
        if too_large {
            return Err(fault(Fault::RepeatCount, text));
        }
        let factor = maximum.unwrap_or(minimum.max(1));
        let translation = match maximum {
            Some(maximum) => format!("{{{minimum},{maximum}}}"),
            None => format!("{{{minimum},}}"),
        };
        self.repeat(length, &translation, factor).map(Some)
    }

    /// Repeats the last item, whose weight grows by `factor`; the factor 0 (`x{0}`) hides what is inside.
    fn repeat(
        &mut self,
        length: usize,
        translation: &str,
        factor: u32,
    ) -> Result<&'a str, PatternError> {
        let start = self.rest;
        self.skip(length);
        let mut lazy = self.flags.ungreedy;
        if self.rest.starts_with('?') {
            self.skip(1);
            lazy = !lazy;
        }
        let text = &start[..start.len() - self.rest.len()];
        if let Some(previous) = self.repetition {
            let both = &previous[..previous.len() - self.rest.len()];
            return Err(fault(Fault::NestedRepetition, both));
        }
        let Some(item) = self.frame().last else {
            return Err(fault(Fault::MissingRepeated, text));
        };
        let weight = item.weight.saturating_mul(factor).max(1);
        if factor >= 2 && weight > MAX_REPEAT {
            return Err(fault(Fault::RepeatCount, text));
        }
        if item.repeated {
            self.out.insert_str(item.start, "(?:");
            self.out.push(')');
        }
        self.out.push_str(translation);
        if lazy {
            self.out.push('?');
        }
        self.frame().last = Some(Item {
            weight,
            repeated: true,
            ..item
        });
        Ok(start)
    }

    fn escaped(&mut self) -> Result<(), PatternError> {
        let text = self.rest;
        match text.as_bytes().get(1) {
            Some(b'A') => self.token(2, r"\A"),
            Some(b'z') => self.token(2, r"\z"),
            Some(b'b') => self.token(2, r"(?-u:\b)"),
            Some(b'B') => self.token(2, r"(?-u:\B)"),
            Some(b'Q') => {
                let (quoted, rest) = text[2..].split_once(r"\E").unwrap_or((&text[2..], ""));
                self.rest = rest;
                for character in quoted.chars() {
                    self.literal(character.into());
                }
            }
            _ => {
                if let Some(class) = self.escaped_class()? {
                    let start = self.out.len();
                    self.push_folded(&class);
                    self.item(start, 1);
                } else {
                    let code_point = self.escaped_character()?;
                    self.literal(code_point);
                }
            }
        }
        Ok(())
    }

    /// Reads `\d`, `\p{..}` and their like.
    pub(super) fn escaped_class(&mut self) -> Result<Option<String>, PatternError> {
        let text = self.rest;
        let mut characters = text.chars();
        let (Some('\\'), Some(letter)) = (characters.next(), characters.next()) else {
            return Ok(None);
        };
        if let Some(class) = class::perl(letter) {
            self.skip(2);
            return Ok(Some(class.to_owned()));
        }
        if !matches!(letter, 'p' | 'P') {
            return Ok(None);
        }
        let (length, name) = match characters.next() {
            None => return Err(fault(Fault::CharacterRange, text)),
            Some('{') => {
                let end = text
                    .find('}')
                    .ok_or_else(|| fault(Fault::CharacterRange, text))?;
                (end + 1, &text[3..end])
            }
            Some(single) => (2 + single.len_utf8(), &text[2..2 + single.len_utf8()]),
        };
        let class =
            class::unicode(name, letter == 'P').map_err(|kind| fault(kind, &text[..length]))?;
        self.skip(length);
        Ok(Some(class))
    }

    /// Reads an escape that stands for one character.
    pub(super) fn escaped_character(&mut self) -> Result<u32, PatternError> {
        let text = self.rest;
        let (code_point, length) = read_escape(text).map_err(|length| match length {
            None => fault(Fault::TrailingBackslash, ""),
            Some(length) => fault(Fault::Escape, &text[..length]),
        })?;
        self.skip(length);
        Ok(code_point)
    }
}
