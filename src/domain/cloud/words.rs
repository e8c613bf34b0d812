//! Taking a command line apart without a shell.
//!
//! Invariant: quotes and backslashes mean what they mean in a POSIX shell, and nothing else means anything: no variable, no
//! wildcard, no other program. It is how Amazon's command line reads `credential_process`. What is absent: starting programs.

/// The words of a command line; `None` when there are none, or when a quote or a backslash has no end.
pub fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                quoted(&mut letters, word, '\'')?;
            }
            '"' => {
                let word = word.get_or_insert_default();
                quoted(&mut letters, word, '"')?;
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    (!words.is_empty()).then_some(words)
}

/// Reads up to the closing quote. A backslash counts only between double quotes, and only before one or another backslash.
fn quoted(letters: &mut std::str::Chars<'_>, word: &mut String, quote: char) -> Option<()> {
    loop {
        match letters.next()? {
            letter if letter == quote => return Some(()),
            '\\' if quote == '"' => match letters.next()? {
                escaped @ ('"' | '\\') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            other => word.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_backslashes_mean_what_they_mean_in_a_shell() {
        // As Python's shlex.split takes them apart, which Amazon's command line uses.
        for (line, expected) in [
            (
                "/opt/bin/creds --profile ci",
                &["/opt/bin/creds", "--profile", "ci"][..],
            ),
            (
                r#""/opt/my programs/creds" 'a b'c"#,
                &["/opt/my programs/creds", "a bc"],
            ),
            (r#"creds "" '' x"#, &["creds", "", "", "x"]),
            (
                r#"creds "a\"b\\c\d" 'e\f' g\ h"#,
                &["creds", r#"a"b\c\d"#, r"e\f", "g h"],
            ),
            (
                "creds $HOME `id` * ; rm",
                &["creds", "$HOME", "`id`", "*", ";", "rm"],
            ),
            ("  creds\t ", &["creds"]),
        ] {
            let expected: Vec<String> = expected.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(words(line), Some(expected), "{line}");
        }
        for line in [
            "",
            " \t",
            "creds 'open",
            "creds \"open",
            "creds \\",
            "creds \"\\",
        ] {
            assert_eq!(words(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(all in prop::collection::vec("[^']{0,12}", 1..6)) {
            let line: Vec<String> = all.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(words(&line.join(" ")), Some(all));
        }

        #[test]
        fn no_line_panics(line in ".{0,60}") {
            let _ = words(&line);
        }
    }
}
