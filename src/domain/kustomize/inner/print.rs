//! Printing a tree as YAML, as kustomize v5.8.1 prints it.
//!
//! Invariant: two columns for each level, a list in a mapping not indented, no line ever folded.
//! Comments wait until the first place where the library that kustomize prints with lets them out;
//! that order of calls is kept here. What is absent: anchors and tags of the document.

use super::Refusal;
use super::scalar::{choose, is_break};
use super::tree::{Document, Inner, Kind, Style};
use super::writer::Printer;

/// How long a key may be that needs no `?`.
const SIMPLE_KEY: usize = 128;

/// The print of a document, with the line feed at its end.
pub(super) fn document(document: &Document) -> Result<String, Refusal> {
    let mut printer = Printer::new();
    if !document.head.is_empty() {
        printer.head.clone_from(&document.head);
        printer.head_comment();
        printer.new_line();
    }
    match &document.root {
        None => return Err(Refusal::impossible("the string says nothing")),
        Some(root) => printer.root(root)?,
    }
    printer.foot.clone_from(&document.foot);
    printer.foot_level = Some(0);
    printer.foot_comment();
    printer.foot_level = None;
    printer.indent();
    Ok(printer.out)
}

/// The print of one node alone.
pub(super) fn node(node: &Inner) -> Result<String, Refusal> {
    let mut printer = Printer::new();
    printer.root(node)?;
    printer.foot_comment();
    printer.indent();
    Ok(printer.out)
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    Key,
    Value,
    Flow,
}

impl Printer {
    fn begin(&mut self, node: &Inner, tail: &str) {
        match node.kind {
            Kind::Scalar => self.await_comments(&node.head, &node.line, &node.foot, tail),
            _ => self.await_comments(&node.head, "", "", tail),
        }
    }

    fn waits(&self) -> bool {
        !(self.line.is_empty() && self.foot.is_empty() && self.tail.is_empty())
    }

    fn deeper(&self, parent: Place, compact: bool) -> usize {
        match self.level {
            None => 0,
            Some(level) if parent == Place::Item => level + 2,
            Some(level) => 2 * ((level + 2) / 2) - if compact { 2 } else { 0 },
        }
    }

    fn root(&mut self, root: &Inner) -> Result<(), Refusal> {
        self.begin(root, "");
        self.head_comment();
        self.start(root, Place::Root);
        self.line_comment();
        self.foot_comment();
        self.items(root, Place::Root)
    }

    /// Writes a scalar; of a collection nothing yet.
    fn start(&mut self, node: &Inner, place: Place) {
        if node.kind != Kind::Scalar {
            return;
        }
        let key = place == Place::Key;
        let (tag, style) = choose(node, self.flow > 0, key);
        if let Some(tag) = tag {
            if !self.space {
                self.put(" ");
            }
            self.put(tag);
            (self.space, self.fresh) = (false, false);
        }
        let level = self.level;
        self.level = Some(match level {
            None => 2,
            Some(_) => self.deeper(place, false),
        });
        match style {
            Style::Single => self.single(&node.text),
            Style::Double => self.double(&node.text),
            Style::Literal => self.block('|', &node.text),
            Style::Folded => self.block('>', &node.text),
            Style::Plain | Style::Flow => self.plain(&node.text),
        }
        self.level = level;
    }

    fn is_flow(&self, node: &Inner) -> bool {
        self.flow > 0 || node.style == Style::Flow || node.items.is_empty()
    }

    fn items(&mut self, node: &Inner, place: Place) -> Result<(), Refusal> {
        match node.kind {
            Kind::Scalar => Ok(()),
            Kind::Sequence if self.is_flow(node) => self.flow_sequence(node, place),
            Kind::Mapping if self.is_flow(node) => self.flow_mapping(node, place),
            Kind::Sequence => self.block_sequence(node, place),
            Kind::Mapping => self.block_mapping(node, place),
        }
    }

