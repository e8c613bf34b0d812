//! Versions and version ranges as Masterminds/semver 3.5.0 reads them, which is what Flux and Helm use.
//!
//! Duty: parse the text of a tag loosely, order versions by precedence, and say whether a [`VersionRange`] holds a version.
//! Invariant: a [`Version`] borrows its text and never allocates, so a million tags cost no memory. Numbers are `u64`, as in Go.
//! Absent: what to do with the result (`policy`), and strict parsing. The `semver` crate orders build metadata and reads
//! ranges by Cargo's rules, so neither of its types fits here.

mod comparison;
mod range;

pub use range::{MAX_GROUPS, MAX_RANGE_LENGTH, RangeError, VersionRange};

use std::cmp::Ordering;

/// The longest version text that is read, in bytes.
pub const MAX_VERSION_LENGTH: usize = 256;

/// A semantic version, read loosely: `v` prefix, missing minor or patch (then 0) and leading zeros in the three numbers are fine.
///
/// Two versions of equal precedence may differ in text; so there is no `Eq`. Compare with [`Version::precedence`].
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    text: &'a str,
    numbers: [u64; 3],
    prerelease: &'a str,
    build: &'a str,
}

/// Why a text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Longer than [`MAX_VERSION_LENGTH`] bytes.
    #[error("version string is too long (max {MAX_VERSION_LENGTH} bytes)")]
    TooLong,
    /// Not of the form `[v]N[.N[.N]][-prerelease][+build]`.
    #[error("invalid semantic version")]
    Malformed,
    /// One of the three numbers does not fit 64 bits.
    #[error("version number is larger than 64 bits")]
    NumberTooLarge,
    /// A numeric identifier of the prerelease has a leading zero.
    #[error("version segment starts with 0")]
    LeadingZero,
}

impl<'a> Version<'a> {
    /// Reads a version loosely, as Masterminds' `NewVersion`.
    ///
    /// # Errors
    /// When the text is no version; see [`VersionError`].
    pub fn parse(text: &'a str) -> Result<Self, VersionError> {
        if text.len() > MAX_VERSION_LENGTH {
            return Err(VersionError::TooLong);
        }
        let mut rest = text.strip_prefix('v').unwrap_or(text);
        let mut numbers = [0; 3];
        numbers[0] = take_number(&mut rest)?;
        for number in &mut numbers[1..] {
            let Some(after_dot) = rest.strip_prefix('.') else {
                break;
            };
            rest = after_dot;
            *number = take_number(&mut rest)?;
        }
        let (prerelease, build) = split_suffix(rest)?;
        Ok(Version {
            text,
            numbers,
            prerelease,
            build,
        })
    }

    /// Reads the tag of an image as Flux does: like [`Version::parse`], but the text must hold at least two dots.
    ///
    /// # Errors
    /// When the tag is no version; see [`VersionError`].
    pub fn parse_tag(tag: &'a str) -> Result<Self, VersionError> {
        let dots = tag.bytes().filter(|byte| *byte == b'.').take(2).count();
        if dots < 2 {
            Err(VersionError::Malformed)
        } else {
            Self::parse(tag)
        }
    }

    /// The text it was read from.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The first number.
    pub fn major(&self) -> u64 {
        self.numbers[0]
    }

    /// The second number, 0 when the text has none.
    pub fn minor(&self) -> u64 {
        self.numbers[1]
    }

    /// The third number, 0 when the text has none.
    pub fn patch(&self) -> u64 {
        self.numbers[2]
    }

    /// The part after `-`, without it; empty for a release.
    pub fn prerelease(&self) -> &'a str {
        self.prerelease
    }

    /// The part after `+`, without it; often empty.
    pub fn build(&self) -> &'a str {
        self.build
    }

    /// Orders by semantic version precedence, which does not look at build metadata.
    pub fn precedence(&self, other: &Version<'_>) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| prerelease_precedence(self.prerelease, other.prerelease))
    }
}

/// Takes the digits at the start of `rest`; leading zeros count as nothing.
fn take_number(rest: &mut &str) -> Result<u64, VersionError> {
    let mut value = 0u64;
    let mut length = 0;
    for digit in rest.bytes().take_while(u8::is_ascii_digit) {
        value = value
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(digit - b'0')))
            .ok_or(VersionError::NumberTooLarge)?;
        length += 1;
    }
    *rest = &rest[length..];
    if length == 0 {
        Err(VersionError::Malformed)
    } else {
        Ok(value)
    }
}

/// Splits `[-prerelease][+build]`.
fn split_suffix(rest: &str) -> Result<(&str, &str), VersionError> {
    if rest.is_empty() {
        return Ok(("", ""));
    }
    let (before, build) = match rest.split_once('+') {
        Some((before, build)) => (before, Some(build)),
        None => (rest, None),
    };
    let prerelease = match before.strip_prefix('-') {
        Some(prerelease) => Some(prerelease),
        None if before.is_empty() => None,
        None => return Err(VersionError::Malformed),
    };
    for identifiers in [prerelease, build].into_iter().flatten() {
        if !identifiers.split('.').all(is_identifier) {
            return Err(VersionError::Malformed);
        }
    }
    let prerelease = prerelease.unwrap_or_default();
    if prerelease.split('.').any(has_leading_zero) {
        return Err(VersionError::LeadingZero);
    }
    Ok((prerelease, build.unwrap_or_default()))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn has_leading_zero(identifier: &str) -> bool {
    identifier.len() > 1
        && identifier.starts_with('0')
        && identifier.bytes().all(|byte| byte.is_ascii_digit())
}

/// A release comes after its prereleases; prereleases are ordered identifier by identifier, and a longer list comes after its prefix.
fn prerelease_precedence(one: &str, other: &str) -> Ordering {
    match (one.is_empty(), other.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => one
            .split('.')
            .map(Identifier::new)
            .cmp(other.split('.').map(Identifier::new)),
    }
}

/// One identifier of a prerelease. The derived order is the wanted one: numbers come before words.
///
/// Digits beyond 64 bits are a word, as in Masterminds.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(u64),
    Word(&'a str),
}

impl<'a> Identifier<'a> {
    fn new(text: &'a str) -> Self {
        text.parse()
            .map_or(Identifier::Word(text), Identifier::Number)
    }
}

#[cfg(test)]
mod tests;
