//! Matching one name or path against one shell pattern, as Git does in `.gitignore`.
//!
//! `*`, `?` and brackets stop at `/`; `**` between slashes crosses them. A pattern that is not
//! well-formed matches nothing. Invariant: the time is bounded by pattern times text, because all
//! ways to match are followed at once.

/// A pattern, ready to match. `None` inside when it is not well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard(Option<Vec<Token>>);

impl Wildcard {
    pub(super) fn new(pattern: &str) -> Self {
        Self(parse(pattern.as_bytes()))
    }

    /// Whether the pattern matches all of `text`.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.0
            .as_ref()
            .is_some_and(|tokens| run(tokens, text.as_bytes()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`
    Any,
    /// `*`: any bytes but `/`.
    Star,
    /// `**` that may cross `/`.
    Across,
    /// `**/`: nothing, or any bytes up to and with a `/`.
    Folders,
    Class(Box<[bool; 256]>),
}

fn parse(pattern: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = pattern.get(at) {
        match byte {
            b'\\' => {
                tokens.push(Token::Byte(*pattern.get(at + 1)?));
                at += 2;
            }
            b'?' => {
                tokens.push(Token::Any);
                at += 1;
            }
            b'*' => {
                let end = pattern[at..]
                    .iter()
                    .position(|byte| *byte != b'*')
                    .map_or(pattern.len(), |length| at + length);
                let opens = at == 0 || pattern[at - 1] == b'/';
                match (end - at >= 2 && opens, pattern.get(end)) {
                    (true, None) => tokens.push(Token::Across),
                    (true, Some(b'\\')) if pattern.get(end + 1) == Some(&b'/') => {
                        tokens.push(Token::Across);
                    }
                    (true, Some(b'/')) => {
                        tokens.push(Token::Folders);
                        at = end + 1;
                        continue;
                    }
                    _ => tokens.push(Token::Star),
                }
                at = end;
            }
            b'[' => {
                let (class, end) = class(pattern, at + 1)?;
                tokens.push(Token::Class(class));
                at = end;
            }
            byte => {
                tokens.push(Token::Byte(byte));
                at += 1;
            }
        }
    }
    Some(tokens)
}

/// Reads a bracket expression from after its `[`; returns its set and the position after its `]`.
fn class(pattern: &[u8], start: usize) -> Option<(Box<[bool; 256]>, usize)> {
    let mut set = Box::new([false; 256]);
    let mut at = start;
    let negated = matches!(pattern.get(at)?, b'!' | b'^');
    at += usize::from(negated);
    let mut previous = None;
    let mut first = true;
    loop {
        let byte = *pattern.get(at)?;
        if byte == b']' && !first {
            break;
        }
        first = false;
        if byte == b'[' && pattern.get(at + 1) == Some(&b':') {
            let end = at + 2 + pattern[at + 2..].iter().position(|byte| *byte == b']')?;
            if end > at + 2 && pattern[end - 1] == b':' {
                let member = named(&pattern[at + 2..end - 1])?;
                (0..=255_u8)
                    .filter(member)
                    .for_each(|byte| set[usize::from(byte)] = true);
                previous = None;
                at = end + 1;
                continue;
            }
        }
        let range = byte == b'-' && pattern.get(at + 1).is_some_and(|next| *next != b']');
        if let (true, Some(low)) = (range, previous) {
            let (high, next) = literal(pattern, at + 1)?;
            (low..=high).for_each(|byte| set[usize::from(byte)] = true);
            previous = None;
            at = next;
        } else {
            let (byte, next) = literal(pattern, at)?;
            set[usize::from(byte)] = true;
            previous = Some(byte);
            at = next;
        }
    }
    if negated {
        set.iter_mut().for_each(|member| *member = !*member);
    }
    set[usize::from(b'/')] = false;
    Some((set, at + 1))
}

fn literal(pattern: &[u8], at: usize) -> Option<(u8, usize)> {
    match *pattern.get(at)? {
        b'\\' => Some((*pattern.get(at + 1)?, at + 2)),
        byte => Some((byte, at + 1)),
    }
}

fn named(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

/// Follows all ways to match at once.
fn run(tokens: &[Token], text: &[u8]) -> bool {
    let mut ways = Ways::new(tokens.len());
    ways.reached[0] = true;
    ways.skip_empty(tokens);
    for &byte in text {
        let mut next = Ways::new(tokens.len());
        for (index, token) in tokens.iter().enumerate() {
            let inside = ways.inside[index];
            if !ways.reached[index] && !inside {
                continue;
            }
            match token {
                Token::Byte(expected) => next.reached[index + 1] |= byte == *expected,
                Token::Any => next.reached[index + 1] |= byte != b'/',
                Token::Class(set) => next.reached[index + 1] |= set[usize::from(byte)],
                Token::Star => next.reached[index] |= byte != b'/',
                Token::Across => next.reached[index] = true,
                Token::Folders => {
                    next.inside[index] = true;
                    next.reached[index + 1] |= byte == b'/';
                }
            }
        }
        next.skip_empty(tokens);
        ways = next;
    }
    ways.reached[tokens.len()]
}

/// How far the ways to match have come: `reached[i]` when the first `i` tokens have matched,
/// `inside[i]` when token `i` has begun and must still find its `/`.
struct Ways {
    reached: Vec<bool>,
    inside: Vec<bool>,
}

impl Ways {
    fn new(tokens: usize) -> Self {
        Self {
            reached: vec![false; tokens + 1],
            inside: vec![false; tokens + 1],
        }
    }

    /// Lets tokens that may match nothing do so.
    fn skip_empty(&mut self, tokens: &[Token]) {
        for (index, token) in tokens.iter().enumerate() {
            let optional = matches!(token, Token::Star | Token::Across | Token::Folders);
            if self.reached[index] && optional {
                self.reached[index + 1] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_the_manual_of_gitignore_says() {
        for (pattern, text, expected) in [
            ("foo", "foo", true),
            ("foo", "fooo", false),
            ("f?o", "foo", true),
            ("f?o", "f/o", false),
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a/b.yaml", false),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/b/b/c", false),
            ("**/foo", "foo", true),
            ("**/foo", "a/b/foo", true),
            ("**/foo", "afoo", false),
            ("abc/**", "abc/x/y", true),
            ("abc/**", "abc", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/xb", false),
            ("a**b", "axxb", true),
            ("a**b", "ax/xb", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]-]x", "]x", true),
            ("[[:digit:]]x", "7x", true),
            ("[[:nonsense:]]x", "7x", false),
            ("a[/]b", "a/b", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[a", "[a", false),
            ("a\\", "a\\", false),
        ] {
            assert_eq!(
                Wildcard::new(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_long_time() {
        let pattern = "a*".repeat(2_000) + "b";
        assert!(!Wildcard::new(&pattern).matches(&"a".repeat(4_000)));
    }
}
