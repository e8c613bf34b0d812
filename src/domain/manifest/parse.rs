//! YAML text to [`Node`] trees, within bounds.
//!
//! Invariant: the work is linear in the text; aliases are expanded, but no expansion holds more
//! nodes, bytes or levels than [`Limits`] allow. Merge keys (`<<`) are applied.
//! What is absent: any meaning beyond YAML; a document need not be an object.

use super::ManifestError;
use super::node::{Entry, Mapping, Node, Scalar, ScalarKind};
use super::scalar::{self, Rules};
use granit_parser::{Event, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// How much one file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the text.
    pub bytes: usize,
    /// Nodes in all documents after expanding aliases.
    pub nodes: usize,
    /// Bytes copied by aliases.
    pub alias_bytes: usize,
    /// Levels of nesting, aliases expanded.
    pub depth: usize,
    /// Documents.
    pub documents: usize,
}

/// What manifests are read with: far above any real file, far below what hurts.
pub const LIMITS: Limits = Limits {
    bytes: 32 << 20,
    nodes: 2_000_000,
    alias_bytes: 16 << 20,
    depth: 300,
    documents: 50_000,
};

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The line its content starts on, counted from 1.
    pub line: u32,
    /// Its root.
    pub root: Node,
}

/// Reads every document of `bytes`. Documents without content are left out.
///
/// # Errors
/// [`ManifestError`] with `file` and the line for text that is not UTF-8 or not YAML, for a key
/// that is not a scalar or occurs twice (where `rules` refuse that), and beyond [`LIMITS`].
pub fn documents(file: &str, bytes: &[u8], rules: Rules) -> Result<Vec<Document>, ManifestError> {
    if bytes.len() > LIMITS.bytes {
        return Err(too_large(file, 0, format!("more than {} bytes", LIMITS.bytes)));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ManifestError::NotUtf8 {
        file: file.to_owned(),
        offset: error.valid_up_to(),
    })?;
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader::new(file, rules);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| ManifestError::Syntax {
            file: file.to_owned(),
            line: line_number(error.marker().line()),
            column: line_number(error.marker().col() + 1),
            reason: error.info(),
        })?;
        reader.line = line_number(span.start.line());
        reader.accept(event, span.is_empty())?;
    }
    Ok(reader.documents)
}

fn line_number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

fn too_large(file: &str, line: u32, what: String) -> ManifestError {
    ManifestError::TooLarge {
        file: file.to_owned(),
        line,
        what,
    }
}

/// A finished node with what an alias to it costs.
#[derive(Clone)]
struct Finished {
    node: Node,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

struct Key {
    text: String,
    line: u32,
    merge: bool,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        seen: HashSet<String>,
        key: Option<Key>,
        merged: Option<Node>,
    },
}

