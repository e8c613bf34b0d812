//! Regular expressions of a kustomization, most of which are plain names. They are Go's.
//!
//! Invariant: a name without special characters is compared without an expression, with the same
//! answer; every expression is small enough to compile in a moment. What is absent: where the
//! expressions come from.

use crate::domain::pattern::{Pattern, PatternError};

/// How large a compiled expression may be, in bytes: `.{0,1000}` fits, and takes three milliseconds.
const SIZE: usize = 1_250_000;

/// Whether only `.` means anything in an expression.
pub(super) fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_:@".contains(&byte);
    text.bytes().all(plain)
}

/// What follows the plain expression `name` in a text that starts with it.
pub(super) fn behind<'a>(name: &str, text: &'a str) -> Option<&'a str> {
    let mut rest = text.chars();
    let mut fits = |wanted| {
        let found = rest.next();
        found == Some(wanted) || (wanted == '.' && found.is_some_and(|found| found != '\n'))
    };
    name.chars().all(&mut fits).then_some(rest.as_str())
}

/// Compiles an expression that is not plain.
pub(super) fn compile(text: &str) -> Result<Pattern, PatternError> {
    Pattern::within(text, SIZE)
}

/// An expression for the whole of a text.
pub(super) enum Whole {
    Plain(String),
    Expression(Pattern),
}

impl Whole {
    pub(super) fn new(text: &str) -> Result<Self, PatternError> {
        if is_plain(text) {
            return Ok(Self::Plain(text.to_owned()));
        }
        compile(&format!("^(?:{text})$")).map(Self::Expression)
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Plain(name) => behind(name, text) == Some(""),
            Self::Expression(pattern) => pattern.matches(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(words: &'static [&'static str]) -> impl Strategy<Value = String> {
        proptest::collection::vec(prop::sample::select(words), 0..4)
            .prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn a_plain_text_fits_what_it_fits_as_an_expression(
            pattern in text(&["a", "web", ".", "-", "/", "x_y"]),
            text in text(&["a", "web", ".", "-", "/", "x_y", "é", "\n", "wxb"]),
        ) {
            let plain = Whole::new(&pattern).expect("it has no special characters");
            prop_assert!(matches!(plain, Whole::Plain(_)));
            let expression = compile(&format!("^(?:{pattern})$")).expect("it is an expression");
            prop_assert_eq!(plain.fits(&text), expression.matches(&text));
            prop_assert!(plain.fits(&pattern));
        }
    }

    #[test]
    fn an_expression_that_compiles_to_much_is_refused() {
        assert!(Whole::new("(\\pL{0,100}){0,12}").is_err());
        for usual in [
            "(web|db)-[0-9]{1,3}",
            ".{0,1000}",
            r"\w{1,253}",
            "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
        ] {
            assert!(Whole::new(usual).is_ok(), "{usual}");
        }
    }
}
