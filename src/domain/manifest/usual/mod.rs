//! The form that nearly all manifests are written in, read directly: many times faster than YAML at large.
//!
//! Block mappings and sequences, scalars of one line, literal blocks, flow collections of one line, comments; in printable ASCII.
//! Invariant: what is read here is what the YAML parser reads, down to the lines; whatever is not surely so (anchors, tags, values
//! that are missing or go on in the next line, escapes, keys that repeat, any error) gives `None`, and the YAML parser decides.
//! What is absent: errors.

mod flow;
#[cfg(test)]
mod tests;

use super::compose::Seen;
use super::node::{Entry, Mapping, Node, Scalar, ScalarKind};
use super::parse::{Document, LIMITS};
use super::scalar::{Rules, classify};
use compact_str::CompactString;
use flow::quoted;

/// Levels of nesting; more is left to the YAML parser.
const DEPTH: usize = 64;
/// The longest key, far below where YAML asks for another form.
const KEY: usize = 250;

/// The documents of `text`, if it is written in the usual form.
pub(super) fn documents(text: &str, rules: Rules) -> Option<Vec<Document>> {
    let usual = |byte: u8| byte == b'\n' || matches!(byte, b' '..=b'~');
    if !text.bytes().all(usual) {
        return None;
    }
    let mut reader = Reader {
        rest: text,
        number: 0,
        line: None,
        rules,
        nodes: 0,
    };
    reader.advance()?;
    let mut documents = Vec::new();
    while let Some(line) = reader.line {
        if line.is_separator() {
            reader.advance()?;
            continue;
        }
        let root = reader.block(line.indent, DEPTH)?;
        documents.push(Document {
            line: line.number,
            root,
        });
        if documents.len() > LIMITS.documents
            || reader.line.is_some_and(|line| !line.is_separator())
        {
            return None;
        }
    }
    Some(documents)
}

/// A line with content, or what is left of it behind `- `.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Its number, counted from 1.
    number: u32,
    /// The column at which `text` begins.
    indent: usize,
    /// Begins with no space.
    text: &'a str,
}

impl<'a> Line<'a> {
    /// `---`; whoever advanced to it knows that nothing else stands there.
    fn is_separator(&self) -> bool {
        self.indent == 0 && self.text.starts_with("---")
    }

    /// What follows `-`, if this is an item of a sequence.
    fn item(&self) -> Option<Line<'a>> {
        let after = self.text.strip_prefix('-')?;
        let text = after.trim_start_matches(' ');
        (after.is_empty() || text.len() < after.len()).then_some(Line {
            indent: self.indent + self.text.len() - text.len(),
            text,
            ..*self
        })
    }
}

struct Reader<'a> {
    /// The lines after the current one.
    rest: &'a str,
    /// The number of the last line that was taken from `rest`.
    number: u32,
    /// The current line; `None` at the end.
    line: Option<Line<'a>>,
    rules: Rules,
    nodes: usize,
}

impl<'a> Reader<'a> {
    /// Takes one line, whatever is in it. `None` at the end.
    fn take_line(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number = self.number.saturating_add(1);
        Some(line)
    }

    /// Goes to the next line with content. `None` for one that is not usual.
    fn advance(&mut self) -> Option<()> {
        self.line = None;
        while let Some(line) = self.take_line() {
            let text = line.trim_start_matches(' ');
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let line = Line {
                number: self.number,
                indent: line.len() - text.len(),
                text,
            };
            if line.indent == 0 && text.starts_with("...") {
                return None;
            }
            if line.is_separator() && text.trim_end_matches(' ') != "---" {
                return None;
            }
            self.line = Some(line);
            return Some(());
        }
        Some(())
    }

