//! Which ways of writing a scalar are open to it.
//!
//! Invariant: the answers are those of the YAML library kustomize v5.8.1 prints with, which knows
//! no characters beyond the basic plane to be printable. What is absent: writing.

use super::tree::{Inner, Style};
use crate::domain::manifest::{Rules, ScalarKind, classify};

/// What a text allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) plain_in_flow: bool,
    pub(super) plain: bool,
    single: bool,
    block: bool,
    /// Whether it has more than one line.
    pub(super) lines: bool,
}

pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_printable(character: char) -> bool {
    matches!(
        character,
        '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}'
    )
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// What stands in the way of the plain styles: inside brackets, and outside.
fn indicators(text: &str) -> (bool, bool) {
    let mark = text.starts_with("---") || text.starts_with("...");
    let (mut flow, mut block) = (mark, mark);
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let after = characters.peek().is_none_or(|next| is_blank(*next));
        let first = before.is_none();
        match character {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`'
                if first =>
            {
                (flow, block) = (true, true);
            }
            ':' => {
                flow = true;
                block |= after;
            }
            '?' => {
                flow = true;
                block |= first && after;
            }
            '-' if first && after => (flow, block) = (true, true),
            ',' | '[' | ']' | '{' | '}' => flow = true,
            '#' if before
                .is_some_and(|before| is_blank(before) || is_break(before) || before == '\0') =>
            {
                (flow, block) = (true, true);
            }
            _ => {}
        }
        before = Some(character);
    }
    (flow, block)
}

/// Looks at every character of a text once.
pub(super) fn analyse(text: &str) -> Allowed {
    if text.is_empty() {
        return Allowed {
            plain: true,
            single: true,
            ..Allowed::default()
        };
    }
    let (flow, block) = indicators(text);
    let lines = text.contains(is_break);
    let special = text
        .chars()
        .any(|character| character != '\t' && !is_printable(character));
    let pairs = || text.chars().zip(text.chars().skip(1));
    let break_space = pairs().any(|(one, two)| is_break(one) && two == ' ');
    let space_break = pairs().any(|(one, two)| one == ' ' && is_break(two));
    let edge = |character: char| character == ' ' || is_break(character);
    let edges = text.starts_with(edge) || text.ends_with(edge);
    let single = !break_space && !space_break && !special && !text.contains('\t');
    let plain = single && !edges && !lines;
    Allowed {
        plain_in_flow: plain && !flow,
        plain: plain && !block,
        single,
        block: !text.ends_with(' ') && !space_break && !special,
        lines,
    }
}

/// The tag that must be written for a scalar, and whether quotes must be asked for.
fn explicit(node: &Inner) -> (Option<&'static str>, bool) {
    let quoted = node.style != Style::Plain;
    let Some(meaning) = node.meaning else {
        return (None, false);
    };
    if !node.tagged
        && ((meaning == ScalarKind::Text && quoted)
            || classify(&node.text, Rules::Kustomize) == meaning)
    {
        return (None, false);
    }
    match meaning {
        ScalarKind::Text if node.tagged => (Some("!!str"), false),
        ScalarKind::Text => (None, true),
        ScalarKind::Null => (Some("!!null"), false),
        ScalarKind::Bool => (Some("!!bool"), false),
        ScalarKind::Integer => (Some("!!int"), false),
        ScalarKind::Float => (Some("!!float"), false),
        ScalarKind::Timestamp => (Some("!!timestamp"), false),
        ScalarKind::Untagged => (None, false),
    }
}

/// How a scalar is written: its tag and its style, in brackets (`flow`) or as a key (`key`) or not.
pub(super) fn choose(node: &Inner, flow: bool, key: bool) -> (Option<&'static str>, Style) {
    let (tag, force) = explicit(node);
    let allowed = analyse(&node.text);
    let mut style = match node.style {
        Style::Plain if node.text.contains('\n') => Style::Literal,
        Style::Plain if force => Style::Double,
        style => style,
    };
    if key && allowed.lines {
        style = Style::Double;
    }
    if style == Style::Plain {
        let fits = if flow {
            allowed.plain_in_flow
        } else {
            allowed.plain
        };
        if !fits || (node.text.is_empty() && (flow || key)) {
            style = Style::Single;
        }
    }
    if style == Style::Single && !allowed.single {
        style = Style::Double;
    }
    if matches!(style, Style::Literal | Style::Folded) && (!allowed.block || flow || key) {
        style = Style::Double;
    }
    (tag, style)
}
