//! The tree of a document inside a string: what a print of it depends on is kept.
//!
//! Invariant: printing an unchanged tree says what kustomize v5.8.1 would print. What cannot be
//! kept that exactly (anchors, tags, merge keys, keys that are no scalars) is refused. Comments
//! are put in place by `comments`. What is absent: every document but the first, as in kustomize.

use super::Refusal;
use super::comments::{self, Comment};
use crate::domain::manifest::{Rules, ScalarKind, classify};
use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle, Tag};

/// What a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Scalar,
    Sequence,
    Mapping,
}

/// How a node is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    /// Plain scalars and block collections.
    #[default]
    Plain,
    Single,
    Double,
    Literal,
    Folded,
    Flow,
}

/// A place in the text: line and column, both from 0.
pub(super) type Place = (usize, usize);

/// One node; a mapping's items are its keys and values in turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inner {
    pub(super) kind: Kind,
    pub(super) style: Style,
    /// What a scalar was read as; `None` for collections, and for what a program made.
    pub(super) meaning: Option<ScalarKind>,
    /// Whether the document says so itself, by a tag.
    pub(super) tagged: bool,
    pub(super) text: String,
    pub(super) items: Vec<Inner>,
    /// Comment lines before it, divided by line feeds.
    pub(super) head: String,
    /// The comment behind it, on its line.
    pub(super) line: String,
    /// Comment lines after it.
    pub(super) foot: String,
    /// Where it starts.
    pub(super) start: Place,
    /// Where it ends.
    pub(super) end: Place,
}

/// A document; no root when the text says nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) root: Option<Inner>,
    pub(super) head: String,
    pub(super) foot: String,
}

impl Inner {
    pub(super) fn made(kind: Kind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// A scalar that a program made.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.meaning == Some(ScalarKind::Null)
    }

    /// The value at `key`, if this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Inner> {
        let index = self.position(key)?;
        self.items.get(index)
    }

    /// The index among the items of the value at `key`.
    pub(super) fn position(&self, key: &str) -> Option<usize> {
        let pairs = || self.items.chunks_exact(2);
        (self.kind == Kind::Mapping)
            .then(|| pairs().position(|pair| pair[0].text == key))
            .flatten()
            .map(|pair| 2 * pair + 1)
    }
}

/// Reads the first document of `text`.
pub(super) fn parse(text: &str) -> Result<Document, Refusal> {
    let mut options = Options::default();
    options.set_emit_comments(true);
    options.block_scalar_eof_without_line_feed = true;
    let mut reader = Reader::default();
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                if reader.accept(event, &span, text)? {
                    break;
                }
            }
            // What follows the first document is never looked at.
            Err(_) if reader.finished => break,
            Err(error) => return Err(Refusal::Impossible(error.info())),
        }
    }
    let mut document = Document {
        root: reader.root,
        ..Document::default()
    };
    comments::attach(&mut document, &reader.comments, text)?;
    Ok(document)
}

#[derive(Default)]
struct Reader {
    open: Vec<Inner>,
    root: Option<Inner>,
    comments: Vec<Comment>,
    started: bool,
    finished: bool,
}

