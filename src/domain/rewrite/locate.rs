//! Finds the marked scalars of one document: reads its events once, and says for every marker what it marks or why it marks
//! nothing.
//!
//! Invariant: a marked scalar is a value (never a key or inside one, never an alias), its span is the parser's, and its marker
//! stands where [`super::attach`] allows. What is absent: policies and edits.

use super::MARKER_LIMIT;
use super::attach::{Comment, Spot, Tail, TailKind, above, spot};
use super::located::{Located, Marked, Scalar, Stray, Unreadable};
use super::path::{Path, Role};
use super::scope::Scope;
use crate::domain::change::{Place, ProblemKind};
use crate::domain::marker::Marker;
use crate::domain::yaml::{events, transcript};
use granit_parser::{Event, Span, StructureStyle};
use std::borrow::Cow;
use std::ops::Range;

/// Reads a document. `text` is what is parsed; `source` is the same document before anything was masked in it, of equal length.
pub(super) fn locate<'a>(text: &'a str, source: &'a str) -> Result<Located<'a>, Unreadable> {
    let mut locator = Locator {
        text,
        source,
        found: Located::default(),
        first_of_document: 0,
        path: Path::default(),
        scope: Scope::default(),
        tail: None,
        current: None,
        pending: None,
        comment_line: None,
    };
    for event in events(text) {
        let (event, span) = event?;
        locator.event(event, span)?;
    }
    if let Some(comment) = locator.pending.take() {
        locator.stray(comment, Place::Detached);
    }
    Ok(locator.found)
}

/// A scalar value whose comments may still come.
struct Current<'a> {
    scalar: Scalar<'a>,
    /// The marker directly above.
    head: Option<Comment>,
    /// The comment behind it; the inner `None` is one that is no marker.
    line: Option<Option<Comment>>,
    /// Its path, where the collection around it is closed already.
    field: Option<String>,
}

struct Locator<'a> {
    text: &'a str,
    source: &'a str,
    found: Located<'a>,
    /// How many marked scalars belong to documents that are over.
    first_of_document: usize,
    path: Path<'a>,
    scope: Scope,
    /// The newest node that has text.
    tail: Option<Tail>,
    current: Option<Current<'a>>,
    /// A marker that belongs to the node that comes next.
    pending: Option<Comment>,
    /// The line of the newest comment that has a line of its own.
    comment_line: Option<usize>,
}

impl<'a> Locator<'a> {
    fn event(&mut self, event: Event<'a>, span: Span) -> Result<(), Unreadable> {
        let range = span.byte_range().unwrap_or_default();
        let before = self.found.transcript.len();
        transcript::write(&event, &mut self.found.transcript);
        match event {
            Event::Comment(..) => self.comment(&range, &span),
            Event::Scalar(value, style, _, tag) => {
                self.settle()?;
                let entry = before..before + transcript::scalar_length(&value);
                let scalar = Scalar {
                    span: range,
                    line: span.start.line(),
                    value,
                    style,
                    tag: tag.map(Cow::into_owned),
                    flow: self.path.in_flow(),
                    entry,
                };
                self.scalar(scalar);
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.settle()?;
                self.drop_pending(Place::Alias);
                self.path.pass(Cow::Borrowed("*"));
                self.tail = Some(Tail::new(&range, TailKind::Alias));
            }
            Event::SequenceStart(style, ..) => self.open(true, style, &range)?,
            Event::MappingStart(style, ..) => self.open(false, style, &range)?,
            Event::SequenceEnd | Event::MappingEnd => self.close(&range)?,
            Event::DocumentEnd => self.end_document()?,
            _ => {}
        }
        Ok(())
    }

    fn scalar(&mut self, scalar: Scalar<'a>) {
        let written = !scalar.span.is_empty() || scalar.is_block();
        let role = self.path.role();
        if !written {
            self.drop_pending(Place::EmptyValue);
        } else if role == Role::Key {
            self.drop_pending(Place::AboveKey);
        }
        let kind = if role == Role::Key {
            TailKind::Key
        } else {
            TailKind::Value
        };
        if written {
            self.tail = Some(Tail::new(&scalar.span, kind));
        }
        let label = self.label(&scalar);
        if role == Role::Value && written {
            self.scope.see(&self.path, &label);
            let head = self.head(&scalar);
            self.current = Some(Current {
                scalar,
                head,
                line: None,
                field: None,
            });
        }
        self.path.pass(label);
    }