    fn block_sequence(&mut self, node: &Inner, place: Place) -> Result<(), Refusal> {
        let outer = self.level;
        let compact = place == Place::Value && (self.column == 0 || !self.fresh);
        self.level = Some(self.deeper(place, compact));
        for item in &node.items {
            self.begin(item, "");
            self.head_comment();
            self.indent();
            self.indicator("-", true, false, true);
            self.start(item, Place::Item);
            self.line_comment();
            self.foot_comment();
            self.items(item, Place::Item)?;
        }
        self.await_comments("", &node.line, &node.foot, "");
        self.level = outer;
        Ok(())
    }

    fn block_mapping(&mut self, node: &Inner, place: Place) -> Result<(), Refusal> {
        let outer = self.level;
        self.level = Some(self.deeper(place, false));
        let mut tail = "";
        for pair in node.items.chunks_exact(2) {
            let (key, value) = (&pair[0], &pair[1]);
            self.await_comments(&key.head, &key.line, "", tail);
            tail = &key.foot;
            self.head_comment();
            self.indent();
            self.key_line = std::mem::take(&mut self.line);
            if key.text.len() > SIMPLE_KEY || key.text.contains(is_break) {
                return Err(Refusal::unsupported("a long key in a string"));
            }
            self.start(key, Place::Key);
            self.begin(value, "");
            self.indicator(":", false, false, false);
            self.key_line_comment(value);
            self.start(value, Place::Value);
            self.line_comment();
            self.foot_comment();
            self.items(value, Place::Value)?;
        }
        self.await_comments("", &node.line, &node.foot, tail);
        self.head_comment();
        self.level = outer;
        Ok(())
    }

    fn key_line_comment(&mut self, value: &Inner) {
        if self.key_line.is_empty() {
            return;
        }
        if value.kind == Kind::Scalar {
            if self.line.is_empty() {
                self.line = std::mem::take(&mut self.key_line);
            }
        } else if value.style != Style::Flow {
            std::mem::swap(&mut self.line, &mut self.key_line);
            self.line_comment();
            std::mem::swap(&mut self.line, &mut self.key_line);
        }
    }

    fn open_flow(&mut self, bracket: &str, place: Place) -> Option<usize> {
        self.indicator(bracket, true, true, false);
        let outer = self.level;
        self.level = Some(match outer {
            None => 2,
            Some(_) => self.deeper(place, false),
        });
        self.flow += 1;
        outer
    }

    fn flow_sequence(&mut self, node: &Inner, place: Place) -> Result<(), Refusal> {
        let outer = self.open_flow("[", place);
        let mut comma = false;
        for item in &node.items {
            self.begin(item, "");
            if comma {
                self.indicator(",", false, false, false);
            }
            self.flow_item(item)?;
            comma = true;
        }
        self.await_comments("", &node.line, &node.foot, "");
        self.close_flow("]", outer);
        Ok(())
    }

    fn flow_item(&mut self, item: &Inner) -> Result<(), Refusal> {
        if self.waits() || !self.head.is_empty() {
            return Err(Refusal::unsupported("a comment among brackets in a string"));
        }
        self.start(item, Place::Flow);
        self.items(item, Place::Flow)
    }

    fn flow_mapping(&mut self, node: &Inner, place: Place) -> Result<(), Refusal> {
        let outer = self.open_flow("{", place);
        let mut comma = false;
        for pair in node.items.chunks_exact(2) {
            let (key, value) = (&pair[0], &pair[1]);
            self.begin(key, "");
            if comma {
                self.indicator(",", false, false, false);
            }
            if self.waits() || !self.head.is_empty() {
                return Err(Refusal::unsupported("a comment among brackets in a string"));
            }
            if key.text.len() > SIMPLE_KEY || key.text.contains(is_break) {
                return Err(Refusal::unsupported("a long key in a string"));
            }
            self.start(key, Place::Key);
            self.begin(value, "");
            self.indicator(":", false, false, false);
            self.flow_item(value)?;
            comma = true;
        }
        self.await_comments("", &node.line, &node.foot, "");
        self.close_flow("}", outer);
        Ok(())
    }

    fn close_flow(&mut self, bracket: &str, outer: Option<usize>) {
        self.flow -= 1;
        self.level = outer;
        self.indicator(bracket, false, false, false);
        self.line_comment();
        self.foot_comment();
    }
}
