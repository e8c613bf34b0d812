//! What stands within one line: flow collections and quoted scalars.
//!
//! Invariant: as of the whole form. What is absent: flow collections of several lines, escapes, values that are missing.

use super::super::compose::Seen;
use super::super::node::{Entry, Mapping, Node, ScalarKind};
use super::{Reader, begins_plain, key};

impl<'a> Reader<'a> {
    /// A flow collection or a quoted scalar, and what follows it in the line.
    pub(super) fn flow(
        &mut self,
        text: &'a str,
        number: u32,
        depth: usize,
    ) -> Option<(Node, &'a str)> {
        let depth = depth.checked_sub(1)?;
        match text.as_bytes().first()? {
            b'{' => self.flow_mapping(&text[1..], number, depth),
            b'[' => self.flow_sequence(&text[1..], number, depth),
            b'"' | b'\'' => {
                let (quoted, after) = quoted(text)?;
                let node = self.scalar(quoted, ScalarKind::Text, number, true)?;
                Some((node, after))
            }
            _ => {
                let end = text.find([',', ']', '}'])?;
                let (plain, after) = text.split_at(end);
                let plain = plain.trim_end_matches(' ');
                Some((self.flow_plain(plain, number)?, after))
            }
        }
    }

    fn flow_plain(&mut self, text: &str, number: u32) -> Option<Node> {
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || b" _./-+@:$()=~".contains(&byte);
        let whole = begins_plain(text) && text.bytes().all(usual);
        (whole && !text.ends_with(':') && !text.contains(": ")).then_some(())?;
        self.plain(text, number)
    }

    fn flow_mapping(
        &mut self,
        mut text: &'a str,
        number: u32,
        depth: usize,
    ) -> Option<(Node, &'a str)> {
        self.count()?;
        let mut entries = Vec::new();
        let mut seen = Seen::default();
        loop {
            text = text.trim_start_matches(' ');
            if let Some(after) = text.strip_prefix('}') {
                return Some((Node::Mapping(Mapping { entries }), after));
            }
            let (name, after) = key(text)?;
            let name = self.new_key(name, &mut seen, &entries)?;
            let (value, after) = self.flow(after.trim_start_matches(' '), number, depth)?;
            entries.push(Entry {
                key: name,
                line: number,
                value,
            });
            text = next_item(after, '}')?;
        }
    }

    fn flow_sequence(
        &mut self,
        mut text: &'a str,
        number: u32,
        depth: usize,
    ) -> Option<(Node, &'a str)> {
        self.count()?;
        let mut items = Vec::new();
        loop {
            text = text.trim_start_matches(' ');
            if let Some(after) = text.strip_prefix(']') {
                return Some((Node::Sequence(items), after));
            }
            let (item, after) = self.flow(text, number, depth)?;
            items.push(item);
            text = next_item(after, ']')?;
        }
    }
}

/// The content of a quoted scalar that escapes nothing, and what follows it.
pub(super) fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next()?;
    let (content, after) = text[1..].split_once(quote)?;
    let escapes = match quote {
        '"' => content.contains('\\'),
        _ => after.starts_with('\''),
    };
    (!escapes).then_some((content, after))
}

/// What follows an item of a flow collection, from the next item or the end on.
fn next_item(after: &str, end: char) -> Option<&str> {
    let text = after.trim_start_matches(' ');
    match text.strip_prefix(',') {
        Some(next) => Some(next),
        None => text.starts_with(end).then_some(text),
    }
}
