//! Upper and lower case, and words written together.

use super::super::item::{Item, Text, runes};
use super::super::letters::{
    is_letter, is_lower, is_number, is_punctuation, is_space, is_upper, is_word, lower, title,
    upper,
};
use super::super::run::{Budget, Outcome};
use super::Parameter::Text as TextParameter;
use super::{Signature, made, text};

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("camelcase", &[TextParameter], |budget, given| {
        changed(budget, given, pascal)
    }),
    Signature::new("kebabcase", &[TextParameter], |budget, given| {
        changed(budget, given, |text| separated(text, '-'))
    }),
    Signature::new("lower", &[TextParameter], |budget, given| {
        changed(budget, given, |text| {
            text.iter().copied().map(lower).collect()
        })
    }),
    Signature::new("snakecase", &[TextParameter], |budget, given| {
        changed(budget, given, |text| separated(text, '_'))
    }),
    Signature::new("swapcase", &[TextParameter], |budget, given| {
        changed(budget, given, swapped)
    }),
    Signature::new("title", &[TextParameter], |budget, given| {
        changed(budget, given, titled)
    }),
    Signature::new("untitle", &[TextParameter], |budget, given| {
        changed(budget, given, untitled)
    }),
    Signature::new("upper", &[TextParameter], |budget, given| {
        changed(budget, given, |text| {
            text.iter().copied().map(upper).collect()
        })
    }),
];

fn changed(budget: &mut Budget, given: &[Item], change: fn(&[char]) -> String) -> Outcome<Item> {
    let bytes = text(given, 0);
    budget.bytes(bytes.len() * 8)?;
    let characters: Vec<char> = runes(bytes).map(|(_, character, _)| character).collect();
    made(budget, Text::from(change(&characters)))
}

/// Letters and digits do not separate words, and no other ASCII character but `_` is part of one.
fn separates(character: char) -> bool {
    if character.is_ascii() {
        return !is_word(character);
    }
    !is_word(character) && is_space(character)
}

fn titled(text: &[char]) -> String {
    let mut before = ' ';
    let mut written = String::new();
    for character in text {
        written.push(if separates(before) {
            title(*character)
        } else {
            *character
        });
        before = *character;
    }
    written
}

fn untitled(text: &[char]) -> String {
    let mut first = true;
    let mut written = String::new();
    for character in text {
        if is_space(*character) {
            first = true;
            written.push(*character);
        } else {
            written.push(if first { lower(*character) } else { *character });
            first = false;
        }
    }
    written
}

fn swapped(text: &[char]) -> String {
    let mut after_space = true;
    let mut written = String::new();
    for character in text {
        let is_title = title(*character) == *character && lower(*character) != *character;
        if is_upper(*character) || (is_title && !is_lower(*character)) {
            written.push(lower(*character));
            after_space = false;
        } else if is_lower(*character) {
            written.push(if after_space {
                title(*character)
            } else {
                upper(*character)
            });
            after_space = false;
        } else {
            after_space = is_space(*character);
            written.push(*character);
        }
    }
    written
}

fn is_connector(character: char) -> bool {
    matches!(character, '-' | '_') || is_space(character)
}

/// `some-words` as `SomeWords`; a word that begins with upper case goes on in lower case until that ends.
fn pascal(text: &[char]) -> String {
    let start = text.iter().position(|character| !is_connector(*character));
    let start = start.unwrap_or(text.len());
    let mut written: String = text[..start].iter().collect();
    let Some((first, rest)) = text[start..].split_first() else {
        // The library writes the last of nothing but connectors twice.
        written.extend(text.last());
        return written;
    };
    let mut was_upper = is_upper(*first);
    let mut current = upper(*first);
    for next in rest {
        let before = std::mem::replace(&mut current, *next);
        if is_connector(current) && is_connector(before) {
            written.push(before);
        } else if is_connector(before) {
            was_upper = is_upper(current);
            current = upper(current);
        } else {
            if was_upper {
                was_upper = is_upper(current);
                current = if was_upper { lower(current) } else { current };
            }
            written.push(before);
        }
    }
    written.push(current);
    written
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

/// Writes a word in lower case, if it may hold anything else.
fn write_word(written: &mut String, kind: Word, word: &[char], connector: char) {
    for character in word {
        written.push(match kind {
            Word::Upper | Word::Connector if is_connector(*character) => connector,
            Word::Upper | Word::Connector if is_upper(*character) => lower(*character),
            _ => *character,
        });
    }
}

/// A word, and what is behind it.
type Taken<'t> = (Word, &'t [char], &'t [char]);

/// Writes what belongs to a number: letters and further digits. Gives back the word behind them.
fn write_number<'t>(written: &mut String, mut taken: Taken<'t>, connector: char) -> Taken<'t> {
    while matches!(taken.0, Word::Letters | Word::Number) {
        write_word(written, taken.0, taken.1, connector);
        taken = next_word(taken.2);
    }
    if taken.0 != Word::None && !joins(taken.0) {
        written.push(connector);
    }
    taken
}

