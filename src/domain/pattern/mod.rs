//! Regular expressions as Go has them (RE2), on the `regex` crate.
//!
//! Duty: accept what Go's `regexp.Compile` accepts, refuse the rest in Go's words, find the same leftmost-first match, and fill
//! in Go's `Expand` templates. A pattern is translated, construct by construct, into one without flags or group names, so
//! nothing depends on where the two dialects happen to agree. Invariant: matching takes time linear in the text.
//! Absent: texts that are not UTF-8.
//!
//! Known differences, all of them towards accepting more or refusing what is huge: a script name with `_` (`\p{Old_Italic}`)
//! works, which Go 1.25 lost; a pattern longer than [`MAX_PATTERN_LENGTH`], nested deeper than [`MAX_DEPTH`], or that repeats wide classes
//! so often that it compiles to over 10 MiB, is refused ([`Fault::TooLarge`]).

mod bracket;
mod class;
mod escape;
mod expand;
mod group;
mod search;
mod translate;

pub use expand::{Expansion, Template};

use regex::{Regex, RegexBuilder};

/// The longest pattern that is compiled, in bytes.
pub const MAX_PATTERN_LENGTH: usize = 16 * 1024;
/// How large a pattern may be when it is compiled, in bytes, unless somebody asks for less.
pub const MAX_COMPILED: usize = 10 << 20;
/// The deepest nesting of groups that is compiled.
pub const MAX_DEPTH: usize = 200;

/// A compiled Go regular expression. A match may start anywhere in the text unless the pattern says otherwise.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
    /// The name of each capturing group, from the first on; empty when it has none.
    names: Vec<String>,
}

/// Why a pattern does not compile, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {fault}: `{expression}`")]
pub struct PatternError {
    /// What is wrong.
    pub fault: Fault,
    /// The part of the pattern where it is wrong.
    pub expression: String,
}

/// What can be wrong with a pattern; the words are Go's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A range that runs backwards, or a class whose name is not known.
    #[error("invalid character class range")]
    CharacterRange,
    /// An escape that means nothing, such as `\C` or a back reference.
    #[error("invalid escape sequence")]
    Escape,
    /// A group name that is empty or has other than letters, digits and `_`.
    #[error("invalid named capture")]
    NamedCapture,
    /// A group that starts with `(?` and something unknown, such as a look-ahead.
    #[error("invalid or unsupported Perl syntax")]
    PerlSyntax,
    /// A repetition of a repetition, such as `a**`.
    #[error("invalid nested repetition operator")]
    NestedRepetition,
    /// A count over 1000, or a minimum above the maximum.
    #[error("invalid repeat count")]
    RepeatCount,
    /// A class without its end.
    #[error("missing closing ]")]
    MissingBracket,
    /// A group without its end.
    #[error("missing closing )")]
    MissingParenthesis,
    /// A repetition of nothing.
    #[error("missing argument to repetition operator")]
    MissingRepeated,
    /// A backslash at the end.
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// A `)` without its `(`.
    #[error("unexpected )")]
    UnexpectedParenthesis,
    /// Deeper than [`MAX_DEPTH`].
    #[error("expression nests too deeply")]
    TooDeep,
    /// Longer than [`MAX_PATTERN_LENGTH`], or compiled to more than [`MAX_COMPILED`].
    #[error("expression too large")]
    TooLarge,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When Go would refuse it, or it is too large; see [`Fault`].
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        Self::within(pattern, MAX_COMPILED)
    }

    /// Compiles a pattern to at most `size` bytes.
    ///
    /// # Errors
    /// As [`Pattern::new`].
    pub fn within(pattern: &str, size: usize) -> Result<Self, PatternError> {
        if pattern.len() > MAX_PATTERN_LENGTH {
            let start = pattern.chars().take(60).collect::<String>();
            return Err(PatternError {
                fault: Fault::TooLarge,
                expression: start + "…",
            });
        }
        let translated = translate::translate(pattern)?;
        let regex = RegexBuilder::new(&translated.pattern)
            .nest_limit(4 * u32::try_from(MAX_DEPTH).unwrap_or(u32::MAX))
            .size_limit(size)
            .build()
            .map_err(|error| PatternError {
                fault: limit(&error),
                expression: pattern.to_owned(),
            })?;
        Ok(Pattern {
            text: pattern.to_owned(),
            regex,
            names: translated.names,
        })
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches anywhere in `text`.
    pub fn matches(&self, text: &str) -> bool {
        // Not `is_match`, which stops at the first end it sees: when that is an empty match inside a
        // character, it passes over the longer match that began before it (`\B|\W` on `_ſb`).
        self.regex.find(text).is_some()
    }
}

/// Which limit a translated pattern broke: the translation is well formed, so nothing else can be wrong with it.
fn limit(error: &regex::Error) -> Fault {
    match error {
        regex::Error::CompiledTooBig(_) => Fault::TooLarge,
        _ => Fault::TooDeep,
    }
}

#[cfg(test)]
mod tests;
