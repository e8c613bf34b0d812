//! Characters by Go's tables: what is a letter, what prints, and upper and lower case one character at a time.

use regex::Regex;
use std::sync::LazyLock;

fn is_in(table: &Regex, character: char) -> bool {
    table.is_match(character.encode_utf8(&mut [0; 4]))
}

/// Go's `IsLetter`; the standard library's predicate is wider.
pub(super) fn is_letter(character: char) -> bool {
    static TABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\pL").expect("a constant pattern"));
    if character.is_ascii() {
        return character.is_ascii_alphabetic();
    }
    is_in(&TABLE, character)
}

/// Go's `IsDigit`.
pub(super) fn is_digit(character: char) -> bool {
    static TABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\p{Nd}").expect("a constant pattern"));
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    is_in(&TABLE, character)
}

/// Go's `IsPunct`.
pub(super) fn is_punctuation(character: char) -> bool {
    static TABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\pP").expect("a constant pattern"));
    is_in(&TABLE, character)
}

/// Go's `IsUpper`.
pub(super) fn is_upper(character: char) -> bool {
    static TABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\p{Lu}").expect("a constant pattern"));
    if character.is_ascii() {
        return character.is_ascii_uppercase();
    }
    is_in(&TABLE, character)
}

/// Go's `IsLower`.
pub(super) fn is_lower(character: char) -> bool {
    static TABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\p{Ll}").expect("a constant pattern"));
    if character.is_ascii() {
        return character.is_ascii_lowercase();
    }
    is_in(&TABLE, character)
}

/// Go's `IsNumber`.
pub(super) fn is_number(character: char) -> bool {
    character.is_numeric()
}

/// Go's `IsPrint`.
pub(super) fn is_printable(character: char) -> bool {
    static TABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[\pL\pM\pN\pP\pS]").expect("a constant pattern"));
    if character.is_ascii() {
        return character == ' ' || character.is_ascii_graphic();
    }
    is_in(&TABLE, character)
}

/// Go's `IsSpace`.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace()
}

/// What names in actions are made of.
pub(super) fn is_word(character: char) -> bool {
    character == '_' || is_letter(character) || is_digit(character)
}

/// Go's `ToUpper`: one character for one.
pub(super) fn upper(character: char) -> char {
    let mut mapped = character.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => with_iota(character),
    }
}

/// The letters with iota below have an upper case of one character as well as one of two.
fn with_iota(character: char) -> char {
    let code = u32::from(character);
    let shift = match code {
        0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7 => 8,
        0x1fb3 | 0x1fc3 | 0x1ff3 => 9,
        _ => 0,
    };
    char::from_u32(code + shift).unwrap_or(character)
}

/// Go's `ToTitle`.
pub(super) fn title(character: char) -> char {
    match character {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10ff}' => character,
        other => upper(other),
    }
}

/// Go's `ToLower`: one character for one.
pub(super) fn lower(character: char) -> char {
    if character == '\u{130}' {
        return 'i';
    }
    let mut mapped = character.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_changed_one_character_for_one() {
        assert_eq!(
            ['ß', 'ᾳ', 'é', 'ǆ', 'ა'].map(upper),
            ['ß', 'ᾼ', 'É', 'Ǆ', 'Ა']
        );
        assert_eq!(['ǆ', 'ა', 'x'].map(title), ['ǅ', 'ა', 'X']);
        assert_eq!(['İ', 'Σ', 'É'].map(lower), ['i', 'σ', 'é']);
    }

    #[test]
    fn letters_and_what_prints_are_gos() {
        assert_eq!(
            ['a', 'é', 'ⅷ', '٣'].map(is_letter),
            [true, true, false, false]
        );
        assert_eq!(['٣', '½', 'ⅷ'].map(is_digit), [true, false, false]);
        assert_eq!(
            [' ', '\u{a0}', '\u{200b}', '€', '\u{ad}'].map(is_printable),
            [true, false, false, true, false]
        );
    }
}