    /// A scalar's text for people: as in the document, where something is masked in it.
    fn label(&self, scalar: &Scalar<'a>) -> Cow<'a, str> {
        match self.source.get(scalar.span.clone()) {
            Some(source) if self.hidden(&scalar.span) => Cow::Borrowed(source),
            _ => scalar.value.clone(),
        }
    }

    fn hidden(&self, span: &Range<usize>) -> bool {
        !std::ptr::eq(self.text, self.source)
            && self.text.get(span.clone()) != self.source.get(span.clone())
    }

    /// The pending marker, if it stands directly above this scalar.
    fn head(&mut self, scalar: &Scalar<'a>) -> Option<Comment> {
        let comment = self.pending.take()?;
        if above(self.text, &comment, scalar.span.start) {
            return Some(comment);
        }
        self.stray(comment, Place::Detached);
        None
    }

    fn open(
        &mut self,
        sequence: bool,
        style: StructureStyle,
        range: &Range<usize>,
    ) -> Result<(), Unreadable> {
        self.settle()?;
        let flow = style == StructureStyle::Flow;
        self.pending_meets_collection(sequence, flow);
        self.path.enter(sequence, flow);
        if !range.is_empty() {
            self.tail = Some(Tail::new(range, TailKind::Collection));
        }
        Ok(())
    }

    /// A block sequence goes on to its first item, which the comment above may mark; other collections take no marker.
    fn pending_meets_collection(&mut self, sequence: bool, flow: bool) {
        match (sequence, flow) {
            (true, false) => {}
            (false, false) => self.drop_pending(Place::AboveKey),
            (_, true) => self.drop_pending(Place::Collection),
        }
    }

    fn close(&mut self, range: &Range<usize>) -> Result<(), Unreadable> {
        if !range.is_empty() {
            self.settle()?;
            self.drop_pending(Place::Detached);
            self.tail = Some(Tail::new(range, TailKind::Collection));
        } else if self.path.in_flow() {
            // The pair in `[a: b]` closes before the comment behind it comes.
            let field = self.path.field();
            if let Some(current) = &mut self.current {
                current.field.get_or_insert(field);
            }
        } else {
            self.settle()?;
        }
        self.path.leave();
        Ok(())
    }

    fn comment(&mut self, range: &Range<usize>, span: &Span) {
        let Some(text) = self.text.get(range.clone()) else {
            return;
        };
        if let Some(pending) = self.pending.take() {
            self.stray(pending, Place::CommentBlock);
        }
        let line = span.start.line();
        let comment = Marker::from_comment(text).map(|marker| Comment {
            marker,
            range: range.clone(),
            position: (line, span.start.col() + 1),
            own_line: false,
        });
        let block_start = self
            .current
            .as_ref()
            .filter(|current| current.scalar.is_block())
            .map(|c| c.scalar.span.start);
        match (
            spot(self.text, range.start, self.tail.as_ref(), block_start),
            comment,
        ) {
            (Spot::OwnLine, comment) => self.own_line(line, comment),
            (Spot::Behind, comment) => self.behind(comment),
            (Spot::Before, comment) => self.pending = comment,
            (Spot::Misplaced(_), None) => {}
            (Spot::Misplaced(place), Some(comment)) => self.stray(comment, place),
        }
    }

    fn own_line(&mut self, line: usize, comment: Option<Comment>) {
        let alone = self.comment_line.is_none_or(|above| above + 1 != line);
        self.comment_line = Some(line);
        // Prose about markers, and YAML that is commented out, is not a broken marker.
        let Some(comment) = comment.filter(Comment::starts_with_json) else {
            return;
        };
        if alone {
            self.pending = Some(Comment {
                own_line: true,
                ..comment
            });
        } else {
            self.stray(comment, Place::CommentBlock);
        }
    }

    fn behind(&mut self, comment: Option<Comment>) {
        match (&mut self.current, comment) {
            (Some(current), comment) => current.line = Some(comment),
            (None, Some(comment)) => self.stray(comment, Place::Detached),
            (None, None) => {}
        }
    }

    /// No more comments come for the newest scalar value: decides what marks it. As in Flux, only the comment behind it counts
    /// when there is one, and the comment above it otherwise.
    fn settle(&mut self) -> Result<(), Unreadable> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let comment = match (current.line, current.head) {
            (None, None) | (Some(None), None) => return Ok(()),
            (Some(None), Some(head)) => {
                self.stray(head, Place::Shadowed);
                return Ok(());
            }
            (Some(Some(line)), head) => {
                if let Some(head) = head {
                    self.stray(head, Place::Shadowed);
                }
                line
            }
            (None, Some(head)) => head,
        };
        if self.path.is_root() && current.field.is_none() {
            self.stray(comment, Place::Root);
            return Ok(());
        }
        let field = current.field.unwrap_or_else(|| self.path.field());
        self.mark(current.scalar, comment, field)
    }

    fn mark(
        &mut self,
        scalar: Scalar<'a>,
        comment: Comment,
        field: String,
    ) -> Result<(), Unreadable> {
        let Comment {
            marker, position, ..
        } = comment;
        let marker = match marker {
            Ok(marker) => marker,
            Err(error) => {
                self.found.strays.push(Stray {
                    position,
                    kind: error.into(),
                });
                return Ok(());
            }
        };
        if self.found.marked.len() >= MARKER_LIMIT {
            let kind = ProblemKind::TooManyMarkers {
                limit: MARKER_LIMIT,
            };
            return Err(Unreadable { position, kind });
        }
        let item = self.path.item();
        self.scope.mark(item);
        let hidden = self.hidden(&scalar.span);
        self.found.marked.push(Marked {
            scalar,
            marker,
            position,
            field,
            object: None,
            item,
            hidden,
        });
        Ok(())
    }

    fn end_document(&mut self) -> Result<(), Unreadable> {
        self.settle()?;
        self.drop_pending(Place::Detached);
        let object = std::mem::take(&mut self.scope).finish();
        for marked in &mut self.found.marked[self.first_of_document..] {
            marked.object = object(marked.item);
        }
        self.first_of_document = self.found.marked.len();
        self.path = Path::default();
        self.tail = None;
        Ok(())
    }

    fn drop_pending(&mut self, place: Place) {
        if let Some(comment) = self.pending.take() {
            self.stray(comment, place);
        }
    }

    fn stray(&mut self, comment: Comment, place: Place) {
        let kind = match comment.marker {
            Ok(_) => ProblemKind::Misplaced(place),
            Err(error) => error.into(),
        };
        self.found.strays.push(Stray {
            position: comment.position,
            kind,
        });
    }
}
