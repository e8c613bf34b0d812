//! Which node a comment belongs to.
//!
//! The library that kustomize v5.8.1 reads with gives a comment to what follows (head), to what
//! stands on its line, or to what precedes (foot), by blank lines and columns. Invariant: a comment
//! goes where that library puts it; every layout where that is not settled here is refused. What is
//! absent: comments among brackets.

use super::Refusal;
use super::tree::{Document, Inner, Kind, Place, Style};
use std::collections::{HashMap, HashSet};

/// One comment.
pub(super) struct Comment {
    pub(super) place: Place,
    /// With its `#`.
    pub(super) text: String,
    /// Whether nothing else stands on its line.
    pub(super) own: bool,
}

/// The way to a node: indices among items.
type Way = Vec<usize>;

/// The first node of a line, and the last.
#[derive(Default)]
struct Lines {
    first: HashMap<usize, First>,
    last: HashMap<usize, Last>,
    /// The lines among brackets that are still open there.
    inside: HashSet<usize>,
    /// The lines that hold nothing but dashes.
    dashes: HashSet<usize>,
}

/// What a line starts with.
struct First {
    /// The node that a head goes to.
    way: Way,
    /// Whether this is an item of a list.
    item: bool,
    column: usize,
}

/// What ends on a line.
#[derive(Clone)]
struct Last {
    way: Way,
    /// Whether this is a key whose value follows below.
    key: bool,
    /// The column of the block it is in.
    level: usize,
}

/// Puts every comment where it belongs.
pub(super) fn attach(
    document: &mut Document,
    comments: &[Comment],
    text: &str,
) -> Result<(), Refusal> {
    let Some(root) = document.root.as_ref().filter(|_| !comments.is_empty()) else {
        return Ok(());
    };
    let mut lines = Lines::default();
    lines.gather(root, &mut Vec::new(), root.start.1);
    lines.measure(text);
    let blank: Vec<bool> = text.lines().map(|line| line.trim().is_empty()).collect();
    let mut group: Vec<&Comment> = Vec::new();
    for comment in comments {
        if lines.inside.contains(&comment.place.0) {
            return Err(unsettled());
        }
        if !comment.own {
            lines.attach_line(document, comment)?;
            continue;
        }
        if let Some(last) = group.last()
            && !(last.place.0 + 1..comment.place.0).all(|line| blank[line])
        {
            lines.attach_group(document, &group, &blank)?;
            group.clear();
        }
        group.push(comment);
    }
    if group.is_empty() {
        return Ok(());
    }
    lines.attach_group(document, &group, &blank)
}

/// Whether nothing stands where a value could.
fn is_absent(node: &Inner) -> bool {
    node.kind == Kind::Scalar && node.style == Style::Plain && node.text.is_empty()
}

fn unsettled() -> Refusal {
    Refusal::unsupported("a comment in this place of a string")
}

fn at<'a>(document: &'a mut Document, way: &[usize]) -> Result<&'a mut Inner, Refusal> {
    let root = document.root.as_mut().ok_or_else(unsettled)?;
    way.iter().try_fold(root, |node, index| {
        node.items.get_mut(*index).ok_or_else(unsettled)
    })
}

fn set(field: &mut String, text: String) -> Result<(), Refusal> {
    if !field.is_empty() {
        return Err(unsettled());
    }
    *field = text;
    Ok(())
}

impl Lines {
    fn gather(&mut self, node: &Inner, way: &mut Way, level: usize) {
        let block = node.kind != Kind::Scalar && node.style != Style::Flow;
        if !block && is_absent(node) {
            return;
        }
        if !block {
            self.start(node.start.0, way, false);
            let lines = node.start.0..node.end.0;
            if node.style == Style::Literal || node.style == Style::Folded {
                self.end(node.start.0, way, level, false);
            } else {
                if node.style == Style::Flow {
                    self.inside.extend(lines);
                }
                self.end(node.end.0, way, level, false);
            }
            return;
        }
        let level = node.start.1;
        for (index, item) in node.items.iter().enumerate() {
            way.push(index);
            let key = node.kind == Kind::Mapping && index % 2 == 0;
            if key {
                self.start(item.start.0, way, false);
                self.end(item.end.0, way, level, true);
            } else {
                if node.kind == Kind::Sequence && !is_absent(item) {
                    self.start(item.start.0, way, true);
                }
                self.gather(item, way, level);
            }
            way.pop();
        }
    }

    fn start(&mut self, line: usize, way: &Way, item: bool) {
        self.first.entry(line).or_insert_with(|| First {
            way: way.clone(),
            item,
            column: 0,
        });
    }