impl Reader {
    /// Gives whether the document is over.
    fn accept(&mut self, event: Event<'_>, span: &Span, text: &str) -> Result<bool, Refusal> {
        let start = (span.start.line() - 1, span.start.col());
        let end = (span.end.line() - 1, span.end.col());
        match event {
            Event::DocumentStart(explicit, version) => {
                if self.finished {
                    return self.next_document();
                }
                if (explicit && self.comments.iter().any(|comment| comment.place < start))
                    || version.is_some()
                {
                    return Err(Refusal::unsupported("what precedes `---` in a string"));
                }
                self.started = true;
            }
            Event::DocumentEnd => self.finished = true,
            Event::StreamEnd => return Ok(true),
            Event::Comment(words, _) => self.comments.push(Comment {
                place: start,
                text: format!("#{words}"),
                own: is_own_line(text, start.0),
            }),
            Event::Scalar(words, style, anchor, tag) => {
                refuse_properties(anchor, false)?;
                if style == ScalarStyle::DoubleQuoted {
                    refuse_escapes(span.slice(text).unwrap_or_default())?;
                }
                let empty = span.is_empty() && style == ScalarStyle::Plain;
                let words = if empty { "" } else { &words };
                let node = scalar(words, style, start, end)?;
                self.place(tag.map_or(Ok(node.clone()), |tag| tagged(node, &tag))?)?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                refuse_properties(anchor, tag.is_some())?;
                self.open(Kind::Sequence, style, start)?;
            }
            Event::MappingStart(style, anchor, tag) => {
                refuse_properties(anchor, tag.is_some())?;
                self.open(Kind::Mapping, style, start)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(end)?,
            Event::Alias(_) => return Err(Refusal::unsupported("an alias in a string")),
            _ => {}
        }
        Ok(false)
    }

    fn next_document(&self) -> Result<bool, Refusal> {
        if self.comments.is_empty() {
            Ok(true)
        } else {
            Err(Refusal::unsupported(
                "comments and several documents in a string",
            ))
        }
    }

    fn open(&mut self, kind: Kind, style: StructureStyle, start: Place) -> Result<(), Refusal> {
        if self.expects_key() {
            return Err(Refusal::unsupported("a key that is no scalar in a string"));
        }
        self.open.push(Inner {
            kind,
            style: match style {
                StructureStyle::Flow => Style::Flow,
                StructureStyle::Block => Style::Plain,
            },
            start,
            ..Inner::default()
        });
        Ok(())
    }

    fn expects_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| open.kind == Kind::Mapping && open.items.len() % 2 == 0)
    }

    fn close(&mut self, end: Place) -> Result<(), Refusal> {
        let Some(mut node) = self.open.pop() else {
            return Ok(());
        };
        node.end = match (node.style, node.items.last()) {
            (Style::Flow, _) | (_, None) => end,
            (_, Some(last)) => last.end,
        };
        self.place(node)
    }

    fn place(&mut self, node: Inner) -> Result<(), Refusal> {
        let key = self.expects_key();
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        if key {
            if node.text == "<<" {
                return Err(Refusal::unsupported("a merge key in a string"));
            }
            let again = open
                .items
                .iter()
                .step_by(2)
                .any(|old| old.text == node.text);
            if again {
                return Err(Refusal::unsupported("a key that occurs twice in a string"));
            }
        }
        open.items.push(node);
        Ok(())
    }
}

fn refuse_properties(anchor: usize, tag: bool) -> Result<(), Refusal> {
    if anchor != 0 {
        return Err(Refusal::unsupported("an anchor in a string"));
    }
    if tag {
        return Err(Refusal::unsupported("a tag in a string"));
    }
    Ok(())
}

/// JSON has escapes that YAML 1.1 lacks: `\/`, and one character as two halves.
fn refuse_escapes(quoted: &str) -> Result<(), Refusal> {
    let mut rest = quoted;
    while let Some(at) = rest.find('\\') {
        rest = &rest[at + 1..];
        let half = rest.starts_with("ud") || rest.starts_with("uD");
        let half = half && rest[2..].starts_with(|next: char| next > '7');
        if rest.starts_with('/') || half {
            return Err(Refusal::impossible("a JSON escape is no escape of YAML"));
        }
        let next = rest.chars().next().map_or(0, char::len_utf8);
        rest = &rest[next..];
    }
    Ok(())
}

fn scalar(words: &str, style: ScalarStyle, start: Place, end: Place) -> Result<Inner, Refusal> {
    let (style, meaning) = match style {
        ScalarStyle::Plain => (Style::Plain, classify(words, Rules::Kustomize)),
        ScalarStyle::SingleQuoted => (Style::Single, ScalarKind::Text),
        ScalarStyle::DoubleQuoted => (Style::Double, ScalarKind::Text),
        ScalarStyle::Literal => (Style::Literal, ScalarKind::Text),
        ScalarStyle::Folded => (Style::Folded, ScalarKind::Text),
    };
    if style == Style::Plain && words == "<<" {
        return Err(Refusal::unsupported("a merge key in a string"));
    }
    Ok(Inner {
        kind: Kind::Scalar,
        style,
        meaning: Some(meaning),
        text: words.to_owned(),
        start,
        end,
        ..Inner::default()
    })
}

/// A scalar whose tag is one of the core ones.
fn tagged(node: Inner, tag: &Tag) -> Result<Inner, Refusal> {
    let unknown = || Refusal::unsupported("a tag in a string");
    let name = tag.suffix_in_namespace("tag:yaml.org,2002:");
    let meaning = match name.ok_or_else(unknown)?.as_ref() {
        "str" => ScalarKind::Text,
        "null" => ScalarKind::Null,
        "bool" => ScalarKind::Bool,
        "int" => ScalarKind::Integer,
        "float" => ScalarKind::Float,
        "timestamp" => ScalarKind::Timestamp,
        _ => return Err(unknown()),
    };
    if node.text.is_empty() || meaning == ScalarKind::Null {
        return Err(unknown());
    }
    Ok(Inner {
        meaning: Some(meaning),
        tagged: true,
        ..node
    })
}

/// Whether nothing but a comment stands on a line.
fn is_own_line(text: &str, line: usize) -> bool {
    text.lines()
        .nth(line)
        .is_some_and(|line| line.trim_start().starts_with('#'))
}
