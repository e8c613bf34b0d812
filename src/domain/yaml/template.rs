//! Hides Go template actions (`{{ .. }}`) from a YAML parser without moving a byte.
//!
//! A Helm chart's template is YAML only after it was rendered. [`mask`] gives a text of the same length in which each action
//! is a placeholder: a line that holds nothing but actions becomes blank, as it does when a control line is rendered; an
//! action amid other text, or right below a block scalar's header, becomes letters. Byte spans of the mask are byte spans of the template.
//!
//! Invariant: mask and text have the same length and the same line breaks, and differ only inside [`Masked::ranges`].
//! What is absent: judging whether the masked text stands for what is rendered. The caller touches no scalar that meets a mask
//! and checks that nothing but the marked scalar changed.

use std::ops::Range;

/// What stands for an action amid other text: a letter, so that it never starts or ends anything in YAML.
const PLACEHOLDER: char = 'T';

/// A text with its template actions hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// The text with placeholders.
    pub text: String,
    /// The hidden byte ranges, in order, apart from each other.
    pub ranges: Vec<Range<usize>>,
}

/// Whether a text might hold template actions at all.
pub fn has_actions(text: &str) -> bool {
    text.contains("{{")
}

/// Hides every complete action. An unclosed `{{`, or an action over several lines that shares one with other text, is left.
/// Takes time linear in the text.
pub fn mask(text: &str) -> Masked {
    let ranges = actions(text);
    let mut hidden = String::with_capacity(text.len());
    let mut rest = ranges.as_slice();
    while let Some(first) = rest.first() {
        let (line, after) = rest.split_at(on_one_line(text, rest));
        let last = &line[line.len() - 1];
        let alone = blank_before(text, first.start)
            && blank_after(text, last.end)
            && line
                .windows(2)
                .all(|pair| is_blank(&text[pair[0].end..pair[1].start]))
            && !below_block_header(text, first.start);
        for range in line {
            hidden.push_str(&text[hidden.len()..range.start]);
            hide(&text[range.clone()], alone, &mut hidden);
        }
        rest = after;
    }
    hidden.push_str(&text[hidden.len()..]);
    Masked {
        text: hidden,
        ranges,
    }
}

/// How many of the ranges follow each other without a line break inside or between them, at least one.
fn on_one_line(text: &str, ranges: &[Range<usize>]) -> usize {
    let breaks = |range: Range<usize>| text[range].contains(['\n', '\r']);
    if ranges.first().is_some_and(|first| breaks(first.clone())) {
        return 1;
    }
    let more = ranges
        .windows(2)
        .take_while(|pair| !breaks(pair[0].end..pair[1].end))
        .count();
    1 + more
}

/// Whether the line above ends in a block scalar's header. A blank first line of a block scalar must not be longer than the
/// content's indentation, so an action there stands as content.
fn below_block_header(text: &str, at: usize) -> bool {
    let above = text[..super::line_start(text, at)].trim_end_matches(['\n', '\r', ' ', '\t']);
    let header = above.trim_end_matches(|c: char| matches!(c, '+' | '-') || c.is_ascii_digit());
    header.ends_with(['|', '>'])
}

/// Writes a stand-in of the same length and with the same line breaks.
fn hide(action: &str, blank: bool, out: &mut String) {
    let stand_in = if blank { ' ' } else { PLACEHOLDER };
    out.extend(action.bytes().map(|byte| match byte {
        b'\n' => '\n',
        b'\r' => '\r',
        _ => stand_in,
    }));
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

fn blank_before(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches([' ', '\t']);
    before.is_empty() || before.ends_with(['\n', '\r'])
}

fn blank_after(text: &str, at: usize) -> bool {
    let rest = text[at..].trim_start_matches([' ', '\t']);
    rest.is_empty() || rest.starts_with(['\n', '\r'])
}

/// Finds the actions that can be hidden.
fn actions(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut lexer = Lexer {
        text,
        comment_close: Next::new("*/"),
        line_feed: Next::new("\n"),
        carriage_return: Next::new("\r"),
    };
    let mut at = 0;
    while let Some(offset) = text[at..].find("{{") {
        let start = at + offset;
        at = start + 2;
        if let Some(end) = lexer.action_end(start) {
            let several_lines = lexer.line_feed.after(text, start) < end
                || lexer.carriage_return.after(text, start) < end;
            if !several_lines || (blank_before(text, start) && blank_after(text, end)) {
                at = end;
                found.push(start..end);
            }
        }
    }
    found
}

/// Where a word stands next; asked with growing offsets, it looks at each byte once.
struct Next {
    word: &'static str,
    known: Option<usize>,
}

impl Next {
    fn new(word: &'static str) -> Self {
        Self { word, known: None }
    }

    /// The first place at or after an offset, or `usize::MAX`.
    fn after(&mut self, text: &str, offset: usize) -> usize {
        match self.known {
            Some(known) if known >= offset => known,
            _ => {
                let found = text
                    .as_bytes()
                    .get(offset..)
                    .and_then(|rest| memchr::memmem::find(rest, self.word.as_bytes()));
                *self
                    .known
                    .insert(found.map_or(usize::MAX, |place| offset + place))
            }
        }
    }
}

/// Reads actions by the rules of Go's `text/template`: a `}}` inside a string or a comment does not end one.
struct Lexer<'a> {
    text: &'a str,
    comment_close: Next,
    line_feed: Next,
    carriage_return: Next,
}