    /// Takes the columns from the text, and forgets items whose dash is on another line.
    fn measure(&mut self, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let content = line.trim_start_matches(' ');
            let words = content.split(" #").next().unwrap_or_default();
            if words.starts_with('-') && words.chars().all(|each| matches!(each, '-' | ' ')) {
                self.dashes.insert(index);
            }
            if let Some(first) = self.first.get_mut(&index) {
                first.column = line.len() - content.len();
                if first.item != content.starts_with("- ") {
                    self.first.remove(&index);
                }
            }
        }
    }

    fn end(&mut self, line: usize, way: &Way, level: usize, key: bool) {
        let way = way.clone();
        self.last.insert(line, Last { way, key, level });
    }

    fn attach_line(&self, document: &mut Document, comment: &Comment) -> Result<(), Refusal> {
        let last = self.last.get(&comment.place.0).ok_or_else(unsettled)?;
        let node = at(document, &last.way)?;
        if comment.place < node.start {
            return Err(unsettled());
        }
        set(&mut node.line, comment.text.clone())
    }

    /// Comment lines with nothing but blank lines between them.
    fn attach_group(
        &self,
        document: &mut Document,
        group: &[&Comment],
        blank: &[bool],
    ) -> Result<(), Refusal> {
        let (top, bottom) = (group[0].place.0, group[group.len() - 1].place.0);
        let before = (0..top).rev().find(|line| !blank[*line]);
        let after = (bottom + 1..blank.len()).find(|line| !blank[*line]);
        let close = group
            .windows(2)
            .take_while(|pair| pair[0].place.0 + 1 == pair[1].place.0)
            .count()
            + 1;
        let (one, rest) = group.split_at(close);
        let ends = one[one.len() - 1].place.0 + 1;
        let apart = blank.get(ends).is_none_or(|blank| *blank);
        let Some(before) = before else {
            return self.attach_top(document, group, after);
        };
        if self.dashes.contains(&before) {
            return Err(unsettled());
        }
        if before + 1 == top && (apart || self.is_dedented(before, one, after)) {
            self.attach_foot(document, before, one)?;
            if rest.is_empty() {
                return Ok(());
            }
            return self.attach_head(document, rest, after);
        }
        self.attach_head(document, group, after)
    }

    /// Whether what follows is further out than a comment and the block before it.
    fn is_dedented(&self, before: usize, one: &[&Comment], after: Option<usize>) -> bool {
        let (Some(last), Some(first)) = (
            self.last.get(&before),
            after.and_then(|line| self.first.get(&line)),
        ) else {
            return false;
        };
        first.column < last.level && first.column != one[0].place.1
    }

    fn attach_foot(
        &self,
        document: &mut Document,
        before: usize,
        comments: &[&Comment],
    ) -> Result<(), Refusal> {
        let last = self.last.get(&before).ok_or_else(unsettled)?;
        let column = comments[0].place.1;
        let even = comments.iter().all(|comment| comment.place.1 == column);
        if last.key || column != last.level || !even {
            return Err(unsettled());
        }
        let node = at(document, &last.way)?;
        if node.kind != Kind::Scalar || node.style != Style::Plain || !node.line.is_empty() {
            return Err(unsettled());
        }
        let mut way = last.way.clone();
        if let Some((index, above)) = last.way.split_last()
            && at(document, above)?.kind == Kind::Mapping
        {
            way = above.to_vec();
            way.push(index - 1);
        }
        set(&mut at(document, &way)?.foot, joined(comments))
    }

    fn attach_head(
        &self,
        document: &mut Document,
        comments: &[&Comment],
        after: Option<usize>,
    ) -> Result<(), Refusal> {
        let Some(after) = after else {
            return Err(unsettled());
        };
        let first = self.first.get(&after).ok_or_else(unsettled)?;
        if comments
            .iter()
            .any(|comment| comment.place.1 != first.column)
        {
            return Err(unsettled());
        }
        let mut text = joined(comments);
        if comments[comments.len() - 1].place.0 + 1 != after {
            text.push('\n');
        }
        set(&mut at(document, &first.way)?.head, text)
    }

    /// Comments before everything else: the last ones go to the first node if nothing is between.
    fn attach_top(
        &self,
        document: &mut Document,
        comments: &[&Comment],
        after: Option<usize>,
    ) -> Result<(), Refusal> {
        let after = after.ok_or_else(unsettled)?;
        let bottom = comments[comments.len() - 1].place.0;
        let own = if bottom + 1 == after {
            let pairs = comments.windows(2).rev();
            let close = pairs.take_while(|pair| pair[0].place.0 + 1 == pair[1].place.0);
            close.count() + 1
        } else {
            0
        };
        let (top, own) = comments.split_at(comments.len() - own);
        if top.iter().any(|comment| comment.place.1 != 0) {
            return Err(unsettled());
        }
        if !top.is_empty() {
            set(&mut document.head, joined(top))?;
        }
        if own.is_empty() {
            return Ok(());
        }
        self.attach_head(document, own, Some(after))
    }
}

/// The lines of comments, with an empty one where they are apart.
fn joined(comments: &[&Comment]) -> String {
    let mut text = String::new();
    let mut line = None;
    for comment in comments {
        if let Some(line) = line {
            text.push_str(if line + 1 == comment.place.0 {
                "\n"
            } else {
                "\n\n"
            });
        }
        text.push_str(&comment.text);
        line = Some(comment.place.0);
    }
    text
}
