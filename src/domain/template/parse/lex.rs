//! Cuts a template's text into tokens: text between actions, and what is in them.

use super::super::letters::is_word;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    End,
    Field,
    Identifier,
    LeftDelimiter,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelimiter,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Nil,
    Keyword,
}

/// A part of the text with its place.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Where it begins, in bytes.
    pub(super) at: usize,
    /// Its text; the message of an error.
    pub(super) text: String,
    /// The line it begins on, from 1.
    pub(super) line: usize,
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const KEYWORDS: [&str; 10] = [
    "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with",
];

struct Lexer<'t> {
    input: &'t str,
    at: usize,
    tokens: Vec<Token>,
    /// How far lines are counted, and how many there were.
    counted: (usize, usize),
    parens: usize,
}

/// The tokens of a text. The last one is the end or an error.
pub(super) fn lex(input: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        input,
        at: 0,
        tokens: Vec::new(),
        counted: (0, 1),
        parens: 0,
    };
    let end = match lexer.run() {
        Ok(()) => (Kind::End, "EOF".to_owned(), lexer.input.len()),
        Err((message, at)) => (Kind::Error, message, at),
    };
    lexer.push(end.0, end.2, end.1);
    lexer.tokens
}

type Lexed = Result<(), (String, usize)>;

impl Lexer<'_> {
    fn push(&mut self, kind: Kind, at: usize, text: String) {
        if at > self.counted.0 {
            let lines = self.input.as_bytes()[self.counted.0..at].iter();
            self.counted = (
                at,
                self.counted.1 + lines.filter(|byte| **byte == b'\n').count(),
            );
        }
        self.tokens.push(Token {
            kind,
            at,
            text,
            line: self.counted.1,
        });
    }

    fn emit(&mut self, kind: Kind, start: usize) {
        let text = self.input[start..self.at].to_owned();
        self.push(kind, start, text);
    }

    fn rest(&self) -> &str {
        &self.input[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn run(&mut self) -> Lexed {
        loop {
            let start = self.at;
            let Some(length) = self.rest().find(LEFT) else {
                self.at = self.input.len();
                if start < self.at {
                    self.emit(Kind::Text, start);
                }
                return Ok(());
            };
            let delimiter = start + length;
            self.at = delimiter + LEFT.len();
            let trims = has_left_trim(self.rest());
            let text = &self.input[start..delimiter];
            let text = if trims {
                text.trim_end_matches(is_space)
            } else {
                text
            };
            if !text.is_empty() {
                let text = text.to_owned();
                self.push(Kind::Text, start, text);
            }
            self.at += if trims { 2 } else { 0 };
            if self.rest().starts_with("/*") {
                self.comment()?;
            } else {
                self.push(Kind::LeftDelimiter, delimiter, LEFT.to_owned());
                self.parens = 0;
                while !self.inside()? {}
            }
        }
    }

    fn comment(&mut self) -> Lexed {
        let start = self.at;
        let Some(length) = self.rest()[2..].find("*/") else {
            return Err(("unclosed comment".to_owned(), start));
        };
        self.at += length + 4;
        match self.right_delimiter() {
            None => Err(("comment ends before closing delimiter".to_owned(), start)),
            Some(trims) => {
                self.close(trims);
                Ok(())
            }
        }
    }

    /// Whether an action ends here, and whether it trims what follows.
    fn right_delimiter(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim(rest) && rest[2..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn close(&mut self, trims: bool) {
        self.at += RIGHT.len() + if trims { 2 } else { 0 };
        if trims {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(is_space).len();
        }
    }

    /// Takes one token of an action; whether that was its end.
    fn inside(&mut self) -> Result<bool, (String, usize)> {
        let start = self.at;
        if let Some(trims) = self.right_delimiter() {
            if self.parens > 0 {
                return Err(("unclosed left paren".to_owned(), start));
            }
            self.push(Kind::RightDelimiter, start, RIGHT.to_owned());
            self.close(trims);
            return Ok(true);
        }
        let Some(next) = self.next() else {
            return Err(("unclosed action".to_owned(), start));
        };
        let kind = match next {
            space if is_space(space) => {
                self.space();
                Kind::Space
            }
            '=' => Kind::Assign,
            ':' if self.next() == Some('=') => Kind::Declare,
            ':' => return Err(("expected :=".to_owned(), start)),
            '|' => Kind::Pipe,
            '"' => self.quoted('"', "unterminated quoted string", Kind::String)?,
            '\'' => self.quoted('\'', "unterminated character constant", Kind::CharConstant)?,
            '`' => self.raw()?,
            '$' => self.name(Kind::Variable, Kind::Variable)?,
            '.' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                self.name(Kind::Dot, Kind::Field)?
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.at = start;
                self.number()?
            }
            word if is_word(word) => self.identifier(start)?,
            '(' => {
                self.parens += 1;
                Kind::LeftParen
            }
            ')' if self.parens == 0 => {
                return Err(("unexpected right paren".to_owned(), start));
            }
            ')' => {
                self.parens -= 1;
                Kind::RightParen
            }
            other if other.is_ascii_graphic() => Kind::Char,
            other => {
                let message = format!("unrecognized character in action: {}", named(Some(other)));
                return Err((message, start));
            }
        };
        self.emit(kind, start);
        Ok(false)
    }

    /// Takes spaces up to the one that belongs to a trim marker.
    fn space(&mut self) {
        while self.peek().is_some_and(is_space) && self.right_delimiter().is_none() {
            self.at += 1;
        }
    }

    fn quoted(&mut self, quote: char, fault: &str, kind: Kind) -> Result<Kind, (String, usize)> {
        let start = self.at - 1;
        loop {
            let escaped = match self.next() {
                Some(next) if next == quote => return Ok(kind),
                Some('\\') => self.next(),
                other => other,
            };
            if matches!(escaped, None | Some('\n')) {
                return Err((fault.to_owned(), start));
            }
        }
    }

    fn raw(&mut self) -> Result<Kind, (String, usize)> {
        match self.rest().find('`') {
            Some(length) => {
                self.at += length + 1;
                Ok(Kind::RawString)
            }
            None => Err(("unterminated raw quoted string".to_owned(), self.at - 1)),
        }
    }

    /// `.` or `$`, or with a name.
    fn name(&mut self, bare: Kind, named: Kind) -> Result<Kind, (String, usize)> {
        if self.at_terminator() {
            return Ok(bare);
        }
        self.word()?;
        Ok(named)
    }

    fn word(&mut self) -> Lexed {
        while self.peek().is_some_and(is_word) {
            self.next();
        }
        if self.at_terminator() {
            return Ok(());
        }
        let message = format!("bad character {}", named(self.peek()));
        Err((message, self.at))
    }

    fn identifier(&mut self, start: usize) -> Result<Kind, (String, usize)> {
        self.word()?;
        Ok(match &self.input[start..self.at] {
            "true" | "false" => Kind::Bool,
            "nil" => Kind::Nil,
            word if KEYWORDS.contains(&word) => Kind::Keyword,
            _ => Kind::Identifier,
        })
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(next) => is_space(next) || self.rest().starts_with(RIGHT),
        }
    }

    fn number(&mut self) -> Result<Kind, (String, usize)> {
        let start = self.at;
        let mut good = self.scan_number();
        let mut kind = Kind::Number;
        if good && matches!(self.peek(), Some('+' | '-')) {
            good = self.scan_number() && self.input[..self.at].ends_with('i');
            kind = Kind::Complex;
        }
        if good {
            return Ok(kind);
        }
        let text = &self.input[start..self.at];
        Err((format!("bad number syntax: {text:?}"), start))
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|next| valid.contains(next));
        self.at += usize::from(found);
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEXADECIMAL: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEXADECIMAL;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits {
            DECIMAL => self.accept("eE"),
            HEXADECIMAL => self.accept("pP"),
            _ => false,
        };
        if exponent {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        if self.peek().is_some_and(is_word) {
            self.next();
            return false;
        }
        true
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn has_left_trim(text: &str) -> bool {
    text.strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(is_space))
}

fn has_right_trim(text: &str) -> bool {
    text.strip_prefix(is_space)
        .is_some_and(|rest| rest.starts_with('-'))
}

/// `U+0021 '!'`
fn named(character: Option<char>) -> String {
    match character {
        Some(character) => format!("U+{:04X} '{character}'", u32::from(character)),
        None => "U+FFFFFFFFFFFFFFFF".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, String)> {
        let tokens = lex(text).into_iter();
        tokens.map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn trim_markers_take_the_space_around_actions() {
        let texts: Vec<String> = kinds("a \n {{- 1 -}} \n b {{- /* c */ -}}\n d {{3 -}}")
            .into_iter()
            .filter(|(kind, _)| *kind == Kind::Text)
            .map(|(_, text)| text)
            .collect();
        assert_eq!(texts, ["a", "b", "d "]);
        assert_eq!(kinds("{{-3}}")[1], (Kind::Number, "-3".to_owned()));
    }

    #[test]
    fn what_does_not_end_is_told() {
        for (text, message) in [
            ("{{", "unclosed action"),
            ("{{/* a }}", "unclosed comment"),
            ("{{/* a */ }}", "comment ends before closing delimiter"),
            ("{{\"a\n\"}}", "unterminated quoted string"),
            ("{{(1}}", "unclosed left paren"),
            ("{{1)}}", "unexpected right paren"),
            ("{{1a}}", "bad number syntax: \"1a\""),
            ("{{a!}}", "bad character U+0021 '!'"),
            ("{{é€}}", "bad character U+20AC '€'"),
        ] {
            let last = kinds(text).pop();
            assert_eq!(last, Some((Kind::Error, message.to_owned())), "{text}");
        }
    }

    #[test]
    fn tokens_know_their_lines() {
        let lines: Vec<usize> = lex("a\n{{1\n}}\n\n{{2}}").iter().map(|t| t.line).collect();
        assert_eq!(lines, [1, 2, 2, 2, 3, 3, 5, 5, 5, 5]);
    }
}
