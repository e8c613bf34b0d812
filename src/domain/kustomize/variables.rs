//! `$(NAME)` in a text: what stands there, and what it becomes.
//!
//! Invariant: as kustomize reads it, `$$` is one `$` and starts nothing, a `$(` that is not closed
//! stands for itself, and a name that has no value stays with its parentheses. A text that is
//! nothing but one variable becomes its value, type and all. What is absent: where texts are.

use super::go_yaml;
use crate::domain::manifest::{Scalar, ScalarKind};

/// What a variable stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
}

impl Value {
    /// The value of a scalar. `None` for numbers that kustomize cannot hold.
    pub(super) fn read(scalar: &Scalar) -> Option<Self> {
        let text = scalar.text.as_str();
        match scalar.kind {
            ScalarKind::Null | ScalarKind::Timestamp | ScalarKind::Text | ScalarKind::Untagged => {
                Some(Self::Text(text.to_owned()))
            }
            ScalarKind::Bool => Some(Self::Bool(matches!(text, "true" | "True" | "TRUE"))),
            ScalarKind::Integer => text.parse().ok().map(Self::Integer),
            ScalarKind::Float => {
                let digits = text
                    .trim_start_matches(['+', '-'])
                    .starts_with(digit_or_dot);
                let float = text.parse().ok().filter(|float: &f64| float.is_finite());
                float.filter(|_| digits).map(Self::Float)
            }
        }
    }

    /// The scalar that stands where nothing but the variable stood.
    fn scalar(&self) -> Scalar {
        match self {
            Self::Text(text) => Scalar::string(text),
            Self::Integer(number) => Scalar::new(number.to_string(), ScalarKind::Integer, 0),
            Self::Float(number) => Scalar::new(number.to_string(), ScalarKind::Float, 0),
            Self::Bool(flag) => Scalar::new(flag.to_string(), ScalarKind::Bool, 0),
        }
    }

    /// What it reads like in the middle of a text.
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => go_yaml::float(*number),
            Self::Bool(flag) => flag.to_string(),
        }
    }
}

fn digit_or_dot(character: char) -> bool {
    character.is_ascii_digit() || character == '.'
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Plain(&'a str),
    Variable(&'a str),
}

/// `text` with every variable replaced by what `value_of` gives. `None` when it gives more than
/// `limit` bytes.
pub(super) fn expand<'v>(
    text: &str,
    limit: usize,
    mut value_of: impl FnMut(&str) -> Option<&'v Value>,
) -> Option<Scalar> {
    let mut expanded = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Plain(plain) => expanded.push_str(plain),
            Piece::Variable(name) => match value_of(name) {
                Some(value) if text.len() == name.len() + 3 => {
                    return Some(value.scalar()).filter(|scalar| scalar.text.len() <= limit);
                }
                Some(value) => expanded.push_str(&value.text()),
                None => expanded.extend(["$(", name, ")"]),
            },
        }
        if expanded.len() > limit {
            return None;
        }
    }
    Some(Scalar::string(expanded))
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let (plain, after) = (&rest[..start], &rest[start + 1..]);
        pieces.push(Piece::Plain(plain));
        let name = after
            .strip_prefix('(')
            .and_then(|name| name.split_once(')'));
        rest = match name {
            Some((name, after)) => {
                pieces.push(Piece::Variable(name));
                after
            }
            None => {
                pieces.push(Piece::Plain("$"));
                after.strip_prefix('$').unwrap_or(after)
            }
        };
    }
    pieces.push(Piece::Plain(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expanded(text: &str) -> Scalar {
        let (name, port) = (Value::Text("web".to_owned()), Value::Integer(80));
        expand(text, 100, |wanted| match wanted {
            "NAME" => Some(&name),
            "PORT" => Some(&port),
            _ => None,
        })
        .expect("it is short")
    }

    #[test]
    fn a_variable_is_replaced_wherever_it_stands_in_a_text() {
        for (text, result) in [
            ("$(NAME)", "web"),
            ("http://$(NAME):$(PORT)/", "http://web:80/"),
            ("$(NAME)$(NAME)", "webweb"),
            ("$(OTHER) $()", "$(OTHER) $()"),
            ("$$(NAME)", "$(NAME)"),
            ("$$$(NAME)", "$web"),
            ("$$$$", "$$"),
            ("$", "$"),
            ("a$", "a$"),
            ("$NAME", "$NAME"),
            ("$(NAME", "$(NAME"),
            ("$(NAME$(NAME)", "$(NAME$(NAME)"),
            ("$(NAME $(NAME))", "$(NAME $(NAME))"),
            ("\\$(NAME)", "\\web"),
            ("$é", "$é"),
            ("", ""),
        ] {
            let scalar = expanded(text);
            assert_eq!(
                (scalar.text.as_str(), scalar.kind),
                (result, ScalarKind::Text),
                "{text}"
            );
        }
    }

    #[test]
    fn a_text_that_is_one_variable_takes_its_type() {
        assert_eq!(expanded("$(PORT)").kind, ScalarKind::Integer);
        assert_eq!(expanded(" $(PORT)").kind, ScalarKind::Text);
        assert_eq!(expanded("$(PORT)$(PORT)").kind, ScalarKind::Text);
    }

    #[test]
    fn values_are_read_and_written_as_go_does() {
        use ScalarKind::{Bool, Float, Integer, Null, Text, Timestamp};
        for (text, kind, whole, inside) in [
            ("80", Integer, "80", "80"),
            ("0777", Integer, "777", "777"),
            ("+5", Integer, "5", "5"),
            ("1e3", Float, "1000", "1000"),
            ("123456.0", Float, "123456", "123456"),
            ("1234567.0", Float, "1234567", "1.234567e+06"),
            ("1.50", Float, "1.5", "1.5"),
            ("1.5e22", Float, "15000000000000000000000", "1.5e+22"),
            ("0.00001", Float, "0.00001", "1e-05"),
            ("-.5", Float, "-0.5", "-0.5"),
            ("True", Bool, "true", "true"),
            ("null", Null, "null", "null"),
            ("2024-01-01", Timestamp, "2024-01-01", "2024-01-01"),
            ("", Text, "", ""),
        ] {
            let value = Value::read(&Scalar::new(text, kind, 0)).expect("it has a value");
            assert_eq!(value.scalar().text, whole, "{text}");
            assert_eq!(value.text(), inside, "{text}");
        }
        for (text, kind) in [
            ("0x10", Integer),
            ("0o7", Integer),
            ("1_000", Integer),
            ("9223372036854775808", Integer),
            (".inf", Float),
            ("-.nan", Float),
            ("1e400", Float),
        ] {
            assert_eq!(Value::read(&Scalar::new(text, kind, 0)), None, "{text}");
        }
    }

    #[test]
    fn a_text_that_grows_too_long_is_given_up() {
        let long = Value::Text("x".repeat(60));
        let grown = |text| expand(text, 100, |_| Some(&long));
        assert!(grown("$(A)").is_some());
        assert!(grown("$(A)$(A)").is_none());
    }

    proptest! {
        #[test]
        fn a_text_without_a_dollar_stays(text in "[^$]{0,20}") {
            prop_assert_eq!(expanded(&text).text, text);
        }

        #[test]
        fn doubled_dollars_give_the_text_back(text in "[a$()NAME]{0,20}") {
            prop_assert_eq!(expanded(&text.replace('$', "$$")).text, text);
        }
    }
}
