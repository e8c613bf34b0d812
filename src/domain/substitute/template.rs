//! A text with expressions to a tree: Flux's grammar of `${…}`.
//!
//! Invariant: what Flux's parser takes is taken, with the same meaning, and what it refuses is
//! refused; expressions lie at most [`DEPTH`] deep. What is absent: values.

use super::TemplateError;
use super::scan::{Escapes, Mode, Scanner, Token};
use regex::Regex;
use std::sync::LazyLock;

/// How many expressions may lie inside each other.
const DEPTH: usize = 64;

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Expression(Expression),
}

/// `${name operator argument argument}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expression {
    /// The variable.
    pub(super) name: String,
    /// What is done with its value; empty for nothing.
    pub(super) operator: String,
    /// What is done with it in particular.
    pub(super) arguments: Vec<Part>,
}

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mode = Mode {
        accepts: |_, _| true,
        opens: true,
        closes: false,
        escapes: Escapes::Dollar,
    };
    let mut parser = Parser {
        scanner: Scanner::new(text),
        depth: 0,
    };
    let mut parts = Vec::new();
    loop {
        match parser.scanner.scan(mode) {
            Token::End => return Ok(parts),
            Token::Text(text) => parts.push(Part::Text(text)),
            Token::Open => parts.push(Part::Expression(parser.expression()?)),
            Token::Close | Token::Unexpected => return Err(TemplateError::BadSubstitution),
        }
    }
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    depth: usize,
}

/// Takes characters that fit, and nothing else.
fn only(accepts: fn(char, usize) -> bool) -> Mode {
    Mode {
        accepts,
        opens: false,
        closes: false,
        escapes: Escapes::None,
    }
}

impl Parser<'_> {
    /// What follows `${`.
    fn expression(&mut self) -> Result<Expression, TemplateError> {
        if self.depth >= DEPTH {
            return Err(TemplateError::TooDeep { limit: DEPTH });
        }
        self.depth += 1;
        let expression = match self.scanner.peek() {
            Some('#') => self.length(),
            _ => self.named(),
        };
        self.depth -= 1;
        expression
    }

    fn length(&mut self) -> Result<Expression, TemplateError> {
        let bad = TemplateError::BadSubstitution;
        let operator = self.token(|character, length| character == '#' && length == 1, bad)?;
        let name = self.token(is_of_name, TemplateError::BadSubstitution)?;
        self.closed(Expression {
            name,
            operator,
            arguments: Vec::new(),
        })
    }

    fn named(&mut self) -> Result<Expression, TemplateError> {
        let name = self.token(is_of_name, TemplateError::VariableName)?;
        let mut expression = Expression {
            name,
            operator: String::new(),
            arguments: Vec::new(),
        };
        match self.scanner.peek() {
            Some(':') => match self.scanner.peek_second() {
                Some('=' | '-' | '?' | '+') => self.default(expression),
                Some(next) if next.is_ascii() => self.substring(expression),
                // Flux's scanner goes back by the width of the wrong character here.
                _ => Err(TemplateError::BadSubstitution),
            },
            Some('=') => self.default(expression),
            Some(',' | '^') => {
                let cases = |character, length| matches!(character, ',' | '^') && length < 3;
                expression.operator = self.token(cases, TemplateError::BadSubstitution)?;
                self.closed(expression)
            }
            Some('/') => self.replacement(expression),
            Some('#') => self.removal(expression, |character, length| {
                character == '#' && length < 3
            }),
            Some('%') => self.removal(expression, |character, length| {
                character == '%' && length < 3
            }),
            Some('}') => self.closed(expression),
            _ => Err(TemplateError::MissingBrace),
        }
    }

    /// `${name:position}`, `${name:position:length}`.
    fn substring(&mut self, mut expression: Expression) -> Result<Expression, TemplateError> {
        expression.operator = self.token(
            |character, length| character == ':' && length == 1,
            TemplateError::BadSubstitution,
        )?;
        let position = self.argument(|character, _| !matches!(character, ':' | '}'), false)?;
        expression.arguments.push(position);
        let next = Mode {
            closes: true,
            ..only(|character, _| character == ':')
        };
        match self.scanner.scan(next) {
            Token::Close => return Ok(expression),
            Token::Text(_) => {}
            _ => return Err(TemplateError::BadSubstitution),
        }
        expression.arguments.push(self.argument(is_open, false)?);
        self.closed(expression)
    }

    /// `${name#pattern}`, `${name##pattern}`, `${name%pattern}`, `${name%%pattern}`.
    fn removal(
        &mut self,
        mut expression: Expression,
        operator: fn(char, usize) -> bool,
    ) -> Result<Expression, TemplateError> {
        expression.operator = self.token(operator, TemplateError::BadSubstitution)?;
        expression.arguments.push(self.argument(is_open, false)?);
        self.closed(expression)
    }

    /// `${name/old/new}`, `${name//old/new}`, `${name/#old/new}`, `${name/%old/new}`.
    fn replacement(&mut self, mut expression: Expression) -> Result<Expression, TemplateError> {
        let operator = |character, length| match length {
            1 => character == '/',
            2 => matches!(character, '/' | '#' | '%'),
            _ => false,
        };
        expression.operator = self.token(operator, TemplateError::BadSubstitution)?;
        let old = self.argument(|character, _| character != '/', true)?;
        expression.arguments.push(old);
        self.token(
            |character, _| character == '/',
            TemplateError::BadSubstitution,
        )?;
        if self.scanner.peek() != Some('}') {
            expression.arguments.push(self.argument(is_open, true)?);
        }
        self.closed(expression)
    }

    /// `${name:-word}`, `${name:=word}`, `${name=word}`, `${name:?word}`, `${name:+word}`.
    fn default(&mut self, mut expression: Expression) -> Result<Expression, TemplateError> {
        let operator: fn(char, usize) -> bool = match self.scanner.peek() {
            Some('=') => |character, length| character == '=' && length == 1,
            _ => |character, length| match length {
                1 => character == ':',
                2 => matches!(character, '=' | '-' | '?' | '+'),
                _ => false,
            },
        };
        expression.operator = self.token(operator, TemplateError::DefaultFunction)?;
        while self.scanner.peek() != Some('}') {
            expression.arguments.push(self.argument(is_open, false)?);
        }
        self.closed(expression)
    }

    /// One token of an argument: text, or an expression.
    fn argument(
        &mut self,
        accepts: fn(char, usize) -> bool,
        escapes: bool,
    ) -> Result<Part, TemplateError> {
        let mode = Mode {
            accepts,
            opens: true,
            closes: false,
            escapes: match escapes {
                true => Escapes::DollarAndBackslash,
                false => Escapes::None,
            },
        };
        match self.scanner.scan(mode) {
            Token::Open => Ok(Part::Expression(self.expression()?)),
            Token::Text(text) => Ok(Part::Text(text)),
            _ => Err(TemplateError::Argument),
        }
    }

    fn token(
        &mut self,
        accepts: fn(char, usize) -> bool,
        error: TemplateError,
    ) -> Result<String, TemplateError> {
        match self.scanner.scan(only(accepts)) {
            Token::Text(text) => Ok(text),
            _ => Err(error),
        }
    }

    fn closed(&mut self, expression: Expression) -> Result<Expression, TemplateError> {
        let mode = Mode {
            closes: true,
            ..only(|_, _| false)
        };
        match self.scanner.scan(mode) {
            Token::Close => Ok(expression),
            _ => Err(TemplateError::BadSubstitution),
        }
    }
}

