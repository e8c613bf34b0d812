//! The grammar of version ranges: groups separated by `||`, comparisons separated by spaces or commas.
//!
//! A group that names a prerelease in any of its comparisons takes prereleases; every other group takes releases only.
//! `A - B` is rewritten to `>= A, <= B` in the text before anything else is read, which is why odd places for it fail.

use super::Version;
use super::comparison::{Comparison, Operator, Wildcard};

/// The longest range that is read, in bytes.
pub const MAX_RANGE_LENGTH: usize = 512;
/// The most groups (parts between `||`) a range may have.
pub const MAX_GROUPS: usize = 32;

/// A set of versions, such as `>=1.2 <2.0 || ~3.1`.
#[derive(Debug, Clone)]
pub struct VersionRange {
    text: String,
    groups: Vec<Group>,
}

#[derive(Debug, Clone)]
struct Group {
    comparisons: Vec<Comparison>,
    prereleases: bool,
}

/// Why a text is not a range. The words are those of Masterminds/semver, because Flux shows them to its users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Longer than [`MAX_RANGE_LENGTH`] bytes.
    #[error("constraint string is too long (max {MAX_RANGE_LENGTH} bytes)")]
    TooLong,
    /// More than [`MAX_GROUPS`] groups.
    #[error("too many constraint groups (max {MAX_GROUPS})")]
    TooManyGroups,
    /// A group that is no list of comparisons.
    #[error("improper constraint: {}", quote(.0))]
    Improper(String),
    /// A comparison whose version is not one, such as `1|2`, `12x` or `1.2.3-01`.
    #[error("constraint parser error")]
    BadVersion,
}

impl VersionRange {
    /// Reads a range.
    ///
    /// # Errors
    /// When the text is no range; see [`RangeError`].
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        if text.len() > MAX_RANGE_LENGTH {
            return Err(RangeError::TooLong);
        }
        let rewritten = rewrite_hyphens(text);
        if rewritten.split("||").count() > MAX_GROUPS {
            return Err(RangeError::TooManyGroups);
        }
        let groups = rewritten
            .split("||")
            .map(parse_group)
            .collect::<Result<_, _>>()?;
        Ok(VersionRange {
            text: text.to_owned(),
            groups,
        })
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the range holds the version.
    pub fn contains(&self, version: &Version<'_>) -> bool {
        let release = version.prerelease().is_empty();
        self.groups
            .iter()
            .any(|group| (release || group.prereleases) && group.holds(version))
    }

    /// Whether the range would hold the version if every group took prereleases: tells a user why one was left out.
    pub fn would_contain(&self, version: &Version<'_>) -> bool {
        self.groups.iter().any(|group| group.holds(version))
    }
}

impl Group {
    fn holds(&self, version: &Version<'_>) -> bool {
        self.comparisons
            .iter()
            .all(|comparison| comparison.holds(version))
    }
}

fn parse_group(text: &str) -> Result<Group, RangeError> {
    let mut scanner = Scanner { text, at: 0 };
    let mut found = Vec::new();
    loop {
        let comparison = scanner
            .comparison()
            .ok_or_else(|| RangeError::Improper(text.to_owned()))?;
        found.push(comparison);
        let spaces = scanner.spaces();
        if scanner.at == text.len() {
            break;
        }
        if scanner.symbol(",") {
            scanner.spaces();
        } else if spaces == 0 {
            return Err(RangeError::Improper(text.to_owned()));
        }
    }
    // Masterminds checks the whole group's form before it reads any version.
    let comparisons: Vec<Comparison> = found
        .into_iter()
        .map(|(operator, version)| read_comparison(operator, &version))
        .collect::<Result<_, _>>()?;
    let prereleases = comparisons
        .iter()
        .any(|comparison| !comparison.prerelease.is_empty());
    Ok(Group {
        comparisons,
        prereleases,
    })
}

/// The parts of a version as a range writes it; numbers may be wildcards, or nonsense such as `1|2`.
struct RangeVersion<'a> {
    text: &'a str,
    numbers: [&'a str; 3],
    /// With its `-`.
    prerelease: &'a str,
}

fn read_comparison(
    operator: Operator,
    version: &RangeVersion<'_>,
) -> Result<Comparison, RangeError> {
    let [major, minor, _] = version.numbers;
    let wild = version
        .numbers
        .iter()
        .position(|number| number.is_empty() || is_wildcard(number));
    let (wildcard, bound) = match wild {
        None => (Wildcard::None, version.text.to_owned()),
        Some(0) => (Wildcard::Major, format!("0.0.0{}", version.prerelease)),
        Some(1) => (
            Wildcard::Minor,
            format!("{major}.0.0{}", version.prerelease),
        ),
        Some(_) => (
            Wildcard::Patch,
            format!("{major}.{minor}.0{}", version.prerelease),
        ),
    };
    let bound = Version::parse(&bound).map_err(|_| RangeError::BadVersion)?;
    Ok(Comparison {
        operator,
        wildcard,
        numbers: bound.numbers,
        prerelease: bound.prerelease.to_owned(),
    })
}

