//! Events of the YAML parser, put together to [`Node`] trees.
//!
//! Invariant: at most one level of work per event; copies for anchors and aliases are counted
//! before they are made. What is absent: reading text; that is `parse`.

use super::ManifestError;
use super::merge_key::{self, Again};
use super::node::{Entry, Mapping, Node, Scalar, ScalarKind};
use super::parse::{Document, LIMITS, too_large};
use super::scalar::{self, Rules};
use compact_str::{CompactString, ToCompactString as _};
use granit_parser::{Event, ScalarStyle, Tag};
use std::collections::{HashMap, HashSet};

/// A finished node with what an alias to it costs.
#[derive(Clone)]
struct Finished {
    node: Node,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

struct Key {
    text: CompactString,
    line: u32,
    merge: bool,
}

/// Which keys a mapping has. Most have few: those are compared one by one, without copies.
#[derive(Default)]
pub(super) struct Seen(HashSet<CompactString>);

impl Seen {
    const FEW: usize = 16;

    /// Whether `key` is none of `entries`, which are all that were ever asked about.
    pub(super) fn is_new(&mut self, key: &str, entries: &[Entry]) -> bool {
        if entries.len() < Self::FEW {
            return entries.iter().all(|entry| entry.key != key);
        }
        if self.0.is_empty() {
            self.0.extend(entries.iter().map(|entry| entry.key.clone()));
        }
        self.0.insert(key.into())
    }
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        seen: Seen,
        key: Option<Key>,
        merged: Option<Node>,
        /// Whether a key occurs more than once.
        repeated: bool,
    },
}

struct Open {
    content: Content,
    anchor: usize,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// The trees so far, and the collections that are open.
pub(super) struct Composer<'a> {
    pub(super) file: &'a str,
    rules: Rules,
    /// What becomes of a key that occurs again.
    again: Again,
    pub(super) documents: Vec<Document>,
    open: Vec<Open>,
    anchors: HashMap<usize, Finished>,
    root: Option<(u32, Node)>,
    nodes: usize,
    copied_nodes: usize,
    copied_bytes: usize,
    /// The line of the event that comes next.
    pub(super) line: u32,
    document_line: u32,
}

impl<'a> Composer<'a> {
    pub(super) fn new(file: &'a str, rules: Rules) -> Self {
        Self {
            file,
            rules,
            again: Again::by(rules),
            documents: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            nodes: 0,
            copied_nodes: 0,
            copied_bytes: 0,
            line: 1,
            document_line: 1,
        }
    }

    /// Lets a key that occurs again stay behind the first one.
    pub(super) fn with_repeated_keys(self) -> Self {
        Self {
            again: Again::Stays,
            ..self
        }
    }

    /// `missing` tells a value that is not there at all from one that says `~`.
    pub(super) fn accept(&mut self, event: Event<'_>, missing: bool) -> Result<(), ManifestError> {
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
                    seen: Seen::default(),
                    key: None,
                    merged: None,
                    repeated: false,
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

    fn count_copy(&mut self, nodes: usize, bytes: usize) -> Result<(), ManifestError> {
        self.copied_nodes += nodes;
        self.copied_bytes += bytes;
        if self.copied_nodes > LIMITS.copied_nodes || self.copied_bytes > LIMITS.copied_bytes {
            let what = format!(
                "anchors and aliases that copy more than {} nodes or {} bytes",
                LIMITS.copied_nodes, LIMITS.copied_bytes
            );
            return Err(too_large(self.file, self.line, what));
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, finished: &Finished) -> Result<(), ManifestError> {
        if anchor != 0 {
            self.count_copy(finished.nodes, finished.bytes)?;
            self.anchors.insert(anchor, finished.clone());
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
        let tagged = tag.map(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
        let may_merge = tagged.is_none_or(|core| core.as_deref() == Some("merge"));
        let merge = plain && may_merge && text == "<<";
        let mut scalar = self.resolve(text, plain, tag)?;
        scalar.quoted = !plain;
        scalar.literal = style == ScalarStyle::Literal;
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
        self.remember(anchor, &finished)?;
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
                mut entries,
                merged,
                repeated,
                ..
            } => {
                if repeated {
                    merge_key::keep_last(&mut entries);
                }
                let mapping = merge_key::apply(Mapping { entries }, merged);
                Node::Mapping(mapping.map_err(|reason| self.fail(reason))?)
            }
        };
        let finished = Finished {
            node,
            nodes: open.nodes,
            bytes: open.bytes,
            depth: open.depth,
        };
        self.remember(open.anchor, &finished)?;
        self.place(finished, false)
    }

    fn alias(&mut self, anchor: usize) -> Result<(), ManifestError> {
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(self.fail("an alias refers to the node it is part of"));
        };
        let (nodes, bytes, depth) = (target.nodes, target.bytes, target.depth);
        self.count_copy(nodes, bytes)?;
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
                Ok(value) => value.to_compact_string(),
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
        let again = self.again;
        let Some(Open {
            content:
                Content::Mapping {
                    entries,
                    seen,
                    key,
                    merged,
                    repeated,
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
        if !seen.is_new(&text, entries) {
            match again {
                Again::Refused => {
                    return Err(self.fail(format!("the key `{text}` occurs twice in one mapping")));
                }
                Again::Replaces => *repeated = true,
                Again::Stays => {}
            }
        }
        entries.push(Entry {
            key: text,
            line,
            value,
        });
        Ok(())
    }
}