fn is_open(character: char, _: usize) -> bool {
    character != '}'
}

/// Letters, digits and `_` of any script: a name is checked against the variables only later.
fn is_of_name(character: char, _: usize) -> bool {
    static OTHER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nd}]$").expect("it is a constant"));
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    OTHER.is_match(character.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Expression {
        match parse(text).expect("it is a template").pop() {
            Some(Part::Expression(expression)) => expression,
            other => panic!("no expression: {other:?}"),
        }
    }

    #[test]
    fn an_expression_has_a_name_an_operator_and_arguments() {
        for (text, operator, arguments) in [
            ("${a}", "", 0),
            ("${#a}", "#", 0),
            ("${a^}", "^", 0),
            ("${a,,}", ",,", 0),
            ("${a:1}", ":", 1),
            ("${a:1:2}", ":", 2),
            ("${a#x}", "#", 1),
            ("${a%%x}", "%%", 1),
            ("${a/x/y}", "/", 2),
            ("${a//x/}", "//", 1),
            ("${a:-x${b}y}", ":-", 3),
            ("${a=}", "=", 0),
        ] {
            let expression = one(text);
            assert_eq!(expression.name, "a", "{text}");
            assert_eq!(expression.operator, operator, "{text}");
            assert_eq!(expression.arguments.len(), arguments, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for (text, error) in [
            ("${", TemplateError::VariableName),
            ("${}", TemplateError::VariableName),
            ("${ a}", TemplateError::VariableName),
            ("${a", TemplateError::MissingBrace),
            ("${a-b}", TemplateError::MissingBrace),
            ("${a:é}", TemplateError::BadSubstitution),
            ("${a:-b", TemplateError::Argument),
            ("${a/b}", TemplateError::BadSubstitution),
            ("${#a-}", TemplateError::BadSubstitution),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        let nested = |depth: usize| "${a:-".repeat(depth) + &"}".repeat(depth);
        assert!(parse(&nested(DEPTH)).is_ok());
        let deep = parse(&nested(100_000));
        assert_eq!(deep, Err(TemplateError::TooDeep { limit: DEPTH }));
    }
}