fn is_wildcard(number: &str) -> bool {
    matches!(number, "x" | "X" | "*")
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    /// Takes the longest run of bytes for which `wanted` holds; they are ASCII.
    fn run(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii() && wanted(*byte))
            .count();
        self.at += length;
        &rest[..length]
    }

    fn spaces(&mut self) -> usize {
        self.run(is_space).len()
    }

    fn comparison(&mut self) -> Option<(Operator, RangeVersion<'a>)> {
        self.spaces();
        let operator = self.operator();
        self.spaces();
        Some((operator, self.version()?))
    }

    fn operator(&mut self) -> Operator {
        const SIGNS: [(&str, Operator); 11] = [
            ("!=", Operator::NotEqual),
            (">=", Operator::GreaterOrEqual),
            ("=>", Operator::GreaterOrEqual),
            ("<=", Operator::LessOrEqual),
            ("=<", Operator::LessOrEqual),
            ("~>", Operator::Tilde),
            ("=", Operator::Equal),
            (">", Operator::Greater),
            ("<", Operator::Less),
            ("~", Operator::Tilde),
            ("^", Operator::Caret),
        ];
        let found = SIGNS.into_iter().find(|(sign, _)| self.symbol(sign));
        found.map_or(Operator::Equal, |(_, operator)| operator)
    }

    fn version(&mut self) -> Option<RangeVersion<'a>> {
        let start = self.at;
        self.symbol("v");
        let mut numbers = [self.run(is_number_byte), "", ""];
        if numbers[0].is_empty() {
            self.at = start;
            return None;
        }
        for number in &mut numbers[1..] {
            *number = self
                .prefixed('.', |scanner| scanner.run(is_number_byte))
                .unwrap_or("");
            if number.is_empty() {
                break;
            }
        }
        let before_prerelease = self.at;
        self.prefixed('-', Scanner::identifiers);
        let prerelease = &self.text[before_prerelease..self.at];
        self.prefixed('+', Scanner::identifiers);
        Some(RangeVersion {
            text: &self.text[start..self.at],
            numbers,
            prerelease,
        })
    }

    /// Takes `sign` and what `part` takes after it, or nothing at all.
    fn prefixed(&mut self, sign: char, part: impl Fn(&mut Self) -> &'a str) -> Option<&'a str> {
        let start = self.at;
        if self.symbol(sign.encode_utf8(&mut [0; 4])) {
            let taken = part(self);
            if !taken.is_empty() {
                return Some(taken);
            }
        }
        self.at = start;
        None
    }

    fn identifiers(&mut self) -> &'a str {
        let start = self.at;
        let one =
            |scanner: &mut Self| scanner.run(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !one(self).is_empty() {
            while self.prefixed('.', one).is_some() {}
        }
        &self.text[start..self.at]
    }
}

/// White space as Go's regular expressions have it: without the vertical tab.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// What Masterminds lets stand for a number; `|` is in its set by mistake, and only ever leads to an error.
fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*' | b'|')
}

/// Replaces each `A - B` by `>= A, <= B `.
fn rewrite_hyphens(text: &str) -> String {
    let mut rewritten = text.to_owned();
    let mut at = 0;
    while at < text.len() {
        match hyphen_range(text, at) {
            Some((whole, lower, upper)) => {
                rewritten = rewritten.replacen(whole, &format!(">= {lower}, <= {upper} "), 1);
                at += whole.len();
            }
            None => at += text[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    rewritten
}

/// Reads `A - B` at `at`, with the white space around it.
fn hyphen_range(text: &str, at: usize) -> Option<(&str, &str, &str)> {
    let mut scanner = Scanner { text, at };
    scanner.spaces();
    let lower = scanner.version()?.text;
    if scanner.spaces() == 0 || !scanner.symbol("-") || scanner.spaces() == 0 {
        return None;
    }
    let upper = scanner.version()?.text;
    scanner.spaces();
    Some((&text[at..scanner.at], lower, upper))
}

/// Quotes as Go's `%q` does, for the characters that can be in a range by mistake.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            control if control.is_ascii_control() => {
                quoted.push_str(&format!("\\x{:02x}", control as u32))
            }
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", control as u32))
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