struct Open {
    content: Content,
    anchor: usize,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

struct Reader<'a> {
    file: &'a str,
    rules: Rules,
    documents: Vec<Document>,
    open: Vec<Open>,
    anchors: HashMap<usize, Finished>,
    root: Option<(u32, Node)>,
    nodes: usize,
    alias_bytes: usize,
    line: u32,
    document_line: u32,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, rules: Rules) -> Self {
        Self {
            file,
            rules,
            documents: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            nodes: 0,
            alias_bytes: 0,
            line: 1,
            document_line: 1,
        }
    }

    /// `missing` tells a value that is not there at all from one that says `~`.
    fn accept(&mut self, event: Event<'_>, missing: bool) -> Result<(), ManifestError> {
        match event {
            Event::DocumentStart(..) => {
                self.root = None;
                self.anchors.clear();
            }
            Event::DocumentEnd => self.end_document()?,
            Event::Scalar(text, style, anchor, tag) => {
                let missing = missing && style == ScalarStyle::Plain;
                let text = if missing {
                    String::new()
                } else {
                    text.into_owned()
                };
                self.scalar(text, style, anchor, tag.as_deref())?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.start(Content::Sequence(Vec::new()), anchor)?;
            }
            Event::MappingStart(_, anchor, _) => {
                let content = Content::Mapping {
                    entries: Vec::new(),
                    seen: HashSet::new(),
                    key: None,
                    merged: None,
                };
                self.start(content, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end_collection()?,
            Event::Alias(anchor) => self.alias(anchor)?,
            _ => {}
        }
        Ok(())
    }

    fn fail(&self, reason: impl Into<String>) -> ManifestError {
        ManifestError::Invalid {
            file: self.file.to_owned(),
            line: self.line,
            reason: reason.into(),
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), ManifestError> {
        self.nodes += nodes;
        if self.nodes > LIMITS.nodes {
            let what = format!("more than {} nodes with aliases expanded", LIMITS.nodes);
            return Err(too_large(self.file, self.line, what));
        }
        Ok(())
    }

    fn end_document(&mut self) -> Result<(), ManifestError> {
        if let Some((line, root)) = self.root.take()
            && !root.is_null()
        {
            if self.documents.len() == LIMITS.documents {
                let what = format!("more than {} documents", LIMITS.documents);
                return Err(too_large(self.file, self.line, what));
            }
            self.documents.push(Document { line, root });
        }
        Ok(())
    }

    fn start(&mut self, content: Content, anchor: usize) -> Result<(), ManifestError> {
        if self.expects_key() {
            return Err(self.fail("a mapping key must be a scalar"));
        }
        if self.open.is_empty() {
            self.document_line = self.line;
        }
        if self.open.len() >= LIMITS.depth {
            return Err(self.too_deep());
        }
        self.count(1)?;
        self.open.push(Open {
            content,
            anchor,
            nodes: 1,
            bytes: 0,
            depth: 1,
        });
        Ok(())
    }

    fn too_deep(&self) -> ManifestError {
        let what = format!("nested more than {} levels deep", LIMITS.depth);
        too_large(self.file, self.line, what)
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                content: Content::Mapping { key: None, .. },
                ..
            })
        )
    }

    fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<(), ManifestError> {
        let plain = style == ScalarStyle::Plain;
        let merge = plain && tag.is_none() && text == "<<";
        let scalar = self.resolve(text, plain, tag)?;
        if self.open.is_empty() {
            self.document_line = self.line;
        }
        let finished = Finished {
            nodes: 1,
            bytes: scalar.text.len(),
            depth: 0,
            node: Node::Scalar(scalar),
        };
        self.count(1)?;
        if anchor != 0 {
            self.anchors.insert(anchor, finished.clone());
        }
        self.place(finished, merge)
    }

    fn resolve(
        &self,
        text: String,
        plain: bool,
        tag: Option<&Tag>,
    ) -> Result<Scalar, ManifestError> {
        let line = self.line;
        let core = tag.and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
        let kind = match (core, tag) {
            (Some(core), _) => {
                let core: Cow<'_, str> = core;
                return scalar::tagged(text, &core, self.rules, line)
                    .map_err(|error| self.fail(error.to_string()));
            }
            (None, Some(_)) => ScalarKind::Text,
            (None, None) if plain => scalar::classify(&text, self.rules),
            (None, None) => ScalarKind::Text,
        };
        Ok(Scalar::new(text, kind, line))
    }

    fn end_collection(&mut self) -> Result<(), ManifestError> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let node = match open.content {
            Content::Sequence(items) => Node::Sequence(items),
            Content::Mapping {
                entries, merged, ..
            } => Node::Mapping(self.apply_merge(Mapping { entries }, merged)?),
        };
        let finished = Finished {
            node,
            nodes: open.nodes,
            bytes: open.bytes,
            depth: open.depth,
        };
        if open.anchor != 0 {
            self.anchors.insert(open.anchor, finished.clone());
        }
        self.place(finished, false)
    }

    fn alias(&mut self, anchor: usize) -> Result<(), ManifestError> {
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(self.fail("an alias refers to the node it is part of"));
        };
        let (nodes, bytes, depth) = (target.nodes, target.bytes, target.depth);
        self.alias_bytes += bytes;
        if self.alias_bytes > LIMITS.alias_bytes {
            let what = format!("aliases that copy more than {} bytes", LIMITS.alias_bytes);
            return Err(too_large(self.file, self.line, what));
        }
        if self.open.len() + depth > LIMITS.depth {
            return Err(self.too_deep());
        }
        self.count(nodes)?;
        let target = self.anchors[&anchor].clone();
        self.place(target, false)
    }

    /// Puts a finished node where the innermost open collection wants it.
    fn place(&mut self, finished: Finished, merge: bool) -> Result<(), ManifestError> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some((self.document_line, finished.node));
            return Ok(());
        };
        open.nodes += finished.nodes;
        open.bytes += finished.bytes;
        open.depth = open.depth.max(finished.depth + 1);
        match &mut open.content {
            Content::Sequence(items) => {
                items.push(finished.node);
                return Ok(());
            }
            Content::Mapping { key, .. } if key.is_none() => {}
            Content::Mapping { .. } => return self.place_value(finished.node),
        }
        self.place_key(finished.node, merge)
    }

    fn place_key(&mut self, node: Node, merge: bool) -> Result<(), ManifestError> {
        let Node::Scalar(scalar) = node else {
            return Err(self.fail("a mapping key must be a scalar"));
        };
        let refused = match self.rules {
            Rules::Kustomize => scalar.kind != ScalarKind::Text && !merge,
            Rules::Kubernetes => scalar.kind == ScalarKind::Null,
        };
        if refused {
            let text = &scalar.text;
            return Err(self.fail(format!("the key `{text}` is not a string; hint: quote it")));
        }
        let text = match scalar.kind {
            ScalarKind::Text => scalar.text,
            _ => match scalar::to_json(&scalar) {
                Ok(value) => value.to_string(),
                Err(error) => return Err(self.fail(error.to_string())),
            },
        };
        if let Some(Open {
            content: Content::Mapping { key, .. },
            ..
        }) = self.open.last_mut()
        {
            *key = Some(Key {
                text,
                line: scalar.line,
                merge,
            });
        }
        Ok(())
    }

    fn place_value(&mut self, value: Node) -> Result<(), ManifestError> {
        let rules = self.rules;
        let Some(Open {
            content:
                Content::Mapping {
                    entries,
                    seen,
                    key,
                    merged,
                },
            ..
        }) = self.open.last_mut()
        else {
            return Ok(());
        };
        let Some(Key { text, line, merge }) = key.take() else {
            return Ok(());
        };
        if merge {
            if merged.replace(value).is_some() {
                return Err(self.fail("the merge key `<<` occurs twice in one mapping"));
            }
            return Ok(());
        }
        if !seen.insert(text.clone()) {
            match rules {
                Rules::Kustomize => {
                    return Err(self.fail(format!("the key `{text}` occurs twice in one mapping")));
                }
                Rules::Kubernetes => entries.retain(|entry| entry.key != text),
            }
        }
        entries.push(Entry {
            key: text,
            line,
            value,
        });
        Ok(())
    }

    /// Adds what `<<` names below the mapping's own keys; of a list, the first one wins.
    fn apply_merge(
        &mut self,
        mut mapping: Mapping,
        merged: Option<Node>,
    ) -> Result<Mapping, ManifestError> {
        let sources = match merged {
            None => return Ok(mapping),
            Some(Node::Mapping(source)) => vec![source],
            Some(Node::Sequence(items)) => items
                .into_iter()
                .map(|item| match item {
                    Node::Mapping(source) => Ok(source),
                    _ => Err(self.fail("`<<` takes a mapping or a list of mappings")),
                })
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(self.fail("`<<` takes a mapping or a list of mappings")),
        };
        let mut seen: HashSet<String> = mapping
            .entries
            .iter()
            .map(|entry| entry.key.clone())
            .collect();
        for entry in sources.into_iter().flat_map(|source| source.entries) {
            if seen.insert(entry.key.clone()) {
                mapping.entries.push(entry);
            }
        }
        Ok(mapping)
    }
}
