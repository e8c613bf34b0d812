//! Label selectors as `kubectl -l` writes them: `app=web,tier!=db,env in (a,b),!old`.
//!
//! Invariant: a selector that parses matches as the API machinery would; the empty one matches
//! everything. What is absent: the structured form (`matchLabels`).

/// A parsed selector: every requirement must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Symbol(&'a str),
}

impl LabelSelector {
    /// Parses `text`. The error says what was expected where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text);
        let mut rest = tokens.as_slice();
        let mut requirements = Vec::new();
        while !rest.is_empty() {
            requirements.push(requirement(&mut rest)?);
            match rest.split_first() {
                None => break,
                Some((Token::Symbol(","), tail)) if !tail.is_empty() => rest = tail,
                Some((token, _)) => return Err(format!("unexpected {}", show(Some(token)))),
            }
        }
        Ok(Self(requirements))
    }

    /// Whether `labels` satisfy every requirement.
    pub(super) fn matches(&self, labels: &[(&str, &str)]) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels
                .iter()
                .find(|(key, _)| *key == requirement.key)
                .map(|(_, value)| *value);
            requirement.test.holds(value)
        })
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let listed = |values: &[String]| {
            value.is_some_and(|value| values.iter().any(|candidate| candidate == value))
        };
        let number = value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Missing => value.is_none(),
            Self::In(values) => listed(values),
            Self::NotIn(values) => !listed(values),
            Self::Greater(bound) => number.is_some_and(|number| number > *bound),
            Self::Less(bound) => number.is_some_and(|number| number < *bound),
        }
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let special = |character: char| "!,()=<>".contains(character);
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = if special(first) {
            match rest {
                _ if rest.starts_with("==") || rest.starts_with("!=") => 2,
                _ => 1,
            }
        } else {
            rest.find(|character: char| special(character) || character.is_whitespace())
                .unwrap_or(rest.len())
        };
        let (token, tail) = rest.split_at(end);
        tokens.push(if special(first) {
            Token::Symbol(token)
        } else {
            Token::Word(token)
        });
        rest = tail.trim_start();
    }
    tokens
}

fn show(token: Option<&Token<'_>>) -> String {
    match token {
        None => "the end".to_owned(),
        Some(Token::Word(text) | Token::Symbol(text)) => format!("`{text}`"),
    }
}

fn take<'a>(rest: &mut &[Token<'a>]) -> Option<Token<'a>> {
    let (first, tail) = rest.split_first()?;
    let first = first.clone();
    *rest = tail;
    Some(first)
}

fn key(rest: &mut &[Token<'_>]) -> Result<String, String> {
    match take(rest) {
        Some(Token::Word(word)) if is_key(word) => Ok(word.to_owned()),
        other => Err(format!(
            "expected a label key, found {}",
            show(other.as_ref())
        )),
    }
}

fn requirement(rest: &mut &[Token<'_>]) -> Result<Requirement, String> {
    if rest.first() == Some(&Token::Symbol("!")) {
        take(rest);
        return Ok(Requirement {
            key: key(rest)?,
            test: Test::Missing,
        });
    }
    let key = key(rest)?;
    let test = match rest.first() {
        None | Some(Token::Symbol(",")) => Test::Exists,
        _ => match take(rest) {
            Some(Token::Symbol("=" | "==")) => Test::In(vec![exact(rest)?]),
            Some(Token::Symbol("!=")) => Test::NotIn(vec![exact(rest)?]),
            Some(Token::Symbol(">")) => Test::Greater(number(rest)?),
            Some(Token::Symbol("<")) => Test::Less(number(rest)?),
            Some(Token::Word("in")) => Test::In(list(rest)?),
            Some(Token::Word("notin")) => Test::NotIn(list(rest)?),
            other => {
                return Err(format!(
                    "expected one of `=`, `==`, `!=`, `in`, `notin`, `<`, `>`, found {}",
                    show(other.as_ref())
                ));
            }
        },
    };
    Ok(Requirement { key, test })
}

fn exact(rest: &mut &[Token<'_>]) -> Result<String, String> {
    match rest.first() {
        None | Some(Token::Symbol(",")) => Ok(String::new()),
        _ => value(rest),
    }
}

fn value(rest: &mut &[Token<'_>]) -> Result<String, String> {
    match take(rest) {
        Some(Token::Word(word)) if is_value(word) => Ok(word.to_owned()),
        other => Err(format!(
            "expected a label value, found {}",
            show(other.as_ref())
        )),
    }
}

fn number(rest: &mut &[Token<'_>]) -> Result<i64, String> {
    let text = value(rest)?;
    text.parse()
        .map_err(|_| format!("expected a whole number, found `{text}`"))
}

fn list(rest: &mut &[Token<'_>]) -> Result<Vec<String>, String> {
    match take(rest) {
        Some(Token::Symbol("(")) => {}
        other => return Err(format!("expected `(`, found {}", show(other.as_ref()))),
    }
    let mut values = Vec::new();
    loop {
        match rest.first() {
            Some(Token::Symbol("," | ")")) => values.push(String::new()),
            _ => values.push(value(rest)?),
        }
        match take(rest) {
            Some(Token::Symbol(",")) => {}
            Some(Token::Symbol(")")) => return Ok(values),
            other => {
                return Err(format!(
                    "expected `,` or `)`, found {}",
                    show(other.as_ref())
                ));
            }
        }
    }
}

fn is_key(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    !name.is_empty()
        && is_value(name)
        && prefix.is_none_or(|prefix| {
            !prefix.is_empty()
                && prefix.len() <= 253
                && prefix.split('.').all(|label| {
                    label.bytes().all(|byte| {
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
                    }) && !label.is_empty()
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                })
        })
}

fn is_value(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        LabelSelector::parse(selector)
            .expect("the selector parses")
            .matches(labels)
    }

    #[test]
    fn every_operator_means_what_kubectl_means() {
        let labels = [("app", "web"), ("tier", "front"), ("weight", "7")];
        for (selector, expected) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("app=web", true),
            ("app==web", true),
            ("app=", false),
            ("app!=web", false),
            ("other!=web", true),
            ("app in (web, db)", true),
            ("app in (db)", false),
            ("app notin (db)", true),
            ("other notin (db)", true),
            ("weight>6", true),
            ("weight<7", false),
            ("app=web,tier=front", true),
            ("app=web , tier in (back)", false),
            ("example.com/x notin (1,)", true),
        ] {
            assert_eq!(matches(selector, &labels), expected, "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for selector in [
            "app=web,",
            "=web",
            "app in web",
            "app in (web",
            "a b",
            "-x",
            "a=b c",
            "x/y/z=1",
            "a>b",
            "app=-",
            "!",
            ",a",
        ] {
            assert!(LabelSelector::parse(selector).is_err(), "{selector}");
        }
    }
}
