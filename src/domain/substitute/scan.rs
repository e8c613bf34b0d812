//! The characters of a template, taken token by token as Flux's scanner takes them.
//!
//! Invariant: the position only moves forward. What is absent: what the tokens mean.

/// What may be taken next.
#[derive(Clone, Copy)]
pub(super) struct Mode {
    /// Characters that fit, with the length in bytes of the token including the character.
    pub(super) accepts: fn(char, usize) -> bool,
    /// Whether `${` ends the token, and is one of its own.
    pub(super) opens: bool,
    /// Whether `}` is a token of its own.
    pub(super) closes: bool,
    /// Whether characters are escaped: `$$` anywhere, `\/` and `\\` within an expression.
    pub(super) escapes: Escapes,
}

/// Which characters are escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    None,
    Dollar,
    DollarAndBackslash,
}

/// What was taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    End,
    Open,
    Close,
    Text(String),
    Unexpected,
}

/// The text that is left.
pub(super) struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// A text ends where a zero byte stands, as it does for Flux.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text.split('\0').next().unwrap_or_default(),
        }
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// The character after the next.
    pub(super) fn peek_second(&self) -> Option<char> {
        self.rest.chars().nth(1)
    }

    /// The next token.
    pub(super) fn scan(&mut self, mode: Mode) -> Token {
        match self.peek() {
            None => Token::End,
            Some('$') if mode.opens && self.rest.starts_with("${") => {
                self.rest = &self.rest[2..];
                Token::Open
            }
            Some('}') if mode.closes => {
                self.rest = &self.rest[1..];
                Token::Close
            }
            Some(_) => self.text(mode),
        }
    }

    fn text(&mut self, mode: Mode) -> Token {
        let mut token = String::new();
        while let Some(next) = self.peek() {
            if mode.opens && !token.is_empty() && self.rest.starts_with("${") {
                break;
            }
            if let Some(escaped) = self.escaped(mode.escapes) {
                token.push(escaped);
                self.rest = &self.rest[2..];
                continue;
            }
            if !(mode.accepts)(next, token.len() + next.len_utf8()) {
                break;
            }
            token.push(next);
            self.rest = &self.rest[next.len_utf8()..];
        }
        match token.is_empty() {
            true => Token::Unexpected,
            false => Token::Text(token),
        }
    }

    /// The character that the next two stand for. All of them have one byte.
    fn escaped(&self, escapes: Escapes) -> Option<char> {
        let backslash = escapes == Escapes::DollarAndBackslash;
        match self.rest.as_bytes().get(..2)? {
            b"$$" if escapes != Escapes::None => Some('$'),
            b"\\/" if backslash => Some('/'),
            b"\\\\" if backslash => Some('\\'),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Mode = Mode {
        accepts: |_, _| true,
        opens: true,
        closes: false,
        escapes: Escapes::Dollar,
    };

    #[test]
    fn text_ends_before_an_expression() {
        let mut scanner = Scanner::new("a$b${c");
        assert_eq!(scanner.scan(ANY), Token::Text("a$b".to_owned()));
        assert_eq!(scanner.scan(ANY), Token::Open);
        assert_eq!(scanner.scan(ANY), Token::Text("c".to_owned()));
        assert_eq!(scanner.scan(ANY), Token::End);
    }

    #[test]
    fn a_doubled_dollar_is_one_that_opens_nothing() {
        let mut scanner = Scanner::new("$${a}$$$${b}");
        assert_eq!(scanner.scan(ANY), Token::Text("${a}$${b}".to_owned()));
    }

    #[test]
    fn a_backslash_escapes_only_where_it_may() {
        let within = Mode {
            accepts: |character, _| character != '/',
            opens: true,
            closes: false,
            escapes: Escapes::DollarAndBackslash,
        };
        let mut scanner = Scanner::new(r"a\/b\\c\d/e");
        assert_eq!(scanner.scan(within), Token::Text(r"a/b\c\d".to_owned()));
        assert_eq!(scanner.scan(within), Token::Unexpected);
        assert_eq!(scanner.scan(ANY), Token::Text("/e".to_owned()));
    }

    #[test]
    fn a_zero_byte_ends_the_text() {
        let mut scanner = Scanner::new("a\0b");
        assert_eq!(scanner.scan(ANY), Token::Text("a".to_owned()));
        assert_eq!(scanner.scan(ANY), Token::End);
    }
}