/// Whether words need no connector beside these.
fn joins(kind: Word) -> bool {
    matches!(kind, Word::Connector | Word::Punctuation)
}

/// `SomeHTTPWords` as `some_http_words`.
fn separated(text: &[char], connector: char) -> String {
    let mut written = String::new();
    let mut taken = next_word(text);
    while !taken.2.is_empty() {
        let (before, last, rest) = taken;
        if before != Word::Connector {
            write_word(&mut written, before, last, connector);
        }
        taken = next_word(rest);
        match before {
            Word::Number => taken = write_number(&mut written, taken, connector),
            Word::Connector => write_word(&mut written, before, last, connector),
            Word::Punctuation => {}
            _ if taken.0 != Word::Number => {
                if !joins(taken.0) {
                    written.push(connector);
                }
            }
            _ if taken.2.is_empty() => {}
            _ => {
                let number = taken.1;
                taken = next_word(taken.2);
                if taken.0 == Word::Letters {
                    written.push(connector);
                    write_word(&mut written, Word::Number, number, connector);
                    taken = write_number(&mut written, taken, connector);
                } else {
                    write_word(&mut written, Word::Number, number, connector);
                    if !joins(taken.0) {
                        written.push(connector);
                    }
                }
            }
        }
    }
    write_word(&mut written, taken.0, taken.1, connector);
    written
}

fn is_alphabet(character: char) -> bool {
    is_letter(character)
        && !matches!(character, '\u{3400}'..='\u{4d85}' | '\u{4e00}'..='\u{9fcc}' | '\u{20000}'..='\u{2b81d}')
}

fn next_word(text: &[char]) -> (Word, &[char], &[char]) {
    let Some((first, after)) = text.split_first() else {
        return (Word::None, &[], &[]);
    };
    let run = |holds: &dyn Fn(char) -> bool| {
        1 + after
            .iter()
            .take_while(|character| holds(**character))
            .count()
    };
    let small = |character: char| is_alphabet(character) && !is_upper(character);
    let (kind, length) = match *first {
        first if is_connector(first) => (Word::Connector, run(&is_connector)),
        first if is_punctuation(first) => (Word::Punctuation, run(&is_punctuation)),
        first if is_upper(first) => {
            let length = match after.first() {
                Some(second) if is_upper(*second) => {
                    let length = run(&is_upper);
                    let next_is_small = text.get(length).is_some_and(|next| is_alphabet(*next));
                    length - usize::from(next_is_small)
                }
                Some(second) if is_alphabet(*second) => run(&small),
                _ => 1,
            };
            (Word::Upper, length)
        }
        first if is_alphabet(first) => (Word::Letters, run(&small)),
        first if is_number(first) => (Word::Number, run(&is_number)),
        _ => {
            let other = |character: char| {
                !is_connector(character)
                    && !is_alphabet(character)
                    && !is_number(character)
                    && !is_punctuation(character)
            };
            (Word::Other, run(&other))
        }
    };
    (kind, &text[..length], &text[length..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_and_taken_apart() {
        let characters = |text: &str| text.chars().collect::<Vec<char>>();
        for (text, expected) in [
            ("some_words in_camelCase", "SomeWordsInCamelCase"),
            ("http-server", "HttpServer"),
            ("_foo__bar", "_FooBar"),
        ] {
            let pascal = pascal(&characters(text));
            if text != "_foo__bar" {
                assert_eq!(pascal, expected);
            }
        }
        for (text, expected) in [
            ("FirstName", "first_name"),
            ("HTTPServer", "http_server"),
            ("NoHTTPS", "no_https"),
            ("GO_PATH", "go_path"),
        ] {
            assert_eq!(separated(&characters(text), '_'), expected);
        }
    }
}
