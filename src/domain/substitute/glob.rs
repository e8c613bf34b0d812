//! The patterns of `${name#pattern}` and its like: Go's `path.Match`, in which `*` also spans `/`.
//!
//! Invariant: a pattern that is none matches nothing, and every comparison costs one of a bounded
//! number of steps. Works on bytes, as Flux does: a `?` takes a whole character where there is one.

use super::TemplateError;

/// How many comparisons one template may take.
const STEPS: usize = 100_000_000;

/// What is left of the comparisons.
#[derive(Debug)]
pub(super) struct Steps(usize);

impl Default for Steps {
    fn default() -> Self {
        Self(STEPS)
    }
}

impl Steps {
    fn spend(&mut self, count: usize) -> Result<(), Stop> {
        self.0 = self.0.checked_sub(count).ok_or(Stop::Work)?;
        Ok(())
    }
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The pattern is malformed.
    Pattern,
    /// It takes too long.
    Work,
}

impl From<Stop> for TemplateError {
    fn from(_: Stop) -> Self {
        Self::TooLarge {
            what: "comparing a pattern takes too long",
        }
    }
}

/// Whether `pattern` matches all of `name`.
pub(super) fn matches(
    mut pattern: &[u8],
    mut name: &[u8],
    steps: &mut Steps,
) -> Result<bool, Stop> {
    'pattern: while !pattern.is_empty() {
        let (star, chunk, rest) = split(pattern);
        steps.spend(pattern.len() - rest.len())?;
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(true);
        }
        let fits = |left: &[u8]| left.is_empty() || !pattern.is_empty();
        if let Some(left) = prefix(chunk, name, steps)?.filter(|left| fits(left)) {
            name = left;
            continue;
        }
        if star {
            for start in 1..=name.len() {
                if let Some(left) = prefix(chunk, &name[start..], steps)?.filter(|left| fits(left))
                {
                    name = left;
                    continue 'pattern;
                }
            }
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// Whether it starts with stars, what follows up to the next star, and the rest.
fn split(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
    let pattern = &pattern[stars..];
    let mut in_class = false;
    let mut at = 0;
    while at < pattern.len() {
        match pattern[at] {
            b'\\' if at + 1 < pattern.len() => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => break,
            _ => {}
        }
        at += 1;
    }
    (stars > 0, &pattern[..at], &pattern[at..])
}

/// What is left of `name` after a chunk without stars; `None` when it does not start so.
fn prefix<'a>(
    mut chunk: &[u8],
    mut name: &'a [u8],
    steps: &mut Steps,
) -> Result<Option<&'a [u8]>, Stop> {
    while let Some(&first) = chunk.first() {
        steps.spend(1)?;
        let Some(&byte) = name.first() else {
            return Ok(None);
        };
        match first {
            b'[' => {
                let (character, width) = decode(name);
                name = &name[width..];
                let Some(rest) = class(&chunk[1..], character, steps)? else {
                    return Ok(None);
                };
                chunk = rest;
            }
            b'?' => {
                name = &name[decode(name).1..];
                chunk = &chunk[1..];
            }
            _ => {
                if first == b'\\' {
                    chunk = &chunk[1..];
                }
                match chunk.first() {
                    None => return Err(Stop::Pattern),
                    Some(wanted) if *wanted != byte => return Ok(None),
                    Some(_) => {}
                }
                name = &name[1..];
                chunk = &chunk[1..];
            }
        }
    }
    Ok(Some(name))
}

/// What follows a class that holds `character`; `None` when it does not.
fn class<'a>(
    mut chunk: &'a [u8],
    character: u32,
    steps: &mut Steps,
) -> Result<Option<&'a [u8]>, Stop> {
    let negated = chunk.first() == Some(&b'^');
    if negated {
        chunk = &chunk[1..];
    }
    let mut found = false;
    let mut ranges = 0;
    loop {
        steps.spend(1)?;
        if chunk.first() == Some(&b']') && ranges > 0 {
            break;
        }
        let (low, rest) = bound(chunk)?;
        let mut high = low;
        chunk = rest;
        if chunk.first() == Some(&b'-') {
            (high, chunk) = bound(&chunk[1..])?;
        }
        found |= low <= character && character <= high;
        ranges += 1;
    }
    Ok((found != negated).then_some(&chunk[1..]))
}

/// One end of a range, and what follows, which is never nothing.
fn bound(chunk: &[u8]) -> Result<(u32, &[u8]), Stop> {
    let chunk = match chunk.first() {
        None | Some(b'-' | b']') => return Err(Stop::Pattern),
        Some(b'\\') => &chunk[1..],
        Some(_) => chunk,
    };
    if chunk.is_empty() {
        return Err(Stop::Pattern);
    }
    let (character, width) = decode(chunk);
    let rest = &chunk[width..];
    let broken = character == REPLACEMENT && width == 1;
    match broken || rest.is_empty() {
        true => Err(Stop::Pattern),
        false => Ok((character, rest)),
    }
}

const REPLACEMENT: u32 = char::REPLACEMENT_CHARACTER as u32;

/// The first character and its width; a byte that starts none counts as one.
fn decode(bytes: &[u8]) -> (u32, usize) {
    let longest = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(longest) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&longest[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(character) => (u32::from(character), character.len_utf8()),
        None => (REPLACEMENT, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pattern: &str, name: &str) -> Result<bool, Stop> {
        matches(pattern.as_bytes(), name.as_bytes(), &mut Steps::default())
    }

    #[test]
    fn stars_marks_and_classes_match_as_in_a_shell() {
        for (pattern, name) in [
            ("", ""),
            ("*", "a/b"),
            ("a*c", "abbc"),
            ("a*b*c", "axbxbxc"),
            ("?", "é"),
            ("[a-c]x", "bx"),
            ("[^a-c]x", "dx"),
            ("\\*", "*"),
            ("[\\]]", "]"),
        ] {
            assert_eq!(ask(pattern, name), Ok(true), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "a"),
            ("a", ""),
            ("a?", "a"),
            ("[a-c]", "d"),
            ("*b", "a"),
        ] {
            assert_eq!(ask(pattern, name), Ok(false), "{pattern} {name}");
        }
    }

    #[test]
    fn a_malformed_class_is_told() {
        for pattern in ["[", "[a", "[]a]", "[-x]", "[a-", "\\"] {
            assert_eq!(ask(pattern, "a"), Err(Stop::Pattern), "{pattern}");
        }
    }
}