    /// The current line, unless it is the end of all that is indented by `indent`.
    fn line_at(&self, indent: usize) -> Option<Option<Line<'a>>> {
        let Some(line) = self.line.filter(|line| !line.is_separator()) else {
            return Some(None);
        };
        match line.indent.cmp(&indent) {
            std::cmp::Ordering::Less => Some(None),
            std::cmp::Ordering::Equal => Some(Some(line)),
            // It goes on with a scalar of the line before, or is indented as nothing else is.
            std::cmp::Ordering::Greater => None,
        }
    }

    /// The collection that begins in the current line.
    fn block(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let depth = depth.checked_sub(1)?;
        let line = self.line?;
        self.count()?;
        if line.item().is_some() {
            return self.sequence(indent, depth);
        }
        if line.text.starts_with(['{', '[']) {
            let (node, after) = self.flow(line.text, line.number, depth)?;
            self.end_line(after)?;
            return Some(node);
        }
        self.mapping(indent, depth)
    }

    fn sequence(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let mut items = Vec::new();
        while let Some(item) = self.line_at(indent)?.and_then(|line| line.item()) {
            items.push(if item.text.is_empty() {
                self.advance()?;
                self.nested(indent, depth)?
            } else if item.item().is_some() || key(item.text).is_some() {
                self.line = Some(item);
                self.block(item.indent, depth)?
            } else {
                self.value(item.text, item.number, indent, depth)?
            });
        }
        Some(Node::Sequence(items))
    }

    /// The collection that begins in the current line, deeper than `indent`.
    fn nested(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let line = self.line.filter(|line| line.indent > indent)?;
        self.block(line.indent, depth)
    }

    fn mapping(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let mut entries = Vec::new();
        let mut seen = Seen::default();
        while let Some(line) = self.line_at(indent)? {
            let (name, after) = key(line.text)?;
            let name = self.new_key(name, &mut seen, &entries)?;
            let text = after.trim_start_matches(' ');
            let value = if text.is_empty() || text.starts_with('#') {
                self.advance()?;
                match self.line {
                    // A sequence may stand as deep as its key.
                    Some(below) if below.indent == indent && below.item().is_some() => {
                        self.block(indent, depth)?
                    }
                    _ => self.nested(indent, depth)?,
                }
            } else {
                self.value(text, line.number, indent, depth)?
            };
            entries.push(Entry {
                key: name,
                line: line.number,
                value,
            });
        }
        Some(Node::Mapping(Mapping { entries }))
    }

    /// A value that begins in the current line, within a collection at `indent`.
    fn value(&mut self, text: &'a str, number: u32, indent: usize, depth: usize) -> Option<Node> {
        if let Some(header) = text.strip_prefix('|') {
            return self.literal(header, number, indent);
        }
        if text.starts_with(['{', '[', '"', '\'']) {
            let (node, after) = self.flow(text, number, depth)?;
            self.end_line(after)?;
            return Some(node);
        }
        let text = text.split_once(" #").map_or(text, |(text, _)| text);
        let text = text.trim_end_matches(' ');
        if !begins_plain(text) || text.ends_with(':') || text.contains(": ") {
            return None;
        }
        self.advance()?;
        self.plain(text, number)
    }

    /// Goes on after a value that is followed by `after` in its line.
    fn end_line(&mut self, after: &str) -> Option<()> {
        let text = after.trim_start_matches(' ');
        let comment = text.starts_with('#') && text.len() < after.len();
        (text.is_empty() || comment).then_some(())?;
        self.advance()
    }

    /// A literal block within a collection at `indent`.
    fn literal(&mut self, header: &str, number: u32, indent: usize) -> Option<Node> {
        let keeps_line_feed = match header.trim_end_matches(' ') {
            "" => true,
            "-" => false,
            _ => return None,
        };
        let mut text = String::new();
        let mut margin = None;
        let mut blank = 0;
        loop {
            let (rest, at) = (self.rest, self.number);
            let Some(line) = self.take_line() else { break };
            let content = line.trim_start_matches(' ');
            let spaces = line.len() - content.len();
            let margin = *margin.get_or_insert(spaces);
            if content.is_empty() {
                // Spaces beyond the margin are content, and a block that begins with them finds its margin in another way.
                (!text.is_empty() && spaces <= margin).then_some(())?;
                blank += 1;
                continue;
            }
            if spaces < margin || margin <= indent {
                (spaces <= indent && !text.is_empty()).then_some(())?;
                (self.rest, self.number) = (rest, at);
                break;
            }
            text.extend(std::iter::repeat_n('\n', std::mem::take(&mut blank)));
            text.push_str(&line[margin..]);
            text.push('\n');
            // The last line has no line feed of its own.
            (!self.rest.is_empty() || rest.ends_with('\n')).then_some(())?;
        }
        (!text.is_empty()).then_some(())?;
        if !keeps_line_feed {
            text.pop();
        }
        self.advance()?;
        // Its own line is the first of its text, which no other line precedes.
        let mut node = self.scalar(text, ScalarKind::Text, number + 1, true)?;
        if let Node::Scalar(scalar) = &mut node {
            scalar.literal = true;
        }
        Some(node)
    }

    /// A key as its mapping has it, if it is a string that is not there yet.
    fn new_key(
        &mut self,
        key: Key<'_>,
        seen: &mut Seen,
        entries: &[Entry],
    ) -> Option<CompactString> {
        self.count()?;
        let string = key.quoted || classify(key.text, self.rules) == ScalarKind::Text;
        (string && seen.is_new(key.text, entries)).then(|| key.text.into())
    }

    fn plain(&mut self, text: &str, number: u32) -> Option<Node> {
        self.scalar(text, classify(text, self.rules), number, false)
    }

    fn scalar(
        &mut self,
        text: impl Into<CompactString>,
        kind: ScalarKind,
        line: u32,
        quoted: bool,
    ) -> Option<Node> {
        self.count()?;
        Some(Node::Scalar(Scalar {
            quoted,
            ..Scalar::new(text, kind, line)
        }))
    }

    fn count(&mut self) -> Option<()> {
        self.nodes += 1;
        (self.nodes <= LIMITS.nodes).then_some(())
    }
}

struct Key<'a> {
    text: &'a str,
    quoted: bool,
}

/// The key at the beginning of a text, and what follows its colon: nothing, or a space.
fn key(text: &str) -> Option<(Key<'_>, &str)> {
    let (key, after) = match text.as_bytes().first()? {
        b'"' | b'\'' => {
            let (text, after) = quoted(text)?;
            (Key { text, quoted: true }, after)
        }
        b'-' => return None,
        _ => {
            let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
            let end = text.bytes().position(|byte| !usual(byte))?;
            let (text, after) = text.split_at(end);
            (
                Key {
                    text,
                    quoted: false,
                },
                after,
            )
        }
    };
    let after = after.strip_prefix(':')?;
    let ends = after.is_empty() || after.starts_with(' ');
    let fits = (1..=KEY).contains(&key.text.len());
    (ends && fits).then_some((key, after))
}

/// Whether a plain scalar may begin so in every place.
fn begins_plain(text: &str) -> bool {
    match text.as_bytes() {
        [b'-', next, ..] => next.is_ascii_alphanumeric() || *next == b'-',
        [first, ..] => first.is_ascii_alphanumeric() || b"_./+$(~\\".contains(first),
        [] => false,
    }
}