impl Lexer<'_> {
    /// Where the action that starts at `start` is over; `None` when it is not closed.
    fn action_end(&mut self, start: usize) -> Option<usize> {
        let body = &self.text[start + 2..];
        let trim = if body.starts_with("- ") { 2 } else { 0 };
        if body[trim..].starts_with("/*") {
            let close = self.comment_close.after(self.text, start + 2 + trim + 2);
            let rest = self.text.get(close.checked_add(2)?..)?;
            let rest = rest.strip_prefix(" -").unwrap_or(rest);
            return rest
                .starts_with("}}")
                .then(|| self.text.len() - rest.len() + 2);
        }
        let bytes = self.text.as_bytes();
        let mut at = start + 2;
        while at < bytes.len() {
            match bytes[at] {
                b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at + 2),
                quote @ (b'"' | b'\'' | b'`') => at = string_end(bytes, at + 1, quote)?,
                // An action inside an action is no action: the outer one was not closed.
                b'{' if bytes.get(at + 1) == Some(&b'{') => return None,
                _ => at += 1,
            }
        }
        None
    }
}

/// Where a string that began before `at` is over.
fn string_end(bytes: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            byte if byte == quote => return Some(at + 1),
            b'\\' if quote != b'`' => at += 2,
            b'\n' | b'\r' if quote != b'`' => return None,
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(text: &str) -> String {
        mask(text).text
    }

    #[test]
    fn a_control_line_becomes_blank_and_an_inline_action_letters() {
        assert_eq!(
            masked("{{- if .x }}\na: b\n{{- end }}\n"),
            "            \na: b\n          \n"
        );
        assert_eq!(
            masked("  {{ if a }}{{ b }} \r\n"),
            format!("{}\r\n", " ".repeat(20))
        );
        assert_eq!(masked("a: {{ .x }}:1\n"), "a: TTTTTTTT:1\n");
        assert_eq!(masked("{{ a }}: b"), "TTTTTTT: b");
        assert_eq!(masked("{{ a }} # c\n"), "TTTTTTT # c\n");
        assert_eq!(
            masked("a: |2-\n  {{ b }}\n  {{ c }}\n"),
            "a: |2-\n  TTTTTTT\n         \n"
        );
        assert_eq!(
            masked("a: \"{{ f \"}}\" .é }}\""),
            format!("a: \"{}\"", "T".repeat(16))
        );
    }

    #[test]
    fn what_ends_an_action_is_not_inside_its_strings_or_comments() {
        assert_eq!(masked("a{{ `}}` }}b"), format!("a{}b", "T".repeat(10)));
        assert_eq!(masked("a{{ '}' }}b"), format!("a{}b", "T".repeat(9)));
        assert_eq!(
            masked("a{{ \"\\\"}}\" }}b"),
            format!("a{}b", "T".repeat(12))
        );
        assert_eq!(masked("{{/* }} \n b: */}}\n"), "        \n        \n");
        assert_eq!(masked("{{- /* x */ -}}\n"), "               \n");
    }

    #[test]
    fn what_is_not_a_complete_action_is_left() {
        for text in [
            "a: {{ b",
            "# {{ don't }}",
            "a: {{ \"b }}\n\"",
            "a: {b: {c: 1}}",
            "a: {{ b\n}} c",
            "{{ /* */ x",
            "}}",
        ] {
            assert_eq!(masked(text), text);
        }
        assert_eq!(masked("{{ a {{ b }}"), "{{ a TTTTTTT");
    }

    #[test]
    fn hostile_templates_take_linear_time() {
        for piece in [
            "{{/*", "x{{/*", "{{`", "{{\"", "{{a}}", "{{", "{{ '", "{{\n",
        ] {
            let text = piece.repeat(200_000);
            assert_eq!(
                mask(&format!("{text}\n*/ }}")).text.len(),
                text.len() + 5,
                "{piece}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_mask_moves_nothing(text in "([{]{2}|[}]{2}|-|/\\*|\\*/|\"|'|`|\\\\|a|é| |\n|\r){0,40}") {
            let masked = mask(&text);
            prop_assert_eq!(masked.text.len(), text.len());
            let mut at = 0;
            for range in &masked.ranges {
                prop_assert!(at <= range.start && range.start < range.end);
                prop_assert_eq!(&masked.text[at..range.start], &text[at..range.start]);
                at = range.end;
            }
            prop_assert_eq!(&masked.text[at..], &text[at..]);
            let breaks = |t: &str| t.match_indices(['\n', '\r']).map(|(i, c)| (i, c.to_owned())).collect::<Vec<_>>();
            prop_assert_eq!(breaks(&masked.text), breaks(&text));
        }
    }
}
