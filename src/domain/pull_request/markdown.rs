//! Text of strangers in Markdown.
//!
//! Invariant: tags, file names and commit messages stand in code spans only, where no forge looks for
//! links, mentions, references or HTML.

use crate::domain::change::one_line;
use url::Url;

/// A code span that shows `text` as it is, on one line, at most `longest` characters.
pub(super) fn code(text: &str, longest: usize) -> String {
    let line = one_line(text);
    let mut shown: String = line.chars().take(longest).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    if shown.trim().is_empty() {
        return "` `".to_owned();
    }
    let mut run = 0;
    let mut longest_run = 0;
    for letter in shown.chars() {
        run = if letter == '`' { run + 1 } else { 0 };
        longest_run = longest_run.max(run);
    }
    let fence = "`".repeat(longest_run + 1);
    // A space keeps a backtick at an end, and an outer space, apart from the fence.
    let edges = ['`', ' '];
    let space = if shown.starts_with(edges) || shown.ends_with(edges) {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{shown}{space}{fence}")
}

/// A sentence with code spans of its own, at most `longest` characters: what is neither plain words nor in
/// a span becomes one.
pub(super) fn sentence(text: &str, longest: usize) -> String {
    let line = one_line(text);
    let line: String = line.chars().take(longest).collect();
    let parts: Vec<&str> = line.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return code(&line, longest);
    }
    let plain = |letter: char| letter.is_alphanumeric() || " ,.;:()'-/%=".contains(letter);
    let is_plain = |text: &str| text.chars().all(plain);
    if !parts.iter().step_by(2).all(|part| is_plain(part)) {
        return code(&line, longest);
    }
    let each = parts.iter().enumerate().map(|(at, part)| match at % 2 {
        0 => (*part).to_owned(),
        _ => code(part, longest),
    });
    each.collect()
}

/// A link with a code span for its text.
pub(super) fn link(text: &str, to: &Url) -> String {
    let target: String = to
        .as_str()
        .chars()
        .map(|letter| match letter {
            '(' => "%28".to_owned(),
            ')' => "%29".to_owned(),
            '<' => "%3C".to_owned(),
            '>' => "%3E".to_owned(),
            '[' => "%5B".to_owned(),
            ']' => "%5D".to_owned(),
            '`' => "%60".to_owned(),
            '\\' => "%5C".to_owned(),
            '*' => "%2A".to_owned(),
            other => other.to_string(),
        })
        .collect();
    format!("[{}]({target})", code(text, 200))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_gets_out_of_a_code_span() {
        for (text, expected) in [
            ("1.0.0", "`1.0.0`"),
            ("a`b", "``a`b``"),
            ("`", "`` ` ``"),
            ("a``b`", "``` a``b` ```"),
            ("a\nb", "`a\u{fffd}b`"),
            (" ", "` `"),
            ("<!-- x --> @team #1", "`<!-- x --> @team #1`"),
        ] {
            assert_eq!(code(text, 100), expected);
        }
        assert_eq!(code("abcdef", 3), "`abc…`");
    }

    #[test]
    fn a_sentence_keeps_its_own_spans_and_nothing_else_gets_through() {
        for (text, expected) in [
            (
                "`1.1.0` is the highest in `^1.0.0` of 2",
                "`1.1.0` is the highest in `^1.0.0` of 2",
            ),
            ("plain words, 2 of them", "plain words, 2 of them"),
            ("asked by @team", "`asked by @team`"),
            ("one ` alone", "``one ` alone``"),
            ("`a` <b>", "`` `a` <b> ``"),
        ] {
            assert_eq!(sentence(text, 100), expected);
        }
    }

    #[test]
    fn a_link_cannot_be_ended_early() {
        let to = Url::parse("https://example.com/a)b(c\"<script>").expect("a URL");
        let link = link("x", &to);
        assert_eq!(link, "[`x`](https://example.com/a%29b%28c%22%3Cscript%3E)");
    }

    proptest! {
        #[test]
        fn a_code_span_has_its_fence_only_at_its_ends(text in "[a` \\n]{0,30}") {
            let span = code(&text, 100);
            let fence: String = span.chars().take_while(|letter| *letter == '`').collect();
            let inside = span.strip_prefix(&fence).and_then(|rest| rest.strip_suffix(&fence)).expect("it is fenced");
            let runs = inside.split(|letter| letter != '`').map(str::len);
            prop_assert!(runs.max() < Some(fence.len()), "{span}");
            prop_assert!(!span.contains('\n'));
        }
    }
}
